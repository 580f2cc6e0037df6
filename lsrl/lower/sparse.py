"""Weights that take up memory for what is not 0 only, until they are read."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ..dtypes import DType


@dataclass(frozen=True)
class Sparse:
    """An array by its entries that are not 0: their places in row-major order `[k]`, and their
    values `[k]` in float64."""

    shape: tuple[int, ...]
    places: Any
    values: Any

    @classmethod
    def of(cls, shape: tuple[int, ...], entries: Mapping[tuple[int, ...], float]) -> Sparse:
        """From entries by index."""
        kept = {i: v for i, v in entries.items() if v}
        index = np.array(list(kept), dtype=np.int64).reshape(-1, len(shape)).T
        places = np.ravel_multi_index(tuple(index), shape) if kept else np.zeros(0, np.int64)
        return cls(shape, places, np.array(list(kept.values()), dtype=np.float64))

    @property
    def size(self) -> int:
        return prod(self.shape)


class SparseWeights(Mapping[str, Any]):
    """Arrays by name. One that is read is made, and kept: what is written to it stays."""

    def __init__(self, entries: Mapping[str, Sparse], dtype: DType) -> None:
        self.entries, self.dtype = dict(entries), dtype
        self._made: dict[str, Any] = {}
        self._sorted: dict[str, tuple[list[int], list[float]]] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = self.dense(name)
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self.entries  # `Mapping` would make the array

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def dense(self, name: str) -> Any:
        """An array in the dtype, which is not kept if it has not been read before."""
        if name in self._made:
            return self._made[name]
        found = self.entries[name]
        rounded = self.dtype.round(found.values)
        array = np.zeros(found.size, rounded.dtype)
        array[found.places] = rounded
        return array.reshape(found.shape)

    def row(self, name: str, i: int) -> list[tuple[int, float]]:
        """The entries of a row that are not 0, by place; the array is not made for that. Raises
        `IndexError` for a row that there is not."""
        if name in self._made:
            return _nonzeros_of(self._made[name][i])
        shape = self.entries[name].shape
        if not 0 <= i < shape[0]:
            raise IndexError(i)
        if name not in self._sorted:
            self._sorted[name] = self._in_order(name)
        places, values = self._sorted[name]
        width = prod(shape[1:])
        own = range(bisect_left(places, i * width), bisect_left(places, (i + 1) * width))
        return [(places[k] - i * width, values[k]) for k in own]

    def _in_order(self, name: str) -> tuple[list[int], list[float]]:
        """The places of the entries that are not 0, row by row, and these, in the dtype."""
        found = self.entries[name]
        rounded = self.dtype.round(found.values)
        order = np.argsort(found.places)
        order = order[rounded[order] != 0]
        return found.places[order].tolist(), rounded[order].tolist()

    def nonzeros(self, name: str) -> int:
        """How many numbers of an array are not 0."""
        if name in self._made:
            return int(np.count_nonzero(self._made[name]))
        return int(np.count_nonzero(self.dtype.round(self.entries[name].values)))


def shape_of(weights: Mapping[str, Any], name: str) -> tuple[int, ...]:
    """The shape of an array, which is not made for that."""
    if isinstance(weights, SparseWeights):
        return weights.entries[name].shape
    return tuple(weights[name].shape)


def dense(weights: Mapping[str, Any], name: str) -> Any:
    """An array, which does not stay in memory."""
    return weights.dense(name) if isinstance(weights, SparseWeights) else weights[name]


def row_of(weights: Mapping[str, Any], name: str, i: int) -> list[tuple[int, float]]:
    """The entries of a row that are not 0, by their places in it, which is flattened; that of a
    vector has one place."""
    if isinstance(weights, SparseWeights):
        return weights.row(name, i)
    return _nonzeros_of(weights[name][i])


def _nonzeros_of(row: Any) -> list[tuple[int, float]]:
    flat = np.asarray(row).reshape(-1)
    places = np.flatnonzero(flat)
    return list(zip(places.tolist(), flat[places].tolist(), strict=True))


def sizes(weights: Mapping[str, Any]) -> tuple[int, int]:
    """How many numbers there are, and how many of them are not 0."""
    total = sum(prod(shape_of(weights, name)) for name in weights)
    if isinstance(weights, SparseWeights):
        return total, sum(weights.nonzeros(name) for name in weights)
    return total, sum(int(np.count_nonzero(w)) for w in weights.values())
