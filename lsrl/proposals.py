"""Inputs of the declared types in many manners: what a sampler draws before it looks at promises.

All arrays are `[B, T]` or `[B, T, d]` float64 (codes for enumerations, 0 and 1 for booleans).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .errors import LsrlError
from .examples import plain
from .interpret.inputs import batch_of
from .ir.nodes import Field, Graph
from .ir.semantics import Array
from .ir.types import Kind
from .program import Program

Batch = dict[str, Array]
Rng = np.random.Generator
CONSTANTS = 64  # of the program's own constants, tried as values of the inputs, at most


class Domain:
    """The values of one input field."""

    def __init__(self, field: Field, constants: Sequence[float], guard: float) -> None:
        self.name, self.shape = field.name, field.type.shape or ()
        self.real, self.boolean = field.type.kind is Kind.REAL, field.type.kind is Kind.BOOL
        self.lo, self.hi = float(field.lo), float(field.hi)
        self.guard = guard
        ends = [self.lo, self.hi, self.fit(np.float64(0)).item()]
        near = [self.fit(np.float64(c + d)).item() for c in constants for d in (-1, 0, 1)]
        self.special = np.unique([*ends, *near])

    @property
    def count(self) -> float:
        """How many values an element of the field has."""
        if self.real and self.hi > self.lo:
            return np.inf
        return float(self.hi - self.lo + 1) ** int(np.prod(self.shape))

    def every(self) -> Array:
        """All values of a field with few."""
        axis = np.arange(self.lo, self.hi + 1)
        size = int(np.prod(self.shape))
        return np.stack(np.meshgrid(*[axis] * size, indexing="ij"), -1).reshape(-1, *self.shape)

    def fit(self, values: Any) -> Array:
        """The nearest values that the field admits."""
        values = np.clip(values, self.lo, self.hi)
        return np.asarray(values if self.real else np.clip(np.rint(values), self.lo, self.hi))

    def uniform(self, rng: Rng, shape: tuple[int, ...]) -> Array:
        if self.real:
            return np.clip(rng.uniform(self.lo, self.hi, shape), self.lo, self.hi)
        return rng.integers(int(self.lo), int(self.hi) + 1, shape).astype(np.float64)

    def edges(self, rng: Rng, shape: tuple[int, ...]) -> Array:
        """Only the two ends."""
        return np.where(rng.random(shape) < 0.5, self.lo, self.hi)

    def pointed(self, rng: Rng, shape: tuple[int, ...]) -> Array:
        """Ends, zero and the program's constants; of reals also values close beside them."""
        return self.jitter(rng, rng.choice(self.special, shape))

    def jitter(self, rng: Rng, values: Array) -> Array:
        """Reals moved by up to four guard bands, about half of them."""
        if not self.real:
            return values
        moved = rng.uniform(-4, 4, values.shape) * self.guard * (rng.random(values.shape) < 0.5)
        return self.fit(values + moved)

    def varied(self, rng: Rng, values: Array) -> Array:
        """Values at some distance from these, on all scales."""
        if self.real:
            scale = (self.hi - self.lo) * 10.0 ** rng.uniform(-4, 0, values.shape)
        else:
            scale = rng.integers(1, 4, values.shape).astype(np.float64)
        return self.fit(values + scale * rng.choice([-1.0, 1.0], values.shape))

    def any(self, rng: Rng, shape: tuple[int, ...]) -> Array:
        """Elements of all these kinds."""
        kind = rng.integers(0, 4, shape)
        return np.where(
            kind < 2,
            self.uniform(rng, shape),
            np.where(kind == 2, self.pointed(rng, shape), self.edges(rng, shape)),
        )


class Proposals:
    """Draws whole sequences. `names` lists the manners, which take turns."""

    names = ("uniform", "few", "extreme", "example", "runs", "periodic", "steps", "mixed")

    def __init__(self, program: Program, guard: float) -> None:
        constants = _constants(program.graph)
        self.domains = [Domain(f, constants, guard) for f in program.inputs]
        self.examples = examples_of(program)

    def draw(self, rng: Rng, n: int, length: int, turn: int = 0) -> Batch:
        """`n` sequences; the manners take turns from `turn` on."""
        fields = {d.name: np.empty((n, length, *d.shape)) for d in self.domains}
        for k, name in enumerate(self.names):
            rows = np.arange((k - turn) % len(self.names), n, len(self.names))
            if len(rows):
                for field, values in self.in_manner(rng, name, len(rows), length).items():
                    fields[field][rows] = values
        return fields

    def in_manner(self, rng: Rng, name: str, n: int, length: int) -> Batch:
        """Sequences in one of the manners."""
        if name == "example":
            return self._from_examples(rng, n, length)
        if name == "mixed":
            others = [m for m in self.names if m not in ("example", "mixed")]
            return {
                d.name: _MANNERS[str(rng.choice(others))](d, rng, n, length) for d in self.domains
            }
        return {d.name: _MANNERS[name](d, rng, n, length) for d in self.domains}

    def _from_examples(self, rng: Rng, n: int, length: int) -> Batch:
        """Examples tiled or cropped, changed in a few places, or spliced."""
        if not self.examples:
            return self.in_manner(rng, "periodic", n, length)
        rows = [self._tiled(rng, length) for _ in range(n)]
        fields = {d.name: np.stack([r[d.name] for r in rows]) for d in self.domains}
        return self.mutated(rng, fields, rng.choice([0.0, 0.02, 0.1, 0.3], n))

    def _tiled(self, rng: Rng, length: int) -> Batch:
        """One example, from its start or from the middle, as often as it fits; or two, spliced."""
        example = self.examples[rng.integers(len(self.examples))]
        steps = len(next(iter(example.values())))
        at = (np.arange(length) + (rng.integers(steps) if rng.random() < 0.25 else 0)) % steps
        row = {name: values[at] for name, values in example.items()}
        if rng.random() < 0.25 and length > 1:
            other, cut = self._tiled(rng, length), int(rng.integers(1, length))
            row = {f: np.concatenate([row[f][:cut], other[f][: length - cut]]) for f in row}
        return row

    def mutated(self, rng: Rng, fields: Mapping[str, Array], rate: Array) -> Batch:
        """Redraw elements, with the probability `rate [B]` for each."""
        result = {}
        for d in self.domains:
            old = fields[d.name]
            some = rng.random(old.shape) < rate.reshape(-1, *[1] * (old.ndim - 1))
            result[d.name] = np.where(some, self.other(rng, d, old), old)
        return result

    def other(self, rng: Rng, d: Domain, old: Array) -> Array:
        """Values in place of these: mostly any, some of them near."""
        near = rng.random(old.shape) < 0.25
        return np.where(near, d.varied(rng, old), d.any(rng, old.shape))

    def typed(self, fields: Mapping[str, Array]) -> Batch:
        """The same with booleans as `bool`."""
        return {d.name: fields[d.name].astype(bool) if d.boolean else fields[d.name]
                for d in self.domains}  # fmt: skip


# Manners: domain, generator, sequences, steps -> [B, T, ...]


def _uniform(d: Domain, rng: Rng, n: int, length: int) -> Array:
    return d.uniform(rng, (n, length, *d.shape))


def _few(d: Domain, rng: Rng, n: int, length: int) -> Array:
    """An alphabet of one to four values a sequence, so that values occur again."""
    palette = d.any(rng, (n, 4))
    which = rng.integers(0, rng.integers(1, 5, n).reshape(-1, 1), (n, length * _size(d)))
    picked = np.take_along_axis(palette, which, axis=1).reshape(n, length, *d.shape)
    return d.jitter(rng, picked)


def _extreme(d: Domain, rng: Rng, n: int, length: int) -> Array:
    """Ends only: all low, all high, or at random with a preference."""
    preference = rng.choice([0.0, 0.1, 0.5, 0.9, 1.0], (n, 1, *[1] * len(d.shape)))
    return np.where(rng.random((n, length, *d.shape)) < preference, d.hi, d.lo)


def _runs(d: Domain, rng: Rng, n: int, length: int) -> Array:
    """Constant stretches, of mean length 1 to the whole sequence."""
    mean = length ** rng.random((n, 1))
    stretch = np.cumsum(rng.random((n, length)) < 1 / mean, axis=1, dtype=np.int64)
    values = d.any(rng, (n, length + 1, *d.shape))
    at = stretch.reshape(n, length, *[1] * len(d.shape))
    return np.take_along_axis(values, at, axis=1)


def _periodic(d: Domain, rng: Rng, n: int, length: int) -> Array:
    """A block of up to eight elements, over and over."""
    period = rng.integers(1, 9, (n, 1))
    at = (np.arange(length) % period).reshape(n, length, *[1] * len(d.shape))
    return np.take_along_axis(d.any(rng, (n, 8, *d.shape)), at, axis=1)


def _steps(d: Domain, rng: Rng, n: int, length: int) -> Array:
    """Ramps and random walks that bounce off the ends."""
    width = max(d.hi - d.lo, 1e-300)
    unit = width / 8 if d.real else 1.0
    drift = rng.choice([-1.0, 0.0, 1.0], (n, 1, *[1] * len(d.shape)))
    moves = drift + rng.choice([-1.0, 0.0, 1.0], (n, length, *d.shape)) * (drift == 0)
    scale = rng.uniform(0.2, 1, (n, 1, *[1] * len(d.shape))) if d.real else 1.0
    path = d.uniform(rng, (n, 1, *d.shape)) - d.lo + np.cumsum(moves, axis=1) * unit * scale
    folded = np.abs((path + width) % (2 * width) - width)
    return d.fit(d.lo + folded)


_MANNERS = {
    "uniform": _uniform,
    "few": _few,
    "extreme": _extreme,
    "runs": _runs,
    "periodic": _periodic,
    "steps": _steps,
}


def _size(d: Domain) -> int:
    return int(np.prod(d.shape))


def _constants(graph: Graph) -> list[float]:
    """Numbers that the program mentions, the frequent ones first."""
    counts: dict[float, int] = {}
    for node in graph.nodes:
        values = node.attrs[0] if node.op == "const" else ()
        for v in values[:CONSTANTS]:
            counts[float(v)] = counts.get(float(v), 0) + 1
    return sorted(counts, key=lambda v: (-counts[v], v))[:CONSTANTS]


def examples_of(program: Program) -> list[Batch]:
    """Inputs of the worked examples, `[T, ...]` by field, those that these parameters admit."""
    found = []
    for example in program.elaborated.examples:
        try:
            batch = batch_of(
                program.inputs,
                program.elaborated.members,
                plain(example.inputs),
                batched=False,
                length=program.length,
            )
        except LsrlError:
            continue  # an example for other values of the parameters
        found.append({name: np.asarray(a[0], dtype=np.float64) for name, a in batch.items()})
    return found
