"""Real states of a machine with gates that fade: parts of which at most one is not 0.

    s = s_0 + sum of parts,   part = [c] (k s' + x - s_0)

A gate shuts its part exactly, so an error grows by the largest k, as only one part has it. Where a
gate switches only what is read one step back, the x are switched in a layer below, and added.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ...ir.components import Component
from ..atoms import Form
from .cases import Cases, NoCases
from .patterns import by_cases
from .states import Lane, initial

if TYPE_CHECKING:
    from .legalise import UnitLegaliser

SWITCHES = ("o", "r")  # gates that switch all that a unit reads


def fading_cases(
    lg: UnitLegaliser, component: Component, apart: bool = False
) -> dict[int, list[Any]] | None:
    """A part for each case, where some keep a share of the state other than 1; `apart`: what is
    added is switched by itself."""
    return by_cases(lg, component, partial(_parts, apart))


def _parts(apart: bool, lg: UnitLegaliser, lane: Lane, before: Form, cases: Cases) -> Form:
    """The parts, noted in `UnitGraph.parts`. Raises `NoCases` where nothing fades."""
    if all(case.share in (0, 1) for case in cases):
        raise NoCases
    g, init = lg.graph_of_units, initial(lg, lane)
    parts, beside = [], []
    for case in cases:
        kept, added = g.combine([(case.share, before)], -init), case.added
        value = kept if apart else g.combine([(1, kept), (1, added)])
        parts.append(lg.logic.gate(case.when, value))
        if apart:
            beside.append(lg.logic.gate(case.when, added))
    made = g.combine([(1, part) for part in parts])
    g.parts["parts", *lane] = {
        a: 0.0 for a, c in made.terms.items() if abs(c) == 1 and _is_switched(lg, a)
    }
    return g.combine([(1, made), *((1, form) for form in beside)], init)


def _is_switched(lg: UnitLegaliser, a: int) -> bool:
    """Whether a unit is exactly 0 where its gate is shut."""
    return not dict(lg.atoms.atoms[a].args).keys().isdisjoint(SWITCHES)
