"""Constant folding: an operation on constants is a constant."""

from __future__ import annotations

import numpy as np

from ..ir.builder import fold, tidy
from ..ir.nodes import Graph, Node
from .base import PROMISES, Pass, Rebuild, rewrite


class Fold(Pass):
    """Compute, exactly, every operation whose operands are all constants."""

    name = "fold"

    def apply(self, graph: Graph) -> Graph:
        return rewrite(graph, _visit)


def _visit(new: Rebuild, _: int, node: Node) -> int:
    args = [new.nodes[a] for a in node.args]
    if not args or node.op in PROMISES or any(a.op != "const" for a in args):
        return new.add(node)
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
