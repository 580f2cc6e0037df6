"""Groups of states as expressions over the whole time axis: which form each takes, and its text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..analysis.dependence import Factor
from ..analysis.kinds import Group as Kinds
from ..analysis.kinds import StateKind, classify
from ..analysis.ranges import Fact
from ..interpret.scans import find_routes
from ..ir.components import Component
from .forms import Choice, Form, Leaf, form_of, leaves, merged
from .operations import inverse, widened
from .scope import Scope
from .values import BOOL, INT, REAL, Value, constant, converted, identifier, kind_of, literal

MAPS = 32  # joint values of states whose transition maps are composed
ELEMENTWISE = frozenset(
    "prev bound promise number neg add sub mul div mod floordiv units lt le eq ne and or not "
    "select relu abs max min".split()
)


@dataclass(frozen=True)
class Found:
    """What became of a group: its states' names, how they are computed, and whether that takes a
    loop over the steps; `grows` where powers of a matrix may leave float64 on long input."""

    states: tuple[str, ...]
    how: str
    loop: bool = False
    grows: bool = False


class GroupEmitter:
    """Emits one group into a scope. `state_text` has the text of each state's value before."""

    def __init__(
        self,
        scope: Scope,
        component: Component,
        facts: Sequence[Fact],
        lasting: Sequence[Fact],
        state_text: dict[int, str],
    ) -> None:
        self.scope, self.graph = scope, scope.graph
        self.nodes = component.nodes
        self.kinds: Kinds = classify(self.graph, facts, component)
        self.states = self.kinds.states
        self.lasting, self.before = lasting, state_text
        self.component = component

    def emit(self) -> Found:
        """Enter the values of the states' next nodes into the scope."""
        for way in (self._boolean, self._by_form, self._window, self._linear, self._finite):
            found = way()
            if found is not None:
                return found
        return self._stepped()

    # Entering results

    def _found(self, how: str, **flags: bool) -> Found:
        return Found(tuple(self.graph.states[s].name for s in self.states), how, **flags)

    def _enter(self, state: int, text: str) -> None:
        """The state's new values are this text."""
        s = self.graph.states[state]
        value = Value(text, kind_of(s.type), bool(s.type.shape))
        name = self.scope.names.get(s.next, s.name)
        if not text.isidentifier():
            value = self.scope.assign(value, name)
        n = s.next
        while n in self.nodes:
            self.scope.values[n] = value
            if self.graph.nodes[n].op not in ("bound", "promise"):
                break
            n = self.graph.nodes[n].args[0]

    def _outside(self, n: int) -> Value:
        """The value of a node outside of the group, short enough to be written several times."""
        value = self.scope.values[n]
        if value.constant is None and not value.text.isidentifier():
            value = self.scope.values[n] = self.scope.assign(value, f"v{n}")
        return value

    def _with(self, elements: dict[int, Any]) -> list[Value]:
        """The states' next values where the previous ones are these constants."""
        replaced = {
            n: constant(elements[self.graph.nodes[n].attrs[0]], kind_of(self.graph.nodes[n].type))
            for n in self.nodes
            if self.graph.nodes[n].op == "prev"
        }
        wanted = [self.graph.states[s].next for s in self.states]
        return self.scope.under(replaced, self.nodes, wanted)

    # Booleans

    def _boolean(self) -> Found | None:
        """A boolean: what it becomes where it was false, and where it was true."""
        if len(self.states) > 1:
            return None
        (s,) = self.states
        type = self.graph.states[s].type
        single = type.size == 1 or all(self.graph.nodes[n].op in ELEMENTWISE for n in self.nodes)
        if kind_of(type) != BOOL or not single or self._form() is not None:
            return None
        (f0,), (f1,) = self._with({s: False}), self._with({s: True})
        f0, f1, before = converted(f0, BOOL), converted(f1, BOOL), self.before[s]
        if f1.equals(True):
            self._enter(s, f"running_any({self._lasting(f0)}, {before})")
            return self._found("whether something has ever held")
        if f0.equals(False):
            self._enter(s, f"running_all({self._lasting(f1)}, {before})")
            return self._found("whether something has always held")
        if self.scope.meaning.get(f1.text, f1.text) == inverse(f0).text:
            self._enter(s, f"parity({self._lasting(f0)}, {before})")
            return self._found("a parity of cumulative sums")
        self._enter(s, f"toggled({self._lasting(f0)}, {self._lasting(f1)}, {before})")
        return self._found("set, reset or toggled: the last setting, and a parity since")

    # One state, element by element

    def _form(self) -> Form | None:
        if len(self.states) > 1:
            return None
        return form_of(self.graph, self.nodes, self.states[0], self._outside)

    def _by_form(self) -> Found | None:
        form = self._form()
        if form is None:
            return None
        (s,) = self.states
        kind, all_leaves = kind_of(self.graph.states[s].type), list(leaves(form))
        if any(leaf.is_limited for leaf in all_leaves):
            return self._limited(s, form, all_leaves, kind)
        if isinstance(form, Leaf):
            return self._sum(s, form, kind)
        moduli = {leaf.modulus for leaf in all_leaves}
        if all(leaf.factor.equals(0) or leaf.factor.equals(1) for leaf in all_leaves):
            return self._held(s, form, all_leaves, kind)
        return self._gated(s, form, kind) if moduli == {None} else None

    def _sum(self, s: int, leaf: Leaf, kind: str) -> Found | None:
        """factor p + rest, perhaps modulo m."""
        before, rest = self.before[s], leaf.rest
        if kind == BOOL:
            return None
        if leaf.factor.equals(1):
            if rest.constant is None:
                text, how = f"total({rest.text}, {before})", "a cumulative sum"
            elif rest.equals(1):
                text, how = f"clock({before}, steps)", "index arithmetic"
            else:
                text = f"total(lasting({rest.text}, steps), {before})"
                how = "index arithmetic"
            if leaf.modulus is not None:
                text, how = f"modulo({text}, {leaf.modulus})", how + f" modulo {leaf.modulus}"
            self._enter(s, text)
            return self._found(how)
        if leaf.modulus is not None:
            return None
        if leaf.factor.constant is None:
            return self._gated(s, leaf, kind)
        factor = literal(leaf.factor.constant, kind)
        self._enter(s, f"decayed({factor}, {self._lasting(rest)}, {before})")
        grows = bool(np.any(np.abs(np.asarray(leaf.factor.constant, dtype=float)) > 1))
        return self._found("a decay, by blocks of steps", grows=grows)

    def _lasting(self, value: Value) -> str:
        """The text of a value with its time axis, which constants have not."""
        return value.text if value.constant is None else f"lasting({value.text}, steps)"

    def _held(self, s: int, form: Choice, all_leaves: list[Leaf], kind: str) -> Found | None:
        """Kept, or set to another value, where a condition chooses which."""
        before = self.before[s]
        setting = merged(form, lambda leaf: constant(leaf.factor.equals(0), BOOL), BOOL)
        assert setting is not None
        kept = [leaf for leaf in all_leaves if leaf.factor.equals(1)]
        moduli = {leaf.modulus for leaf in all_leaves if leaf.modulus is not None}
        modulus = next(iter(moduli), None)
        if len(moduli) > 1 or (modulus is not None and not self._stays(s, modulus)):
            return None
        if setting.constant is not None:
            return None
        if all(leaf.rest.equals(0) for leaf in kept):
            new = merged(form, lambda x: x.rest if x.factor.equals(0) else None, kind)
            assert new is not None
            text, how = f"held({setting.text}, {new.text}, {before})", "the value last set"
        elif kind == INT:
            if any(leaf.modulus != modulus and not leaf.rest.equals(0) for leaf in kept):
                return None
            rest = merged(form, lambda leaf: leaf.rest, kind)
            assert rest is not None
            text = f"total_since({setting.text}, {self._lasting(rest)}, {before})"
            how = "a cumulative sum since the last setting"
        else:
            return self._gated(s, form, kind) if modulus is None else None
        if modulus is not None:
            text = f"modulo({text}, {modulus})"
        self._enter(s, text)
        return self._found(how)

    def _stays(self, s: int, modulus: int) -> bool:
        """Whether all values of a state are among 0..modulus-1."""
        low, high = self._range(s)
        return bool(low.min() >= 0 and high.max() < modulus)

    def _range(self, s: int) -> tuple[Any, Any]:
        """The smallest and the largest value of each element, initial ones included."""
        state = self.graph.states[s]
        init = np.array([float(v) for v in state.init])
        fact = self.lasting[state.next]
        low = np.broadcast_to(fact.lo, state.type.shape or ()).reshape(-1)
        high = np.broadcast_to(fact.hi, state.type.shape or ()).reshape(-1)
        return np.minimum(low, init), np.maximum(high, init)

    def _gated(self, s: int, form: Form, kind: str) -> Found | None:
        """factor p + rest, where the input decides on both."""
        allowed = {StateKind.LINEAR, StateKind.GATED, StateKind.SIGNED}
        if not allowed & set(self.kinds.kinds) or kind == BOOL:
            return None
        factor = merged(form, lambda leaf: leaf.factor, kind)
        rest = merged(form, lambda leaf: leaf.rest, kind)
        assert factor is not None and rest is not None
        self._enter(s, f"gated({factor.text}, {self._lasting(rest)}, {self.before[s]})")
        return self._found("a scan of linear maps")

    def _limited(self, s: int, form: Form, all_leaves: list[Leaf], kind: str) -> Found | None:
        """Within limits: a running extreme, or a scan of maps min(max(p + x, low), high)."""
        if any(leaf.modulus is not None for leaf in all_leaves):
            return None
        if not all(leaf.factor.equals(0) or leaf.factor.equals(1) for leaf in all_leaves):
            return None
        before = self.before[s]
        if isinstance(form, Leaf) and form.factor.equals(1) and form.rest.equals(0):
            for end, other, name in (
                (form.low, form.high, "running_max"), (form.high, form.low, "running_min"),
            ):  # fmt: skip
                if end is not None and other is None:
                    self._enter(s, f"{name}({self._lasting(end)}, {before})")
                    return self._found("a running extreme")
        parts = [merged(form, part, REAL) for part in (_shift, _low, _high)]
        if not all(leaf.factor.equals(1) or leaf.is_plain for leaf in all_leaves):
            return None
        rest, low, high = (part for part in parts if part is not None)
        before = before if kind == REAL else f"real({before})"
        text = f"clamped({self._lasting(rest)}, {low.text}, {high.text}, {before})"
        self._enter(s, text if kind == REAL else f"integer({text})")
        return self._found("a scan of sums within limits")

    # Several elements

    def _window(self) -> Found | None:
        """A register: the last values of something."""
        routes = find_routes(self.graph, self.component)
        if routes is None:
            return None
        (s,) = self.states
        size = self.graph.states[s].type.size
        width = size // (1 + max(len(path) for path, _ in routes))
        if size % width:
            return None
        for j, (path, source) in enumerate(routes):
            if path != list(range(j + width, size, width)) or source != routes[j % width][1]:
                return None
        x = self._joined(
            [source for _, source in routes[:width]], kind_of(self.graph.states[s].type)
        )
        self._enter(s, f"window({x}, {self.before[s]})")
        return self._found("a window: shifted in time")

    def _joined(self, sources: Sequence[tuple[int, int]], kind: str) -> str:
        """Elements of nodes as one vector with a time axis."""
        node = sources[0][0]
        size = self.graph.nodes[node].type.size
        if sources == [(node, k) for k in range(size)]:
            value = widened(converted(self.scope.values[node], kind), size)
            return self._lasting(value)
        parts = []
        for n, k in sources:
            value = converted(self.scope.values[n], kind)
            if value.constant is not None and value.wide:
                value = constant(value.constant[k], kind)
            elif value.wide:
                value = Value(f"{value.operand}[{k}]", kind)
            parts.append(widened(value, 1))
        text = f"joined({', '.join(p.text for p in parts)})"
        fixed = all(p.constant is not None for p in parts)
        return f"lasting({text}, steps)" if fixed else text

    def _linear(self) -> Found | None:
        """Constant matrix times previous values, plus what does not depend on them."""
        if not self.kinds.is_linear:
            return None
        states = [self.graph.states[s] for s in self.states]
        kinds = {kind_of(s.type) for s in states}
        if REAL in kinds and len(kinds) > 1:
            return None
        kind = REAL if REAL in kinds else INT
        lanes = [(s, i) for s in self.states for i in range(self.graph.states[s].type.size)]
        matrix = [[(row or {}).get(lane, 0) for lane in lanes] for row in self.kinds.rows]
        entries = [c for row in matrix for c in row if not isinstance(c, Factor)]
        if kind == INT and any(c != int(c) for c in entries):
            return None
        rests = self._with(dict.fromkeys(self.states, 0))
        sizes = [s.type.size for s in states]
        parts = [widened(converted(v, kind), n) for v, n in zip(rests, sizes, strict=True)]
        fixed = all(p.constant is not None for p in parts)
        x = parts[0].text if len(parts) == 1 else f"joined({', '.join(p.text for p in parts)})"
        x = f"lasting({x}, steps)" if fixed else x
        array = np.array(matrix, dtype=object)
        before, diagonal = self._together(kind), array.diagonal()
        if (array != np.diag(diagonal)).any():
            how, text = "a linear recurrence, by pairs of steps", f"array({literal(array, kind)})"
            text = f"linear({self.scope.pooled(text)}, {x}, {before})"
        elif (diagonal == 1).all():
            how, text = "a cumulative sum", f"total({x}, {before})"
        else:
            how = "a decay, by blocks of steps"
            text = f"decayed({literal(diagonal, kind)}, {x}, {before})"
        self._split(text, kind, sizes)
        radius = np.abs(np.linalg.eigvals(array.astype(float))).max()
        return self._found(how, grows=bool(radius > 1 + 1e-9) and kind == REAL)

    def _together(self, kind: str) -> str:
        """The states before the first step, as one vector."""
        parts = []
        for s in self.states:
            state = self.graph.states[s]
            text = self.before[s] if kind_of(state.type) == kind else f"{kind}({self.before[s]})"
            parts.append(text if state.type.shape else f"{text}[None]")
        return parts[0] if len(parts) == 1 else f"stacked({', '.join(parts)})"

    def _split(self, text: str, kind: str, sizes: Sequence[int]) -> None:
        """Enter the states that are parts of a vector."""
        whole = self.scope.assign(Value(text, kind, True), "_".join(
            self.graph.states[s].name for s in self.states[:3]
        )).text  # fmt: skip
        at = 0
        for s, size in zip(self.states, sizes, strict=True):
            type = self.graph.states[s].type
            part = f"{whole}[{at}:{at + size}]" if type.shape else f"{whole}[{at}]"
            part = whole if type.shape and len(self.states) == 1 else part
            self._enter(s, part if kind_of(type) != BOOL else f"{part} != 0")
            at += size

    # Any function

    def _finite(self) -> Found | None:
        """Few joint values: the map of each step from the old to the new value is composed."""
        limits, count = [], 1.0
        for s in self.states:
            if kind_of(self.graph.states[s].type) == REAL:
                return None
            low, high = self._range(s)
            count *= float(np.prod(high - low + 1)) if np.isfinite(high - low).all() else np.inf
            if count > MAPS:
                return None
            limits.append((low, high))
        limits_text = [
            f"({literal(low, INT)}, {literal(high, INT)})"
            for low, high in (
                (np.asarray(a, dtype=object), np.asarray(b, dtype=object)) for a, b in limits
            )
        ]
        arguments = self._function()
        self._unpack(f"followed({arguments}, [{', '.join(limits_text)}], steps)")
        return self._found(f"compositions of maps of {int(count)} values")

    def _stepped(self) -> Found:
        """Anything: a loop over the steps."""
        self._unpack(f"stepped({self._function()}, steps)")
        why = next(iter(self.kinds.kinds)).reason
        return self._found(f"step by step: {why}", loop=True)

    def _unpack(self, text: str) -> None:
        variables = [identifier(self._name(s), self.scope.taken) for s in self.states]
        self.scope.lines.append(f"{', '.join(variables)}{',' * (len(variables) == 1)} = {text}")
        for s, variable in zip(self.states, variables, strict=True):
            self._enter(s, variable)

    def _name(self, s: int) -> str:
        state = self.graph.states[s]
        return self.scope.names.get(state.next, state.name)

    def _function(self) -> str:
        """Define the function from the old states and the values outside to the new states; the
        text of it, the states before and those values, as arguments."""
        external = sorted({a for n in self.nodes for a in self.graph.nodes[n].args} - {*self.nodes})
        given = {n: self._outside(n) for n in external}
        inner = self.scope.inner()
        inner.values = {n: v for n, v in given.items() if v.constant is not None}
        parameters = []
        for s in self.states:
            state = self.graph.states[s]
            value = Value(
                identifier(state.name, inner.taken), kind_of(state.type), bool(state.type.shape)
            )
            parameters.append(value.text)
            for n in self.nodes:
                if self.graph.nodes[n].op == "prev" and self.graph.nodes[n].attrs[0] == s:
                    inner.values[n] = value
        arguments = [n for n, v in given.items() if v.constant is None]
        inner.values |= {n: given[n] for n in arguments}
        parameters += list(dict.fromkeys(given[n].text for n in arguments))
        results = inner.under({}, [], [self.graph.states[s].next for s in self.states])
        for k, s in enumerate(self.states):
            state = self.graph.states[s]
            results[k] = converted(results[k], kind_of(state.type))
            if state.type.shape:
                results[k] = widened(results[k], state.type.size)
        name = identifier(f"next_{self.graph.states[self.states[0]].name}", self.scope.taken)
        result = f"return [{', '.join(r.text for r in results)}]"
        body = [*inner.live(result), result]
        self.scope.lines += [
            f"def {name}({', '.join(parameters)}):",
            *(f"    {line}" for line in body),
        ]
        before = ", ".join(self.before[s] for s in self.states)
        inputs = ", ".join(dict.fromkeys(given[n].text for n in arguments))
        return f"{name}, [{before}], [{inputs}]"


def _is_set(leaf: Leaf) -> bool:
    """Whether the previous value does not matter."""
    return leaf.factor.equals(0) and leaf.is_plain


def _shift(leaf: Leaf) -> Value:
    """What is added to the previous value before it is limited."""
    return constant(0, REAL) if _is_set(leaf) else leaf.rest


def _low(leaf: Leaf) -> Value:
    """The lower limit; a value that is set is both limits."""
    return leaf.rest if _is_set(leaf) else leaf.low or Value("-INFINITY", REAL)


def _high(leaf: Leaf) -> Value:
    return leaf.rest if _is_set(leaf) else leaf.high or Value("INFINITY", REAL)
