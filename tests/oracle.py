"""A slow and plain meaning of a graph, independent of NumPy: one node, one step, one number a time.

Values are Python numbers and truth values; vectors are lists.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from lsrl.ir.nodes import Graph, Node
from lsrl.ir.types import Kind, Type

_BINARY = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": lambda a, b: a / b if isinstance(a, float) else Fraction(a) / Fraction(b),
    "lt": operator.lt,
    "le": operator.le,
    "eq": operator.eq,
    "ne": operator.ne,
    "max": max,
    "min": min,
}
_UNARY = {
    "number": lambda a: int(a),
    "neg": operator.neg,
    "not": lambda a: not a,
    "relu": lambda a: max(a, 0),
    "abs": abs,
}


def _each(f: Any, *args: Any) -> Any:
    if isinstance(args[0], list):
        return [f(*row) for row in zip(*args, strict=True)]
    return f(*args)


def _flat(args: Sequence[Any]) -> list[Any]:
    return [v for a in args for v in (a if isinstance(a, list) else [a])]


def _matvec(rows: Any, v: list[Any]) -> list[Any]:
    result = []
    for row in rows:
        total = 0.0 if any(isinstance(c, float) for c in v) else 0
        for c, x in zip(row, v, strict=True):
            total = total + (float(c) if isinstance(x, float) else c) * x
        result.append(total)
    return result


def _take(v: list[Any], indices: Any) -> Any:
    return v[indices] if isinstance(indices, int) else [v[i] for i in indices]


def _table(values: Any, width: int, k: Any) -> Any:
    k = int(k)
    return list(values[k * width : (k + 1) * width]) if width else values[k]


def _apply(node: Node, args: list[Any]) -> Any:
    op, attrs = node.op, node.attrs
    if op in _BINARY:
        return _each(_BINARY[op], *args)
    if op in _UNARY:
        return _each(_UNARY[op], *args)
    other = {
        "bound": lambda a: a,
        "promise": lambda a, _: a,
        "units": lambda a: _each(lambda x: round(x / attrs[0]), a),
        "mod": lambda a: _each(lambda x: x % attrs[0], a),
        "floordiv": lambda a: _each(lambda x: x // attrs[0], a),
        "matvec": lambda a: _matvec(attrs[0], a),
        "and": lambda *a: _each(lambda *xs: all(xs), *a),
        "or": lambda *a: _each(lambda *xs: any(xs), *a),
        "select": lambda c, a, b: _each(lambda p, x, y: x if p else y, c, a, b),
        "sum": lambda a: sum(a),
        "all": lambda a: all(a),
        "any": lambda a: any(a),
        "vmax": lambda a: max(a),
        "vmin": lambda a: min(a),
        "argmax": lambda a: a.index(max(a)),
        "concat": lambda *a: _flat(a),
        "take": lambda a: _take(a, attrs[0]),
        "broadcast": lambda a: [a] * attrs[0],
        "index": lambda v, k: v[int(k)],
        "table": lambda k: _table(attrs[0], attrs[1], k),
    }
    return other[op](*args)


def _as_kind(value: Any, type: Type, exact: bool) -> Any:
    if isinstance(value, list):
        return [_as_kind(v, type, exact) for v in value]
    if type.kind is Kind.BOOL:
        return bool(value)
    if type.kind is Kind.REAL and not exact:
        return float(value)
    return int(value) if isinstance(value, bool) or type.kind is not Kind.REAL else value


def _shaped(values: Sequence[Any], type: Type) -> Any:
    if not type.shape:
        return values[0]
    if len(type.shape) == 1:
        return list(values)
    return [list(values)]  # constant matrices are only operands that were folded away


def oracle(
    graph: Graph, inputs: Mapping[str, Sequence[Any]], exact: bool = False
) -> list[list[Any]]:
    """Values `[step][node]`; `inputs` has one value (or list) per step for each field."""
    steps = len(next(iter(inputs.values())))
    states = [_as_kind(_shaped(s.init, s.type), s.type, exact) for s in graph.states]
    history = []
    for t in range(steps):
        now: list[Any] = []
        for node in graph.nodes:
            if node.op == "const":
                value = _shaped(node.attrs[0], node.type)
            elif node.op == "input":
                value = inputs[node.attrs[0]][t]
            elif node.op == "prev":
                value = states[node.attrs[0]]
            else:
                value = _apply(node, [now[a] for a in node.args])
            now.append(_as_kind(value, node.type, exact))
        states = [_as_kind(now[s.next], s.type, exact) for s in graph.states]
        history.append(now)
    return history


def close(a: Any, b: Any, exact: bool = False) -> bool:
    """Equal, reals up to rounding."""
    if isinstance(a, list):
        return len(a) == len(b) and all(close(x, y, exact) for x, y in zip(a, b, strict=True))
    return a == b if exact else math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)
