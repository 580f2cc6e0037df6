"""Algebra: small rewrite rules, each with the identity that it applies.

The rules are data (`rules_arithmetic.py`, `rules_logic.py`, `rules_vector.py`). A rule gets a node,
its operands simplified already, and returns what equals it, or None. Its result must be the smaller
term (`measure.py`), or the pass raises and names the rule: so simplification ends.
"""

from __future__ import annotations

from ..ir.nodes import Graph
from .base import Pass
from .rules import Simplifier, table
from .rules_arithmetic import RULES as ARITHMETIC
from .rules_logic import RULES as LOGIC
from .rules_vector import RULES as VECTOR

RULES = table(ARITHMETIC, LOGIC, VECTOR)


class Simplify(Pass):
    """Apply the rules to every node, operands first, until none applies."""

    name = "simplify"

    def apply(self, graph: Graph) -> Graph:
        new = Simplifier(graph, RULES)
        for node in graph.nodes:
            new.span = node.span
            new.to.append(new.simplify(new.moved(node)))
        return new.finish()
