"""Strongly connected components of a graph: which nodes depend on each other through time.

The edges are operands, and for each state the edge from its next value to the `prev` nodes that
read it one step later. A component with a cycle is a group of states with the nodes between them.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..records import record
from .nodes import Graph


@record()
class Component:
    """Nodes in topological order within a step; `cyclic` if they feed back into themselves."""

    nodes: tuple[int, ...]
    cyclic: bool


def components(graph: Graph) -> list[Component]:
    """All components, each after those that it depends on."""
    if "components" not in graph.found:
        graph.found["components"] = _components(graph)
    found: list[Component] = graph.found["components"]
    return found


def _components(graph: Graph) -> list[Component]:
    successors = predecessors(graph)
    found = tarjan(successors)
    result = []
    for members in found:
        cyclic = len(members) > 1 or members[0] in successors[members[0]]
        result.append(Component(tuple(sorted(members)), cyclic))
    return result


def predecessors(graph: Graph) -> list[Sequence[int]]:
    """For each node what it depends on, a step back included."""
    next_of = [s.next for s in graph.states]
    return [(next_of[node.attrs[0]],) if node.op == "prev" else node.args for node in graph.nodes]


def tarjan(edges: Sequence[Sequence[int]]) -> list[list[int]]:
    """Strongly connected components, those that `edges` lead to first. Linear, not recursive.

    R. Tarjan, Depth-first search and linear graph algorithms, SIAM J. Comput. 1(2), 1972.
    """
    count = len(edges)
    index = [-1] * count
    low = [0] * count
    on_stack = [False] * count
    stack: list[int] = []
    result: list[list[int]] = []
    clock = 0
    for root in range(count):
        if index[root] >= 0:
            continue
        work = [(root, 0)]
        while work:
            node, child = work.pop()
            if child == 0:
                index[node] = low[node] = clock
                clock += 1
                stack.append(node)
                on_stack[node] = True
            descended = False
            for position in range(child, len(edges[node])):
                other = edges[node][position]
                if index[other] < 0:
                    work += [(node, position + 1), (other, 0)]
                    descended = True
                    break
                if on_stack[other]:
                    low[node] = min(low[node], index[other])
            if descended:
                continue
            if low[node] == index[node]:
                members: list[int] = []
                while not members or members[-1] != node:
                    members.append(stack.pop())
                    on_stack[members[-1]] = False
                result.append(members)
            if work:
                parent = work[-1][0]
                low[parent] = min(low[parent], low[node])
    return result
