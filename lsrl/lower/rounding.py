"""The certificate: how far the machine's numbers can be from the program's meaning.

For every value that passes between layers the analysis bounds the absolute error, from the weights
and the ranges, for any order of summation and with or without fused multiply-add: an affine form
of n terms adds at most gamma = k u / (1 - k u) times the sum of |w| max|x|, where k counts n - 1
additions, 1 for products (none if all weights are powers of two) and 1 for weights that the dtype
cannot hold (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1). Where
all terms lie on one binary lattice and fit the digits of the dtype, nothing is rounded. ReLU does
not increase errors; a saturating unit hides them; a state adds up |A^k| times what each step adds,
over the length. A product of a and b, off by e and f, is off by |a| f + |b| e + e f and a rounding
of itself. What a realisation only approximates adds its own error (`Atom.approximation`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from ..analysis.dependence import Row
from ..analysis.lattice import gcd
from ..analysis.linear import linear_ranges
from ..source import Span
from .atoms import Atom, AtomGraph, Coefficient, Form, fits, largest_partial_sum, representable
from .layers import Affine, Layer, Layered, Source, StateLane, Unit

DIGITS = {"float32": 24, "float64": 53}
SATURATION_MARGIN = 1.0  # the error of its argument that a saturating unit hides (logic.above: 1.5)


@dataclass(frozen=True)
class Bound:
    """An error bound and the place of the operation that adds most to it."""

    error: float
    worst: float = 0.0
    span: Span | None = None
    label: str = ""

    def plus(self, own: float, span: Span | None, label: str) -> Bound:
        if own > self.worst:
            return Bound(self.error + own, own, span, label)
        return Bound(self.error + own, self.worst, self.span, self.label)


ZERO = Bound(0.0)


def certify(graph: AtomGraph, machine: Layered, digits: int, length: int) -> list[Bound]:
    """Error bounds of the outputs, in the order of the last layer's units."""
    analysis = Analysis(graph, digits, length)
    bounds = [analysis.input(form) for form in machine.layers[0].inputs]
    for layer in machine.layers:
        bounds = analysis.layer(layer, bounds, last=layer is machine.layers[-1])
    return bounds


class Analysis:
    """Errors of affine forms."""

    def __init__(self, graph: AtomGraph, digits: int, length: int) -> None:
        self.graph, self.digits, self.length = graph, digits, length
        self.unit_roundoff = 2.0**-digits

    def input(self, form: Form) -> Bound:
        """Inputs are rounded to the dtype: reals, and integers of too many digits."""
        most = max(abs(form.lo), abs(form.hi))
        return ZERO if fits(form.step, most, self.digits) else Bound(self.unit_roundoff * most)

    def layer(self, layer: Layer, inputs: list[Bound], last: bool) -> list[Bound]:
        errors: dict[Source, Bound] = {("x", i): b for i, b in enumerate(inputs)}
        forms: dict[Source, Form] = {("x", i): f for i, f in enumerate(layer.inputs)}
        for k, lane in enumerate(layer.lanes):
            forms["s", k] = self.graph.atom_form(lane.atom)
        for k, bound in enumerate(self._states(layer, errors, forms)):
            errors["s", k] = bound
        result = []
        for unit in layer.units:
            if unit.factor is not None:
                result.append(self._product(unit, unit.factor, errors, forms))
                continue
            affine = self.opened(unit, errors, forms)
            bound = self.affine(affine, errors, forms, unit.span, unit.label)
            if unit.atom >= 0 and (own := self.graph.atoms[unit.atom].approximation):
                bound = bound.plus(own, unit.span, unit.label)
            if unit.atom < 0 and not last and unit.form.lo < 0:
                bound = bound.plus(-unit.form.lo, unit.span, unit.label)  # cut off by the ReLU
            result.append(self.saturated(unit, bound, errors) if unit.saturating else bound)
        return result

    def _product(
        self, unit: Unit, factor: Affine, errors: Mapping[Source, Bound],
        forms: Mapping[Source, Form],
    ) -> Bound:  # fmt: skip
        """|a| f + |b| e + e f for factors a, b that are off by e, f; and the product's rounding:
        none where a factor is exactly 0 or 1, or where all its multiples fit the digits."""
        atom = self.graph.atoms[unit.atom]
        a, b = atom.operands
        e, f = (self.affine(x, errors, forms, unit.span, unit.label) for x in (unit.affine, factor))
        high_a, high_b = (max(-x.lo, x.hi) for x in (a, b))
        bounds = _scaled(e, high_b), _scaled(f, high_a)
        worse = max(bounds, key=lambda x: x.worst)
        result = Bound(bounds[0].error + bounds[1].error, worse.worst, worse.span, worse.label)
        if e.error and f.error:
            result = result.plus(e.error * f.error, unit.span, unit.label)
        if self._is_exact_product(atom, e, f):
            return result
        most = (high_a + e.error) * (high_b + f.error)
        return result.plus(self.unit_roundoff * most, unit.span, unit.label)

    def _is_exact_product(self, atom: Atom, e: Bound, f: Bound) -> bool:
        for x, error in zip(atom.operands, (e.error, f.error), strict=True):
            if x.is_boolean and not error and not self.graph.is_fuzzy(x):
                return True
        most = max(-atom.lo, atom.hi)
        return not e.error and not f.error and fits(atom.step, most, self.digits)

    def saturated(self, unit: Unit, bound: Bound, errors: Mapping[Source, Bound]) -> Bound:
        """What a saturating unit lets through. A comparison of reals has a margin on both sides.
        r(1 - falsity) has none where it is 1, but there all falsities are 0 and nothing is
        rounded: only the errors that they bring show."""
        if not bound.error < SATURATION_MARGIN:
            return bound.plus(math.inf, unit.span, "")
        brought = any(errors[source].error for source in unit.affine.row)
        is_boolean = self.graph.atoms[unit.atom].step is not None
        return bound if is_boolean and brought else ZERO

    def opened(
        self, unit: Unit, errors: Mapping[Source, Bound], forms: Mapping[Source, Form]
    ) -> Affine:
        """A gate r(a - M falsity) without its falsity: while it is open that is exactly 0, and when
        it is closed the argument is so far below 0 (M exceeds a by an eighth) that no rounding
        opens it."""
        switch = self.graph.switches.get(unit.atom)
        if switch is None:
            return unit.affine
        kept = {
            source: c
            for source, c in unit.affine.row.items()
            if errors[source].error
            or forms[source].const
            or not forms[source].terms.keys() <= switch
        }
        return Affine(kept, unit.affine.const)

    def _states(
        self, layer: Layer, errors: Mapping[Source, Bound], forms: Mapping[Source, Form]
    ) -> list[Bound]:
        """|A^k| times the error of each step, summed over the length."""
        if not layer.lanes:
            return []
        before = dict(forms)
        for k, lane in enumerate(layer.lanes):
            before["s", k] = _before(forms["s", k], lane)
        added, times = [], []
        for lane in layer.lanes:
            row = {**lane.added.row, **{("s", j): c for j, c in lane.row.items()}}
            known = {**errors, **{("s", j): ZERO for j in lane.row}}
            atom = self.graph.atoms[lane.atom]
            affine = Affine(row, lane.added.const)
            added.append(self.affine(affine, known, before, atom.span, atom.label))
            times.append(self._openings(lane, forms))
        unbounded = [b for b in added if not math.isfinite(b.error)]
        if unbounded:
            return unbounded[:1] * len(added)
        starts = [self._start(lane.init) for lane in layer.lanes]
        if not any(b.error for b in added) and not any(high for _, high in starts):
            return added
        lanes = [(0, k) for k in range(len(layer.lanes))]
        signed: list[Row] = [{(0, j): c for j, c in lane.row.items()} for lane in layer.lanes]
        steps = [(-b.error, b.error) for b in added]
        grown = linear_ranges(lanes, signed, starts, steps, self.length)
        for k, most in enumerate(times):
            if most is not None and signed[k] == {(0, k): 1}:  # nothing is added at other steps
                total = starts[k][1] + most * added[k].error
                grown[k] = -total, total
        return [
            Bound(
                max(-low, high),
                b.worst * (max(-low, high) / b.error if b.error else 1),
                b.span,
                b.label,
            )
            for (low, high), b in zip(grown, added, strict=True)
        ]

    def _start(self, init: Coefficient) -> tuple[float, float]:
        """The rounding of an initial value."""
        if representable(init, self.digits):
            return 0.0, 0.0
        most = abs(float(init)) * self.unit_roundoff
        return -most, most

    def _openings(self, lane: StateLane, forms: Mapping[Source, Form]) -> int | None:
        """In how many steps at most something other than 0 is added to a lane."""
        total = 0
        for source in lane.added.row:
            atoms = list(forms[source].terms)
            if len(atoms) != 1 or forms[source].const or atoms[0] not in self.graph.openings:
                return None
            total += self.graph.openings[atoms[0]]
        return total if lane.added.const == 0 else None

    def affine(
        self,
        affine: Affine,
        errors: Mapping[Source, Bound],
        forms: Mapping[Source, Form],
        span: Span | None,
        label: str,
    ) -> Bound:
        """The error of an affine form of sources with these errors and ideal values."""
        result = ZERO
        exact = True
        families: dict[int, list[float]] = {}
        for source, c in affine.row.items():
            bound = errors[source]
            if not bound.error:
                continue
            exact = False
            own = abs(float(c)) * bound.error
            family = self._family(forms[source])
            counted = own
            if family is not None and math.isfinite(
                own
            ):  # one is open; an inexact selector may half open its neighbour
                two = sorted([*families.get(family, []), own])[-2:]
                counted = sum(two) - sum(families.get(family, []))
                families[family] = two
            worst = abs(float(c)) * bound.worst
            total = result.error + counted
            if worst >= result.worst:
                result = Bound(total, worst, bound.span, bound.label)
            else:
                result = Bound(total, result.worst, result.span, result.label)
        own = self._rounding(affine, forms, exact, result.error)
        return result.plus(own, span, label) if own else result

    def _family(self, form: Form) -> int | None:
        """The family of exclusive units that a carried value belongs to."""
        if len(form.terms) != 1 or form.const != 0:
            return None
        (atom,) = form.terms
        return self.graph.families.get(atom)

    def _rounding(
        self, affine: Affine, forms: Mapping[Source, Form], exact: bool, brought: float
    ) -> float:
        """What computing a form adds to the error `brought` by its terms (0 if `exact`)."""
        if self.is_copy(affine, forms) or (
            not affine.row and representable(affine.const, self.digits)
        ):
            return 0.0
        steps: list[Fraction | None] = [abs(Fraction(affine.const))]
        ends: dict[Source | int, tuple[float, float]] = {}  # of each term, or family of terms
        coefficients = [*affine.row.values(), affine.const]
        count = int(affine.const != 0) - 1
        count += not all(representable(c, self.digits) for c in coefficients)
        count += not all(is_power_of_two(c) for c in affine.row.values())
        for source, c in affine.row.items():
            form = forms[source]
            steps.append(None if form.step is None else form.step * abs(Fraction(c)))
            exact = exact and representable(c, self.digits)
            low, high = sorted((float(c) * form.lo, float(c) * form.hi))
            family = self._family(form)
            key = source if family is None else family
            before = ends.get(key, (0.0, 0.0))
            ends[key] = min(low, before[0]), max(high, before[1])
        const = float(affine.const)
        largest = largest_partial_sum([(const, const), *ends.values()])
        if exact and fits(gcd(steps), largest, self.digits):
            return 0.0
        total = abs(const) + sum(max(-low, high) for low, high in ends.values())
        n = (count + len(ends)) * self.unit_roundoff
        return n / (1 - n) * (total + brought)

    def is_copy(self, affine: Affine, forms: Mapping[Source, Form]) -> bool:
        """A single term times a power of two, without a bias: never rounded."""
        if len(affine.row) != 1 or affine.const != 0:
            return False
        ((_, c),) = affine.row.items()
        return is_power_of_two(c)


def _scaled(bound: Bound, factor: float) -> Bound:
    """The bound of a multiple; 0 of nothing, and of an unbounded error, is 0."""
    if not factor or not bound.error:
        return ZERO
    return Bound(factor * bound.error, factor * bound.worst, bound.span, bound.label)


def _before(form: Form, lane: StateLane) -> Form:
    """What is known of a lane one step ago: its initial value is not among the emitted ones."""
    init = float(lane.init)
    step = gcd([form.step, abs(Fraction(lane.init))])
    return replace(form, lo=min(form.lo, init), hi=max(form.hi, init), step=step)


def is_power_of_two(c: Coefficient) -> bool:
    value = abs(Fraction(c))
    return all(k & (k - 1) == 0 for k in (value.numerator, value.denominator))
