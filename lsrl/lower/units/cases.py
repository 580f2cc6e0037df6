"""A state's next value by cases: in each of them it is kept or not, and something is added.

The cases exclude each other and one of them always holds; a condition may read the state itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ...ir.nodes import Node
from ..atoms import Form, constant
from .states import Lane, evaluate

if TYPE_CHECKING:
    from ..legalise import Legaliser

MOST_CASES = 8


@dataclass(frozen=True)
class Case:
    """Where `when` holds, the next value is `added`, plus `factor` times the previous value if it
    `keeps` it."""

    when: Any
    keeps: bool
    added: Form
    factor: Fraction = Fraction(1)

    @property
    def share(self) -> Fraction:
        """How much of the previous value the next one has."""
        return self.factor if self.keeps else Fraction(0)

    @property
    def stays(self) -> bool:
        """Whether the next value is the previous one, times the factor."""
        return self.keeps and self.added.is_const and self.added.const == 0


Cases = list[Case]


class NoCases(Exception):
    """The next value is not of this shape."""


def cases_of(lg: Legaliser, inside: set[int], lane: Lane, scales: bool = False) -> Cases:
    """The cases of a lane whose `prev` node has a value; `scales`: factors may be other than 1.
    Raises `NoCases`."""
    state = lg.graph.states[lane[0]]
    found = _Analysis(lg, inside, lane, scales).cases(state.next, lane[1])
    return [c for c in merged(lg, found) if not _never(c.when)]


def node_cases(lg: Legaliser, inside: set[int], lane: Lane, n: int) -> Cases:
    """The cases of a scalar node of a group, in terms of a lane."""
    return merged(lg, _Analysis(lg, inside, lane).cases(n, 0))


def merged(lg: Legaliser, cases: Sequence[Case]) -> Cases:
    """Cases of the same value as one."""
    groups: dict[Any, list[Case]] = {}
    for case in cases:
        groups.setdefault((case.keeps, case.factor, case.added.key), []).append(case)
    return [
        replace(same[0], when=lg.logic.disjunction([c.when for c in same]))
        for same in groups.values()
    ]


def _never(when: Any) -> bool:
    return bool(getattr(when, "is_constant", False) and when.negative)


class _Analysis:
    def __init__(self, lg: Legaliser, inside: set[int], lane: Lane, scales: bool = False) -> None:
        self.lg, self.inside, self.lane, self.scales = lg, inside, lane, scales
        self.always = lg.logic.from_value(constant(1))
        self.reads = _readers(lg, inside, lane[0])

    def cases(self, n: int, i: int) -> Cases:
        """The cases of element i of a node."""
        if n not in self.reads:
            evaluate(self.lg, n, self.inside)
            return [Case(self.always, False, self.lg.forms(n)[i])]
        node = self.lg.graph.nodes[n]
        rule = _RULES.get(node.op)
        if rule is None:
            raise NoCases
        found = rule(self, node, i)
        if len(found) > MOST_CASES:
            raise NoCases
        return found

    def condition(self, n: int, i: int) -> Any:
        """Element i (or the only one) of a boolean node."""
        evaluate(self.lg, n, self.inside)
        values = self.lg.bools(n)
        return values[i if len(values) > 1 else 0]

    def both(self, a: Case, b: Case) -> Any:
        return self.lg.logic.conjunction([a.when, b.when])


def _readers(lg: Legaliser, inside: set[int], state: int) -> set[int]:
    """The nodes of a group that depend on the previous values of one of its states."""
    reads: set[int] = set()
    for n in sorted(inside):
        node = lg.graph.nodes[n]
        if (node.op == "prev" and node.attrs[0] == state) or any(a in reads for a in node.args):
            reads.add(n)
    return reads


def _previous(an: _Analysis, node: Node, i: int) -> Cases:
    if i != an.lane[1]:
        raise NoCases  # another lane of the group
    return [Case(an.always, True, constant(0))]


def _same(an: _Analysis, node: Node, i: int) -> Cases:
    return an.cases(node.args[0], i)


def _select(an: _Analysis, node: Node, i: int) -> Cases:
    c = an.condition(node.args[0], i)
    result = []
    for arg, when in ((node.args[1], c), (node.args[2], c.negated())):
        for case in an.cases(arg, i):
            both = an.lg.logic.conjunction([when, case.when])
            result.append(replace(case, when=both))
    return result


def _sum(*signs: int) -> Callable[[_Analysis, Node, int], Cases]:
    def rule(an: _Analysis, node: Node, i: int) -> Cases:
        columns = [an.cases(a, i) for a in node.args]
        result = []
        for a in columns[0]:
            for b in columns[1]:
                if (a.keeps and b.keeps) or (b.keeps and signs[1] < 0):
                    raise NoCases
                added = an.lg.atoms.combine([(signs[0], a.added), (signs[1], b.added)])
                factor = a.factor * b.factor  # 1 of what keeps nothing
                result.append(Case(an.both(a, b), a.keeps or b.keeps, added, factor))
        return result

    return rule


def _gate(disjunction: bool) -> Callable[[_Analysis, Node, int], Cases]:
    """`s and c` keeps s while c holds, `s or c` while it does not."""

    def rule(an: _Analysis, node: Node, i: int) -> Cases:
        own = [a for a in node.args if a in an.reads]
        if len(own) != 1:
            raise NoCases
        others = [an.condition(a, i) for a in node.args if a != own[0]]
        logic = an.lg.logic
        if disjunction:
            settled, other = logic.disjunction(others), constant(1)
        else:
            settled, other = logic.conjunction(others).negated(), constant(0)
        kept = [
            replace(c, when=logic.conjunction([settled.negated(), c.when]))
            for c in an.cases(own[0], i)
        ]
        return [Case(settled, False, other), *kept]

    return rule


def _extremum(sign: int) -> Callable[[_Analysis, Node, int], Cases]:
    """max(s, x) keeps s where x is not larger."""

    def rule(an: _Analysis, node: Node, i: int) -> Cases:
        sides = [(a, an.cases(a, i)) for a in node.args]
        result = []
        for (a, cases), (b, _) in (sides, sides[::-1]):
            first = a == node.args[0]
            when = _wins(an, a, b, i, sign, strict=not first)
            for case in cases:
                both = an.lg.logic.conjunction([when, case.when])
                result.append(replace(case, when=both))
        return result

    return rule


def _wins(an: _Analysis, a: int, b: int, i: int, sign: int, strict: bool) -> Any:
    lg = an.lg
    for n in (a, b):
        evaluate(lg, n, an.inside)
    d = lg.atoms.combine([(sign, lg.forms(a)[i]), (-sign, lg.forms(b)[i])])
    if d.step is None:
        above = lg.logic.above(lg.atoms.combine([(-1, d)]) if not strict else d)
        return above if strict else above.negated()
    return lg.logic.at_least(d, d.step if strict else 0)


def _product(an: _Analysis, node: Node, i: int) -> Cases:
    """s times a boolean, or (`scales`) times one of a few constants in [0, 1]."""
    own = [a for a in node.args if a in an.reads]
    other = [a for a in node.args if a not in an.reads]
    if len(own) != 1 or not other:
        raise NoCases
    evaluate(an.lg, other[0], an.inside)
    factor = an.lg.forms(other[0])[i]
    if not factor.is_boolean:
        return _scaled(an, an.cases(own[0], i), other[0], i)
    c = an.lg.logic.from_value(factor)
    kept = [
        replace(case, when=an.lg.logic.conjunction([c, case.when])) for case in an.cases(own[0], i)
    ]
    return [Case(c.negated(), False, constant(0)), *kept]


def _scaled(an: _Analysis, cases: Cases, n: int, i: int) -> Cases:
    """Cases times element i (or the only one) of a node that is one of a few constants."""
    if not an.scales:
        raise NoCases
    result = []
    for when, k in _constants(an, n, i):
        if not 0 <= k <= 1:
            raise NoCases
        for case in cases:
            both, keeps = an.lg.logic.conjunction([when, case.when]), case.keeps and k != 0
            added = an.lg.atoms.combine([(k, case.added)])
            result.append(Case(both, keeps, added, k * case.factor if keeps else Fraction(1)))
    return result


def _constants(an: _Analysis, n: int, i: int) -> list[tuple[Any, Fraction]]:
    """The constants that a node free of the state can be, and when it is each."""
    node = an.lg.graph.nodes[n]
    if node.op == "const":
        values = node.attrs[0]
        return [(an.always, Fraction(values[i if len(values) > 1 else 0]))]
    if node.op in ("broadcast", "bound", "promise"):
        return _constants(an, node.args[0], i)
    if node.op == "select":
        c = an.condition(node.args[0], i)
        return [
            (an.lg.logic.conjunction([when, other]), k)
            for arg, when in ((node.args[1], c), (node.args[2], c.negated()))
            for other, k in _constants(an, arg, i)
        ]
    if node.op in ("add", "sub"):
        sign = 1 if node.op == "add" else -1
        first, second = (_constants(an, a, i) for a in node.args)
        return [
            (an.lg.logic.conjunction([c, d]), k + sign * m) for c, k in first for d, m in second
        ]
    raise NoCases


def _concat(an: _Analysis, node: Node, i: int) -> Cases:
    for a in node.args:
        size = an.lg.graph.nodes[a].type.size
        if i < size:
            return an.cases(a, i)
        i -= size
    raise NoCases


def _take(an: _Analysis, node: Node, i: int) -> Cases:
    indices = node.attrs[0]
    source = [indices] if isinstance(indices, int) else list(indices)
    return an.cases(node.args[0], source[i])


def _broadcast(an: _Analysis, node: Node, i: int) -> Cases:
    return an.cases(node.args[0], 0)


_RULES: dict[str, Callable[[_Analysis, Node, int], Cases]] = {
    "prev": _previous, "bound": _same, "promise": _same, "number": _same,
    "select": _select, "add": _sum(1, 1), "sub": _sum(1, -1),
    "and": _gate(False), "or": _gate(True), "max": _extremum(1), "min": _extremum(-1),
    "mul": _product, "concat": _concat, "take": _take, "broadcast": _broadcast,
}  # fmt: skip
