"""The blocks of a residual machine: what each channel computes, and what it adds to the stream.

`r3` is channel 3 of the residual stream before a block (of the head, after all of them), `u2` the
value of unit 2 of the block, `m2` that of unit 2 of an MLP, `a7` an atom of the stage `atoms`. The
model's own number for a unit is its value times its scale; `s0` are numbers of the layer's state.
Operations are those of `lsrl/lower/residual/graph.py`. A channel of the stream can be cleared and
then hold something else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ..ir.view import quote
from ..lower.atoms import Coefficient, Form
from ..lower.layers import Affine, Source
from ..lower.residual.graph import DELAY, FACTOR, OWN, RELU, STATES, VALUE, WHEN
from ..lower.residual.layout import Block, ResidualLayout, Unit, value_form
from ..lower.residual.schedule import START
from ..targets import target
from ..targets.base import Compiled
from ..targets.residual import Residual
from ..targets.stream import CONSTANT, Stream
from ..tokens import TOKENS
from .units import power
from .words import (
    affine,
    channel,
    columns,
    exact,
    extent,
    form,
    form_data,
    operand,
    place,
    place_data,
)

SIZES = ("hidden_size", "num_hidden_layers", "intermediate_size", "state_size", "time_step_rank",
         "lru_width")  # fmt: skip


MOST_TERMS = 6  # of a form as text


@dataclass(frozen=True)
class _Place:
    """A block: its number, its layer, and the letter of its units."""

    number: int
    layer: int
    letter: str
    block: Block

    @property
    def title(self) -> str:
        return f"layer {self.layer} {self.block.kind}"

    def last(self, kinds: int) -> bool:
        """Whether it is the last block of its layer."""
        return self.number % kinds == kinds - 1

    def unit(self, i: int) -> str:
        return f"{self.letter}{i}"


@dataclass(frozen=True)
class _Head:
    """One element of an output: its value, and the values that have logits, if it is read so."""

    name: str
    value: Affine
    values: tuple[int, ...]


class _View:
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
        return bool(self.shape["interface"] == TOKENS)

    @property
    def parameters(self) -> int:
        return sum(w.size for w in self.compiled.weights.values())

    @property
    def places(self) -> Iterator[_Place]:
        """The blocks in order; a model that needs none has one layer of empty ones."""
        kinds = self.graph.machine.blocks
        blocks = self.layout.blocks or [Block(kind.name) for kind in kinds]
        for k, block in enumerate(blocks):
            yield _Place(k, *self.layout.place_of(k), block)

    def row(self, at: _Place, row: Mapping[int, Coefficient]) -> str:
        """What units are added up to."""
        return affine([(at.unit(i), c) for i, c in sorted(row.items())], 0)

    def source(self, source: Source, letter: str = "u") -> str:
        kind, i = source
        return f"{letter}{i}" if kind == OWN else self.channel(i)

    def affine(self, a: Affine, letter: str = "u") -> str:
        return affine([(self.source(s, letter), c) for s, c in sorted(a.row.items())], a.const)

    def affine_data(self, a: Affine, letter: str = "u") -> dict[str, Any]:
        terms = {self.source(s, letter): exact(c) for s, c in sorted(a.row.items())}
        return {"terms": terms, "const": exact(a.const)}

    # Units

    def args(self, unit: Unit) -> dict[str, Affine]:
        found = {VALUE: unit.affine, FACTOR: unit.factor, WHEN: unit.when}
        return {role: a for role, a in found.items() if a is not None}

    def taken_in(self, unit: Unit) -> dict[str, Form]:
        """The ideal values of a unit's arguments."""
        if unit.atom < 0:
            return {}
        atom = self.graph.atoms[unit.atom]
        return {VALUE: atom.form} if atom.form is not None else dict(atom.args)

    def operation(self, at: _Place, unit: Unit) -> str:
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

    def purpose(self, at: _Place, i: int) -> str:
        """The atom that a unit computes, or what else it is for."""
        unit = at.block.units[i]
        if unit.atom >= 0:
            return f"a{unit.atom} {unit.label}".rstrip()
        for lane, row in at.block.clears.items():
            if i in row:
                return f"clears {_short(self.layout.form(lane))}"
        return unit.label

    def states(self, at: _Place, i: int) -> Mapping[int, float]:
        """Of a unit with a state: the numbers of which its value is the sum, times these."""
        has_state = at.block.units[i].op in STATES
        return self.target.states(self.layout, at.number, i) if has_state else {}

    # The stream

    def written(self, at: _Place) -> Iterator[tuple[int, Mapping[int, Coefficient], bool]]:
        """What the block adds: (lane, coefficients by unit, whether that empties it)."""
        for clears, rows in ((True, at.block.clears), (False, at.block.writes)):
            yield from ((lane, row, clears) for lane, row in sorted(rows.items()))

    def channel(self, lane: int) -> str:
        return f"r{self.layout.slots[lane]}"

    def held(self, at: _Place, lane: int) -> tuple[Form, bool]:
        """What a lane holds after a block, and whether that is all that it will hold."""
        terms = self.layout.lanes[lane].terms
        now = {a: c for a, c in terms.items() if self.layout.plan.at.get(a, START) <= at.number}
        return value_form(self.graph, now), len(now) == len(terms)

    def names(self, at: _Place | None) -> Iterator[tuple[str, Affine]]:
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

    def _read(self, at: _Place | None, source: Source) -> Source:
        kind, i = source
        return (OWN, i) if at is not None and kind == at.letter else ("r", i)

    def _scale(self, at: _Place | None, source: Source) -> Coefficient:
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

    def head(self) -> Iterator[_Head]:
        if not self.tokens:
            for i, a in enumerate(self.layout.head):
                yield _Head(self._numbered(self.layout.outputs, i), a, ())
            return
        rows = iter(self.layout.head)
        elements = [(name, k) for name, each in self.compiled.joint.items()
                    for k in range(len(each))]  # fmt: skip
        for i, (name, k) in enumerate(elements):
            values = tuple(sorted(set(self.compiled.joint[name][k])))
            logits = [next(rows) for _ in values]
            title = self._numbered([n for n, _ in elements], i)
            yield _Head(title, _value_of(logits, values), values)

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


# Text


def text(compiled: Compiled) -> str:
    """The sizes of the model, the embedding, block by block its units, what they add to the stream
    and the names that are read there, and the head."""
    view = _View(compiled)
    lines = [_sizes(view), _stream(view), "embedding" if view.tokens else "map of the inputs"]
    lines += columns([_embedded(view, lane, start) for lane, start in view.embedded()])
    lines += _names(view, None)
    for at in view.places:
        lines.append(f"{at.title}: {len(at.block.units)} units")
        lines += _section("units", [_unit(view, at, i) for i in range(len(at.block.units))])
        lines += _section("stream", [_written(view, at, *w) for w in view.written(at)])
        lines += _names(view, at)
    lines.append("head" if view.tokens else "map of the outputs")
    lines += columns([_output(view, h) for h in view.head()])
    return "\n".join(lines) + "\n"


def _sizes(view: _View) -> str:
    ends = ("vocab_size",) if view.tokens else ("input_size", "output_size")
    named = [f"{k} {view.shape[k]}" for k in (*ends, *SIZES) if k in view.shape]
    total = f"{view.parameters:,} parameters"
    return ", ".join(["tokens" if view.tokens else "numbers", *named, total])


def _stream(view: _View) -> str:
    lanes, constants = view.stream.lanes, view.stream.constants
    held = f"r0 to r{lanes - 1} for values" if lanes > 1 else "r0 for values" if lanes else ""
    unit = power(CONSTANT)
    parts = [f"r{lanes + i} = {f'{b} * ' * (b > 1)}{unit}" for i, b in enumerate(constants)]
    return "stream: " + ", ".join(filter(None, [held, *parts]))


def _section(title: str, rows: list[list[str]]) -> list[str]:
    return [f"  {title}", *columns(rows, "    ")] if rows else []


def _names(view: _View, at: _Place | None) -> list[str]:
    letter = at.letter if at is not None else ""
    rows = [[name, f"= {_of_name(a, letter)}"] for name, a in view.names(at)]
    return _section("names", rows)


def _of_name(a: Affine, letter: str) -> str:
    order = sorted(a.row.items(), key=lambda item: (item[1] < 0, item[0]))
    return affine([(f"{letter if k == OWN else k}{i}", c) for (k, i), c in order], a.const)


def _embedded(view: _View, lane: int, start: Form) -> list[str]:
    whole = view.layout.form(lane)
    part = "" if start.key == whole.key else "more to come"
    labels = [view.graph.atoms[a].label for a in start.terms]
    held = " ".join(filter(None, [form(start), *labels[:1]]))
    return [view.channel(lane), f"holds {held}", extent(start.lo, start.hi, start.step), part]


def _unit(view: _View, at: _Place, i: int) -> list[str]:
    unit = at.block.units[i]
    size = extent(unit.form.lo, unit.form.hi, unit.form.step)
    single = view.target.is_single(unit)
    scale = f"at scale {power(view.target.scale(unit))}" if single else "in several channels"
    terms = [f"{_times(c)}s{n}" for n, c in view.states(at, i).items()]
    notes = "saturating" if unit.saturating else f"in {' + '.join(terms)}" if terms else ""
    return [at.unit(i), f"= {view.operation(at, unit)}", f"holds {size}", scale, notes,
            view.purpose(at, i), place(unit.span)]  # fmt: skip


def _times(c: float) -> str:
    return "" if c == 1 else f"{power(c)} "


def _written(
    view: _View, at: _Place, lane: int, row: Mapping[int, Coefficient], clears: bool
) -> list[str]:
    sign = "-=" if all(c < 0 for c in row.values()) else "+="
    added = {i: -c if sign == "-=" else c for i, c in row.items()}
    start = [view.channel(lane), f"{sign} {view.row(at, added)}"]
    if clears:
        return [*start, "cleared", ""]
    now, whole = view.held(at, lane)
    note = "" if whole else ", more to come"
    return [*start, f"holds {extent(now.lo, now.hi, now.step)}", f"{_short(now)}{note}"]


def _short(f: Form) -> str:
    """A form; of many terms the first ones and the last."""
    terms = sorted(f.terms.items())
    if len(terms) <= MOST_TERMS:
        return form(f)
    named = [(f"a{a}", c) for a, c in terms]
    first, last = affine(named[: MOST_TERMS - 2], 0), affine(named[-1:], f.const)
    sign = "- " if last.startswith("-") else "+ "
    return f"{first} + ... {sign}{last.removeprefix('-')}"


def _output(view: _View, head: _Head) -> list[str]:
    logits = f"logits of {head.values[0]}..{head.values[-1]}" if head.values else ""
    return [head.name, f"= {view.affine(head.value)}", logits]


# Data


def data(compiled: Compiled) -> dict[str, Any]:
    """The same as plain data. Of an output with logits `terms` and `const` say its value v, and the
    logit of k is 2 (k - m) (v - m) - (k - m)^2, m the middle of `values`, rounded down; that of a
    token is the sum of those of its values."""
    view = _View(compiled)
    lanes, constants = view.stream.lanes, view.stream.constants
    return {
        **compiled.shape,
        "parameters": view.parameters,
        "outputs": list(dict.fromkeys(view.layout.outputs)),
        "constants": {f"r{lanes + i}": b * CONSTANT for i, b in enumerate(constants)},
        "embedding": [
            {"channel": view.channel(lane), "form": form_data(start)}
            for lane, start in view.embedded()
        ],
        "names": {name: _name_data(a, "") for name, a in view.names(None)},
        "blocks": [_block_data(view, at) for at in view.places],
        "head": [
            {"output": h.name, **view.affine_data(h.value)}
            | ({"values": list(h.values)} if h.values else {})
            for h in view.head()
        ],
    }


def _name_data(a: Affine, letter: str) -> dict[str, Any]:
    terms = {f"{letter if k == OWN else k}{i}": exact(c) for (k, i), c in sorted(a.row.items())}
    return {"terms": terms, "const": exact(a.const)}


def _block_data(view: _View, at: _Place) -> dict[str, Any]:
    return {
        "layer": at.layer,
        "kind": at.block.kind,
        "units": [_unit_data(view, at, i) for i in range(len(at.block.units))],
        "stream": [
            {
                "channel": view.channel(lane),
                "added": {at.unit(i): exact(c) for i, c in sorted(row.items())},
                "clears": clears,
                "form": form_data(view.layout.form(lane)),
            }
            for lane, row, clears in view.written(at)
        ],
        "names": {name: _name_data(a, at.letter) for name, a in view.names(at)},
    }


def _unit_data(view: _View, at: _Place, i: int) -> dict[str, Any]:
    unit = at.block.units[i]
    record: dict[str, Any] = {"op": unit.op}
    record["args"] = {r: view.affine_data(a, at.letter) for r, a in view.args(unit).items()}
    if unit.op == DELAY:
        record["lag"] = unit.lag
    if unit.rate != 1:
        record["rate"] = exact(unit.rate)
    step = None if unit.form.step is None else exact(unit.form.step)
    record |= {"form": form_data(unit.form), "lo": unit.form.lo, "hi": unit.form.hi, "step": step}
    if view.target.is_single(unit):
        record["scale"] = view.target.scale(unit)
    if states := view.states(at, i):
        record["states"] = {f"s{n}": c for n, c in states.items()}
    purpose = {"for": view.purpose(at, i), "saturating": unit.saturating}
    return record | purpose | place_data(unit.span)


# Graphviz


def dot(compiled: Compiled) -> str:
    """One cluster a block, in Graphviz's language; what the stream holds between them. Dashed edges
    read steps before."""
    view = _View(compiled)
    lines = ["digraph layers {", "  rankdir=LR;", '  node [fontname="monospace", shape=box];']
    for i in range(len(view.layout.lanes)):
        label = quote(f"{view.channel(i)}\n{form(view.layout.form(i))}")
        shape = "house" if view.layout.lanes[i].start else "ellipse"
        lines.append(f"  r{i} [label={label}, shape={shape}];")
    for at in view.places:
        k = at.number
        lines += [f"  subgraph cluster_{k} {{", f"    label={quote(at.title)};"]
        for i, unit in enumerate(at.block.units):
            label = quote(f"{at.unit(i)} {unit.op}\n{view.purpose(at, i)}")
            lines.append(f"    u{k}_{i} [label={label}];")
        lines.append("  }")
        lines += _edges(view, at)
    for i, head in enumerate(view.head()):
        lines.append(f"  o{i} [label={quote(f'output {head.name}')}, shape=invhouse];")
        lines += [f"  r{lane} -> o{i};" for _, lane in sorted(head.value.row)]
    return "\n".join([*lines, "}"]) + "\n"


def _edges(view: _View, at: _Place) -> Iterator[str]:
    k = at.number
    for i, unit in enumerate(at.block.units):
        style = " [style=dashed]" if unit.op == DELAY else ""
        read = sorted({s for a in view.args(unit).values() for s in a.row})
        for kind, j in read:
            source = f"u{k}_{j}" if kind == OWN else f"r{j}"
            yield f"  {source} -> u{k}_{i}{style};"
        yield from (f"  u{k}_{j} -> u{k}_{i};" for j in unit.halves)
        if unit.op in STATES:
            yield f"  u{k}_{i} -> u{k}_{i} [style=dashed];"
    for lane, row, clears in view.written(at):
        if not clears:
            yield from (f"  u{k}_{i} -> r{lane};" for i in sorted(row))
