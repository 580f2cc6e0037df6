"""Sequences that no input reaches and that are periodic for ever, with a proof.

That a sequence repeats for as long as it was run proves nothing. Two things do: a group of states
whose whole state (and the phase of what it reads) has been there before, and a range that is one
point, by the range analysis started from the states after some step with no end to the length.
What is computed from such sequences is periodic too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..ir.components import Component, components, predecessors
from ..ir.nodes import Graph
from .ranges import analyse

FOR_EVER = 1 << 60  # a length beyond all that LSRL admits, and beyond what floats count exactly
EXACT = 2.0**53
MOST = 1 << 16  # of a period

Lasso = tuple[int, int]  # a prefix in steps, and the period after it


def autonomous(graph: Graph) -> list[int]:
    """The nodes that no input reaches, in order."""
    after: list[list[int]] = [[] for _ in graph.nodes]
    for n, edges in enumerate(predecessors(graph)):
        for e in edges:
            after[e].append(n)
    work = [n for n, node in enumerate(graph.nodes) if node.op == "input"]
    free = [True] * len(graph.nodes)
    while work:
        n = work.pop()
        if free[n]:
            free[n] = False
            work += after[n]
    return [n for n in range(len(graph.nodes)) if free[n]]


def periodic_for_ever(graph: Graph, values: Mapping[int, Any]) -> dict[int, Lasso]:
    """Which of the autonomous nodes, with their `values` `[T, elements]` in the first T steps, are
    periodic for ever: from which step on, and with which period (neither need be the smallest).
    """
    whole = _whole(graph, values)
    found: dict[int, Lasso] = _constant_in_the_end(graph, values, whole)
    for component in components(graph):
        if not whole.issuperset(component.nodes):
            continue
        if component.cyclic:
            lasso = _group(graph, component, values, found)
            nodes = component.nodes
        else:
            lasso, nodes = _single(graph, component.nodes[0], found), component.nodes
        for n in nodes if lasso is not None and lasso[1] <= MOST else ():
            found.setdefault(n, lasso)  # type: ignore[arg-type]
    return found


def _whole(graph: Graph, values: Mapping[int, Any]) -> set[int]:
    """Autonomous nodes that take whole numbers, and are computed from such only."""
    result = {
        n for n, v in values.items() if np.all(v == np.round(v)) and np.all(np.abs(v) < EXACT)
    }
    before = predecessors(graph)
    changed = True
    while changed:
        kept = {n for n in result if result.issuperset(before[n])}
        changed = len(kept) < len(result)
        result = kept
    return result


def _single(graph: Graph, n: int, found: Mapping[int, Lasso]) -> Lasso | None:
    """A function of periodic sequences; one step later where it is `prev`."""
    node = graph.nodes[n]
    if node.op == "prev":
        following = found.get(graph.states[node.attrs[0]].next)
        return None if following is None else (following[0] + 1, following[1])
    return _joint(node.args, found)


def _joint(nodes: Sequence[int], found: Mapping[int, Lasso]) -> Lasso | None:
    lassos = [found.get(a) for a in nodes]
    known = [lasso for lasso in lassos if lasso is not None]
    if len(known) < len(lassos):
        return None
    return max((q for q, _ in known), default=0), math.lcm(*(p for _, p in known))


def _group(
    graph: Graph, component: Component, values: Mapping[int, Any], found: Mapping[int, Lasso]
) -> Lasso | None:
    """States that return to where they were, in the same phase of what they read."""
    inside = set(component.nodes)
    read = {a for n in inside for a in graph.nodes[n].args} - inside
    outer = _joint(sorted(read), found)
    if outer is None:
        return None
    ends = {graph.states[graph.nodes[n].attrs[0]].next for n in inside if _is_prev(graph, n)}
    joint = np.concatenate([values[n] for n in sorted(ends)], axis=1)
    start, stride = outer
    seen: dict[bytes, int] = {}
    for t in range(start, len(joint), stride):
        earlier = seen.setdefault(joint[t].tobytes(), t)
        if earlier != t:
            return earlier + 1, t - earlier
    return None


def _is_prev(graph: Graph, n: int) -> bool:
    return graph.nodes[n].op == "prev"


def _constant_in_the_end(
    graph: Graph, values: Mapping[int, Any], whole: set[int]
) -> dict[int, Lasso]:
    """Nodes that have one value from some step on, whatever the length."""
    steps = len(next(iter(values.values()), ()))
    if steps < 2:
        return {}
    states = tuple(
        replace(s, init=tuple(int(v) for v in values[s.next][steps - 2])) if s.next in whole else s
        for s in graph.states
    )
    facts = analyse(graph.replace(states=states, length=FOR_EVER))
    result = {}
    for n in sorted(whole):
        last = values[n][-1]
        if np.array_equal(facts[n].lo.reshape(-1), last) and (facts[n].lo == facts[n].hi).all():
            differs = np.nonzero((values[n] != last).any(axis=1))[0]
            result[n] = (int(differs[-1]) + 1 if len(differs) else 0), 1
    return result
