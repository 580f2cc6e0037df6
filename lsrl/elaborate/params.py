"""Parameters: compile-time constants with a default that users may override."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import OptionError, suggest
from ..ir.types import Kind
from ..syntax import ast
from .calls import constant
from .core import Elaborator, show
from .declarations import fit, holds
from .declared import Declared, declared_type
from .scope import Scope

if TYPE_CHECKING:
    from .program import _Round

# What a caller may pass: a number, a truth value, a member's name, or lists of these.
Override = Any


def check_overrides(overrides: Mapping[str, Override], tree: ast.Tree) -> None:
    """Raises `OptionError` for values given to parameters that do not exist."""
    known = [d.name for d in tree.declarations if isinstance(d, ast.Param)]
    for name in overrides:
        if name not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            help = suggest(name, known) or has
            raise OptionError.at("E010", None, f"the program has no parameter `{name}`", help)


def set_param(round: _Round, scope: Scope, d: ast.Param, main: bool) -> int | None:
    """A parameter's value: the user's or, in imported files always, the default."""
    e, overrides = round.e, round.overrides if main else {}
    declared = declared_type(e, d.type, scope)
    node = constant(e, d.value, scope, f"the value of `{d.name}`")
    if declared is None or node is None:
        return None
    node = fit(e, node, _unbounded(declared), d.value.span, d.name)
    if node is not None and d.name in overrides:
        node = _override(e, d, declared, overrides[d.name])
    if node is None:
        return None
    if d.name not in overrides:
        holds(e, declared, node, d.value.span, d.name)
    if main:
        round.params[d.name] = plain(e.node(node).values)
        round.param_types[d.name] = declared
    return node


def _unbounded(declared: Declared) -> Declared:
    return Declared(declared.type, None, None, declared.span)


def plain(values: Any) -> Any:
    """Constants as plain Python values (exact where rational)."""
    return values.tolist() if values.shape else values.item()


def _override(e: Elaborator, d: ast.Param, declared: Declared, given: Override) -> int:
    """A user's value, checked against the declared type."""
    wanted = str(declared.type)
    try:
        array = np.array(given, dtype=object)
        flat = [_scalar(v, declared) for v in array.reshape(-1)]
    except (TypeError, ValueError, OverflowError):
        message = f"the parameter `{d.name}` is {wanted}, but {given!r:.60} was given"
        raise OptionError.at("E011", d.span, message, "give a value of that type") from None
    if array.shape != declared.type.shape:
        message = f"the parameter `{d.name}` is {wanted}, but the value has shape {array.shape}"
        raise OptionError.at("E011", d.span, message, "give a value of that shape")
    for value in flat:
        if declared.lo is not None and declared.hi is not None:
            if declared.lo <= value <= declared.hi:
                continue
            message = f"`{d.name}` is {show(value)}, outside of {declared.range}"
            raise OptionError.at("E011", d.span, message, "choose a value in that range")
    values = np.empty(len(flat), dtype=object)
    values[:] = flat
    return e.build.const(values.reshape(array.shape), declared.type, d.span)


def _scalar(value: Any, declared: Declared) -> Any:
    kind = declared.type.kind
    if kind is Kind.ENUM:
        return declared.type.members.index(value)
    if kind is Kind.BOOL:
        if value in (0, 1):
            return bool(value)
        raise ValueError
    if isinstance(value, bool | np.bool_ | str):
        raise TypeError
    exact = Fraction(str(value)) if isinstance(value, float) else Fraction(value)
    if kind is Kind.INT and exact.denominator != 1:
        raise ValueError
    return exact
