"""Rules of logic and of choices."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from ..ir.nodes import Node
from ..ir.types import Kind
from .rules import Rule, Simplifier

Apply = Callable[[Simplifier, Node], int | None]

MAX_FLAT = 64  # operands up to which nested conjunctions become one

_OPPOSITE = {"lt": ("le", True), "le": ("lt", True), "eq": ("ne", False), "ne": ("eq", False)}


def _opposite(s: Simplifier, n: Node) -> int | None:
    inner = s.nodes[n.args[0]]
    if inner.op not in _OPPOSITE:
        return None
    op, swap = _OPPOSITE[inner.op]
    return s.make(op, *(inner.args[::-1] if swap else inner.args))


# `and` and `or`: `unit` changes nothing (true, false), the other constant decides


def _unit(n: Node) -> bool:
    return n.op == "and"


def _single(s: Simplifier, n: Node) -> int | None:
    return n.args[0] if len(n.args) == 1 else None


def _decided(s: Simplifier, n: Node) -> int | None:
    zero = not _unit(n)
    return s.constant(zero, n.type) if any(s.is_value(a, zero) for a in n.args) else None


def _complement(s: Simplifier, n: Node) -> int | None:
    items = set(n.args)
    if any(s.op(a) == "not" and s.args(a)[0] in items for a in n.args):
        return s.constant(not _unit(n), n.type)
    return None


def _fewer(keep: Callable[[Simplifier, Node], Iterable[int]]) -> Apply:
    """The same on fewer operands; on none it is the unit."""

    def apply(s: Simplifier, n: Node) -> int | None:
        items = list(keep(s, n))
        if len(items) == len(n.args):
            return None
        return s.with_args(n, items) if items else s.constant(_unit(n), n.type)

    return apply


def _flat(s: Simplifier, n: Node) -> int | None:
    items: list[int] = []
    for a in n.args:
        items += s.args(a) if s.op(a) == n.op else (a,)
    if all(s.op(a) != n.op for a in n.args) or len(items) > MAX_FLAT:
        return None
    return s.simplify(replace(n, args=tuple(items)))


_not_unit = _fewer(lambda s, n: (a for a in n.args if not s.is_value(a, _unit(n))))
_distinct = _fewer(lambda s, n: dict.fromkeys(n.args))


def _junction(op: str, unit: str, zero: str) -> tuple[Rule, ...]:
    return (
        Rule(f"{op}(c) = c", op, _single),
        Rule(f"c {op} {zero} = {zero}", op, _decided),
        Rule(f"c {op} {unit} = c", op, _not_unit),
        Rule(f"c {op} c = c", op, _distinct),
        Rule(f"c {op} not c = {zero}", op, _complement),
        Rule(f"(a {op} b) {op} c = {op}(a, b, c)", op, _flat),
    )


# `if c then a else b`


def _known(s: Simplifier, n: Node) -> int | None:
    value = s.value(n.args[0])
    return None if value is None else n.args[1 if value else 2]


def _same_branches(s: Simplifier, n: Node) -> int | None:
    return n.args[1] if n.args[1] == n.args[2] else None


def _negated(s: Simplifier, n: Node) -> int | None:
    c = s.inside(n, "not")
    return None if c is None else s.make("select", c, n.args[2], n.args[1])


def _nested(s: Simplifier, n: Node) -> int | None:
    """A branch that asks the same again."""
    c, then, other = n.args
    if s.op(then) == "select" and s.args(then)[0] == c:
        return s.make("select", c, s.args(then)[1], other)
    if s.op(other) == "select" and s.args(other)[0] == c:
        return s.make("select", c, then, s.args(other)[2])
    return None


def _zero_one(s: Simplifier, n: Node) -> int | None:
    c, then, other = n.args
    if n.type.kind is Kind.BOOL or n.type.kind is Kind.ENUM:
        return None
    if s.is_value(then, 1) and s.is_value(other, 0):
        return s.make("number", c)
    if s.is_value(then, 0) and s.is_value(other, 1):
        return s.make("number", s.make("not", c))
    return None


def _boolean(branch: int, value: bool) -> Apply:
    """A choice of booleans with a constant branch is `and` or `or`."""

    def apply(s: Simplifier, n: Node) -> int | None:
        if n.type.kind is not Kind.BOOL or not s.is_value(n.args[branch], value):
            return None
        c, other = n.args[0], n.args[3 - branch]
        if (branch == 1) != value:
            c = s.make("not", c)
        return s.make("or" if value else "and", c, other)

    return apply


RULES = (
    Rule("not not c = c", "not", lambda s, n: s.inside(n, "not")),
    Rule("not a < b = b <= a; not a == b = a != b", "not", _opposite),
    *_junction("and", "true", "false"),
    *_junction("or", "false", "true"),
    Rule("if true then a else b = a", "select", _known),
    Rule("if c then a else a = a", "select", _same_branches),
    Rule("if not c then a else b = if c then b else a", "select", _negated),
    Rule("if c then (if c then a else b) else d = if c then a else d", "select", _nested),
    Rule("if c then 1 else 0 = number(c)", "select", _zero_one),
    Rule("if c then true else b = c or b", "select", _boolean(1, True)),
    Rule("if c then false else b = not c and b", "select", _boolean(1, False)),
    Rule("if c then a else true = not c or a", "select", _boolean(2, True)),
    Rule("if c then a else false = c and a", "select", _boolean(2, False)),
)
