"""In what order nodes are computed: the strongly connected components of what is needed.

The edges are operands, and from a `prev` node to the node of its state's next value. A component
without a cycle is computed for the whole time axis at once, one with a cycle step by step.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from ..ir.components import Component, predecessors, tarjan
from ..ir.nodes import Graph

Edges = list[Sequence[int]]  # for each node those that it depends on, a step back included


def edges(graph: Graph, leaves: Collection[int] = ()) -> Edges:
    """What each node depends on; nothing for `leaves`, whose values are given."""
    result = list(predecessors(graph))
    for n in leaves:
        result[n] = ()
    return result


def schedule(depends: Edges, roots: Iterable[int]) -> tuple[Component, ...]:
    """The components that the roots need, each after those it depends on. Linear time."""
    needed = sorted(_reach(depends, roots))
    place = {n: i for i, n in enumerate(needed)}
    found = tarjan([[place[d] for d in depends[n]] for n in needed])
    groups = (sorted(needed[i] for i in members) for members in found)
    return tuple(Component(tuple(g), len(g) > 1 or g[0] in depends[g[0]]) for g in groups)


def descendants(depends: Edges, start: Collection[int], among: Sequence[Component]) -> set[int]:
    """The nodes of these components that a change of `start` can reach, through states too."""
    users: list[list[int]] = [[] for _ in depends]
    for component in among:
        for n in component.nodes:
            for source in depends[n]:
                users[source].append(n)
    return _reach(users, start)


def _reach(edges: Sequence[Sequence[int]], start: Iterable[int]) -> set[int]:
    reached = set(start)
    todo = list(reached)
    while todo:
        for n in edges[todo.pop()]:
            if n not in reached:
                reached.add(n)
                todo.append(n)
    return reached
