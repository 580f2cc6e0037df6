"""Paths in the graph of a program's nodes and in that of its atoms.

Edges lead from what is read to what reads it. Most searches start from one name of many, so none
may look at more of the graph than it needs.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain

from ..ir.nodes import Graph


class Edges:
    """The edges `ahead` of each place, to its readers, and `behind` it, to what it reads."""

    def __init__(self) -> None:
        self.ahead: dict[int, list[int]] = {}
        self.behind: dict[int, list[int]] = {}

    def add(self, reader: int, read: Iterable[int]) -> None:
        """Edges from all that is read to its reader."""
        for a in read:
            self.ahead.setdefault(a, []).append(reader)
            self.behind.setdefault(reader, []).append(a)

    def lead(self, start: Collection[int], end: Collection[int]) -> bool:
        """Whether one or more edges lead from the start to the end. Both sides are searched in
        turn, so that twice the steps of the easier one are enough."""
        after: set[int] = set()
        before: set[int] = set()
        for a, b in zip(reached(start, self.ahead), reached(end, self.behind), strict=False):
            after.add(a)
            before.add(b)
            if a in end or b in start or a in before or b in after:
                return True
        return False  # one side is complete, without the other

    def following(self, start: int, among: Collection[int]) -> set[int]:
        """Those of some places that follow from one. Numbers grow along all edges."""
        found: set[int] = set()
        wanted = {n for n in among if n > start}
        if wanted and self.lead({start}, wanted):
            for n in reached({start}, self.ahead, max(wanted)):
                if n in wanted:
                    found.add(n)
                    if len(found) == len(wanted):
                        break
        return found


def reached(
    start: Iterable[int], edges: Mapping[int, Iterable[int]], last: float = math.inf
) -> Iterator[int]:
    """Where one or more edges lead from the start, up to a last number, what is near first; each
    once."""
    found: set[int] = set()
    work: list[int] = []
    for a in chain(start, work):  # which grows on the way
        for b in edges.get(a, ()):
            if b <= last and b not in found:
                found.add(b)
                work.append(b)
                yield b


def readers(graph: Graph) -> dict[int, list[int]]:
    """What reads each node; of a state's next value the `prev` nodes."""
    found: dict[int, list[int]] = {}
    for n, node in enumerate(graph.nodes):
        for a in (graph.states[node.attrs[0]].next,) if node.op == "prev" else node.args:
            found.setdefault(a, []).append(n)
    return found


def edges_within_step(graph: Graph) -> Edges:
    """From operands to the nodes that they are of."""
    edges = Edges()
    for n, node in enumerate(graph.nodes):
        edges.add(n, node.args)
    return edges


def within_step(graph: Graph, start: int) -> set[int]:
    """A node and those that follow from it within a step."""
    found = {start}
    for n in range(start + 1, len(graph.nodes)):
        if not found.isdisjoint(graph.nodes[n].args):
            found.add(n)
    return found
