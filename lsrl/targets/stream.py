"""The residual stream, and its norms.

A norm is removed exactly by constant channels of the stream that outweigh all others: with channels
b_i M, M = 2^40, the mean of the squares rounds to M^2 sum(b_i^2) / H, which is a power of 4 where
the b_i are chosen so; the norm's weights then hand on the data as it is, and a constant 1 with it
(`numerics.md`).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..lower.layers import Affine

CONSTANT = 2.0**40  # M, the constant channels of the stream, times b_i
DATA = CONSTANT * 2.0**-13  # what the data may come to: its squares vanish beside those of M


@dataclass(frozen=True)
class Stream:
    """The residual stream: H channels, of which the first are for lanes (lane i in `slots[i]`), the
    next ones the `constants` (their b_i).

    `root`: the norm divides by M and multiplies by this power of two.
    """

    size: int
    slots: tuple[int, ...]
    constants: tuple[int, ...]
    root: float

    @property
    def lanes(self) -> int:
        """How many channels the lanes take."""
        return max(self.slots, default=-1) + 1

    @property
    def one(self) -> int:
        """The channel in which a norm hands on a 1."""
        return self.lanes

    @property
    def norm(self) -> Any:
        """The weights of a norm: data as it is, and 1 (or what is in no use) in the constants."""
        weight = np.zeros(self.size)
        weight[: self.lanes] = CONSTANT / self.root
        for i, b in enumerate(self.constants):
            weight[self.lanes + i] = 1 / (self.root * b)
        return weight

    def row(self, affine: Affine, scale: float = 1.0) -> Any:
        """An affine form of lanes as a row of a matrix that reads the normed stream."""
        row = np.zeros(self.size)
        for (_, lane), c in affine.row.items():
            row[self.slots[lane]] += scale * float(c)
        row[self.one] = scale * float(affine.const)
        return row


def constants_for(size: int) -> tuple[tuple[int, ...], float] | None:
    """The fewest b_i, the first a power of two, with sum(b_i^2) / H a power of 4, and its root."""
    part, root = size, 1.0
    while part % 4 == 0:
        part, root = part // 4, root * 2
    for count in range(1, 5):
        tried = itertools.combinations_with_replacement(range(1, math.isqrt(part) + 1), count)
        found = [b for b in tried if sum(c * c for c in b) == part]
        for b in found:
            first = next((c for c in b if c & (c - 1) == 0), None)
            if first is not None:
                rest = list(b)
                rest.remove(first)
                return (first, *rest), root
    return None


def stream_for(slots: tuple[int, ...], least: int, only_powers: bool) -> Stream:
    """The narrowest stream of `least` channels or more that has room for the lanes."""
    lanes = max(slots, default=-1) + 1
    for size in itertools.count(max(least, lanes + 1, 2)):
        if only_powers and (size & (size - 1) or size.bit_length() % 2 == 0):
            continue
        found = constants_for(size)
        if found is not None and lanes + len(found[0]) <= size:
            return Stream(size, slots, *found)
    raise AssertionError
