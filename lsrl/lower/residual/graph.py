"""Atoms of a residual machine: what one channel of a block computes.

Besides ReLUs a block has products, short delays and scalar states, each starting at zero:

    delay   x, `lag` steps ago (0 before the start)
    sum     s' = s + x
    signed  s' = rate s + x, x of both signs on a machine that rectifies
    decay   s' = rate s + x
    latch   s' = x where `when` holds, else s
    fade    s' = a s + m x, a and m as the value of `when` says, one of a few (see `Fade`)

A machine that rectifies takes max(x, 0) for x: a value of both signs is then the difference of two
atoms. A product is max(`value`, 0) times `factor` (rectified as well, on such a machine).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from ...analysis.lattice import gcd
from ...source import Span
from ..atoms import Atom, AtomGraph, AtomKind, Form, tighten
from ..coefficients import Coefficient

DELAY, SUM, SIGNED, DECAY, LATCH = "delay", "sum", "signed", "decay", "latch"
FADE = "fade"
RELU, PRODUCT, PASS = "relu", "product", "pass"
STATES = frozenset({SUM, SIGNED, DECAY, LATCH, FADE})
LANE, OWN = "r", "v"  # sources: a lane of the residual stream; a unit of the same block
WHEN, VALUE, FACTOR = "when", "value", "factor"  # roles of the forms of an atom


@dataclass(frozen=True)
class BlockKind:
    """One kind of block: which atoms it computes, and of which of its own atoms a condition of its
    states can be made."""

    name: str
    ops: frozenset[str]
    conditions: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Fade:
    """A case of a state that fades: where `when` is `control`, it is kept by `rate`, and what it
    takes in is multiplied by `written`.

    Of what a state takes in, the `atoms` of the other cases are 0 then; it comes to `most`, after
    the multiplication.
    """

    rate: Fraction
    control: Fraction
    written: Fraction
    atoms: frozenset[int] = frozenset()
    most: float = 0.0


@dataclass(frozen=True)
class ResidualMachine:
    """What the blocks of a target can do; they follow each other in this order, over and over.

    `rectifies`: channels pass a ReLU before delays, states and products. `margins`: a condition is
    the sign of a form (at least 1/2 or at most -1/2), else a form that is 0 or 1. `fade` makes the
    case of a rate, 1 for what is kept as it is, of a state whose largest other rate comes second;
    `first_is_whole`: what a state takes in at the first step is not multiplied. `apart`: states
    that share a block with no others.
    """

    name: str
    blocks: tuple[BlockKind, ...]
    rectifies: bool
    margins: bool
    window: int  # how many steps back a block sees
    fade: Callable[[Fraction, Fraction], Fade]
    first_is_whole: bool
    apart: frozenset[str] = frozenset()

    def block(self, number: int) -> BlockKind:
        """The kind of a block, counted from 0."""
        return self.blocks[number % len(self.blocks)]


@dataclass(frozen=True)
class Setting:
    """What a unit does with its value. `most` bounds the magnitude of what a state grows to,
    `extent` how far below and above 0 a fade grows that takes in both signs, each by itself;
    `saturating`: one factor of a product, after its ReLU, is 0 or 1; `approximation`: by how much
    what is added to a state in a step may differ from what it means; `fades`: the cases of a fade,
    whose `rate` is the largest below 1."""

    op: str
    when: Form | None = None
    lag: int = 0
    rate: Fraction = Fraction(1)
    most: float | None = None
    extent: tuple[float, float] = (0.0, 0.0)
    saturating: bool = False
    approximation: float = 0.0
    fades: tuple[Fade, ...] = ()
    label: str = ""
    span: Span | None = None

    @property
    def mirrored(self) -> Setting:
        """The same of the negative of its value."""
        return replace(self, extent=(-self.extent[1], -self.extent[0]))


class ResidualGraph(AtomGraph):
    """Atoms as above; `lag` and `rate` of a unit are kept in it."""

    machine_of_units = True

    def __init__(self, machine: ResidualMachine, length: int) -> None:
        super().__init__()
        self.machine, self.length = machine, length
        self.span: Span | None = None  # of the state for which units are made

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

    def unit(self, op: str, value: Form, *, factor: Form | None = None, **settings: Any) -> Form:
        """A unit of `value`; two where the machine rectifies and the value has both signs.

        Settings are those of `Setting`.
        """
        if value.is_const and value.const == 0:
            return value
        setting = Setting(op, **settings)
        parts: list[tuple[Coefficient, Form]] = [(1, value)]
        factors: list[tuple[Coefficient, Form | None]] = [(1, factor)]
        if self.takes_relu(op) and not (setting.saturating and not self.machine.rectifies):
            parts = self._by_sign(value)
        if factor is not None and self.machine.rectifies and not setting.saturating:
            factors = [*self._by_sign(factor)]
        made = [
            (s * t, self._one(setting if s > 0 else setting.mirrored, part, other))
            for (s, part), (t, other) in itertools.product(parts, factors)
        ]
        return self.combine(made)

    def takes_relu(self, op: str) -> bool:
        """Whether what a unit takes in passes a ReLU."""
        return op == PRODUCT or (self.machine.rectifies and op != SIGNED)

    def _by_sign(self, form: Form) -> list[tuple[Coefficient, Form]]:
        """A form as a difference of ReLUs: of itself, and of its negative."""
        negative = self.combine([(-1, form)])
        signed: list[tuple[Coefficient, Form]] = [(1, form), (-1, negative)]
        return [(s, f) for s, f in signed if f.hi > 0]

    def _one(self, own: Setting, value: Form, factor: Form | None) -> Form:
        forms = {VALUE: value, WHEN: own.when, FACTOR: factor}
        args = tuple((role, form) for role, form in forms.items() if form is not None)
        key = (own.op, *((r, *form.key) for r, form in args), own.lag, own.rate, own.saturating,
               own.fades)  # fmt: skip
        if key not in self._relus:
            lo, hi = self._ends(own, value, factor)
            step = self._step(own, value, factor)
            fuzzy = own.op not in STATES and any(self.is_fuzzy(f) for _, f in args)
            atom = Atom(
                AtomKind.UNIT, lo, hi, step, op=own.op, args=args, lag=own.lag, rate=own.rate,
                fuzzy=fuzzy, saturating=own.saturating,
                approximation=own.approximation, fades=own.fades, label=own.label,
                span=own.span or self.span,
            )  # fmt: skip
            self._relus[key] = self.add(atom)
        self.share(self._relus[key])
        return self.atom_form(self._relus[key])

    def rectified(self, op: str, form: Form) -> tuple[float, float]:
        """The range of what a unit takes in."""
        low = max(form.lo, 0.0) if self.takes_relu(op) else form.lo
        return min(low, form.hi), form.hi

    def _ends(self, own: Setting, value: Form, factor: Form | None) -> tuple[float, float]:
        op = own.op
        lo, hi = self.rectified(op, value)
        if factor is not None:
            low = max(factor.lo, 0.0) if self.machine.rectifies else factor.lo
            if own.saturating:  # 0, or what is chosen
                chosen = (lo, hi) if self.machine.rectifies else (low, factor.hi)
                return min(chosen[0], 0.0), max(chosen[1], 0.0)
            ends = [x * y for x in (lo, hi) for y in (low, factor.hi)]
            return min(ends), max(ends)
        lo, hi = min(lo, 0.0), max(hi, 0.0)
        if op == FADE:
            lo, hi = (end if x else 0.0 for x, end in zip((lo, hi), own.extent, strict=True))
        elif op in STATES - {LATCH}:
            most = self.length if own.rate == 1 else min(self.length, float(1 / (1 - own.rate)))
            lo, hi = lo * most, hi * most
        if op in STATES - {LATCH} and own.most is not None:
            lo, hi = max(lo, -own.most), min(hi, own.most)
        return lo, hi

    def _step(self, own: Setting, value: Form, factor: Form | None) -> Fraction | None:
        if own.rate < 1:
            return None
        if factor is None:
            return value.step
        if own.saturating:
            return value.step if self.machine.rectifies else factor.step
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
        return tighten(result, low, max(ends), None)

    def gated(self, a: Form, value: Form, span: Span | None = None) -> Form:
        """max(value, 0) * a, where `value` is 1, or 0 or less: a, or 0."""
        if self.machine.rectifies:
            result = self.unit(PRODUCT, a, factor=value, saturating=True, span=span)
        else:
            result = self.unit(PRODUCT, value, factor=a, saturating=True, span=span)
        return tighten(result, min(a.lo, 0.0), max(a.hi, 0.0), None)
