"""Builds graphs node by node, folding constants on the way (sizes and indices need them)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from ..source import Span
from .infer import infer
from .nodes import Field, Node, Scalar, State
from .semantics import apply
from .types import Kind, Type

NUMBERS = (int, float, Fraction)


class Builder:
    """A graph under construction. A constant scalar stands in it once, where it is first needed;
    `asked` counts the nodes that were asked for, those among them."""

    def __init__(self, inputs: Sequence[Field] = (), states: Sequence[State] = ()) -> None:
        self.nodes: list[Node] = []
        self.inputs = list(inputs)
        self.states = list(states)
        self.asked = 0
        self._scalars: dict[tuple[Kind, tuple[str, ...], Scalar], int] = {}

    def type(self, node: int) -> Type:
        return self.nodes[node].type

    def is_const(self, *nodes: int) -> bool:
        return all(self.nodes[n].op == "const" for n in nodes)

    def add(self, node: Node) -> int:
        """Append a node as it is."""
        self.asked += 1
        self.nodes.append(node)
        return len(self.nodes) - 1

    def const(self, values: Any, type: Type, span: Span | None = None) -> int:
        """A constant; `values` is a scalar or an array of `type.shape`."""
        one = isinstance(values, NUMBERS)
        flat = [values] if one else np.asarray(values, dtype=object).reshape(-1)
        elements = tuple([tidy(v, type) for v in flat])
        if type.shape == () and not isinstance(elements[0], float):  # 0.0 and -0.0 are equal
            return self._scalar(elements[0], type, span)
        return self.add(Node("const", (), type, (elements,), span))

    def _scalar(self, value: Scalar, type: Type, span: Span | None) -> int:
        key = type.kind, type.members, value
        if key in self._scalars:
            self.asked += 1
            return self._scalars[key]
        place = self._scalars[key] = self.add(Node("const", (), type, ((value,),), span))
        return place

    def drop_from(self, size: int, asked: int) -> None:
        """Drop all nodes from a place on, back to where so many had been asked for."""
        del self.nodes[size:]
        self.asked = asked
        while self._scalars and next(reversed(self._scalars.values())) >= size:
            self._scalars.popitem()

    def emit(
        self, op: str, args: Sequence[int], attrs: tuple[Any, ...] = (), span: Span | None = None
    ) -> int:
        """Append an operation; if all operands are constants, append its value instead."""
        types = [self.nodes[a].type for a in args]
        type = infer(op, types, attrs, self.states, self.inputs)
        assert type is not None
        if args and op != "bound" and type.shape is not None and self.is_const(*args):
            return self.const(fold(op, attrs, [self.nodes[a] for a in args]), type, span)
        if args and type.kind is Kind.ZERO and self._is_zero(args, type):
            return self.const([0] * type.size, type, span)
        return self.add(Node(op, tuple(args), type, attrs, span))

    def _is_zero(self, args: Sequence[int], type: Type) -> bool:
        """Whether a choice among literal zeros is one: `if c then 0 else 0`."""
        zeros = [a for a in args if self.type(a).kind is Kind.ZERO]
        return type.shape is not None and self.is_const(*zeros)


def fold(op: str, attrs: tuple[Any, ...], args: Sequence[Node]) -> Any:
    """The exact value of an operation on constants."""
    arrays = [a.values for a in args]
    if op == "bound":
        return arrays[0]
    return apply(op, attrs, arrays, [bool(a.type.shape) for a in args])


def tidy(value: Any, type: Type) -> Scalar:
    """A constant's element as int, bool, Fraction or (where irrational) float."""
    if type.kind is Kind.BOOL:
        return bool(value)
    if value.__class__ is int:
        return value
    if isinstance(value, float | np.floating):
        return int(value) if type.kind is not Kind.REAL else float(value)
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 else value
    return int(value)
