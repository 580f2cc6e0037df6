"""Definitions and states: the names that have a value at each step."""

from __future__ import annotations

from ..ir.types import UNKNOWN, Kind, Type, join_kinds, plain
from ..source import Span
from ..syntax import ast
from .calls import initial, settle_state
from .core import Elaborator, Ref, article, show, sized
from .declared import Declared, declared_type
from .expressions import expression
from .scope import Scope, Value


def define(e: Elaborator, x: ast.Definition, scope: Scope, key: str) -> Ref:
    """`name: TYPE = expr`."""
    value = expression(e, x.value, scope)
    return conform(e, value, x, scope, key) if x.type is not None else value


def conform(
    e: Elaborator, value: Ref, x: ast.Definition | ast.Output, scope: Scope, key: str
) -> Ref:
    """A value held against the type that was declared for it."""
    assert x.type is not None
    declared = declared_type(e, x.type, scope)
    if declared is None or value is None:
        return None
    return fit(e, value, declared, x.value.span, key)


def fit(
    e: Elaborator, value: int, declared: Declared, span: Span, key: str, what: str = "value"
) -> Ref:
    """Convert to the declared kind and shape, and add the promise of the declared bounds."""
    have, want, name = e.type(value), declared.type, key.split(".")[-1]
    joined = join_kinds(have, want)
    if joined is None or joined.kind is not want.kind:
        message = f"`{name}` is declared as {article(want)}, but its {what} is {article(have)}"
        e.error("E317", span, message, f"change the type or the {what}")
        return None
    value = e.convert(value, want.with_shape(()), span)
    if have.shape not in (want.shape, (), None):
        sizes = f"declared with size {sized(want.shape)}, but its {what} has {sized(have.shape)}"
        e.error("E301", span, f"`{name}` is {sizes}", f"change the size or the {what}")
        return None
    if len(want.shape or ()) > 1 and not e.is_const(value):
        e.error("E306", span, f"the matrix `{name}` is not constant", "use a vector for each row")
        return None
    value = e.widen(value, want.shape, span)
    if not declared.bounded or want.kind in (Kind.BOOL, Kind.ENUM):
        return value
    if e.is_const(value):
        return value if holds(e, declared, value, span, name) else None
    return e.emit("bound", [value], (key, declared.lo, declared.hi), declared.span)


def holds(e: Elaborator, declared: Declared, node: int, span: Span, name: str) -> bool:
    """Whether a constant lies within the declared bounds; an error if not."""
    if declared.lo is None or declared.hi is None or declared.type.kind is Kind.ENUM:
        return True
    outside = [v for v in e.node(node).attrs[0] if not declared.lo <= v <= declared.hi]
    if outside:
        message = f"`{name}` is {show(outside[0])}, outside of {declared.range}"
        e.error("E315", span, message, "choose a value in that range")
    return not outside


def define_state(e: Elaborator, x: ast.State, scope: Scope, key: str) -> Ref:
    """`state s: TYPE = init then expr`: its new value; inside `expr`, `s` is the previous one."""
    declared = declared_type(e, x.type, scope) if x.type is not None else None
    init = initial(e, x.init, scope, f"the initial value of `{x.name}`")
    if init is None or (x.type is not None and declared is None):
        return None
    if declared is not None:
        # Unlike the emitted values, the initial one may lie outside of the declared bounds.
        unbounded = Declared(declared.type, None, None, declared.span)
        fitted = fit(e, init, unbounded, x.init.span, key, "initial value")
        if fitted is None:
            return None
        init, type = fitted, declared.type
    else:
        type = e.assumed.get(key, e.type(init) if e.type(init).shape else UNKNOWN)
        type = type.with_shape(e.type(init).shape or type.shape)
    position, prev = e.new_state(key, type, x.span)
    inner = scope.child()
    inner.names[x.name] = Value(prev)
    next = expression(e, x.next, inner)
    if next is not None and declared is not None:
        next = fit(e, next, declared, x.next.span, key, "next value")
    if next is None:
        return None
    settle_state(e, key, position, init, next, x.next.span)
    return e.build.states[position].next if e.build.states[position].next >= 0 else None


def zero_type(type: Type) -> Type:
    """The type that a state gets when nothing says more: an integer scalar."""
    kind = Kind.INT if type.kind is Kind.ZERO else type.kind
    shape = type.shape if type.shape is not None else ()
    return type.with_shape(shape) if kind is type.kind else plain(kind, shape)
