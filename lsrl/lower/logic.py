"""Booleans on a ReLU machine, and what they switch.

A boolean is kept as two forms, made only when asked for: its *falsity* (0 where it holds, at least
1 where it does not) and its *truth* (the other way round). Comparisons have both in one layer and
one or two atoms; conjunctions add falsities, disjunctions add truths; a value is switched off by a
large enough multiple of the falsity. Only where 0 or 1 itself is needed is it made: r(1 - falsity).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

from ..source import Span
from .atoms import AtomGraph, AtomKind, Form, constant, largest_partial_sum

Make = Callable[[], Form]
MAX_SWITCH = 2.0**23  # beyond, partial sums of a gate could leave the digits of float32
MAX_FALSITY = 2.0**16  # beyond, 0/1 is made first, so that switching constants stay small


@dataclass(frozen=True, eq=False)
class Bool:
    """A boolean. `value` is 0/1 outside of the guard band and between 0 and 1 inside."""

    graph: AtomGraph
    make_falsity: Make
    make_truth: Make
    make_value: Make | None = None
    maker: int = field(init=False, default=-1)  # the node that it belongs to

    def __post_init__(self) -> None:
        object.__setattr__(self, "maker", self.graph.maker)

    @cached_property
    def falsity(self) -> Form:
        with self.graph.made_for(self.maker):
            return self.make_falsity()

    @cached_property
    def truth(self) -> Form:
        with self.graph.made_for(self.maker):
            return self.make_truth()

    @cached_property
    def value(self) -> Form:
        with self.graph.made_for(self.maker):
            if self.make_value is not None:
                return self.make_value()
            return saturated(self.graph, self.falsity)

    def negated(self) -> Bool:
        g = self.graph
        value: Make | None = None
        if self.make_value is not None or "value" in self.__dict__:
            value = lambda: g.combine([(-1, self.value)], 1)
        return Bool(g, lambda: self.truth, lambda: self.falsity, value)


def saturated(g: AtomGraph, falsity: Form) -> Form:
    """r(1 - falsity): exactly 1 or 0 outside of the guard band."""
    return g.relu(g.combine([(-1, falsity)], 1), saturating=True, boolean=True)


class ReluLogic:
    """Booleans, and what they switch, made of ReLU atoms of a graph."""

    def __init__(self, graph: AtomGraph, guard: Fraction) -> None:
        self.graph, self.guard = graph, guard

    def exact(self, c: Bool) -> Form:
        """A boolean as a 0 or 1 of few digits."""
        g = self.graph
        return saturated(g, c.falsity)

    def from_value(self, value: Form) -> Bool:
        """A boolean that is there as 0 or 1."""
        g = self.graph
        inverse = lambda: g.combine([(-1, value)], 1)
        return Bool(g, inverse, lambda: value, lambda: value)

    def conjunction(self, parts: Sequence[Bool]) -> Bool:
        """All of them."""
        g = self.graph
        if len(parts) == 1:
            return parts[0]

        def falsity() -> Form:
            return g.combine([(1, p.falsity) for p in parts])

        def value() -> Form:
            return saturated(g, falsity())

        return Bool(g, falsity, value, value)

    def disjunction(self, parts: Sequence[Bool]) -> Bool:
        """Any of them."""
        return self.conjunction([p.negated() for p in parts]).negated()

    def at_least(self, d: Form, k: int | Fraction) -> Bool:
        """d >= k for d on a lattice; one atom each way, exact."""
        g = self.graph
        read = g.on_clock(d, lambda v: int(v >= k))
        if read is not None:
            return self.from_value(read)
        step = d.step or Fraction(1)
        scaled = g.combine([(1 / step, d)], -math.ceil(Fraction(k) / step))
        lifted = g.combine([(1, scaled)], 1)
        lower: Make = lambda: g.relu(g.combine([(-1, scaled)]))
        upper: Make = lambda: g.relu(lifted)
        return Bool(
            g,
            lower,
            upper,
            lambda: g.combine([(1, upper()), (-1, g.relu(scaled))]),
        )

    def equals_zero(self, d: Form) -> Bool:
        """d == 0 for d on a lattice: falsity |d|, value the second difference of relu."""
        g = self.graph
        read = g.on_clock(d, lambda v: int(v == 0))
        if read is not None:
            return self.from_value(read)
        step = d.step or Fraction(1)
        scaled = g.combine([(1 / step, d)])

        def falsity() -> Form:
            return self.absolute(scaled)

        def value() -> Form:
            up, down = (g.relu(g.combine([(1, scaled)], k)) for k in (1, -1))
            return g.combine([(1, up), (-2, g.relu(scaled)), (1, down)])

        def boolean() -> Form:
            return self._as_boolean(value())

        return Bool(g, falsity, boolean, boolean)

    def _as_boolean(self, form: Form) -> Form:
        return Form(form.terms, form.const, max(form.lo, 0.0), min(form.hi, 1.0), Fraction(1))

    def above(self, d: Form) -> Bool:
        """d > 0 for a real d: decided where |d| >= guard, in two layers.

        The ramp r(1/2 - k d) has slope k = 2/guard: falsity is 0 from d = guard/4 on and at least 1
        from -guard/4 down, so that errors of d up to three quarters of the guard do not show.
        """
        g = self.graph
        k = 2 / self.guard

        def ramp(sign: int) -> Form:
            return g.relu(g.combine([(-sign * k, d)], Fraction(1, 2)), saturating=True)

        return Bool(g, lambda: ramp(1), lambda: ramp(-1))

    def absolute(self, d: Form) -> Form:
        """|d| = r(d) + r(-d)."""
        g = self.graph
        return g.combine([(1, g.relu(d)), (1, g.relu(g.combine([(-1, d)])))])

    def gate(self, c: Bool, a: Form, span: Span | None = None) -> Form:
        """a where c holds, else 0; between the two where c is undetermined.

        The switching constant is a's own largest magnitude (raised by an eighth for reals, so that
        rounding cannot leak): ranges instead of big constants.
        """
        g = self.graph
        if a.is_const and a.const == 0:
            return constant(0)
        if c.falsity.is_const:
            return a if c.falsity.const == 0 else constant(0)
        if a.is_const:
            return g.combine([(a.const, c.value)])
        falsity = self._light(c, max(-a.lo, a.hi, a.width))
        if a.lo >= 0:
            return self._switched(a, falsity, a.hi, span)
        if a.hi <= 0:
            return g.combine([(-1, self._switched(g.combine([(-1, a)]), falsity, -a.lo, span))])
        if falsity.is_boolean and not g.is_fuzzy(falsity) and a.is_integral:
            low = Fraction(a.lo)
            shifted = self._switched(g.combine([(1, a)], -low), falsity, a.hi - a.lo, span)
            return g.combine([(1, shifted), (-low, falsity)], low)
        most = max(-a.lo, a.hi)
        up = self._switched(a, falsity, most, span)
        down = self._switched(g.combine([(-1, a)]), falsity, most, span)
        for atom in (*up.terms, *down.terms):  # never both
            g.families.setdefault(atom, -1 - min(up.terms, default=0))
        return g.combine([(1, up), (-1, down)])

    def _light(self, c: Bool, most: float) -> Form:
        """The falsity, made exactly 0 or 1 first where its multiple by `most` would lose digits."""
        g = self.graph
        falsity = c.falsity
        terms = [
            (float(c) * g.atoms[a].lo, float(c) * g.atoms[a].hi) for a, c in falsity.terms.items()
        ]
        weight = largest_partial_sum([*terms, (float(falsity.const),) * 2])
        if weight <= 1 or (falsity.hi <= MAX_FALSITY and weight * most < MAX_SWITCH):
            return falsity
        if falsity.hi > 1:
            return g.combine([(-1, saturated(g, falsity))], 1)
        return saturated(g, c.truth) if c.truth.hi > 1 else falsity

    def _switched(self, a: Form, falsity: Form, most: float, span: Span | None) -> Form:
        """r(a - M falsity), M at least `most` >= max a."""
        g = self.graph
        binary = a.step is not None and a.step.denominator & (a.step.denominator - 1) == 0
        factor = Fraction(most) if binary else _raised(most)
        result = g.relu(g.combine([(1, a), (-factor, falsity)]), span=span)
        if len(result.terms) == 1 and g.atoms[next(iter(result.terms))].kind is AtomKind.RELU:
            (atom,) = result.terms
            times = self._openings(falsity)
            if times is not None and not binary:  # without the eighth, errors of a could leak
                g.openings[atom] = times
            if self._is_nonnegative(falsity) and not falsity.terms.keys() & a.terms.keys():
                g.switches[atom] = frozenset(falsity.terms)
        hi = min(result.hi, max(a.hi, 0.0))
        return Form(result.terms, result.const, max(result.lo, 0.0), hi, result.step)

    def _is_nonnegative(self, form: Form) -> bool:
        """Whether no term can be negative, so that all of them are 0 where the form is."""
        g = self.graph
        return form.const == 0 and all(c > 0 and g.atoms[a].lo >= 0 for a, c in form.terms.items())

    def _openings(self, falsity: Form) -> int | None:
        """In how many steps the falsity is 0, where a clock says that it is in few."""
        g = self.graph
        clocks = {g.atoms[a].group for a in falsity.terms}
        if len(clocks) != 1 or falsity.const < 1 or not clocks <= g.prefixes.keys():
            return None
        opened = [g.atoms[a].lane for a, c in falsity.terms.items() if falsity.const + c < 1]
        return len(opened) if all(lane < g.prefixes[min(clocks)] for lane in opened) else None


def _raised(most: float) -> Fraction:
    """A short binary number at least an eighth above."""
    exponent = 2.0**-8
    while exponent < most / 4:
        exponent *= 2
    return Fraction(exponent) * int(most * 1.125 / exponent + 1)
