"""What a dtype does to an affine form: where nothing is rounded, and by how much otherwise.

Everything here holds for any order of summation, with each product and each partial sum rounded to
the dtype or kept in a wider one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

from ..analysis.lattice import ONE, gcd
from ..dtypes import DType
from ..errors import UnsupportedError
from ..source import Span
from .atoms import AtomGraph, Form
from .bounds import Bound
from .coefficients import (
    Coefficient,
    fits,
    is_power_of_two,
    magnitude,
    representable,
    scaled_step,
)
from .layers import Affine, Source

WIDER = {"float16": "bfloat16 or float32, ", "float32": "float64, ", "bfloat16": "float64, "}

Forms = Mapping[Source, Form]
Errors = Mapping[Source, Bound]
Ends = Mapping[Source | int, tuple[float, float]]


class Precision:
    """Numbers and sums of a dtype. `graph` knows which atoms exclude each other. `refuses`: numbers
    beyond its range are an error; otherwise they are noted, in `passed`."""

    def __init__(self, graph: AtomGraph, dtype: DType, refuses: bool = True) -> None:
        self.graph, self.dtype, self.refuses = graph, dtype, refuses
        self.passed = False
        self._whole = 1 << dtype.digits  # integers below are held as they are
        self._last: tuple[Affine, Forms, Ends] | None = None

    # Numbers

    def on_lattice(self, step: Fraction | None, most: float) -> bool:
        """Whether every multiple of `step` up to `most` is a number of the dtype."""
        if not fits(step, most, self.dtype.digits):
            return False
        return step is ONE or not step or last_bit(step) >= self.dtype.finest

    def holds(self, c: Coefficient) -> bool:
        """Whether a coefficient is a number of the dtype, if it is not beyond the largest."""
        if isinstance(c, int):
            return -self._whole < c < self._whole or representable(c, self.dtype.digits)
        return (representable(c, self.dtype.digits) and last_bit(c) >= self.dtype.finest) or c == 0

    # Sums

    def family(self, form: Form) -> int | None:
        """The family of exclusive units that a carried value belongs to."""
        if len(form.terms) != 1 or form.const != 0:
            return None
        (atom,) = form.terms
        return self.graph.families.get(atom)

    def is_exact(self, affine: Affine, forms: Forms) -> bool:
        """Whether nothing is rounded where the sources have no errors."""
        if not all(map(self.holds, (*affine.row.values(), affine.const))):
            return False
        low = high = float(affine.const)
        low, high = min(low, 0.0), max(high, 0.0)
        for least, most in self._ends(affine, forms).values():
            low, high = low + least, high + most
        return self.on_lattice(self.lattice(affine, forms), max(-low, high))

    def lattice(self, affine: Affine, forms: Forms) -> Fraction | None:
        """What all terms, and so all partial sums, are multiples of."""
        steps = [scaled_step(forms[source].step, c) for source, c in affine.row.items()]
        return gcd([affine.const, *steps])

    def _ends(self, affine: Affine, forms: Forms) -> Ends:
        """The range of each term, or family of terms, with 0. It is asked for twice in a row;
        `forms` may gain sources meanwhile, and nothing else."""
        if self._last is not None and self._last[0] is affine and self._last[1] is forms:
            return self._last[2]
        ends: dict[Source | int, tuple[float, float]] = {}
        families = self.graph.families
        for source, c in affine.row.items():
            form = forms[source]
            factor = c if type(c) is int else c.numerator / c.denominator
            low, high = factor * form.lo, factor * form.hi
            if factor < 0:
                low, high = high, low
            key: Source | int = source
            if families and len(form.terms) == 1 and not form.const:
                (atom,) = form.terms
                key = families.get(atom, source)
            if key in ends:
                before = ends[key]
                ends[key] = min(low, before[0]), max(high, before[1])
            else:
                ends[key] = min(low, 0.0), max(high, 0.0)
        self._last = affine, forms, ends
        return ends

    def magnitude(self, affine: Affine, forms: Forms) -> float:
        """The sum of |w| max|x|, of a family the largest."""
        ends = self._ends(affine, forms).values()
        return abs(float(affine.const)) + sum([max(-low, high) for low, high in ends])

    def gamma(self, affine: Affine, forms: Forms, errors: Errors) -> float:
        """The error of computing a form, relative to the sum of its terms' magnitudes."""
        if self.is_copy(affine, forms) or (not affine.row and self.holds(affine.const)):
            return 0.0
        terms: set[Source | int] = set()
        half_open: set[int] = set()  # an inexact selector may half open its neighbour
        for source in affine.row:
            family = self.family(forms[source])
            terms.add(source if family is None else family)
            if family is not None and errors[source].error:
                half_open.add(family)
        count = len(terms) + len(half_open) + int(affine.const != 0) - 1
        count += not all(map(self.holds, (*affine.row.values(), affine.const)))
        count += not all(map(is_power_of_two, affine.row.values()))
        n = count * self.dtype.unit_roundoff
        return n / (1 - n) if n < 1 else math.inf

    def is_copy(self, affine: Affine, forms: Forms) -> bool:
        """A single term times a power of two, without a bias: never rounded."""
        if len(affine.row) != 1 or affine.const != 0:
            return False
        ((_, c),) = affine.row.items()
        return is_power_of_two(c)

    def rounding(self, affine: Affine, forms: Forms, errors: Errors, brought: float) -> float:
        """What computing a form adds to the error `brought` by its sources."""
        gamma = self.gamma(affine, forms, errors)
        own = gamma * (self.magnitude(affine, forms) + brought) if gamma else 0.0
        return own + self._underflow(affine, forms, errors)

    def _underflow(self, affine: Affine, forms: Forms, errors: Errors) -> float:
        """Errors of weights and products below the normal range."""
        total = float(not self.holds(affine.const))
        for source, c in affine.row.items():
            if errors[source].error or not self._is_normal(c, forms[source].step):
                if not self.dtype.flushes and is_power_of_two(c) and magnitude(c) >= 1:
                    continue
                form = forms[source]
                total += 1 + abs(float(c)) + max(abs(form.lo), abs(form.hi))
        return total * self.dtype.underflow

    def _is_normal(self, c: Coefficient, step: Fraction | None) -> bool:
        """Whether c, the multiples of `step` and those of both cannot underflow."""
        if step == 0 or c == 0:
            return True
        fine = self.dtype.finest
        return step is not None and min(last_bit(c), last_bit(step), last_bit(c * step)) >= fine

    # Range

    def check_range(
        self,
        affine: Affine,
        errors: Errors,
        forms: Forms,
        span: Span | None,
        init: Coefficient = 0,
    ) -> None:
        """Refuse a form of which a weight, a partial sum or the start can pass the largest
        number."""
        brought = 0.0
        weight = max(abs(float(affine.const)), abs(float(init)))
        for source, c in affine.row.items():
            own = abs(float(c))
            weight = own if own > weight else weight
            if error := errors[source].error:
                brought += own * error
        most = self.magnitude(affine, forms) + brought
        if 2 * max(weight, most) <= self.dtype.largest or not math.isfinite(brought):
            return
        gamma = self.gamma(affine, forms, errors)
        if not max(weight, most * (1 + gamma)) <= self.dtype.largest and math.isfinite(gamma):
            self.overflow("a value here", span)

    def overflow(self, what: str, span: Span | None) -> None:
        """Refuse numbers beyond the dtype's range: `UnsupportedError` E805."""
        self.passed = True
        if not self.refuses:
            return
        largest = self.dtype.largest
        message = f"in {self.dtype.name} {what} can pass {largest:.6g}, the largest number there is"
        wider = WIDER.get(self.dtype.name, "")
        help = f"use {wider}a shorter --length or narrower bounds"
        raise UnsupportedError.at("E805", span, message, help)


def last_bit(c: Coefficient) -> float:
    """The largest power of two of which a binary fraction is a multiple; 0 for other fractions."""
    if c.denominator & (c.denominator - 1):
        return 0.0
    return (c.numerator & -c.numerator) / c.denominator
