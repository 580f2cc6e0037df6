"""A fused run that keeps the interpreter's checks: what `lsrl run` uses for long input.

Every check becomes an output of the program, a boolean that has to hold at every step; where one
does not, or a comparison of reals comes closer than the guard band, the interpreter has to say what
is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..analysis.check import exact_comparisons
from ..analysis.ranges import analyse
from ..interpret.checks import EXACT_INTEGERS, limits, promised_range
from ..interpret.margins import Margin, real_comparisons
from ..interpret.run import Result
from ..ir.builder import Builder
from ..ir.nodes import Graph, Output
from ..ir.semantics import Array
from ..ir.types import Kind, Type
from .executor import Fused

if TYPE_CHECKING:
    from ..program import Program

LONG = 2**14  # values of the inputs from which on this pays
LARGEST = np.finfo(np.float64).max
CHECK, DISTANCE = "check ", "distance "


def checked_run(program: Program, inputs: dict[str, Array], guard: float) -> Result | None:
    """What the interpreter gives for `[B, T]` inputs, or None where it has to run itself."""
    graph = program.graph
    comparisons = real_comparisons(graph, exact_comparisons(graph, program.facts))
    if any(graph.nodes[n].op == "argmax" for n in comparisons):
        return None
    extended = with_checks(program, comparisons)
    margins = {f"{DISTANCE}{n}": Margin(n, graph.nodes[n].span) for n in comparisons}
    held = True

    def keep(name: str, y: Array) -> Array | None:
        nonlocal held
        if name in margins:
            smallest = float(y.min())
            margins[name].smallest = min(margins[name].smallest, smallest)
            held = held and smallest >= guard
        elif name.startswith(CHECK):
            held = held and bool(y.all())
        else:
            return y
        return None

    outputs = Fused(extended, analyse(extended), framework="numpy").reduced(inputs, keep)
    if not held:
        return None
    mattered = np.zeros(len(next(iter(inputs.values()))), dtype=bool)
    return Result(outputs, {}, list(margins.values()), mattered)


def with_checks(program: Program, comparisons: Sequence[int]) -> Graph:
    """The graph with an output for each check, and one for the distance of the sides of each of
    the comparisons. Their names have spaces, so that none is a program's."""
    return _Checks(program).graph(comparisons)


class _Checks:
    def __init__(self, program: Program) -> None:
        self.program, self.source = program, program.graph
        self.builder = Builder(self.source.inputs, self.source.states)
        for node in self.source.nodes:
            self.builder.add(node)
        self.found: list[int] = [a.node for a in self.source.assumes]

    def graph(self, comparisons: Sequence[int]) -> Graph:
        for i, node in enumerate(self.source.nodes):
            if node.op == "bound":
                _, low, high = node.attrs
                self.within(i, *limits(low, high, node, exact=False))
            elif node.op == "promise":
                fact = self.program.facts[node.args[1]]
                low, high = promised_range(fact.lo, fact.hi)
                self.within(i, *limits(low, high, node, exact=False))
            elif node.op == "index":
                size = self.source.nodes[node.args[0]].type.size
                self.within(node.args[1], np.array(0), np.array(size - 1))
            elif node.op == "table":
                rows = len(node.attrs[0]) // (node.attrs[1] or 1)
                self.within(node.args[0], np.array(0), np.array(rows - 1))
            elif node.op == "div" and self.source.nodes[node.args[1]].op != "const":
                self.different(node.args[1])
        for i in sorted(
            {s.next for s in self.source.states} | {o.node for o in self.source.outputs}
        ):
            if self.source.nodes[i].type.kind is not Kind.BOOL:
                real = self.source.nodes[i].type.kind is Kind.REAL
                most = np.array(LARGEST if real else EXACT_INTEGERS)
                self.within(i, -most, most)
        outputs = [Output(f"{CHECK}{k}", n) for k, n in enumerate(dict.fromkeys(self.found))]
        outputs += [Output(f"{DISTANCE}{n}", self.distance(n)) for n in comparisons]
        return self.source.replace(
            nodes=tuple(self.builder.nodes), outputs=(*self.source.outputs, *outputs)
        )

    def within(self, n: int, low: Any, high: Any) -> None:
        """That low <= value <= high; NaN is not."""
        type = self.builder.type(n)
        if type.kind is Kind.ENUM or self.builder.is_const(n):
            return
        kind = Type(Kind.REAL, type.shape)
        ends = [
            self.builder.const(np.broadcast_to(np.asarray(e, dtype=float), type.shape or ()), kind)
            for e in (low, high)
        ]
        below = self.builder.emit("le", [ends[0], n])
        above = self.builder.emit("le", [n, ends[1]])
        self.require(self.builder.emit("and", [below, above]))

    def different(self, n: int) -> None:
        """That the value is not 0."""
        type = self.builder.type(n)
        zero = self.builder.const(np.zeros(type.shape or (), dtype=int), Type(Kind.INT, type.shape))
        self.require(self.builder.emit("ne", [n, zero]))

    def require(self, n: int) -> None:
        """That a boolean, or each element of a vector of them, holds."""
        self.found.append(self.builder.emit("all", [n]) if self.builder.type(n).shape else n)

    def distance(self, n: int) -> int:
        """|a - b| for a comparison of a and b; of vectors the smallest."""
        found = self.builder.emit("abs", [self.builder.emit("sub", self.source.nodes[n].args)])
        return self.builder.emit("vmin", [found]) if self.builder.type(found).shape else found
