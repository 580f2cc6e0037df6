"""Booleans on a ReLU machine, and what they switch.

A boolean is kept as two forms, made only when asked for: its *falsity* (0 where it holds, at least
1 where it does not) and its *truth* (the other way round). Comparisons have both in one layer and
one or two atoms; conjunctions add falsities, disjunctions add truths; a value is switched off by a
large enough multiple of the falsity. Only where 0 or 1 itself is needed is it made: r(1 - falsity).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import field
from fractions import Fraction
from typing import Any, Protocol

from ..analysis.lattice import ONE
from ..records import record
from ..source import Span
from .atoms import AtomGraph, AtomKind, Form, constant, tighten
from .coefficients import exactly, is_power_of_two, largest_partial_sum, raised
from .read_outs import on_clock

Make = Callable[[], Form]
HALF = Fraction(1, 2)
MAX_SWITCH = 2.0**23  # beyond, partial sums of a gate could leave the digits (float32 and wider)
MAX_FALSITY = 2.0**16  # beyond, 0/1 is made first, so that switching constants stay small


class Boolean(ABC):
    """A boolean: `value` is 0/1 outside of the guard band and between 0 and 1 inside."""

    @property
    @abstractmethod
    def value(self) -> Form: ...

    @property
    @abstractmethod
    def made(self) -> Form | None:
        """The value, if it exists without new atoms."""

    @property
    @abstractmethod
    def forms(self) -> dict[str, Form]:
        """The forms that are there, by what they say: "value" (0 or 1), "falsity" (0 where it
        holds, at least 1 where not), "truth" (the other way round), "margin" (its sign)."""

    @abstractmethod
    def negated(self) -> Boolean: ...


Value = Form | Boolean  # an element of a node


@record(eq=False)
class Bool(Boolean):
    """A boolean as falsity, truth and value, each made when asked for."""

    graph: AtomGraph
    make_falsity: Make
    make_truth: Make
    make_value: Make | None = None
    margin: Form | None = None  # at least 1/2 where it holds, at most -1/2 where not
    maker: int = field(init=False, default=-1)  # the node that it belongs to

    def __post_init__(self) -> None:
        object.__setattr__(self, "maker", self.graph.maker)

    def _once(self, name: str, make: Make) -> Form:
        cache = self.graph.cache
        if (self, name) not in cache:
            before, self.graph.maker = self.graph.maker, self.maker
            try:
                cache[self, name] = make()
            finally:
                self.graph.maker = before
        return cache[self, name]  # type: ignore[no-any-return]

    @property
    def falsity(self) -> Form:
        return self._once("falsity", self.make_falsity)

    @property
    def truth(self) -> Form:
        return self._once("truth", self.make_truth)

    @property
    def value(self) -> Form:
        make = self.make_value or (lambda: saturated(self.graph, self.falsity))
        return self._once("value", make)

    @property
    def made(self) -> Form | None:
        return self.graph.cache.get((self, "value"))

    @property
    def forms(self) -> dict[str, Form]:
        says = ("value", "falsity", "truth")
        return {k: f for k in says if (f := self.graph.cache.get((self, k))) is not None}

    def negated(self) -> Bool:
        g = self.graph
        value: Make | None = None
        if self.make_value is not None or self.made is not None:
            value = lambda: g.combine([(-1, self.value)], 1)
        margin = None if self.margin is None else g.combine([(-1, self.margin)])
        return Bool(g, lambda: self.truth, lambda: self.falsity, value, margin)


class Logic(Protocol):
    """How a machine makes booleans and what they switch. Its booleans are all of its own kind."""

    @property
    def graph(self) -> AtomGraph: ...

    @property
    def has_steps(self) -> bool:
        """Whether a step [x >= k] costs one unit, and so tables are best made of steps."""
        ...

    @property
    def multiplies(self) -> bool:
        """Whether a product of two forms is one atom."""
        ...

    def from_value(self, value: Form) -> Any: ...
    def at_least(self, d: Form, k: int | Fraction) -> Any: ...
    def equals_zero(self, d: Form) -> Any: ...
    def equal(self, d: Form) -> Any: ...
    def above(self, d: Form) -> Any: ...
    def conjunction(self, parts: Sequence[Any]) -> Any: ...
    def disjunction(self, parts: Sequence[Any]) -> Any: ...
    def same(self, a: Any, b: Any) -> Any: ...
    def either(self, c: Any, a: Any, b: Any) -> Any: ...
    def gate(self, c: Any, a: Form, span: Span | None = None) -> Form: ...
    def choose(self, c: Any, a: Form, b: Form, span: Span | None = None) -> Form: ...
    def exclude(self, forms: Iterable[Form]) -> None: ...
    def relu(self, form: Form, span: Span | None = None) -> Form: ...
    def exact(self, c: Any) -> Form: ...


def chosen(logic: Logic, c: Any, a: Form, b: Form, span: Span | None) -> Form:
    """a where c holds, else b: b plus a gated difference; stays between them in the guard band."""
    g = logic.graph
    if b.is_const and b.const == 0:
        return logic.gate(c, a, span)
    if a.is_const and a.const == 0:
        return logic.gate(c.negated(), b, span)
    difference = g.combine([(1, a), (-1, b)])
    result = g.combine([(1, b), (1, logic.gate(c, difference, span))])
    return tighten(result, min(a.lo, b.lo), max(a.hi, b.hi), None)


def saturated(g: AtomGraph, falsity: Form) -> Form:
    """r(1 - falsity): exactly 1 or 0 outside of the guard band."""
    return g.relu(g.combine([(-1, falsity)], 1), saturating=True, boolean=True)


def decided(g: AtomGraph, f: Form, digits: int) -> Form:
    """[f <= 1/2] for an atom f >= 0: exactly 0 or 1, whatever f is.

    A number of p digits above 1/2 is a multiple of 2^-p. So r(2 f - 1) is 0 or at least 2^(1 - p),
    and r(1 - 2^p r(2 f - 1)) is 1 or 0.
    """
    above = g.crisp(g.combine([(2, f)], -1), None)
    return g.crisp(g.combine([(-(2**digits), above)], 1), ONE)


class ReluLogic:
    """Booleans, and what they switch, made of ReLU atoms of a graph."""

    has_steps = False  # a comparison takes one or two atoms, a hinge of a table one
    multiplies = False  # whether the machine has products

    def __init__(self, graph: AtomGraph, guard: Fraction, digits: int = 24) -> None:
        self.graph, self.guard, self.digits = graph, guard, digits
        self.deciding: frozenset[int] = frozenset()  # nodes of comparisons that decide a state
        self.max_switch = min(MAX_SWITCH, 2.0 ** (digits - 1))

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
        read = on_clock(g, d, lambda v: int(v >= k))
        if read is not None:
            return self.from_value(read)
        step = d.step or ONE
        if step is ONE:
            return self.not_negative(g.combine([(1, d)], -math.ceil(k)))
        return self.not_negative(g.combine([(1 / step, d)], -math.ceil(Fraction(k) / step)))

    def not_negative(self, scaled: Form) -> Bool:
        """An integer is at least 0."""
        g = self.graph
        lifted = g.combine([(1, scaled)], 1)
        lower: Make = lambda: g.relu(g.combine([(-1, scaled)]))
        upper: Make = lambda: g.relu(lifted)
        value: Make = lambda: g.combine([(1, upper()), (-1, g.relu(scaled))])
        return Bool(g, lower, upper, value, g.combine([(1, scaled)], HALF))

    def equals_zero(self, d: Form) -> Bool:
        """d == 0 for d on a lattice: falsity |d|, value the second difference of relu."""
        return self._zero(d, self.absolute)

    def equal(self, d: Form) -> Bool:
        """x == y for d = x - y, neither of them constant: d == 0 with the falsity
        r(2 d - 1/2) + r(-2 d - 1/2), in which errors of d below a quarter do not show.

        (Comparisons with constants have |d|: the units of neighbouring constants are the same.)
        """
        return self._zero(d, self.apart)

    def _zero(self, d: Form, distance: Callable[[Form], Form]) -> Bool:
        g = self.graph
        read = on_clock(g, d, lambda v: int(v == 0))
        if read is not None:
            return self.from_value(read)
        scaled = g.combine([(1 / d.step, d)]) if d.step and d.step is not ONE else d

        def falsity() -> Form:
            return distance(scaled)

        def value() -> Form:
            up, down = (g.relu(g.combine([(1, scaled)], k)) for k in (1, -1))
            return g.combine([(1, up), (-2, g.relu(scaled)), (1, down)])

        def boolean() -> Form:
            return self._as_boolean(value())

        return Bool(g, falsity, boolean, boolean)

    def _as_boolean(self, form: Form) -> Form:
        return Form(form.terms, form.const, max(form.lo, 0.0), min(form.hi, 1.0), ONE)

    def above(self, d: Form) -> Bool:
        """d > 0 for a real d: decided where |d| >= guard, in two layers.

        The ramp r(1/2 - k d) has slope k = 2/guard: falsity is 0 from d = guard/4 on and at least 1
        from -guard/4 down, so that errors of d up to three quarters of the guard do not show. What
        decides a state is 0 or 1 in between, too.
        """
        g = self.graph
        k = 2 / self.guard

        def ramp(sign: int, kept: bool = False) -> Form:
            form = g.combine([(-sign * k, d)], Fraction(1, 2))
            return g.relu(form, saturating=True, kept=kept)

        if g.maker in self.deciding and d.terms:
            if d.terms[min(d.terms)] < 0:  # not both d > 0 and -d > 0
                return self.above(g.combine([(-1, d)])).negated()
            return self.from_value(decided(g, ramp(1, kept=True), self.digits))
        return Bool(g, lambda: ramp(1), lambda: ramp(-1))

    def relu(self, form: Form, span: Span | None = None) -> Form:
        """max(form, 0)."""
        return self.graph.relu(form, span=span)

    def same(self, a: Bool, b: Bool) -> Bool:
        """a + b - 2 r(a + b - 1) is their exclusive or."""
        g = self.graph
        both = g.relu(g.combine([(1, a.value), (1, b.value)], -1))
        differ = g.combine([(1, a.value), (1, b.value), (-2, both)])
        step = None if g.is_fuzzy(differ) else ONE
        return self.from_value(tighten(differ, 0.0, 1.0, step)).negated()

    def either(self, c: Bool, a: Bool, b: Bool) -> Bool:
        """a where c holds, else b."""
        both = [self.conjunction([c, a]), self.conjunction([c.negated(), b])]
        return self.disjunction(both)

    def absolute(self, d: Form) -> Form:
        """|d| = r(d) + r(-d)."""
        g = self.graph
        return g.combine([(1, g.relu(d)), (1, g.relu(g.combine([(-1, d)])))])

    def apart(self, d: Form) -> Form:
        """0 where an integer d is 0, else at least 3/2: r(2 d - 1/2) + r(-2 d - 1/2)."""
        g = self.graph
        return g.combine((1, g.relu(g.combine([(c, d)], Fraction(-1, 2)))) for c in (2, -2))

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
            low = exactly(a.lo)
            shifted = self._switched(g.combine([(1, a)], -low), falsity, a.hi - a.lo, span)
            return g.combine([(1, shifted), (-low, falsity)], low)
        most = max(-a.lo, a.hi)
        up = self._switched(a, falsity, most, span)
        down = self._switched(g.combine([(-1, a)]), falsity, most, span)
        for atom in (*up.terms, *down.terms):  # never both
            g.families.setdefault(atom, -1 - min(up.terms, default=0))
        return g.combine([(1, up), (-1, down)])

    def choose(self, c: Bool, a: Form, b: Form, span: Span | None = None) -> Form:
        return chosen(self, c, a, b, span)

    def exclude(self, forms: Iterable[Form]) -> None:
        """Note that of forms that this logic switches at most one is not 0 at a time."""
        self.graph.exclude(forms)

    def _light(self, c: Bool, most: float) -> Form:
        """The falsity, made exactly 0 or 1 first where its multiple by `most` would lose digits."""
        g = self.graph
        falsity = c.falsity
        terms = [
            (float(c) * g.atoms[a].lo, float(c) * g.atoms[a].hi) for a, c in falsity.terms.items()
        ]
        weight = largest_partial_sum([*terms, (float(falsity.const),) * 2])
        if weight <= 1 or (falsity.hi <= MAX_FALSITY and weight * most < self.max_switch):
            return falsity
        if falsity.hi > 1:
            return g.combine([(-1, saturated(g, falsity))], 1)
        return saturated(g, c.truth) if c.truth.hi > 1 else falsity

    def _switched(self, a: Form, falsity: Form, most: float, span: Span | None) -> Form:
        """r(a - M falsity), M at least `most` >= max a."""
        g = self.graph
        binary = a.is_integral or (a.step is not None and is_power_of_two(a.step.denominator))
        factor = exactly(most) if binary else raised(most)
        result = g.relu(g.combine([(1, a), (-factor, falsity)]), span=span)
        if len(result.terms) == 1 and g.atoms[min(result.terms)].kind in (
            AtomKind.RELU,
            AtomKind.UNIT,
        ):
            (atom,) = result.terms
            if falsity.is_integral and not g.is_fuzzy(falsity):
                g.shutters[atom] = float(factor) - a.hi
            times = self._openings(falsity)
            if times is not None and not binary:  # without the eighth, errors of a could leak
                g.openings[atom] = times
            if self._is_nonnegative(falsity) and not falsity.terms.keys() & a.terms.keys():
                g.switches[atom] = frozenset(falsity.terms)
                g.margins[atom] = float(factor), a.hi, falsity.is_integral
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
