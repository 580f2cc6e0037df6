"""Patterns that several machines share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ...analysis.kinds import StateKind, classify
from ...ir.components import Component
from ...source import Span
from ..atoms import AtomKind, Form, tighten
from ..unsupported import Unsupported
from .automaton import automaton
from .cases import Case, Cases, NoCases, cases_of
from .machine import Pattern
from .states import (
    Lane,
    close,
    closed_by,
    ends_of,
    initial,
    lanes_of,
    previous_of,
    reserve,
    set_previous,
    unit_values,
)

if TYPE_CHECKING:
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
    """The sum of [c] (k s or 0, plus x)."""
    g = lg.atoms
    parts = []
    for case in cases:
        value = g.combine([(case.share, before), (1, case.added)])
        parts.append((1, lg.logic.gate(case.when, value)))
    return g.combine(parts)


def by_cases(
    lg: UnitLegaliser, component: Component, switch: Switch = switched
) -> dict[int, list[Any]] | None:
    """Each case as a value of its own that is switched on: s' = sum of [c] (k s or 0, plus x)."""
    lanes = lanes_of(lg, component)
    inside = set(component.nodes)

    def update(previous: list[Form]) -> list[Form]:
        set_previous(lg, component, dict(zip(lanes, previous, strict=True)))
        result = []
        for lane, before in zip(lanes, previous, strict=True):
            result.append(switch(lg, lane, before, cases_of(lg, inside, lane, scales=True)))
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


# Whether a unit, or units alone in a row, switch a form: it is exactly 0 while they are shut.
IsSwitched = Callable[["UnitLegaliser", Form, bool], bool]
MakeUnit = Callable[["UnitLegaliser", Lane, int, Cases], dict[str, Form] | None]


def lane_by_lane(
    lg: UnitLegaliser, component: Component, op: str, make: MakeUnit, scales: bool = False
) -> dict[int, list[Any]] | None:
    """One unit a lane: `make` gives its arguments, by role, from the cases of its next value, in
    which it is kept as it is or (`scales`) times a constant."""
    inside = set(component.nodes)
    units = {lane: reserve(lg, op, lane) for lane in lanes_of(lg, component)}
    set_previous(lg, component, {lane: previous_of(lg, a, lane) for lane, a in units.items()})
    try:
        for lane, a in units.items():
            args = make(lg, lane, a, cases_of(lg, inside, lane, scales))
            if args is None:
                return None
            lg.graph_of_units.define(a, args)
    except NoCases:
        return None
    return unit_values(lg, component, units)


def addition(lg: UnitLegaliser, lane: Lane, case: Case) -> Form:
    """What a case adds to a lane's unit, which holds the lane less its initial value."""
    return lg.graph_of_units.shifted(case.added, (case.share - 1) * initial(lg, lane))


def adds_nothing_while_kept(
    lg: UnitLegaliser, added: Sequence[tuple[Case, Form]], is_switched: IsSwitched
) -> bool:
    """Whether all that is added to a unit while it is kept is exactly 0: each case adds what is
    switched off with it, without a constant or terms that would have to cancel among others."""
    forms = [form for _, form in added if form.terms or form.const]
    alone = len(forms) == 1
    return all(c.stays for c, _ in added if c.keeps) and all(
        not form.const and (_is_sure(lg, form) or is_switched(lg, form, alone)) for form in forms
    )


def _is_sure(lg: UnitLegaliser, form: Form) -> bool:
    """Whether a form is one integer that no error makes another one."""
    atoms = [lg.atoms.atoms[a] for a in form.terms]
    return len(atoms) == 1 and atoms[0].step == 1 and not atoms[0].fuzzy


def reads_back(lg: UnitLegaliser, form: Form) -> bool:
    """Whether a form reads a previous value."""
    return any(lg.atoms.atoms[a].kind is AtomKind.PREV for a in form.terms)


def select_ends(a: Form) -> tuple[float, float]:
    """The range of a value that may be switched off."""
    return min(a.lo, 0.0), max(a.hi, 0.0)


HOLD = Pattern("hold", "hold", hold_linear, "v = a")
BAND = Pattern("band", "indicator", band, "[p] + [q] - 1")
RELU = Pattern("integer relu", "relu", integer_relu, "[n >= 1] n")
CLOSING = Pattern("closing", "group", close_others, "the update as it stands, each lane a unit")
CASES = Pattern("cases", "group", by_cases, "a switched value for each case")
AUTOMATON = Pattern("automaton", "group", automaton, "a unit for each state and class of input")
