"""The program IR as text, one node a line, and back. `from_text(to_text(g)) == g`.

    length 1024
    input bit: int in 0..1
    state ones: int = 0 then %2
    %0: int = input bit
    %1: int = prev ones
    %2: int = add %1 %0
    output ones = %2

Numbers are exact: `3`, `1/3`, and floats by their shortest exact form. A name that is no plain word
is quoted. In the lists of `take`, `4..9` stands for the positions 4 to 9.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from .nodes import OPS, Field, Graph, Node, Output, Scalar, State
from .reader import Reader
from .types import Kind, Type

PLAIN = re.compile(r"[A-Za-z_][A-Za-z_0-9]*(?:[.#]\w+)*", re.ASCII)


def to_text(graph: Graph) -> str:
    """A graph as text; ends with a newline."""
    lines = [f"length {graph.length}"]
    for f in graph.inputs:
        lines.append(f"input {_name(f.name)}: {_type(f.type)} in {f.lo}..{f.hi}")
    for s in graph.states:
        init = _list(s.init) if s.type.shape else _scalar(s.init[0])
        lines.append(f"state {_name(s.name)}: {_type(s.type)} = {init} then %{s.next}")
    lines += [_node_line(graph, i, node) for i, node in enumerate(graph.nodes)]
    lines += [f"assume {_name(a.name)} = %{a.node}" for a in graph.assumes]
    lines += [f"output {_name(o.name)} = %{o.node}" for o in graph.outputs]
    lines += [f"name {_name(name)} = %{node}" for name, node in graph.names]
    return "\n".join(lines) + "\n"


def from_text(text: str) -> Graph:
    """The graph that a text describes. Spans of its nodes are places in this text.

    Raises:
        SyntaxProblem: E601, with line and column, where the text is malformed or refers to what
            it does not define. The rules of `ir/legality.py` are not checked here.
    """
    return _Parser(Reader(text)).graph()


# Printing


def _name(name: str) -> str:
    return name if PLAIN.fullmatch(name) else json.dumps(name)


def _type(type: Type) -> str:
    if type.kind is not Kind.ENUM:
        return str(type)
    shape = "[" + ", ".join(map(str, type.shape)) + "]" if type.shape else ""
    return "{" + ", ".join(_name(m) for m in type.members) + "}" + shape


def _scalar(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def _list(values: Sequence[Scalar]) -> str:
    return "[" + ", ".join(map(_scalar, values)) + "]"


def _positions(indices: int | tuple[int, ...]) -> str:
    """Positions, with runs of three and more as `first..last`."""
    if isinstance(indices, int):
        return str(indices)
    runs: list[list[int]] = []
    for i in indices:
        if runs and i == runs[-1][1] + 1:
            runs[-1][1] = i
        else:
            runs.append([i, i])
    items: list[str] = []
    for first, last in runs:
        short = last - first < 2
        items += map(str, range(first, last + 1)) if short else [f"{first}..{last}"]
    return "[" + ", ".join(items) + "]"


def _matrix(rows: Sequence[Sequence[Scalar]]) -> str:
    return "[" + ", ".join(map(_list, rows)) + "]"


def _table(values: Sequence[Scalar], width: int, element: Type) -> str:
    return f"{_list(values)} width {width} of {_type(element)}"


_ATTRS: dict[str, Callable[..., str]] = {
    "input": _name,
    "bound": lambda name, lo, hi: f"{_name(name)} {lo}..{hi}",
    "promise": _name,
    "units": str,
    "mod": str,
    "floordiv": str,
    "matvec": _matrix,
    "take": _positions,
    "broadcast": str,
    "table": _table,
}


def _node_line(graph: Graph, i: int, node: Node) -> str:
    words = [f"%{i}: {_type(node.type)} = {node.op}", *(f"%{a}" for a in node.args)]
    if node.op == "const":
        values = node.attrs[0]
        words.append(_list(values) if node.type.shape else _scalar(values[0]))
    elif node.op == "prev":
        words.append(_name(graph.states[node.attrs[0]].name))
    elif node.op in _ATTRS:
        words.append(_ATTRS[node.op](*node.attrs))
    return " ".join(words)


# Parsing


class _Parser:
    """One line after another; states are known by name before the nodes that read them."""

    def __init__(self, reader: Reader) -> None:
        self.r = reader
        self.length = 1024
        self.inputs: list[Field] = []
        self.states: list[State] = []
        self.state_at: dict[str, int] = {}
        self.nodes: list[Node] = []
        self.outputs: list[Output] = []
        self.assumes: list[Output] = []
        self.names: list[tuple[str, int]] = []
        self.later: list[tuple[int, int]] = []  # a reference to a node, and its token

    def graph(self) -> Graph:
        r = self.r
        while not r.at_end():
            if r.peek() == "\n":
                r.take()
                continue
            self._line()
            r.expect("\n")
        for node, token in self.later:
            if node >= len(self.nodes):
                raise r.problem(f"there is no node %{node}", token)
        return Graph(
            tuple(self.nodes), tuple(self.states), tuple(self.inputs), tuple(self.outputs),
            tuple(self.assumes), tuple(self.names), self.length,
        )  # fmt: skip

    def _line(self) -> None:
        r = self.r
        if r.peek().startswith("%"):
            self._node()
            return
        word = r.take()
        if word == "length":
            self.length = r.integer()
        elif word == "input":
            self._input()
        elif word == "state":
            self._state()
        elif word in ("output", "assume", "name"):
            self._reference(word)
        else:
            raise r.problem(f"{word!r} starts no line", r.position - 1)

    def _input(self) -> None:
        r, start = self.r, self.r.position
        name, type = r.name(), self._colon_type()
        r.expect("in")
        lo, hi = r.range()
        self.inputs.append(Field(name, type, lo, hi, r.span(start)))

    def _state(self) -> None:
        r, start = self.r, self.r.position
        name, type = r.name(), self._colon_type()
        if self.state_at.setdefault(name, len(self.states)) < len(self.states):
            raise r.problem(f"two states are called {name!r}", start)
        r.expect("=")
        init = self._values(type)
        r.expect("then")
        self.states.append(State(name, type, init, self._later(), r.span(start)))

    def _reference(self, word: str) -> None:
        r, start = self.r, self.r.position
        name = r.name()
        r.expect("=")
        node = self._later()
        if word == "name":
            self.names.append((name, node))
        else:
            found = Output(name, node, r.span(start))
            (self.outputs if word == "output" else self.assumes).append(found)

    def _node(self) -> None:
        r, start = self.r, self.r.position
        if r.reference() != len(self.nodes):
            raise r.problem(f"this should be node %{len(self.nodes)}", start)
        type = self._colon_type()
        r.expect("=")
        place = r.position
        op = r.take()
        if op not in OPS:
            raise r.problem(f"no operation is called {op!r}", place)
        args = []
        while r.peek().startswith("%"):
            args.append(r.reference())
            if args[-1] >= len(self.nodes):
                message = f"%{args[-1]} is not defined yet"
                raise r.problem(message, r.position - 1)
        arity = OPS[op].arity
        if arity is not None and len(args) != arity:
            raise r.problem(f"{op} takes {arity} operands, not {len(args)}", place)
        attrs = self._attrs(op, type)
        self.nodes.append(Node(op, tuple(args), type, attrs, r.span(start)))

    def _attrs(self, op: str, type: Type) -> tuple[Any, ...]:
        r = self.r
        match op:
            case "const":
                return (self._values(type),)
            case "prev":
                return (self._state_index(),)
            case "input" | "promise":
                return (r.name(),)
            case "bound":
                return (r.name(), *r.range())
            case "units":
                return (Fraction(r.scalar()),)
            case "mod" | "floordiv" | "broadcast":
                return (r.integer(),)
            case "matvec":
                return (tuple(tuple(row) for row in r.items(lambda: r.items(r.scalar))),)
            case "take":
                return (self._positions(),)
            case "table":
                return self._table()
        return ()

    def _state_index(self) -> int:
        place, name = self.r.position, self.r.name()
        if name not in self.state_at:
            raise self.r.problem(f"no state is called {name!r}", place)
        return self.state_at[name]

    def _later(self) -> int:
        node = self.r.reference()
        self.later.append((node, self.r.position - 1))
        return node

    def _values(self, type: Type) -> tuple[Scalar, ...]:
        return tuple(self.r.items(self.r.scalar)) if type.shape else (self.r.scalar(),)

    def _positions(self) -> int | tuple[int, ...]:
        r = self.r
        if r.peek() != "[":
            return r.integer()

        def run() -> range:
            first = last = r.integer()
            if r.peek() == "..":
                r.take()
                last = r.integer()
            return range(first, last + 1)

        return tuple(i for indices in r.items(run) for i in indices)

    def _table(self) -> tuple[Any, ...]:
        r = self.r
        values = tuple(r.items(r.scalar))
        r.expect("width")
        width = r.integer()
        r.expect("of")
        return values, width, self._type()

    def _colon_type(self) -> Type:
        self.r.expect(":")
        return self._type()

    def _type(self) -> Type:
        r = self.r
        members: tuple[str, ...] = ()
        kind = Kind.ENUM
        if r.peek() == "{":
            members = tuple(r.items(r.name, "{", "}"))
        else:
            place, word = r.position, r.take()
            kinds = {k.value: k for k in Kind if k is not Kind.ENUM}
            if word not in kinds:
                raise r.problem(f"{word!r} is no type", place)
            kind = kinds[word]
        shape = tuple(r.items(r.integer)) if r.peek() == "[" else ()
        return Type(kind, shape, members)
