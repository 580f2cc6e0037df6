"""The atom graph: a program in affine normal form.

An *atom* is a scalar lane that costs something: an input lane, a ReLU of an affine form, a lane of
a linear state. A value is a sparse affine *form* over atoms with exact coefficients; linear maps,
slices, sums and broadcasts are free, and equal atoms are one atom (hash-consing).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction
from typing import Any

from ..analysis.lattice import ONE, gcd
from ..records import record
from ..source import Span
from .coefficients import (
    Coefficient,
    add_scaled,
    fits,
    largest_partial_sum,
    primitive,
    representable,
    scaled_step,
    whole,
)

Terms = dict[int, Coefficient]


class AtomKind(Enum):
    """What an atom is; UNIT, PREV and CELL of machines of units (lower/units)."""

    INPUT = "input"
    RELU = "relu"
    STATE = "state"
    PRODUCT = "product"
    UNIT = "unit"
    PREV = "prev"
    CELL = "cell"  # what a unit keeps where its output gate may hide it


@record(eq=False)
class Form:
    """`const + sum of terms[a] * atom a`, known to lie in `lo..hi` and on the lattice of `step`."""

    terms: Terms
    const: Coefficient
    lo: float
    hi: float
    step: Fraction | None

    @property
    def key(self) -> tuple[Any, ...]:
        """What identifies the form: equal keys, equal values."""
        return (*sorted(self.terms.items()), self.const)

    @property
    def is_const(self) -> bool:
        """Whether it reads no atom."""
        return not self.terms

    @property
    def is_boolean(self) -> bool:
        """Whether the value is always exactly 0 or 1."""
        return 0 <= self.lo <= self.hi <= 1 and self.is_integral

    @property
    def is_integral(self) -> bool:
        """Whether the value is always an integer."""
        return self.step is ONE or (self.step is not None and self.step.denominator == 1)

    @property
    def width(self) -> float:
        """The length of its range."""
        return self.hi - self.lo


@record()
class Atom:
    """One lane. `form` is what a ReLU is applied to; `group`, `lane` where a state lane stands.

    `saturating`: the unit saturates, so that (small) errors of its input do not show in its value.
    `fuzzy`: it follows a comparison of reals, and lies between its values inside the guard band.
    A unit of a gated machine applies `op` to the forms `args`,
    by role; a previous value is that of the atom `of`, one step ago.
    `index` is the column of an input; `factor` what a product multiplies `form` by. A realisation
    that only approximates what it stands for enters its error as `approximation`. `lag`, `rate`
    and `fades` belong to the delays and states of residual machines (see lower/residual). `crisp`:
    a step of `decided` (logic.py), whose value does not depend on how far the atom that it reads is
    off.
    """

    kind: AtomKind
    lo: float
    hi: float
    step: Fraction | None
    form: Form | None = None
    group: int = -1
    lane: int = -1
    index: int = -1
    op: str = ""
    args: tuple[tuple[str, Form], ...] = ()
    of: int = -1
    saturating: bool = False
    fuzzy: bool = False
    crisp: bool = False
    label: str = ""
    span: Span | None = field(default=None, compare=False, repr=False)
    factor: Form | None = None
    approximation: float = 0.0
    lag: int = 0
    rate: Fraction = Fraction(1)
    fades: tuple[Any, ...] = ()

    @property
    def operands(self) -> tuple[Form, ...]:
        """The forms that a unit of a layer is computed from: of a ReLU one, of a product two."""
        if self.form is None:
            return ()
        return (self.form,) if self.factor is None else (self.form, self.factor)


@dataclass
class Lane:
    """A lane of a linear state: s' = sum of `row[l] * s_l` (of this group) + `added`."""

    row: dict[int, Coefficient]
    added: Form
    init: Coefficient
    atom: int = -1


@dataclass
class Group:
    """Linear state lanes that are updated together, in one layer."""

    lanes: list[Lane]
    name: str
    span: Span | None = None


class AtomGraph:
    """All atoms of a program, in an order in which each depends on earlier ones only."""

    machine_of_units = False  # whether units keep values of their own, as in lower/units

    def __init__(self) -> None:
        self.atoms: list[Atom] = []
        self.groups: list[Group] = []
        self.outputs: dict[str, list[Form]] = {}
        self.names: dict[str, list[Form]] = {}
        self.encodings: dict[str, list[str]] = {}  # how a name's forms say its elements
        self.lowered: dict[int, list[Any]] = {}  # what became of each node: forms and booleans
        self.makers: list[list[int]] = []  # of each atom: the nodes for which it was made
        self.maker = -1
        self.input_size = 0
        self.prefixes: dict[int, int] = {}  # by clock group: lanes that are 1 at one step only
        self.positions: dict[int, tuple[tuple[int, ...], bool]] = {}  # see lower/read_outs
        self.openings: dict[int, int] = {}  # in how many steps at most a unit is not 0
        self.switches: dict[
            int, frozenset[int]
        ] = {}  # of a gate: atoms that are 0 while it is open
        # of a gate r(a - M f): M, the most of a, and whether f is an integer
        self.margins: dict[int, tuple[float, float, bool]] = {}
        self.shutters: dict[int, float] = {}  # of a gate, never half open: M less the most of a
        self.families: dict[int, int] = {}  # units of which at most one is not 0 at a time
        self.cache: dict[Any, Any] = {}  # what booleans have been made into
        self.lane_places: dict[int, tuple[tuple[int, ...], dict[int, int]]] = {}  # by `id` of lanes
        self.lanes_by_value: dict[int, tuple[Form, dict[Coefficient, Terms]]] = {}  # of a form
        self._relus: dict[tuple[Any, ...], int] = {}
        self._known: dict[tuple[tuple[int, Coefficient], ...], tuple[float, float]] = {}

    @property
    def signature(self) -> tuple[Any, ...]:
        """What identifies the graph: atoms by their operands, states by what they add, outputs."""
        return (
            *((a.kind, *(f.key for f in a.operands)) for a in self.atoms),
            *(lane.added.key for group in self.groups for lane in group.lanes),
            *(f.key for forms in self.outputs.values() for f in forms),
        )

    # Ranges that are known of combinations of atoms

    def note(self, form: Form) -> Form:
        """Remember a form's range, which may be narrower than what its atoms say; returns it."""
        if len(form.terms) > 1:
            key, factor = primitive(form.terms)
            ends = sorted(
                (float((Fraction(end) - form.const) / factor)) for end in (form.lo, form.hi)
            )
            low, high = self._known.get(key, (-math.inf, math.inf))
            self._known[key] = max(low, ends[0]), min(high, ends[1])
        return form

    def recall(self, form: Form) -> Form:
        """The form with the range that was noted for its combination of atoms, up to a factor."""
        if len(form.terms) < 2:
            return form
        key, factor = primitive(form.terms)
        if key not in self._known:
            return form
        ends = sorted(float(Fraction(e) * factor + form.const) for e in self._known[key])
        return tighten(form, ends[0], ends[1], None)

    # Atoms

    def add(self, atom: Atom) -> int:
        """Append an atom, made for the current node; its number."""
        self.atoms.append(atom)
        self.makers.append([self.maker])
        return len(self.atoms) - 1

    def share(self, a: int) -> None:
        """Note that an atom that is there already is asked for."""
        if self.maker not in self.makers[a]:
            self.makers[a].append(self.maker)

    def atom_form(self, a: int) -> Form:
        """The value of an atom."""
        atom = self.atoms[a]
        return Form({a: 1}, 0, atom.lo, atom.hi, atom.step)

    def input(self, lo: float, hi: float, step: Fraction | None, label: str) -> Form:
        """The next column of the input."""
        index = self.input_size
        self.input_size += 1
        atom = Atom(AtomKind.INPUT, lo, hi, step, index=index, label=label)
        return self.atom_form(self.add(atom))

    def relu(
        self,
        form: Form,
        *,
        saturating: bool = False,
        boolean: bool = False,
        fuzzy: bool = False,
        kept: bool = False,
        approximation: float = 0.0,
        span: Span | None = None,
    ) -> Form:
        """max(form, 0): the form itself or 0 where its range says so, else one atom.

        `saturating`: outside of the guard band errors of the form do not show in the result.
        `boolean`: moreover the result is then 0 or 1. `fuzzy`: it follows a comparison of reals.
        `kept`: an atom in any case. `approximation`: how far the form may be from what it means.
        """
        if form.lo >= 0 and (form.is_const or not kept):
            return form
        if form.hi <= 0 and (form.is_const or not kept):
            return constant(0)
        key = (*form.key, saturating, boolean, fuzzy, approximation)
        if key not in self._relus:
            step = ONE if boolean else form.step
            fuzzy |= self.is_fuzzy(form) or (saturating and form.step is None)
            hi = min(form.hi, 1.0) if boolean else max(form.hi, 0.0)
            atom = Atom(
                AtomKind.RELU, 0.0, hi, step, form, saturating=saturating, fuzzy=fuzzy, span=span,
                approximation=approximation,
            )  # fmt: skip
            self._relus[key] = self.add(atom)
        return self.atom_form(self._relus[key])

    def crisp(self, form: Form, step: Fraction | None) -> Form:
        """max(form, 0) for a form of one atom, as a step of `decided`; 0 or 1 if it has a step."""
        key = (*form.key, "crisp")
        if key not in self._relus:
            atom = Atom(
                AtomKind.RELU, 0.0, form.hi, step, form, saturating=True, fuzzy=step is None,
                crisp=True,
            )  # fmt: skip
            self._relus[key] = self.add(atom)
        self.share(self._relus[key])
        return self.atom_form(self._relus[key])

    def product(self, a: Form, b: Form, span: Span | None = None) -> Form:
        """a * b: linear where one is constant, else one atom."""
        if a.is_const or b.is_const:
            return self.combine([(a.const, b) if a.is_const else (b.const, a)])
        a, b = sorted((a, b), key=lambda f: repr(f.key))
        key = ("product", a.key, b.key)
        if key not in self._relus:
            ends = [x * y for x in (a.lo, a.hi) for y in (b.lo, b.hi)]
            low = max(min(ends), 0.0) if a.key == b.key else min(ends)
            step = None if a.step is None or b.step is None else gcd([a.step * b.step])
            fuzzy = self.is_fuzzy(a) or self.is_fuzzy(b)
            atom = Atom(
                AtomKind.PRODUCT, low, max(ends), None if fuzzy else step, a,
                fuzzy=fuzzy, span=span, factor=b,
            )  # fmt: skip
            self._relus[key] = self.add(atom)
        self.share(self._relus[key])
        return self.atom_form(self._relus[key])

    def exclude(self, forms: Iterable[Form]) -> None:
        """Note that of all ReLU atoms of the forms at most one is not 0 at a time."""
        family = len(self.atoms)
        for form in forms:
            for a in form.terms:
                if self.atoms[a].kind is AtomKind.RELU:
                    self.families[a] = family

    # Forms

    def is_fuzzy(self, form: Form) -> bool:
        """Whether an undetermined comparison can show in it other than through a state."""
        return any(self.atoms[a].fuzzy for a in form.terms)

    def form(self, terms: Mapping[int, Coefficient], const: Coefficient) -> Form:
        """A form with the range and lattice that follow from its atoms."""
        kept = dict(terms) if all(terms.values()) else {a: c for a, c in terms.items() if c}
        atoms = self.atoms
        return Form(kept, const, *extent([(atoms[a], c) for a, c in kept.items()], const))

    def position(self, a: int) -> tuple[tuple[int, ...], bool] | None:
        """The exclusive lanes that an atom is one of, and whether all of them can be 0."""
        return self.positions.get(a)

    def combine(self, parts: Iterable[tuple[Coefficient, Form]], const: Coefficient = 0) -> Form:
        """A linear combination of forms. Its range is the better of what its atoms and what its
        parts say."""
        parts = [(c if type(c) is int else whole(c), form) for c, form in parts]
        if len(parts) == 1 and parts[0][0] == 1 and not const:
            return parts[0][1]
        terms: Terms = {}
        total: Coefficient = const
        for c, form in parts:
            if not c:
                continue
            total += c if form.const == 1 else c * form.const
            add_scaled(terms, form.terms, c)
        result = self.form(terms, total)
        low, high, step = extent([(form, c) for c, form in parts if c], const)
        return tighten(result, low, high, step if step is not None else result.step)


def constant(value: Coefficient) -> Form:
    """A form that reads nothing."""
    step = gcd([value])  # none where the denominator is too large
    return Form(
        {}, value, float(value), float(value), abs(Fraction(value)) if step is None else step
    )


def extent(
    parts: Iterable[tuple[Atom | Form, Coefficient]], const: Coefficient
) -> tuple[float, float, Fraction | None]:
    """The range and the lattice of a constant and multiples of some values."""
    low = high = float(const)
    steps: list[int | Fraction | None] = [const]
    for value, c in parts:
        factor = c if type(c) is int else c.numerator / c.denominator
        if factor > 0:
            low, high = low + factor * value.lo, high + factor * value.hi
        else:
            low, high = low + factor * value.hi, high + factor * value.lo
        steps.append(scaled_step(value.step, c))
    return low, high, gcd(steps)


def tighten(form: Form, lo: float, hi: float, step: Fraction | None) -> Form:
    """A form about which more is known: a narrower range, a coarser lattice."""
    lo, hi = max(form.lo, lo), min(form.hi, hi)
    if lo > hi:  # rounding of the ends of a range that is a point
        lo = hi = min(max(form.lo, hi), form.hi)
    best = form.step
    if step is not None and step is not best and (best is None or step != 0):
        best = step if best is None else max(best, step)
    if best is form.step and lo == form.lo and hi == form.hi:
        return form
    return Form(form.terms, form.const, lo, hi, best)


def exact_in(form: Form, atoms: Sequence[Atom], digits: int) -> bool:
    """Whether every partial sum of the form, in any order, is exact with so many binary digits."""
    steps: list[int | Fraction | None] = [form.const]
    ends = [(float(form.const), float(form.const))]
    for a, c in form.terms.items():
        atom = atoms[a]
        if not representable(c, digits):
            return False
        steps.append(scaled_step(atom.step, c))
        ends.append((float(c) * atom.lo, float(c) * atom.hi))
    return fits(gcd(steps), largest_partial_sum(ends), digits)
