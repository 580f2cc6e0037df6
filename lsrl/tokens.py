"""Tokens: bounded inputs as one id, and outputs as logits over one vocabulary.

The id of a step is the mixed-radix number of its values, the first field and element slowest, each
counted from its lowest; so is the id that the largest logit stands for. (As in `architecture.md`.)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .ir.types import Kind

if TYPE_CHECKING:
    from .encoding import Columns
    from .ir.nodes import Graph

TOKENS = "tokens"
MOST_TOKENS = 1 << 16
MOST_LOGITS = 1 << 12  # centred logits 2 k v - k^2 run out of digits beyond


@dataclass(frozen=True)
class Digit:
    """One element of a field: its lowest value and how many values it has."""

    field: str
    lo: int
    size: int


@dataclass(frozen=True)
class Vocabulary:
    """The digits of an id, the first one slowest."""

    digits: tuple[Digit, ...]

    @property
    def size(self) -> int:
        """How many ids there are."""
        return math.prod(d.size for d in self.digits)

    def ids(self, values: Any) -> Any:
        """Values `[..., digits]` to ids `[...]`."""
        total = np.zeros(np.shape(values)[:-1], dtype=np.int64)
        for i, digit in enumerate(self.digits):
            total = total * digit.size + (np.asarray(values[..., i]).astype(np.int64) - digit.lo)
        return total

    def values(self, ids: Any) -> Any:
        """Ids `[...]` to values `[..., digits]`."""
        rest = np.asarray(ids, dtype=np.int64)
        found = []
        for digit in reversed(self.digits):
            rest, own = np.divmod(rest, digit.size)
            found.append(own + digit.lo)
        return np.stack(found[::-1], axis=-1)


def input_vocabulary(graph: Graph) -> Vocabulary | None:
    """The vocabulary of a program's inputs; None where some are real."""
    digits = []
    for f in graph.inputs:
        if f.type.kind is Kind.REAL:
            return None
        lo, hi = math.ceil(f.lo), math.floor(f.hi)
        digits += [Digit(f.name, lo, hi - lo + 1)] * f.type.size
    return Vocabulary(tuple(digits))


def output_vocabulary(columns: Sequence[Columns]) -> Vocabulary:
    """The vocabulary of outputs of which each element has its values."""
    digits = [
        Digit(c.name, c.values[0], len(c.values))
        for c in columns if c.values is not None for _ in range(c.size)
    ]  # fmt: skip
    return Vocabulary(tuple(digits))


def marginal(columns: Sequence[Columns], y: Any) -> Any:
    """Joint logits `[..., V]`, sums of one logit an element, as logits of each element, side by
    side: the largest joint one with each of its values."""
    vocabulary = output_vocabulary(columns)
    sizes = [d.size for d in vocabulary.digits]
    if len(sizes) == 1:
        return y
    known = np.asarray(y)[..., : vocabulary.size]  # there can be more tokens
    joint = known.reshape(*known.shape[:-1], *sizes)
    axes = range(-len(sizes), 0)
    parts = [joint.max(axis=tuple(a for a in axes if a != own)) for own in axes]
    return np.concatenate(parts, axis=-1)


def encoded(graph: Graph, batch: Mapping[str, Any]) -> Any:
    """Fields by name, `[B, T]` or `[B, T, d]`, as ids `[B, T, 1]` (float64)."""
    vocabulary = input_vocabulary(graph)
    assert vocabulary is not None
    columns = []
    for f in graph.inputs:
        x = np.asarray(batch[f.name])
        columns.append(x if f.type.shape else x[..., None])
    return vocabulary.ids(np.concatenate(columns, axis=-1))[..., None].astype(np.float64)
