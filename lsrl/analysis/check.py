"""What can only be said when ranges are known: indices, divisors, promises, comparisons,
overflow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction

from ..errors import Diagnostic, ProgramError
from ..ir.nodes import Graph, Node
from ..ir.types import Kind
from .facts import Fact
from .lattice import gcd

LARGEST = 2.0**53


def check_ranges(graph: Graph, facts: Sequence[Fact]) -> None:
    """Raises `ProgramError` with every violation."""
    found = list(_problems(graph, facts))
    unique = {(d.code, d.span.start if d.span else -1): d for d in reversed(found)}
    if unique:
        order = lambda d: (d.span.source.name, d.span.start) if d.span else ("", -1)
        raise ProgramError(sorted(unique.values(), key=order))


def exact_comparisons(graph: Graph, facts: Sequence[Fact]) -> frozenset[int]:
    """Comparisons of reals whose two sides lie on one lattice: they need no guard band."""
    return frozenset(
        n
        for n, node in enumerate(graph.nodes)
        if node.op in ("lt", "le", "eq", "ne") and _common_step(node, facts) is not None
    )


def _common_step(node: Node, facts: Sequence[Fact]) -> Fraction | None:
    return gcd(facts[a].step for a in node.args)


def _problems(graph: Graph, facts: Sequence[Fact]) -> Iterator[Diagnostic]:
    for n, node in enumerate(graph.nodes):
        fact = facts[n]
        if node.op in ("index", "table"):
            yield from _index(graph, facts, node)
        elif node.op == "div":
            yield from _divisor(graph, facts, node)
        elif node.op in ("eq", "ne"):
            yield from _equality(graph, facts, node)
        elif node.op == "bound":
            yield from _promise(facts, node)
        if not _is_finite(fact):
            yield from _unbounded(graph, facts, n)
        elif node.type.kind is Kind.INT and max(-fact.low, fact.high) > LARGEST:
            yield from _overflow(graph, n, node, fact)


def _is_finite(fact: Fact) -> bool:
    return math.isfinite(fact.low) and math.isfinite(fact.high)


def _unbounded(graph: Graph, facts: Sequence[Fact], n: int) -> Iterator[Diagnostic]:
    """Where a range was lost: at a state, or at a value all of whose operands have one."""
    help = "declare a bound, as in `real in -1..1`, or a shorter `length`"
    grows = [s for s in graph.states if s.next == n]
    node = graph.nodes[n]
    if grows and node.type.kind is Kind.INT:
        yield from _overflow(graph, n, node, facts[n])
    elif grows:
        message = f"no range could be found for the state `{grows[0].name}`"
        yield Diagnostic("E320", message, grows[0].span, help)
    elif node.op not in ("prev", "div") and all(_is_finite(facts[a]) for a in node.args):
        yield Diagnostic("E320", "no range could be found for this value", node.span, help)


def _index(graph: Graph, facts: Sequence[Fact], node: Node) -> Iterator[Diagnostic]:
    if node.op == "index":
        size = graph.nodes[node.args[0]].type.size
        position = facts[node.args[1]]
    else:
        size = len(node.attrs[0]) // (node.attrs[1] or 1)
        position = facts[node.args[0]]
    if position.low < 0 or position.high >= size:
        message = f"the index is in {_range(position)}, outside of a vector of {size} elements"
        help = f"its range must lie inside 0..{size - 1}: declare a bound or use `clamp`"
        yield Diagnostic("E313", message, node.span, help)


def _divisor(graph: Graph, facts: Sequence[Fact], node: Node) -> Iterator[Diagnostic]:
    divisor = facts[node.args[1]]
    if graph.nodes[node.args[1]].op != "const" and bool(
        ((divisor.lo <= 0) & (divisor.hi >= 0)).any()
    ):
        message = f"the divisor is in {_range(divisor)}, which includes 0"
        help = "declare a bound that excludes 0, or add a positive constant"
        yield Diagnostic("E308", message, node.span, help)


def _equality(graph: Graph, facts: Sequence[Fact], node: Node) -> Iterator[Diagnostic]:
    real = any(graph.nodes[a].type.kind is Kind.REAL for a in node.args)
    if real and _common_step(node, facts) is None:
        help = "write `abs(x - y) < tolerance`"
        message = "real numbers cannot be compared for equality"
        yield Diagnostic("E321", message, node.span, help)


def _promise(facts: Sequence[Fact], node: Node) -> Iterator[Diagnostic]:
    name, lo, hi = node.attrs
    value = facts[node.args[0]]
    if (
        value.low > float(hi)
        or value.high < float(lo)
        or bool(((value.lo > float(hi)) | (value.hi < float(lo))).any())
    ):
        message = f"`{name}` is declared in {lo}..{hi}, but its value is in {_range(value)}"
        yield Diagnostic("E319", message, node.span, "correct the bound or the value")


def _overflow(graph: Graph, n: int, node: Node, fact: Fact) -> Iterator[Diagnostic]:
    """Integers beyond 2^53: at the state that grows, if it is one."""
    states = [s for s in graph.states if s.next == n]
    span = states[0].span if states else node.span
    what = f"the state `{states[0].name}`" if states else "this value"
    message = f"{what} can reach {_range(fact)}, beyond what float64 holds exactly (2^53)"
    help = "declare a bound, as in `int in 0..100`, or a shorter `length`"
    yield Diagnostic("E316", message, span, help)


def _range(fact: Fact) -> str:
    ends = (
        f"{int(v)}" if float(v).is_integer() and abs(v) < 1e15 else f"{v:.6g}"
        for v in (fact.low, fact.high)
    )
    return "..".join(ends)
