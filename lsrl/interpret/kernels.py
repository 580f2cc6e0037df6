"""What a node computes on arrays `[..., *shape]`: the table of `ir/semantics.py`, with the operands
prepared once (constants, tables, conversions) and with what must never fail at run time made safe.

Numbers are float64 or, in exact mode, ints and Fractions in object arrays; booleans are bool.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from ..errors import ProgramError
from ..ir.nodes import Graph, Node
from ..ir.semantics import PLAIN, Array, apply, as_index, table_array
from ..ir.types import Kind, Type

Kernel = Callable[..., Array]
_to_int = np.frompyfunc(int, 1, 1)


def storage(type: Type, exact: bool) -> np.dtype[Any]:
    """The dtype in which values of a type are held."""
    if type.kind is Kind.BOOL:
        return np.dtype(bool)
    return np.dtype(object) if exact else np.dtype(np.float64)


def hold(a: Array, dtype: np.dtype[Any]) -> Array:
    """`a` in the given storage; booleans become 0 and 1 where numbers are held."""
    if a.dtype == dtype:
        return a
    if dtype.kind == "O" and a.dtype.kind == "b":
        return np.asarray(_to_int(a), dtype=object)
    return a.astype(dtype)


def constant(values: Any, type: Type, exact: bool, node: Node | None = None) -> Array:
    """A constant's elements, row-major, as an array of the type's shape."""
    if exact:
        _check_rational(values, node)
    array = np.empty(len(values), dtype=object)
    array[:] = values
    dtype = storage(type, exact)
    flat = array.astype(bool) if dtype.kind == "b" else hold_number(array, dtype)
    return flat.reshape(type.shape or ())


def hold_number(array: Array, dtype: np.dtype[Any]) -> Array:
    """Python numbers as float64, or as ints and Fractions."""
    if dtype.kind != "O":
        return array.astype(np.float64)
    result = np.empty(array.shape, dtype=object)
    result[...] = np.frompyfunc(lambda v: int(v) if isinstance(v, bool) else v, 1, 1)(array)
    return result


def _check_rational(values: Any, node: Node | None) -> None:
    bad = next((v for v in values if isinstance(v, float)), None)
    if bad is not None:
        message = f"the constant {bad:.6g} is not rational, so the program has no exact run"
        help = "run without `exact`, or write a fraction in its place"
        raise ProgramError.at("E701", node.span if node else None, message, help)


def result_dtype(type: Type, exact: bool) -> np.dtype[Any]:
    """The dtype in which values are handed out."""
    if type.kind is Kind.BOOL:
        return np.dtype(bool)
    if exact:
        return np.dtype(object)
    return np.dtype(np.float64 if type.kind is Kind.REAL else np.int64)


def rational(array: Array) -> Array:
    """Numbers as ints and Fractions; a float is taken as the exact fraction that it is."""
    result = np.empty(array.shape, dtype=object)
    result[...] = np.frompyfunc(_exact_number, 1, 1)(array)
    return result


def _exact_number(value: Any) -> int | Fraction:
    fraction = Fraction(value) if not isinstance(value, np.generic) else Fraction(value.item())
    return int(fraction) if fraction.denominator == 1 else fraction


def kernel(graph: Graph, i: int, exact: bool) -> Kernel:
    """The function from node i's operands, in order, to its value."""
    node = graph.nodes[i]
    types = [graph.nodes[a].type for a in node.args]
    dtype = storage(node.type, exact)
    compute: Kernel = _compute(node, types, exact)
    if not _mixes(node, types):
        return lambda *args: hold(compute(*args), dtype)
    first = 1 if node.op == "select" else 0  # the condition stays boolean

    def convert(*args: Array) -> Array:
        return hold(compute(*args[:first], *(hold(a, dtype) for a in args[first:])), dtype)

    return convert


def _mixes(node: Node, types: list[Type]) -> bool:
    """True where operands of several kinds are joined."""
    joined = types[1:] if node.op == "select" else types
    return node.op in ("select", "concat", "max", "min") and any(
        (t.kind is Kind.BOOL) != (node.type.kind is Kind.BOOL) for t in joined
    )


def _compute(node: Node, types: list[Type], exact: bool) -> Kernel:
    op, attrs = node.op, node.attrs
    if op == "concat":
        vector = [bool(t.shape) for t in types]
        return lambda *args: apply(op, attrs, list(args), vector)
    if op == "table":
        return _table(node, exact)
    if op == "matvec":
        if exact:
            _check_rational([v for row in attrs[0] for v in row], node)
        return matvec(attrs[0], exact)
    if op in _SAFE:
        return _SAFE[op]
    if op in ("mod", "floordiv") and not exact:
        m = float(attrs[0])
        if op == "floordiv":
            return lambda a: np.floor(a / m)
        return lambda a: a - m * np.floor(a / m)  # exact for integers up to 2^53
    if op in PLAIN:
        return PLAIN[op]
    vector = [bool(t.shape) for t in types]
    return lambda *args: apply(op, attrs, list(args), vector)


def _table(node: Node, exact: bool) -> Kernel:
    values, width, element = node.attrs
    if exact:
        _check_rational(values, node)
    table = table_array(values, width, element.kind.value, exact)
    top = len(table) - 1
    return lambda a: table[np.clip(as_index(a), 0, top)]


def _index(vector: Array, position: Array) -> Array:
    return PLAIN["index"](vector, np.clip(as_index(position), 0, vector.shape[-1] - 1))


def _exact_quotient(a: Any, b: Any) -> Any:
    return Fraction(a) / Fraction(b) if b else 0


_exact_divide = np.frompyfunc(_exact_quotient, 2, 1)


def _divide(a: Array, b: Array) -> Array:
    """a / b; 0 where b is 0, which `checks.py` reports."""
    if a.dtype == object or b.dtype == object:
        return np.asarray(_exact_divide(a, b), dtype=object)
    return np.asarray(np.divide(a, np.where(b == 0, 1.0, b)) * (b != 0))


def _sum(a: Array) -> Array:
    """Contiguous first, so that the order of summation does not depend on the batch."""
    return np.asarray(np.add.reduce(np.ascontiguousarray(a), axis=-1))


def _number(a: Array) -> Array:
    return a  # `hold` converts


_SAFE: dict[str, Kernel] = {
    "index": _index,
    "div": _divide,
    "sum": _sum,
    "number": _number,
}


def matvec(rows: Any, exact: bool) -> Kernel:
    """`rows @ a`, column by column: the same rounding for every batch, unlike BLAS."""
    matrix = np.array(rows, dtype=object if exact else np.float64)
    columns = [(j, c) for j, c in enumerate(matrix.T) if c.any()]

    def product(a: Array) -> Array:
        total = np.zeros((*a.shape[:-1], len(matrix)), dtype=matrix.dtype)
        for j, column in columns:
            total += a[..., j : j + 1] * column
        return total

    return product
