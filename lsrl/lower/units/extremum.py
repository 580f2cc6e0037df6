"""Running extremes, recognised: `if first() then x else max(s, x)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...ir.components import Component
from ..atoms import Form
from .states import Lane, states_of

if TYPE_CHECKING:
    from .legalise import UnitLegaliser

SIGNS = {"max": 1, "min": -1}


def running_extremum(lg: UnitLegaliser, component: Component) -> tuple[Lane, Form, int] | None:
    """The lane, x, and 1 for the largest x so far, -1 for the smallest."""
    states = states_of(lg, component)
    graph = lg.graph
    if len(states) != 1 or graph.states[states[0]].type.size != 1:
        return None
    n = graph.states[states[0]].next
    while graph.nodes[n].op == "bound":
        n = graph.nodes[n].args[0]
    node = graph.nodes[n]
    if node.op != "select":
        return None
    first, rest = node.args[1:]
    if not _only_first(lg, node.args[0], True):
        first, rest = rest, first
        if not _only_first(lg, node.args[0], False):
            return None
    inner = graph.nodes[rest]
    if inner.op not in SIGNS or first in component.nodes:
        return None
    previous = [a for a in inner.args if graph.nodes[a].op == "prev"]
    if len(previous) != 1 or set(inner.args) != {previous[0], first}:
        return None
    (x,) = lg.forms(first)
    return (states[0], 0), x, SIGNS[inner.op]


def _only_first(lg: UnitLegaliser, n: int, value: bool) -> bool:
    """Whether a condition has a value at the first step alone."""
    sequence = lg.clocks.sequences.get(n)
    if sequence is None:
        return False
    return bool((sequence[0] == value).all() and (sequence[1:] != value).all())
