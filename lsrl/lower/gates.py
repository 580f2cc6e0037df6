"""Booleans of a machine of ReLUs and products: what a boolean switches may be a product.

`if c then a else 0` is c * a, one product of a 0 or 1 and the value, where ReLUs take one unit (of
half the size) a sign that the value can have, and a switching constant. Which is smaller depends on
what else the program needs; targets compile both ways, and a third that decides choice by choice.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from ..source import Span
from .atoms import AtomGraph, Form, exact_in, tighten
from .logic import Bool, ReluLogic

MODES = ("each", "product", "relu")


class GateLogic(ReluLogic):
    """Booleans made of ReLU atoms; choices of products, of ReLUs, or of what is less, by `mode`."""

    multiplies = True

    def __init__(self, graph: AtomGraph, guard: Fraction, digits: int, mode: str) -> None:
        super().__init__(graph, guard, digits)
        self.digits, self.mode = digits, mode

    def gate(self, c: Bool, a: Form, span: Span | None = None) -> Form:
        """a where c holds, else 0; between the two where c is undetermined."""
        if a.is_const or c.falsity.is_const or self.mode == "relu":
            return super().gate(c, a, span)
        if self.mode == "each" and self._one_relu(c, a):
            return super().gate(c, a, span)
        result = self.graph.product(number(self, c, self.digits), a, span)
        return tighten(result, min(a.lo, 0.0), max(a.hi, 0.0), None)

    def _one_relu(self, c: Bool, a: Form) -> bool:
        """Whether one ReLU is a gate: half the size of a product, and it needs no 0 or 1."""
        if a.lo >= 0 or a.hi <= 0:
            return True
        return c.falsity.is_boolean and not self.graph.is_fuzzy(c.falsity) and a.is_integral


def number(logic: ReluLogic, c: Bool, digits: int) -> Form:
    """A boolean as a 0 or 1: as it is at hand, or made anew where that would lose digits."""
    value = tighten(c.value, 0.0, 1.0, None)
    if value.is_const or exact_in(value, logic.graph.atoms, digits):
        return value
    return tighten(logic.exact(c), 0.0, 1.0, None)


@dataclass(frozen=True)
class Gates:
    """Makes the logic of one `mode` for a graph."""

    digits: int
    mode: str

    def __call__(self, graph: AtomGraph, guard: Fraction, digits: int) -> ReluLogic:
        return GateLogic(graph, guard, digits, self.mode)
