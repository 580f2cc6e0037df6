"""What every graph must satisfy, between any two passes. Else the compiler has a defect."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

from .infer import IllTyped, infer
from .nodes import Graph, Node, State
from .types import Kind, Type, join_kinds


class IllegalGraph(Exception):
    """A graph that breaks a rule of the IR; the message names the node and its operation."""


def check(graph: Graph) -> None:
    """Check every rule of the program IR.

    Raises:
        IllegalGraph: an operand that is no earlier node, a type that its operands do not give, a
            constant that does not fit its type, a state without a fitting init or next value, a
            reference to nothing, or a name used twice.
    """
    _need(graph.length >= 1, f"the length is {graph.length}")
    _unique("input", (f.name for f in graph.inputs))
    _unique("state", (s.name for s in graph.states))
    _unique("output", (o.name for o in graph.outputs))
    _unique("name", (name for name, _ in graph.names))
    for field in graph.inputs:
        _need(field.type.shape is not None, f"input {field.name}: no shape")
        _need(field.lo <= field.hi, f"input {field.name}: an empty range")
    well_typed: set[tuple[Any, ...]] = set()  # operations on operands of these very types
    for i, node in enumerate(graph.nodes):
        if (problem := _node(graph, i, node, well_typed)) is not None:
            raise IllegalGraph(f"%{i} {node.op}: {problem}")
    for state in graph.states:
        if (problem := _state(graph, state)) is not None:
            raise IllegalGraph(f"state {state.name}: {problem}")
    _references(graph)


def _need(condition: bool, message: str) -> None:
    if not condition:
        raise IllegalGraph(message)


def _unique(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise IllegalGraph(f"two are called {name!r}: {what}s have names of their own")
        seen.add(name)


def _node(graph: Graph, i: int, node: Node, well_typed: set[tuple[Any, ...]]) -> str | None:
    """What is wrong with a node, or None."""
    for a in node.args:
        if not 0 <= a < i:
            return f"the operand %{a} is not an earlier node"
    key: tuple[Any, ...] = ()
    if node.args and not node.attrs:
        key = node.op, id(node.type), *[id(graph.nodes[a].type) for a in node.args]
        if key in well_typed:
            return None
    problem = _type(graph, node)
    if problem is None and key:
        well_typed.add(key)
    return problem


def _type(graph: Graph, node: Node) -> str | None:
    """What is wrong with a node's type, or None."""
    if node.type.shape is None:
        return "no shape"
    if node.type.kind is Kind.ZERO and node.op != "const":
        return "only a constant is a literal zero"
    try:
        types = [graph.nodes[a].type for a in node.args]
        inferred = infer(node.op, types, node.attrs, graph.states, graph.inputs)
    except IllTyped as e:
        return str(e)
    if inferred is None:
        return _values(node.attrs[0], node.type)
    if inferred != node.type:
        return f"its type is {inferred}, not {node.type}"
    return None


def _values(values: Sequence[Any], type: Type) -> str | None:
    """What is wrong with the elements of a constant of that type, or None."""
    if len(values) != type.size:
        return f"{len(values)} elements for {type}"
    for v in values:
        if not _fits(v, type):
            return f"{v!r:.40} is no {type.with_shape(())}"
    return None


def _fits(value: Any, type: Type) -> bool:
    if type.kind is Kind.BOOL:
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    if type.kind is Kind.REAL:
        if isinstance(value, float):
            return math.isfinite(value)
        return isinstance(value, int | Fraction)
    if not isinstance(value, int):
        return False
    if type.kind is Kind.ENUM:
        return 0 <= value < len(type.members)
    return type.kind is Kind.INT or value == 0


def _state(graph: Graph, state: State) -> str | None:
    """What is wrong with a state, or None."""
    if state.type.shape is None or state.type.kind is Kind.ZERO:
        return f"its type {state.type} is not settled"
    problem = _values(state.init, state.type)
    if problem is not None:
        return "init: " + problem
    if not 0 <= state.next < len(graph.nodes):
        return f"its next value %{state.next} is no node"
    node = graph.nodes[state.next]
    if not holds(state.type, node.type):
        return f"%{state.next} {node.op}: {node.type} is no next value of {state.type}"
    return None


def holds(state: Type, value: Type) -> bool:
    """Whether a state of the one type can take a value of the other: integers are reals."""
    if state.shape != value.shape or (value.kind is Kind.BOOL) != (state.kind is Kind.BOOL):
        return False
    return join_kinds(state, value) == state.with_shape(())


def _references(graph: Graph) -> None:
    count = len(graph.nodes)
    for output in (*graph.outputs, *graph.assumes):
        _need(0 <= output.node < count, f"output {output.name}: %{output.node} is no node")
    for name, node in graph.names:
        if not 0 <= node < count:
            raise IllegalGraph(f"name {name}: %{node} is no node")
    for a in graph.assumes:
        type = graph.nodes[a.node].type
        fits = type == Type(Kind.BOOL)
        _need(fits, f"{a.name}: %{a.node} {graph.nodes[a.node].op} is {type}, not a boolean")
