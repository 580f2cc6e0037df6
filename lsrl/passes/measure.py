"""How large a program is: the measure that every rewrite makes smaller.

A node's *term* is the expression that it stands for, written out as a tree. Its size is the sum of
its operations' weights; the weights make the operations that cost more in a model heavier, and a
constant the lightest. Sizes are exact integers, since a shared value is counted at each use.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..ir.nodes import Graph, Node

Measure = tuple[int, int, int]

CONST, PLAIN, HEAVY, PRODUCT = 1, 2, 4, 8

WEIGHTS = {
    "const": CONST,
    "mul": PRODUCT,
    **dict.fromkeys(("select", "concat", "sum", "all", "any", "vmax", "vmin", "argmax"), HEAVY),
}


def term_size(node: Node, sizes: Sequence[int]) -> int:
    """Size of a node's term; `sizes` are those of the nodes before it."""
    return WEIGHTS.get(node.op, PLAIN) + sum([sizes[a] for a in node.args])


def measure(graph: Graph) -> Measure:
    """Size of the terms of all roots (promises are roots), number of nodes, number of states."""
    sizes: list[int] = []
    for node in graph.nodes:
        sizes.append(term_size(node, sizes))
    roots = graph.roots()
    roots += [i for i, node in enumerate(graph.nodes) if node.op in ("bound", "promise")]
    return sum(sizes[r] for r in roots), len(graph.nodes), len(graph.states)
