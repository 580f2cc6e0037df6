"""Which layer each unit lies in.

A unit lies above the units that it reads at this step, and in a layer that holds (a copy of) those
that it reads one step back. Units that reach each other through previous values share a layer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ...ir.components import tarjan
from ..atoms import AtomKind, Form
from .graph import UnitGraph

Edges = dict[int, tuple[set[int], set[int]]]


@dataclass(frozen=True)
class Placement:
    """Layers, counted from 1, of the live units; outputs are read from the last one."""

    layer: dict[int, int]
    depth: int


def reads(graph: UnitGraph, forms: Iterable[Form]) -> tuple[set[int], set[int]]:
    """The units that forms read at this step, and those one step back."""
    now: set[int] = set()
    before: set[int] = set()
    for form in forms:
        for a in form.terms:
            atom = graph.atoms[a]
            if atom.kind is AtomKind.UNIT:
                now.add(a)
            elif atom.kind is AtomKind.PREV:
                before.add(atom.of)
    return now, before


def live(graph: UnitGraph) -> list[int]:
    """The units that the outputs need."""
    found: set[int] = set()
    now, before = reads(graph, (f for forms in graph.outputs.values() for f in forms))
    work = [*now, *before]
    while work:
        a = work.pop()
        if a not in found:
            found.add(a)
            now, before = reads(graph, (form for _, form in graph.atoms[a].args))
            work += [*now, *before]
    return sorted(found)


def placements(graph: UnitGraph) -> list[Placement]:
    """Everything as early as it can be, and as late."""
    groups, edges = _groups(graph)
    early = _early(groups, edges)
    depth = max(early.values(), default=1)
    return [Placement(early, depth), Placement(_late(groups, edges, depth), depth)]


def early_layers(graph: UnitGraph) -> tuple[dict[int, int], list[list[int]]]:
    """The earliest layer of each live unit, and the units that share one, after what they read."""
    groups, edges = _groups(graph)
    return _early(groups, edges), groups


def _groups(graph: UnitGraph) -> tuple[list[list[int]], Edges]:
    units = live(graph)
    place = {a: k for k, a in enumerate(units)}
    edges = {a: reads(graph, (form for _, form in graph.atoms[a].args)) for a in units}
    groups = tarjan([[place[b] for side in edges[a] for b in side] for a in units])
    return [[units[k] for k in group] for group in groups], edges


def _early(groups: list[list[int]], edges: Edges) -> dict[int, int]:
    at: dict[int, int] = {}
    for group in groups:
        least = 1
        for a in group:
            now, before = edges[a]
            assert not now & set(group), "a group does not close within one layer"
            least = max([least, *(at[b] + 1 for b in now)])
            least = max([least, *(at[b] for b in before - set(group))])
        at.update(dict.fromkeys(group, least))
    return at


def _late(groups: list[list[int]], edges: Edges, depth: int) -> dict[int, int]:
    at = {a: depth for group in groups for a in group}
    for group in reversed(groups):
        most = min(at[a] for a in group)
        for a in group:
            at[a] = most
        for a in group:
            now, before = edges[a]
            for b in now:
                at[b] = min(at[b], most - 1)
            for b in before:
                at[b] = min(at[b], most)
    return at
