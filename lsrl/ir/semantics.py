"""What each operation computes, once, for every domain that looks like a NumPy array.

An operand is an array `[..., *shape]`: any leading axes (batch, time), then the node's own shape.
Numbers are float64, or exact rationals in object arrays; booleans are `bool` arrays. The same
functions fold constants, run the interpreter and give exact results.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def as_index(a: Array) -> Array:
    """Numbers known to be integers, as positions."""
    return np.asarray(a).astype(np.int64)


def truth(a: Array) -> Array:
    return np.asarray(a).astype(bool)


def number(a: Array) -> Array:
    """0/1 numbers in the domain of floats; object booleans become ints."""
    if np.asarray(a).dtype == object:
        return np.asarray(_int_of_bool(a), dtype=object)
    return np.asarray(a).astype(np.float64)


_int_of_bool = np.frompyfunc(int, 1, 1)


def _divide(a: Array, b: Array) -> Array:
    if np.asarray(a).dtype == object:
        return np.asarray(_exact_divide(a, b), dtype=object)
    return np.asarray(np.divide(a, b))


def _quotient(a: Any, b: Any) -> Any:
    if isinstance(a, float) or isinstance(b, float):
        return a / b
    return Fraction(a) / Fraction(b)


_exact_divide = np.frompyfunc(_quotient, 2, 1)


def _units(a: Array, step: Fraction) -> Array:
    """Multiples of a step: rounded where floats only come close to the lattice."""
    if a.dtype == object:
        return np.asarray(_exact_divide(a, step), dtype=object)
    return np.asarray(np.rint(a / float(step)))


def matvec(rows: Any, a: Array) -> Array:
    """`rows @ a` for `a [..., m]`; rows `[n, m]`."""
    matrix = np.array(rows, dtype=object if a.dtype == object else np.float64)
    return np.asarray(a @ matrix.T)


def _index(vector: Array, position: Array) -> Array:
    where = as_index(position)[..., None]
    shape = np.broadcast_shapes(vector.shape[:-1], where.shape[:-1])
    vector = np.broadcast_to(vector, (*shape, vector.shape[-1]))
    return np.take_along_axis(vector, np.broadcast_to(where, (*shape, 1)), axis=-1)[..., 0]


def table_array(values: Any, width: int, kind: str, exact: bool) -> Array:
    """A constant table as an array `[n]` or `[n, width]`."""
    dtype: Any = bool if kind == "bool" else (object if exact else np.float64)
    flat = np.empty(len(values), dtype=dtype)
    flat[:] = values
    return flat.reshape(-1, width) if width else flat


def _take(a: Array, indices: Any) -> Array:
    if isinstance(indices, int):
        return a[..., indices]
    if indices and indices == tuple(range(indices[0], indices[-1] + 1)):
        return a[..., indices[0] : indices[-1] + 1]
    return a[..., list(indices)]


def concat(parts: list[Array], vector: list[bool]) -> Array:
    """Join scalars `[...]` and vectors `[..., d]` along the last axis."""
    columns = [p if v else p[..., None] for p, v in zip(parts, vector, strict=True)]
    leads = {c.shape[:-1] for c in columns}
    if len(leads) > 1:
        lead = np.broadcast_shapes(*leads)
        columns = [np.broadcast_to(c, (*lead, c.shape[-1])) for c in columns]
    return np.concatenate(columns, axis=-1)


def _reduce(ufunc: Any) -> Callable[..., Array]:
    def apply(a: Array) -> Array:
        return np.asarray(ufunc.reduce(a, axis=-1))

    return apply


def _all_of(ufunc: Any) -> Callable[..., Array]:
    def apply(*args: Array) -> Array:
        result = truth(args[0])
        for a in args[1:]:
            result = ufunc(result, truth(a))
        return result

    return apply


def _compare(ufunc: Any) -> Callable[..., Array]:
    def apply(a: Array, b: Array) -> Array:
        return np.asarray(ufunc(a, b)).astype(bool, copy=False)

    return apply


# Operations on arrays of equal own shape, without attributes.
PLAIN: dict[str, Callable[..., Array]] = {
    "number": number,
    "neg": np.negative,
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": _divide,
    "lt": _compare(np.less),
    "le": _compare(np.less_equal),
    "eq": _compare(np.equal),
    "ne": _compare(np.not_equal),
    "and": _all_of(np.logical_and),
    "or": _all_of(np.logical_or),
    "not": lambda a: ~truth(a),
    "select": lambda c, a, b: np.asarray(np.where(truth(c), a, b)),
    "relu": lambda a: np.maximum(a, 0),
    "abs": np.abs,
    "max": np.maximum,
    "min": np.minimum,
    "sum": _reduce(np.add),
    "all": lambda a: np.asarray(truth(a).all(axis=-1)),
    "any": lambda a: np.asarray(truth(a).any(axis=-1)),
    "vmax": lambda a: np.asarray(np.max(a, axis=-1)),
    "vmin": lambda a: np.asarray(np.min(a, axis=-1)),
    "argmax": lambda a: np.asarray(np.argmax(a, axis=-1)),
    "index": _index,
}

# Operations whose attributes matter: called with the attributes and the operands.
WITH_ATTRS: dict[str, Callable[..., Array]] = {
    "bound": lambda attrs, a: a,
    "promise": lambda attrs, a, x: a,
    "units": lambda attrs, a: _units(a, attrs[0]),
    "mod": lambda attrs, a: np.mod(a, attrs[0]),
    "floordiv": lambda attrs, a: np.floor_divide(a, attrs[0]),
    "matvec": lambda attrs, a: matvec(attrs[0], a),
    "take": lambda attrs, a: _take(a, attrs[0]),
    "broadcast": lambda attrs, a: np.broadcast_to(a[..., None], (*a.shape, attrs[0])),
    "table": lambda attrs, a: table_array(
        attrs[0], attrs[1], attrs[2].kind.value, a.dtype == object
    )[as_index(a)],
}


def apply(op: str, attrs: tuple[Any, ...], args: list[Array], vector: list[bool]) -> Array:
    """Apply an operation. `vector[i]` tells whether operand i has an axis of its own."""
    if op == "concat":
        return concat(args, vector)
    if op in PLAIN:
        return PLAIN[op](*args)
    return WITH_ATTRS[op](attrs, *args)
