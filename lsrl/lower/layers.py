"""Layers with exact weights, and what passes between them.

    s_t = A s_{t-1} + B x_t + b,      y_t = relu(C s_t + D x_t + d)

(Petrov et al. 2024, section 3: a linear RNN layer followed by a ReLU MLP; lanes without memory,
whose rows of A are zero, enter through D instead of taking up state.) The last layer has no ReLU.
Where the target has products, units of a layer after the ReLU units are products of two forms.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from ..records import record
from ..source import Span
from .atoms import Form
from .coefficients import Coefficient, add_scaled

Source = tuple[str, int]  # ("x", column of the layer's input) or ("s", lane of the layer's state)
Row = dict[Source, Coefficient]


@record()
class Affine:
    """`const + sum of row[source] * source`; `layer` (from 1) where it stands on its own."""

    row: Row
    const: Coefficient
    layer: int = 0


@record()
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


@record()
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
        """All stored numbers."""
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


def add_row(row: Row, other: Row, factor: Coefficient) -> None:
    """row += factor * other, in place."""
    if len(other) == 1:
        ((source, c),) = other.items()
        c = factor if c == 1 else factor * c
        if source in row:
            c += row[source]
        if c:
            row[source] = c
        else:
            row.pop(source, None)
        return
    add_scaled(row, other, factor)
    for source in [s for s in other if not row[s]]:
        del row[source]


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
        first, *others = reader.known
        parent.setdefault(first, first)
        for s in others:
            parent.setdefault(s, s)
            parent[find(s)] = find(first)
    groups: dict[Source, list[Known]] = {}
    for reader in kept:
        groups.setdefault(find(next(iter(reader.known))), []).append(reader)
    return list(groups.values())
