"""Real states of a ReLU machine by cases: parts of which at most one is not 0.

    s = s_0 + sum of parts,   part = relu(v - s_0 - M [not c]) - relu(-(v - s_0) - M [not c])

v is what the case gives, k s + x. An error grows by the largest k, as only one part has it. A part
that keeps s reads the sum of all parts one step back. One of these is s - s_0, the others are
exactly 0, and so is M [not c]: the sum is a copy, and a real is held without an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...ir.components import Component
from ..atoms import Form
from ..coefficients import Coefficient
from ..logic import Bool
from .cases import Case, Cases
from .patterns import by_cases, switched
from .states import Lane, ends_of, initial, lanes_of

if TYPE_CHECKING:
    from .legalise import UnitLegaliser


def exclusive_cases(lg: UnitLegaliser, component: Component) -> dict[int, list[Any]] | None:
    """As `by_cases`; the parts of reals are noted in `UnitGraph.parts`."""
    made = by_cases(lg, component, _parts)
    if made is not None:
        for lane in filter(lambda lane: _is_real(lg, lane), lanes_of(lg, component)):
            value = made[lg.graph.states[lane[0]].next][lane[1]]
            _note(lg, ("parts", *lane), value, initial(lg, lane))
    return made


def _is_real(lg: UnitLegaliser, lane: Lane) -> bool:
    return ends_of(lg, lane)[2] is None


def _parts(lg: UnitLegaliser, lane: Lane, before: Form, cases: Cases) -> Form:
    """What `switched` makes of a lane less its initial value."""
    if not _is_real(lg, lane) or not all(isinstance(c.when, Bool) for c in cases):
        return switched(lg, lane, before, cases)
    g, init = lg.graph_of_units, initial(lg, lane)
    parts = []
    for case in cases:
        value = g.combine([(case.share, before), (1, case.added)], -init)
        real = Form(value.terms, value.const, value.lo, value.hi, None)
        parts.append((1, lg.logic.gate(_plain(lg, case), value if value.is_const else real)))
    made = g.combine(parts)
    gates = [a for a, c in made.terms.items() if a in g.shutters and abs(c) == 1]
    g.parts["written", *lane] = {a: g.shutters[a] for a in gates}
    return g.shifted(made, init)


def _plain(lg: UnitLegaliser, case: Case) -> Any:
    """A case's condition; if it keeps the lane, what its falsity reads is 0 where that is."""
    falsity, g = case.when.falsity, lg.graph_of_units
    plain = all(c > 0 and g.atoms[a].lo >= 0 for a, c in falsity.terms.items())
    if not case.keeps or falsity.is_const or (plain and not falsity.const):
        return case.when
    made = g.relu(falsity, boolean=falsity.is_boolean, kept=True)
    return Bool(g, lambda: made, lambda: case.when.truth)


def _note(lg: UnitLegaliser, family: object, form: Form, const: Coefficient) -> None:
    """Note a lane's parts: gates, and units that hold a sum of what is 0 in the other cases."""
    g = lg.graph_of_units
    if form.const != const or any(abs(c) != 1 for c in form.terms.values()):
        return
    if all(a in g.shutters or _holds(lg, a) for a in form.terms):
        g.parts[family] = {a: g.shutters.get(a, 0.0) for a in form.terms}


def _holds(lg: UnitLegaliser, a: int) -> bool:
    """Whether a unit reads gates and sure integers alone, and adds nothing."""
    g = lg.graph_of_units
    for _, form in g.atoms[a].args:
        for b in form.terms:
            sure = g.atoms[b].step == 1 and not g.atoms[b].fuzzy
            if form.const or not (sure or b in g.shutters):
                return False
    return True
