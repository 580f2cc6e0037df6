"""What rewrite rules are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..ir.builder import tidy
from ..ir.infer import infer
from ..ir.nodes import Graph, Node, Scalar
from ..ir.types import Kind, Type, join_kinds
from .base import Rebuild, Stuck
from .measure import term_size


@dataclass(frozen=True)
class Rule:
    """`algebra` is the identity that `apply` uses; `op` the operation at the root of its left side.

    `apply(new, node)` returns the place of an equal value in `new`, or None.
    """

    algebra: str
    op: str
    apply: Callable[[Simplifier, Node], int | None]


Rules = Mapping[str, Sequence[Rule]]


def table(*parts: Sequence[Rule]) -> Rules:
    """Rules by the operation that they apply to."""
    found: dict[str, list[Rule]] = {}
    for part in parts:
        for rule in part:
            found.setdefault(rule.op, []).append(rule)
    return found


class Simplifier(Rebuild):
    """A graph being rebuilt with rules, and the words that rules are written in."""

    def __init__(self, old: Graph, rules: Rules) -> None:
        super().__init__(old)
        self.rules = rules
        self.sizes: list[int] = []  # of the term of each node

    def add(self, node: Node) -> int:
        self.sizes.append(term_size(node, self.sizes))
        return super().add(node)

    def simplify(self, node: Node) -> int:
        """The place of a simplest equal of a node with simplified operands."""
        for rule in self.rules.get(node.op, ()):
            found = rule.apply(self, node)
            if found is None:
                continue
            place = self._fit(found, node.type)
            if place is None:
                continue
            before, after = term_size(node, self.sizes), self.sizes[place]
            if not after < before:
                raise Stuck(f"the rule {rule.algebra!r} made {before} into {after} (term size)")
            return place
        return self.add(node)

    def _fit(self, place: int, type: Type) -> int | None:
        """A rule keeps the type: constants are converted, anything else has it or is refused."""
        node = self.nodes[place]
        if node.type == type:
            return place
        kinds = join_kinds(node.type, type)
        if node.op != "const" or node.type.shape != type.shape or kinds != type.with_shape(()):
            return None
        return self.const([tidy(v, type) for v in node.attrs[0]], type)

    # The words of rules

    def make(self, op: str, *args: int, attrs: tuple[Any, ...] = ()) -> int:
        """An operation on nodes, simplified."""
        type = infer(op, [self.nodes[a].type for a in args], attrs)
        assert type is not None
        if type.kind is Kind.ZERO:
            return self.constant(0, type)
        return self.simplify(Node(op, args, type, attrs, self.span))

    def constant(self, value: Scalar, type: Type) -> int:
        """A constant with all elements equal."""
        return self.const([tidy(value, type)] * type.size, type)

    def op(self, place: int) -> str:
        return self.nodes[place].op

    def args(self, place: int) -> tuple[int, ...]:
        return self.nodes[place].args

    def is_const(self, place: int) -> bool:
        return self.nodes[place].op == "const"

    def value(self, place: int) -> Scalar | None:
        """The value that all elements of a constant have; None if there is no such value."""
        node = self.nodes[place]
        if node.op != "const":
            return None
        first: Scalar = node.attrs[0][0]
        return first if all(v == first for v in node.attrs[0]) else None

    def is_value(self, place: int, value: Scalar) -> bool:
        found = self.value(place)
        return found is not None and found == value

    def beside(self, node: Node, value: Scalar) -> int | None:
        """The other operand of two, where one is everywhere the constant `value`."""
        a, b = node.args
        if self.is_value(b, value):
            return a
        return b if self.is_value(a, value) else None

    def beside_op(self, node: Node, op: str) -> tuple[int, int] | None:
        """(the other operand, the operand of `op`), where one of two operands is an `op`."""
        a, b = node.args
        if self.op(b) == op:
            return a, self.args(b)[0]
        return (b, self.args(a)[0]) if self.op(a) == op else None

    def inside(self, node: Node, op: str) -> int | None:
        """x, where the first operand is `op(x)`."""
        return self.args(node.args[0])[0] if self.op(node.args[0]) == op else None

    def with_args(self, node: Node, args: Sequence[int]) -> int:
        """The same operation on other operands."""
        return self.simplify(replace(node, args=tuple(args)))
