"""Blocks with exact coefficients: which lane of the residual stream holds what, and who reads it.

A lane holds an atom, or a combination of several where fewer combinations are read than they have
parts; each block adds to it what it has of that combination. Blocks carry nothing on: what is in
the stream stays there. A lane that is read no more can be cleared and used again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from ...source import Span
from ..atoms import Atom, Form, exact_in
from ..coefficients import Coefficient, primitive
from ..layers import Affine, Place, Row
from .graph import FACTOR, LANE, OWN, PASS, RELU, SIGNED, STATES, VALUE, WHEN, ResidualGraph
from .names import Names, Scale, States
from .schedule import START, Plan

Rows = dict[int, Coefficient]


@dataclass(frozen=True)
class Unit:
    """One channel: `affine` is what it takes in, `factor` and `when` what a product or a state does
    besides; `form` is its ideal value."""

    op: str
    affine: Affine
    form: Form
    label: str
    atom: int = -1
    saturating: bool = False
    span: Span | None = None
    factor: Affine | None = None
    when: Affine | None = None
    lag: int = 0
    rate: Fraction = Fraction(1)
    halves: tuple[int, ...] = ()  # of a signed sum: the units of what it takes in, by sign


@dataclass
class Block:
    """`writes[lane]`: what is added to a lane, by unit; `clears[lane]`: what empties one."""

    kind: str
    units: list[Unit] = field(default_factory=list)
    writes: dict[int, Rows] = field(default_factory=dict)
    clears: dict[int, Rows] = field(default_factory=dict)

    @property
    def outputs(self) -> Iterator[tuple[int, int, Coefficient]]:
        """All that the block adds to the stream: (lane, unit, coefficient)."""
        for rows in (self.writes, self.clears):
            yield from ((lane, i, c) for lane, row in rows.items() for i, c in row.items())

    @property
    def has_states(self) -> bool:
        """Whether a unit of it keeps a state."""
        return any(unit.op in STATES for unit in self.units)


@dataclass(frozen=True)
class Lane:
    """`terms` over atoms: written from block `first` on, complete after block `done` (-1: from the
    start), read last in block `until`. `start` is its part that the embedding holds."""

    terms: Rows
    start: Rows
    first: int
    done: int
    until: int


@dataclass
class ResidualLayout:
    """The blocks of a model, its lanes and its head.

    Lane i is in channel `slots[i]` of the stream. `symbols`: where each named value can be read, as
    forms over kinds `x`, `r` (the stream before and after a layer), `u` and `m` (its units);
    `patches`: where it can be overwritten, if that is in states `s`, and `held` their ranges by
    layer and index. `twins`: by block and unit, the other channels that compute it.
    """

    graph: ResidualGraph
    plan: Plan
    blocks: list[Block]
    lanes: list[Lane]
    head: list[Affine]
    outputs: list[str]
    symbols: dict[str, tuple[int, list[Affine]]] = field(default_factory=dict)
    patches: dict[str, tuple[int, list[Affine]]] = field(default_factory=dict)
    held: dict[tuple[int, int], tuple[float, float]] = field(default_factory=dict)
    slots: tuple[int, ...] = ()
    merged: frozenset[int] = frozenset()
    twins: dict[tuple[int, int], list[int]] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """How many channels of the stream the lanes take."""
        return max(self.slots, default=-1) + 1

    @property
    def layers(self) -> range:
        """The layers of the model, of one round of blocks each."""
        return range(max(1, len(self.blocks) // len(self.graph.machine.blocks)))

    def form(self, lane: int) -> Form:
        """The ideal value of a lane."""
        return value_form(self.graph, self.lanes[lane].terms)

    def extent(self, layer: int, kind: str, index: int) -> tuple[float, float]:
        """The range of a number of a layer."""
        if kind == "s":
            return self.held[layer, index]
        if kind in ("x", LANE):
            form = self.form(self._lane_in(index, layer, kind))
        else:
            form = self.unit_of(layer, kind, index).form
        return form.lo, form.hi

    def _lane_in(self, slot: int, layer: int, kind: str) -> int:
        """The lane that a channel of the stream holds before (x) or after (r) a layer."""
        block = START if kind == "x" else self.last_block(layer)
        held = [i for i, s in enumerate(self.slots) if s == slot and self.lanes[i].first <= block]
        return max(held, key=lambda i: self.lanes[i].first)

    def unit_of(self, layer: int, kind: str, index: int) -> Unit:
        """The unit that is number `index` of its kind in a layer."""
        return self.blocks[self.block_of(layer, kind)].units[index]

    def block_of(self, layer: int, kind: str) -> int:
        """The number of the block that has the units of a kind."""
        kinds = [b.name for b in self.graph.machine.blocks]
        part = kinds.index("mlp") if kind == "m" else 0
        return layer * len(kinds) + part

    def places(self) -> Iterator[Place]:
        """Every unit, and the outputs."""
        for k, block in enumerate(self.blocks):
            layer, kind = self.place_of(k)
            for i, unit in enumerate(block.units):
                for channel in (i, *self.twins.get((k, i), ())):
                    yield Place(layer, kind, channel, unit.form.terms, unit.atom)
        last = len(self.layers) - 1
        for i, name in enumerate(self.outputs):
            yield Place(last, "y", i, {}, -1, name)

    def last_block(self, layer: int) -> int:
        """The last block of a layer."""
        return (layer + 1) * len(self.graph.machine.blocks) - 1

    def cleared(self, lane: int) -> float:
        """The block that clears a lane; infinity if none does."""
        return min((k for k, b in enumerate(self.blocks) if lane in b.clears), default=math.inf)

    def place_of(self, block: int) -> tuple[int, str]:
        """The layer of a block, and the kind of its units there."""
        layer, part = divmod(block, len(self.graph.machine.blocks))
        return layer, "m" if self.graph.machine.blocks[part].name == "mlp" else "u"


def value_form(graph: ResidualGraph, terms: Mapping[int, Coefficient]) -> Form:
    """A combination of atoms as a form."""
    if len(terms) == 1:
        ((a, c),) = terms.items()
        if c == 1:
            return graph.atom_form(a)
    return graph.recall(graph.form(terms, 0))


Reuse = Callable[[ResidualLayout], ResidualLayout]


def lay_out(
    graph: ResidualGraph, plan: Plan, digits: int, head: list[Form], outputs: list[str],
    scale: Scale, states: States, reuse: Reuse,
) -> list[ResidualLayout]:  # fmt: skip
    """Turn a plan into blocks, in a stream with a channel for each lane, and in one where channels
    are used again; `head` are the forms that the model's outputs are.

    A channel holds its unit's value times `scale` (None: several channels do together); `states`
    gives of a unit with a state the numbers of the layer's state of which its value is the sum,
    each times a factor.
    """
    maker = _Layout(graph, plan, digits, head, outputs)
    plain = maker.run()
    found = [plain, reuse(plain)]
    for layout in found:
        Names(layout, maker.atom_lane, scale, states).find()
    return found


@dataclass
class _Reader:
    at: int
    terms: Rows
    const: Coefficient


class _Layout:
    def __init__(
        self, graph: ResidualGraph, plan: Plan, digits: int, head: list[Form], outputs: list[str]
    ) -> None:
        self.graph, self.plan, self.digits = graph, plan, digits
        self.head, self.outputs = head, outputs
        self.readers: dict[Any, _Reader] = {}

    def run(self) -> ResidualLayout:
        for a, at in self.plan.at.items():
            for role, form in _roles(self.graph.atoms[a]):
                self._add_reader((a, role), form, at, own=role == WHEN)
        for k, form in enumerate(self.head):
            self._add_reader(("head", k), form, self.plan.depth)
        self.lanes, self.lane_of = self._lanes()
        blocks = [self._block(k, self.graph.machine.block(k).name) for k in range(self.plan.depth)]
        for i, lane in enumerate(self.lanes):
            for a, c in lane.terms.items():
                if a in self.plan.at:
                    block = blocks[self.plan.at[a]]
                    unit = next(j for j, u in enumerate(block.units) if u.atom == a)
                    block.writes.setdefault(i, {})[unit] = c
        head = [self._affine(("head", k)) for k in range(len(self.head))]
        layout = ResidualLayout(self.graph, self.plan, blocks, self.lanes, head, self.outputs)
        layout.slots = tuple(range(len(self.lanes)))
        return layout

    def _add_reader(self, key: Any, form: Form, at: int, own: bool = False) -> None:
        """A reader of the stream; a condition (`own`) reads the atoms of its block elsewhere."""
        terms = {a: c for a, c in form.terms.items() if not (own and self.plan.at.get(a) == at)}
        self.readers[key] = _Reader(at, terms, form.const)

    # Lanes

    def _lanes(self) -> tuple[list[Lane], dict[Any, tuple[int, Fraction] | None]]:
        """All lanes, and for each reader whose whole combination is one: which, times what."""
        lanes: list[Lane] = []
        whole: dict[Any, tuple[int, Fraction] | None] = {}
        self.atom_lane: dict[int, int] = {}
        for keys in self._connected():
            forms = {k: primitive(self.readers[k].terms) for k in keys}
            distinct = list(dict.fromkeys(f for f, _ in forms.values()))
            atoms = sorted({a for f in distinct for a, _ in f})
            if len(distinct) < len(atoms) and all(self._is_exact(f) for f in distinct):
                index = {f: len(lanes) + i for i, f in enumerate(distinct)}
                for f in distinct:
                    ends = [self.readers[k].at for k in keys if forms[k][0] == f]
                    lanes.append(self._lane(dict(f), max(ends)))
                whole |= {k: (index[f], factor) for k, (f, factor) in forms.items()}
                continue
            own = {k: forms[k] for k in keys if self._loses_digits(k, forms[k][0])}
            for f in dict.fromkeys(f for f, _ in own.values()):
                ends = [self.readers[k].at for k in own if forms[k][0] == f]
                whole |= {k: (len(lanes), own[k][1]) for k in own if own[k][0] == f}
                lanes.append(self._lane(dict(f), max(ends)))
            rest = [k for k in keys if k not in own]
            for a in sorted({a for k in rest for a in self.readers[k].terms}):
                ends = [self.readers[k].at for k in rest if a in self.readers[k].terms]
                self.atom_lane[a] = len(lanes)
                lanes.append(self._lane({a: 1}, max(ends)))
        return lanes, whole

    def _loses_digits(self, key: Any, form: tuple[tuple[int, Coefficient], ...]) -> bool:
        """Whether a reader cannot read the parts of its combination exactly, but the combination up
        to a factor could be a lane, exactly."""
        terms = self.readers[key].terms
        if len(terms) < 2 or not self._is_exact(form):
            return False
        return not exact_in(value_form(self.graph, terms), self.graph.atoms, self.digits)

    def _lane(self, terms: Rows, until: int) -> Lane:
        start = {a: c for a, c in terms.items() if a not in self.plan.at}
        blocks = [self.plan.at.get(a, START) for a in terms]
        return Lane(terms, start, min(blocks), max(blocks), until)

    def _is_exact(self, form: tuple[tuple[int, Coefficient], ...]) -> bool:
        return exact_in(value_form(self.graph, dict(form)), self.graph.atoms, self.digits)

    def _connected(self) -> list[list[Any]]:
        """Readers that share atoms, directly or not."""
        parent: dict[int, int] = {}

        def find(a: int) -> int:
            while parent[a] != a:
                parent[a] = parent[parent[a]]
                a = parent[a]
            return a

        kept = {k: r for k, r in self.readers.items() if r.terms}
        for reader in kept.values():
            atoms = list(reader.terms)
            for a in atoms:
                parent.setdefault(a, a)
                parent[find(a)] = find(atoms[0])
        groups: dict[int, list[Any]] = {}
        for key, reader in kept.items():
            groups.setdefault(find(next(iter(reader.terms))), []).append(key)
        return list(groups.values())

    # Blocks

    def _affine(self, key: Any) -> Affine:
        """What a reader reads, over lanes."""
        reader = self.readers[key]
        if not reader.terms:
            return Affine({}, reader.const)
        found = self.lane_of.get(key)
        if found is not None:
            return Affine({(LANE, found[0]): found[1]}, reader.const)
        row: Row = {(LANE, self.atom_lane[a]): c for a, c in reader.terms.items()}
        return Affine(row, reader.const)

    def _block(self, number: int, kind: str) -> Block:
        """The units of a block; those that only states' conditions need come last."""
        block = Block(kind)
        here = [a for a, at in sorted(self.plan.at.items()) if at == number]
        index = {a: i for i, a in enumerate(here)}
        passes: dict[Any, int] = {}
        extra: list[Unit] = []
        for a in here:
            atom = self.graph.atoms[a]
            roles = dict(_roles(atom))
            when = None
            if WHEN in roles:
                when = self._condition(a, roles[WHEN], index, passes, extra, len(here))
            factor = self._affine((a, FACTOR)) if FACTOR in roles else None
            halves: tuple[int, ...] = ()
            if atom.op == SIGNED:
                halves = self._halves(self._affine((a, VALUE)), roles[VALUE], extra, len(here))
            block.units.append(
                Unit(
                    self.graph.op(a),
                    self._affine((a, VALUE)),
                    self.graph.atom_form(a),
                    atom.label,
                    a,
                    atom.saturating,
                    atom.span,
                    factor,
                    when,
                    atom.lag,
                    atom.rate,
                    halves,
                )
            )
        block.units += extra
        return block

    def _halves(self, affine: Affine, form: Form, extra: list[Unit], first: int) -> tuple[int, int]:
        """Two units: the ReLUs of a form and of its negative."""
        places = first + len(extra), first + len(extra) + 1
        for sign in (1, -1):
            row: Row = {k: sign * c for k, c in affine.row.items()}
            low, high = sorted((sign * form.lo, sign * form.hi))
            ideal = Form({}, 0, max(low, 0.0), max(high, 0.0), form.step)
            extra.append(Unit(RELU, Affine(row, sign * affine.const), ideal, "half of a sum"))
        return places

    def _condition(
        self, a: int, form: Form, index: Mapping[int, int], passes: dict[Any, int],
        extra: list[Unit], first: int,
    ) -> Affine:  # fmt: skip
        """A condition over units of the block; what it reads of the stream passes through one."""
        row: Row = {(OWN, index[b]): c for b, c in form.terms.items() if b in index}
        rest = self.readers[a, WHEN]
        if not rest.terms:
            return Affine(row, rest.const)
        part = value_form(self.graph, rest.terms)
        low = Fraction(part.lo) if self.graph.machine.rectifies and part.lo != 0 else Fraction(0)
        if not row:
            least = Fraction(min(form.lo, 0.0)) - Fraction(rest.const)
            low = least if self.graph.machine.rectifies else Fraction(0)
        key = (*sorted(rest.terms.items()), low)
        if key not in passes:
            known = self._affine((a, WHEN))
            affine = Affine(known.row, -low)
            shifted = self.graph.combine([(1, part)], -low)
            if not row:
                from ..atoms import tighten

                shifted = tighten(shifted, form.lo - float(rest.const) - float(low),
                                  form.hi - float(rest.const) - float(low), None)  # fmt: skip
            op = RELU if self.graph.machine.rectifies else PASS
            passes[key] = first + len(extra)
            extra.append(Unit(op, affine, shifted, "condition"))
        row[OWN, passes[key]] = 1
        return Affine(row, rest.const + low)


def _roles(atom: Atom) -> list[tuple[str, Form]]:
    if atom.form is not None:
        return [(VALUE, atom.form)]
    return list(atom.args)
