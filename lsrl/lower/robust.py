"""Booleans that stand noise in the weights: the profile `robust` of the linear RNNs.

Integers are compared half way between them and with slope 2. With s = (x - k) / step,

    x >= k   falsity r(-2 s - 1/2), truth r(2 s + 3/2)
    x == k   falsity r(2 s - 1/2) + r(-2 s - 1/2)

for as many units as without margins. Such a falsity is *firm*: while s is off by less than 1/4, it
is exactly 0 or at least 1, and so r(1 - falsity) is 1 or exactly 0.

What is read from states, a clock among them, is not firm: it is off by what the noise has done to
them. A boolean that follows from it is compared with 1/2 before it is kept as 0 or 1; and before it
switches anything, where it is a sum of many, or switches large values. A gate r(a - M falsity) has
an M a quarter above the most of a, so that errors of both do not open it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from ..analysis.lattice import ONE
from ..source import Span
from .atoms import AtomGraph, AtomKind, Form
from .coefficients import Coefficient
from .logic import Bool, Make, ReluLogic, saturated
from .read_outs import on_clock

HALF = Fraction(1, 2)
SHUT = 1.25  # M over the most of what a gate switches
LOOSE = 4  # what is not firm weighs no more in a falsity that switches something
SWITCHED = 256.0  # nor this, times what it switches


class RobustLogic(ReluLogic):
    """Booleans and choices of ReLUs, with margins; `multiplies`: the machine has products."""

    def __init__(self, graph: AtomGraph, guard: Fraction, digits: int, multiplies: bool) -> None:
        super().__init__(graph, guard, digits)
        self.multiplies = multiplies
        self.firm: set[int] = set()  # units that are exactly 0, or at least 1
        self.sums: dict[Bool, Make] = {}  # of conjunctions: their falsity, not yet firm

    def not_negative(self, scaled: Form) -> Bool:
        """An integer is at least 0."""
        falsity: Make = lambda: self._firm(scaled, -2, -HALF)
        truth: Make = lambda: self._firm(scaled, 2, 3 * HALF)
        return Bool(self.graph, falsity, truth, margin=self.graph.combine([(1, scaled)], HALF))

    def equals_zero(self, d: Form) -> Bool:
        """d == 0 for d on a lattice."""
        g = self.graph
        read = on_clock(g, d, lambda v: int(v == 0))
        if read is not None:
            return self.from_value(read)
        s = g.combine([(1 / (d.step or ONE), d)])
        return self._all(lambda: g.combine((1, self._firm(s, c, -HALF)) for c in (2, -2)))

    equal = equals_zero

    def conjunction(self, parts: Sequence[Bool]) -> Bool:
        """All of them."""
        if len(parts) == 1:
            return parts[0]
        return self._all(lambda: self.graph.combine((1, self._sum(p)) for p in parts))

    def same(self, a: Bool, b: Bool) -> Bool:
        """They differ where their sum is 1."""
        total = self.graph.combine([(1, a.value), (1, b.value)], -1)
        if self.graph.is_fuzzy(total):
            return super().same(a, b)
        return self.equals_zero(total).negated()

    def _sum(self, c: Bool) -> Form:
        make = self.sums.get(c)
        return c.falsity if make is None else make()

    def _all(self, make: Make) -> Bool:
        """What holds where a sum of falsities is 0."""

        def falsity() -> Form:
            total = make()
            return self._sharp(total) if self._looseness(total) > LOOSE else total

        def truth() -> Form:
            total = make()
            if self.graph.is_fuzzy(total) or not self._looseness(total):
                return saturated(self.graph, total)
            return self._firm(total, -2, 3 * HALF)

        result = Bool(self.graph, falsity, truth, lambda: self._value(make()))
        self.sums[result] = make
        return result

    def _value(self, falsity: Form) -> Form:
        """1 where a falsity is 0, else 0: r(1 - f), or r(3/2 - 2 f) - r(1/2 - 2 f)."""
        g = self.graph
        if g.is_fuzzy(falsity) or not self._looseness(falsity):
            return saturated(g, falsity)
        ends = [(c, g.relu(g.combine([(-2, falsity)], 1 + c * HALF))) for c in (1, -1)]
        return self._as_boolean(g.combine(ends))

    def _sharp(self, falsity: Form) -> Form:
        """r(2 f - 1/2), where nothing is undetermined."""
        return falsity if self.graph.is_fuzzy(falsity) else self._firm(falsity, 2, -HALF)

    def _firm(self, s: Form, slope: Coefficient, const: Fraction) -> Form:
        """r(slope s + const), which is to be firm."""
        result = self.graph.relu(self.graph.combine([(slope, s)], const))
        self.firm.update(a for a in result.terms if self.graph.atoms[a].kind is AtomKind.RELU)
        return result

    def _looseness(self, falsity: Form) -> float:
        """How much the terms weigh that are neither firm nor inputs."""
        return sum(
            abs(float(c)) * max(-atom.lo, atom.hi)
            for a, c in falsity.terms.items()
            if a not in self.firm and (atom := self.graph.atoms[a]).kind is not AtomKind.INPUT
        )

    def _light(self, c: Bool, most: float) -> Form:
        falsity = super()._light(c, SHUT * most)
        return self._sharp(falsity) if self._looseness(falsity) * most > SWITCHED else falsity

    def _switched(self, a: Form, falsity: Form, most: float, span: Span | None) -> Form:
        wide = math.ceil(SHUT * most) if a.is_integral else SHUT * most
        return super()._switched(a, falsity, wide, span)


@dataclass(frozen=True)
class Robust:
    """Makes this logic for a graph."""

    multiplies: bool

    def __call__(self, graph: AtomGraph, guard: Fraction, digits: int) -> ReluLogic:
        return RobustLogic(graph, guard, digits, self.multiplies)
