"""The syntax tree: what was written, not yet what it means.

Nodes are frozen. Two trees are equal when they say the same; spans and comments do not take part.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from ..source import Source, Span


@dataclass(frozen=True, kw_only=True)
class Syntax:
    """Anything with a place in the source."""

    span: Span = field(compare=False, repr=False)


# Expressions ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Number(Syntax):
    """A literal; `text` keeps how it was written."""

    value: Fraction
    text: str = field(compare=False)

    @property
    def is_integer(self) -> bool:
        """True for `3`, false for `3.0` and `3e0`."""
        return self.text.isdigit()


@dataclass(frozen=True)
class Boolean(Syntax):
    value: bool


@dataclass(frozen=True)
class Name(Syntax):
    name: str


@dataclass(frozen=True)
class Unary(Syntax):
    """`op` is '-' or 'not'."""

    op: str
    operand: Expr


@dataclass(frozen=True)
class Binary(Syntax):
    """`op` is one of + - * / @ mod div ** and or."""

    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True)
class Compare(Syntax):
    """A chain: operands[0] ops[0] operands[1] ops[1] ..."""

    ops: tuple[str, ...]
    operands: tuple[Expr, ...]


@dataclass(frozen=True)
class If(Syntax):
    condition: Expr
    then: Expr
    other: Expr


@dataclass(frozen=True)
class Call(Syntax):
    name: str
    args: tuple[Expr, ...]
    keywords: tuple[tuple[str, Expr], ...] = ()


@dataclass(frozen=True)
class Index(Syntax):
    vector: Expr
    index: Expr


@dataclass(frozen=True)
class Slice(Syntax):
    vector: Expr
    start: Expr | None
    stop: Expr | None


@dataclass(frozen=True)
class Bracket(Syntax):
    items: tuple[Expr, ...]


@dataclass(frozen=True)
class Comprehension(Syntax):
    body: Expr
    variable: str
    iterable: Expr


Expr = (
    Number
    | Boolean
    | Name
    | Unary
    | Binary
    | Compare
    | If
    | Call
    | Index
    | Slice
    | Bracket
    | Comprehension
)

# Types ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TypeExpr(Syntax):
    """`base` is bool, int, real, the name of a type, or None for an inline enumeration."""

    base: str | None
    members: tuple[str, ...] = ()
    size: tuple[Expr, ...] = ()
    bounds: tuple[Expr, Expr] | None = None


# Declarations --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Doc(Syntax):
    text: str


@dataclass(frozen=True)
class Param(Syntax):
    name: str
    type: TypeExpr
    value: Expr


@dataclass(frozen=True)
class Length(Syntax):
    value: Expr


@dataclass(frozen=True)
class TypeDef(Syntax):
    name: str
    type: TypeExpr


@dataclass(frozen=True)
class Input(Syntax):
    name: str
    type: TypeExpr


@dataclass(frozen=True)
class Definition(Syntax):
    name: str
    type: TypeExpr | None
    value: Expr


@dataclass(frozen=True)
class State(Syntax):
    name: str
    type: TypeExpr | None
    init: Expr
    next: Expr


@dataclass(frozen=True)
class Formal(Syntax):
    name: str
    default: Expr | None


@dataclass(frozen=True)
class Function(Syntax):
    """`braces` tells the long form `{ ... return e }` from the short one `= e`."""

    name: str
    formals: tuple[Formal, ...]
    body: tuple[Definition | State | Assume, ...]
    result: Expr
    braces: bool


@dataclass(frozen=True)
class Assume(Syntax):
    condition: Expr


@dataclass(frozen=True)
class Output(Syntax):
    """`name` is None where none was written."""

    name: str | None
    type: TypeExpr | None
    value: Expr


@dataclass(frozen=True)
class Import(Syntax):
    path: str


# A datum of an example: a number, a truth value, a name (member or `_`), a list, a record.
Datum = Fraction | bool | str | tuple["Datum", ...] | dict[str, "Datum"]


@dataclass(frozen=True)
class Example(Syntax):
    name: str
    settings: tuple[tuple[str, Expr], ...]
    inputs: Datum
    outputs: Datum


Declaration = (
    Doc
    | Param
    | Length
    | TypeDef
    | Input
    | Definition
    | State
    | Function
    | Assume
    | Output
    | Example
    | Import
)


@dataclass(frozen=True)
class Comment:
    """A comment, with the `#`; `own_line` when nothing precedes it on its line."""

    text: str
    line: int
    own_line: bool


@dataclass(frozen=True)
class Tree:
    """A whole file."""

    declarations: tuple[Declaration, ...]
    source: Source = field(compare=False, repr=False)
    comments: tuple[Comment, ...] = field(default=(), compare=False, repr=False)
