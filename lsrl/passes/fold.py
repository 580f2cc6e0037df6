"""Constant folding: an operation on constants is a constant."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..ir.builder import fold, tidy
from ..ir.nodes import Graph, Node
from .base import PROMISES, Pass, Rebuild, rewrite


class Fold(Pass):
    """Compute, exactly, every operation whose operands are all constants."""

    name = "fold"

    def apply(self, graph: Graph) -> Graph:
        nodes = graph.nodes
        if not any(node.args and _on_constants(node, nodes) for node in nodes):
            return graph
        return rewrite(graph, _visit)


def _on_constants(node: Node, nodes: Sequence[Node]) -> bool:
    return all(nodes[a].op == "const" for a in node.args)


def _visit(new: Rebuild, _: int, node: Node) -> int:
    if not node.args or node.op in PROMISES or not _on_constants(node, new.nodes):
        return new.add(node)
    args = [new.nodes[a] for a in node.args]
    if not _defined(node, args):
        return new.add(node)
    values = np.asarray(fold(node.op, node.attrs, args), dtype=object).reshape(-1)
    return new.const([tidy(v, node.type) for v in values], node.type)


def _defined(node: Node, args: list[Node]) -> bool:
    """False for what only an erroneous program does: it is reported elsewhere, with its place."""
    if node.op == "div":
        return all(v != 0 for v in args[1].attrs[0])
    if node.op == "index":
        return bool(0 <= args[1].attrs[0][0] < args[0].type.size)
    if node.op == "table":
        return bool(0 <= args[0].attrs[0][0] < len(node.attrs[0]) // (node.attrs[1] or 1))
    return True
