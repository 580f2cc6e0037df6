"""How large a schedule becomes, before it is laid out."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from .atoms import AtomGraph, AtomKind, Form
from .schedule import Schedule


def estimated(graph: AtomGraph, plan: Schedule) -> int:
    """About how many parameters the machine has: every atom that is read later is carried by a unit
    of its own, no combination is."""
    change = [0] * (plan.depth + 1)
    for a, last in _last_read(graph, plan).items():
        atom = graph.atoms[a]
        first = plan.groups[atom.group] if atom.kind is AtomKind.STATE else plan.relus.get(a, 0) + 1
        if first < last:
            change[first - 1] += 1
            change[last - 1] -= 1
    return _parameters(graph, plan, list(accumulate(change)))


def _parameters(graph: AtomGraph, plan: Schedule, carried: list[int]) -> int:
    """Parameters of all layers (see `Layer.parameters`) with so many units that carry something;
    what products have more is left out."""
    lanes, units = [0] * plan.depth, carried[: plan.depth]
    for g, at in plan.groups.items():
        lanes[at - 1] += len(plan.lanes[g])
    for at in plan.relus.values():
        units[at - 1] += 1
    units[-1] = sum(map(len, graph.outputs.values()))
    sizes = zip(lanes, [graph.input_size, *units], units, strict=False)
    return sum(p * (p + n + 2) + m * (p + n + 1) for p, n, m in sizes)


def _last_read(graph: AtomGraph, plan: Schedule) -> dict[int, int]:
    """By atom the last layer that reads it."""
    found: dict[int, int] = {}
    for form, at in _reads(graph, plan):
        for a in form.terms:
            if at > found.get(a, 0):
                found[a] = at
    return found


def _reads(graph: AtomGraph, plan: Schedule) -> Iterator[tuple[Form, int]]:
    """What is read, in which layer."""
    for a, at in plan.relus.items():
        for form in graph.atoms[a].operands:
            yield form, at
    for g, at in plan.groups.items():
        for i in plan.lanes[g]:
            yield graph.groups[g].lanes[i].added, at
    for forms in graph.outputs.values():
        for form in forms:
            yield form, plan.depth
