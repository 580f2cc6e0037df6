"""Which layer each atom and each group of states is computed in.

Layer l reads x_l (the outputs of layer l - 1; x_1 is the input), updates its states from it, and
applies ReLUs to affine forms of both, or multiplies two of them: a product is scheduled as a ReLU
of two forms. So a ReLU atom comes at least one layer after the ReLU atoms of its form, and in the
layer of its states at the earliest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from .atoms import AtomGraph, AtomKind, Form


@dataclass(frozen=True)
class Schedule:
    """Layers, counted from 1, of the live ReLU atoms (products among them) and groups; the last one
    is the read-out."""

    relus: dict[int, int]
    groups: dict[int, int]
    lanes: dict[int, tuple[int, ...]]  # live lanes of each live group
    depth: int


def live(graph: AtomGraph) -> tuple[set[int], dict[int, tuple[int, ...]]]:
    """ReLU and product atoms and lanes that the outputs need."""
    atoms: set[int] = set()
    lanes: set[tuple[int, int]] = set()
    work = [a for forms in graph.outputs.values() for f in forms for a in f.terms]
    while work:
        a = work.pop()
        if a in atoms:
            continue
        atoms.add(a)
        atom = graph.atoms[a]
        work += [b for f in atom.operands for b in f.terms]
        if atom.kind is AtomKind.STATE:
            work += _lane_needs(graph, atom.group, atom.lane, lanes)
    by_group: dict[int, list[int]] = {}
    for g, i in sorted(lanes):
        by_group.setdefault(g, []).append(i)
    relus = {a for a in atoms if graph.atoms[a].operands}
    return relus, {g: tuple(found) for g, found in by_group.items()}


def _lane_needs(graph: AtomGraph, g: int, i: int, lanes: set[tuple[int, int]]) -> list[int]:
    """Marks a lane and those that it reads as live; returns the atoms that they add."""
    needs: list[int] = []
    work = [i]
    while work:
        i = work.pop()
        if (g, i) in lanes:
            continue
        lanes.add((g, i))
        lane = graph.groups[g].lanes[i]
        work += lane.row
        needs += lane.added.terms
    return needs


def schedule(graph: AtomGraph) -> list[Schedule]:
    """Candidate schedules: everything as early as it can be, as late, and a mixture; each once."""
    relus, lanes = live(graph)
    reads = _reads(graph, relus, lanes)
    early = _early(reads)
    depth = _depth(graph, *early)
    late = _late(reads, depth)
    mixed = _mixed(reads, lanes, early, late)
    found = [early, late, mixed]
    different = [s for i, s in enumerate(found) if s not in found[:i]]
    return [Schedule(*s, lanes, depth) for s in different]


Layers = tuple[dict[int, int], dict[int, int]]


Reads = dict[int, list[int]]  # of each item what it reads, in an order of theirs


def _reads(graph: AtomGraph, relus: set[int], lanes: dict[int, tuple[int, ...]]) -> Reads:
    """What live ReLUs (as a) and groups (as -1 - g) read, each after what it reads."""
    done: Reads = {}
    found: Reads = {}
    roots = [*relus, *(-1 - g for g in lanes)]
    for root in roots:
        stack = [(root, False)]
        while stack:
            item, expanded = stack.pop()
            if item in done:
                continue
            if expanded:
                done[item] = found[item]
                continue
            stack.append((item, True))
            found[item] = _inputs(graph, item, lanes)
            stack += [(i, False) for i in found[item] if i not in done]
    return done


def _inputs(graph: AtomGraph, item: int, lanes: dict[int, tuple[int, ...]]) -> list[int]:
    """What a ReLU or a group reads, as items."""
    if item >= 0:
        terms: Iterable[int] = {a for f in graph.atoms[item].operands for a in f.terms}
    else:
        group = graph.groups[-1 - item]
        terms = {a for i in lanes[-1 - item] for a in group.lanes[i].added.terms}
    result = []
    for a in terms:
        atom = graph.atoms[a]
        if atom.operands:
            result.append(a)
        elif atom.kind is AtomKind.STATE and -1 - atom.group != item:
            result.append(-1 - atom.group)
    return result


def _early(reads: Reads) -> Layers:
    at: dict[int, int] = {}
    for item, inputs in reads.items():
        at[item] = max([1, *(at[i] + (i >= 0) for i in inputs)])
    return _split(at)


def _split(at: dict[int, int]) -> Layers:
    return {i: n for i, n in at.items() if i >= 0}, {-1 - i: n for i, n in at.items() if i < 0}


def _depth(graph: AtomGraph, relus: dict[int, int], groups: dict[int, int]) -> int:
    """The layer of the read-out."""
    forms = [f for forms in graph.outputs.values() for f in forms]
    return max([1, *(_available(graph, f, relus, groups) for f in forms)])


def _available(graph: AtomGraph, form: Form, relus: dict[int, int], groups: dict[int, int]) -> int:
    """The first layer in which a form can be read."""
    layers = [1]
    for a in form.terms:
        atom = graph.atoms[a]
        if atom.operands:
            layers.append(relus[a] + 1)
        elif atom.kind is AtomKind.STATE:
            layers.append(groups[atom.group])
    return max(layers)


def _late(reads: Reads, depth: int) -> Layers:
    at = {item: depth - (item >= 0) for item in reads}
    for item, inputs in reversed(reads.items()):
        for i in inputs:
            at[i] = min(at[i], at[item] - (i >= 0))
    return _split(at)


def _mixed(reads: Reads, lanes: dict[int, tuple[int, ...]], early: Layers, late: Layers) -> Layers:
    """Late where an item makes more values than it uses up, early where it makes fewer."""
    at: dict[int, int] = {}
    low = {**early[0], **{-1 - g: n for g, n in early[1].items()}}
    high = {**late[0], **{-1 - g: n for g, n in late[1].items()}}
    readers = Counter(i for inputs in reads.values() for i in set(inputs))
    for item, inputs in reads.items():
        earliest = max([1, *(at[i] + (i >= 0) for i in inputs)])
        ends_here = sum(readers[i] == 1 for i in set(inputs))
        made = 1 if item >= 0 else len(lanes[-1 - item])
        at[item] = earliest if ends_here >= made else max(earliest, high[item])
    assert all(low[i] <= at[i] for i in at)
    return _split(at)
