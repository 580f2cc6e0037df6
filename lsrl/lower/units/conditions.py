"""Booleans on a machine with gates, and what they switch.

A gate is a saturated function of a *margin*: an affine form that is at least 1/2 where a condition
holds and at most -1/2 where it does not. So a comparison costs nothing until its value is wanted,
and it can be read inside a gate. A conjunction keeps the margins of its parts; those that are 0/1
values already merge with another one by adding a multiple that outweighs it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from ...source import Span
from ..atoms import Form, constant, tighten
from ..logic import Boolean, chosen
from ..read_outs import on_clock

if TYPE_CHECKING:
    from .legalise import UnitLegaliser

HALF = Fraction(1, 2)
Literals = tuple[Form, ...]


@dataclass(frozen=True, eq=False)
class Condition(Boolean):
    """All of the margins are positive; or, `negative`, not all. `known` is its 0/1 value if that is
    a form already. Without margins: true (or, negative, false)."""

    logic: GateLogic
    margins: Literals
    negative: bool = False
    known: Form | None = None

    @property
    def is_constant(self) -> bool:
        """Whether it holds always, or never."""
        return not self.margins

    @property
    def value(self) -> Form:
        """0 or 1, realised by units if it is not there yet."""
        return self.logic.value(self)

    @property
    def made(self) -> Form | None:
        """0 or 1 if that is there already."""
        return self.known if self.known is not None else self.logic.made(self)

    @property
    def forms(self) -> dict[str, Form]:
        """What there is of it without new units: its value, its one margin."""
        found = {} if self.made is None else {"value": self.made}
        if len(self.margins) == 1 and not self.negative:
            found["margin"] = self.margins[0]
        return found

    def negated(self) -> Condition:
        """The opposite: of one margin the other sign, else a note."""
        g = self.logic.graph
        known = None if self.known is None else g.combine([(-1, self.known)], 1)
        if len(self.margins) == 1:
            (margin,) = self.margins
            return Condition(self.logic, (g.combine([(-1, margin)]),), False, known)
        return Condition(self.logic, self.margins, not self.negative, known)

    @property
    def is_fuzzy(self) -> bool:
        """Whether a comparison of reals can leave it undetermined."""
        return any(m.step is None or self.logic.graph.is_fuzzy(m) for m in self.margins)


class GateLogic:
    """Booleans as margins. `lg` realises what must become units."""

    has_steps = True
    multiplies = False

    def __init__(self, lg: UnitLegaliser, guard: Fraction) -> None:
        self.lg, self.graph, self.guard = lg, lg.graph_of_units, guard
        self.deciding: frozenset[int] = frozenset()  # nodes of comparisons that decide a state

    # Conditions

    def constant(self, holds: bool) -> Condition:
        return Condition(self, (), not holds, constant(int(holds)))

    def from_value(self, value: Form) -> Condition:
        """A boolean that is there as 0 or 1."""
        if value.is_const:
            return self.constant(value.const > HALF)
        return Condition(self, (self.graph.shifted(value, -HALF),), False, value)

    def _from_margin(self, margin: Form) -> Condition:
        if margin.lo > 0 or margin.hi < 0:
            return self.constant(margin.lo > 0)
        return Condition(self, (margin,))

    def at_least(self, d: Form, k: int | Fraction) -> Condition:
        """d >= k for d on a lattice."""
        read = on_clock(self.graph, d, lambda v: int(v >= k))
        if read is not None:
            return self.from_value(read)
        step = d.step or Fraction(1)
        least = math.ceil(Fraction(k) / step)
        return self._from_margin(self.graph.combine([(1 / step, d)], HALF - least))

    def equals_zero(self, d: Form) -> Condition:
        """d == 0 for d on a lattice: d >= 0 and d <= 0."""
        read = on_clock(self.graph, d, lambda v: int(v == 0))
        if read is None:
            read = self.lg.on_delayed_choice(d, lambda v: int(v == 0))
        if read is not None:
            return self.from_value(read)
        below = self.graph.combine([(-1, d)])
        return self.conjunction([self.at_least(d, 0), self.at_least(below, 0)])

    equal = equals_zero

    def above(self, d: Form) -> Condition:
        """d > 0 for a real d: the margin is 1/2 where d is the guard band's half-width. What
        decides a state has a margin in the guard band, too."""
        soft = self._from_margin(self.graph.combine([(HALF / self.guard, d)]))
        if soft.is_constant or self.graph.maker not in self.deciding:
            return soft
        return self.from_value(self._decided(self.value(soft)))

    def _decided(self, value: Form) -> Form:
        """[a > b / 1.5], about 0.3, or its negation, for the unit a of a value: exactly 0 or 1.

        A number of p digits in 1/4..1/2 is k 2^-(p + 1). There 1.5 k is never B = 2^(p + 1) b, nor
        rounded to it, as B is odd and no multiple of 3: it is at least 1/2 from it.
        """
        g, p = self.graph, self.lg.options.digits
        ((a, c),) = value.terms.items()
        odd = next(b for b in range(int(0.9 * 2**p) | 1, 2**p, 2) if b % 3)
        gain = Fraction(self.lg.regime.gain)
        steep = (
            Fraction(2 ** (p + 3 + math.ceil(math.log2(gain)))) / gain
        )  # a power of 2 in weights
        above = [(Fraction(3, 2) * steep, g.atom_form(a))]
        margin = g.combine(above, -steep * Fraction(odd, 2 ** (p + 1)))
        decided = self.lg.indicator((margin,))
        (unit,) = decided.terms
        g.mark_crisp(unit)
        return decided if c > 0 else g.combine([(-1, decided)], 1)

    def conjunction(self, parts: Sequence[Condition]) -> Condition:
        """All of them."""
        values: list[Form] = []
        margins: dict[object, Form] = {}
        for part in parts:
            if part.is_constant:
                if part.negative:
                    return self.constant(False)
                continue
            if part.known is not None or part.negative:
                values.append(part.value)
            else:
                margins.update({m.key: m for m in part.margins})
        values = list({v.key: v for v in values}.values())
        if len(values) == 1 and not margins:
            return self.from_value(values[0])
        return self._merged(list(margins.values()), values)

    def _merged(self, margins: list[Form], values: list[Form]) -> Condition:
        g = self.graph
        if values and margins:
            weight = math.ceil(margins[0].hi + HALF)
            parts = [(1, margins[0]), *((weight, v) for v in values)]
            margins[0] = g.combine(parts, -weight * len(values))
        elif values:
            margins = [g.combine([(1, v) for v in values], HALF - len(values))]
        if any(m.hi < 0 for m in margins):
            return self.constant(False)
        margins = [m for m in margins if m.lo < 0]
        return Condition(self, tuple(margins)) if margins else self.constant(True)

    def disjunction(self, parts: Sequence[Condition]) -> Condition:
        """Any of them."""
        return self.conjunction([p.negated() for p in parts]).negated()

    def same(self, a: Condition, b: Condition) -> Condition:
        """Both or neither."""
        return self.equals_zero(self.graph.combine([(1, a.value), (-1, b.value)]))

    def either(self, c: Condition, a: Condition, b: Condition) -> Condition:
        """a where c holds, else b: as two conjunctions, or as numbers."""
        if c.is_constant:
            return b if c.negative else a

        def by_logic() -> Form:
            both = [self.conjunction([c, a]), self.conjunction([c.negated(), b])]
            return self.disjunction(both).value

        def by_number() -> Form:
            difference = self.graph.combine([(1, a.value), (-1, b.value)])
            parts = [(1, b.value), (1, self.gate(c, difference))]
            return tighten(self.graph.combine(parts), 0.0, 1.0, Fraction(1))

        return self.from_value(self.lg.cheapest([by_logic, by_number]))

    # Realisations

    def made(self, c: Condition) -> Form | None:
        """0 or 1 where a unit for it was made before."""
        form = self.graph.cache.get(_key(c.margins))
        if form is None or not c.negative:
            return form
        return self.graph.combine([(-1, form)], 1)

    def value(self, c: Condition) -> Form:
        """0 or 1 as a form; equal conditions, and their negations, are one unit."""
        if c.known is not None:
            return c.known
        if c.is_constant:
            return constant(int(not c.negative))
        if c.negative:
            return self.graph.combine([(-1, self.value(c.negated()))], 1)
        if len(c.margins) == 1:
            key = _key(c.negated().margins)
            if key in self.graph.cache:
                return self.graph.combine([(-1, self.graph.cache[key])], 1)
        key = _key(c.margins)
        if key not in self.graph.cache:
            self.graph.cache[key] = self.lg.indicator(c.margins)
        return self.graph.cache[key]  # type: ignore[no-any-return]

    def margin(self, c: Condition) -> Form:
        """A single margin of a condition that is not constant."""
        if len(c.margins) == 1 and not c.negative:
            return c.margins[0]
        return self.graph.shifted(self.value(c), -HALF)

    def margins(self, c: Condition, most: int) -> Literals:
        """At most so many margins whose conjunction a condition is."""
        if c.negative or len(c.margins) <= most:
            return (self.margin(c),) if c.negative else c.margins
        kept, rest = c.margins[: most - 1], c.margins[most - 1 :]
        return (*kept, self.margin(self.all_of(rest)))

    def all_of(self, margins: Literals) -> Condition:
        """A conjunction in which so many margins as a unit takes are made a value at a time."""
        size = self.lg.machine.margins
        if len(margins) <= size:
            return Condition(self, margins)
        chunks = [margins[i : i + size] for i in range(0, len(margins), size)]
        return self._merged([], [self.value(Condition(self, chunk)) for chunk in chunks])

    def gate(self, c: Condition, a: Form, span: Span | None = None) -> Form:
        """a where c holds, else 0; between the two where c is undetermined."""
        g = self.graph
        if c.is_constant:
            return constant(0) if c.negative else a
        if a.is_const:
            return g.combine([(a.const, self.value(c))])
        if c.negative:
            rest = g.combine([(1, a), (-1, self.gate(c.negated(), a, span))])
            return tighten(rest, min(a.lo, 0.0), max(a.hi, 0.0), a.step)
        return self.lg.select(c, a, span)

    def choose(self, c: Condition, a: Form, b: Form, span: Span | None = None) -> Form:
        return chosen(self, c, a, b, span)

    def exclude(self, forms: Iterable[Form]) -> None:
        self.graph.exclude(forms)

    def relu(self, form: Form, span: Span | None = None) -> Form:
        """max(form, 0)."""
        if form.lo >= 0:
            return form
        return constant(0) if form.hi <= 0 else self.lg.relu(form, span)

    def exact(self, c: Condition) -> Form:
        return self.value(c)


def _key(margins: Literals) -> tuple[object, ...]:
    return "value", frozenset(m.key for m in margins)
