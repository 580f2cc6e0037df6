"""Batches of inputs that meet the declared types and a program's assumptions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..ir.types import Kind

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Column:
    """One input field."""

    name: str
    kind: Kind
    size: int | None
    lo: float
    hi: float


@dataclass(frozen=True)
class Repair:
    """How to change a field so that an assumption holds."""

    field: str
    how: str
    number: int = 0

    def apply(self, x: Array) -> Array:
        """x is `[B, T]`."""
        if self.how == "at most":
            return np.minimum(x, self.number)
        x = x.astype(bool)
        if self.how == "at start":
            x[:, 1:] = False
        elif self.how == "few":
            x &= np.cumsum(x, axis=1) <= self.number
        else:
            for t in range(1, x.shape[1]):
                x[:, t] &= ~x[:, t - 1]
        return x


def sample(
    rng: np.random.Generator, columns: Sequence[Column], repairs: Sequence[Repair], *,
    batch: int, steps: int,
) -> dict[str, Array]:  # fmt: skip
    """Arrays `[B, T]` or `[B, T, d]`. Sequences differ in style: any values, extremes, long runs of
    one value, reals on a coarse grid (so that they tie)."""
    arrays = {c.name: _column(rng, c, batch, steps) for c in columns}
    for r in repairs:
        arrays[r.field] = r.apply(arrays[r.field]).astype(arrays[r.field].dtype)
    return arrays


def _column(rng: np.random.Generator, c: Column, batch: int, steps: int) -> Array:
    rows = [_sequence(rng, c, steps) for _ in range(batch)]
    x = np.stack(rows)
    x = x if c.size is not None else x[..., 0]
    return x.astype(bool) if c.kind is Kind.BOOL else x


def _sequence(rng: np.random.Generator, c: Column, steps: int) -> Array:
    shape = (steps, c.size or 1)
    style = rng.integers(4)
    if style == 0:
        x = rng.choice([c.lo, c.hi], shape, p=rng.dirichlet([1, 1]))
    elif c.kind is Kind.REAL:
        x = rng.uniform(c.lo, c.hi, shape)
        if style == 1:
            x = np.clip(np.round(x * 8) / 8, c.lo, c.hi)
    else:
        x = rng.integers(int(c.lo), int(c.hi) + 1, shape).astype(float)
    if style == 3:
        for t in range(1, steps):
            if rng.random() < 0.6:
                x[t] = x[t - 1]
    return x
