"""Exact coefficients: their arithmetic, and which numbers have so many binary digits."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any, TypeVar

from ..analysis.lattice import ONE, gcd

Coefficient = int | Fraction
Key = TypeVar("Key")
LARGEST = Fraction(sys.float_info.max)


def magnitude(c: Coefficient) -> Coefficient:
    """|c|: `abs` makes a new fraction of one that is not negative."""
    return c if c >= 0 else -c


def whole(c: Coefficient) -> Coefficient:
    """An integer as an `int`, of which sums and products take a tenth of a fraction's time."""
    return c.numerator if c.denominator == 1 else c


def exactly(x: float) -> Coefficient:
    """A float as the number that it is."""
    nearest = int(x)
    return nearest if nearest == x else Fraction(x)


def raised(most: float) -> Fraction:
    """A short binary number at least an eighth above."""
    exponent = 2.0**-8
    while exponent < most / 4:
        exponent *= 2
    return Fraction(exponent) * int(most * 1.125 / exponent + 1)


def is_power_of_two(c: Coefficient) -> bool:
    """Whether |c| is a power of two: products with it are not rounded."""
    if isinstance(c, int):
        return c != 0 and abs(c) & (abs(c) - 1) == 0
    return all(k & (k - 1) == 0 for k in (abs(c.numerator), c.denominator))


def add_scaled(
    row: dict[Key, Coefficient], other: Mapping[Key, Coefficient], factor: Coefficient
) -> None:
    """row += factor * other, in place; what cancels stays as a 0. Sums with 0 and products with 1
    are not computed: between an integer and a fraction even those are slow."""
    scaled = other.items() if factor == 1 else [(a, factor * c) for a, c in other.items()]
    for a, c in scaled:
        row[a] = row[a] + c if a in row else c


def scaled_step(step: Fraction | None, c: Coefficient) -> int | Fraction | None:
    """The lattice of c times a value on the lattice of `step`, up to its sign."""
    if step is None:
        return None
    if step is ONE or step == 1:
        return c
    return step if c == 1 or c == -1 else step * c


def primitive(
    terms: Mapping[Any, Coefficient],
) -> tuple[tuple[tuple[Any, Coefficient], ...], Fraction]:
    """Coefficients as coprime integers, the first one positive, and the factor taken out. Where one
    of the integers would be too large for a float: as fractions, the first one 1."""
    if len(terms) == 1:
        ((a, c),) = terms.items()
        if c:
            return ((a, 1),), Fraction(c)
    items = sorted(terms.items())
    if items and all(type(c) is int for _, c in items):
        divisor = math.gcd(*(int(c) for _, c in items)) or 1
        divisor = -divisor if items[0][1] < 0 else divisor
        return tuple((a, int(c) // divisor) for a, c in items), Fraction(divisor)
    factor = gcd(c for _, c in items)
    if factor is None:  # a finer lattice than `gcd` follows
        denominator = math.lcm(*(Fraction(c).denominator for _, c in items))
        factor = Fraction(math.gcd(*(int(c * denominator) for _, c in items)), denominator)
        if any(magnitude(c) > factor * LARGEST for _, c in items):
            first = Fraction(items[0][1])
            return tuple((a, Fraction(c) / first) for a, c in items), first
    factor = factor or Fraction(1)
    if items and items[0][1] < 0:
        factor = -factor
    if factor == 1:
        return tuple((a, int(c)) for a, c in items), factor
    return tuple((a, int(c / factor)) for a, c in items), factor


def largest_partial_sum(ends: Iterable[tuple[float, float]]) -> float:
    """The largest magnitude of the sum of some of the terms, each between its two ends."""
    low = high = 0.0
    for a, b in ends:
        low, high = low + min(a, b, 0.0), high + max(a, b, 0.0)
    return max(-low, high)


def fits(step: Fraction | None, total: float, digits: int) -> bool:
    """Whether every multiple of `step` up to `total` in magnitude has so many binary digits at
    most. Only powers of two count: 9 k has more digits than k.
    """
    if step is None or not math.isfinite(total):
        return False
    if step is ONE or step == 1:
        return total <= 2.0**digits
    if step == 0:
        return True
    if step.denominator & (step.denominator - 1):
        return False
    unit = Fraction(step.numerator & -step.numerator, step.denominator)
    return total / float(unit) <= 2.0**digits


def representable(c: Coefficient, digits: int) -> bool:
    """Whether a coefficient has so many binary digits at most."""
    if isinstance(c, int) and abs(c) < 1 << digits:
        return True
    numerator, denominator = c.numerator, c.denominator
    odd = abs(numerator) >> max((numerator & -numerator).bit_length() - 1, 0)
    dyadic = denominator & (denominator - 1) == 0
    return dyadic and odd.bit_length() <= digits
