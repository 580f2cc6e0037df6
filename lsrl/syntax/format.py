"""The canonical layout of a program, as `lsrl fmt` writes it.

The text parses to an equal tree and formatting it again changes nothing. Comments are kept: those
on a line of their own stay before the line that follows them, those at the end of a line stay there,
and those inside an expression of several lines move before it.

An expression becomes a document in the sense of Wadler, "A prettier printer" (2003): text with
groups, each of which is written on one line if it fits and is broken at its `Line`s otherwise.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from lark import Token

from . import ast
from .lexer import tokenize

WIDTH = 100
INDENT = 4

# Documents -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """A newline where the group around it is broken, `flat` where it is not."""

    flat: str


@dataclass(frozen=True)
class Broken:
    """Text that is written only where the group around it is broken."""

    text: str


@dataclass(frozen=True)
class Indent:
    """A part whose lines start one step further to the right."""

    body: Doc


@dataclass(frozen=True)
class Group:
    """A part that is written on one line if it fits."""

    body: Doc


Doc = str | Line | Broken | Indent | Group | tuple["Doc", ...]

SPACE = Line(" ")
EMPTY = Line("")


def _render(doc: Doc, indent: int = 0, width: float = WIDTH) -> str:
    """Write a document whose first line starts at column `indent`."""
    out: list[str] = []
    column = indent
    todo: list[tuple[int, bool, Doc]] = [(indent, False, doc)]  # indentation, on one line, part
    while todo:
        depth, flat, part = todo.pop()
        match part:
            case Group(body):
                todo.append((depth, flat or _fits(body, todo, width - column), body))
            case Indent(body):
                todo.append((depth + INDENT, flat, body))
            case tuple():
                todo.extend((depth, flat, p) for p in reversed(part))
            case Line() if not flat:
                out.append("\n" + " " * depth)
                column = depth
            case _:
                text = _text(part, flat)
                out.append(text)
                column += len(text)
    return "".join(out)


def _text(part: str | Line | Broken, flat: bool) -> str:
    match part:
        case Line():
            return part.flat
        case Broken():
            return "" if flat else part.text
        case _:
            return part


def _fits(body: Doc, following: Sequence[tuple[int, bool, Doc]], room: float) -> bool:
    """Whether `body` on one line, and what follows up to the next newline, takes `room` columns."""
    todo: list[tuple[bool, Doc]] = [(True, body)]
    rest = reversed(following)
    while room >= 0:
        if not todo:
            after = next(rest, None)
            if after is None:
                return True
            todo.append(after[1:])
        flat, part = todo.pop()
        match part:
            case Group(inner) | Indent(inner):
                todo.append((flat, inner))
            case tuple():
                todo.extend((flat, p) for p in reversed(part))
            case Line() if not flat:
                return True
            case _:
                room -= len(_text(part, flat))
    return False


def _join(separator: Doc, parts: Sequence[Doc]) -> tuple[Doc, ...]:
    return tuple(p for part in parts for p in (separator, part))[1:]


def _enclosed(opening: str, body: Doc, closing: str) -> Group:
    """The body in brackets, on lines of its own if it does not fit."""
    return Group((opening, Indent((EMPTY, body)), EMPTY, closing))


def _listed(opening: str, items: Sequence[Doc], closing: str) -> Doc:
    """Items in brackets: on one line, or each on its own with a comma after the last."""
    if not items:
        return opening + closing
    return _enclosed(opening, (*_join((",", SPACE), items), Broken(",")), closing)


def _filled(items: Sequence[Doc]) -> Doc:
    """Items in square brackets: on one line, or as many on each line as fit."""
    if not items:
        return "[]"
    more = [Group((SPACE, item)) for item in items[1:]]
    return _enclosed("[", _join(",", [items[0], *more]), "]")


# Expressions ---------------------------------------------------------------------------------

# How tightly things bind, in the order of the grammar's rules.
IF, OR, AND, NOT, COMPARE, SUM, PRODUCT, MINUS, POWER, POSTFIX = range(10)

# Operator: how tightly it binds, and how tightly its operands must.
BINARY = {
    "or": (OR, OR, AND),
    "and": (AND, AND, NOT),
    **dict.fromkeys(("+", "-"), (SUM, SUM, PRODUCT)),
    **dict.fromkeys(("*", "/", "@", "mod", "div"), (PRODUCT, PRODUCT, MINUS)),
    "**": (POWER, POSTFIX, MINUS),
}
UNARY = {"not": (NOT, "not "), "-": (MINUS, "-")}


def format_expr(expr: ast.Expr) -> str:
    """An expression on one line, for messages."""
    return _render(_expr(expr), width=math.inf)


def _level(expr: ast.Expr) -> int:
    match expr:
        case ast.If():
            return IF
        case ast.Binary(op=op):
            return BINARY[op][0]
        case ast.Unary(op=op):
            return UNARY[op][0]
        case ast.Compare():
            return COMPARE
        case _:
            return POSTFIX


def _operand(expr: ast.Expr, level: int, tight: bool = False) -> Doc:
    """An expression where the grammar wants one that binds at least as tightly as `level`."""
    if _level(expr) >= level:
        return _expr(expr, tight)
    return _enclosed("(", _expr(expr), ")")


def _expr(expr: ast.Expr, tight: bool = False) -> Doc:
    """An expression; `tight` leaves out the spaces around its arithmetic."""
    match expr:
        case ast.Number(text=text):
            return text
        case ast.Boolean(value):
            return "true" if value else "false"
        case ast.Name(name):
            return name
        case ast.Unary(op, operand):
            level, sign = UNARY[op]
            return (sign, _operand(operand, level, tight))
        case ast.Binary():
            return _binary(expr, tight)
        case ast.Compare(ops, operands):
            first, *others = [_operand(o, SUM) for o in operands]
            return Group((first, *((SPACE, op, " ", o) for op, o in zip(ops, others, strict=True))))
        case ast.If():
            return Group(_join((SPACE, "else "), _branches(expr)))
        case ast.Call(name, args, keywords):
            named = [(key, " = ", _expr(value)) for key, value in keywords]
            return (name, _listed("(", [*map(_expr, args), *named], ")"))
        case ast.Index(vector, index):
            return (_operand(vector, POSTFIX), _enclosed("[", _expr(index), "]"))
        case ast.Slice(vector, start, stop):
            ends = ["" if e is None else _expr(e, tight=True) for e in (start, stop)]
            return (_operand(vector, POSTFIX), "[", ends[0], ":", ends[1], "]")
        case ast.Bracket(items):
            docs = [_expr(item) for item in items]
            return _filled(docs) if all(map(_is_short, items)) else _listed("[", docs, "]")
        case ast.Comprehension(body, variable, iterable):
            over = ("for ", variable, " in ", _expr(iterable))
            return _enclosed("[", (_expr(body), SPACE, over), "]")


def _binary(expr: ast.Binary, tight: bool) -> Doc:
    """A chain of operators that bind alike, `a - b + c`, is broken before each of them or none."""
    level, left, right = BINARY[expr.op]
    first: ast.Expr = expr
    parts: list[Doc] = []
    while isinstance(first, ast.Binary) and BINARY[first.op][0] == level and (parts == [] or left == level):
        space, after = ("", "") if tight and not first.op.isalpha() else (SPACE, " ")
        parts.append((space, first.op, after, _operand(first.right, right, tight)))
        first = first.left
    return Group((_operand(first, left, tight), *reversed(parts)))


def _branches(expr: ast.If) -> list[Doc]:
    """`if a then b`, `if c then d`, ..., `e`. An `if` inside a condition or a branch gets parentheses."""
    result: list[Doc] = []
    rest: ast.Expr = expr
    while isinstance(rest, ast.If):
        then = Indent((SPACE, "then ", _operand(rest.then, OR)))
        result.append(Group(("if ", _operand(rest.condition, OR), then)))
        rest = rest.other
    return [*result, _expr(rest)]


def _is_short(expr: ast.Expr) -> bool:
    """An item of a table: a number, a name, ..."""
    inner = expr.operand if isinstance(expr, ast.Unary) else expr
    return isinstance(inner, ast.Number | ast.Boolean | ast.Name)


def _value(expr: ast.Expr, level: int = IF) -> Doc:
    """An expression outside of all brackets. It can be broken only in brackets of its own."""
    doc = _operand(expr, level)
    if isinstance(doc, Group) and _level(expr) < POSTFIX and _level(expr) >= level:
        return Group((Broken("("), Indent((EMPTY, doc)), EMPTY, Broken(")")))
    return doc


# Declarations --------------------------------------------------------------------------------
