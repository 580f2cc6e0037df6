"""At what scale a unit holds its value, and how steep its gates are.

tanh is the identity, exactly, up to 2^-12 in float32 and 2^-27 in float64 (tanh y = y - y^3/3 + ...
and y^2/3 is below half a unit in the last place there); so a value of magnitude up to R is held
exactly as h = eps v with eps R at most that, eps a power of two. Larger ones stand more noise in
the weights and leave gradients, at an error of up to (eps R)^2 / 3 of R.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ..atoms import Form

LINEAR = {24: 12, 53: 27}  # by the binary digits of a dtype: tanh is the identity up to 2^-LINEAR
CLOSED = {24: 104.0, 53: 746.0}  # beyond, exp(-x) is exactly 0, subnormals included
FLAT = 64.0  # beyond, tanh is exactly 1, however it is computed
GAIN = 2048.0  # of a gate: a margin of 1/2 becomes an argument of 1024
SHUT = 64.0  # what is added to the argument of a tanh to saturate it
STEEP = 2.0**40  # the slope of a gate that makes max(a, 0) of a real a
WIDEST = 4  # the widest linear regime that is tried: up to 2^-4


@dataclass(frozen=True)
class Regime:
    """Values are held up to 2^-linear; a margin of 1/2 becomes a gate's argument of gain / 2;
    `shut` saturates a tanh; `steep` is the slope of a gate that makes max(a, 0)."""

    digits: int
    linear: int
    gain: float = GAIN
    shut: float = SHUT
    steep: float = STEEP

    @property
    def is_exact(self) -> bool:
        """Whether tanh is exactly the identity for the values held."""
        return self.linear >= LINEAR.get(self.digits, 0)

    def exponent(self, most: float) -> int:
        """The largest e with 2^e times `most` within the linear regime."""
        return -self.linear - (math.ceil(math.log2(most) - 1e-12) if most else 0)

    def scale(self, form: Form) -> float:
        """eps for a value of that range; reals get a little room for their error."""
        most = max(abs(form.lo), abs(form.hi)) * (1.0 if form.step is not None else 1.01)
        return float(2.0 ** self.exponent(most))

    def curve(self, most: float, scale: float) -> float:
        """How far tanh(scale v) / scale is from v, for |v| up to `most`: v (scale v)^2 / 3."""
        y = 1.01 * most * scale
        return 0.0 if most * scale <= 2.0 ** -LINEAR[self.digits] * 1.01 else most * y * y / 3

    def leak(self, error: float = 0.0) -> float:
        """How far a gate is from 0 or 1, whose margin of 1/2 may be off by an error."""
        argument = self.gain * (0.5 - error)
        return 0.0 if argument >= CLOSED.get(self.digits, 0.0) else math.exp(-argument)

    def slack(self, error: float = 0.0) -> float:
        """How far a saturated tanh is from 1 or -1: at most 2 exp(-2 x), and two roundings. Its
        gain is half of a gate's: tanh(x) = 2 sigma(2 x) - 1."""
        argument = self.gain / 2 * (0.5 - error)
        if argument >= FLAT:
            return 0.0
        return 2 * math.exp(-2 * argument) + 2 * self.unit_roundoff

    @property
    def unit_roundoff(self) -> float:
        """The largest relative error of rounding to the dtype."""
        return 2.0**-self.digits

    def rounding(self, most: float, off: float) -> float:
        """Of functions that are not exactly linear or saturated, as `off` says: a few units in the
        last place of a value."""
        return 8 * self.unit_roundoff * most if off else 0.0


def regimes(profile: str, digits: int) -> Iterator[Regime]:
    """Those that a profile tries, the widest first: `exact` has one; `robust` saturates fully, too;
    the gates of `trainable` have a gain near 20, so that no gradient is exactly 0."""
    exact = LINEAR[digits]
    if profile == "exact":
        yield Regime(digits, exact)
    for linear in range(WIDEST, exact + 1, 2 if digits == 24 else 3):
        if profile == "robust":
            yield Regime(digits, linear)
        if profile == "trainable":
            yield Regime(digits, linear, gain=20.0, shut=6.0, steep=2.0**12)
