"""In what order nodes are computed: strongly connected components of the dataflow.

The edges are operands, and from a `prev` node to the node of its state's next value. A component
without a cycle is computed for the whole time axis at once, one with a cycle step by step.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from ..ir.nodes import Graph


@dataclass(frozen=True)
class Component:
    """Nodes that reach each other, in topological order (`prev` nodes count as sources)."""

    nodes: tuple[int, ...]
    cyclic: bool


def needs(graph: Graph, node: int) -> tuple[int, ...]:
    """The nodes that a node's value depends on, the one of the step before included."""
    n = graph.nodes[node]
    return (graph.states[n.attrs[0]].next,) if n.op == "prev" else n.args


def schedule(
    graph: Graph, roots: Iterable[int], leaves: Collection[int] = ()
) -> tuple[Component, ...]:
    """The components that the roots need, each after those it depends on.

    `leaves` are nodes whose values are given. Tarjan's algorithm (1972), without recursion: time
    linear in nodes and edges.
    """
    edges = lambda node: () if node in leaves else needs(graph, node)
    finder = _Tarjan()
    for root in roots:
        finder.visit(root, edges)
    return tuple(
        Component(tuple(sorted(c)), len(c) > 1 or c[0] in edges(c[0])) for c in finder.found
    )


class _Tarjan:
    """The state of one search."""

    def __init__(self) -> None:
        self.found: list[list[int]] = []
        self.order: dict[int, int] = {}  # when a node was first seen
        self.low: dict[int, int] = {}  # the earliest node on the stack that it reaches
        self.stack: list[int] = []
        self.on_stack: set[int] = set()

    def visit(self, root: int, edges: Callable[[int], Sequence[int]]) -> None:
        """Find all components reachable from `root`."""
        if root in self.order:
            return
        path = [(self._enter(root), iter(edges(root)))]
        while path:
            node, rest = path[-1]
            following = next((n for n in rest if self._fresh_or_linked(node, n)), None)
            if following is not None:
                path.append((self._enter(following), iter(edges(following))))
                continue
            path.pop()
            if path:
                parent = path[-1][0]
                self.low[parent] = min(self.low[parent], self.low[node])
            self._leave(node)

    def _enter(self, node: int) -> int:
        self.order[node] = self.low[node] = len(self.order)
        self.stack.append(node)
        self.on_stack.add(node)
        return node

    def _fresh_or_linked(self, node: int, other: int) -> bool:
        """True if `other` is to be visited; if it is on the stack, note that `node` reaches it."""
        if other not in self.order:
            return True
        if other in self.on_stack:
            self.low[node] = min(self.low[node], self.order[other])
        return False

    def _leave(self, node: int) -> None:
        if self.low[node] != self.order[node]:
            return
        component = [self.stack.pop()]
        while component[-1] != node:
            component.append(self.stack.pop())
        self.on_stack.difference_update(component)
        self.found.append(component)


def descendants(
    graph: Graph,
    start: Collection[int],
    among: Sequence[Component],
    leaves: Collection[int] = (),
) -> set[int]:
    """The nodes among these components that a change of `start` can reach, through states too."""
    users: dict[int, list[int]] = {}
    for component in among:
        for node in component.nodes:
            for source in () if node in leaves else needs(graph, node):
                users.setdefault(source, []).append(node)
    reached, todo = set(start), list(start)
    while todo:
        for user in users.get(todo.pop(), ()):
            if user not in reached:
                reached.add(user)
                todo.append(user)
    return reached
