"""What each operation of the program IR becomes: rules from a node to its lowered elements.

Operands are read from the legaliser, as numbers (forms) or as booleans.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir.nodes import Node
from ..ir.types import Kind
from . import arithmetic
from .atoms import Form, constant
from .logic import Value

if TYPE_CHECKING:
    from .legalise import Legaliser

Rule = Callable[["Legaliser", Node], list[Value]]


def _pairs(lg: Legaliser, node: Node) -> list[tuple[Form, Form]]:
    return list(zip(lg.forms(node.args[0]), lg.forms(node.args[1]), strict=True))


def _const(lg: Legaliser, node: Node) -> list[Value]:
    return [constant(v if not isinstance(v, float | bool) else Fraction(v)) for v in node.attrs[0]]


def _input(lg: Legaliser, node: Node) -> list[Value]:
    return list(lg.columns[node.attrs[0]])


def _same(lg: Legaliser, node: Node) -> list[Value]:
    return list(lg.values[node.args[0]])


def _number(lg: Legaliser, node: Node) -> list[Value]:
    return list(lg.forms(node.args[0]))


def _linear(*signs: int) -> Rule:
    def rule(lg: Legaliser, node: Node) -> list[Value]:
        columns = [lg.forms(a) for a in node.args]
        return [
            lg.atoms.combine(list(zip(signs, forms, strict=True)))
            for forms in zip(*columns, strict=True)
        ]

    return rule


def _sum(lg: Legaliser, node: Node) -> list[Value]:
    return [lg.atoms.combine([(1, f) for f in lg.forms(node.args[0])])]


def _matvec(lg: Legaliser, node: Node) -> list[Value]:
    forms = lg.forms(node.args[0])
    rows = [[Fraction(c) for c in row] for row in node.attrs[0]]
    return [
        lg.atoms.combine([(c, f) for c, f in zip(row, forms, strict=True) if c != 0])
        for row in rows
    ]


def _mul(lg: Legaliser, node: Node) -> list[Value]:
    return [lg.product(a, b, node) for a, b in _pairs(lg, node)]


def _div(lg: Legaliser, node: Node) -> list[Value]:
    return [arithmetic.quotient(lg, a, b, node) for a, b in _pairs(lg, node)]


def _mod(lg: Legaliser, node: Node) -> list[Value]:
    return [arithmetic.modulo(lg, f, node.attrs[0]) for f in lg.forms(node.args[0])]


def _units(lg: Legaliser, node: Node) -> list[Value]:
    factor = 1 / Fraction(node.attrs[0])
    return [lg.atoms.combine([(factor, f)]) for f in lg.forms(node.args[0])]


def _floordiv(lg: Legaliser, node: Node) -> list[Value]:
    m = node.attrs[0]
    result: list[Value] = []
    for f in lg.forms(node.args[0]):
        rest = arithmetic.modulo(lg, f, m)
        result.append(lg.atoms.combine([(Fraction(1, m), f), (Fraction(-1, m), rest)]))
    return result


def _order(strict: bool) -> Rule:
    def rule(lg: Legaliser, node: Node) -> list[Value]:
        result: list[Value] = []
        for a, b in _pairs(lg, node):
            d = lg.difference(b, a)
            if d.step is None:
                result.append(lg.logic.above(d))
            else:
                result.append(lg.logic.at_least(d, (d.step or 1) if strict else 0))
        return result

    return rule


def _equality(negate: bool) -> Rule:
    def rule(lg: Legaliser, node: Node) -> list[Value]:
        both = {lg.graph.nodes[a].type.kind for a in node.args}
        if both == {Kind.BOOL}:
            sides = zip(lg.bools(node.args[0]), lg.bools(node.args[1]), strict=True)
            result = [lg.logic.same(a, b) for a, b in sides]
        else:
            result = [_equal(lg, a, b) for a, b in _pairs(lg, node)]
        return [same.negated() if negate else same for same in result]

    return rule


def _equal(lg: Legaliser, a: Form, b: Form) -> Value:
    compare = lg.logic.equals_zero if a.is_const or b.is_const else lg.logic.equal
    return compare(lg.difference(a, b))  # type: ignore[no-any-return]


def _columns(lg: Legaliser, node: Node, ufunc: Any) -> list[tuple[Any, ...]]:
    """Operands element by element; those that clocks drive are read as one."""
    driven = [a for a in node.args if lg.clocks.drives(a)]
    joint = lg.clocks.joined(driven, ufunc) if len(driven) > 1 else None
    if joint is None:
        driven = []
    columns = [lg.bools(a) for a in node.args if a not in driven]
    if joint is not None:
        columns.append([lg.logic.from_value(f) for f in joint])
    return list(zip(*columns, strict=True))


def _and(lg: Legaliser, node: Node) -> list[Value]:
    return [lg.logic.conjunction(parts) for parts in _columns(lg, node, np.minimum)]


def _or(lg: Legaliser, node: Node) -> list[Value]:
    return [lg.logic.disjunction(parts) for parts in _columns(lg, node, np.maximum)]


def _not(lg: Legaliser, node: Node) -> list[Value]:
    return [b.negated() for b in lg.bools(node.args[0])]


def _all(lg: Legaliser, node: Node) -> list[Value]:
    return [lg.logic.conjunction(lg.bools(node.args[0]))]


def _any(lg: Legaliser, node: Node) -> list[Value]:
    return [lg.logic.disjunction(lg.bools(node.args[0]))]


def _select(lg: Legaliser, node: Node) -> list[Value]:
    conditions = lg.bools(node.args[0])
    if node.type.kind is Kind.BOOL:
        sides = zip(conditions, lg.bools(node.args[1]), lg.bools(node.args[2]), strict=True)
        return [lg.logic.either(c, a, b) for c, a, b in sides]
    branches = zip(conditions, lg.forms(node.args[1]), lg.forms(node.args[2]), strict=True)
    return [lg.logic.choose(c, a, b, node.span) for c, a, b in branches]


def _relu(lg: Legaliser, node: Node) -> list[Value]:
    return [lg.logic.relu(f, node.span) for f in lg.forms(node.args[0])]


def _abs(lg: Legaliser, node: Node) -> list[Value]:
    """|x| = 2 r(x) - x."""
    g = lg.atoms
    return [g.combine([(2, lg.logic.relu(f)), (-1, f)]) for f in lg.forms(node.args[0])]


def _extremum(sign: int) -> Rule:
    def rule(lg: Legaliser, node: Node) -> list[Value]:
        return [arithmetic.larger(lg, a, b, sign) for a, b in _pairs(lg, node)]

    return rule


def _vector_extremum(sign: int) -> Rule:
    def rule(lg: Legaliser, node: Node) -> list[Value]:
        forms = lg.forms(node.args[0])
        while len(forms) > 1:
            pairs = [forms[i : i + 2] for i in range(0, len(forms), 2)]
            forms = [
                p[0] if len(p) == 1 else arithmetic.larger(lg, p[0], p[1], sign) for p in pairs
            ]
        return [forms[0]]

    return rule


def _concat(lg: Legaliser, node: Node) -> list[Value]:
    if node.type.kind is Kind.BOOL:
        return [v for a in node.args for v in lg.values[a]]
    return [v for a in node.args for v in lg.forms(a)]


def _take(lg: Legaliser, node: Node) -> list[Value]:
    indices = node.attrs[0]
    source = lg.values[node.args[0]]
    return [source[i] for i in ([indices] if isinstance(indices, int) else indices)]


def _broadcast(lg: Legaliser, node: Node) -> list[Value]:
    return list(lg.values[node.args[0]]) * int(node.attrs[0])


def _argmax(lg: Legaliser, node: Node) -> list[Value]:
    return [arithmetic.argmax(lg, lg.forms(node.args[0]))]


def _index(lg: Legaliser, node: Node) -> list[Value]:
    (k,) = lg.forms(node.args[1])
    chosen = arithmetic.pick(lg, lg.forms(node.args[0]), k, node)
    return [_with_kind(lg, chosen, node)]


def _table(lg: Legaliser, node: Node) -> list[Value]:
    (k,) = lg.forms(node.args[0])
    values, width, _ = node.attrs
    exact = [Fraction(v) for v in values]
    columns: list[Any] = [exact] if not width else [exact[j::width] for j in range(width)]
    return [_with_kind(lg, arithmetic.tabulate(lg, k, c, 0, node.span), node) for c in columns]


def _with_kind(lg: Legaliser, form: Form, node: Node) -> Value:
    return lg.logic.from_value(form) if node.type.kind is Kind.BOOL else form


RULES: dict[str, Rule] = {
    "const": _const, "input": _input, "bound": _same, "promise": _same, "number": _number,
    "neg": _linear(-1), "add": _linear(1, 1), "sub": _linear(1, -1), "sum": _sum,
    "mul": _mul, "div": _div, "mod": _mod, "floordiv": _floordiv, "matvec": _matvec,
    "lt": _order(True), "le": _order(False), "eq": _equality(False), "ne": _equality(True),
    "and": _and, "or": _or, "not": _not, "all": _all, "any": _any, "select": _select,
    "relu": _relu, "abs": _abs, "max": _extremum(1), "min": _extremum(-1),
    "vmax": _vector_extremum(1), "vmin": _vector_extremum(-1), "argmax": _argmax, "units": _units,
    "concat": _concat, "take": _take, "broadcast": _broadcast, "index": _index, "table": _table,
}  # fmt: skip
