"""Expressions on vectors: indices, slices, lists, comprehensions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.types import Kind
from ..source import Span
from ..syntax import ast
from .core import MAX_SIZE, Elaborator, Ref, article
from .expressions import expression
from .scope import Scope, Value


def _index(e: Elaborator, x: ast.Index, scope: Scope) -> Ref:
    vector, position = expression(e, x.vector, scope), expression(e, x.index, scope)
    if vector is None or position is None:
        return None
    shape = e.type(vector).shape
    if shape is None:
        return e.unknown(e.type(vector), ())
    if shape == ():
        e.error("E312", x.span, "a scalar has no elements", "only vectors can be indexed")
        return None
    if e.is_const(position):
        return constant_index(e, vector, position, x)
    return run_time_index(e, vector, position, x.index.span, x.span)


def constant_index(e: Elaborator, vector: int, position: int, x: ast.Index) -> Ref:
    if e.type(position).kind is Kind.ENUM:
        k: int | None = int(e.node(position).attrs[0][0])
    else:
        k = e.const_int(position, x.index.span, "an index")
    if k is None:
        return None
    shape = e.type(vector).shape or ()
    size = shape[0]
    if not -size <= k < size:
        message = f"index {k} is outside of a vector of {size} elements"
        e.error("E313", x.index.span, message, f"the indices are 0..{size - 1}")
        return None
    k %= size
    if len(shape) == 2:
        return e.constant(e.node(vector).values[k], x.span)
    return e.emit("take", [vector], (k,), x.span)


def run_time_index(e: Elaborator, vector: int, position: int, at: Span, span: Span) -> Ref:
    """`v[k]` with k known at run time. That k lies inside v is checked when ranges are known."""
    type = e.type(position)
    if type.kind is Kind.REAL or (type.shape not in ((), None)):
        help = "use an integer, a boolean or a member of an enumeration"
        e.error("E302", at, f"an index must be one integer, not {article(type)}", help)
        return None
    if type.kind is Kind.BOOL:
        position = e.emit("number", [position])
    source = e.node(vector)
    if source.op == "const":
        shape = source.type.shape or ()
        width = shape[1] if len(shape) == 2 else 0
        element = source.type.with_shape(())
        return e.emit("table", [position], (source.attrs[0], width, element), span)
    return e.emit("index", [vector, position], (), span)


def _slice(e: Elaborator, x: ast.Slice, scope: Scope) -> Ref:
    vector = expression(e, x.vector, scope)
    ends: list[int | None] = []
    for end in (x.start, x.stop):
        ref = expression(e, end, scope) if end is not None else None
        ends.append(e.const_int(ref, end.span, "the end of a slice") if end is not None else None)
        if end is not None and ends[-1] is None:
            return None
    if vector is None:
        return None
    shape = e.type(vector).shape
    if shape is None:
        return e.unknown(e.type(vector))
    if shape == ():
        e.error("E312", x.span, "a scalar has no elements", "only vectors can be sliced")
        return None
    indices = tuple(range(shape[0]))[slice(*ends)]
    if not indices:
        e.error("E303", x.span, "this slice is empty", f"the vector has {shape[0]} elements")
        return None
    if len(shape) == 2:
        return e.constant(e.node(vector).values[list(indices)], x.span)
    return e.emit("take", [vector], (indices,), x.span)


def _bracket(e: Elaborator, x: ast.Bracket, scope: Scope) -> Ref:
    if not x.items:
        e.error("E303", x.span, "an empty vector", "a vector has at least one element")
        return None
    items = [expression(e, i, scope) for i in x.items]
    if any(i is None for i in items):
        return None
    refs = [i for i in items if i is not None]
    if all(isinstance(i, ast.Bracket) for i in x.items) and all(map(e.is_const, refs)):
        matrix = _matrix(e, refs, x)
        if matrix is not None:
            return matrix
    return concatenate(e, refs, [i.span for i in x.items], x.span)


def _matrix(e: Elaborator, rows: list[int], x: ast.Bracket) -> Ref:
    shapes = {e.type(r).shape for r in rows}
    if len(shapes) != 1 or len(next(iter(shapes)) or ()) != 1:
        return None
    joined = e.join(rows, [i.span for i in x.items], "the rows of a matrix")
    if joined is None:
        return None
    values = [list(e.node(r).values) for r in joined]
    return e.build.const(
        np.array(values, dtype=object),
        e.type(joined[0]).with_shape((len(values), len(values[0]))),
        x.span,
    )


def concatenate(e: Elaborator, refs: list[int], spans: list[Span], span: Span) -> Ref:
    """Scalars and vectors one after the other."""
    for ref, place in zip(refs, spans, strict=True):
        if len(e.type(ref).shape or ()) == 2:
            message = "a matrix cannot stand in a list of other values"
            e.error("E306", place, message, "write a matrix as a list of rows of constants")
            return None
    joined = e.join(refs, spans, "the items of a list")
    if joined is None:
        return None
    total = sum(e.type(r).size for r in joined)
    if not e.check_size(total, span, "the size of this vector"):
        return None
    return e.emit("concat", joined, (), span)


def _comprehension(e: Elaborator, x: ast.Comprehension, scope: Scope) -> Ref:
    values = iteration(e, x.iterable, scope)
    if values is None:
        return None
    items: list[int] = []
    total = 0
    for i in values:
        inner = scope.child()
        inner.names[x.variable] = Value(e.number(i, x.span))
        e.check_growth(x.span)
        item = expression(e, x.body, inner)
        if item is None:
            return None
        items.append(item)
        total += e.type(item).size
        if total > MAX_SIZE:
            e.check_size(total, x.span, "the size of this vector so far")
            return None
    return concatenate(e, items, [x.body.span] * len(items), x.span)


def iteration(e: Elaborator, x: ast.Expr, scope: Scope) -> range | None:
    """The integers of `range(n)` or `range(a, b)`."""
    if not isinstance(x, ast.Call) or x.name != "range" or not 1 <= len(x.args) <= 2 or x.keywords:
        help = "write `for i in range(n)` or `for i in range(a, b)`"
        e.error("E314", x.span, "a list can only be made over a `range`", help)
        return None
    ends = [e.const_int(expression(e, a, scope), a.span, "the end of a range") for a in x.args]
    if any(end is None for end in ends):
        return None
    low, high = (0, ends[0]) if len(ends) == 1 else (ends[0], ends[1])
    assert low is not None and high is not None
    return range(low, high) if e.check_size(high - low, x.span, "the size of this range") else None


VECTORS: dict[type, Callable[[Elaborator, Any, Scope], Ref]] = {
    ast.Index: _index,
    ast.Slice: _slice,
    ast.Bracket: _bracket,
    ast.Comprehension: _comprehension,
}
