"""What the listings of a residual machine say, item by item: `residual.py` makes text, data and
graphs of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ..lower.atoms import Form
from ..lower.coefficients import Coefficient
from ..lower.layers import Affine, Source
from ..lower.residual.graph import FACTOR, OWN, RELU, STATES, VALUE, WHEN
from ..lower.residual.layout import Block, ResidualLayout, Unit, value_form
from ..lower.residual.schedule import START
from ..targets import target
from ..targets.base import Compiled
from ..targets.residual import Residual
from ..targets.stream import Stream
from ..tokens import TOKENS
from .words import affine, channel, exact, operand, short


@dataclass(frozen=True)
class PlacedBlock:
    """A block: its number, its layer, and the letter of its units."""

    number: int
    layer: int
    letter: str
    block: Block

    @property
    def title(self) -> str:
        """The heading of its listing."""
        return f"layer {self.layer} {self.block.kind}"

    def last(self, kinds: int) -> bool:
        """Whether it is the last block of its layer."""
        return self.number % kinds == kinds - 1

    def unit(self, i: int) -> str:
        """The name of a unit."""
        return f"{self.letter}{i}"


@dataclass(frozen=True)
class Head:
    """One element of an output: its value, and the values that have logits, if it is read so."""

    name: str
    value: Affine
    values: tuple[int, ...]


class View:
    """A compiled model with what its target knows of it."""

    def __init__(self, compiled: Compiled) -> None:
        self.compiled, self.shape = compiled, compiled.shape
        self.layout: ResidualLayout = compiled.machine
        self.graph = self.layout.graph
        chosen = target(self.graph.machine.name)
        assert isinstance(chosen, Residual)
        self.target = chosen
        self.stream: Stream = chosen.stream(self.layout, self.shape["hidden_size"])

    @property
    def tokens(self) -> bool:
        """Whether the model reads token ids, not numbers."""
        return bool(self.shape["interface"] == TOKENS)

    @property
    def parameters(self) -> int:
        """All stored numbers."""
        return sum(w.size for w in self.compiled.weights.values())

    @property
    def places(self) -> Iterator[PlacedBlock]:
        """The blocks in order; a model that needs none has one layer of empty ones."""
        kinds = self.graph.machine.blocks
        blocks = self.layout.blocks or [Block(kind.name) for kind in kinds]
        for k, block in enumerate(blocks):
            yield PlacedBlock(k, *self.layout.place_of(k), block)

    def row(self, at: PlacedBlock, row: Mapping[int, Coefficient]) -> str:
        """What units are added up to."""
        return affine([(at.unit(i), c) for i, c in sorted(row.items())], 0)

    def source(self, source: Source, letter: str = "u") -> str:
        """The name of what a block reads: a channel of the stream, or a unit of its own."""
        kind, i = source
        return f"{letter}{i}" if kind == OWN else self.channel(i)

    def affine(self, a: Affine, letter: str = "u") -> str:
        """A form over the sources of a block as text."""
        return affine([(self.source(s, letter), c) for s, c in sorted(a.row.items())], a.const)

    def affine_data(self, a: Affine, letter: str = "u") -> dict[str, Any]:
        """The same as plain data, exact."""
        terms = {self.source(s, letter): exact(c) for s, c in sorted(a.row.items())}
        return {"terms": terms, "const": exact(a.const)}

    # Units

    def args(self, unit: Unit) -> dict[str, Affine]:
        """The forms that a unit takes in, by role."""
        found = {VALUE: unit.affine, FACTOR: unit.factor, WHEN: unit.when}
        return {role: a for role, a in found.items() if a is not None}

    def taken_in(self, unit: Unit) -> dict[str, Form]:
        """The ideal values of a unit's arguments."""
        if unit.atom < 0:
            return {}
        atom = self.graph.atoms[unit.atom]
        return {VALUE: atom.form} if atom.form is not None else dict(atom.args)

    def operation(self, at: PlacedBlock, unit: Unit) -> str:
        """What a unit computes, as text."""
        if unit.op == RELU:
            return f"relu({self.affine(unit.affine)})"
        forms = self.taken_in(unit)
        args = {role: self.affine(a, at.letter) for role, a in self.args(unit).items()}
        rectified = {VALUE: self.graph.takes_relu(unit.op), FACTOR: self.graph.machine.rectifies}
        for role in (VALUE, FACTOR):
            if role in args:
                low = forms[role].lo if role in forms else 0.0
                args[role] = operand(args[role], rectified[role], low, FACTOR in args)
        return channel(unit.op, args, unit.lag, unit.rate, self.graph.machine.margins)

    def purpose(self, at: PlacedBlock, i: int) -> str:
        """The atom that a unit computes, or what else it is for."""
        unit = at.block.units[i]
        if unit.atom >= 0:
            return f"a{unit.atom} {unit.label}".rstrip()
        for lane, row in at.block.clears.items():
            if i in row:
                return f"clears {short(self.layout.form(lane))}"
        return unit.label

    def states(self, at: PlacedBlock, i: int) -> Mapping[int, float]:
        """Of a unit with a state: the numbers of which its value is the sum, times these."""
        has_state = at.block.units[i].op in STATES
        return self.target.states(self.layout, at.number, i) if has_state else {}

    # The stream

    def written(self, at: PlacedBlock) -> Iterator[tuple[int, Mapping[int, Coefficient], bool]]:
        """What the block adds: (lane, coefficients by unit, whether that empties it)."""
        for clears, rows in ((True, at.block.clears), (False, at.block.writes)):
            yield from ((lane, row, clears) for lane, row in sorted(rows.items()))

    def channel(self, lane: int) -> str:
        """The name of a lane's channel."""
        return f"r{self.layout.slots[lane]}"

    def held(self, at: PlacedBlock, lane: int) -> tuple[Form, bool]:
        """What a lane holds after a block, and whether that is all that it will hold."""
        terms = self.layout.lanes[lane].terms
        now = {a: c for a, c in terms.items() if self.layout.plan.at.get(a, START) <= at.number}
        return value_form(self.graph, now), len(now) == len(terms)

    def names(self, at: PlacedBlock | None) -> Iterator[tuple[str, Affine]]:
        """The program's names that can be read in a block or after it; of None, in the embedding.
        Terms are ("r", channel) and ("v", unit)."""
        kinds = len(self.graph.machine.blocks)
        here = {"x"} if at is None else {at.letter, "r"} if at.last(kinds) else {at.letter}
        for name, (_, elements) in self.layout.symbols.items():
            for i, a in enumerate(elements):
                layer = 0 if at is None else at.layer
                if a.layer - 1 == layer and {kind for kind, _ in a.row} <= here:
                    row = {self._read(at, s): c * self._scale(at, s) for s, c in a.row.items()}
                    found = Affine(row, a.const)
                    yield (f"{name}[{i}]" if len(elements) > 1 else name), found

    def _read(self, at: PlacedBlock | None, source: Source) -> Source:
        kind, i = source
        return (OWN, i) if at is not None and kind == at.letter else ("r", i)

    def _scale(self, at: PlacedBlock | None, source: Source) -> Coefficient:
        """A channel's number for a unit's value of 1; symbols are about the numbers."""
        if at is None or source[0] != at.letter:
            return 1
        return Fraction(self.target.scale(at.block.units[source[1]]))

    def embedded(self) -> Iterator[tuple[int, Form]]:
        """The lanes that have something from the start, and what."""
        for i, lane in enumerate(self.layout.lanes):
            if lane.start:
                parts = [(c, self.graph.atom_form(a)) for a, c in lane.start.items()]
                yield i, self.graph.combine(parts)

    # The head

    def head(self) -> Iterator[Head]:
        """The elements of the outputs, in order."""
        if not self.tokens:
            for i, a in enumerate(self.layout.head):
                yield Head(self._numbered(self.layout.outputs, i), a, ())
            return
        rows = iter(self.layout.head)
        elements = [(name, k) for name, each in self.compiled.joint.items()
                    for k in range(len(each))]  # fmt: skip
        for i, (name, k) in enumerate(elements):
            values = tuple(sorted(set(self.compiled.joint[name][k])))
            logits = [next(rows) for _ in values]
            title = self._numbered([n for n, _ in elements], i)
            yield Head(title, _value_of(logits, values), values)

    @staticmethod
    def _numbered(names: list[str], i: int) -> str:
        several = names.count(names[i]) > 1
        return f"{names[i]}[{names[:i].count(names[i])}]" if several else names[i]


def _value_of(logits: list[Affine], values: tuple[int, ...]) -> Affine:
    """The value v whose logits are 2 (k - m) (v - m) - (k - m)^2, m the middle of the values."""
    if len(values) == 1:
        return Affine({}, values[0])
    middle = (values[0] + values[-1]) // 2
    row = logits[values.index(middle + 1)]
    const = Fraction(row.const + 1) / 2 + middle
    return Affine({s: Fraction(c) / 2 for s, c in row.row.items()}, const)
