"""Definitions and states: the names that have a value at each step."""

from __future__ import annotations

from ..ir.types import UNKNOWN, Kind, Type, join_kinds
from ..syntax import ast
from .calls import constant, settle_state
from .core import Elaborator, Ref, article
from .declared import Declared, declared_type
from .expressions import expression
from .scope import Scope, Value


def define(e: Elaborator, x: ast.Definition, scope: Scope, key: str) -> Ref:
    """`name: TYPE = expr`."""
    value = expression(e, x.value, scope)
    return conform(e, value, x, scope, key) if x.type is not None else value


def conform(e: Elaborator, value: Ref, x: ast.Definition | ast.Output, scope: Scope, key: str) -> Ref:  # noqa: E501
    """A value held against the type that was declared for it."""
    assert x.type is not None
    declared = declared_type(e, x.type, scope)
    if declared is None or value is None:
        return None
    return fit(e, value, declared, x, key)


def fit(e: Elaborator, value: int, declared: Declared, x: ast.Declaration, key: str) -> Ref:
    """Convert to the declared kind and shape, and add the promise of the declared bounds."""
    have, want = e.type(value), declared.type
    joined = join_kinds(have, want)
    if joined is None or joined.kind is not want.kind:
        message = f"`{key}` is declared as {article(want)}, but its value is {article(have)}"
        e.error("E317", x.span, message, "change the type or the value")
        return None
    value = e.convert(value, want.with_shape(()), x.span)
    if have.shape not in (want.shape, (), None):
        message = f"`{key}` is declared with size {want.size}, but its value has size {have.size}"
        e.error("E301", x.span, message, "change the size or the value")
        return None
    value = e.widen(value, want.shape, x.span)
    if not declared.bounded or want.kind in (Kind.BOOL, Kind.ENUM):
        return value
    return e.emit("bound", [value], (key, declared.lo, declared.hi), declared.span)


def define_state(e: Elaborator, x: ast.State, scope: Scope, key: str) -> Ref:
    """`state s: TYPE = init then expr`: its new value; inside `expr`, `s` is the previous one."""
    declared = declared_type(e, x.type, scope) if x.type is not None else None
    init = constant(e, x.init, scope, f"the initial value of `{x.name}`")
    if init is None or (x.type is not None and declared is None):
        return None
    if declared is not None:
        # Unlike the emitted values, the initial one may lie outside of the declared bounds.
        fitted = fit(e, init, Declared(declared.type, None, None, declared.span), x, key)
        if fitted is None:
            return None
        init, type = fitted, declared.type
    else:
        type = e.assumed.get(key, e.type(init) if e.type(init).shape else UNKNOWN)
    position, prev = e.new_state(key, type, x.span)
    inner = scope.child()
    inner.names[x.name] = Value(prev)
    next = expression(e, x.next, inner)
    if next is not None and declared is not None:
        next = fit(e, next, declared, x, key)
    if next is None:
        return None
    settle_state(e, key, position, init, next, x.next.span)
    return e.build.states[position].next if e.build.states[position].next >= 0 else None


def zero_type(type: Type) -> Type:
    """The type that a state gets when nothing says more: an integer scalar."""
    kind = Kind.INT if type.kind is Kind.ZERO else type.kind
    return Type(kind, type.shape if type.shape is not None else (), type.members)
