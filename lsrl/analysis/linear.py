"""Ranges of linear states, lane by lane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir.components import tarjan
from .dependence import Row

Lane = tuple[int, int]
Interval = tuple[float, float]
MAX_POWERS = 4096


def linear_ranges(
    lanes: Sequence[Lane],
    rows: Sequence[Row],
    init: Sequence[Interval],
    rest: Sequence[Interval],
    length: int,
) -> list[Interval]:
    """Range of each lane's value over steps 1..length of s' = A s + u, s_0 in init, u in rest.

    Lanes that need each other are bounded together; the others one after another, so that a shift
    register costs no matrix powers.
    """
    index = {lane: i for i, lane in enumerate(lanes)}
    edges = [[index[lane] for lane in (row or {})] for row in rows]
    found: list[Interval] = [(0.0, 0.0)] * len(lanes)
    for members in tarjan(edges) if len(lanes) > 1 else [[i] for i in range(len(lanes))]:
        inside = set(members)
        added = []
        for i in members:
            low, high = rest[i]
            for lane, c in (rows[i] or {}).items():
                j = index[lane]
                if j not in inside:
                    before = min(found[j][0], init[j][0]), max(found[j][1], init[j][1])
                    ends = float(c) * before[0], float(c) * before[1]  # type: ignore[arg-type]
                    low, high = low + min(ends), high + max(ends)
            added.append((low, high))
        own = (rows[members[0]] or {}).get(lanes[members[0]], 0)
        if len(members) == 1 and own in (0, 1):
            found[members[0]] = _alone(bool(own), init[members[0]], added[0], length)
            continue
        matrix = np.zeros((len(members), len(members)))
        for a, i in enumerate(members):
            for b, j in enumerate(members):
                matrix[a, b] = float((rows[i] or {}).get(lanes[j], 0))  # type: ignore[arg-type]
        start = np.array([init[i] for i in members])
        low_high = _powers(matrix, start, np.array(added), length)
        for a, i in enumerate(members):
            found[i] = float(low_high[0][a]), float(low_high[1][a])
    return found


def _alone(kept: bool, init: Interval, rest: Interval, length: int) -> Interval:
    """Of a lane that is replaced, or kept and added to, by itself."""
    low, high = rest
    if not kept:
        return low, high
    first, last = init[0] + low, init[1] + high
    return min(first, first + (length - 1) * low), max(last, last + (length - 1) * high)


def _powers(A: Any, init: Any, added: Any, length: int) -> tuple[Any, Any]:
    """Bounds on s_1..s_length; A `[p, p]`, init `[p, 2]`, added `[p, 2]`."""
    low, high = np.full(len(init), np.inf), np.full(len(init), -np.inf)
    power = np.eye(len(init))
    sums = np.zeros((2, len(init)))
    freest, fullest = float(np.abs(init).max()), 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        for k in range(min(length, MAX_POWERS)):
            term = _apply(power, added)
            following = A @ power
            free = _apply(following, init)
            sums = sums + term
            low, high = np.minimum(low, free[0] + sums[0]), np.maximum(high, free[1] + sums[1])
            freest = max(freest, float(np.abs(free).max()))
            fullest = max(fullest, float(np.abs(sums).max()))  # they may cancel later
            if not following.any():
                return low, high
            if np.array_equal(following, power):
                steps = length - 1 - k
                ends = free + sums + steps * term
                return np.minimum(low, ends[0]), np.maximum(high, ends[1])
            power = following
            norm = np.abs(power).sum(axis=1).max()
            if norm < 2.0**-60:
                tail = _tail(norm, low, high)
                low, high = low - tail, high + tail
                if (A >= 0).all() and min(added.min(), init.min()) >= 0:
                    low = np.maximum(low, 0.0)
                if (A >= 0).all() and max(added.max(), init.max()) <= 0:
                    high = np.minimum(high, 0.0)
                return low, high
    if length > MAX_POWERS:
        most = _beyond(power, freest, fullest, length)
        return np.full(len(init), -most), np.full(len(init), most)
    return low, high


def _apply(power: Any, added: Any) -> Any:
    """Range of `power @ u` as `[2, p]`."""
    up, down = np.maximum(power, 0), np.minimum(power, 0)
    low = up @ added[:, 0] + down @ added[:, 1]
    return np.stack([low, up @ added[:, 1] + down @ added[:, 0]])


def _tail(norm: float, low: Any, high: Any) -> float:
    """What all later terms of a convergent series can still add."""
    return float(2 * norm * max(np.abs(low).max(), np.abs(high).max(), 1.0))


def _beyond(power: Any, freest: float, added: float, length: int) -> float:
    """Blocks of K = MAX_POWERS steps: |A^K| bounds how much each earlier block still counts.
    `freest` bounds |A^k s_0| and `added` what is added in all, for k up to K."""
    norm = float(np.abs(power).sum(axis=1).max())
    blocks = length // MAX_POWERS + 1
    with np.errstate(over="ignore"):
        total = float(blocks) if norm <= 1 else float(np.float64(norm) ** blocks * blocks)
    if 0 < norm < 1:
        total = min(total, 1 / (1 - norm))
    with np.errstate(over="ignore"):
        grown = max(1.0, float(np.float64(norm) ** blocks))
    return (total * added if added else 0.0) + (grown * freest if freest else 0.0)
