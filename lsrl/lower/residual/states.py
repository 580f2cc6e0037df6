"""Groups of states on a residual machine: scalars that are kept, replaced, or decay.

Every state of a block is a lane of its own, s' = a s + u with a in [0, 1] decided by the input. So
a group is taken apart: into lanes that only need their own previous value, or earlier lanes'; what
a finite group does to its states, into resets and a sum modulo its period.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ...analysis.dependence import Factor
from ...analysis.kinds import Group as StateGroup
from ...analysis.kinds import StateKind, classify
from ...ir.components import Component, tarjan
from ...ir.types import Kind
from .. import arithmetic
from ..atoms import Form, tighten
from ..coefficients import Coefficient
from ..logic import Bool
from ..states import added_from_zero, lower_rewritten, rest_of_group
from ..units.cases import Case, NoCases, cases_of
from ..units.states import Lane, ends_of, finish, initial, label_of, lanes_of
from ..unsupported import Unsupported
from .graph import DECAY, LATCH, SIGNED, SUM

if TYPE_CHECKING:
    from .legalise import ResidualLegaliser

Values = dict[int, list[Any]]


def lower_group(lg: ResidualLegaliser, component: Component) -> None:
    """A group by the first construction that holds it; its values become those of its nodes."""
    from .finite import finite

    group = classify(lg.graph, lg.facts, component)
    lg.atoms.maker = lg.graph.states[group.states[0]].next
    lg.residual.span = lg.graph.states[group.states[0]].span
    reasons: list[str] = []
    for make in (_linear, _gated, _fading, _rewritten, finite, counted):
        found = make(lg, component, group, reasons)
        if found is not None:
            lg.values.update(found)
            if make is _rewritten:
                return
            rest_of_group(lg, component, StateGroup(group.states, (), (), True))
            return
    raise refusal(lg, group, reasons)


def refusal(lg: ResidualLegaliser, group: StateGroup, reasons: list[str]) -> Unsupported:
    """E803: what the group is, and what stands in the way."""
    state = lg.graph.states[group.states[0]]
    names = ", ".join(f"`{lg.graph.states[s].name}`" for s in group.states)
    many = len(group.states) > 1
    kind = group.kinds[0]
    message = (
        f"the {'states' if many else 'state'} {names} {'are' if many else 'is'} {kind.value}: "
    )
    message += f"{kind.reason}, and "
    message += (
        reasons[0] if reasons else f"`{lg.machine.name}` keeps, replaces or decays each value"
    )
    holders = kind.holders
    if kind is StateKind.GATED:  # by their names Mamba and Hawk would be among them
        holders = "LSTM, GRU and RNN"
    help = f"{holders} can hold it (`lsrl targets FILE` says which)"
    return Unsupported(message, help, state.span, "E803")


def valued(lg: ResidualLegaliser, component: Component, now: dict[Lane, Form]) -> Values:
    """The values of the nodes that the states end in."""
    made = {}
    for lane, form in now.items():
        lo, hi, step = ends_of(lg, lane)
        made[lane] = lg.atoms.note(tighten(form, lo, hi, step))
    return finish(lg, component, made)


# Linear


def _linear(
    lg: ResidualLegaliser, component: Component, group: StateGroup, reasons: list[str]
) -> Values | None:
    """Lanes one after another where each needs itself and earlier ones only; others are brought to
    that form by a change of basis."""
    if not group.is_linear:
        return None
    stored = _stored_once(lg, component, group)
    if stored is not None:
        return stored
    lanes = lanes_of(lg, component)
    index = {lane: i for i, lane in enumerate(lanes)}
    rows = [{index[k]: _constant(c) for k, c in (row or {}).items()} for row in group.rows]
    order = tarjan([[j for j in row if j != i] for i, row in enumerate(rows)])
    added = added_from_zero(lg, component, group)
    inits = [Fraction(initial(lg, lane)) for lane in lanes]
    now: dict[int, Form] = {}
    for members in order:
        matrix = [[Fraction(rows[i].get(j, 0)) for j in members] for i in members]
        rest = []
        for i in members:
            parts = [(c, lg.delayed(now[j], inits[j], label_of(lg, lanes[j])))
                     for j, c in rows[i].items() if j not in members]  # fmt: skip
            rest.append(lg.atoms.combine([(1, added[i]), *parts]))
        labels = [label_of(lg, lanes[i]) for i in members]
        ends = [ends_of(lg, lanes[i]) for i in members]
        made = _block(lg, matrix, rest, [inits[i] for i in members], labels, ends, reasons)
        if made is None:
            return None
        now |= dict(zip(members, made, strict=True))
    return valued(lg, component, {lane: now[i] for i, lane in enumerate(lanes)})


def _stored_once(lg: ResidualLegaliser, component: Component, group: StateGroup) -> Values | None:
    """A sum to which something is added in one step only, that no input decides: a latch of it."""
    if len(group.states) != 1:
        return None
    s = group.states[0]
    n = lg.graph.states[s].next
    while lg.graph.nodes[n].op in ("bound", "promise"):
        n = lg.graph.nodes[n].args[0]
    node = lg.graph.nodes[n]
    outside = [a for a in node.args if a not in component.nodes]
    if node.op != "add" or len(outside) != 1:
        return None
    inside = lg.graph.nodes[next(a for a in node.args if a in component.nodes)]
    added = lg.graph.nodes[outside[0]]
    if inside.op != "prev" or added.op != "select":
        return None
    times = lg.clocks.sequences.get(added.args[0])
    other = lg.graph.nodes[added.args[2]]
    if times is None or other.op != "const" or any(other.attrs[0]):
        return None
    if len(times) < lg.graph.length or (times.sum(axis=0) > 1).any():
        return None
    conditions, values = lg.bools(added.args[0]), lg.forms(added.args[1])
    now = {}
    for lane, c, value in zip(lanes_of(lg, component), conditions, values, strict=True):
        init = Fraction(initial(lg, lane))
        label = label_of(lg, lane)
        made = lg.residual.unit(LATCH, value, when=lg.condition(c), label=label)
        now[lane] = lg.atoms.combine([(1, made)], init)
    return valued(lg, component, now)


def _constant(c: Coefficient | float | Factor) -> Fraction:
    """A coefficient of a linear group, in which no factor varies."""
    assert not isinstance(c, Factor)
    return Fraction(c)


def _block(
    lg: ResidualLegaliser, matrix: list[list[Fraction]], added: list[Form],
    inits: list[Fraction], labels: list[str], ends: list[Any], reasons: list[str],
) -> list[Form] | None:  # fmt: skip
    """s' = A s + added, for lanes that all need each other."""
    if len(matrix) == 1:
        made = decaying(lg, matrix[0][0], added[0], inits[0], labels[0], ends[0], reasons)
        return None if made is None else [made]
    from .spectrum import obstacle, triangular

    basis = triangular(matrix)
    if basis is None:
        reasons.append(f"its matrix has {obstacle(matrix)}")
        return None
    lanes: list[Form] = []
    starts = [sum((c * v for c, v in zip(row, inits, strict=True)), Fraction(0))
              for row in basis.inverse]  # fmt: skip
    for i, row in enumerate(basis.lower):
        parts: list[tuple[Coefficient, Form]] = [
            (c, form) for c, form in zip(basis.inverse[i], added, strict=True) if c
        ]
        for j in range(i):
            if row[j]:
                parts.append((row[j], lg.delayed(lanes[j], starts[j], f"{labels[0]} basis {j}")))
        form = lg.atoms.combine(parts)
        label = f"{labels[0]} basis {i}"
        off = _left_out(basis.rest[i], ends, inits) if basis.rest else 0.0
        made = decaying(lg, row[i], form, starts[i], label, None, reasons, off)
        if made is None:
            return None
        lanes.append(made)
    result = []
    for row in basis.vectors:
        parts = [(c, form) for c, form in zip(row, lanes, strict=True) if c]
        result.append(lg.atoms.combine(parts))
    return result


def _left_out(row: list[Fraction], ends: list[Any], inits: list[Fraction]) -> float:
    """What an approximated basis leaves out of a lane in a step, at most, by the states' ranges."""
    most = [
        max(abs(float(e)) for e in (*end[:2], init)) for end, init in zip(ends, inits, strict=True)
    ]
    return sum(abs(float(c)) * m for c, m in zip(row, most, strict=True)) * (1 + 2.0**-20)


def decaying(
    lg: ResidualLegaliser, rate: Fraction, added: Form, init: Fraction, label: str,
    ends: Any, reasons: list[str], off: float = 0.0,
) -> Form | None:  # fmt: skip
    """s' = rate s + added, from init: a shifted lane, which starts at 0. `off`: by how much `added`
    may differ from what it stands for."""
    if not 0 <= rate <= 1:
        reasons.append(f"the factor {float(rate):g} is not in [0, 1], where a positive diagonal "
                       "recurrence has its own")  # fmt: skip
        return None
    if rate == 0:
        return added
    shifted = lg.atoms.combine([(1, added)], (rate - 1) * init)
    most = None if ends is None else max(abs(float(e) - float(init)) for e in ends[:2])
    op = SUM if rate == 1 else DECAY
    if lg.machine.rectifies and shifted.lo < 0 < shifted.hi:
        if shifted.step is None and SIGNED in lg.machine.apart:
            op = SIGNED
        else:
            most = None  # both parts grow
    made = lg.residual.unit(op, shifted, rate=rate, most=most, label=label, approximation=off)
    return lg.atoms.combine([(1, made)], init)


# Gated


def _gated(
    lg: ResidualLegaliser, component: Component, group: StateGroup, reasons: list[str]
) -> Values | None:
    """Lanes that are kept, replaced, or added to, as the input says."""
    inside = set(component.nodes)
    now: dict[Lane, Form] = {}
    for lane in lanes_of(lg, component):
        try:
            cases = cases_of(lg, inside, lane)
        except (NoCases, Unsupported, KeyError):
            for n in inside:
                lg.values.pop(n, None)
            return None
        now[lane] = by_cases(lg, cases, Fraction(initial(lg, lane)), label_of(lg, lane),
                             ends_of(lg, lane))  # fmt: skip
    for n in inside:
        lg.values.pop(n, None)
    return valued(lg, component, now)


def _fading(
    lg: ResidualLegaliser, component: Component, group: StateGroup, reasons: list[str]
) -> Values | None:
    """Lanes that are kept in part, as the input says."""
    from .fading import fading_lanes

    now = fading_lanes(lg, component, group, reasons)
    for n in component.nodes:
        lg.values.pop(n, None)
    return None if now is None else valued(lg, component, now)


def by_cases(
    lg: ResidualLegaliser, cases: list[Case], init: Fraction, label: str, ends: Any
) -> Form:
    """init + what was written last + what was added since: a latch holds what was written, less
    init; what was added is a sum, less a latch of that sum at the time of the last writing."""
    g, logic = lg.residual, lg.logic
    kept = [c for c in cases if c.keeps]
    written = [c for c in cases if not c.keeps and not lg.never(c.when)]
    if not written and len(kept) == 1:
        total = g.unit(SUM, kept[0].added, label=label, most=_most(lg, kept[0].added, ends, init))
        return lg.atoms.combine([(1, total)], init)
    if not kept:
        return _chosen(lg, written)
    when: Bool = logic.disjunction([c.when for c in written])
    if len(kept) == 1 and not kept[0].when.forms and written:
        when = kept[0].when.negated()
    condition = lg.condition(when)
    parts: list[tuple[Coefficient, Form]] = []
    value = g.combine([(1, _chosen(lg, written))], -init)
    if _always(condition):
        return g.combine([(1, value)], init)
    if not condition.is_const and not (value.is_const and value.const == 0):
        parts.append((1, g.unit(LATCH, value, when=condition, label=label)))
    grown = [(1, logic.gate(c.when, c.added)) for c in kept if not _is_zero(c.added)]
    if grown:
        parts.append((1, since(lg, g.combine(grown), condition, label)))
    return lg.atoms.combine(parts, init)


def since(lg: ResidualLegaliser, added: Form, when: Form, label: str) -> Form:
    """What was added since a condition held: the sum of all, less what it was then. `added` is 0
    where the condition holds."""
    g = lg.residual
    if _always(when):
        return g.combine([])
    total = g.unit(SUM, added, label=f"sum for {label}")
    if when.is_const:  # never
        return total
    before = g.unit(LATCH, total, when=when, label=f"sum at the last reset of {label}")
    length = lg.graph.length
    result = g.combine([(1, total), (-1, before)])
    return g.note(tighten(result, min(0.0, length * added.lo), max(0.0, length * added.hi), None))


def _most(lg: ResidualLegaliser, added: Form, ends: Any, init: Fraction) -> float | None:
    """What a lane can grow to, by the range of its state."""
    if added.lo < 0 < added.hi and lg.machine.rectifies:
        return None
    lo, hi = float(ends[0]), float(ends[1])
    return max(abs(lo - float(init)), abs(hi - float(init)), hi - lo)


def _always(condition: Form) -> bool:
    """Whether a condition, a margin or 0 or 1, is known to hold."""
    return condition.is_const and condition.const >= Fraction(1, 2)


def _is_zero(form: Form) -> bool:
    return form.is_const and form.const == 0


def _chosen(lg: ResidualLegaliser, cases: list[Case]) -> Form:
    """The value of the case that holds, where one does."""
    if not cases:
        return lg.atoms.combine([])
    result = cases[-1].added
    for case in reversed(cases[:-1]):
        result = lg.logic.choose(case.when, case.added, result)
    return result


# Sums modulo m, and parity


def _rewritten(
    lg: ResidualLegaliser, component: Component, group: StateGroup, reasons: list[str]
) -> Values | None:
    """(s + x) mod m and s != c, as sums; all of the group's values are there then."""
    if len(group.states) > 1 or not lower_rewritten(lg, component, group.states[0]):
        return None
    return {}


# Counted


def counted(
    lg: ResidualLegaliser, component: Component, group: StateGroup, reasons: list[str]
) -> Values | None:
    """What no input reaches: a table over the step, or over its remainder by the period."""
    from ..sequences import lasso_of

    sequences = lg.clocks.sequences
    ends = [lg.graph.states[s].next for s in group.states]
    if not all(n in sequences for n in ends):
        return None
    result: Values = {}
    for n in ends:
        values = sequences[n]
        lasso = lasso_of(values) or (len(values) - 1, 1)
        if sum(lasso) > arithmetic.MAX_CASES:
            return None
        forms = [_read(lg, [Fraction(float(v)) for v in column], *lasso) for column in values.T]
        kind = lg.graph.nodes[n].type.kind
        if kind is Kind.BOOL:
            result[n] = [lg.logic.from_value(f) for f in forms]
        else:
            result[n] = list(lg.narrow(n, forms))
    return result


def _read(lg: ResidualLegaliser, values: list[Fraction], prefix: int, period: int) -> Form:
    """values[t] at step t from 0, periodic from `prefix` on."""
    length = lg.graph.length
    t = lg.atoms.combine([(1, lg.accumulated(lg.atoms.combine([], 1), 0, "steps", 0))], -1)
    t = lg.atoms.note(tighten(t, 0.0, float(length - 1), Fraction(1)))
    tabulate: Callable[..., Form] = arithmetic.tabulate
    if period == 1:
        table = [values[min(i, prefix)] for i in range(min(length, prefix + 3))]
        return _tail(lg, t, table)
    since = lg.atoms.combine([(1, t)], -prefix)
    phase = arithmetic.modulo(lg, since, period)
    later = tabulate(lg, phase, values[prefix : prefix + period], 0, None)
    if not prefix:
        return later
    first = _tail(lg, t, [*values[:prefix], values[prefix], values[prefix]])
    return lg.logic.choose(lg.logic.at_least(since, 0), later, first)


def _tail(lg: ResidualLegaliser, t: Form, table: list[Fraction]) -> Form:
    """A table over t whose last value goes on: read at most at its end."""
    last = len(table) - 1
    if t.hi <= last:
        return arithmetic.tabulate(lg, t, table, 0, None)
    capped = lg.atoms.combine([(1, t), (-1, lg.logic.relu(lg.atoms.combine([(1, t)], -last)))])
    capped = lg.atoms.note(tighten(capped, 0.0, float(last), Fraction(1)))
    return arithmetic.tabulate(lg, capped, table, 0, None)
