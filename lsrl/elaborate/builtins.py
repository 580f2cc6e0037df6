"""Built-in operations. Each takes the elaborator, the call, and the elaborated arguments."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from ..ir.types import BOOL, Kind, Type
from ..source import Span
from ..syntax import ast
from .core import MAX_MATRIX, Elaborator, Ref
from .expressions import comparison
from .vectors import constant_index, run_time_index


def _spans(x: ast.Call) -> list[Span]:
    return [a.span for a in x.args]


def _unary_number(op: str) -> Callable[..., Ref]:
    def build(e: Elaborator, x: ast.Call, a: int) -> Ref:
        ref = e.as_number(a, x.args[0].span, f"`{x.name}`")
        return None if ref is None else e.operate(op, [ref], x.span)

    return build


def _extremum(op: str) -> Callable[..., Ref]:
    def build(e: Elaborator, x: ast.Call, a: int, b: Ref = None) -> Ref:
        left = e.as_number(a, x.args[0].span, f"`{x.name}`")
        if left is None:
            return None
        if b is None:
            return _reduce(e, x, "v" + op, left)
        right = e.as_number(b, x.args[1].span, f"`{x.name}`")
        refs = e.align([left, right], _spans(x), f"`{x.name}`")
        joined = e.join(refs, _spans(x), f"`{x.name}`") if refs else None
        return None if joined is None else e.operate(op, joined, x.span)

    return build


def _reduce(e: Elaborator, x: ast.Call, op: str, a: int) -> Ref:
    return reduce(e, op, a, f"`{x.name}`", x.span)


def reduce(e: Elaborator, op: str, a: int, what: str, span: Span) -> Ref:
    """A vector's elements made one; a scalar is a vector of one."""
    shape = e.type(a).shape
    if shape == ():
        a = e.emit("concat", [a], (), span)
    elif shape is not None and len(shape) == 2:
        e.error("E306", span, f"{what} takes a vector, not a matrix", "take one row of it")
        return None
    return e.emit(op, [a], (), span)


def _number_reduction(op: str) -> Callable[..., Ref]:
    def build(e: Elaborator, x: ast.Call, v: int) -> Ref:
        ref = e.as_number(v, x.args[0].span, f"`{x.name}`")
        return None if ref is None else _reduce(e, x, op, ref)

    return build


def _truth_reduction(op: str) -> Callable[..., Ref]:
    def build(e: Elaborator, x: ast.Call, v: int) -> Ref:
        ref = e.as_bool(v, x.args[0].span, f"`{x.name}`")
        return None if ref is None else _reduce(e, x, op, ref)

    return build


def _clamp(e: Elaborator, x: ast.Call, value: int, lo: int, hi: int) -> Ref:
    refs = [e.as_number(r, s, "`clamp`") for r, s in zip((value, lo, hi), _spans(x), strict=True)]
    aligned = e.align(refs, _spans(x), "`clamp`")
    joined = e.join(aligned, _spans(x), "`clamp`") if aligned else None
    if joined is None:
        return None
    return e.operate("min", [e.operate("max", joined[:2], x.span), joined[2]], x.span)


def _step(e: Elaborator, x: ast.Call, a: int) -> Ref:
    zero = e.number(0, x.span)
    return comparison(e, ">", (a, zero), (x.args[0].span, x.span), x.span)


def _bump(e: Elaborator, x: ast.Call, a: int, lo: int, hi: int) -> Ref:
    spans = _spans(x)
    low = comparison(e, "<=", (lo, a), (spans[1], spans[0]), x.span)
    high = comparison(e, "<", (a, hi), (spans[0], spans[2]), x.span)
    refs = e.align([low, high], [x.span, x.span], "`bump`")
    return None if refs is None else e.emit("and", refs, (), x.span)


def _dot(e: Elaborator, x: ast.Call, a: int, b: int) -> Ref:
    refs = [e.as_number(r, s, "`dot`") for r, s in zip((a, b), _spans(x), strict=True)]
    aligned = e.align(refs, _spans(x), "`dot`")
    if aligned is None:
        return None
    return _reduce(e, x, "sum", e.operate("mul", aligned, x.span))


def _size(e: Elaborator, x: ast.Call, v: int) -> Ref:
    shape = e.type(v).shape
    e.guessed |= shape is None
    return e.number(shape[0] if shape else 1, x.span)


def _is_scalar(e: Elaborator, x: ast.Call, v: int) -> Ref:
    e.guessed |= e.type(v).shape is None
    return e.build.const(e.type(v).shape in ((), None), BOOL, x.span)


def _promise(e: Elaborator, x: ast.Call, value: int, like: int) -> Ref:
    name = e.calls[-1][0] if e.calls else "promise"
    like = e.widen(like, e.type(value).shape, x.span)
    return e.emit("promise", [value, like], (name,), x.span)


def _lookup(e: Elaborator, x: ast.Call, position: int, table: int) -> Ref:
    shape = e.type(table).shape
    if shape is None:
        return e.unknown(e.type(table), ())
    if shape == ():
        e.error("E312", x.args[1].span, "a scalar has no elements", "look up in a vector")
        return None
    if e.is_const(position) and e.is_const(table):
        bracket = ast.Index(x.args[1], x.args[0], span=x.span)
        return constant_index(e, table, position, bracket)
    return run_time_index(e, table, position, x.args[0].span, x.span)


def _range(e: Elaborator, x: ast.Call, a: int, b: Ref = None) -> Ref:
    help = "write `[e for i in range(n)]`"
    e.error("E314", x.span, "`range` stands only in a list comprehension", help)
    return None


def _filled(value: int) -> Callable[..., Ref]:
    def build(e: Elaborator, x: ast.Call, n: int, m: Ref = None) -> Ref:
        refs = [(n, x.args[0].span)] + ([(m, x.args[1].span)] if m is not None else [])
        shape = []
        for ref, span in refs:
            size = e.const_int(ref, span, f"a size of `{x.name}`")
            if size is None or not e.check_size(size, span, f"the size of `{x.name}`"):
                return None
            shape.append(size)
        if not _matrix_fits(e, x, shape):
            return None
        kind = Kind.INT if value else Kind.ZERO
        return e.build.const(np.full(shape, value, dtype=object), Type(kind, tuple(shape)), x.span)

    return build


def _matrix_fits(e: Elaborator, x: ast.Call, shape: list[int]) -> bool:
    if math.prod(shape) > MAX_MATRIX:
        help = f"the largest matrix has {MAX_MATRIX:,} entries"
        e.error("E310", x.span, f"a matrix of {' x '.join(map(str, shape))} is too large", help)
        return False
    return True


def _square(fill: Callable[[int], Any]) -> Callable[..., Ref]:
    def build(e: Elaborator, x: ast.Call, n: int) -> Ref:
        size = e.const_int(n, x.args[0].span, f"the size of `{x.name}`")
        if size is None or not e.check_size(size, x.args[0].span, f"the size of `{x.name}`"):
            return None
        return e.constant(fill(size), x.span) if _matrix_fits(e, x, [size, size]) else None

    return build


def _eye(n: int) -> Any:
    return np.eye(n, dtype=int).astype(object)


def _shift(n: int) -> Any:
    return np.eye(n, k=-1, dtype=int).astype(object)


def _diag(e: Elaborator, x: ast.Call, v: int) -> Ref:
    if not e.is_const(v) or len(e.type(v).shape or ()) != 1:
        e.error("E302", x.args[0].span, "`diag` takes a constant vector", "write `diag([1, 2])`")
        return None
    values = e.node(v).values
    if not _matrix_fits(e, x, [len(values)] * 2):
        return None
    matrix = np.full((len(values), len(values)), 0, dtype=object)
    matrix[np.diag_indices(len(values))] = values
    return e.constant(matrix, x.span)


def _rotation(e: Elaborator, x: ast.Call, angle: int) -> Ref:
    ref = e.as_number(angle, x.args[0].span, "`rotation`")
    if ref is None:
        return None
    node = e.node(ref)
    if node.op != "const" or node.type.shape != ():
        help = "write it in radians, as in `rotation(pi / 3)`"
        e.error("E302", x.args[0].span, "`rotation` takes a constant angle", help)
        return None
    c, s = math.cos(node.attrs[0][0]), math.sin(node.attrs[0][0])
    return e.constant(np.array([[c, -s], [s, c]], dtype=object), x.span)


def _constant_function(f: Callable[[Any], Any]) -> Callable[..., Ref]:
    def build(e: Elaborator, x: ast.Call, a: int) -> Ref:
        ref, span = e.as_number(a, x.args[0].span, f"`{x.name}`"), x.args[0].span
        if ref is None:
            return None
        if not e.is_const(ref):
            help = "compute it outside, or tabulate it and use `lookup`"
            message = f"`{x.name}` is for constants, but this is known only at run time"
            e.error("E302", span, message, help)
            return None
        values = []
        for value in e.node(ref).attrs[0]:
            try:
                values.append(f(value))
            except (ValueError, OverflowError):
                message = f"`{x.name}` has no value at {float(value):g}"
                e.error("E308", span, message, "choose another constant")
                return None
        result = np.empty(len(values), dtype=object)
        result[:] = values
        return e.constant(result.reshape(e.type(ref).shape or ()), x.span)

    return build


def _root(v: Any) -> Any:
    if not isinstance(v, float) and v >= 0:
        v = Fraction(v)
        n, d = math.isqrt(v.numerator), math.isqrt(v.denominator)
        if n * n == v.numerator and d * d == v.denominator:
            return Fraction(n, d)
    return math.sqrt(v)


OPERATIONS: dict[str, Callable[..., Ref]] = {
    "relu": _unary_number("relu"),
    "abs": _unary_number("abs"),
    "clamp": _clamp,
    "step": _step,
    "sum": _number_reduction("sum"),
    "dot": _dot,
    "argmax": _number_reduction("argmax"),
    "size": _size,
    "max": _extremum("max"),
    "min": _extremum("min"),
    "bump": _bump,
    "all": _truth_reduction("all"),
    "any": _truth_reduction("any"),
    "lookup": _lookup,
    "range": _range,
    "zeros": _filled(0),
    "ones": _filled(1),
    "eye": _square(_eye),
    "shift": _square(_shift),
    "diag": _diag,
    "rotation": _rotation,
    "sqrt": _constant_function(_root),
    "sin": _constant_function(lambda v: math.sin(v)),
    "cos": _constant_function(lambda v: math.cos(v)),
    "exp": _constant_function(lambda v: math.exp(v)),
    "log": _constant_function(lambda v: math.log(v)),
    "floor": _constant_function(lambda v: math.floor(v)),
    "ceil": _constant_function(lambda v: math.ceil(v)),
    "_is_scalar": _is_scalar,
    "_promise": _promise,
}
