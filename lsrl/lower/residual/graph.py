"""Atoms of a residual machine: what one channel of a block computes.

Besides ReLUs a block has products, short delays and scalar states, each starting at zero:

    delay   x, `lag` steps ago (0 before the start)
    sum     s' = s + x
    signed  s' = s + x, x of both signs on a machine that rectifies
    decay   s' = rate s + x
    latch   s' = x where `when` holds, else s
    update  s' = rate s + x where `when` holds, else s

A machine that rectifies takes max(x, 0) for x: a value of both signs is then the difference of two
atoms. A product is max(`value`, 0) times `factor` (rectified as well, on such a machine).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from ...analysis.lattice import gcd
from ...source import Span
from ..atoms import Atom, AtomGraph, AtomKind, Coefficient, Form

DELAY, SUM, SIGNED, DECAY, LATCH, UPDATE = "delay", "sum", "signed", "decay", "latch", "update"
RELU, PRODUCT, PASS = "relu", "product", "pass"
STATES = frozenset({SUM, SIGNED, DECAY, LATCH, UPDATE})
WHEN, VALUE, FACTOR = "when", "value", "factor"  # roles of the forms of an atom


@dataclass(frozen=True)
class BlockKind:
    """One kind of block: which atoms it computes, and of which of its own atoms a condition of its
    states can be made."""

    name: str
    ops: frozenset[str]
    conditions: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ResidualMachine:
    """What the blocks of a target can do; they follow each other in this order, over and over.

    `rectifies`: channels pass a ReLU before delays, states and products. `margins`: a condition is
    the sign of a form (at least 1/2 or at most -1/2), else a form that is 0 or 1. `apart`: states
    that share a block with no others.
    """

    name: str
    blocks: tuple[BlockKind, ...]
    rectifies: bool
    margins: bool
    window: int  # how many steps back a block sees
    apart: frozenset[str] = frozenset()

    def block(self, number: int) -> BlockKind:
        """The kind of a block, counted from 0."""
        return self.blocks[number % len(self.blocks)]


class ResidualGraph(AtomGraph):
    """Atoms as above; `lag` and `rate` of a unit are kept in it."""

    machine_of_units = True

    def __init__(self, machine: ResidualMachine, length: int) -> None:
        super().__init__()
        self.machine, self.length = machine, length

    def op(self, a: int) -> str:
        """The operation of an atom, "" of an input."""
        atom = self.atoms[a]
        return RELU if atom.kind is AtomKind.RELU else atom.op

    def machine_ops(self, kind: str) -> frozenset[str]:
        """What a kind of block computes."""
        return next(b.ops for b in self.machine.blocks if b.name == kind)

    def reads(self, a: int) -> set[int]:
        """The atoms that an atom reads."""
        atom = self.atoms[a]
        return {b for form in (*atom.operands, *(f for _, f in atom.args)) for b in form.terms}

    @property
    def inputs(self) -> list[int]:
        """The columns of the input, in order."""
        found = [a for a, atom in enumerate(self.atoms) if atom.kind is AtomKind.INPUT]
        return sorted(found, key=lambda a: self.atoms[a].index)

    # Values of both signs

    def unit(
        self, op: str, value: Form, *, when: Form | None = None, factor: Form | None = None,
        lag: int = 0, rate: Fraction = Fraction(1), most: float | None = None,
        saturating: bool = False, label: str = "", span: Span | None = None,
    ) -> Form:  # fmt: skip
        """A unit of `value`; two where the machine rectifies and the value has both signs.

        `most` bounds the magnitude of what a state grows to; `saturating`: one factor of a product,
        after its ReLU, is 0 or 1.
        """
        if value.is_const and value.const == 0:
            return value
        parts: list[tuple[Coefficient, Form]] = [(1, value)]
        if (self.machine.rectifies and op != SIGNED) or op == PRODUCT:
            negative = self.combine([(-1, value)])
            parts = [(s, f) for s, f in ((1, value), (-1, negative)) if f.hi > 0]
        if saturating and not self.machine.rectifies:
            parts = [(1, value)]
        if factor is not None and self.machine.rectifies and not saturating:
            negative = self.combine([(-1, factor)])
            factors = [(s, f) for s, f in ((1, factor), (-1, negative)) if f.hi > 0]
        else:
            factors = [] if factor is None else [(1, factor)]
        made = [
            (s * t, self._one(op, part, when, other, lag, rate, most, saturating, label, span))
            for (s, part), (t, other) in itertools.product(parts, factors or [(1, None)])
        ]
        result = self.combine(made)
        return result

    def _one(
        self, op: str, value: Form, when: Form | None, factor: Form | None, lag: int,
        rate: Fraction, most: float | None, saturating: bool, label: str, span: Span | None,
    ) -> Form:  # fmt: skip
        forms = {VALUE: value, WHEN: when, FACTOR: factor}
        args = tuple((role, form) for role, form in forms.items() if form is not None)
        key = (op, *((role, *form.key) for role, form in args), lag, rate, saturating)
        if key not in self._relus:
            lo, hi = self._ends(op, value, factor, rate, most)
            step = self._step(op, value, factor, rate)
            if saturating and factor is not None:
                chosen = value if self.machine.rectifies else factor
                low = max(chosen.lo, 0.0) if self.machine.rectifies else chosen.lo
                lo, hi, step = min(low, 0.0), max(chosen.hi, 0.0), chosen.step
            fuzzy = op not in STATES and any(self.is_fuzzy(f) for _, f in args)
            atom = Atom(
                AtomKind.UNIT, lo, hi, step, op=op, args=args, lag=lag, rate=rate, fuzzy=fuzzy,
                saturating=saturating, label=label, span=span,
            )  # fmt: skip
            self._relus[key] = self.add(atom)
        self.share(self._relus[key])
        return self.atom_form(self._relus[key])

    def rectified(self, op: str, form: Form) -> tuple[float, float]:
        """The range of what a unit takes in."""
        rectified = (self.machine.rectifies and op != SIGNED) or op == PRODUCT
        low = max(form.lo, 0.0) if rectified else form.lo
        return min(low, form.hi), form.hi

    def _ends(
        self, op: str, value: Form, factor: Form | None, rate: Fraction, most: float | None
    ) -> tuple[float, float]:
        lo, hi = self.rectified(op, value)
        if factor is not None:
            low, high = factor.lo, factor.hi
            if self.machine.rectifies:
                low = max(low, 0.0)
            ends = [x * y for x in (lo, hi) for y in (low, high)]
            return min(ends), max(ends)
        lo, hi = min(lo, 0.0), max(hi, 0.0)
        if op in (DECAY, UPDATE) and rate < 1:
            grown = float(1 / (1 - rate))
            return lo * min(grown, self.length), hi * min(grown, self.length)
        if op in (SUM, SIGNED, UPDATE):
            lo, hi = lo * self.length, hi * self.length
            if most is not None:
                lo, hi = max(lo, -most), min(hi, most)
        return lo, hi

    def _step(
        self, op: str, value: Form, factor: Form | None, rate: Fraction
    ) -> Fraction | None:
        if op in (DECAY, UPDATE) and rate < 1:
            return None
        if factor is None:
            return value.step
        if value.step is None or factor.step is None:
            return None
        return gcd([value.step * factor.step])

    def product(self, a: Form, b: Form, span: Span | None = None) -> Form:
        """a * b; the one with fewer signs is rectified."""
        if a.is_const or b.is_const:
            return super().product(a, b, span)
        a, b = sorted((a, b), key=lambda f: (f.lo < 0 < f.hi, repr(f.key)))
        result = self.unit(PRODUCT, a, factor=b, span=span)
        ends = [x * y for x in (a.lo, a.hi) for y in (b.lo, b.hi)]
        low = max(min(ends), 0.0) if a.key == b.key else min(ends)
        from ..atoms import tighten

        return tighten(result, low, max(ends), None)

    def gated(self, a: Form, value: Form, span: Span | None = None) -> Form:
        """max(value, 0) * a, where `value` is 1, or 0 or less: a, or 0."""
        from ..atoms import tighten

        if self.machine.rectifies:
            result = self.unit(PRODUCT, a, factor=value, saturating=True, span=span)
        else:
            result = self.unit(PRODUCT, value, factor=a, saturating=True, span=span)
        return tighten(result, min(a.lo, 0.0), max(a.hi, 0.0), None)

    def evaluated(self, atom: Atom, values: Mapping[int, Fraction]) -> Fraction | None:
        """The value of a ReLU or product from those of the atoms that it reads; None of others."""
        if atom.kind is AtomKind.RELU and atom.form is not None:
            return max(self.value_of(atom.form, values), Fraction(0))
        if atom.op != PRODUCT:
            return None
        args = dict(atom.args)
        x, y = (self.value_of(args[role], values) for role in (VALUE, FACTOR))
        return max(x, Fraction(0)) * (max(y, Fraction(0)) if self.machine.rectifies else y)

    @staticmethod
    def value_of(form: Form, values: Mapping[int, Fraction]) -> Fraction:
        """A form from the values of its atoms."""
        total = Fraction(form.const)
        for a, c in form.terms.items():
            total += c * values[a]
        return total
