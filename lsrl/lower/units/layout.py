"""Layers of units with exact weights: what passes between them, and which unit holds what.

A layer's units read the outputs of the layer below ("x": its columns at this step; below the first
layer lies the input) and their own layer's units one step back ("h"). The head reads the last
layer. A value that is needed further up, or one step back in a layer above its own, is carried by a
unit of its own in each layer between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from ...source import Span
from ..atoms import AtomKind, Form, exact_in
from ..coefficients import Coefficient, primitive
from ..layers import Affine, Place, Row, Source, add_row, connected
from .graph import UnitGraph
from .schedule import Placement

KINDS = {AtomKind.PREV: "p", AtomKind.CELL: "c"}  # of what is read other than the units now
Carriers = Callable[[Form], tuple[int, ...]]
Carried = tuple[Row, Coefficient]  # how a value is read from the outputs of the next layer


@dataclass(frozen=True)
class LayerUnit:
    """One hidden unit: `op` of affine forms over sources, whose magnitudes are `most`. `form` is
    its ideal value."""

    op: str
    args: dict[str, Affine]
    most: dict[str, float]
    form: Form
    label: str
    span: Span | None = None
    atom: int = -1


@dataclass
class UnitLayer:
    """`inputs` are the ideal values of x."""

    inputs: list[Form]
    units: list[LayerUnit] = field(default_factory=list)


@dataclass
class UnitMachine:
    """A whole machine. `head` has a row over the last layer's units for each output column;
    `found` says where each element of a named value is read: over the units of a layer ("h"), those
    of the step before ("p"), what cells keep ("c"), or the input ("x", layer 1). `scales`: a unit
    holds that times its value."""

    layers: list[UnitLayer]
    head: list[Affine]
    head_forms: list[Form]
    outputs: list[str]
    found: dict[str, list[Affine]]
    scales: list[list[float]] = field(default_factory=list)
    merged: frozenset[int] = frozenset()
    padded: int = 0  # the hidden size that was asked for

    @property
    def width(self) -> int:
        """Units of the widest layer, or the hidden size that was asked for; the rest are zeros."""
        return max([1, self.padded, *(len(layer.units) for layer in self.layers)])

    @property
    def symbols(self) -> dict[str, tuple[int, list[Affine]]]:
        """Named values over the numbers that units hold."""
        return {
            name: (max(a.layer for a in elements), [self._held(a) for a in elements])
            for name, elements in self.found.items()
        }

    def _held(self, a: Affine) -> Affine:
        row: Row = {
            (kind, j): Fraction(c) / Fraction(self._scale(a.layer, kind, j))
            for (kind, j), c in a.row.items()
        }
        return Affine(row, a.const, a.layer)

    def _scale(self, layer: int, kind: str, index: int) -> float:
        return 1.0 if kind == "x" else self.scales[layer - 1][index]

    def extent(self, layer: int, kind: str, index: int) -> tuple[float, float]:
        """The range of what a unit of a layer (from 0) holds, or of an input."""
        found = self.layers[layer]
        form = found.inputs[index] if kind == "x" else found.units[index].form
        scale = self._scale(layer + 1, kind, index)
        low, high = sorted((scale * form.lo, scale * form.hi))
        return (low, high) if kind == "x" else (min(low, 0.0), max(high, 0.0))

    def places(self) -> Iterator[Place]:
        """Every hidden unit, and the columns of the head."""
        for k, layer in enumerate(self.layers):
            for i, unit in enumerate(layer.units):
                yield Place(k, "h", i, unit.form.terms, unit.atom)
        last = len(self.layers) - 1
        for i, (name, form) in enumerate(zip(self.outputs, self.head_forms, strict=True)):
            yield Place(last, "y", i, form.terms, -1, name)


@dataclass
class _Reader:
    """A form that must be there among the outputs of layer `at` (-1: wherever it happens to be)."""

    at: int
    form: Form
    known: Row
    const: Coefficient
    pending: set[int]


def lay_out(graph: UnitGraph, plan: Placement, digits: int, carriers: Carriers) -> UnitMachine:
    """Turn a placement into layers. `carriers` gives the signs of the units that hold a form."""
    return _Layout(graph, plan, digits, carriers).run()


class _Layout:
    def __init__(self, graph: UnitGraph, plan: Placement, digits: int, carriers: Carriers) -> None:
        self.graph, self.plan, self.digits, self.carriers = graph, plan, digits, carriers
        self.waiting: dict[int, list[_Reader]] = {}
        self.sources: list[Form] = []

    def run(self) -> UnitMachine:
        """Layer by layer, from the inputs up."""
        atoms = self.graph.atoms
        inputs = [a for a, atom in enumerate(atoms) if atom.kind is AtomKind.INPUT]
        inputs.sort(key=lambda a: atoms[a].index)
        self.by_layer: dict[int, list[int]] = {}
        for a, at in sorted(self.plan.layer.items()):
            self.by_layer.setdefault(at, []).append(a)
        self._make_readers()
        self.found: dict[str, list[Affine | None]] = {
            name: [None] * len(forms) for name, forms in self.graph.names.items()
        }
        self.sources = [self.graph.atom_form(a) for a in inputs]
        self._arrive({a: {("x", i): 1} for i, a in enumerate(inputs)})
        self._read_names(0)
        layers = [self._layer(number) for number in range(1, self.plan.depth + 1)]
        head = [Affine(r.known, r.const) for r in self.outputs]
        complete = {n: [a for a in found if a] for n, found in self.found.items() if all(found)}
        names = [n for n, forms in self.graph.outputs.items() for _ in forms]
        return UnitMachine(layers, head, [r.form for r in self.outputs], names, complete)

    # Readers

    def _make_readers(self) -> None:
        self.now: dict[tuple[int, str], _Reader] = {}
        self.before: dict[tuple[int, str], _Reader] = {}
        for a, at in self.plan.layer.items():
            for role, form in self.graph.atoms[a].args:
                here, back = self._split(form)
                self.now[a, role] = self._reader(at - 1, here)
                if back.terms:
                    self.before[a, role] = self._reader(at, back)
        forms = [f for forms in self.graph.outputs.values() for f in forms]
        self.outputs = [self._reader(self.plan.depth, form) for form in forms]
        self.named: dict[tuple[str, int, str], _Reader] = {}
        for name, elements in self.graph.names.items():
            for i, form in enumerate(elements):
                kinds = {KINDS.get(self.graph.atoms[a].kind, "h") for a in form.terms}
                if len(kinds) < 2:
                    self.named[name, i, next(iter(kinds), "h")] = self._named(form)

    def _named(self, form: Form) -> _Reader:
        """A reader of what is of one kind."""
        atoms = self.graph.atoms
        terms = {a if atoms[a].of < 0 else atoms[a].of: c for a, c in form.terms.items()}
        return self._reader(-1, Form(terms, form.const, form.lo, form.hi, form.step))

    def _split(self, form: Form) -> tuple[Form, Form]:
        """The part of this step with the constant; the units read one step back."""
        atoms = self.graph.atoms
        back: dict[int, Coefficient] = {}
        for a, c in form.terms.items():
            if atoms[a].kind is AtomKind.PREV:
                back[atoms[a].of] = back.get(atoms[a].of, 0) + c
        here = {a: c for a, c in form.terms.items() if atoms[a].kind is not AtomKind.PREV}
        if not back:
            return form, Form({}, 0, 0.0, 0.0, Fraction(0))
        return self.graph.form(here, form.const), self.graph.form(back, 0)

    def _reader(self, at: int, form: Form) -> _Reader:
        reader = _Reader(at, form, {}, form.const, set(form.terms))
        for a in form.terms:
            self.waiting.setdefault(a, []).append(reader)
        return reader

    def _arrive(self, found: Mapping[int, Row]) -> None:
        for a, row in found.items():
            for reader in self.waiting.pop(a, ()):
                if -1 not in reader.pending:
                    reader.pending.discard(a)
                    add_row(reader.known, row, reader.form.terms[a])

    def _read_names(self, number: int) -> None:
        """Names whose units are all there: at the first layer in which they are."""
        for key in list(self.named):
            name, i, kind = key
            reader = self.named[key]
            if reader.pending or (kind != "h" and number == 0):
                continue
            kind = kind if number else "x"
            row: Row = {(kind, j): c for (_, j), c in reader.known.items()}
            self.found[name][i] = Affine(row, reader.const, max(number, 1))
            del self.named[key]

    # Layers

    def _layer(self, number: int) -> UnitLayer:
        layer = UnitLayer(self.sources)
        here = self.by_layer.get(number, [])
        now = {key: reader for key, reader in self.now.items() if key[0] in set(here)}
        for key in now:
            del self.now[key]
        for a in here:
            atom = self.graph.atoms[a]
            args, most = {}, {}
            for role, original in atom.args:
                most[role] = max(abs(original.lo), abs(original.hi))
                reader = now[a, role]
                assert not reader.pending, (a, role)
                args[role] = Affine(dict(reader.known), reader.const)
            form = self.graph.atom_form(a)
            layer.units.append(LayerUnit(atom.op, args, most, form, atom.label, atom.span, a))
        self._carry(layer, number)
        self.sources = [u.form for u in layer.units]
        self._arrive({a: {("x", j): 1} for j, a in enumerate(here)})
        for a in here:
            self._add_before(layer, a)
        self._read_names(number)
        return layer

    def _add_before(self, layer: UnitLayer, a: int) -> None:
        """What a unit reads one step back: units of its own layer."""
        unit = next(u for u in layer.units if u.atom == a)
        for role in list(unit.args):
            reader = self.before.pop((a, role), None)
            if reader is not None:
                assert not reader.pending, (a, role)
                for (_, j), c in reader.known.items():
                    unit.args[role].row["h", j] = c

    def _all_readers(self) -> list[_Reader]:
        groups = self.now, self.before, self.named
        return [r for group in groups for r in group.values()] + self.outputs

    def _carry(self, layer: UnitLayer, number: int) -> None:
        """Units for what is read from the outputs of this layer or of later ones."""
        readers = self._all_readers()
        later = [r for r in readers if r.known and r.at >= number]
        carried: dict[Source, Carried] = {}
        whole: dict[tuple[tuple[Source, Coefficient], ...], Carried] = {}
        for group in connected(later):
            sources = {s for r in group for s in r.known}
            parts = dict.fromkeys(primitive(r.known)[0] for r in group)
            if len(parts) < len(sources) and all(self._is_exact(r.known) for r in group):
                for key in parts:
                    whole[key] = self._carrier(layer, dict(key))
            else:
                for s in sorted(sources):
                    carried[s] = self._carrier(layer, {s: 1})
        for reader in readers:
            _rewrite(reader, carried, whole)

    def _is_exact(self, row: Row) -> bool:
        return exact_in(self._form(dict(primitive(row)[0])), self.graph.atoms, self.digits)

    def _form(self, row: Row) -> Form:
        parts = [(c, self.sources[j]) for (_, j), c in row.items()]
        return self.graph.recall(self.graph.combine(parts))

    def _carrier(self, layer: UnitLayer, row: Row) -> Carried:
        """Units that hold a combination, and how to read it from them: those that hold it anyway,
        or new ones."""
        for j, unit in enumerate(layer.units):
            if unit.op == "pass" and unit.args["a"].row == row and self._is_plain(unit):
                return {("x", j): 1}, -unit.args["a"].const
        form = self._form(row)
        signs = self.carriers(form)
        result: Row = {}
        for sign in signs:
            held = self.graph.combine([(sign, form)])
            if len(signs) > 1:
                held = Form(held.terms, held.const, 0.0, max(held.hi, 0.0), held.step)
            result["x", len(layer.units)] = sign
            args = {"a": Affine({s: sign * c for s, c in row.items()}, 0)}
            op = "relu" if len(signs) > 1 else "pass"
            most = {"a": max(abs(form.lo), abs(form.hi))}
            layer.units.append(LayerUnit(op, args, most, held, "carry"))
        return result, 0

    def _is_plain(self, unit: LayerUnit) -> bool:
        """Whether a unit reads nothing one step back."""
        return (unit.atom, "a") not in self.before


def _rewrite(
    reader: _Reader,
    carried: Mapping[Source, Carried],
    whole: Mapping[tuple[tuple[Source, Coefficient], ...], Carried],
) -> None:
    """A reader's known part over the outputs of the new layer; a name not carried is lost."""
    if not reader.known:
        return
    key, scale = primitive(reader.known)
    known: Row = {}
    if key in whole:
        row, const = whole[key]
        add_row(known, row, scale)
        reader.const += scale * const
    elif all(s in carried for s in reader.known):
        for s, c in reader.known.items():
            row, const = carried[s]
            add_row(known, row, c)
            reader.const += c * const
    else:
        assert reader.at == -1, reader
        reader.pending.add(-1)
    reader.known = known
