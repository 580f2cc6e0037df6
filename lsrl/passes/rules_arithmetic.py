"""Rules of arithmetic and of comparisons. They hold for the ideal meaning: for real numbers."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from ..ir.nodes import Node, Scalar
from ..ir.semantics import PLAIN
from ..ir.types import Kind
from .rules import Rule, Simplifier

Apply = Callable[[Simplifier, Node], int | None]


def _minus_of_neg(s: Simplifier, n: Node) -> int | None:
    found = s.beside_op(n, "neg")
    return None if found is None else s.make("sub", *found)


def _same(value: Scalar) -> Apply:
    """The constant that an operation of x and x is."""
    return lambda s, n: s.constant(value, n.type) if n.args[0] == n.args[1] else None


def _either(s: Simplifier, n: Node) -> int | None:
    return n.args[0] if n.args[0] == n.args[1] else None


def _zero_product(s: Simplifier, n: Node) -> int | None:
    return s.constant(0, n.type) if s.beside(n, 0) is not None else None


def _negated(s: Simplifier, n: Node) -> int | None:
    other = s.beside(n, -1)
    return None if other is None else s.make("neg", other)


def _both_numbers(s: Simplifier, n: Node) -> int | None:
    a, b = n.args
    if s.op(a) != "number" or s.op(b) != "number":
        return None
    return s.make("number", s.make("and", s.args(a)[0], s.args(b)[0]))


def _swapped_difference(s: Simplifier, n: Node) -> int | None:
    if s.op(n.args[0]) != "sub":
        return None
    x, y = s.args(n.args[0])
    return s.make("sub", y, x)


def _inner_mod(s: Simplifier, n: Node) -> int | None:
    x, m = s.inside(n, "mod"), n.attrs[0]
    if x is None or s.nodes[n.args[0]].attrs[0] % m:
        return None
    return s.make("mod", x, attrs=(m,))


def _inner_div(s: Simplifier, n: Node) -> int | None:
    x = s.inside(n, "floordiv")
    if x is None:
        return None
    return s.make("floordiv", x, attrs=(n.attrs[0] * s.nodes[n.args[0]].attrs[0],))


def _unwrapped(op: str) -> Apply:
    """f(op x) = f(x)."""

    def apply(s: Simplifier, n: Node) -> int | None:
        x = s.inside(n, op)
        return None if x is None else s.make(n.op, x)

    return apply


def _operand_if(*ops: str) -> Apply:
    """The operand itself, where it is one of these operations."""
    return lambda s, n: n.args[0] if s.op(n.args[0]) in ops else None


def _max_zero(s: Simplifier, n: Node) -> int | None:
    other = s.beside(n, 0)
    return None if other is None else s.make("relu", other)


def _two_valued(s: Simplifier, place: int) -> tuple[int, Scalar, Scalar] | None:
    """(c, value where c holds, value where it does not) of a choice between two constants."""
    args = s.args(place)
    if s.op(place) == "number":
        return args[0], 1, 0
    if s.op(place) == "select":
        then, other = s.value(args[1]), s.value(args[2])
        if then is not None and other is not None:
            return args[0], then, other
    return None


def _decided(s: Simplifier, n: Node) -> int | None:
    """A comparison of one of two constants with a constant depends on the choice alone."""
    for i, k in ((0, 1), (1, 0)):
        choice, constant = _two_valued(s, n.args[i]), s.value(n.args[k])
        if choice is None or constant is None:
            continue
        c, *values = choice
        results = []
        for v in values:
            sides = (v, constant) if i == 0 else (constant, v)
            arrays = [np.array(Fraction(x), dtype=object) for x in sides]
            results.append(bool(PLAIN[n.op](*arrays)))
        if results[0] == results[1]:
            return s.constant(results[0], n.type)
        return c if results[0] else s.make("not", c)
    return None


def _equal_to(value: bool, negated: bool) -> Apply:
    """c == value (or c != value), c a boolean."""

    def apply(s: Simplifier, n: Node) -> int | None:
        if s.nodes[n.args[0]].type.kind is not Kind.BOOL:
            return None
        other = s.beside(n, value)
        if other is None:
            return None
        return s.make("not", other) if negated else other

    return apply


RULES = (
    Rule("x + 0 = x", "add", lambda s, n: s.beside(n, 0)),
    Rule("x + -y = x - y", "add", _minus_of_neg),
    Rule("x - 0 = x", "sub", lambda s, n: n.args[0] if s.is_value(n.args[1], 0) else None),
    Rule("x - x = 0", "sub", _same(0)),
    Rule("0 - x = -x", "sub",
         lambda s, n: s.make("neg", n.args[1]) if s.is_value(n.args[0], 0) else None),
    Rule("x - -y = x + y", "sub",
         lambda s, n: s.make("add", n.args[0], s.args(n.args[1])[0])
         if s.op(n.args[1]) == "neg" else None),
    Rule("--x = x", "neg", lambda s, n: s.inside(n, "neg")),
    Rule("-(x - y) = y - x", "neg", _swapped_difference),
    Rule("x * 1 = x", "mul", lambda s, n: s.beside(n, 1)),
    Rule("x * 0 = 0", "mul", _zero_product),
    Rule("x * -1 = -x", "mul", _negated),
    Rule("number(c) * number(d) = number(c and d)", "mul", _both_numbers),
    Rule("x / 1 = x", "div", lambda s, n: n.args[0] if s.is_value(n.args[1], 1) else None),
    Rule("x mod 1 = 0", "mod", lambda s, n: s.constant(0, n.type) if n.attrs[0] == 1 else None),
    Rule("(x mod k m) mod m = x mod m", "mod", _inner_mod),
    Rule("x div 1 = x", "floordiv", lambda s, n: n.args[0] if n.attrs[0] == 1 else None),
    Rule("(x div a) div b = x div a b", "floordiv", _inner_div),
    Rule("relu(x) = x where x >= 0", "relu", _operand_if("relu", "abs", "number")),
    Rule("abs(x) = x where x >= 0", "abs", _operand_if("relu", "abs", "number")),
    Rule("abs(-x) = abs(x)", "abs", _unwrapped("neg")),
    Rule("max(x, x) = x", "max", _either),
    Rule("max(x, 0) = relu(x)", "max", _max_zero),
    Rule("min(x, x) = x", "min", _either),
    Rule("x < x = false", "lt", _same(False)),
    Rule("x <= x = true", "le", _same(True)),
    Rule("x == x = true", "eq", _same(True)),
    Rule("x != x = false", "ne", _same(False)),
    Rule("c == true = c", "eq", _equal_to(True, False)),
    Rule("c == false = not c", "eq", _equal_to(False, True)),
    Rule("c != false = c", "ne", _equal_to(False, False)),
    Rule("c != true = not c", "ne", _equal_to(True, True)),
    *(Rule(f"(if c then a else b) {op} k is c, not c or constant; a, b, k constant", op, _decided)
      for op in ("lt", "le", "eq", "ne")),
)  # fmt: skip
