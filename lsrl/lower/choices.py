"""`if c then a else b` for numbers, on machines that can switch a number off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .atoms import AtomGraph, AtomKind, Form, tighten

if TYPE_CHECKING:
    from ..source import Span
    from .logic import Logic


def chosen(logic: Logic, c: Any, a: Form, b: Form, span: Span | None) -> Form:
    """a where c holds, else b: b plus a gated difference; stays between them in the guard band.

    Of reals that read a previous value, as a fading state does, both are gated where the difference
    would make errors grow: s / 2 + [c] (x - s / 2) reads the errors of s twice.
    """
    g = logic.graph
    if b.is_const and b.const == 0:
        return logic.gate(c, a, span)
    if a.is_const and a.const == 0:
        return logic.gate(c.negated(), b, span)
    difference = g.combine([(1, a), (-1, b)])
    apart, once = fed_back(g, a) + fed_back(g, b), fed_back(g, b) + fed_back(g, difference)
    if difference.step is None and apart < 1 <= once:
        parts = (1, logic.gate(c, a, span)), (1, logic.gate(c.negated(), b, span))
        result = g.combine(parts)
    else:
        result = g.combine([(1, b), (1, logic.gate(c, difference, span))])
    return tighten(result, min(a.lo, b.lo), max(a.hi, b.hi), None)


def fed_back(g: AtomGraph, form: Form) -> float:
    """How much of the errors of previous values enters a form."""
    previous = (c for a, c in form.terms.items() if g.atoms[a].kind is AtomKind.PREV)
    return sum(abs(float(c)) for c in previous)
