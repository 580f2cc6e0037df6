"""Patterns that several machines share."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ...analysis.kinds import StateKind, classify
from ...ir.components import Component
from ...source import Span
from ..atoms import AtomKind, Form, tighten
from ..legalise import Unsupported
from .automaton import automaton
from .cases import Cases, NoCases, cases_of
from .machine import Pattern
from .states import Lane, close, closed_by, ends_of, lanes_of, set_previous

if TYPE_CHECKING:
    from .conditions import Condition
    from .legalise import UnitLegaliser

Switch = Callable[["UnitLegaliser", Lane, Form, Cases], Form]


def hold_linear(lg: UnitLegaliser, form: Form) -> Form:
    """v = a: the linear regime hands a value on without an error."""
    return lg.graph_of_units.unit(
        "pass", {"a": form}, (form.lo, form.hi), form.step, label=lg.label
    )


def band(lg: UnitLegaliser, margins: tuple[Form, ...]) -> Form | None:
    """[p and q] = [p] + [q] - 1 where one of them always holds, as in a == b."""
    if len(margins) != 2:
        return None
    total = lg.atoms.combine([(1, m) for m in margins])
    if total.lo <= 0:
        return None
    logic: Any = lg.logic
    values = [logic.all_of((m,)).value for m in margins]
    return tighten(lg.atoms.combine([(1, v) for v in values], -1), 0.0, 1.0, Fraction(1))


def integer_relu(lg: UnitLegaliser, form: Form, span: Span | None) -> Form | None:
    """n where n >= 1, else 0."""
    if form.step is None:
        return None
    return lg.logic.gate(lg.logic.at_least(form, form.step), form, span)


def switched(lg: UnitLegaliser, lane: Lane, before: Form, cases: Cases) -> Form:
    """The sum of [c] (s or 0, plus x)."""
    g = lg.atoms
    parts = []
    for case in cases:
        value = g.combine([(int(case.keeps), before), (1, case.added)])
        parts.append((1, lg.logic.gate(case.when, value)))
    return g.combine(parts)


def by_cases(
    lg: UnitLegaliser, component: Component, switch: Switch = switched
) -> dict[int, list[Any]] | None:
    """Each case as a value of its own that is switched on: s' = sum of [c] (s or 0, plus x)."""
    lanes = lanes_of(lg, component)
    inside = set(component.nodes)

    def update(previous: list[Form]) -> list[Form]:
        set_previous(lg, component, dict(zip(lanes, previous, strict=True)))
        result = []
        for lane, before in zip(lanes, previous, strict=True):
            result.append(switch(lg, lane, before, cases_of(lg, inside, lane)))
        return result

    try:
        return closed_by(lg, component, lanes, update)
    except NoCases:
        return None


def close_others(lg: UnitLegaliser, component: Component) -> dict[int, list[Any]] | None:
    """`close`, but of no switched reals that another pattern holds: it rounds them each step."""
    kinds = classify(lg.graph, lg.facts, component).kinds
    reals = any(ends_of(lg, lane)[2] is None for lane in lanes_of(lg, component))
    if not reals or set(kinds) == {StateKind.LINEAR}:
        return close(lg, component)
    for pattern in lg.machine.of("group"):
        mark = lg.mark()
        try:
            held = pattern.build is not close_others and pattern.build(lg, component)
        except Unsupported:
            held = None
        lg.rollback(mark)
        if held:
            return None
    return close(lg, component)


def reads_now(lg: UnitLegaliser, form: Form) -> bool:
    """Whether a form reads only values of this step."""
    return all(lg.atoms.atoms[a].kind is not AtomKind.PREV for a in form.terms)


def reads_before(lg: UnitLegaliser, form: Form) -> bool:
    """Whether a form reads only previous values."""
    return all(lg.atoms.atoms[a].kind is AtomKind.PREV for a in form.terms)


def select_ends(a: Form) -> tuple[float, float]:
    """The range of a value that may be switched off."""
    return min(a.lo, 0.0), max(a.hi, 0.0)


def fuzzy(c: Condition) -> bool:
    """Whether a condition is undetermined where a comparison of reals is."""
    return c.is_fuzzy


HOLD = Pattern("hold", "hold", hold_linear, "v = a")
BAND = Pattern("band", "indicator", band, "[p] + [q] - 1")
RELU = Pattern("integer relu", "relu", integer_relu, "[n >= 1] n")
CLOSING = Pattern("closing", "group", close_others, "the update as it stands, each lane a unit")
CASES = Pattern("cases", "group", by_cases, "a switched value for each case")
AUTOMATON = Pattern("automaton", "group", automaton, "a unit for each state and class of input")
