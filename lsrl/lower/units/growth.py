"""What the errors of units that read their own previous values grow to, over the length.

Each step adds to an error what it adds, times the powers of how the group reads itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeVar

from ...analysis.dependence import Row as LinearRow
from ...analysis.linear import linear_ranges
from ..bounds import ZERO, Bound
from ..layers import Affine, Source, Unit
from ..rounding import ROUNDS, SLACK
from .layout import LayerUnit
from .ops import OPS

if TYPE_CHECKING:
    from .certify import UnitAnalysis

OUTER = 6  # rounds in which gates are looked at again
HOPELESS = 1e3  # an error of a group in which nothing is sure any more
T = TypeVar("T")


class Growth:
    """The bounds of a group of units, by their place in the layer; what is known of the layer so
    far, and then of the group, is in `analysis`."""

    def __init__(self, analysis: UnitAnalysis, group: Mapping[int, LayerUnit]) -> None:
        self.analysis, self.group = analysis, group

    def run(self) -> None:
        """Units that read their own previous values. Parts are taken to be sharp, and again not to
        be if the errors that follow are too large for that."""
        assumed = self.analysis.parts.of(self.group)
        self.analysis.parts.sharp |= assumed
        self._settle()
        if not assumed <= self.analysis.sharp(self.group):
            self.analysis.parts.sharp -= assumed
            self._settle()

    def _settle(self) -> None:
        """The group's bounds, first as if its own errors were 0, until what they lead to fits."""
        errors = self.analysis.errors
        zero: dict[Source, Bound] = {("h", k): ZERO for k in self.group}
        errors |= zero
        for _ in range(OUTER):
            added = {k: self.analysis.local(k, self.group, zero) for k in self.group}
            wrong = any(b.error for b in added.values())
            grown = self._over_time(added) if wrong else added
            settled = all(b.error <= errors["h", k].error for k, b in grown.items())
            for k, bound in grown.items():
                more = bound.plus(bound.error * (SLACK - 1), bound.span, bound.label)
                errors["h", k] = bound if settled or not wrong else more
            if settled or not wrong:
                break
        else:
            errors |= {("h", k): b.plus(math.inf, b.span, b.label) for k, b in grown.items()}
        self.analysis.check_gates(self.group)
        if any(not math.isfinite(errors["h", k].error) for k in self.group):
            worst = next(k for k in self.group if not math.isfinite(errors["h", k].error))
            for k in self.group:
                errors["h", k] = errors["h", worst]

    def _over_time(self, added: Mapping[int, Bound]) -> dict[int, Bound]:
        """|A^k| times the error of each step, summed over the length."""
        if any(not math.isfinite(b.error) for b in added.values()):
            return dict(added)
        partners = {n: p for (_, p), (_, n) in self.analysis.own_pairs.items() if p in self.group}
        leaders = self.analysis.parts.leaders(self.group)
        partners |= leaders
        keys = [k for k in self.group if k not in partners]
        added = {k: max(_with(k, partners, added), key=lambda b: b.error) for k in self.group}
        linear = all(self._is_linear(k) for k in self.group)
        gains = {k: self._gains(k, signed=linear) for k in self.group}
        rows = [_largest(_with(k, leaders, gains)) for k in keys]
        grown = self._settled(keys, rows, added)
        result = {}
        for k, error in zip(keys, grown, strict=True):
            b = added[k]
            if self._keeps_or_takes(k) or self._is_copy(k, partners):
                result[k] = self._kept(k, self.group[k], b)
                continue
            ratio = error / b.error if b.error else 1.0
            result[k] = Bound(error, b.worst * ratio, b.span, b.label)
        return result | {n: result[p] for n, p in partners.items()}

    def _keeps_or_takes(self, k: int) -> bool:
        """Whether a unit's next value is what it held or one that the group does not enter."""
        unit, read = self.group[k], self._values_read(k)
        reach = self.analysis.reach(unit)
        if unit.op == "update" and unit.atom in self.analysis.resets:
            exact = not self.analysis.approximation(
                unit, self.analysis.regime, reach
            )  # tanh and r hand it on
            return exact and set(read) == {k} and unit.args["l"] == Affine({("h", k): 1}, 0)
        return self.analysis.excludes(unit) and not reach.leak(OPS[unit.op].keeps) and not read

    def _kept(self, k: int, unit: LayerUnit, written: Bound) -> Bound:
        """What is kept has the error that it was written with, and a rounding for each step."""
        if not written.error:
            return written
        drift = self.analysis.kept_rounding(k, unit, self.analysis.reach(unit), exact=False)
        more = (self.analysis.length - 1) * drift
        return written.plus(more, unit.span, unit.label) if drift else written

    def _settled(
        self,
        keys: list[int],
        rows: Sequence[LinearRow],
        added: Mapping[int, Bound],
    ) -> list[float]:
        """Errors after the last step. A step rounds what the group was with its errors: they are
        assumed, a little larger than before, until what follows from them is no larger."""
        lanes = [(0, k) for k in keys]
        starts = [(0.0, 0.0)] * len(keys)
        inexact = {**self.analysis.errors, **{("h", k): Bound(math.inf) for k in self.group}}
        gammas = [self._gamma(self.group[k], inexact) for k in keys]
        steps = [added[k].error for k in keys]
        errors = [0.0] * len(keys)
        for _ in range(ROUNDS):
            assumed = [e * SLACK for e in errors]
            place = dict(zip(keys, assumed, strict=True))
            own = [
                b + g * _sum_of(row, place) for b, g, row in zip(steps, gammas, rows, strict=True)
            ]
            ends = linear_ranges(lanes, rows, starts, [(-e, e) for e in own], self.analysis.length)
            errors = [max(-low, high) for low, high in ends]
            if all(e <= a for e, a in zip(errors, assumed, strict=True)):
                return errors
            ranges = (max(1.0, -self.group[k].form.lo, self.group[k].form.hi) for k in keys)
            if any(e > HOPELESS * most for e, most in zip(errors, ranges, strict=True)):
                break
        return [math.inf] * len(keys)

    def _gamma(self, unit: LayerUnit, errors: Mapping[Source, Bound]) -> float:
        """The relative error of computing a unit's forms."""
        forms = (unit.args[role] for role in OPS[unit.op].values if role in unit.args)
        return sum(
            self.analysis.precision.gamma(form, self.analysis.forms, errors) for form in forms
        )

    def _is_linear(self, k: int) -> bool:
        """Whether a unit, or its pair, is a linear function of what the group was."""
        unit = self.group[k]
        paired = {j for (_, p), (_, n) in self.analysis.plain_pairs.items() for j in (p, n)}
        if unit.op != "pass" and k not in paired:
            return False
        row = unit.args["a"].row
        return all(
            row.get(p, 0) == -row.get(n, 0)
            for p, n in self.analysis.own_pairs.items()
            if p[1] in self.group
        )

    def _values_read(self, k: int) -> dict[int, Fraction]:
        """How often the group's previous values enter a unit's next value."""
        found: dict[int, Fraction] = {}
        unit = self.group[k]
        for role in OPS[unit.op].values:
            for (kind, j), c in (unit.args[role].row if role in unit.args else {}).items():
                if kind == "h" and j in self.group:
                    found[j] = found.get(j, Fraction(0)) + Fraction(c)
        for (_, p), (_, n) in self.analysis.own_pairs.items():
            negative = found.pop(n, Fraction(0))
            if negative + found.get(p, Fraction(0)) != 0:
                found[p] = abs(found.get(p, Fraction(0))) + abs(negative)
        for j, leader in self.analysis.parts.leaders(self.group).items():
            found[leader] = max(abs(found.get(leader, Fraction(0))), abs(found.pop(j, Fraction(0))))
        return {j: c for j, c in found.items() if c}

    def _is_copy(self, k: int, partners: Mapping[int, int]) -> bool:
        """Whether a unit and its partners keep what they are while they are open."""
        own = {k, *(j for j, leader in partners.items() if leader == k)}
        if any(self.group[j].op != "relu" or self.group[j].args["a"].const for j in own):
            return False
        rows = []
        for j in own:
            u = self.group[j]
            plain = Unit(u.args["a"], u.form, u.label, False, u.span, u.atom)
            rows.append(self.analysis.opened(plain, self.analysis.errors, self.analysis.forms).row)
        return self.analysis.parts.is_kept(rows, own, self.group, self.analysis.forms)

    def _gains(self, k: int, signed: bool) -> LinearRow:
        """How much of each unit's error enters a unit's next value."""
        read = self._values_read(k)
        if not signed:
            read = {j: abs(c) for j, c in read.items()}
        if is_kept(self.group[k]):
            own = read.get(k, Fraction(0))
            read[k] = max(own, Fraction(1)) if self.analysis.excludes(self.group[k]) else own + 1
        return {(0, j): c for j, c in read.items()}


def is_kept(unit: LayerUnit) -> bool:
    """Whether a unit may keep its value."""
    return OPS[unit.op].keeps in unit.args


def _sum_of(row: LinearRow, errors: Mapping[int, float]) -> float:
    """The errors that a row reads, weighted."""
    weights = {j: abs(float(c)) for (_, j), c in (row or {}).items()}  # type: ignore[arg-type]
    return sum(weight * errors[j] for j, weight in weights.items())


def _with(k: int, partners: Mapping[int, int], values: Mapping[int, T]) -> list[T]:
    """What a unit and its partners have."""
    return [v for j, v in values.items() if k in (j, partners.get(j))]


def _largest(rows: Sequence[LinearRow]) -> LinearRow:
    """Gains of several units, of each the largest."""
    if len(rows) == 1:
        return rows[0]
    found: dict[tuple[int, int], Any] = {}
    for row in rows:
        for lane, c in (row or {}).items():
            found[lane] = max(found.get(lane, 0), abs(c))  # type: ignore[arg-type,call-overload]
    return found
