"""The type of each operation's result: the rules that the builder and the legality check share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .nodes import OPS, Field, State
from .types import BOOL, INT, Kind, Type, join_kinds, plain


class IllTyped(Exception):
    """An operation whose operands do not fit. A defect of the compiler, not of a program."""


def infer(
    op: str,
    args: Sequence[Type],
    attrs: tuple[Any, ...],
    states: Sequence[State] = (),
    inputs: Sequence[Field] = (),
) -> Type | None:
    """Type of `op` on operands of those types; None where only the node itself can say (const)."""
    info = OPS.get(op)
    if info is None:
        raise IllTyped(f"no operation is called {op!r}")
    if info.arity is not None and len(args) != info.arity:
        raise IllTyped(f"{op} takes {info.arity} operands, not {len(args)}")
    if len(attrs) != len(info.attrs):
        raise IllTyped(f"{op} takes the attributes {info.attrs}, not {attrs!r:.60}")
    if op == "const":
        return None
    if op == "input":
        found = next((f for f in inputs if f.name == attrs[0]), None)
        _need(found is not None, f"no input is called {attrs[0]!r}")
        return found.type if found else None
    if op == "prev":
        _need(0 <= attrs[0] < len(states), f"there is no state {attrs[0]!r}")
        state: State = states[attrs[0]]
        return state.type
    return _RULES[op](args, attrs)


def _need(condition: bool, message: str) -> None:
    if not condition:
        raise IllTyped(message)


def _same_shape(args: Sequence[Type]) -> tuple[int, ...] | None:
    shapes = {a.shape for a in args if a.shape is not None}
    if len(shapes) > 1:
        raise IllTyped(f"shapes differ: {[str(a) for a in args]}")
    return shapes.pop() if shapes else None


def _arithmetic(args: Sequence[Type], _: Any) -> Type:
    shape = _same_shape(args)
    _need(all(a.kind in (Kind.ZERO, Kind.INT, Kind.REAL) for a in args), "not numbers")
    kind = Kind.REAL if any(a.kind is Kind.REAL for a in args) else Kind.INT
    return plain(kind, shape)


def _division(args: Sequence[Type], attrs: Any) -> Type:
    return _arithmetic(args, attrs).with_kind(Kind.REAL)


def _integer(args: Sequence[Type], attrs: Any) -> Type:
    _need(args[0].kind in (Kind.ZERO, Kind.INT) and attrs[0] >= 1, "not an integer division")
    return plain(Kind.INT, args[0].shape)


def _comparison(args: Sequence[Type], _: Any) -> Type:
    shape = _same_shape(args)
    _need(join_kinds(*args) is not None, "kinds cannot be compared")
    return BOOL.with_shape(shape)


def _logic(args: Sequence[Type], _: Any) -> Type:
    _need(len(args) > 0 and all(a.kind in (Kind.BOOL, Kind.ZERO) for a in args), "not booleans")
    return BOOL.with_shape(_same_shape(args))


def _select(args: Sequence[Type], _: Any) -> Type:
    shape = _same_shape(args)
    _need(args[0].kind in (Kind.BOOL, Kind.ZERO), "the condition is not boolean")
    kind = join_kinds(args[1], args[2])
    _need(kind is not None, "the branches have no common kind")
    assert kind is not None
    return kind.with_shape(shape)


def _extremum(args: Sequence[Type], _: Any) -> Type:
    kind = join_kinds(args[0], args[-1])
    _need(kind is not None and kind.kind is not Kind.ENUM, "not ordered")
    assert kind is not None
    return kind.with_shape(_same_shape(args))


def _vector(args: Sequence[Type]) -> Type:
    _need(args[0].shape is None or len(args[0].shape) == 1, "not a vector")
    return args[0]


def _concat(args: Sequence[Type], _: Any) -> Type:
    _need(len(args) > 0, "nothing to concatenate")
    kind: Type | None = args[0].with_shape(())
    for a in args:
        kind = join_kinds(kind, a) if kind is not None else None
    _need(kind is not None, "items have no common kind")
    assert kind is not None
    if any(a.shape is None for a in args):
        return kind.with_shape(None)
    return kind.with_shape((sum(a.size for a in args),))


def _take(args: Sequence[Type], attrs: Any) -> Type:
    source = _vector(args)
    if isinstance(attrs[0], int):
        _need(source.shape is None or 0 <= attrs[0] < source.size, "position out of range")
        return source.with_shape(())
    _need(source.shape is None or all(0 <= i < source.size for i in attrs[0]), "out of range")
    return source.with_shape((len(attrs[0]),))


def _position(type: Type) -> None:
    _need(type.is_scalar or type.shape is None, "the position is not a scalar")
    _need(type.is_discrete, "the position is not an integer")


def _table(args: Sequence[Type], attrs: Any) -> Type:
    values, width, element = attrs
    _position(args[0])
    _need(len(values) > 0 and len(values) % (width or 1) == 0, "rows of different lengths")
    if element.kind is Kind.ZERO:
        element = INT
    return Type(element.kind, (width,) if width else (), element.members)


def _index(args: Sequence[Type], _: Any) -> Type:
    _position(args[1])
    return _vector(args).with_shape(())


def _matvec(args: Sequence[Type], attrs: Any) -> Type:
    rows, source = attrs[0], _vector(args)
    fits = source.shape is None or all(len(row) == source.size for row in rows)
    _need(fits, "the matrix and the vector do not fit")
    kind = _arithmetic(args, attrs).kind
    if kind is Kind.INT and not all(isinstance(v, int) for row in rows for v in row):
        kind = Kind.REAL
    return Type(kind, (len(rows),))


def _broadcast(args: Sequence[Type], attrs: Any) -> Type:
    _need(args[0].is_scalar or args[0].shape is None, "not a scalar")
    _need(attrs[0] >= 1, "not a size")
    return args[0].with_shape((attrs[0],))


_RULES: dict[str, Callable[[Sequence[Type], Any], Type]] = {
    "bound": lambda a, _: a[0],
    "promise": lambda a, _: a[0],
    "number": lambda a, _: INT.with_shape(a[0].shape),
    "units": lambda a, attrs: plain(Kind.INT, _arithmetic(a, attrs).shape),
    "neg": _arithmetic,
    "add": _arithmetic,
    "sub": _arithmetic,
    "mul": _arithmetic,
    "div": _division,
    "mod": _integer,
    "floordiv": _integer,
    "matvec": _matvec,
    "lt": _comparison,
    "le": _comparison,
    "eq": _comparison,
    "ne": _comparison,
    "and": _logic,
    "or": _logic,
    "not": _logic,
    "select": _select,
    "relu": _arithmetic,
    "abs": _arithmetic,
    "max": _extremum,
    "min": _extremum,
    "sum": lambda a, attrs: _arithmetic([_vector(a)], attrs).with_shape(()),
    "all": lambda a, attrs: _logic([_vector(a)], attrs).with_shape(()),
    "any": lambda a, attrs: _logic([_vector(a)], attrs).with_shape(()),
    "vmax": lambda a, attrs: _extremum([_vector(a)], attrs).with_shape(()),
    "vmin": lambda a, attrs: _extremum([_vector(a)], attrs).with_shape(()),
    "argmax": lambda a, _: (_vector(a), INT)[1],
    "concat": _concat,
    "take": _take,
    "broadcast": _broadcast,
    "index": _index,
    "table": _table,
}
