"""How values become the columns that a model reads and writes.

`number`: plain numbers, booleans 0 and 1, codes of enumerations. `onehot`: one column a value for
booleans, enumerations and integers of at most 256 values, outputs as logits, of which the largest
is ahead by at least 1; reals, and wider integers, stay numbers. `tokens`: one id for all inputs of
a step, and logits over the joint vocabulary of the outputs (see tokens.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .ir.types import Kind
from .tokens import TOKENS

if TYPE_CHECKING:
    from .analysis.facts import Fact
    from .ir.nodes import Graph

MOST_VALUES = 256


@dataclass(frozen=True)
class Columns:
    """A field's elements side by side; `values` are those of a one-hot element, else None."""

    name: str
    size: int
    is_vector: bool
    kind: Kind
    values: tuple[int, ...] | None

    @property
    def width(self) -> int:
        return self.size * (len(self.values) if self.values else 1)


def one_hot_values(kind: Kind, lo: Any, hi: Any) -> bool:
    """Whether a field of that range has one column a value under `onehot`."""
    return kind is not Kind.REAL and hi - lo < MOST_VALUES


def input_columns(graph: Graph, encoding: str) -> list[Columns]:
    """The model's input, field by field."""
    result = []
    for f in graph.inputs:
        values = None
        if encoding == "onehot" and one_hot_values(f.type.kind, f.lo, f.hi):
            values = tuple(range(int(f.lo), int(f.hi) + 1))
        result.append(Columns(f.name, f.type.size, bool(f.type.shape), f.type.kind, values))
    return result


def output_values(graph: Graph, facts: Sequence[Fact], n: int) -> tuple[int, int]:
    """The values of an output node: those of its type, or else of its range."""
    type, fact = graph.nodes[n].type, facts[n]
    if type.kind is Kind.BOOL:
        return 0, 1
    if type.kind is Kind.ENUM:
        return 0, len(type.members) - 1
    return int(np.ceil(fact.low)), int(np.floor(fact.high))


def output_columns(graph: Graph, facts: Sequence[Fact], encoding: str) -> list[Columns]:
    """The model's output, field by field."""
    result = []
    for o in graph.outputs:
        type, values = graph.nodes[o.node].type, None
        lo, hi = output_values(graph, facts, o.node) if type.kind is not Kind.REAL else (0, 0)
        one_hot = encoding == "onehot" and one_hot_values(type.kind, lo, hi)
        if one_hot or (encoding == TOKENS and type.kind is not Kind.REAL):
            values = tuple(range(lo, hi + 1))
        result.append(Columns(o.name, type.size, bool(type.shape), type.kind, values))
    return result


def encode(columns: list[Columns], batch: Mapping[str, Any]) -> Any:
    """Fields as a model reads them: `[B, T, input size]`, float64."""
    parts = []
    for c in columns:
        x = np.asarray(batch[c.name], dtype=np.float64)
        x = x if c.is_vector else x[..., None]
        if c.values is not None:
            x = (x[..., None] == np.array(c.values)).astype(np.float64)
            x = x.reshape(*x.shape[:-2], -1)
        parts.append(x)
    return np.concatenate(parts, axis=-1)


def split(columns: list[Columns], y: Any) -> dict[str, Any]:
    """A model's numbers `[..., output size]` by name: `[...]` or `[..., d]`, and, of one-hot
    fields, their logits along one more axis."""
    result, at = {}, 0
    for c in columns:
        part = y[..., at : at + c.width]
        at += c.width
        if c.values is not None:
            part = part.reshape(*part.shape[:-1], c.size, len(c.values))
            result[c.name] = part if c.is_vector else part[..., 0, :]
        else:
            result[c.name] = part if c.is_vector else part[..., 0]
    return result


def rounded(columns: list[Columns], raw: Mapping[str, Any]) -> dict[str, Any]:
    """Integers, enumerations and booleans as their nearest value, or that of the largest logit."""
    result = {}
    for c in columns:
        y = np.asarray(raw[c.name])
        if c.values is not None:
            y = np.array(c.values)[y.argmax(axis=-1)]
        if c.kind is Kind.BOOL:
            y = y > 0.5
        elif c.kind is not Kind.REAL:
            y = np.rint(y).astype(np.int64)
        result[c.name] = y
    return result


def errors(
    columns: list[Columns], raw: Mapping[str, Any], meant: Mapping[str, Any]
) -> dict[str, Any]:
    """By name how far a model's numbers are off: the difference; of logits by how much the right
    one falls short of being ahead by 1, halved (at most what each of them is off by)."""
    result: dict[str, Any] = {}
    for c in columns:
        y = np.asarray(raw[c.name], dtype=np.float64)
        expected = np.asarray(meant[c.name]).astype(np.float64)
        if c.values is not None:
            right = expected[..., None] == np.array(c.values)
            own = np.where(right, y, -np.inf).max(axis=-1)
            others = np.where(right, -np.inf, y).max(axis=-1)
            error = np.maximum(0.0, 1 - (own - others)) / 2 if len(c.values) > 1 else 0 * own
        else:
            error = np.abs(y - expected)
        result[c.name] = np.where(np.isnan(error), np.inf, error)
    return result
