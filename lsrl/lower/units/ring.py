"""Clocks of a gated machine: a ring of units of which one is 1."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from ..atoms import AtomGraph, Form, constant, tighten

if TYPE_CHECKING:
    from .legalise import UnitLegaliser


def unit_ring(lg: UnitLegaliser, atoms: AtomGraph, prefix: int, period: int) -> list[int]:
    """Units, one a position: 1 at the steps of the prefix in turn, then at those of the period over
    and over (period 1: none). All start from 0; the first one is lit by that."""
    g = lg.graph_of_units
    count = prefix if period == 1 else prefix + period
    label = f"clock {prefix}+{period}"
    lanes = [g.reserve("pass", (0.0, 1.0), Fraction(1), f"{label}[{j}]") for j in range(count)]
    before = [g.previous(lane) for lane in lanes]
    for j, lane in enumerate(lanes):
        form = _first(lg, before, prefix, period) if j == 0 else before[j - 1]
        if j == prefix > 0 and period > 1:
            form = g.combine([(1, form), (1, before[-1])])
        g.define(lane, {"a": tighten(form, 0.0, 1.0, Fraction(1))})
    g.exclusive(tuple(lanes), silent=period == 1)
    return lanes


def _first(lg: UnitLegaliser, before: list[Form], prefix: int, period: int) -> Form:
    """1 where no lane was lit before (but the last one of a period)."""
    g = lg.graph_of_units
    if period == 1:
        (one,) = g.unit("pass", {"a": constant(1)}, (1.0, 1.0), Fraction(1), label="one").terms
        return g.combine([(-1, g.previous(one))], 1)
    others = before if prefix else before[:-1]
    return g.combine([(-1, p) for p in others], 1)
