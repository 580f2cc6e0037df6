"""Common subexpressions: what is computed twice is computed once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from ..ir.nodes import Graph, Node
from .base import Pass, Rebuild, rewrite

COMMUTATIVE = frozenset({"add", "mul", "max", "min", "and", "or", "eq", "ne"})


class Cse(Pass):
    """Share equal nodes (up to the order of a commutative operation's operands)."""

    name = "cse"

    def apply(self, graph: Graph) -> Graph:
        known: dict[Hashable, int] = {}
        first: list[int] = []  # of each node the first that equals it
        for i, node in enumerate(graph.nodes):
            key = value_key(node, [first[a] for a in node.args])
            first.append(known.setdefault(key, i))
        if len(known) == len(first):
            return graph

        def visit(new: Rebuild, i: int, node: Node) -> int:
            return new.add(node) if first[i] == i else new.to[first[i]]

        return rewrite(graph, visit)


def value_key(node: Node, args: Sequence[int]) -> Hashable:
    """Nodes with equal keys have equal values; `args` identify the values of the operands.

    The name of a promise is no part of it: equal promises hold, or break, together.
    """
    attrs = node.attrs
    if node.op == "const":
        attrs = (*attrs, tuple(map(type, attrs[0])))  # 1 and 1.0 differ in exact arithmetic
    elif node.op == "bound":
        attrs = attrs[1:]
    elif node.op == "promise":
        attrs = ()
    elif node.op == "matvec":
        attrs = (*attrs, tuple(type(v) for row in attrs[0] for v in row))
    elif node.op == "table":
        attrs = (*attrs, tuple(map(type, attrs[0])))
    order = tuple(sorted(args)) if node.op in COMMUTATIVE else tuple(args)
    return node.op, order, node.type, attrs
