"""Sums modulo m, among them parity: recognised for the counters of gated machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...ir.components import Component
from ...ir.types import Kind
from ..atoms import Form
from .cases import NoCases, node_cases
from .states import Lane, initial, previous_of, reserve, set_previous, states_of

if TYPE_CHECKING:
    from .legalise import UnitLegaliser

SAME = ("bound", "promise", "number")


def modular_sum(lg: UnitLegaliser, component: Component) -> tuple[Lane, int, Form] | None:
    """The lane, m and x of a single scalar state (s + x) mod m, or s != x (m = 2)."""
    states = states_of(lg, component)
    if len(states) != 1 or lg.graph.states[states[0]].type.size != 1:
        return None
    found = addend(lg, component, states[0])
    return None if found is None else ((states[0], 0), *found)


def bit_counter(lg: UnitLegaliser, component: Component) -> tuple[Lane, int, Form] | None:
    """The same where x is 0 or 1 and the state starts from 0."""
    found = modular_sum(lg, component)
    if found is None:
        return None
    lane, m, x = found
    return found if x.is_boolean and initial(lg, lane) == 0 and m >= 2 else None


def addend(lg: UnitLegaliser, component: Component, s: int) -> tuple[int, Form] | None:
    """(m, x) where a scalar state's next value is (s + x) mod m, or, of booleans (m = 2), s != x or
    s == x; x free of the state."""
    inside = set(component.nodes)
    n = lg.graph.states[s].next
    while lg.graph.nodes[n].op in SAME:
        n = lg.graph.nodes[n].args[0]
    node = lg.graph.nodes[n]
    if node.op == "mod":
        x = added_to(lg, component, node.args[0], s)
        return None if x is None else (int(node.attrs[0]), x)
    if node.op not in ("eq", "ne"):
        return None
    if {lg.graph.nodes[a].type.kind for a in node.args} != {Kind.BOOL}:
        return None
    outside = [a for a in node.args if a not in inside]
    if len(outside) != 1 or not _is_state(lg, next(a for a in node.args if a in inside), s):
        return None
    (flips,) = lg.bools(outside[0])
    return 2, (flips if node.op == "ne" else flips.negated()).value


def _is_state(lg: UnitLegaliser, n: int, s: int) -> bool:
    node = lg.graph.nodes[n]
    while node.op in SAME:
        node = lg.graph.nodes[node.args[0]]
    return node.op == "prev" and node.attrs[0] == s


def added_to(lg: UnitLegaliser, component: Component, n: int, s: int) -> Form | None:
    """x where a node is s + x, for a scalar state s and a node of its group; else None."""
    if n not in component.nodes:
        return None
    lane = s, 0
    a = reserve(lg, "cell", lane)
    set_previous(lg, component, {lane: previous_of(lg, a, lane)})
    try:
        found = node_cases(lg, set(component.nodes), lane, n)
    except NoCases:
        return None
    if len(found) != 1 or not found[0].keeps:
        return None
    return found[0].added
