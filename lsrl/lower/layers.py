"""Layers with exact weights: what passes between them, and which unit holds what.

    s_t = A s_{t-1} + B x_t + b,      y_t = relu(C s_t + D x_t + d)

(Petrov et al. 2024, section 3: a linear RNN layer followed by a ReLU MLP; lanes without memory,
whose rows of A are zero, enter through D instead of taking up state.) The last layer has no ReLU.
Where the target has products, units of a layer after the ReLU units are products of two forms.
A value that a later layer needs is carried through the layers between by a unit of its own: as it
is where it is never negative, shifted by its lower bound otherwise. Where fewer combinations are
needed later than they have parts, the combinations are carried.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol, TypeVar

from ..source import Span
from .atoms import AtomGraph, AtomKind, Coefficient, Form, add_scaled, exact_in, primitive
from .schedule import Schedule

NEGLIGIBLE = 2.0**-45
_OPERANDS = ("relu", "factor")  # names of the readers of an atom's operands
Source = tuple[str, int]  # ("x", column of the layer's input) or ("s", lane of the layer's state)
Row = dict[Source, Coefficient]


@dataclass(frozen=True)
class Affine:
    """`const + sum of row[source] * source`; `layer` (from 1) where it stands on its own."""

    row: Row
    const: Coefficient
    layer: int = 0


@dataclass(frozen=True)
class Unit:
    """One output of a layer: relu(affine), or affine * factor where there is a factor (in the last
    layer: affine). `form` is its ideal value."""

    affine: Affine
    form: Form
    label: str
    saturating: bool = False
    span: Span | None = None
    atom: int = -1
    factor: Affine | None = None


@dataclass(frozen=True)
class StateLane:
    """One lane of a layer's state: s' = row . s + affine(x). `form` is its ideal value."""

    row: dict[int, Coefficient]
    added: Affine
    init: Coefficient
    atom: int
    form: Form


@dataclass
class Layer:
    """`inputs` are the ideal values of x."""

    inputs: list[Form]
    lanes: list[StateLane] = field(default_factory=list)
    units: list[Unit] = field(default_factory=list)

    @property
    def parameters(self) -> int:
        """Entries of A, B, b, C, D, d, of the initial state, and twice as many a product."""
        p, n, m = len(self.lanes), len(self.inputs), len(self.units)
        return p * (p + n + 2) + (m + self.products) * (p + n + 1)

    @property
    def products(self) -> int:
        """How many units are products. They come last."""
        return sum(unit.factor is not None for unit in self.units)


@dataclass(frozen=True)
class Place:
    """A number of a layer (from 0): `kind` "s" a state lane, "y" a unit. It holds an atom, or
    (-1) a combination of some: `terms`. `output`: the name of the output that it is."""

    layer: int
    kind: str
    index: int
    terms: Mapping[int, Coefficient]
    atom: int
    output: str = ""


@dataclass
class Layered:
    """A whole machine: its layers, and where each named value can be read: a layer (from 1), and
    for each element a form over that layer's sources, or over those of a layer of its own.

    `merged`: states whose update another state of the same layer takes in.
    """

    layers: list[Layer]
    outputs: list[str]
    symbols: dict[str, tuple[int, list[Affine]]]
    merged: frozenset[int] = frozenset()

    @property
    def parameters(self) -> int:
        return sum(layer.parameters for layer in self.layers)

    def extent(self, layer: int, kind: str, index: int) -> tuple[float, float]:
        """The range of an input (x) or a state (s) of a layer (from 0)."""
        found = self.layers[layer]
        form = found.inputs[index] if kind == "x" else found.lanes[index].form
        return form.lo, form.hi

    def places(self) -> Iterator[Place]:
        """Every state lane and unit."""
        for k, layer in enumerate(self.layers):
            for i, lane in enumerate(layer.lanes):
                yield Place(k, "s", i, {lane.atom: 1}, lane.atom)
            for i, unit in enumerate(layer.units):
                output = unit.label if k + 1 == len(self.layers) else ""
                yield Place(k, "y", i, unit.form.terms, unit.atom, output)


def lay_out(graph: AtomGraph, plan: Schedule, digits: int) -> Layered:
    """Turn a schedule into layers."""
    return _Layout(graph, plan, digits).run()


@dataclass
class _Reader:
    """Something that will be computed in layer `at`: a form over atoms, `known` of them (with
    coefficients over the current sources), the rest still to come."""

    at: int
    form: Form
    known: Row
    const: Coefficient
    pending: set[int]


class _Layout:
    def __init__(self, graph: AtomGraph, plan: Schedule, digits: int) -> None:
        self.graph, self.plan, self.digits = graph, plan, digits
        self.sources: dict[Source, Form] = {}
        self.where: dict[int, Source] = {}

    def run(self) -> Layered:
        plan = self.plan
        self.waiting: dict[int, list[_Reader]] = {}  # by the atom that they wait for
        self.readers = self._readers()
        inputs = [a for a, atom in enumerate(self.graph.atoms) if atom.kind is AtomKind.INPUT]
        inputs.sort(key=lambda a: self.graph.atoms[a].index)
        columns = [self.graph.atom_form(a) for a in inputs]
        arrived: dict[int, Row] = {a: {("x", i): 1} for i, a in enumerate(inputs)}
        layers: list[Layer] = []
        self.merged: set[int] = set()
        self.found: dict[tuple[str, int], Affine] = {}
        for number in range(1, plan.depth + 1):
            layer = Layer(columns)
            self.sources = {("x", i): form for i, form in enumerate(columns)}
            self._arrive(arrived)
            self._symbols(number)
            self._states(layer, number)
            self._symbols(number)
            if number == plan.depth:
                self._read_out(layer)
            else:
                columns, arrived = self._units(layer, number)
            layers.append(layer)
        outputs = [n for n, f in self.graph.outputs.items() for _ in f]
        return Layered(layers, outputs, self._named(), frozenset(self.merged))

    # Readers

    def _readers(self) -> dict[tuple[str, int], _Reader]:
        result = {}
        for a, at in self.plan.relus.items():
            for k, form in enumerate(self.graph.atoms[a].operands):
                result[_OPERANDS[k], a] = self._reader(at, form)
        for g, at in self.plan.groups.items():
            for i in self.plan.lanes[g]:
                form = self.graph.groups[g].lanes[i].added
                result[f"lane {g}", i] = self._reader(at, form)
        forms = [f for forms in self.graph.outputs.values() for f in forms]
        for k, form in enumerate(forms):
            result["output", k] = self._reader(self.plan.depth, form)
        for name, forms in self.graph.names.items():
            for i, form in enumerate(forms):
                result[f"name {name}", i] = self._reader(-1, form)
        return result

    def _reader(self, at: int, form: Form) -> _Reader:
        reader = _Reader(at, form, {}, form.const, set(form.terms))
        for a in form.terms:
            self.waiting.setdefault(a, []).append(reader)
        return reader

    def _arrive(self, found: dict[int, Row]) -> None:
        """Atoms that can be read from now on, as rows over the current sources."""
        for a, row in found.items():
            for reader in self.waiting.pop(a, ()):
                reader.pending.discard(a)
                add_row(reader.known, row, reader.form.terms[a])

    def _symbols(self, number: int) -> None:
        """Elements of named values that can be read from this layer on."""
        for name, forms in self.graph.names.items():
            for i in range(len(forms)):
                reader = self.readers.get((f"name {name}", i))
                if reader is not None and not reader.pending:
                    self.found[name, i] = Affine(dict(reader.known), reader.const, number)
                    del self.readers[f"name {name}", i]

    def _named(self) -> dict[str, tuple[int, list[Affine]]]:
        """The named values all of whose elements were found."""
        result = {}
        for name, forms in self.graph.names.items():
            elements = [self.found[name, i] for i in range(len(forms)) if (name, i) in self.found]
            if len(elements) == len(forms):
                result[name] = max(a.layer for a in elements), elements
        return result

    # States

    def _states(self, layer: Layer, number: int) -> None:
        """All groups of this layer. A group that reads another one of the same layer takes in its
        update: a linear map of a linear map."""
        here = [g for g, at in self.plan.groups.items() if at == number]
        position: dict[tuple[int, int], int] = {}
        for g in here:
            for i in self.plan.lanes[g]:
                position[g, i] = len(position)
        updates: dict[int, StateLane] = {}
        for g in self._by_need(here):
            for i in self.plan.lanes[g]:
                updates[position[g, i]] = self._lane(layer, g, i, position, updates)
        layer.lanes.sort(key=lambda lane: position[self._lane_of_atom(lane)])

    def _by_need(self, groups: list[int]) -> list[int]:
        order: dict[int, None] = {}
        here = set(groups)

        def visit(g: int) -> None:
            if g in order or g not in here:
                return
            for i in self.plan.lanes[g]:
                for a in self.graph.groups[g].lanes[i].added.terms:
                    atom = self.graph.atoms[a]
                    if atom.kind is AtomKind.STATE and atom.group != g:
                        visit(atom.group)
            order[g] = None

        for g in groups:
            visit(g)
        return list(order)

    def _lane_of_atom(self, lane: StateLane) -> tuple[int, int]:
        atom = self.graph.atoms[lane.atom]
        return atom.group, atom.lane

    def _lane(
        self,
        layer: Layer,
        g: int,
        i: int,
        position: dict[tuple[int, int], int],
        updates: dict[int, StateLane],
    ) -> StateLane:
        """A lane, from the lanes of the layer that are there already, by position."""
        lane = self.graph.groups[g].lanes[i]
        reader = self.readers.pop((f"lane {g}", i))
        assert not reader.pending
        row = {position[g, j]: c for j, c in lane.row.items()}
        added: Row = {}
        const = reader.const
        for source, c in reader.known.items():
            if source[0] == "x":
                add_row(added, {source: 1}, c)
                continue
            update = updates[source[1]]
            self.merged.add(update.atom)
            for j, k in update.row.items():
                row[j] = row.get(j, 0) + c * k
            add_row(added, update.added.row, c)
            const += c * update.added.const
        row = {j: c for j, c in row.items() if c != 0}
        form = self.graph.atom_form(lane.atom)
        made = StateLane(row, Affine(added, const), lane.init, lane.atom, form)
        layer.lanes.append(made)
        place = "s", position[g, i]
        self.sources[place] = form
        self._arrive({lane.atom: {place: 1}})
        return made

    # Units

    def _read_out(self, layer: Layer) -> None:
        names = [n for n, forms in self.graph.outputs.items() for _ in forms]
        for k, name in enumerate(names):
            reader = self.readers["output", k]
            assert not reader.pending
            layer.units.append(Unit(Affine(reader.known, reader.const), reader.form, name))

    def _units(self, layer: Layer, number: int) -> tuple[list[Form], dict[int, Row]]:
        """ReLU atoms of this layer, carriers, products; returns the next layer's inputs."""
        units = [self._unit(a) for a, at in self.plan.relus.items() if at == number]
        layer.units += [u for u in units if u.factor is None]
        self._carry(layer)
        layer.units += [u for u in units if u.factor is not None]
        arrived: dict[int, Row] = {
            u.atom: {("x", i): 1} for i, u in enumerate(layer.units) if u.atom >= 0
        }
        return [u.form for u in layer.units], arrived

    def _unit(self, a: int) -> Unit:
        """The unit of an atom whose operands can all be read."""
        atom = self.graph.atoms[a]
        operands = []
        for name in _OPERANDS[: len(atom.operands)]:
            reader = self.readers.pop((name, a))
            assert not reader.pending
            operands.append(Affine(reader.known, reader.const))
        form = self.graph.atom_form(a)
        factor = operands[1] if len(operands) > 1 else None
        return Unit(operands[0], form, atom.label, atom.saturating, atom.span, a, factor)

    def _carry(self, layer: Layer) -> None:
        """Units for what later layers still need of this layer's sources."""
        later = [r for r in self.readers.values() if r.known and r.at != -1]
        carried: dict[Source, tuple[Row, Coefficient]] = {}
        whole: dict[tuple[tuple[Source, int], ...], tuple[Row, Coefficient]] = {}
        for group in connected(later):
            sources = {s for r in group for s in r.known}
            parts = dict.fromkeys(_normal(r.known) for r in group)
            if len(parts) < len(sources) and all(self._is_exact(r.known) for r in group):
                for key in parts:
                    whole[key] = self._carrier(layer, dict(key))
            else:
                for s in sorted(sources):
                    carried[s] = self._carrier(layer, {s: 1})
        for reader in self.readers.values():
            self._rewrite(reader, carried, whole)

    def _rewrite(
        self,
        reader: _Reader,
        carried: dict[Source, tuple[Row, Coefficient]],
        whole: dict[tuple[tuple[Source, int], ...], tuple[Row, Coefficient]],
    ) -> None:
        """A reader's known part over the next layer's inputs; a name that is not carried is
        lost.
        """
        key = _normal(reader.known) if whole else ()
        known: Row = {}
        if key in whole and reader.known:
            row, const = whole[key]
            scale = Fraction(reader.known[key[0][0]]) / key[0][1]
            add_row(known, row, scale)
            reader.const += scale * const
        else:
            for source, c in reader.known.items():
                if source not in carried:
                    assert reader.at == -1
                    reader.pending.add(-1)
                    return
                row, const = carried[source]
                add_row(known, row, c)
                reader.const += c * const
        reader.known = known

    def _is_exact(self, row: Row) -> bool:
        return exact_in(self._form(dict(_normal(row))), self.graph.atoms, self.digits)

    def _form(self, row: Row) -> Form:
        return self.graph.recall(self.graph.combine([(c, self.sources[s]) for s, c in row.items()]))

    def _carrier(self, layer: Layer, row: Row) -> tuple[Row, Coefficient]:
        """A unit relu(value - low) and how to read the value from it: row and constant."""
        ((first, c),) = list(row.items())[:1]
        form = self.sources[first] if len(row) == 1 and c == 1 else self._form(row)
        if form.is_const:
            return {}, form.const
        # What falls below zero only by the rounding of its range is not worth a shift.
        low = Fraction(form.lo) if form.lo < -NEGLIGIBLE * form.hi else Fraction(0)
        if low.denominator == 1:
            low = int(low)  # type: ignore[assignment]
        shifted = self.graph.combine([(1, form)], -low)
        column = len(layer.units)
        label = "carry"
        layer.units.append(Unit(Affine(row, -low), shifted, label))
        return {("x", column): 1}, low


def add_row(row: Row, other: Row, factor: Coefficient) -> None:
    """row += factor * other, in place."""
    add_scaled(row, other, factor)
    for source in [s for s in other if not row[s]]:
        del row[source]


def _normal(row: Row) -> tuple[tuple[Source, int], ...]:
    """A row up to a factor."""
    return primitive(row)[0]


class _Knows(Protocol):
    known: Row


Known = TypeVar("Known", bound=_Knows)


def connected(readers: Iterable[Known]) -> list[list[Known]]:
    """Readers that share sources, directly or not, together."""
    parent: dict[Source, Source] = {}

    def find(s: Source) -> Source:
        while parent[s] != s:
            parent[s] = parent[parent[s]]
            s = parent[s]
        return s

    kept = list(readers)
    for reader in kept:
        sources = list(reader.known)
        for s in sources:
            parent.setdefault(s, s)
            parent[find(s)] = find(sources[0])
    groups: dict[Source, list[Known]] = {}
    for reader in kept:
        groups.setdefault(find(next(iter(reader.known))), []).append(reader)
    return list(groups.values())
