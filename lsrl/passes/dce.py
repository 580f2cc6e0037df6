"""Dead code: nodes and states that nothing observable depends on."""

from __future__ import annotations

from collections.abc import Sequence

from ..ir.nodes import Graph
from .base import PROMISES, Pass, Rebuild


class Dce(Pass):
    """Keep what outputs, assumes and promises depend on, through time too; drop the rest.

    Names of dropped nodes go with them. Input fields stay: they are the program's interface.
    """

    name = "dce"
    enables = False

    def apply(self, graph: Graph) -> Graph:
        roots = [o.node for o in (*graph.outputs, *graph.assumes)]
        roots += [i for i, node in enumerate(graph.nodes) if node.op in PROMISES]
        nodes, states = cone(graph, roots)
        stands_for = [s if s in states else -1 for s in range(len(graph.states))]
        if all(nodes) and -1 not in stands_for:
            return graph
        new = Rebuild(graph, stands_for)
        for i, node in enumerate(graph.nodes):
            new.to.append(new.add(new.moved(node)) if nodes[i] else -1)
        return new.finish()


def cone(graph: Graph, roots: Sequence[int]) -> tuple[list[bool], set[int]]:
    """Which nodes, and the states that, the roots depend on, at this step or an earlier one."""
    live = [False] * len(graph.nodes)
    states: set[int] = set()
    work = list(roots)
    while work:
        i = work.pop()
        if live[i]:
            continue
        live[i] = True
        node = graph.nodes[i]
        work += node.args
        if node.op == "prev":
            states.add(node.attrs[0])
            work.append(graph.states[node.attrs[0]].next)
    return live, states
