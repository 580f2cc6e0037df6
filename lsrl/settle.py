"""A program's source with its parameters and its length written in."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from .elaborate.program import DEFAULT_LENGTH
from .source import Span
from .syntax import ast
from .syntax.format import format_expr

if TYPE_CHECKING:
    from .program import Program


def settled_source(program: Program) -> str:
    """The text that, parsed without any option, gives this program: the source with the values of
    overridden parameters, and the length, in place of the declared ones."""
    edits = [edit for d in program.tree.declarations for edit in _edits(d, program)]
    text = program.tree.source.text
    for span, value in sorted(edits, key=lambda e: -e[0].start):
        text = text[: span.start] + value + text[span.end :]
    return text


def _edits(d: ast.Declaration, program: Program) -> list[tuple[Span, str]]:
    edits = []
    if isinstance(d, ast.Length):
        edits.append((d.value.span, str(program.length)))
    if isinstance(d, ast.Param) and d.name in program.overrides:
        kind = program.elaborated.param_types[d.name].type
        value = program.params[d.name]
        if kind.members:
            value = _members(value, kind.members)
        edits.append((d.value.span, format_expr(_literal(value, d.span))))
    if d is _first(program) and not _declares_length(program) and program.length != DEFAULT_LENGTH:
        place = Span(d.span.source, d.span.start, d.span.start)
        edits.append((place, f"length <= {program.length}\n\n"))
    return edits


def _first(program: Program) -> ast.Declaration | None:
    """The first declaration after the docstring."""
    return next((d for d in program.tree.declarations if not isinstance(d, ast.Doc)), None)


def _declares_length(program: Program) -> bool:
    return any(isinstance(d, ast.Length) for d in program.tree.declarations)


def _members(value: Any, members: tuple[str, ...]) -> Any:
    if isinstance(value, list):
        return [_members(v, members) for v in value]
    return members[int(value)]


def _literal(value: Any, span: Span) -> ast.Expr:
    """A constant as an expression."""
    if isinstance(value, list):
        return ast.Bracket(tuple(_literal(v, span) for v in value), span=span)
    if isinstance(value, bool):
        return ast.Boolean(value, span=span)
    if isinstance(value, str):
        return ast.Name(value, span=span)
    exact = Fraction(value)
    if exact < 0:
        return ast.Unary("-", _literal(-exact, span), span=span)
    if exact.denominator != 1:
        parts = (_literal(exact.numerator, span), _literal(exact.denominator, span))
        return ast.Binary("/", *parts, span=span)
    return ast.Number(exact, str(exact.numerator), span=span)
