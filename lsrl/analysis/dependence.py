"""How the next value of a group of states depends on the previous one.

Each element of each node in the group gets a `Row`: the coefficients of the group's previous values
in it, what is left over being free of them. A coefficient is a constant, or only known to be a gate
(in [0, 1], depends on the input) or signed (in [-1, 1]); a row is None where the dependence is
none of these. From the rows follow the kinds of `language.md` and the ranges of linear states.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ..ir.nodes import Graph, Node, Scalar
from ..ir.types import Kind

if TYPE_CHECKING:
    from .facts import Fact


Facts = Sequence["Fact"] | Mapping[int, "Fact"]


class Factor(Enum):
    """A coefficient that varies with the input."""

    GATE = "a factor in [0, 1]"
    SIGNED = "a factor in [-1, 1]"


Coefficient = Scalar | Factor
Row = dict[tuple[int, int], Coefficient] | None  # by (state, element); None: any other function
Rows = list[Row]


def is_gate(c: Coefficient) -> bool:
    """Whether a coefficient is always in [0, 1]."""
    return c is Factor.GATE or (not isinstance(c, Factor) and 0 <= c <= 1)


def is_signed(c: Coefficient) -> bool:
    """Whether a coefficient is always in [-1, 1]."""
    return isinstance(c, Factor) or -1 <= c <= 1


def dependence(graph: Graph, nodes: Sequence[int], facts: Facts) -> dict[int, Rows]:
    """Rows of each node of a cyclic component. `facts` of all nodes outside of it are known."""
    rows: dict[int, Rows] = {}
    for n in nodes:
        node = graph.nodes[n]
        if node.op == "prev":
            rows[n] = [{(node.attrs[0], i): 1} for i in range(node.type.size)]
        else:
            rows[n] = _Rule(graph, rows, facts, node).apply()
    return rows


class _Rule:
    """The rows of one node from those of its operands."""

    def __init__(self, graph: Graph, rows: dict[int, Rows], facts: Facts, node: Node) -> None:
        self.graph, self.known, self.facts, self.node = graph, rows, facts, node

    def operand(self, i: int) -> Rows:
        arg = self.node.args[i]
        return self.known.get(arg) or [{} for _ in range(self.graph.nodes[arg].type.size)]

    def free(self, i: int) -> bool:
        """Whether operand i is free of the group's previous values."""
        return self.node.args[i] not in self.known

    def apply(self) -> Rows:
        rule = _RULES.get(self.node.op)
        if rule is not None:
            return rule(self)
        return [None] * self.node.type.size

    def linear(self, *signs: int) -> Rows:
        columns = [self.operand(i) for i in range(len(signs))]
        return [combine(list(zip(rows, signs, strict=True))) for rows in zip(*columns, strict=True)]

    def product(self) -> Rows:
        if self.free(0) == self.free(1):
            return [None] * self.node.type.size
        inside, factor = (1, 0) if self.free(0) else (0, 1)
        other = self.node.args[factor]
        constant = self.graph.nodes[other]
        if constant.op == "const":
            values = constant.attrs[0]
            return [scale(r, v) for r, v in zip(self.operand(inside), values, strict=True)]
        fact = self.facts[other]
        los, his = fact.lo.reshape(-1), fact.hi.reshape(-1)
        return [
            None if lo < -1 or hi > 1 else weaken(r, Factor.GATE if lo >= 0 else Factor.SIGNED)
            for r, lo, hi in zip(self.operand(inside), los, his, strict=True)
        ]

    def quotient(self) -> Rows:
        divisor = self.graph.nodes[self.node.args[1]]
        if divisor.op != "const":
            return [None] * self.node.type.size
        values = [
            1 / v if isinstance(v, float) else Fraction(1) / Fraction(v) for v in divisor.attrs[0]
        ]
        return [scale(r, v) for r, v in zip(self.operand(0), values, strict=True)]

    def select(self) -> Rows:
        if not self.free(0):
            return [None] * self.node.type.size
        return [blend(a, b) for a, b in zip(self.operand(1), self.operand(2), strict=True)]

    def gate(self) -> Rows:
        """`and`, `or`: of n booleans, at most one depends on the group."""
        inside = [i for i in range(len(self.node.args)) if not self.free(i)]
        if len(inside) > 1:
            return [None] * self.node.type.size
        return [weaken(r, Factor.GATE) for r in self.operand(inside[0])]

    def parity(self) -> Rows:
        """`==`, `!=` of a boolean with one that is free of the group."""
        kinds = {self.graph.nodes[a].type.kind for a in self.node.args}
        if kinds != {Kind.BOOL} or self.free(0) == self.free(1):
            return [None] * self.node.type.size
        return [weaken(r, Factor.SIGNED) for r in self.operand(1 if self.free(0) else 0)]

    def units(self) -> Rows:
        return [scale(row, 1 / Fraction(self.node.attrs[0])) for row in self.operand(0)]

    def matvec(self) -> Rows:
        source = self.operand(0)
        return [
            combine([(r, c) for r, c in zip(source, row, strict=True) if c != 0])
            for row in self.node.attrs[0]
        ]

    def total(self) -> Rows:
        return [combine([(r, 1) for r in self.operand(0)])]

    def concat(self) -> Rows:
        return [row for i in range(len(self.node.args)) for row in self.operand(i)]

    def take(self) -> Rows:
        indices = self.node.attrs[0]
        source = self.operand(0)
        return [source[i] for i in ([indices] if isinstance(indices, int) else indices)]

    def broadcast(self) -> Rows:
        return self.operand(0) * int(self.node.attrs[0])

    def same(self) -> Rows:
        return self.operand(0)


_RULES: dict[str, Callable[[_Rule], Rows]] = {
    "add": lambda r: r.linear(1, 1),
    "sub": lambda r: r.linear(1, -1),
    "neg": lambda r: r.linear(-1),
    "not": lambda r: r.linear(-1),
    "number": _Rule.same,
    "bound": _Rule.same,
    "promise": _Rule.same,
    "mul": _Rule.product,
    "div": _Rule.quotient,
    "select": _Rule.select,
    "and": _Rule.gate,
    "or": _Rule.gate,
    "eq": _Rule.parity,
    "ne": _Rule.parity,
    "units": _Rule.units,
    "matvec": _Rule.matvec,
    "sum": _Rule.total,
    "concat": _Rule.concat,
    "take": _Rule.take,
    "broadcast": _Rule.broadcast,
}


def combine(terms: Sequence[tuple[Row, Any]]) -> Row:
    """Sum of constant multiples of rows."""
    result: dict[tuple[int, int], Coefficient] = {}
    for row, factor in terms:
        scaled = scale(row, factor)
        if scaled is None:
            return None
        for lane, c in scaled.items():
            old = result.get(lane, 0)
            if isinstance(old, Factor) or (isinstance(c, Factor) and old != 0):
                return None
            result[lane] = c if isinstance(c, Factor) else old + c
    return {lane: c for lane, c in result.items() if c != 0}


def scale(row: Row, factor: Any) -> Row:
    """A row times a constant."""
    if row is None or factor == 1:
        return row
    if factor == 0:
        return {}
    result: dict[tuple[int, int], Coefficient] = {}
    for lane, c in row.items():
        if not isinstance(c, Factor):
            result[lane] = c * factor
        elif -1 <= factor <= 1:
            result[lane] = c if factor > 0 else Factor.SIGNED
        else:
            return None
    return result


def weaken(row: Row, by: Factor) -> Row:
    """A row times a factor that varies with the input."""
    if row is None:
        return None
    result: dict[tuple[int, int], Coefficient] = {}
    for lane, c in row.items():
        if not is_signed(c):
            return None
        result[lane] = Factor.GATE if by is Factor.GATE and is_gate(c) else Factor.SIGNED
    return result


def blend(a: Row, b: Row) -> Row:
    """A choice, free of the group, between two rows."""
    if a is None or b is None:
        return None
    if a == b:
        return a
    result: dict[tuple[int, int], Coefficient] = {}
    for lane in {**a, **b}:
        pair = a.get(lane, 0), b.get(lane, 0)
        if not isinstance(pair[0], Factor) and pair[0] == pair[1]:
            result[lane] = pair[0]
        elif not all(is_signed(c) for c in pair):
            return None
        else:
            result[lane] = Factor.GATE if all(map(is_gate, pair)) else Factor.SIGNED
    return result
