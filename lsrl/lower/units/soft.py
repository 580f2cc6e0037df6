"""Products of two real values on a machine with a gate that multiplies.

Near 0 a gate is linear: sigma(s) - sigma(-s) = tanh(s / 2). So with z = w x / 2

    x y = (2 / w) sum_k a_k (sigma(2 k z) y - sigma(-2 k z) y) + what is left,

k = 1..n, where sum_k a_k k = 1 and sum_k a_k k^(2j+1) = 0 for j = 1..n-1: the first n - 1 terms of
tanh's series cancel. It alternates and falls for |z| < 1, so what is left is at most the next term,
2 / w sum_k |a_k| t_n (k z)^(2n+1). A small w makes that small and the rounding, of the order of
u / w, large; w and n are chosen so that the sum of both is within what is allowed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from ...source import Span
from ..atoms import Form, tighten

if TYPE_CHECKING:
    from .legalise import UnitLegaliser

SERIES = (1.0, 1 / 3, 2 / 15, 17 / 315, 62 / 2835)  # |coefficients| of z, z^3, ... of tanh
ROUNDINGS = 8  # of the units and their sum, for each pair, in units of the roundoff
SOFT = 5  # of sigma(s) y: two units in the last place of sigma, and a rounding of the product


@dataclass(frozen=True)
class Plan:
    """n weights a_k and w, and the error that they leave: of the approximation, and in all."""

    weights: tuple[Fraction, ...]
    w: Fraction
    left: float
    total: float


def product(
    lg: UnitLegaliser,
    a: Form,
    b: Form,
    span: Span | None,
    more: float = 0.0,
) -> Form:
    """x y, x the factor in the gate, read by a unit of its own. `more`: roundings of a pair beyond
    those of an LSTM."""
    g = lg.graph_of_units
    x, y = (a, b) if a.width <= b.width else (b, a)
    middle = _short((x.lo + x.hi) / 2)
    x = g.combine([(1, x)], -middle)
    most_x, most_y = (max(-f.lo, f.hi) for f in (x, y))
    ends = [i * j for i in (a.lo, a.hi) for j in (b.lo, b.hi)]
    allowed = lg.options.error or lg.options.precision * (max(ends) - min(ends))
    plan = _plan(most_x, most_y, (ROUNDINGS + more) * 2.0**-lg.options.digits, allowed)
    parts: list[tuple[Fraction, Form]] = [(Fraction(middle), y)]
    gates: list[tuple[int, Fraction]] = []
    for k, weight in enumerate(plan.weights, 1):
        for sign in (1, -1):
            gate = g.combine([(sign * k * plan.w, x)])
            most = 1 / (1 + math.exp(-gate.hi))  # sigma(s) at most
            ends_of = most * min(y.lo, 0.0), most * max(y.hi, 0.0)
            unit = g.unit("soft", {"s": gate, "g": y}, ends_of, None, span=span)
            gates += [(atom, abs(weight) / 2) for atom in unit.terms]
            parts.append((2 * sign * weight / plan.w, unit))
    value = tighten(g.combine(parts), min(ends) - plan.left, max(ends) + plan.left, None)
    held = lg.hold_alone(value)
    (atom,) = held.terms
    g.atoms[atom] = replace(g.atoms[atom], approximation=plan.left, span=span)
    g.products[atom] = tuple(gates), float(plan.w), most_x, most_y
    return tighten(held, min(ends), max(ends), None)


def _plan(x: float, y: float, rounding: float, allowed: float) -> Plan:
    """The fewest pairs that stay within what is allowed, or else the most exact ones; `rounding` is
    that of each pair."""
    best: Plan | None = None
    for n in range(1, len(SERIES)):
        weights = _weights(n)
        plan = min((_with(weights, e, x, y, rounding) for e in range(1, 40)), key=_total)
        if best is None or plan.total < best.total:
            best = plan
        if plan.total <= allowed:
            return plan
    assert best is not None
    return best


def _total(plan: Plan) -> float:
    return plan.total


def _with(weights: tuple[Fraction, ...], e: int, x: float, y: float, rounding: float) -> Plan:
    """The plan in which the largest z is at most 2^-e."""
    n = len(weights)
    w = Fraction(2) ** (1 - e - math.ceil(math.log2(n * x)))
    z = float(w) * x / 2
    terms = (abs(float(a)) * (k * z) ** (2 * n + 1) for k, a in enumerate(weights, 1))
    left = 2 / float(w) * SERIES[n] * sum(terms) * y
    rounded = rounding * 2 / float(w) * y * sum(abs(float(a)) for a in weights)
    return Plan(weights, w, left, left + rounded)


def _weights(n: int) -> tuple[Fraction, ...]:
    """a_k = prod over j != k of j^2 / (j^2 - k^2), divided by k."""
    result = []
    for k in range(1, n + 1):
        a = Fraction(1, k)
        for j in range(1, n + 1):
            if j != k:
                a *= Fraction(j * j, j * j - k * k)
        result.append(a)
    return tuple(result)


def _short(value: float) -> Fraction:
    """A number of few binary digits."""
    if not value:
        return Fraction(0)
    unit = Fraction(2) ** (math.frexp(value)[1] - 10)
    return unit * round(Fraction(value) / unit)
