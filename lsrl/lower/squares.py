"""Products of reals on a machine of ReLUs: squares, interpolated piecewise linearly.

With x = X + mid x, y = Y + mid y, and s the power of two nearest to the widths' ratio,

    x y = mid x * y + mid y * x - mid x * mid y + X Y,     X Y = ((s X + Y)^2 - (s X - Y)^2) / 4s.

A square is interpolated at the multiples of h on both sides of 0: h |z| and 2 h r(|z| - i h) for
i = 1, 2, ..., a sum of positive terms, which is up to h^2 / 4 above z^2 between two nodes. So X Y
is off by at most h^2 / 16 s, both ways; of the product of a value with itself, which is one square,
h^2 / 8 is taken off, which leaves an error of as much.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

from ..source import Span
from .atoms import Form, tighten
from .coefficients import Coefficient
from .unsupported import Unsupported

if TYPE_CHECKING:
    from .legalise import Legaliser

MAX_SEGMENTS = 4096
Parts = list[tuple[Coefficient, Form]]


def product(lg: Legaliser, a: Form, b: Form, span: Span | None) -> Form:
    """a * b within `options.error`, or `precision` of its range, as a unit of its own: the unit
    carries the error of the approximation to the certificate.

    Raises `Unsupported` E802 where a square would need more than 4,096 segments.
    """
    g = lg.atoms
    ends = [x * y for x in (a.lo, a.hi) for y in (b.lo, b.hi)]
    same = a.key == b.key
    low, high = (max(min(ends), 0.0) if same else min(ends)), max(ends)
    allowed = lg.options.error or lg.options.precision * (high - low)
    middle_a, middle_b = (_short((f.lo + f.hi) / 2) for f in (a, b))
    own_a, own_b = g.combine([(1, a)], -middle_a), g.combine([(1, b)], -middle_b)
    linear: Parts = [(middle_a, b), (middle_b, a)]
    if same:
        square, h = _square(lg, own_a, math.sqrt(8 * allowed), span)
        parts, shift, error = square, -(h * h) / 8, h * h / 8
    else:
        s = _ratio(b.width, a.width)
        parts, h = _difference(lg, g.combine([(s, own_a)]), own_b, s, allowed, span)
        shift, error = Fraction(0), h * h / (16 * s)
    value = g.combine([*linear, *parts], shift - Fraction(middle_a) * Fraction(middle_b))
    return lg.approximated(value, low, high, float(error), span)


def _difference(
    lg: Legaliser, x: Form, y: Form, s: Fraction, allowed: float, span: Span | None
) -> tuple[Parts, Fraction]:
    """((x + y)^2 - (x - y)^2) / 4s, and the wider segment."""
    parts: Parts = []
    widest = Fraction(0)
    for sign in (1, -1):
        z = lg.atoms.combine([(1, x), (sign, y)])
        square, h = _square(lg, z, math.sqrt(16 * float(s) * allowed), span)
        parts += [(Fraction(sign * c) / (4 * s), form) for c, form in square]
        widest = max(widest, h)
    return parts, widest


def _square(lg: Legaliser, z: Form, step: float, span: Span | None) -> tuple[Parts, Fraction]:
    """z^2 from segments of a width of at most `step`, and their width, a short number."""
    g = lg.atoms
    most = max(-z.lo, z.hi)
    if most <= 0:
        return [], Fraction(0)
    wanted = 2 * math.ceil(most / step) if step else MAX_SEGMENTS + 1
    if wanted > MAX_SEGMENTS:
        message = f"a product of reals that needs squares of {wanted:,} segments"
        help = f"at most {MAX_SEGMENTS:,}: allow a larger --tolerance, narrow the factors' bounds, "
        raise Unsupported(message, help + "or use a target with products", span, "E802")
    h = _short(most / (wanted // 2), upwards=True)
    parts: Parts = []
    for side in (1, -1):
        for i in range(wanted // 2):
            hinge = lg.logic.relu(g.combine([(side, z)], -i * h), span)
            parts.append((2 * h if i else h, hinge))
    return parts, h


def materialised(
    lg: Legaliser, value: Form, low: float, high: float, error: float, span: Span | None
) -> Form:
    """A unit that holds the value, which is in low..high up to the error."""
    g = lg.atoms
    base = _short(low - error) - _short(max(abs(low), error) * 2.0**-8, upwards=True)
    raised = tighten(g.combine([(1, value)], -base), 0.0, high - float(base) + error, None)
    unit = g.relu(raised, kept=True, approximation=error, span=span)
    return tighten(g.combine([(1, unit)], base), low, high, None)


def _short(value: float, upwards: bool = False) -> Fraction:
    """A number of few binary digits beside `value`, not below it if `upwards`."""
    if not value:
        return Fraction(0)
    unit = Fraction(2) ** (math.frexp(value)[1] - 10)
    scaled = Fraction(value) / unit
    return unit * (math.ceil(scaled) if upwards else round(scaled))


def _ratio(above: float, below: float) -> Fraction:
    """The power of two nearest to a quotient of widths."""
    return Fraction(2) ** round(math.log2(above / below)) if above and below else Fraction(1)
