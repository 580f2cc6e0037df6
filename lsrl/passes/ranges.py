"""What ranges decide: comparisons with one outcome, operations that do nothing, promises kept.

Facts hold for runs up to the program's `length` that break no promise; so does the result of this
pass. Until the first promise breaks, everything that the facts rest on held; and the promise itself
stays in the graph, unless its operand cannot break it. An `assume` says for which inputs the
promises are made, so nothing that it depends on is rewritten by facts that may come from them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..analysis.facts import Fact
from ..analysis.ranges import analyse
from ..ir.builder import tidy
from ..ir.components import components
from ..ir.nodes import Graph, Node
from ..ir.types import Kind
from .base import PROMISES, Pass, Rebuild, rewrite
from .dce import cone

EXACT = 2.0**53  # integers below are exact in float64


@dataclass(frozen=True)
class Rule:
    """Where `holds(node, *facts of the operands)`, the node is its operand number `operand`."""

    algebra: str
    op: str
    operand: int
    holds: Callable[..., bool]


def _inside(f: Fact, low: object, high: object) -> bool:
    """Whether all of a fact lies between two bounds (numbers or arrays)."""
    return bool(np.all(f.lo >= low) and np.all(f.hi <= high))


RULES = (
    Rule("x mod m = x where 0 <= x < m", "mod", 0, lambda n, x: _inside(x, 0, n.attrs[0] - 1)),
    Rule("relu(x) = x where x >= 0", "relu", 0, lambda n, x: _inside(x, 0, np.inf)),
    Rule("abs(x) = x where x >= 0", "abs", 0, lambda n, x: _inside(x, 0, np.inf)),
    Rule("max(a, b) = a where a >= b", "max", 0, lambda n, a, b: _inside(b, -np.inf, a.lo)),
    Rule("max(a, b) = b where b >= a", "max", 1, lambda n, a, b: _inside(a, -np.inf, b.lo)),
    Rule("min(a, b) = a where a <= b", "min", 0, lambda n, a, b: _inside(b, a.hi, np.inf)),
    Rule("min(a, b) = b where b <= a", "min", 1, lambda n, a, b: _inside(a, b.hi, np.inf)),
    Rule("bound(x, lo, hi) = x where lo <= x <= hi", "bound", 0,
         lambda n, x: _inside(x, float(n.attrs[1]), float(n.attrs[2]))),
    Rule("promise(x, y) = x where x lies between 0 and the range of y", "promise", 0,
         lambda n, x, y: _inside(x, np.minimum(y.lo, 0), np.maximum(y.hi, 0))),
)  # fmt: skip
BY_OP = {op: [rule for rule in RULES if rule.op == op] for op in {rule.op for rule in RULES}}


class Ranges(Pass):
    """Replace what can have only one value, and what its operand's range makes the identity.

    A promise within a group of states stays even where it is proven: the proof may rest on it.
    """

    name = "ranges"

    def apply(self, graph: Graph) -> Graph:
        facts = analyse(graph)
        assumed, _ = cone(graph, [a.node for a in graph.assumes])
        looping = {i for c in components(graph) if c.cyclic for i in c.nodes}

        def visit(new: Rebuild, i: int, node: Node) -> int:
            if assumed[i]:
                return new.add(node)
            values = single_value(node, facts[i])
            if values is not None:
                return new.const(values, node.type)
            if node.op not in PROMISES or i not in looping:
                operand = identity(graph.nodes[i], facts)
                if operand is not None and graph.nodes[operand].type == node.type:
                    return new.to[operand]
            return new.add(node)

        return rewrite(graph, visit)


def single_value(node: Node, fact: Fact) -> list[object] | None:
    """The values of a discrete node that can have no others. Promises stay: they are checked."""
    if node.op in ("const", "input", *PROMISES) or node.type.kind is Kind.REAL:
        return None
    if not fact.is_point or np.any(np.abs(fact.lo) >= EXACT):
        return None
    return [tidy(v, node.type) for v in fact.lo.reshape(-1)]


def identity(node: Node, facts: Sequence[Fact]) -> int | None:
    """The operand that a node equals, by the ranges of its operands."""
    for rule in BY_OP.get(node.op, ()):
        if rule.holds(node, *(facts[a] for a in node.args)):
            return node.args[rule.operand]
    return None
