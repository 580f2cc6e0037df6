"""A schedule of atoms as layers: which unit holds what, and what is carried.

A value that a later layer needs is carried through the layers between by a unit of its own: as it
is where it is never negative, shifted by its lower bound otherwise. Where fewer combinations are
needed later than they have parts, the combinations are carried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from .atoms import AtomGraph, AtomKind, Form, exact_in
from .coefficients import Coefficient, exactly, primitive, whole
from .extent import estimated
from .layers import Affine, Layer, Layered, Row, Source, StateLane, Unit, add_row, connected
from .schedule import Schedule

NEGLIGIBLE = 2.0**-45
LARGE = 20_000  # atoms of which to lay out several schedules takes seconds
_OPERANDS = ("relu", "factor")  # names of the readers of an atom's operands


def lay_out(graph: AtomGraph, plans: Sequence[Schedule], digits: int) -> Layered:
    """Turn schedules into layers: the machine with the fewest parameters, of equal ones that of the
    first schedule. Of a large graph only the schedule is laid out that seems to give the fewest."""
    if len(graph.atoms) > LARGE:
        plans = [min(plans, key=lambda plan: estimated(graph, plan))]
    machines = (_Layout(graph, plan, digits).run() for plan in plans)
    return min(machines, key=lambda m: m.parameters)


@dataclass
class _Reader:
    """Something that will be computed in layer `at`: a form over atoms, `known` of them (with
    coefficients over the current sources), the rest still to come. `name`: the element of a named
    value that it is."""

    at: int
    form: Form
    known: Row
    const: Coefficient
    pending: set[int]
    name: tuple[str, int] | None = None


Key = tuple[tuple[Source, Coefficient], ...]  # a combination of sources, up to a factor
Carrier = tuple[Source | None, Coefficient]  # an input of the next layer, and what to add to it


class _Layout:
    def __init__(self, graph: AtomGraph, plan: Schedule, digits: int) -> None:
        self.graph, self.plan, self.digits = graph, plan, digits
        self.sources: dict[Source, Form] = {}
        self.where: dict[int, Source] = {}

    def run(self) -> Layered:
        plan = self.plan
        self.waiting: dict[int, list[_Reader]] = {}  # by the atom that they wait for
        self.ready: list[_Reader] = []  # named values that can be read now
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
                result[f"name {name}", i] = self._reader(-1, form, (name, i))
        return result

    def _reader(self, at: int, form: Form, name: tuple[str, int] | None = None) -> _Reader:
        reader = _Reader(at, form, {}, form.const, set(form.terms), name)
        for a in form.terms:
            self.waiting.setdefault(a, []).append(reader)
        if name is not None and not form.terms:
            self.ready.append(reader)
        return reader

    def _arrive(self, found: dict[int, Row]) -> None:
        """Atoms that can be read from now on, as rows over the current sources."""
        for a, row in found.items():
            for reader in self.waiting.pop(a, ()):
                reader.pending.discard(a)
                add_row(reader.known, row, reader.form.terms[a])
                if reader.name is not None and not reader.pending:
                    self.ready.append(reader)

    def _symbols(self, number: int) -> None:
        """Elements of named values that can be read from this layer on."""
        for reader in self.ready:
            assert reader.name is not None
            name, i = reader.name
            self.found[name, i] = Affine(reader.known, reader.const, number)
            del self.readers[f"name {name}", i]
        self.ready.clear()

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
        carried: dict[Source, Carrier] = {}
        combined: dict[Key, Carrier] = {}
        for group in connected(later):
            sources = {s for r in group for s in r.known}
            fewer = self._combinations(group, len(sources)) if len(sources) > 1 else {}
            for key, form in fewer.items():
                combined[key] = self._carrier(layer, dict(key), form)
            if not fewer:
                for s in sorted(sources):
                    carried[s] = self._carrier(layer, {s: 1}, self.sources[s])
        for reader in self.readers.values():
            if reader.known:
                self._rewrite(reader, carried, combined)

    def _combinations(self, group: Sequence[_Reader], most: int) -> dict[Key, Form]:
        """The combinations of sources that readers need, where they are fewer than `most`, and
        exact; else none."""
        keys = dict.fromkeys(_normal(r.known) for r in group)
        if len(keys) >= most:
            return {}
        forms = {key: self._form(key) for key in keys}
        exact = all(exact_in(f, self.graph.atoms, self.digits) for f in forms.values())
        return forms if exact else {}

    def _rewrite(
        self, reader: _Reader, carried: dict[Source, Carrier], combined: dict[Key, Carrier]
    ) -> None:
        """A reader's known part over the next layer's inputs; a name that is not carried is
        lost.
        """
        if reader.known.keys() <= carried.keys():
            parts = [(carried[source], c) for source, c in reader.known.items()]
        else:
            key = _normal(reader.known)
            if key not in combined:
                assert reader.at == -1
                reader.pending.add(-1)
                return
            source, divisor = key[0]
            scale = reader.known[source]
            parts = [(combined[key], scale if divisor == 1 else whole(Fraction(scale) / divisor))]
        known: Row = {}
        for (column, const), c in parts:
            if column is not None:
                known[column] = c
            if const:
                reader.const += c * const
        reader.known = known

    def _form(self, key: Key) -> Form:
        if len(key) == 1:
            return self.sources[key[0][0]]
        return self.graph.recall(self.graph.combine([(c, self.sources[s]) for s, c in key]))

    def _carrier(self, layer: Layer, row: Row, form: Form) -> Carrier:
        """A unit relu(value - low) for a row of that value, and how to read the value from it."""
        if form.is_const:
            return None, form.const
        # What falls below zero only by the rounding of its range is not worth a shift.
        low: Coefficient = 0
        if form.lo < -NEGLIGIBLE * form.hi:
            low = exactly(form.lo)
        is_atom = not low and form.const == 0 and list(form.terms.values()) == [1]
        shifted = form if is_atom else self.graph.combine([(1, form)], -low)
        layer.units.append(Unit(Affine(row, -low), shifted, "carry"))
        return ("x", len(layer.units) - 1), low


def _normal(row: Row) -> Key:
    """A row up to a factor."""
    if len(row) == 1:
        return tuple((source, 1) for source in row)
    return primitive(row)[0]
