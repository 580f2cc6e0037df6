"""The certificate of a residual model: how far its outputs can be from the program's meaning.

As in lower/rounding.py: every form is bounded with its rounding, for any order of summation. What
is added here: an activation that stands for a ReLU is off by `bend`, unless what it takes in is
exact; a state keeps its error, a sum adds up the errors of its steps, a decay those that it still
remembers, and its own rate is off by what the dtype and `exp` make of it. The stream adds up what
the blocks write to it. Norms are exact: see `targets/stream.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from ..atoms import Form, constant
from ..bounds import ZERO, Bound
from ..layers import Affine, Source
from ..rounding import Analysis
from ..scan import additions, factor, of_a_sum
from .graph import (
    DECAY,
    DELAY,
    FACTOR,
    FADE,
    LANE,
    LATCH,
    OWN,
    PASS,
    PRODUCT,
    RELU,
    SIGNED,
    SUM,
    VALUE,
    WHEN,
    Fade,
)
from .layout import Block, ResidualLayout, Unit

CONDITION = 0.1  # the error of a condition that still leaves a state's gates where they belong


@dataclass(frozen=True)
class Errors:
    """What a target's own functions are off by.

    `bend`: by how much an activation differs from a ReLU, at most. `rate` takes a decay to how far
    the realised factor is from it. `condition` is the relative error of what is written to a state
    for an error of 1 in its condition; `written` takes a decay to the relative error of what it is
    given. `splits`: a sum or a decay has a state for what the first step writes, and one for the
    rest. `fade` takes a case of a fade, and that of its largest rate, to how far its factor is from
    its rate, and to the relative error of what is written then.
    """

    bend: float
    rate: Callable[[Fraction], float]
    condition: float
    written: Callable[[Fraction], float]
    splits: bool
    fade: Callable[[Fade, Fade], tuple[float, float]]


def certify(
    layout: ResidualLayout, errors: Errors, digits: int, length: int, tokens: bool,
    scan: bool = False,
) -> list[Bound]:  # fmt: skip
    """Error bounds of the head's outputs. Raises `UnsupportedError` E805 where the dtype's range is
    too small. `scan`: where an associative scan computes the states (lower/scan.py)."""
    return _Certificate(layout, errors, digits, length, scan).run(tokens)


def lane_errors(
    layout: ResidualLayout, errors: Errors, digits: int, length: int, tokens: bool
) -> list[float]:
    """The largest error that each lane has at any time."""
    found = _Certificate(layout, errors, digits, length)
    found.run(tokens)
    return found.most


class _Certificate(Analysis):
    def __init__(
        self, layout: ResidualLayout, errors: Errors, digits: int, length: int, scan: bool = False
    ) -> None:
        super().__init__(layout.graph, digits, length, scan=scan)
        self.layout, self.own = layout, errors
        self.residual = layout.graph
        self.most = [0.0] * len(layout.lanes)
        self.units: list[Unit] = []  # of the block that is looked at

    def run(self, tokens: bool) -> list[Bound]:
        """The bounds of the head's outputs; `most` becomes the largest error of each lane."""
        lanes = self._started(tokens)
        self.most = [b.error for _, b in lanes]
        for block in self.layout.blocks:
            lanes = self._block(block, lanes)
            self.most = [max(e, b.error) for e, (_, b) in zip(self.most, lanes, strict=True)]
        errors: dict[Source, Bound] = {(LANE, i): b for i, (_, b) in enumerate(lanes)}
        forms: dict[Source, Form] = {(LANE, i): f for i, (f, _) in enumerate(lanes)}
        for affine in self.layout.head:
            self.precision.check_range(affine, errors, forms, None)
        return [self.affine(a, errors, forms, None, "the output") for a in self.layout.head]

    def _started(self, tokens: bool) -> list[tuple[Form, Bound]]:
        """The lanes as the embedding, or the map of the inputs, gives them."""
        inputs = {a: self.input(self.graph.atom_form(a)) for a in self.residual.inputs}
        result = []
        for lane in self.layout.lanes:
            form = self.residual.form(lane.start, 0)
            if len(lane.start) == 1:
                ((a, c),) = lane.start.items()
                form = self.graph.combine([(c, self.graph.atom_form(a))])
            if not lane.start:
                result.append((constant(0), ZERO))
            elif tokens:  # its number for each token, rounded once
                most = max(abs(form.lo), abs(form.hi))
                exact = self.precision.on_lattice(form.step, most)
                own = 0.0 if exact else self.dtype.unit_roundoff * most + self.dtype.underflow
                result.append((form, ZERO.plus(own, None, "the embedding") if own else ZERO))
            else:
                errors: dict[Source, Bound] = {("i", a): b for a, b in inputs.items()}
                forms: dict[Source, Form] = {("i", a): self.graph.atom_form(a) for a in inputs}
                affine = Affine({("i", a): c for a, c in lane.start.items()}, 0)
                self.precision.check_range(affine, errors, forms, None)
                result.append((form, self.affine(affine, errors, forms, None, "the input")))
        return result

    def _block(self, block: Block, lanes: list[tuple[Form, Bound]]) -> list[tuple[Form, Bound]]:
        errors: dict[Source, Bound] = {(LANE, i): b for i, (_, b) in enumerate(lanes)}
        forms: dict[Source, Form] = {(LANE, i): f for i, (f, _) in enumerate(lanes)}
        late, self.units = [], block.units
        for i, unit in enumerate(block.units):  # conditions read units that come before or after
            forms["u", i] = forms[OWN, i] = unit.form
            if unit.when is None:
                errors["u", i] = errors[OWN, i] = self._unit(unit, errors, forms)
            else:
                late.append(i)
        for i in late:
            errors["u", i] = self._unit(block.units[i], errors, forms)
        result = list(lanes)
        for lane, row in block.writes.items():
            result[lane] = self._written(lane, row, lanes[lane], errors, forms)
        return result

    def _written(
        self, lane: int, row: Mapping[int, int | Fraction], before: tuple[Form, Bound],
        errors: Mapping[Source, Bound], forms: Mapping[Source, Form],
    ) -> tuple[Form, Bound]:  # fmt: skip
        """A lane after a block has added to it."""
        sources: dict[Source, int | Fraction] = {("u", i): c for i, c in row.items()}
        if before[0].terms or before[1].error:
            sources[LANE, lane] = 1
        affine = Affine(sources, 0)
        bound = self.affine(affine, errors, forms, None, "the residual stream")
        self.precision.check_range(affine, errors, forms, None)
        form = self.graph.combine([(1, before[0]), *((c, forms["u", i]) for i, c in row.items())])
        return form, bound

    # Units

    def _unit(
        self, unit: Unit, errors: Mapping[Source, Bound], forms: Mapping[Source, Form]
    ) -> Bound:
        if unit.atom >= 0 and self.graph.atoms[unit.atom].crisp:
            self.precision.check_range(unit.affine, errors, forms, unit.span)
            return self.decided(unit.affine, errors)
        if unit.op == FADE:
            return self._faded(unit, errors, forms)
        taken = self._taken_in(unit, errors, forms)
        if unit.op == RELU and unit.saturating:
            return self.saturated(unit, taken, errors)
        if unit.op in (RELU, PASS, DELAY):
            return taken
        if unit.op == PRODUCT:
            return self._multiplied(unit, taken, errors, forms)
        assert unit.op in (LATCH, SUM, SIGNED, DECAY), unit.op
        most = max(abs(unit.form.lo), abs(unit.form.hi))
        if unit.when is not None:
            taken = self._under(unit, taken, errors, forms)
        if unit.op == LATCH:
            return taken
        if not math.isfinite(taken.error):
            return taken
        return self._grown_state(unit, taken, most)

    def _taken_in(
        self, unit: Unit, errors: Mapping[Source, Bound], forms: Mapping[Source, Form]
    ) -> Bound:
        """What a unit takes in, after its activation where it has one."""
        bound = self.rectified(unit, errors, forms)
        has_bend = unit.op in (RELU, PRODUCT) or self.residual.machine.rectifies
        exact = not bound.error and self.precision.is_exact(unit.affine, forms)
        if has_bend and not exact:
            bound = bound.plus(self.own.bend, unit.span, unit.label)
        return bound

    def _under(
        self, unit: Unit, taken: Bound, errors: Mapping[Source, Bound],
        forms: Mapping[Source, Form],
    ) -> Bound:  # fmt: skip
        """What is written to a state under a condition that may be off."""
        assert unit.when is not None
        condition = self.affine(unit.when, errors, forms, unit.span, unit.label)
        if not condition.error <= CONDITION:
            return taken.plus(math.inf, unit.span, unit.label)
        if not condition.error:
            return taken
        most = max(abs(unit.form.lo), abs(unit.form.hi)) + taken.error
        own = self.own.condition * condition.error * most + self._added_up(most)
        return taken.plus(own, unit.span, unit.label)

    def _added_up(self, size: float) -> float:
        """What the additions of a scan are off by, of numbers whose magnitudes add up to `size`."""
        if not self.scan:
            return 0.0
        count = additions(self.length) + 1  # and that of a state apart for the first step
        u = self.dtype.unit_roundoff
        return count * u * factor(count, u) * size

    def _grown_state(self, unit: Unit, taken: Bound, most: float) -> Bound:
        """A sum, or a decay: the errors of the steps, their rounding, and that of the rate.

        In a scan, where products and sums are of parts of the sequence, it is not the state that is
        rounded but what it is made of: `size`, the sum of the magnitudes of all that it was given.
        Parts of a sum are differences of two states.
        """
        low, high = self.residual.rectified(unit.op, dict(self.graph.atoms[unit.atom].args)[VALUE])
        summed = min(2 * most, max(-low, high) * self.length) if self.scan else most
        exact = not taken.error and self.precision.on_lattice(unit.form.step, summed)
        if exact and unit.rate == 1:
            return ZERO
        u = self.dtype.unit_roundoff
        rate, off, roundings, misread = float(unit.rate), 0.0, 1, 0.0
        if unit.rate < 1:
            off, roundings, misread = self.own.rate(unit.rate), 3, self.own.written(unit.rate)
        # e_t <= keep * e_{t-1} + own, where keep >= rate + off + rounding of what is kept
        changed = (off + roundings * u) * (1 + u)
        keep = (rate + off) * (1 + roundings * u)
        steps = float(self.length)
        if keep < 1:
            steps = min(steps, 1 / (1 - keep))
        else:
            grown = (keep - 1) * steps
            if grown > 0.5:
                return taken.plus(math.inf, unit.span, unit.label)
            steps *= 1 + grown  # (keep^T - 1) / (keep - 1), for small excesses
        brought = taken.error * (1 + misread)
        given = max(-low, high) * steps
        if (keep < 1 or unit.rate == 1) and not low < 0 < high:
            # what is given, of one sign, adds up to the state: e_t = keep e_{t-1} + misread x_t
            # is at most misread (s_t + (keep - rate) (s_{t-1} + keep s_{t-2} + ...))
            given = min(given, most * (1 + (keep - rate) * steps))
        size = given * (1 + misread) + brought * steps
        kept = (unit.rate < 1) * size if self.scan else most
        total = (brought + changed * kept + self.dtype.underflow) * steps
        if self.scan:
            added = self._added_up(size)
            if unit.rate == 1:
                each = max(-low, high) + taken.error
                added = min(added, of_a_sum(self.length, each, 2 * most, brought * steps, u))
            total += added
        elif self.own.splits and low < 0 < high:
            parts = 1 + (unit.rate < 1)  # a sum's state for the first step is not rounded
            total += changed * parts * max(-low, high) * _longest(keep, self.length)
        total += misread * given
        return Bound(total, total, unit.span or taken.span, unit.label or taken.label)

    def _faded(
        self, unit: Unit, errors: Mapping[Source, Bound], forms: Mapping[Source, Form]
    ) -> Bound:
        """A state that fades, case by case.

        In a case e' <= keep e + own, keep < 1. So, however the cases follow each other, e is at
        most the largest own / (1 - keep), and at most the largest own times the length.
        """
        assert unit.when is not None
        self.precision.check_range(unit.affine, errors, forms, unit.span)
        self.precision.check_range(unit.when, errors, forms, unit.span)
        if any(errors[source].error for source in self._conditions(unit.when)):
            return ZERO.plus(math.inf, unit.span, unit.label)
        atom = self.graph.atoms[unit.atom]
        most, u = max(abs(atom.lo), abs(atom.hi)), self.dtype.unit_roundoff
        slowest = next(f for f in atom.fades if f.rate == atom.rate)
        control = dict(atom.args)[WHEN]  # a sum of at most two numbers, as `fade` takes it to be
        more = {f.control - slowest.control for f in atom.fades}
        assert control.const == slowest.control and more >= {*control.terms.values()}
        cases = []
        for fade in (f for f in atom.fades if f.rate < 1):
            taken = self._taken_in_case(unit, fade, errors, forms)
            off, misread = self.own.fade(fade, slowest)
            keep = (float(fade.rate) + off) * (1 + 3 * u)
            if keep >= 1:
                return ZERO.plus(math.inf, unit.span, unit.label)
            brought = float(fade.written) * taken.error * (1 + misread)
            cases.append((fade, taken, off, misread, keep, brought))
        if self.scan:  # what the state is made of; what the first step gives is at most the state
            given = [(f.most * (1 + m) + b) / (1 - keep) for f, _, _, m, keep, b in cases]
            most = max([most + max(t.error for _, t, *_ in cases), *given])
        largest, result = 0.0, ZERO
        for fade, taken, off, misread, keep, brought in cases:
            own = brought + misread * fade.most
            own += (off + 3 * u * (fade.rate > 0)) * most * (1 + u) + self.dtype.underflow
            largest, total = max(largest, own), own / (1 - keep)
            if total > result.error:
                result = Bound(total, total, unit.span or taken.span, unit.label or taken.label)
        error = min(result.error, largest * self.length) + self._added_up(most)
        return replace(result, error=error, worst=error)

    def _conditions(self, when: Affine) -> Iterator[Source]:
        """What the cases of a fade are decided by; what a unit passes on of it is only rounded."""
        for source in when.row:
            kind, i = source
            passed = kind == OWN and self.units[i].atom < 0
            yield from self.units[i].affine.row if passed else [source]

    def _taken_in_case(
        self, unit: Unit, fade: Fade, errors: Mapping[Source, Bound],
        forms: Mapping[Source, Form],
    ) -> Bound:  # fmt: skip
        """What is taken in where a case holds: what belongs to others only is exactly 0 then."""
        owned = {a for f in self.graph.atoms[unit.atom].fades for a in f.atoms}
        row = {
            source: c
            for source, c in unit.affine.row.items()
            if fade.atoms & forms[source].terms.keys() or not forms[source].terms.keys() <= owned
        }
        affine = Affine(row, unit.affine.const)
        bound = self.affine(affine, errors, forms, unit.span, unit.label)
        if self.residual.machine.rectifies and not self._is_exact(affine, bound, forms):
            bound = bound.plus(self.own.bend, unit.span, unit.label)
        return bound

    def _is_exact(self, affine: Affine, bound: Bound, forms: Mapping[Source, Form]) -> bool:
        return not bound.error and self.precision.is_exact(affine, forms)

    def _gated(
        self, unit: Unit, taken: Bound, errors: Mapping[Source, Bound],
        forms: Mapping[Source, Form],
    ) -> Bound:  # fmt: skip
        """A product with relu(1 - falsity). Where that is 1 all falsities are 0, where it is 0 they
        are 1 or more: nothing is rounded, and only the errors that they bring show."""
        assert unit.factor is not None
        gate, chosen = unit.factor, unit.affine
        if not self.residual.machine.rectifies:
            gate, chosen = chosen, gate
        own = self.affine(chosen, errors, forms, unit.span, unit.label)
        self.precision.check_range(chosen, errors, forms, unit.span)
        self.precision.check_range(gate, errors, forms, unit.span)
        if self.residual.machine.rectifies:
            own = taken
        brought = [errors[source] for source in gate.row if errors[source].error]
        if not brought:
            return own
        off = self.affine(gate, errors, forms, unit.span, unit.label)
        high = max(abs(unit.form.lo), abs(unit.form.hi)) + own.error
        most = off.error + self.own.bend
        if not most < 1:
            return off.plus(math.inf, unit.span, unit.label)
        rounding = self.dtype.unit_roundoff * high * (1 + most)
        return own.plus(most * high + rounding, unit.span, unit.label)

    def _multiplied(
        self, unit: Unit, taken: Bound, errors: Mapping[Source, Bound],
        forms: Mapping[Source, Form],
    ) -> Bound:  # fmt: skip
        """|a| f + |b| e + e f, and a rounding, for factors that are off by e and f."""
        assert unit.factor is not None
        if unit.saturating:
            return self._gated(unit, taken, errors, forms)
        other = self.affine(unit.factor, errors, forms, unit.span, unit.label)
        self.precision.check_range(unit.factor, errors, forms, unit.span)
        args = dict(self.graph.atoms[unit.atom].args)
        a, b = args[VALUE], args[FACTOR]
        if self.residual.machine.rectifies and (
            other.error or not self.precision.is_exact(unit.factor, forms)
        ):
            other = other.plus(self.own.bend, unit.span, unit.label)
        high_a, high_b = max(a.hi, 0.0), max(abs(b.lo), abs(b.hi))
        error = high_b * taken.error + high_a * other.error + taken.error * other.error
        worse = taken if high_b * taken.worst >= high_a * other.worst else other
        result = Bound(error, error, worse.span, worse.label) if error else ZERO
        if not error and self.precision.on_lattice(unit.form.step, unit.form.hi):
            return result
        own = self.dtype.unit_roundoff * (high_a + taken.error) * (high_b + other.error)
        return result.plus(2 * own + self.dtype.underflow, unit.span, unit.label)


def _longest(keep: float, length: int) -> float:
    """The most of t keep^(t - 1), for t up to the length.

    Where what the first step wrote, at most F, has a state of its own, that is at most keep^(t - 1)
    F after t steps; and the other state, at most that more than their sum. Each is rounded, and
    what a step is off by is kept: t keep^(t - 1) 2 F in all, beside what the sum itself is off by.
    """
    if keep >= 1:
        return length * math.pow(keep, length)
    at = -1 / math.log(keep)  # where it is most, of all real t
    return max(1.0, min(at, length) * math.pow(keep, min(at, length) - 1))
