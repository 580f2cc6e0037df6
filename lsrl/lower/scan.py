"""The certificate of states that an associative scan computes, all steps at once.

A scan takes pairs (P, v), which stand for s -> P s + v, and computes (Q, w) after (P, v) as
(Q P, Q v + w). `lax.associative_scan` groups them as a tree (Blelloch, Prefix sums and their
applications, CMU-CS-90-190, 1990). What a state s_t = A s_{t-1} + x_t was given n steps ago is
multiplied by n factors, as step by step, in another grouping; and it passes at most one addition on
each level up and on each down, and that of the start, D = 2 ceil(log2 T) + 1 in all, where step by
step it passes n. So, with q terms at most in each of the sums of a matrix product,

    |error of s_t| <= sum over n of |A|^n |error of x_{t-n}| + gamma_{q n + D} |A|^n |x_{t-n}|

(Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.5). The rows of many
states hold one number, 1 or -1: their products are exact, and so are sums with zeros. Where
moreover everything lies on a lattice that fits the digits, the sums over parts of the sequence
included, nothing is rounded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from ..analysis.dependence import Row
from ..analysis.lattice import ONE, gcd
from ..analysis.linear import linear_ranges
from ..ir.components import tarjan
from .atoms import Form
from .bounds import ZERO, Bound
from .coefficients import Coefficient, magnitude
from .layers import Layer, Source, StateLane

if TYPE_CHECKING:
    from .rounding import Analysis

MAX_DENSE = 64  # lanes in a cycle whose powers are looked at


def additions(length: int) -> int:
    """How many additions a number passes at most in a scan of so many steps."""
    return 2 * math.ceil(math.log2(length)) + 1


def factor(count: float, unit_roundoff: float) -> float:
    """What gamma_k is, at most, of k u, for k up to `count`."""
    product = count * unit_roundoff
    return 1 / (1 - product) if product < 0.5 else math.inf


def of_a_sum(steps: int, each: float, part: float, brought: float, unit_roundoff: float) -> float:
    """What the additions of a running sum are off by, of which a step adds `each` at most, and any
    part of the sequence, with the start or without, comes to `part` at most.

    An addition is off by u times its result. There are T / 2^k sums of 2^k steps on the way up, and
    one sum a level on the way down, with that of the start and one more where two states are added.
    The results are themselves off, by what is `brought` and by what arises.
    """
    levels = math.ceil(math.log2(steps))
    size = sum(steps / 2.0**k * min(part, 2.0**k * each) for k in range(1, levels + 1))
    size += (levels + 2) * part
    count = steps + levels + 2
    return unit_roundoff * factor(count, unit_roundoff) * (size + count * brought)


@dataclass
class _Sums:
    """Of a lane, at all steps: the sum of the magnitudes of what it is made of, how many of them
    are not 0, and the sum of the errors that they bring. `late`: the sum of the magnitudes, each
    times the steps that have passed. `step`: what all of them are multiples of. `peak`: the largest
    magnitude of its state and of those that it is made of. `mass`: the sum of its own magnitudes
    over all steps.
    """

    size: float
    count: float
    error: float
    step: Fraction | None
    late: float = 0.0
    peak: float = 0.0
    mass: float = 0.0


def scanned(
    analysis: Analysis,
    layer: Layer,
    errors: Mapping[Source, Bound],
    forms: Mapping[Source, Form],
    before: Mapping[Source, Form],
) -> list[Bound]:
    """The bounds of a layer's lanes. `before`: what is known of a lane one step ago."""
    return _Scan(analysis, layer, errors, forms, before).run()


class _Scan:
    def __init__(
        self,
        analysis: Analysis,
        layer: Layer,
        errors: Mapping[Source, Bound],
        forms: Mapping[Source, Form],
        before: Mapping[Source, Form],
    ) -> None:
        self.analysis, self.lanes, self.before = analysis, layer.lanes, before
        self.precision, self.dtype = analysis.precision, analysis.dtype
        self.steps = analysis.length
        self.own: list[_Sums] = []  # of what each lane is given in one step
        self.added: list[Bound] = []
        for lane in self.lanes:
            label = analysis.graph.atoms[lane.atom].label
            bound = analysis.affine(lane.added, errors, before, analysis.span(lane), label)
            size = self.precision.magnitude(lane.added, before) + bound.error
            self.added.append(bound)
            step = self.precision.lattice(lane.added, before)
            self.own.append(_Sums(size, float(size > 0), bound.error, step))
        self.times = [analysis.openings(lane, forms) for lane in self.lanes]
        self.starts = [analysis.start(lane.init)[1] for lane in self.lanes]
        self.sizes = [
            abs(float(lane.init)) + off for lane, off in zip(self.lanes, self.starts, strict=True)
        ]
        self.found: dict[int, _Sums] = {}  # of the lanes whose products are exact

    def run(self) -> list[Bound]:
        unbounded = [b for b in self.added if not math.isfinite(b.error)]
        if unbounded:
            return unbounded[:1] * len(self.lanes)
        rough: list[int] = []
        for members in tarjan([list(lane.row) for lane in self.lanes]):
            if self._are_exact(members):
                self._collect(members)
            else:
                rough += members
        result = [ZERO] * len(self.lanes)
        for i, sums in self.found.items():
            result[i] = self._total(i, sums.error, self._exactly_added(i, sums))
        for members in self._apart(rough):
            for i, (error, own) in _Rough(self, members).bounds().items():
                result[i] = self._total(i, error, own)
        # 0 times what is beyond the largest number is none, in all lanes
        passed = [b for b in result if not math.isfinite(b.error)]
        return passed[:1] * len(result) if passed else result

    def _apart(self, rough: Sequence[int]) -> list[list[int]]:
        """Such lanes in groups of which none reads another one."""
        near: dict[int, list[int]] = {i: [] for i in rough}
        for i in rough:
            for j in self.lanes[i].row:
                if j in near:
                    near[i].append(j)
                    near[j].append(i)
        place = {i: k for k, i in enumerate(near)}
        groups = tarjan([[place[j] for j in others] for others in near.values()])
        return [sorted(rough[k] for k in group) for group in groups]

    def _total(self, i: int, error: float, own: float) -> Bound:
        """The errors that are brought, and those that arise."""
        lane, bound = self.lanes[i], self.added[i]
        label = self.analysis.graph.atoms[lane.atom].label
        brought = bound.plus(max(0.0, error - bound.error), bound.span, bound.label)
        return brought.plus(own, self.analysis.span(lane), label) if own else brought

    # Lanes whose rows, and those of all lanes that they read, hold one number, 1 or -1

    def _are_exact(self, members: Sequence[int]) -> bool:
        inside = set(members)
        rows = [self.lanes[i].row for i in members]
        return all(
            len(row) <= 1 and all(abs(c) == 1 for c in row.values()) for row in rows
        ) and all(j in inside or j in self.found for row in rows for j in row)

    def earlier(self, j: int) -> _Sums:
        """The sums of such a lane one step ago, when it may not have begun."""
        sums, init = self.found[j], self.lanes[j].init
        size = max(sums.size, self.sizes[j])
        error, step = max(sums.error, self.starts[j]), gcd([sums.step, init])
        count, late = max(sums.count, float(init != 0)), sums.late + size
        return _Sums(size, count, error, step, late, sums.peak, sums.mass + self.sizes[j])

    def _peak(self, i: int) -> float:
        """The largest magnitude of a state, before the first step too."""
        form = self.before["s", i]
        return max(-form.lo, form.hi)

    def _collect(self, members: Sequence[int]) -> None:
        """A lane, or a cycle of lanes, of which each reads one."""
        i, row = members[0], self.lanes[members[0]].row
        if i not in row and len(members) == 1:
            own, peak = self.own[i], self._peak(i)
            sums = replace(own, peak=peak, mass=self.steps * own.size)
            for e in map(self.earlier, row):
                size, count, error = own.size + e.size, own.count + e.count, own.error + e.error
                step = gcd([own.step, e.step])
                mass = sums.mass + e.mass
                sums = _Sums(size, count, error, step, e.late, max(peak, e.peak), mass)
            self.found[i] = sums
            return
        times = self.times[i] if row == {i: 1} else None
        turns = self.steps if times is None else times
        given, inits = [self.own[k] for k in members], [self.lanes[k].init for k in members]
        size = max(self.sizes[k] for k in members) + turns * max(g.size for g in given)
        count = sum(c != 0 for c in inits) + turns * max(g.count for g in given)
        error = max(self.starts[k] for k in members) + turns * max(g.error for g in given)
        step = gcd([*(g.step for g in given), *inits])
        peak = max(map(self._peak, members))
        all_steps = self.steps * size
        sums = _Sums(size, count, error, step, all_steps, peak, all_steps)
        self.found.update(dict.fromkeys(members, sums))

    def _exactly_added(self, i: int, sums: _Sums) -> float:
        """What additions are off by, where nothing else is. A part of the sum is a difference of
        two states: of what it is made of, one now and one before."""
        u, count = self.dtype.unit_roundoff, min(additions(self.steps), max(0.0, sums.count - 1))
        own, part = u * factor(count, u) * count * sums.size, 2 * sums.peak
        if self.lanes[i].row == {i: 1}:
            part = max(sums.peak, self.before["s", i].width)
            own = min(own, of_a_sum(self.steps, self.own[i].size, part, sums.error, u))
        part = min(part, sums.size)
        if not part + sums.error + own <= self.dtype.largest:
            return math.inf
        exact = not sums.error and self.precision.on_lattice(sums.step, part)
        return 0.0 if exact else own


class _Rough:
    """The lanes of a layer whose products can be rounded, and sums that bound them: with |A| and
    magnitudes in place of A and numbers."""

    def __init__(self, scan: _Scan, members: Sequence[int]) -> None:
        self.scan, self.members = scan, members
        self.place = {i: k for k, i in enumerate(members)}
        self.lanes = [scan.lanes[i] for i in members]
        self.rows: list[dict[int, Coefficient]] = [
            {self.place[j]: magnitude(c) for j, c in lane.row.items() if j in self.place}
            for lane in self.lanes
        ]
        exact = {j for lane in self.lanes for j in lane.row if j not in self.place}
        self.read = {j: scan.earlier(j) for j in exact}

    def bounds(self) -> dict[int, tuple[float, float]]:
        """Of each lane the errors that are brought, and those that arise."""
        if self._are_moved():
            return dict.fromkeys(self.members, (0.0, 0.0))
        if max(map(len, tarjan([list(row) for row in self.rows]))) > MAX_DENSE:
            return dict.fromkeys(self.members, (math.inf, math.inf))
        scan, u = self.scan, self.scan.dtype.unit_roundoff
        own, read = [scan.own[i] for i in self.members], self.read
        inits = [scan.sizes[i] for i in self.members]
        starts = [scan.starts[i] for i in self.members]
        nothing, ones = [0.0] * len(own), [1.0] * len(own)
        size = self._summed(inits, [s.size for s in own], {j: s.size for j, s in read.items()})
        error = self._summed(starts, [s.error for s in own], {j: s.error for j, s in read.items()})
        largest = dict(zip(self.members, map(max, size, inits), strict=True))
        passed = [_scaled(lane, largest) for lane in self.lanes]
        # the sum of the magnitudes, each times the steps that have passed
        later = self._summed(nothing, passed, {j: s.late for j, s in read.items()})
        power = max(1.0, *self._summed(ones, nothing, dict.fromkeys(read, 1.0)))
        if not any(error) and self._is_whole(max(*size, power)):
            return dict.fromkeys(self.members, (0.0, 0.0))
        each, top = self._roundings(), additions(scan.steps)
        grown = u * factor(each * scan.steps + top, u)
        biggest = max(1.0, *size, *inits, *(s.size for s in read.values()))
        # each product of the tree, in each column, times what it is multiplied by on both sides
        products = 4 * scan.steps * each * len(scan.lanes)
        small = products * scan.dtype.underflow * power * biggest
        result = {}
        for k, i in enumerate(self.members):
            arises = grown * (each * later[k] + top * size[k]) + small
            fits = 2 * max(size[k], power) <= scan.dtype.largest
            result[i] = error[k], arises if fits and math.isfinite(arises) else math.inf
        return result

    def _are_moved(self) -> bool:
        """Whether these lanes only take up what others lay down, each of which is read by one, as
        those of a clock; and whether all that there ever is, integers, fits the digits together."""
        scan, coefficients = self.scan, [c for lane in self.lanes for c in lane.row.values()]
        sources = [j for lane in self.lanes for j in lane.row]
        if any(abs(c) != 1 for c in coefficients) or len(set(sources)) < len(sources):
            return False
        own = [*(scan.own[i] for i in self.members), *self.read.values()]
        if any(s.error for s in own) or any(scan.starts[i] for i in self.members):
            return False
        mass = sum(scan.sizes[i] + scan.steps * scan.own[i].size for i in self.members)
        mass += sum(s.mass for s in self.read.values())
        step = gcd([*(s.step for s in own), *(lane.init for lane in self.lanes)])
        paths = scan.steps * len(self.read) + 1  # from a lane to another one, of one length
        holds = scan.precision.on_lattice
        return step is not None and holds(step, mass) and holds(ONE, paths)

    def _summed(
        self, starts: Sequence[float], added: Sequence[float], others: Mapping[int, float]
    ) -> list[float]:
        """The most of |A|^t start + sum of |A|^n added over all steps, of these lanes; `others` are
        the magnitudes of the lanes that they read."""
        given = [a + _scaled(x, others) for a, x in zip(added, self.lanes, strict=True)]
        rows: list[Row] = [{(0, j): c for j, c in row.items()} for row in self.rows]
        keys = [(0, k) for k in range(len(rows))]
        ends = [(0.0, s) for s in starts], [(0.0, g) for g in given]
        return [high for _, high in linear_ranges(keys, rows, *ends, self.scan.steps)]

    def _is_whole(self, most: float) -> bool:
        """Whether all that is multiplied and added are multiples of one step that fit the digits,
        and integers."""
        if not all(isinstance(c, int) for lane in self.lanes for c in lane.row.values()):
            return False
        steps = [self.scan.own[i].step for i in self.members]
        steps += [s.step for s in self.read.values()]
        step = gcd([*steps, *(lane.init for lane in self.lanes)])
        return step is not None and self.scan.precision.on_lattice(gcd([step, 1]), most)

    def _roundings(self) -> int:
        """How many roundings a factor takes: the terms of a sum of products, and its own."""
        terms = 1
        if any(len(lane.row) > 1 for lane in self.lanes):
            terms = len(self.members) + len(self.read)
        holds = self.scan.precision.holds
        return terms + (not all(holds(c) for lane in self.lanes for c in lane.row.values()))


def _scaled(lane: StateLane, values: Mapping[int, float]) -> float:
    """|A| times magnitudes, in the row of a lane."""
    return sum(abs(float(c)) * values.get(j, 0.0) for j, c in lane.row.items())
