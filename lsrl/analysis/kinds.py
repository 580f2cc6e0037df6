"""Kinds of state groups: linear, gated, signed, finite, general (language.md, "States")."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from ..ir.components import Component, components
from ..ir.nodes import Graph
from ..records import record
from .dependence import Factor, Row, dependence, is_gate, is_signed
from .facts import Fact

MAX_STATES = 4096


class StateKind(Enum):
    """How the next value depends on the previous one."""

    LINEAR = "linear"
    GATED = "gated"
    SIGNED = "signed"
    FINITE = "finite"
    GENERAL = "general"

    @property
    def reason(self) -> str:
        """In a clause: what the next value is."""
        return {
            StateKind.LINEAR: "the next value is a constant matrix times the previous one",
            StateKind.GATED: "the input decides how much of the previous value is kept",
            StateKind.SIGNED: "the input decides with which sign the previous value is kept",
            StateKind.FINITE: "the next value is a table over the previous one and the input",
            StateKind.GENERAL: "the next value is a non-linear function of the previous one",
        }[self]

    @property
    def holders(self) -> str:
        """Which models can hold it."""
        return {
            StateKind.LINEAR: "time-invariant recurrences, LSTM, GRU and RNN",
            StateKind.GATED: "LSTM, GRU, Mamba and Hawk",
            StateKind.SIGNED: "LSTM, GRU, RNN and recurrences with negative eigenvalues",
            StateKind.FINITE: "LSTM, GRU and RNN",
            StateKind.GENERAL: "a model of which a single layer computes it",
        }[self]


@record()
class Group:
    """States that reach each other: positions in `graph.states`, a row per lane, all kinds met."""

    states: tuple[int, ...]
    rows: tuple[Row, ...]
    kinds: tuple[StateKind, ...]
    is_linear: bool


def classify(graph: Graph, facts: Sequence[Fact], component: Component) -> Group:
    """The kinds of one cyclic component, most special first."""
    states = tuple(
        dict.fromkeys(
            graph.nodes[n].attrs[0] for n in component.nodes if graph.nodes[n].op == "prev"
        )
    )
    by_node = dependence(graph, component.nodes, facts)
    rows = tuple(row for s in states for row in by_node[graph.states[s].next])
    lanes = [(s, i) for s in states for i in range(graph.states[s].type.size)]
    kinds = []
    linear = all(
        row is not None and not any(isinstance(c, Factor) for c in row.values()) for row in rows
    )
    if linear:
        kinds.append(StateKind.LINEAR)
    own = all(row is not None and set(row) <= {lane} for lane, row in zip(lanes, rows, strict=True))
    if own and all(is_gate(c) for row in rows for c in (row or {}).values()):
        kinds.append(StateKind.GATED)
    elif own and all(is_signed(c) for row in rows for c in (row or {}).values()):
        kinds.append(StateKind.SIGNED)
    if _is_finite(graph, facts, component, states):
        kinds.append(StateKind.FINITE)
    return Group(states, rows, tuple(kinds) or (StateKind.GENERAL,), linear)


def _is_finite(
    graph: Graph, facts: Sequence[Fact], component: Component, states: Sequence[int]
) -> bool:
    """Finitely many values by their ranges, and an update that reads only discrete values."""
    count = 1
    for s in states:
        fact = facts[graph.states[s].next]
        if fact.step is None or fact.step == 0:
            return False
        for lo, hi in zip(fact.lo.reshape(-1), fact.hi.reshape(-1), strict=True):
            if hi - lo > MAX_STATES:
                return False
            count *= int((hi - lo) / float(fact.step)) + 1
            if count > MAX_STATES:
                return False
    read = {a for n in component.nodes for a in graph.nodes[n].args}
    return all(facts[a].step is not None for a in read)


def deciding(graph: Graph, facts: Sequence[Fact]) -> frozenset[int]:
    """The nodes outside of groups that are not linear which decide, within a step, what such a
    group keeps: it cannot keep a part of what it has and take the rest from elsewhere."""
    groups = [c for c in components(graph) if c.cyclic]
    inside = {n for c in groups if not classify(graph, facts, c).is_linear for n in c.nodes}
    found, todo = set(inside), list(inside)
    while todo:
        node = graph.nodes[todo.pop()]
        new = [a for a in node.args if node.op != "prev" and a not in found]
        found.update(new)
        todo += new
    return frozenset(found - inside)
