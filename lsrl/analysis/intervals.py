"""Interval arithmetic on arrays: each operation on pairs `lo, hi` of arrays.

A pair stands for every value between its ends; booleans are the pairs 0,0 / 1,1 / 0,1 of floats
(the third truth value of Kleene's logic is 0,1). Arrays have any leading axes, then the node's own
shape, as in `ir/semantics.py`. Used for the static ranges of a program and, at run time, to follow
comparisons that are undetermined.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from ..ir.nodes import Node
from ..ir.semantics import Array, concat, table_array

Pair = tuple[Array, Array]
SLACK = 2.0**-10  # of the rest of a series that is guessed
WIDE = 4096  # a run-time index over more candidates than this is bounded by the whole vector


def range_of(lo: Any, hi: Any) -> Pair:
    """The range between two numbers or arrays."""
    return np.asarray(lo, dtype=np.float64), np.asarray(hi, dtype=np.float64)


def hull(a: Pair, b: Pair) -> Pair:
    """The smallest range that holds both."""
    return np.minimum(a[0], b[0]), np.maximum(a[1], b[1])


def meet(a: Pair, b: Pair) -> Pair:
    """Intersection; where it is empty (a promise that cannot hold), the second operand."""
    low, high = np.maximum(a[0], b[0]), np.minimum(a[1], b[1])
    empty = low > high
    if np.any(empty):
        low, high = np.where(empty, b[0], low), np.where(empty, b[1], high)
    return low, high


def limit_of(a: Pair, b: Pair, c: Pair) -> Pair:
    """Beyond where growing ranges go, if each grows by a constant share of what it grew before."""
    ends = []
    for x, y, z in zip(a, b, c, strict=True):
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            share = (z - y) / (y - x)
            rest = (z - y) * share / (1 - share) * (1 + SLACK)
        ends.append(z + np.where((z == y) | ~(np.abs(share) < 1), 0.0, rest))
    return ends[0], ends[1]


def without_nan(pair: Pair) -> Pair:
    """An end that is not known, as infinity - infinity, is infinite."""
    low, high = np.asarray(pair[0], float), np.asarray(pair[1], float)
    if not ((low == low).all() and (high == high).all()):
        return np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high)
    return low, high


def equal(a: Pair, b: Pair) -> bool:
    """Whether two ranges have the same ends."""
    return bool(np.array_equal(a[0], b[0]) and np.array_equal(a[1], b[1]))


def _monotone(f: Callable[..., Array]) -> Callable[..., Pair]:
    return lambda *pairs: (f(*(p[0] for p in pairs)), f(*(p[1] for p in pairs)))


def _neg(a: Pair) -> Pair:
    return -a[1], -a[0]


def _sub(a: Pair, b: Pair) -> Pair:
    return a[0] - b[1], a[1] - b[0]


def _finite_product(x: Array, y: Array) -> Array:
    with np.errstate(invalid="ignore"):
        result = x * y
    return np.where((x == 0) | (y == 0), 0.0, result)


def mul(a: Pair, b: Pair) -> Pair:
    """All products; 0 times infinity is 0."""
    ends = [_finite_product(x, y) for x in a for y in b]
    return np.minimum.reduce(ends), np.maximum.reduce(ends)


def _div(a: Pair, b: Pair) -> Pair:
    crosses = (b[0] <= 0) & (b[1] >= 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        low = np.where(crosses, -np.inf, 1 / np.where(b[1] == 0, np.nan, b[1]))
        high = np.where(crosses, np.inf, 1 / np.where(b[0] == 0, np.nan, b[0]))
    return mul(a, (low, high))


def _mod(m: int, a: Pair) -> Pair:
    same = np.floor(a[0] / m) == np.floor(a[1] / m)
    same &= np.isfinite(a[0]) & np.isfinite(a[1])
    with np.errstate(invalid="ignore"):
        low, high = np.mod(a[0], m), np.mod(a[1], m)
    return np.where(same, low, 0.0), np.where(same, high, float(m - 1))


def _floordiv(m: int, a: Pair) -> Pair:
    return np.floor(a[0] / m), np.floor(a[1] / m)


def _matvec(rows: Any, a: Pair) -> Pair:
    matrix = np.array(rows, dtype=np.float64)
    up, down = np.maximum(matrix, 0), np.minimum(matrix, 0)
    if np.isfinite(a[0]).all() and np.isfinite(a[1]).all():
        with np.errstate(invalid="ignore"):  # flags of lanes that BLAS only pads
            return a[0] @ up.T + a[1] @ down.T, a[1] @ up.T + a[0] @ down.T
    low = _finite_product(a[0][..., None, :], up) + _finite_product(a[1][..., None, :], down)
    high = _finite_product(a[1][..., None, :], up) + _finite_product(a[0][..., None, :], down)
    return low.sum(-1), high.sum(-1)


def _lt(a: Pair, b: Pair) -> Pair:
    return (a[1] < b[0]).astype(float), (a[0] < b[1]).astype(float)


def _le(a: Pair, b: Pair) -> Pair:
    return (a[1] <= b[0]).astype(float), (a[0] <= b[1]).astype(float)


def _eq(a: Pair, b: Pair) -> Pair:
    sure = (a[0] == a[1]) & (b[0] == b[1]) & (a[0] == b[0])
    possible = (a[0] <= b[1]) & (b[0] <= a[1])
    return sure.astype(float), possible.astype(float)


def _not(a: Pair) -> Pair:
    return 1 - a[1], 1 - a[0]


def _ne(a: Pair, b: Pair) -> Pair:
    return _not(_eq(a, b))


def _and(*pairs: Pair) -> Pair:
    return reduce(np.minimum, (p[0] for p in pairs)), reduce(np.minimum, (p[1] for p in pairs))


def _or(*pairs: Pair) -> Pair:
    return reduce(np.maximum, (p[0] for p in pairs)), reduce(np.maximum, (p[1] for p in pairs))


def _select(c: Pair, a: Pair, b: Pair) -> Pair:
    low = np.where(c[0] > 0, a[0], np.where(c[1] > 0, np.minimum(a[0], b[0]), b[0]))
    high = np.where(c[0] > 0, a[1], np.where(c[1] > 0, np.maximum(a[1], b[1]), b[1]))
    return low, high


def _abs(a: Pair) -> Pair:
    crosses = (a[0] < 0) & (a[1] > 0)
    ends = np.abs(a[0]), np.abs(a[1])
    return np.where(crosses, 0.0, np.minimum(*ends)), np.maximum(*ends)


def _argmax(a: Pair) -> Pair:
    best = a[0].max(axis=-1, keepdims=True)
    possible = a[1] >= best
    n = a[0].shape[-1]
    low = np.argmax(possible, axis=-1)
    high = n - 1 - np.argmax(possible[..., ::-1], axis=-1)
    return low.astype(float), high.astype(float)


def _candidates(k: Pair, n: int) -> tuple[Array, Array]:
    """Positions `[..., n]` and which of them an index in k may be."""
    positions = np.arange(n, dtype=float)
    return positions, (positions >= k[0][..., None]) & (positions <= k[1][..., None])


def _index(v: Pair, k: Pair) -> Pair:
    _, possible = _candidates(k, v[0].shape[-1])
    low = np.where(possible, v[0], np.inf).min(axis=-1)
    return low, np.where(possible, v[1], -np.inf).max(axis=-1)


def _table(attrs: tuple[Any, ...], k: Pair) -> Pair:
    values, width, element = attrs
    table = table_array(values, width, element.kind.value, exact=False).astype(float)
    if (k[0] == k[1]).all() and ((k[0] >= 0) & (k[0] < len(table))).all():
        found = table[k[0].astype(np.int64)]
        return found, found
    if len(table) > WIDE:
        shape = k[0].shape + table.shape[1:]
        low, high = table.min(axis=0), table.max(axis=0)
        return np.broadcast_to(low, shape), np.broadcast_to(high, shape)
    _, possible = _candidates(k, len(table))
    if width:
        possible = possible[..., None]
    axis = -2 if width else -1
    low = np.where(possible, table, np.inf).min(axis=axis)
    return low, np.where(possible, table, -np.inf).max(axis=axis)


PLAIN: dict[str, Callable[..., Pair]] = {
    "number": lambda a: a,
    "neg": _neg,
    "add": _monotone(np.add),
    "sub": _sub,
    "mul": mul,
    "div": _div,
    "lt": _lt,
    "le": _le,
    "eq": _eq,
    "ne": _ne,
    "and": _and,
    "or": _or,
    "not": _not,
    "select": _select,
    "relu": _monotone(lambda a: np.maximum(a, 0.0)),
    "abs": _abs,
    "max": _monotone(np.maximum),
    "min": _monotone(np.minimum),
    "sum": _monotone(lambda a: a.sum(axis=-1)),
    "all": _monotone(lambda a: a.min(axis=-1)),
    "any": _monotone(lambda a: a.max(axis=-1)),
    "vmax": _monotone(lambda a: a.max(axis=-1)),
    "vmin": _monotone(lambda a: a.min(axis=-1)),
    "argmax": _argmax,
    "index": _index,
}


def apply(node: Node, pairs: list[Pair], vector: list[bool]) -> Pair:
    """Apply a node's operation to intervals. `bound` and `promise` are left to the caller."""
    op, attrs = node.op, node.attrs
    if op == "concat":
        low = concat([p[0] for p in pairs], vector)
        return low, concat([p[1] for p in pairs], vector)
    if op in ("bound", "promise"):
        return pairs[0]
    if op in PLAIN:
        return PLAIN[op](*pairs)
    if op == "take":
        where = attrs[0] if isinstance(attrs[0], int) else list(attrs[0])
        return pairs[0][0][..., where], pairs[0][1][..., where]
    if op == "broadcast":
        shape = (*pairs[0][0].shape, attrs[0])
        low, high = (np.broadcast_to(end[..., None], shape) for end in pairs[0])
        return low, high
    if op == "matvec":
        return _matvec(attrs[0], pairs[0])
    if op == "units":
        step = float(attrs[0])
        return np.rint(pairs[0][0] / step), np.rint(pairs[0][1] / step)
    with_m = {"mod": _mod, "floordiv": _floordiv}
    return with_m[op](attrs[0], pairs[0]) if op in with_m else _table(attrs, pairs[0])
