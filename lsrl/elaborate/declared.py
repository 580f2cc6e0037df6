"""Types as written: sizes and bounds evaluated."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from ..errors import suggest
from ..ir.types import Kind, Type
from ..source import Span
from ..syntax import ast
from ..syntax.hints import of_name
from .calls import constant
from .core import Elaborator, show
from .scope import Scope


@dataclass(frozen=True)
class Declared:
    """A type with its bounds: None where none were written."""

    type: Type
    lo: Fraction | None
    hi: Fraction | None
    span: Span

    @property
    def bounded(self) -> bool:
        return self.lo is not None

    @property
    def range(self) -> str:
        """The bounds as they are written."""
        return f"{show(self.lo or 0)}..{show(self.hi or 0)}"


_KINDS = {"bool": Kind.BOOL, "int": Kind.INT, "real": Kind.REAL}


def declared_type(e: Elaborator, x: ast.TypeExpr, scope: Scope) -> Declared | None:
    """Evaluate a type expression; None if it has an error."""
    shape = _shape(e, x, scope)
    if shape is None:
        return None
    if x.base is None:
        return _enumeration(e, x, shape)
    if x.base not in _KINDS:
        return _named(e, x, x.base, shape, scope)
    kind = _KINDS[x.base]
    if kind is Kind.BOOL:
        if x.bounds is not None:
            e.error("E315", x.span, "a boolean has no bounds", "write `bool`")
        return Declared(Type(kind, shape), Fraction(0), Fraction(1), x.span)
    if x.bounds is None:
        return Declared(Type(kind, shape), None, None, x.span)
    return _bounded(e, x, Type(kind, shape), scope)


def _bounded(e: Elaborator, x: ast.TypeExpr, type: Type, scope: Scope) -> Declared | None:
    assert x.bounds is not None
    ends = []
    for end in x.bounds:
        ref = constant(e, end, scope, "a bound")
        if ref is None:
            return None
        node = e.node(ref)
        if node.type.shape != () or node.type.kind in (Kind.BOOL, Kind.ENUM):
            e.error("E302", end.span, "a bound must be a constant number", "write a number")
            return None
        ends.append(Fraction(node.attrs[0][0]))
        if type.kind is Kind.INT and ends[-1].denominator != 1:
            help = "write an integer, or declare a `real`"
            e.error("E315", end.span, "a bound of an `int` must be an integer", help)
            return None
    lo, hi = ends
    if lo > hi:
        message = f"the range {show(lo)}..{show(hi)} is empty"
        e.error("E315", x.span, message, "the lower bound comes first")
        return None
    if max(abs(lo), abs(hi)) > 2**53:
        message = "this range is beyond what float64 holds exactly (2^53)"
        e.error("E316", x.span, message, "declare a smaller bound")
        return None
    return Declared(type, lo, hi, x.span)


def _shape(e: Elaborator, x: ast.TypeExpr, scope: Scope) -> tuple[int, ...] | None:
    shape = []
    for size in x.size:
        ref = constant(e, size, scope, "a size")
        n = e.const_int(ref, size.span, "a size")
        if n is None or not e.check_size(n, size.span, "this size"):
            return None
        shape.append(n)
    return tuple(shape)


def _enumeration(e: Elaborator, x: ast.TypeExpr, shape: tuple[int, ...]) -> Declared:
    type = Type(Kind.ENUM, shape, x.members)
    return Declared(type, Fraction(0), Fraction(len(x.members) - 1), x.span)


def _named(
    e: Elaborator, x: ast.TypeExpr, name: str, shape: tuple[int, ...], scope: Scope
) -> Declared | None:
    definition = scope.find_type(name)
    if definition is None:
        known = [*_KINDS, *scope.types]
        help = of_name(name) or suggest(name, known) or "define it with `type name = ...`"
        e.error("E201", x.span, f"the type `{name}` is not defined", help)
        return None
    key = f"type {name}"
    if any(n == key for n, _ in e.busy):
        e.error("E401", x.span, f"the type `{name}` is defined by itself", "name another type")
        return None
    e.busy.append((key, x.span))
    inner = declared_type(e, definition.type, scope)
    e.busy.pop()
    if inner is None:
        return None
    if shape and inner.type.shape:
        message = f"`{name}` is a vector already; vectors of vectors do not exist"
        e.error("E301", x.span, message, "leave out one of the sizes")
        return None
    return Declared(inner.type.with_shape(shape or inner.type.shape), inner.lo, inner.hi, x.span)
