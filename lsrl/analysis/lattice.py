"""Lattices: of which rational step is every value an integer multiple?

Integers have step 1, `x / 2` has 1/2, a sum the greatest common divisor of its terms' steps.
Values on a lattice compare exactly. A step of 0 means that the value is always 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import lru_cache

from ..ir.components import Component, components
from ..ir.nodes import Graph, Node, Scalar
from ..ir.types import Kind

Step = Fraction | None
ONE = Fraction(1)  # by far the most frequent step, and this very object: `is` is enough
MAX_DENOMINATOR = 2**40
MAX_ROUNDS = 8

_SAME = frozenset("bound promise number neg relu abs sum vmax vmin take broadcast index".split())
_JOINED = frozenset({"add", "sub", "max", "min", "concat"})
_ONE = frozenset({"argmax", "floordiv"})


def gcd(steps: Iterable[int | Step]) -> Step:
    """The coarsest lattice that holds them all; signs do not matter."""
    above, below = 0, 1
    for s in steps:
        if s is None:
            return None
        if s is ONE and below == 1:
            above = 1
            continue
        if isinstance(s, int) and below == 1:
            above = math.gcd(above, s)
            continue
        if s.denominator != below:
            common = math.lcm(below, s.denominator)
            if common > MAX_DENOMINATOR:
                return None
            above, below = above * (common // below), common
        above = math.gcd(above, s.numerator * (below // s.denominator))
    return ONE if above == below else fraction(above, below)


@lru_cache(maxsize=1 << 12)
def fraction(above: int, below: int = 1) -> Fraction:
    """A quotient; the same few are asked for over and over. `ONE` where it is 1."""
    return ONE if above == below else Fraction(above, below)


def of_constants(values: Iterable[Scalar]) -> Step:
    """The lattice of some constants; floats (irrational numbers) have none."""
    return gcd([None if isinstance(v, float) else v for v in values])


def lattices(graph: Graph, order: Sequence[Component] | None = None) -> list[Step]:
    """The step of each node. `order`: the graph's components, if they are known."""
    steps: list[Step] = [Fraction(0)] * len(graph.nodes)
    for component in components(graph) if order is None else order:
        if component.cyclic:
            _group(graph, component, steps)
        else:
            steps[component.nodes[0]] = _node(graph, component.nodes[0], steps)
    return steps


def _group(graph: Graph, component: Component, steps: list[Step]) -> None:
    """Iterate from the initial values; what does not settle is on no lattice."""
    reads = [n for n in component.nodes if graph.nodes[n].op == "prev"]
    for n in reads:
        steps[n] = of_constants(graph.states[graph.nodes[n].attrs[0]].init)
    for attempt in range(MAX_ROUNDS + len(reads) + 1):
        for n in component.nodes:
            if graph.nodes[n].op != "prev":
                steps[n] = _node(graph, n, steps)
        changed = False
        for n in reads:
            state = graph.states[graph.nodes[n].attrs[0]]
            joined = gcd([steps[n], steps[state.next]])
            if joined is not steps[n] and joined != steps[n]:
                steps[n] = joined if attempt < MAX_ROUNDS else None
                changed = True
        if not changed:
            return


def _node(graph: Graph, n: int, steps: Sequence[Step]) -> Step:
    node = graph.nodes[n]
    args = [steps[a] for a in node.args]
    if node.op == "const":
        return of_constants(node.attrs[0])
    if node.op == "prev":
        state = graph.states[node.attrs[0]]
        return gcd([of_constants(state.init), steps[state.next]])
    if node.op in _SAME:
        return args[0]
    if node.op in _JOINED:
        return gcd(args)
    if node.op == "select":
        return gcd(args[1:])
    if node.op == "mul":
        return None if None in args else _limited(args[0] * args[1])  # type: ignore[operator]
    if node.op == "div":
        return _quotient(graph.nodes[node.args[1]], args[0])
    if node.op == "matvec":
        return None if args[0] is None else _scaled(node, args[0])
    if node.op == "units":
        return None if args[0] is None else args[0] / node.attrs[0]
    if node.op == "mod":
        return gcd([args[0], Fraction(node.attrs[0])])
    if node.op == "table":
        return of_constants(node.attrs[0])
    if node.op in _ONE:
        return ONE
    return None if node.type.kind is Kind.REAL else ONE


def _limited(step: Fraction) -> Step:
    return step if step.denominator <= MAX_DENOMINATOR else None


def _scaled(node: Node, step: Fraction) -> Step:
    entries = of_constants(v for row in node.attrs[0] for v in row)
    return None if entries is None else _limited(entries * step)


def _quotient(divisor: Node, step: Step) -> Step:
    if divisor.op != "const" or step is None:
        return None
    if any(isinstance(v, float) for v in divisor.attrs[0]):
        return None
    return gcd(_limited(step / abs(Fraction(v))) for v in divisor.attrs[0])
