"""Patterns that several machines share."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ...ir.components import Component
from ...source import Span
from ..atoms import AtomKind, Form, tighten
from .automaton import automaton
from .cases import Case, Cases, NoCases, cases_of
from .machine import Pattern
from .states import (
    Lane,
    close,
    closed_by,
    initial,
    lanes_of,
    previous_of,
    reserve,
    set_previous,
    unit_values,
)

if TYPE_CHECKING:
    from .legalise import UnitLegaliser


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


def by_cases(lg: UnitLegaliser, component: Component) -> dict[int, list[Any]] | None:
    """Each case as a value of its own that is switched on: s' = sum of [c] (s or 0, plus x)."""
    lanes = lanes_of(lg, component)
    g, inside = lg.atoms, set(component.nodes)

    def update(previous: list[Form]) -> list[Form]:
        set_previous(lg, component, dict(zip(lanes, previous, strict=True)))
        result = []
        for lane, before in zip(lanes, previous, strict=True):
            parts = []
            for case in cases_of(lg, inside, lane):
                value = g.combine([(int(case.keeps), before), (1, case.added)])
                parts.append((1, lg.logic.gate(case.when, value)))
            result.append(g.combine(parts))
        return result

    try:
        return closed_by(lg, component, lanes, update)
    except NoCases:
        return None


MakeUnit = Callable[["UnitLegaliser", Lane, int, Cases], dict[str, Form] | None]


def lane_by_lane(
    lg: UnitLegaliser, component: Component, op: str, make: MakeUnit
) -> dict[int, list[Any]] | None:
    """One unit a lane: `make` gives its arguments, by role, from the cases of its next value."""
    inside = set(component.nodes)
    units = {lane: reserve(lg, op, lane) for lane in lanes_of(lg, component)}
    set_previous(lg, component, {lane: previous_of(lg, a, lane) for lane, a in units.items()})
    try:
        for lane, a in units.items():
            args = make(lg, lane, a, cases_of(lg, inside, lane))
            if args is None:
                return None
            lg.graph_of_units.define(a, args)
    except NoCases:
        return None
    return unit_values(lg, component, units)


def addition(lg: UnitLegaliser, lane: Lane, case: Case) -> Form:
    """What a case adds to a lane's unit, which holds the lane less its initial value."""
    return lg.graph_of_units.shifted(case.added, 0 if case.keeps else -initial(lg, lane))


def reads_back(lg: UnitLegaliser, form: Form) -> bool:
    """Whether a form reads a previous value."""
    return any(lg.atoms.atoms[a].kind is AtomKind.PREV for a in form.terms)


def select_ends(a: Form) -> tuple[float, float]:
    """The range of a value that may be switched off."""
    return min(a.lo, 0.0), max(a.hi, 0.0)


HOLD = Pattern("hold", "hold", hold_linear, "v = a")
BAND = Pattern("band", "indicator", band, "[p] + [q] - 1")
RELU = Pattern("integer relu", "relu", integer_relu, "[n >= 1] n")
CLOSING = Pattern("closing", "group", close, "the update as it stands, each lane a unit")
CASES = Pattern("cases", "group", by_cases, "a switched value for each case")
AUTOMATON = Pattern("automaton", "group", automaton, "a unit for each state and class of input")
