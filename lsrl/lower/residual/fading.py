"""States that fade: s' = a s + u, where a is one of a few constants, as the input decides.

The selective scan multiplies a state by exp(dt A), the RG-LRU by exp(-8 r softplus(Lambda)); dt and
r are decided by the input. So a form that has one value for each case, its control, gives the state
the factor of that case. What the state takes in is multiplied as well, by dt or by sqrt(1 - a^2),
which is undone before: each case's part is a product with a boolean, times a constant.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ...analysis.kinds import Group as StateGroup
from ...ir.components import Component
from ..atoms import Form
from ..gates import number
from ..logic import Bool
from ..units.cases import Case, NoCases, cases_of
from ..units.states import Lane, ends_of, initial, label_of, lanes_of
from ..unsupported import Unsupported
from .graph import FADE, PRODUCT, Fade

if TYPE_CHECKING:
    from .legalise import ResidualLegaliser


def fading_lanes(
    lg: ResidualLegaliser, component: Component, group: StateGroup, reasons: list[str]
) -> dict[Lane, Form] | None:
    """Lanes that are kept by one of a few factors in [0, 1]; None where some are not."""
    inside = set(component.nodes)
    now: dict[Lane, Form] = {}
    for lane in lanes_of(lg, component):
        try:
            cases = cases_of(lg, inside, lane, scales=True)
        except (NoCases, Unsupported, KeyError):
            return None
        ends = ends_of(lg, lane)
        made = _faded(lg, cases, Fraction(initial(lg, lane)), label_of(lg, lane), ends, reasons)
        if made is None:
            return None
        now[lane] = made
    return now


def _faded(
    lg: ResidualLegaliser, cases: list[Case], init: Fraction, label: str, ends: Any,
    reasons: list[str],
) -> Form | None:  # fmt: skip
    """init + a state that starts at 0."""
    cases = [
        replace(c, added=lg.atoms.combine([(1, c.added)], (c.share - 1) * init))
        for c in cases if not lg.never(c.when)
    ]  # fmt: skip
    rates = {c.share for c in cases}
    if any(c.share == 1 and not c.stays for c in cases):
        reasons.append("a positive diagonal recurrence that fades in some steps adds in none to "
                       "what it keeps")  # fmt: skip
        return None
    slowest = max((r for r in rates if 0 < r < 1), default=None)
    if slowest is None:
        return None
    control = _control(lg, cases, slowest)
    value, fades = _taken_in(lg, cases, slowest)
    if value.is_const and value.const == 0:
        return lg.atoms.combine([], init)
    split = lg.machine.rectifies and value.lo < 0 < value.hi  # both parts grow
    made = lg.residual.unit(
        FADE, value, when=control, rate=slowest, fades=fades, label=label,
        extent=_extent(lg, cases),
        most=None if split else max(abs(float(e) - float(init)) for e in ends[:2]),
    )  # fmt: skip
    return lg.atoms.combine([(1, made)], init)


def _control(lg: ResidualLegaliser, cases: list[Case], slowest: Fraction) -> Form:
    """The value of the case that holds; it is that of the slowest where no other does.

    Each other rate adds its atom, so that beside the slowest's value at most one is not 0, and that
    is rounded by itself: of 512 - 518 b nothing small is left exact.
    """
    own = lg.machine.fade(slowest, slowest).control
    parts = []
    for rate in sorted({c.share for c in cases} - {slowest}):
        when = lg.logic.disjunction([c.when for c in cases if c.share == rate])
        parts.append((lg.machine.fade(rate, slowest).control - own, _holds(lg, when)))
    return lg.atoms.combine(parts, own)


def _holds(lg: ResidualLegaliser, when: Bool) -> Form:
    """A boolean as a single atom that is 0 or 1."""
    found = number(lg.residual_logic, when, lg.options.digits)
    if not found.is_const and (found.const or [*found.terms.values()] != [1]):
        return lg.residual.relu(found, kept=True)
    return found


def _taken_in(
    lg: ResidualLegaliser, cases: list[Case], slowest: Fraction
) -> tuple[Form, tuple[Fade, ...]]:
    """What the state takes in, divided by what it will be multiplied by; and the cases."""
    started: Bool | None = None
    if lg.machine.first_is_whole:
        one = lg.atoms.combine([], 1)
        started = lg.logic.from_value(lg.delayed(one, 0, "the first step"))
    found: list[tuple[Fade, Form, Bool]] = []
    for c in cases:
        fade = replace(lg.machine.fade(c.share, slowest), most=max(-c.added.lo, c.added.hi))
        if started is None or fade.written == 1 or c.stays:
            found.append((fade, c.added, c.when))
            continue
        first = replace(fade, rate=Fraction(0), written=Fraction(1))
        for part, also in ((fade, started), (first, started.negated())):
            found.append((part, c.added, lg.logic.conjunction([c.when, also])))
    if started is None:  # what is kept takes in nothing, whatever there is
        alike = {(f.written, a.key) for f, a, _ in found if f.rate < 1}
    else:
        alike = {(f.written, a.key) for f, a, _ in found}
    if len(alike) == 1:
        fade, added, _ = next(part for part in found if part[0].rate < 1)
        return lg.atoms.combine([(1 / fade.written, added)]), tuple(f for f, _, _ in found)
    parts, fades = [], []
    for fade, added, when in found:
        if added.is_const:
            gated = lg.atoms.combine([(added.const, _holds(lg, when))])
            own = frozenset(gated.terms)
        else:
            gated = lg.logic.gate(when, added)
            own = frozenset(a for a in gated.terms if _is_gate(lg, a))
        fades.append(replace(fade, atoms=own))
        if fade.rate < 1:
            parts.append((1 / fade.written, gated))
    return lg.atoms.combine(parts), tuple(fades)


def _is_gate(lg: ResidualLegaliser, a: int) -> bool:
    """Whether an atom is exactly 0 where what it was made for does not hold."""
    return lg.residual.op(a) == PRODUCT and lg.residual.atoms[a].saturating


def _extent(lg: ResidualLegaliser, cases: list[Case]) -> tuple[float, float]:
    """How far the state can go below and above 0: by as much in each step, or to where no case
    leads farther."""
    found = [(float(1 / (1 - c.share)), c.added) for c in cases if c.share < 1]
    low, high = min(0.0, *(f.lo for _, f in found)), max(0.0, *(f.hi for _, f in found))
    length = lg.graph.length
    lowest, highest = min(n * f.lo for n, f in found), max(n * f.hi for n, f in found)
    return max(length * low, min(0.0, lowest)), min(length * high, max(0.0, highest))
