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
# By unit: its arguments and what they read.
Known = dict[int, tuple[object, tuple[set[int], set[int]]]]


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
    return sorted(_edges(graph, {}))


def _edges(graph: UnitGraph, known: Known) -> Edges:
    """What each live unit reads. `known` keeps that for the next call; what is defined anew since
    has other arguments."""
    found: Edges = {}
    now, before = reads(graph, (f for forms in graph.outputs.values() for f in forms))
    work = [*now, *before]
    while work:
        a = work.pop()
        if a not in found:
            args = graph.atoms[a].args
            if a not in known or known[a][0] is not args:
                known[a] = args, reads(graph, (form for _, form in args))
            now, before = found[a] = known[a][1]
            work += [*now, *before]
    return found


def placements(graph: UnitGraph) -> list[Placement]:
    """Everything as early as it can be, and as late."""
    groups, edges = _groups(graph, {})
    early = _early(groups, edges)
    depth = max(early.values(), default=1)
    return [Placement(early, depth), Placement(_late(groups, edges, depth), depth)]


def early_layers(graph: UnitGraph, known: Known) -> tuple[dict[int, int], list[list[int]]]:
    """The earliest layer of each live unit, and the units that share one, after what they read.
    Calls for the same graph, as it is rewritten, share `known`."""
    groups, edges = _groups(graph, known)
    return _early(groups, edges), groups


def _groups(graph: UnitGraph, known: Known) -> tuple[list[list[int]], Edges]:
    edges = _edges(graph, known)
    units = sorted(edges)
    place = {a: k for k, a in enumerate(units)}
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
