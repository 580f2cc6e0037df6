"""The atom graph of a gated machine: units, and their values of the step before.

A *unit* applies an operation of the target (`op`) to affine forms (`args`, by role). A form may
read units of the same step, which then lie in a layer below, and previous values, which are those
of units in the unit's own layer. Every unit's previous value is 0 before the first step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction

from ...source import Span
from ..atoms import Atom, AtomGraph, AtomKind, Form, constant
from ..coefficients import Coefficient
from .undo import Undo


class UnitGraph(AtomGraph):
    """Atoms of kinds INPUT, UNIT and PREV. What was added since a `mark` can be taken back."""

    machine_of_units = True

    def __init__(self) -> None:
        super().__init__()
        self._known = Undo()
        self.positions = Undo()
        self.families = Undo()
        self.switches = Undo()
        self.openings = Undo()
        self.margins = Undo()
        self.shutters = Undo()
        self.parts = Undo()  # by family: units of which at most one is not 0, and by what the
        # argument of the others is below 0
        self.cache = Undo()  # what is made once from other things, by what it is made from
        self.level = Undo()  # layers that a unit stands on, itself included
        self.twins = Undo()  # pairs of units whose sum is exact in a row of their own
        self.products = (
            Undo()
        )  # of a unit that holds a product: its parts and |a_k| / 2, w, |x|, |y|
        self.unset = Undo()  # units that hold no value of the program until one is written: True
        self.resets = Undo()  # of a unit to which exactly 0 is added while it is kept: True
        self._units = Undo()

    # Atoms

    def unit(
        self,
        op: str,
        args: Mapping[str, Form],
        ends: tuple[float, float],
        step: Fraction | None,
        *,
        fuzzy: bool = False,
        label: str = "",
        span: Span | None = None,
    ) -> Form:
        """A unit's value. Equal units are one."""
        named = tuple(sorted(args.items()))
        key = (op, *((role, form.key) for role, form in named))
        if key not in self._units:
            fuzzy = fuzzy or any(self.is_fuzzy(form) for _, form in named)
            atom = Atom(
                AtomKind.UNIT, *ends, step, op=op, args=named, fuzzy=fuzzy, label=label, span=span
            )
            self._units[key] = self._new(atom)
        self.share(self._units[key])
        return self.atom_form(self._units[key])

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
        """max(form, 0) as a unit of a ReLU machine; see `AtomGraph.relu`."""
        if form.lo >= 0 and (form.is_const or not kept):
            return form
        if form.hi <= 0 and (form.is_const or not kept):
            return constant(0)
        ends = 0.0, min(form.hi, 1.0) if boolean else max(form.hi, 0.0)
        step = Fraction(1) if boolean else form.step
        op = "truth" if boolean else "ramp" if saturating else "relu"
        fuzzy |= saturating and form.step is None
        made = self.unit(op, {"a": form}, ends, step, fuzzy=fuzzy, span=span)
        if approximation:
            (a,) = made.terms
            self.atoms[a] = replace(self.atoms[a], approximation=approximation)
        return made

    def crisp(self, form: Form, step: Fraction | None) -> Form:
        """As `AtomGraph.crisp`, a unit of a ReLU machine."""
        op = "ramp" if step is None else "truth"
        made = self.unit(op, {"a": form}, (0.0, form.hi), step)
        self.mark_crisp(*made.terms)
        return made

    def mark_crisp(self, a: int) -> None:
        """A unit becomes a step of `decided`."""
        self.atoms[a] = replace(self.atoms[a], crisp=True, fuzzy=self.atoms[a].step is None)

    def _new(self, atom: Atom) -> int:
        index = self.add(atom)
        self.level[index] = 1 + max((self.depth(form) for _, form in atom.args), default=0)
        return index

    def reserve(
        self, op: str, ends: tuple[float, float], step: Fraction | None, label: str = ""
    ) -> int:
        """A unit whose arguments are still to be defined."""
        return self._new(Atom(AtomKind.UNIT, *ends, step, op=op, label=label))

    def define(self, a: int, args: Mapping[str, Form]) -> None:
        """The arguments of a reserved unit, or new ones of any unit."""
        self.atoms[a] = replace(self.atoms[a], args=tuple(sorted(args.items())))
        self.level[a] = 1 + max((self.depth(form) for form in args.values()), default=0)

    def rename(self, a: int, args: Mapping[str, Form]) -> None:
        """A unit of other arguments with the same meaning."""
        self.define(a, args)
        atom = self.atoms[a]
        self._units[(atom.op, *((role, form.key) for role, form in atom.args))] = a

    def previous(self, a: int) -> Form:
        """An atom's value one step ago, 0 before the first step."""
        key = "previous", a
        if key not in self._units:
            atom = self.atoms[a]
            lo, hi = min(atom.lo, 0.0), max(atom.hi, 0.0)
            made = Atom(AtomKind.PREV, lo, hi, atom.step, of=a, fuzzy=False, label=atom.label)
            self._units[key] = self.add(made)
        return self.atom_form(self._units[key])

    def cell(self, a: int) -> Form:
        """What a unit keeps, whether or not it shows it."""
        key = "cell", a
        if key not in self._units:
            atom = self.atoms[a]
            made = Atom(AtomKind.CELL, atom.lo, atom.hi, atom.step, of=a, label=atom.label)
            self._units[key] = self.add(made)
        return self.atom_form(self._units[key])

    def position(self, a: int) -> tuple[tuple[int, ...], bool] | None:
        """Previous values of exclusive lanes are exclusive; all are 0 before the first step."""
        atom = self.atoms[a]
        if atom.kind is AtomKind.PREV and a not in self.positions and atom.of >= 0:
            found = self.positions.get(atom.of)
            if found is not None:
                lanes = tuple(next(iter(self.previous(b).terms)) for b in found[0])
                for b in lanes:
                    self.positions[b] = lanes, True
        return self.positions.get(a)

    def exclusive(self, lanes: tuple[int, ...], silent: bool) -> None:
        """Note that one of the atoms is 1 and the others 0; if `silent`, or all of them are 0."""
        for a in lanes:
            self.positions[a] = lanes, silent

    # Levels

    def depth(self, form: Form) -> int:
        """How many layers of units a form stands on: a reader lies at least one above."""
        return max((self._stands(a) for a in form.terms), default=0)

    def _stands(self, a: int) -> int:
        atom = self.atoms[a]
        if atom.kind is AtomKind.PREV:
            return self.level.get(atom.of, 1) - 1 if atom.of >= 0 else 0
        return int(self.level.get(a, 0))

    # Trying

    def mark(self) -> tuple[int, ...]:
        """Where things stand, for `rollback`."""
        return (len(self.atoms), *(len(store.journal) for store in self._stores()))

    def rollback(self, mark: tuple[int, ...]) -> None:
        """Forget the atoms that were made since a mark, and what is known of them."""
        count, *journals = mark
        del self.atoms[count:], self.makers[count:]
        for store, n in zip(self._stores(), journals, strict=True):
            store.rollback(n)

    def _stores(self) -> list[Undo]:
        return [store for store in vars(self).values() if isinstance(store, Undo)]

    def stage(self) -> tuple[list[Atom], dict[str, list[Form]], dict[str, list[Form]]]:
        """What the rewrites change, for `restore`."""
        return list(self.atoms), dict(self.outputs), dict(self.names)

    def restore(
        self, stage: tuple[list[Atom], dict[str, list[Form]], dict[str, list[Form]]]
    ) -> None:
        """The graph as it was; atoms that were made since stay, and nothing reads them."""
        atoms, self.outputs, self.names = stage
        self.atoms[: len(atoms)] = atoms

    def made_since(self, mark: tuple[int, ...]) -> Iterator[int]:
        """The units that were added since a mark."""
        for a in range(mark[0], len(self.atoms)):
            if self.atoms[a].kind is AtomKind.UNIT:
                yield a

    # Substitution

    def substitute(self, form: Form, values: Mapping[int, Form]) -> Form:
        """A form with forms in place of some of its atoms; what is known of its range stays."""
        if not form.terms.keys() & values.keys():
            return form
        parts: list[tuple[Coefficient, Form]] = []
        for a, c in form.terms.items():
            parts.append((c, values[a] if a in values else self.atom_form(a)))
        made = self.combine(parts, form.const)
        lo, hi = max(made.lo, form.lo), min(made.hi, form.hi)
        step = made.step if form.step is None else max(form.step, made.step or form.step)
        return Form(made.terms, made.const, min(lo, hi), max(lo, hi), step)

    def shifted(self, form: Form, by: Coefficient) -> Form:
        """form + by."""
        return self.combine([(1, form)], by)

    def split(self, form: Form, chosen: set[int]) -> tuple[Form, Form]:
        """The part of a form over chosen atoms, and the rest with the constant."""
        inside = self.form({a: c for a, c in form.terms.items() if a in chosen}, 0)
        outside = self.form({a: c for a, c in form.terms.items() if a not in chosen}, form.const)
        return inside, outside


def is_previous(graph: AtomGraph, form: Form) -> bool:
    """Whether a form reads previous values only."""
    return all(graph.atoms[a].kind is AtomKind.PREV for a in form.terms)


TRUE, FALSE = constant(1), constant(-1)  # margins of gates that never change
