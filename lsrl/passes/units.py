"""Comparisons of reals on one lattice become comparisons of integers.

`x / 3 == 2` compares exactly, although floats hold no thirds: both sides are multiples of 1/3, and
it is the multiples that are compared. Where the step is a power of two, floats are exact already.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from ..analysis.lattice import gcd
from ..analysis.ranges import analyse
from ..ir.nodes import COMPARISONS, Graph, Node
from ..ir.types import Kind
from .base import Pass, Rebuild, rewrite

MAX_MULTIPLE = 2.0**48  # beyond, rounding in float64 could reach half a step


@dataclass(frozen=True)
class Units(Pass):
    """Replaces the operands of such comparisons by multiples of their common step."""

    name: ClassVar[str] = "units"

    def apply(self, graph: Graph) -> Graph:
        if not any(_is_real(graph, node) for node in graph.nodes):
            return graph
        facts = analyse(graph)
        steps: dict[int, Fraction] = {}
        for i, node in enumerate(graph.nodes):
            if not _is_real(graph, node):
                continue
            step = gcd(facts[a].step for a in node.args)
            most = max(max(-facts[a].low, facts[a].high) for a in node.args)
            dyadic = not step or step.denominator & (step.denominator - 1) == 0
            if step and not dyadic and most / float(step) <= MAX_MULTIPLE:
                steps[i] = step
        if not steps:
            return graph

        def visit(new: Rebuild, i: int, node: Node) -> int:
            if i not in steps:
                return new.add(node)
            multiples = [new.make("units", a, attrs=(steps[i],)) for a in node.args]
            return new.make(node.op, *multiples)

        return rewrite(graph, visit)


def _is_real(graph: Graph, node: Node) -> bool:
    return node.op in COMPARISONS and any(graph.nodes[a].type.kind is Kind.REAL for a in node.args)
