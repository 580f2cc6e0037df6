"""Equal states: two that start equal and go on equal are one.

The coarsest partition of the states in which equal states have equal next values, found by
refinement: assume that all states of one type and one initial value are equal; number the values of
all nodes under that assumption; split the groups whose next values differ; number again what
depends on the states that moved. (J. Hopcroft, An n log n algorithm for minimizing states in a
finite automaton, 1971; B. Alpern, M. Wegman and F. K. Zadeck, Detecting equality of variables in
programs, POPL 1988.)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from heapq import heapify, heappop, heappush

from ..ir.nodes import Graph
from .base import Pass, rewrite
from .cse import value_key


class MergeStates(Pass):
    """Keep one state of each group of equal ones. The nodes that become equal are left to `cse`."""

    name = "states"

    def apply(self, graph: Graph) -> Graph:
        groups = _Refinement(graph).run()
        first: dict[int, int] = {}
        stands_for = [first.setdefault(group, s) for s, group in enumerate(groups)]
        if len(first) == len(graph.states):
            return graph
        return rewrite(graph, lambda new, _, node: new.add(node), stands_for)


class _Refinement:
    """Groups of states, and value numbers of nodes (equal numbers: equal values, if states in one
    group are equal)."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.numbers: dict[Hashable, int] = {}
        self.value = [-1] * len(graph.nodes)
        self.users: dict[int, list[int]] = defaultdict(list)
        self.readers: dict[int, list[int]] = defaultdict(list)
        self.feeds: dict[int, list[int]] = defaultdict(list)
        for i, node in enumerate(graph.nodes):
            for a in set(node.args):
                self.users[a].append(i)
            if node.op == "prev":
                self.readers[node.attrs[0]].append(i)
        for s, state in enumerate(graph.states):
            self.feeds[state.next].append(s)
        starts = [(s.type, s.init, tuple(map(type, s.init))) for s in graph.states]
        known: dict[Hashable, int] = {}
        self.group = [known.setdefault(start, len(known)) for start in starts]
        self.members: dict[int, set[int]] = defaultdict(set)
        for s, g in enumerate(self.group):
            self.members[g].add(s)

    def run(self) -> list[int]:
        """The group of each state."""
        for i in range(len(self.graph.nodes)):
            self.value[i] = self.numbers.setdefault(self._key(i), len(self.numbers))
        touched = list(range(len(self.graph.states)))
        while touched:
            split = [s for group in self._by_group(touched) for s in self._split(group)]
            touched = self._number(i for s in split for i in self.readers[s])
        return self.group

    def _number(self, nodes: Iterable[int]) -> list[int]:
        """Number these nodes again, and what depends on them; the states whose next value
        changed."""
        heap = list(nodes)
        heapify(heap)
        touched = []
        last = -1
        while heap:
            i = heappop(heap)
            if i == last:
                continue
            last = i
            number = self.numbers.setdefault(self._key(i), len(self.numbers))
            if number == self.value[i]:
                continue
            self.value[i] = number
            touched += self.feeds[i]
            for user in self.users[i]:
                heappush(heap, user)
        return touched

    def _key(self, i: int) -> Hashable:
        node = self.graph.nodes[i]
        if node.op == "prev":
            return "prev", self.group[node.attrs[0]]
        return value_key(node, [self.value[a] for a in node.args])

    def _by_group(self, states: list[int]) -> list[list[int]]:
        found: dict[int, list[int]] = defaultdict(list)
        for s in states:
            found[self.group[s]].append(s)
        return list(found.values())

    def _split(self, touched: list[int]) -> list[int]:
        """Split the touched states of one group by their next values; which of them moved.

        All untouched members share one value, which none of the touched ones has. The largest
        part of a group that was touched as a whole stays.
        """
        parts: dict[int, list[int]] = defaultdict(list)
        for s in touched:
            parts[self.value[self.graph.states[s].next]].append(s)
        old = self.group[touched[0]]
        moving = sorted(parts.values(), key=len)
        if len(touched) == len(self.members[old]):
            moving.pop()
        for part in moving:
            group = len(self.members)
            for s in part:
                self.members[old].discard(s)
                self.members[group].add(s)
                self.group[s] = group
        return [s for part in moving for s in part]
