"""The five conditionals of Petrov et al. 2024 (arXiv:2406.01424), from one source program.

`if c then a else b`, with c as a 0 or 1, n = 1 - c, a constant M, r = relu and a step function
step(z), which is 0 for z <= 0 and soon 1:

    direct                    r(a - M n) - r(-a - M n) + r(b - M c) - r(-b - M c)
    optimized                 the same without a branch that is 0 and without a half whose value has
                              the other sign: r(a - M n) for a >= 0, b = 0
    step_optimized            r(a - M + M p) - r(-a - M + M p), p = step(c - 1/2), and the same of b
                              with step(1/2 - c); without a branch that is 0
    multiplicative            c a + n b
    multiplicative_optimized  c a where b is 0, n b where a is 0, else b + c (a - b)

The constants are the paper's or follow from the ranges:

    paper   M = 10^10;  step(z) = r(1000 z) - 1000 r(z - 1/1000); every comparison is made of steps:
            x > y: step(x - y) (on integers step(x - y - 1/2)),  x == y: step(1 - step(x - y) -
            step(y - x)),  and: r(sum step(c_i) - (k - 1)),  or: step(sum c_i)
    range   M = max |value| (for reals an eighth more);  step(z) = r(2 z + 1/2) - r(2 z - 1/2),
            which hides errors of a quarter; comparisons as everywhere else

Where c follows a comparison of reals and may be undetermined, the ReLU variants switch the
difference of the branches, b + (r(d - M n) - r(-d - M n)), d = a - b: so the result lies between
them as the program's meaning does; two separate branches would both be switched off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from ..analysis.lattice import ONE
from ..source import Span
from .atoms import AtomGraph, Form, constant, tighten
from .coefficients import Coefficient, raised
from .gates import number
from .logic import Bool, ReluLogic
from .read_outs import on_clock

VARIANTS = ("direct", "optimized", "step_optimized", "multiplicative", "multiplicative_optimized")
CONSTANTS = ("range", "paper")
PAPER_SLOPE = 1000
PAPER_CONSTANT = 10**10


@dataclass(frozen=True)
class Conditionals:
    """Makes the logic of a variant for a graph; `multiplies`: the machine has products."""

    variant: str
    constants: str
    digits: int
    multiplies: bool

    def __call__(self, graph: AtomGraph, guard: Fraction, digits: int) -> ReluLogic:
        made = PaperLogic if self.constants == "paper" else VariantLogic
        return made(graph, guard, self)


class VariantLogic(ReluLogic):
    """Choices in the shape of a variant, constants from the ranges."""

    def __init__(self, graph: AtomGraph, guard: Fraction, settings: Conditionals) -> None:
        super().__init__(graph, guard, settings.digits)
        self.digits, self.multiplies = settings.digits, settings.multiplies
        self.branch = _BRANCHES[settings.variant]
        self.merges = settings.variant == "multiplicative_optimized"
        self.convex = settings.variant.startswith("multiplicative")

    def gate(self, c: Bool, a: Form, span: Span | None = None) -> Form:
        """`if c then a else 0`."""
        return self.choose(c, a, constant(0), span)

    def choose(self, c: Bool, a: Form, b: Form, span: Span | None = None) -> Form:
        """`if c then a else b` in the variant's shape."""
        g = self.graph
        if c.falsity.is_const:
            return b if c.falsity.const else a
        fuzzy = g.is_fuzzy(c.falsity) and not self.convex
        if (self.merges or fuzzy) and not (_is_zero(a) or _is_zero(b)):
            difference = g.combine([(1, a), (-1, b)])
            parts = [(1, b), *self.branch(self, c, difference, span)]
        else:
            parts = [*self.branch(self, c, a, span), *self.branch(self, c.negated(), b, span)]
        result = g.combine(parts)
        return tighten(result, min(a.lo, b.lo), max(a.hi, b.hi), None)

    # What the variants are made of

    def number(self, c: Bool) -> Form:
        """c as a 0 or 1."""
        return number(self, c, self.digits)

    def constant(self, a: Form) -> Fraction:
        """M: what certainly exceeds the value."""
        most = max(-a.lo, a.hi)
        return Fraction(most) if a.is_integral else raised(most)

    def step(self, z: Form, fuzzy: bool = False, span: Span | None = None) -> Form:
        """1 from z = 1/4 on, 0 down from -1/4."""
        g = self.graph
        ends = [(s, g.combine([(2, z)], Fraction(s, 2))) for s in (1, -1)]
        return self._boolean(g.combine((s, g.relu(f, fuzzy=fuzzy, span=span)) for s, f in ends))

    def halves(
        self, c: Form, a: Form, n: Form, span: Span | None, kept: bool = True
    ) -> Sequence[Part]:
        """r(a - M n) - r(-a - M n), n = 1 - c; `kept`: both, even where one is always 0."""
        g, m, parts = self.graph, self.constant(a), []
        for sign, most in ((1, a.hi), (-1, -a.lo)):
            if not kept and most <= 0:
                continue
            half = g.relu(g.combine([(sign, a), (-m, n)]), kept=True, span=span)
            parts.append((sign, tighten(half, 0.0, max(most, 0.0), None)))
        if m > max(-a.lo, a.hi):
            self._note_openings(c, [half for _, half in parts])
        return parts

    def _note_openings(self, c: Form, halves: Sequence[Form]) -> None:
        """Where a clock opens a choice in few steps, the certificate counts only those."""
        times = self._openings(self.graph.combine([(-1, c)], 1))
        for atom in (a for half in halves for a in half.terms if times is not None):
            self.graph.openings[atom] = times or 0

    def _boolean(self, form: Form) -> Form:
        fuzzy = self.graph.is_fuzzy(form)
        return tighten(form, 0.0, 1.0, None if fuzzy else ONE)


class PaperLogic(VariantLogic):
    """Comparisons, booleans and choices with the paper's constants. A boolean is a 0 or 1."""

    def constant(self, a: Form) -> Fraction:
        return Fraction(PAPER_CONSTANT)

    def step(self, z: Form, fuzzy: bool = False, span: Span | None = None) -> Form:
        """f_step: 0 up to z = 0, 1 from 1/1000 on (from the guard on, if that is less)."""
        g = self.graph
        slope = max(Fraction(PAPER_SLOPE), 1 / self.guard)
        rising = g.relu(g.combine([(slope, z)]), fuzzy=fuzzy, span=span)
        beyond = g.relu(g.combine([(1, z)], -1 / slope), fuzzy=fuzzy, span=span)
        return self._boolean(g.combine([(1, rising), (-slope, beyond)]))

    def number(self, c: Bool) -> Form:
        return tighten(c.value, 0.0, 1.0, None)

    def exact(self, c: Bool) -> Form:
        return self.number(c)

    def exclude(self, forms: Iterable[Form]) -> None:
        """Nothing: a 0 or 1 is two units that are open together, and inexact ones leak."""

    def at_least(self, d: Form, k: int | Fraction) -> Bool:
        """d >= k on a lattice of distance e: step((d - k) / e + 1/2)."""
        read = on_clock(self.graph, d, lambda v: int(v >= k))
        if read is not None:
            return self.from_value(read)
        e = d.step or ONE
        scaled = self.graph.combine([(1 / e, d)], Fraction(1, 2) + (-Fraction(k) // e))
        return self.from_value(self.step(scaled))

    def above(self, d: Form) -> Bool:
        """d > 0: step(d)."""
        return self.from_value(self.step(d, fuzzy=True))

    def equals_zero(self, d: Form) -> Bool:
        """d == 0 on a lattice: step(1 - step(d) - step(-d))."""
        g = self.graph
        read = on_clock(g, d, lambda v: int(v == 0))
        if read is not None:
            return self.from_value(read)
        scaled = g.combine([(1 / (d.step or ONE), d)])
        sides = [(-1, self.step(g.combine([(sign, scaled)]))) for sign in (1, -1)]
        equal = tighten(g.combine(sides, 1), 0.0, 1.0, None)
        return self.from_value(self.step(equal))

    equal = equals_zero

    def conjunction(self, parts: Sequence[Bool]) -> Bool:
        """r(sum of step(c_i) - (k - 1))."""
        if len(parts) == 1:
            return parts[0]
        g = self.graph
        steps = [(1, self.step(p.value)) for p in parts]
        return self.from_value(self._boolean(g.relu(g.combine(steps, 1 - len(parts)))))

    def disjunction(self, parts: Sequence[Bool]) -> Bool:
        """step(sum of c_i)."""
        if len(parts) == 1:
            return parts[0]
        g = self.graph
        total = g.combine([(1, p.value) for p in parts])
        return self.from_value(self.step(tighten(total, 0.0, float(len(parts)), None)))


# The shapes of a branch: `if c then a else 0`

Part = tuple[Coefficient, Form]
Branch = Callable[[VariantLogic, Bool, Form, Span | None], Sequence[Part]]


def _is_zero(a: Form) -> bool:
    return a.is_const and a.const == 0


def _direct(logic: VariantLogic, c: Bool, a: Form, span: Span | None) -> Sequence[Part]:
    """r(a - M (1 - c)) - r(-a - M (1 - c)), whatever a is."""
    value = logic.number(c)
    return logic.halves(value, a, logic.graph.combine([(-1, value)], 1), span)


def _optimized(logic: VariantLogic, c: Bool, a: Form, span: Span | None) -> Sequence[Part]:
    """The halves of `direct` that can be other than 0."""
    if _is_zero(a):
        return []
    value = logic.number(c)
    return logic.halves(value, a, logic.graph.combine([(-1, value)], 1), span, kept=False)


def _step_optimized(logic: VariantLogic, c: Bool, a: Form, span: Span | None) -> Sequence[Part]:
    """r(a - M + M p) - r(-a - M + M p), p = step(c - 1/2)."""
    if _is_zero(a):
        return []
    g, value = logic.graph, logic.number(c)
    p = logic.step(g.combine([(1, value)], Fraction(-1, 2)), g.is_fuzzy(value), span)
    return logic.halves(value, a, g.combine([(-1, p)], 1), span)


def _product(logic: VariantLogic, c: Bool, a: Form, span: Span | None) -> Sequence[Part]:
    """c a."""
    return [(1, logic.graph.product(logic.number(c), a, span))]


_BRANCHES: dict[str, Branch] = {
    "direct": _direct,
    "optimized": _optimized,
    "step_optimized": _step_optimized,
    "multiplicative": _product,
    "multiplicative_optimized": _product,
}
