"""Weights that take up memory for what is not 0 only, until they are read."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ..dtypes import DType

BLOCK = 1 << 20  # numbers that are written at once


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
        self._rows: dict[str, tuple[list[int], list[float]]] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            found = self.entries[name]
            rounded = self.dtype.round(found.values)
            array = np.zeros(found.size, rounded.dtype)
            array[found.places] = rounded
            self._made[name] = array.reshape(found.shape)
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self.entries  # `Mapping` would make the array

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def blocks(self, name: str) -> Iterator[Any]:
        """An array in the dtype, flattened, in parts `[k]`, of which one at a time is made."""
        if name in self._made:
            yield from _blocks_of(self._made[name])
            return
        places, values = self._in_order(name)
        size = self.entries[name].size
        for start in range(0, size, BLOCK):
            block = np.zeros(min(BLOCK, size - start), values.dtype)
            first, end = np.searchsorted(places, (start, start + BLOCK))
            block[places[first:end] - start] = values[first:end]
            yield block

    def row(self, name: str, i: int) -> list[tuple[int, float]]:
        """The entries of a row that are not 0, by place; the array is not made for that. Raises
        `IndexError` for a row that there is not."""
        if name in self._made:
            return _entries_of(self._made[name][i])
        shape = self.entries[name].shape
        if not 0 <= i < shape[0]:
            raise IndexError(i)
        if name not in self._rows:
            in_order, numbers = self._in_order(name)
            self._rows[name] = in_order.tolist(), numbers.tolist()
        places, values = self._rows[name]
        width = prod(shape[1:])
        own = range(bisect_left(places, i * width), bisect_left(places, (i + 1) * width))
        return [(places[k] - i * width, values[k]) for k in own if values[k]]

    def _in_order(self, name: str) -> tuple[Any, Any]:
        """The places `[k]` of the entries, row by row, and these `[k]` in the dtype."""
        found = self.entries[name]
        order = np.argsort(found.places)
        return found.places[order], self.dtype.round(found.values)[order]

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


def blocks(weights: Mapping[str, Any], name: str) -> Iterator[Any]:
    """An array, flattened, in parts `[k]`; a sparse one is not made for that."""
    if isinstance(weights, SparseWeights):
        return weights.blocks(name)
    return _blocks_of(weights[name])


def _blocks_of(array: Any) -> Iterator[Any]:
    flat = np.asarray(array).reshape(-1)
    return (flat[start : start + BLOCK] for start in range(0, flat.size, BLOCK))


def row_of(weights: Mapping[str, Any], name: str, i: int) -> list[tuple[int, float]]:
    """The entries of a row that are not 0, by their places in it, which is flattened; that of a
    vector has one place."""
    if isinstance(weights, SparseWeights):
        return weights.row(name, i)
    return _entries_of(weights[name][i])


def _entries_of(row: Any) -> list[tuple[int, float]]:
    flat = np.asarray(row).reshape(-1)
    places = np.flatnonzero(flat)
    return list(zip(places.tolist(), flat[places].tolist(), strict=True))


def nonzeros_of(weights: Mapping[str, Any], name: str) -> int:
    """How many numbers of an array are not 0."""
    if isinstance(weights, SparseWeights):
        return weights.nonzeros(name)
    return int(np.count_nonzero(weights[name]))


def sizes(weights: Mapping[str, Any]) -> tuple[int, int]:
    """How many numbers there are, and how many of them are not 0."""
    total = sum(prod(shape_of(weights, name)) for name in weights)
    return total, sum(nonzeros_of(weights, name) for name in weights)
