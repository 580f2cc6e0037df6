"""States that are cut off at 0, recognised: `relu(s + x)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...ir.components import Component
from ..atoms import Form
from .modular import SAME, added_to
from .states import Lane, states_of

if TYPE_CHECKING:
    from .legalise import UnitLegaliser


def cut_sum(lg: UnitLegaliser, component: Component) -> tuple[Lane, Form] | None:
    """The lane and x of a single scalar state relu(s + x); x free of the state."""
    states = states_of(lg, component)
    if len(states) != 1 or lg.graph.states[states[0]].type.size != 1:
        return None
    n = lg.graph.states[states[0]].next
    while lg.graph.nodes[n].op in SAME:
        n = lg.graph.nodes[n].args[0]
    node = lg.graph.nodes[n]
    x = added_to(lg, component, node.args[0], states[0]) if node.op == "relu" else None
    return None if x is None else ((states[0], 0), x)
