"""At what scale a unit holds its value: h = eps v, eps a power of two.

tanh is the identity, exactly, up to 2^-12 in float32 and 2^-27 in float64 (tanh y = y - y^3/3 + ...
and y^2/3 is below half a unit in the last place there); so a value of magnitude up to R is held
exactly with eps R at most that.
"""

from __future__ import annotations

import math

from ..atoms import Form

LINEAR = {24: 12, 53: 27}  # by the binary digits of a dtype: tanh is the identity up to 2^-LINEAR
GAIN = 2048.0  # of a gate: a margin of 1/2 becomes an argument of 1024
STEEP = 2.0**40  # the slope of a gate that makes max(a, 0) of a real a
SHUT = 64.0  # what is added to the argument of a tanh to saturate it


def exponent(most: float, digits: int) -> int:
    """The largest e with 2^e times `most` within the linear regime."""
    if most == 0:
        return -LINEAR[digits]
    return -LINEAR[digits] - math.ceil(math.log2(most) - 1e-12)


def saturation(most: float, digits: int) -> float:
    """The value that a saturated unit (h = 1) of that range seems to have."""
    return float(2.0 ** -exponent(most, digits))


def linear_scale(form: Form, digits: int) -> float:
    """eps for a value of that range; reals get a little room for their error."""
    most = max(abs(form.lo), abs(form.hi)) * (1.0 if form.step is not None else 1.01)
    return float(2.0 ** exponent(most, digits))
