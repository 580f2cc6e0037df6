"""Emits a program as a module that computes all steps of a batch at once.

The text is the same for every framework but for the functions that it starts with.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from string import Template
from typing import Any

import numpy as np

from ..analysis.facts import Fact
from ..analysis.periods import FOR_EVER, autonomous
from ..analysis.ranges import analyse
from ..interpret.schedule import edges, schedule
from ..ir.nodes import Graph
from ..ir.types import Type
from ..version import __version__
from .emitter import Found
from .groups import GroupEmitter
from .library import library
from .scope import Scope
from .values import BOOL, Value, kind_of, literal

MODULE = Template('''"""$doc

Written by LSRL $version from $source; it needs $framework only.

    outputs, state = run({$example})  # arrays [B, T], vectors [B, T, d]
    outputs, state = run({$more}, state)  # what follows

All steps are computed at once. Within, time is the last axis and the batch the one before it; a
vector's elements are the first one, so that a scalar [B, T] broadcasts over a vector [d, B, T].

Integers are int64 and reals float64; booleans are bool, members of enumerations their codes.$note
$states"""

$head


$functions


INPUTS = {$inputs}  # kind, and whether it is a vector
OUTPUTS = {$outputs}  # kind, and a vector's size
$constants

def initial_state(batch=1):
    """The states before the first step, [B] or [d, B]; B is 1 for those that no input reaches."""
    return {$initial}

$steps
${decorator}def program(inputs, state):
    """Outputs, and the states after the last step. Inputs are [B, T], vectors [d, B, T]."""
    $body


def run(inputs, state=None):
    """A batch: arrays by name, [B, T] or [B, T, d], to outputs by name and the next state."""
    inputs = {name: given(inputs[name], *type) for name, type in INPUTS.items()}
    shape = next(iter(inputs.values())).shape[-2:]
    state = initial_state(shape[0]) if state is None else state
    outputs, state = program(inputs, state)
    return {name: presented(y, *OUTPUTS[name], *shape) for name, y in outputs.items()}, state
''')

X64 = """
It needs x64: `jax.config.update("jax_enable_x64", True)` before anything else, or all calls within
`with jax.enable_x64(True):`."""
FRAME = ("given", "presented", "array", "boolean", "integer", "real")


@dataclass(frozen=True)
class Fusion:
    """A program's body, vectorised over time: its statements, the functions of a step that they
    call, and how each group of states is computed. `text(framework)` is the module for
    `numpy`, `torch` or `jax`."""

    graph: Graph
    doc: str
    source: str
    lines: tuple[str, ...]
    functions: tuple[str, ...]
    constants: dict[str, str]
    groups: tuple[Found, ...]
    initial: dict[str, str]

    @cached_property
    def grows(self) -> bool:
        """Whether a state may leave float64 on input that is longer than the program's length."""
        return any(g.grows for g in self.groups)

    @cached_property
    def loops(self) -> tuple[Found, ...]:
        """The groups that are computed step by step."""
        return tuple(g for g in self.groups if g.loop)

    def text(self, framework: str) -> str:
        """The module. The same program gives the same text."""
        functions = library(framework)
        body = "\n    ".join(self.lines)
        own = "\n".join([body, *self.functions])
        used = set(re.findall(r"\w+", own + "".join(self.constants)))
        constants = ['INFINITY = float("inf")'] if "INFINITY" in own else []
        constants += [f"{name} = {text}" for text, name in self.constants.items()]
        names = functions.needed([*sorted(used), *FRAME])
        fields, outputs = self.graph.inputs, self.graph.outputs
        type_of = {o.name: self.graph.nodes[o.node].type for o in outputs}
        example = ", ".join(f'"{f.name}": {f.name}' for f in fields)
        return MODULE.substitute(
            doc=_within_quotes(self.doc).strip(),
            source=_within_quotes(self.source),
            version=__version__,
            framework=framework,
            example=example,
            more=", ".join(f'"{f.name}": more' for f in fields),
            note=X64 if framework == "jax" else "",
            states=self._states(),
            head=functions.head,
            constants="".join(f"{line}\n" for line in constants),
            inputs=_table({f.name: f"({kind_of(f.type)}, {bool(f.type.shape)})" for f in fields}),
            outputs=_table({n: f"({kind_of(t)}, {_size(t)})" for n, t in type_of.items()}),
            functions="\n\n\n".join(functions.texts[n] for n in names),
            initial=", ".join(f'"{k}": {v}' for k, v in self.initial.items()),
            steps="".join(f"\n{text}\n\n" for text in self.functions),
            decorator="@jax.jit\n" if framework == "jax" else "",
            body=body,
        )

    def _states(self) -> str:
        lines = [f"  {', '.join(g.states)}: {g.how}" for g in self.groups]
        return "\n".join(["\nHow the states are computed:", "", *lines, ""]) if lines else ""


def _within_quotes(text: str) -> str:
    """Text as it can stand in a docstring."""
    return text.replace("\\", "\\\\").replace('"""', "'''")


def _size(type: Type) -> int:
    return type.size if type.shape else 0


def _table(entries: dict[str, str]) -> str:
    return ", ".join(f'"{k}": {v}' for k, v in entries.items())


def _dictionary(start: str, entries: dict[str, str]) -> list[str]:
    """A statement with a dictionary, an entry a line unless it is short."""
    line = f"{start}{{{_table(entries)}}}"
    if len(line) < 92:
        return [line]
    return [f"{start}{{", *(f'    "{k}": {v},' for k, v in entries.items()), "}"]


def fuse(graph: Graph, facts: Sequence[Fact], doc: str = "", source: str = "a program") -> Fusion:
    """Vectorise an optimised graph over time. `doc` and `source`, what the program says that it
    does and the name of its file, stand at the head of the module."""
    return _Emitter(graph, facts).run(doc, source)


class _Emitter:
    def __init__(self, graph: Graph, facts: Sequence[Fact]) -> None:
        self.graph, self.facts = graph, facts
        self.components = schedule(edges(graph), [o.node for o in graph.outputs])
        self.needed = [n for c in self.components for n in c.nodes]
        uses = Counter(a for n in self.needed for a in graph.nodes[n].args)
        uses.update(o.node for o in graph.outputs)
        uses.update(s.next for s in graph.states)
        reserved = {*library("numpy").texts, *_RESERVED}
        self.scope = Scope(graph, _names(graph), uses, {}, reserved, [])
        self.found: list[Found] = []
        self.clocks = frozenset(autonomous(graph))
        prevs = {graph.nodes[n].attrs[0] for n in self.needed if graph.nodes[n].op == "prev"}
        self.states = sorted(prevs)
        keys = set[str]()
        self.keys = {s: _key(graph.states[s].name, keys) for s in self.states}
        self.before = {s: f'state["{k}"]' for s, k in self.keys.items()}

    @cached_property
    def lasting(self) -> tuple[Fact, ...]:
        """Facts that hold for any length."""
        return analyse(self.graph.replace(length=FOR_EVER))

    def run(self, doc: str, source: str) -> Fusion:
        scope, graph = self.scope, self.graph
        for component in self.components:
            if component.cyclic:
                self._group(component)
            else:
                self._single(component.nodes[0])
        outputs = {o.name: self.scope.values[o.node].text for o in graph.outputs}
        new = {
            k: f"last({scope.values[graph.states[s].next].text}, {self.before[s]})"
            for s, k in self.keys.items()
        }
        ends = [*_dictionary("outputs = ", outputs), *_dictionary("return outputs, ", new)]
        lines = [*scope.live("\n".join(ends)), *ends]
        if any(re.search(r"\bsteps\b", line) for line in lines):
            lines.insert(0, f'steps = inputs["{graph.inputs[0].name}"].shape[-1]')
        initial = {k: self._initial(s) for s, k in self.keys.items()}
        return Fusion(
            graph, doc, source, tuple(lines), tuple(scope.functions), scope.pool,
            tuple(self.found), initial,
        )  # fmt: skip

    def _initial(self, s: int) -> str:
        state = self.graph.states[s]
        init = np.empty(len(state.init), dtype=object)
        init[:] = state.init
        text = f"array({literal(init.reshape(*(state.type.shape or ()), 1), kind_of(state.type))})"
        if state.next in self.clocks:
            return text
        return f"whole({text}, {', '.join([*map(str, state.type.shape or ()), 'batch'])})"

    def _group(self, component: Any) -> None:
        group = GroupEmitter(self.scope, component, self.facts, self.lasting, self.before)
        self.found.append(group.emit())
        outside = {
            a for n in self.needed if n not in component.nodes for a in self.graph.nodes[n].args
        }
        outside |= {o.node for o in self.graph.outputs} | {s.next for s in self.graph.states}
        wanted, todo = set[int](), [n for n in component.nodes if n in outside]
        while todo:
            n = todo.pop()
            if n not in wanted and n not in self.scope.values:
                wanted.add(n)
                todo += [a for a in self.graph.nodes[n].args if a in component.nodes]
        for n in sorted(wanted):
            self._single(n)

    def _single(self, n: int) -> None:
        node, scope = self.graph.nodes[n], self.scope
        if node.op == "input":
            (name,) = node.attrs
            value = Value(f'inputs["{name}"]', kind_of(node.type), bool(node.type.shape))
            scope.values[n] = scope.assign(value, name)
        elif node.op == "prev":
            self._shift(n)
        else:
            scope.compute(n)

    def _shift(self, n: int) -> None:
        (s,) = self.graph.nodes[n].attrs
        state = self.graph.states[s]
        new = self.scope.values[state.next]
        kind = kind_of(state.type)
        text = new.text if new.kind == kind or new.constant is not None else f"{kind}({new.text})"
        value = Value(f"shifted({text}, {self.before[s]}, steps)", kind, bool(state.type.shape))
        found = self.scope.assign(value, self.scope.names.get(n, f"before_{state.name}"))
        if kind == BOOL and new.equals(True) and state.init == (False,):
            self.scope.later[found.text] = self.before[s]
        self.scope.values[n] = found


_RESERVED = (
    "inputs state steps outputs program run initial_state np torch jax jnp lax INPUTS OUTPUTS "
    "INFINITY abs"
).split()


def _names(graph: Graph) -> dict[int, str]:
    """The program's name of each node that has one."""
    names: dict[int, str] = {}
    for name, n in graph.names:
        if "." in names.get(n, "."):  # of a function's own names the caller's is the better one
            names[n] = name
    return names


def _key(name: str, taken: set[str]) -> str:
    """A key for a state: its name, made unique."""
    found, k = name, 2
    while found in taken:
        found, k = f"{name} {k}", k + 1
    taken.add(found)
    return found.replace('"', "'").replace("\\", "/")
