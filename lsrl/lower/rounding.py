"""The certificate: how far the machine's numbers can be from the program's meaning.

For every value that passes between layers the analysis bounds the absolute error, from the weights
and the ranges, for any order of summation and with or without fused multiply-add: an affine form
of n terms adds at most gamma = k u / (1 - k u) times the sum of |w| max|x|, where k counts n - 1
additions, 1 for products (none if all weights are powers of two) and 1 for weights that the dtype
cannot hold (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1). Where
all terms lie on one binary lattice and fit the digits of the dtype, nothing is rounded. ReLU does
not increase errors; a saturating unit hides them; a state adds up |A^k| times what each step adds,
over the length. A product of a and b, off by e and f, is off by |a| f + |b| e + e f and a rounding
of itself. What a realisation only approximates adds its own error (`Atom.approximation`). Numbers
below the normal range add a fixed error an operation; a sum that can pass the largest number of the
dtype is refused. Sums that are kept in a wider format, as bfloat16's often are, and rounded at the
end are nearer than what is bounded here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

from ..analysis.dependence import Row
from ..analysis.lattice import gcd
from ..analysis.linear import linear_ranges
from ..dtypes import of_digits
from ..source import Span
from .atoms import Atom, AtomGraph, Form
from .bounds import ZERO, Bound
from .coefficients import Coefficient
from .layers import Affine, Layer, Layered, Source, StateLane, Unit
from .precision import Precision
from .scan import scanned

ROUNDS, SLACK = 20, 1.01  # of the search for errors of states that imply themselves
HIDDEN = 0.25  # the error of what a decision reads that does not show
SATURATION_MARGIN = 1.0  # the error of its argument that a saturating unit hides (logic.above: 1.5)


class Rectified(Protocol):
    """What the analysis reads of a unit with a ReLU."""

    @property
    def affine(self) -> Affine: ...

    @property
    def atom(self) -> int: ...

    @property
    def label(self) -> str: ...

    @property
    def span(self) -> Span | None: ...


def certify(
    graph: AtomGraph, machine: Layered, digits: int, length: int, refuses: bool = True,
    scan: bool = False,
) -> list[Bound]:  # fmt: skip
    """Error bounds of the outputs, in the order of the last layer's units, in the dtype of so many
    digits. Where its range is too small they are infinite, or (`refuses`) it raises
    `UnsupportedError` E805. `scan`: where an associative scan computes the states (scan.py)."""
    analysis = Analysis(graph, digits, length, refuses, scan)
    bounds = [analysis.input(form) for form in machine.layers[0].inputs]
    for layer in machine.layers:
        bounds = analysis.layer(layer, bounds, last=layer is machine.layers[-1])
    if analysis.precision.passed:
        return [b.plus(math.inf, b.span, b.label) for b in bounds]
    return bounds


class Analysis:
    """Errors of affine forms."""

    def __init__(
        self, graph: AtomGraph, digits: int, length: int, refuses: bool = True, scan: bool = False
    ) -> None:
        self.graph, self.digits, self.length, self.scan = graph, digits, length, scan
        self.precision = Precision(graph, of_digits(digits), refuses)
        self.dtype = self.precision.dtype

    def input(self, form: Form) -> Bound:
        """Inputs are rounded to the dtype: reals, and integers of too many digits."""
        most = max(abs(form.lo), abs(form.hi))
        if not most <= self.dtype.largest:
            (atom,) = form.terms
            self.precision.overflow(f"the input `{self.graph.atoms[atom].label}`", None)
        if self.precision.on_lattice(form.step, most):
            return ZERO
        return Bound(self.dtype.unit_roundoff * most + self.dtype.underflow)

    def layer(self, layer: Layer, inputs: list[Bound], last: bool) -> list[Bound]:
        errors: dict[Source, Bound] = {("x", i): b for i, b in enumerate(inputs)}
        forms: dict[Source, Form] = {("x", i): f for i, f in enumerate(layer.inputs)}
        for k, lane in enumerate(layer.lanes):
            forms["s", k] = self.graph.atom_form(lane.atom)
        before = dict(forms)
        for k, lane in enumerate(layer.lanes):
            before["s", k] = _before(forms["s", k], lane)
        wholes = [_whole(lane) for lane in layer.lanes]
        for k, bound in enumerate(self._states(layer, wholes, errors, forms, before)):
            errors["s", k] = bound
        for lane, affine in zip(layer.lanes, wholes, strict=True):
            self.precision.check_range(affine, errors, before, self.span(lane), lane.init)
        result = []
        for unit in layer.units:
            if unit.factor is not None:
                result.append(self._product(unit, unit.factor, errors, forms))
                continue
            bound = self.rectified(unit, errors, forms)
            if unit.atom < 0 and not last and unit.form.lo < 0:
                bound = bound.plus(-unit.form.lo, unit.span, unit.label)  # cut off by the ReLU
            result.append(self.saturated(unit, bound, errors) if unit.saturating else bound)
        return result

    def rectified(
        self, unit: Rectified, errors: Mapping[Source, Bound], forms: Mapping[Source, Form]
    ) -> Bound:
        """The error of the form that a ReLU takes in, as far as it can show after the ReLU."""
        affine = self.opened(unit, errors, forms)
        bound = self.affine(affine, errors, forms, unit.span, unit.label)
        self.precision.check_range(unit.affine, errors, forms, unit.span)
        if unit.atom >= 0 and (own := self.graph.atoms[unit.atom].approximation):
            bound = bound.plus(own, unit.span, unit.label)
        leak = self.leak(unit, affine, errors, forms)
        if leak > bound.error:
            bound = bound.plus(leak - bound.error, unit.span, unit.label)
        return bound

    def _product(
        self, unit: Unit, factor: Affine, errors: Mapping[Source, Bound],
        forms: Mapping[Source, Form],
    ) -> Bound:  # fmt: skip
        """|a| f + |b| e + e f for factors a, b that are off by e, f; and the product's rounding:
        none where a factor is exactly 0 or 1, or where all its multiples fit the digits."""
        atom = self.graph.atoms[unit.atom]
        a, b = atom.operands
        e, f = (self.affine(x, errors, forms, unit.span, unit.label) for x in (unit.affine, factor))
        for x in (unit.affine, factor):
            self.precision.check_range(x, errors, forms, unit.span)
        high_a, high_b = (max(-x.lo, x.hi) for x in (a, b))
        bounds = e.times(high_b), f.times(high_a)
        worse = max(bounds, key=lambda x: x.worst)
        result = Bound(bounds[0].error + bounds[1].error, worse.worst, worse.span, worse.label)
        if e.error and f.error:
            result = result.plus(e.error * f.error, unit.span, unit.label)
        if self._is_exact_product(atom, e, f):
            return result
        most = (high_a + e.error) * (high_b + f.error)
        return result.plus(
            self.dtype.unit_roundoff * most + self.dtype.underflow, unit.span, unit.label
        )

    def _is_exact_product(self, atom: Atom, e: Bound, f: Bound) -> bool:
        for x, error in zip(atom.operands, (e.error, f.error), strict=True):
            if x.is_boolean and not error and not self.graph.is_fuzzy(x):
                return True
        most = max(-atom.lo, atom.hi)
        return not e.error and not f.error and self.precision.on_lattice(atom.step, most)

    def saturated(self, unit: Rectified, bound: Bound, errors: Mapping[Source, Bound]) -> Bound:
        """What a saturating unit lets through. A comparison of reals has a margin on both sides.
        r(1 - falsity) has none where it is 1, but there all falsities are 0 and nothing is
        rounded: only the errors that they bring show."""
        if not bound.error < SATURATION_MARGIN:
            return bound.plus(math.inf, unit.span or bound.span, "")
        brought = any(errors[source].error for source in unit.affine.row)
        is_boolean = self.graph.atoms[unit.atom].step is not None
        return bound if is_boolean and brought else ZERO

    def decided(self, affine: Affine, errors: Mapping[Source, Bound]) -> Bound:
        """A step of a decision (logic.py) reads one value. What that is off by, and rounding, do
        not show while they leave it on its side of the threshold."""
        for source in affine.row:
            if not errors[source].error < HIDDEN:
                return errors[source].plus(math.inf, errors[source].span, "")
        return ZERO

    def opened(
        self, unit: Rectified, errors: Mapping[Source, Bound], forms: Mapping[Source, Form]
    ) -> Affine:
        """A gate r(a - M falsity) without its falsity: while it is open that is exactly 0."""
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

    def leak(
        self,
        unit: Rectified,
        opened: Affine,
        errors: Mapping[Source, Bound],
        forms: Mapping[Source, Form],
    ) -> float:
        """What a closed gate r(a - M falsity) can let through, a <= high and falsity 1 or more.

        It is most where the falsity is 1: the error of a, less M - high, and rounding. Nothing is
        rounded there if all lies on a lattice, and at 2 or more M alone outweighs the rounding.

        Where one term alone makes the falsity, -M is exact beside the terms of a, P above 0 and -N
        below. The last addition rounds what it lets through; those before it, and the products,
        are off by gamma max(P, N + M), gamma that of a itself. P - N - M plus that is at most
        (1 - gamma) (high - M) + gamma P, whichever is larger.
        """
        if unit.affine.row.keys() == opened.row.keys():
            return 0.0
        most, high, whole = self.graph.margins[unit.atom]
        own = self.precision.magnitude(opened, forms)
        brought = sum(abs(float(c)) * errors[source].error for source, c in opened.row.items())
        gamma = self.precision.gamma(unit.affine, forms, errors)
        if gamma >= 1 or not math.isfinite(brought):
            return math.inf
        step = self.precision.lattice(unit.affine, forms)
        if whole and not brought and self.precision.on_lattice(step, own + most):
            return max(0.0, high - 2 * most + gamma * (own + 2 * most))
        if self._shuts_alone(unit, opened, forms, most):
            gamma = self.precision.gamma(opened, forms, errors)
            open_ = brought + (1 - gamma) * (high - most) + gamma * (own + brought)
            return open_ * (1 + self.dtype.unit_roundoff)
        return brought + high - most + gamma * (own + brought + most)

    def _shuts_alone(
        self, unit: Rectified, opened: Affine, forms: Mapping[Source, Form], most: float
    ) -> bool:
        """Whether a falsity of 1 is one integer of it, times a weight that is exactly -M."""
        weights = {s: c for s, c in unit.affine.row.items() if s not in opened.row}
        return all(forms[s].is_integral and c == -most for s, c in weights.items()) and all(
            map(self.precision.holds, weights.values())
        )

    def _states(
        self,
        layer: Layer,
        wholes: Sequence[Affine],
        errors: Mapping[Source, Bound],
        forms: Mapping[Source, Form],
        before: Mapping[Source, Form],
    ) -> list[Bound]:
        """|A^k| times the error of each step, summed over the length. `wholes`: the next value of
        each lane."""
        if not layer.lanes:
            return []
        if self.scan:
            return scanned(self, layer, errors, forms, before)
        known = {**errors, **{("s", j): ZERO for j in range(len(layer.lanes))}}
        added = []
        for lane, affine in zip(layer.lanes, wholes, strict=True):
            label = self.graph.atoms[lane.atom].label
            added.append(self.affine(affine, known, before, self.span(lane), label))
        unbounded = [b for b in added if not math.isfinite(b.error)]
        if unbounded:
            return unbounded[:1] * len(added)
        starts = [self.start(lane.init) for lane in layer.lanes]
        if not any(b.error for b in added) and not any(high for _, high in starts):
            return added
        times = [self.openings(lane, forms) for lane in layer.lanes]
        gammas = [self.precision.gamma(affine, before, known) for affine in wholes]
        totals = self._accumulated(layer, added, times, gammas, starts)
        return [
            Bound(total, b.worst * (total / b.error if b.error else 1), b.span, b.label)
            for total, b in zip(totals, added, strict=True)
        ]

    def _accumulated(
        self,
        layer: Layer,
        added: list[Bound],
        times: list[int | None],
        gammas: list[float],
        starts: list[tuple[float, float]],
    ) -> list[float]:
        """Errors of the lanes after the last step.

        A step rounds the state with its error, not the ideal one. So errors are assumed, a little
        larger than those of the round before, until what follows from them is no larger: then, by
        induction over the steps, they hold.
        """
        errors = self._grown(layer, [b.error for b in added], times, starts)
        for _ in range(ROUNDS):
            assumed = [e * SLACK for e in errors]
            steps = [
                b.error + gamma * sum(abs(float(c)) * assumed[j] for j, c in lane.row.items())
                for b, gamma, lane in zip(added, gammas, layer.lanes, strict=True)
            ]
            errors = self._grown(layer, steps, times, starts)
            if all(e <= a for e, a in zip(errors, assumed, strict=True)):
                return errors
        return [math.inf] * len(added)

    def _grown(
        self,
        layer: Layer,
        steps: list[float],
        times: list[int | None],
        starts: list[tuple[float, float]],
    ) -> list[float]:
        """The sum of |A^k| times the error of each step."""
        if not all(map(math.isfinite, steps)):
            return [math.inf] * len(steps)
        lanes = [(0, k) for k in range(len(layer.lanes))]
        signed: list[Row] = [{(0, j): c for j, c in lane.row.items()} for lane in layer.lanes]
        grown = linear_ranges(lanes, signed, starts, [(-e, e) for e in steps], self.length)
        totals = [max(-low, high) for low, high in grown]
        for k, most in enumerate(times):
            if most is not None and signed[k] == {(0, k): 1}:  # nothing is added at other steps
                totals[k] = starts[k][1] + most * steps[k]
        return totals

    def span(self, lane: StateLane) -> Span | None:
        """Where in the program a lane comes from."""
        return self.graph.atoms[lane.atom].span

    def start(self, init: Coefficient) -> tuple[float, float]:
        """The rounding of an initial value."""
        if self.precision.holds(init):
            return 0.0, 0.0
        most = abs(float(init)) * self.dtype.unit_roundoff + self.dtype.underflow
        return -most, most

    def openings(self, lane: StateLane, forms: Mapping[Source, Form]) -> int | None:
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
            if not math.isfinite(bound.error):
                return bound
            exact = False
            own = abs(float(c)) * bound.error
            family = self.precision.family(forms[source])
            counted = own
            if family is not None:  # one is open; an inexact selector may half open its neighbour
                two = sorted([*families.get(family, []), own])[-2:]
                counted = sum(two) - sum(families.get(family, []))
                families[family] = two
            worst = abs(float(c)) * bound.worst
            total = result.error + counted
            if worst >= result.worst:
                result = Bound(total, worst, bound.span, bound.label)
            else:
                result = Bound(total, result.worst, result.span, result.label)
        if exact and self.precision.is_exact(affine, forms):
            return result
        own = self.precision.rounding(affine, forms, errors, result.error)
        return result.plus(own, span, label) if own else result


def _whole(lane: StateLane) -> Affine:
    """The next value of a lane as one form."""
    row: dict[Source, Coefficient] = {("s", j): c for j, c in lane.row.items()}
    return Affine({**lane.added.row, **row}, lane.added.const)


def _before(form: Form, lane: StateLane) -> Form:
    """What is known of a lane one step ago: its initial value is not among the emitted ones."""
    init = float(lane.init)
    if init == 0 and form.lo <= 0 <= form.hi and form.step is not None:
        return form
    step = gcd([form.step, lane.init])
    return Form(form.terms, form.const, min(form.lo, init), max(form.hi, init), step)
