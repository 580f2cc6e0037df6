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

from ..source import Source
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
    rest: ast.Expr = expr
    parts: list[Doc] = []
    while isinstance(rest, ast.Binary) and BINARY[rest.op][0] == level:
        before, after = ("", "") if tight and not rest.op.isalpha() else (SPACE, " ")
        parts.append((before, rest.op, after, _operand(rest.right, right, tight)))
        rest = rest.left
        if left > level:  # `**` is not chained to the left
            break
    return Group((_operand(rest, left, tight), *reversed(parts)))


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
    """An expression outside of all brackets: to break it at its operators takes parentheses."""
    doc = _operand(expr, level)
    if level <= _level(expr) < POSTFIX:
        return Group((Broken("("), Indent((EMPTY, doc)), EMPTY, Broken(")")))
    return doc


# Declarations --------------------------------------------------------------------------------


def _type(type: ast.TypeExpr) -> Doc:
    base = type.base or _listed("{", type.members, "}")
    size = f"[{', '.join(map(format_expr, type.size))}]" if type.size else ""
    if type.bounds is None:
        return (base, size)
    low, high = (_render(_operand(b, SUM, tight=True), width=math.inf) for b in type.bounds)
    return (base, size, f" in {low}..{high}")


def _typed(name: str, type: ast.TypeExpr | None) -> Doc:
    return name if type is None else (name, ": ", _type(type))


def _signature(function: ast.Function) -> Doc:
    formals: list[Doc] = [
        f.name if f.default is None else (f.name, " = ", _expr(f.default)) for f in function.formals
    ]
    return ("def ", function.name, _listed("(", formals, ")"))


def _declaration(node: ast.Declaration) -> Doc:
    """A declaration of one logical line: anything but a function in braces."""
    match node:
        case ast.Doc(text):
            return f'"""{text}"""'
        case ast.Param(name, type, value):
            return ("param ", _typed(name, type), " = ", _value(value))
        case ast.Length(value):
            return ("length <= ", _value(value))
        case ast.TypeDef(name, type):
            return ("type ", name, " = ", _type(type))
        case ast.Input(name, type):
            return ("input ", _typed(name, type))
        case ast.Definition(name, declared, value):
            return (_typed(name, declared), " = ", _value(value))
        case ast.State(name, declared, init, following):
            return (
                *("state ", _typed(name, declared), " = ", _value(init, OR)),
                *(" then ", _value(following)),
            )
        case ast.Function():
            return (_signature(node), " = ", _value(node.result))
        case ast.Assume(condition):
            return ("assume ", _value(condition))
        case ast.Output(name, declared, value):
            target: Doc = () if name is None else (_typed(name, declared), " = ")
            return ("output ", target, _value(value))
        case ast.Example():
            return _example(node)
        case ast.Import(path):
            return ("import ", _string(path))


def _example(node: ast.Example) -> Doc:
    settings: list[Doc] = [(name, " = ", _value(value)) for name, value in node.settings]
    chosen: Doc = (" with ", *_join(", ", settings)) if settings else ()
    data = (_datum(node.inputs), " -> ", _datum(node.outputs))
    return ("example ", _string(node.name), chosen, ": ", *data)


def _datum(datum: ast.Datum) -> Doc:
    match datum:
        case bool():
            return "true" if datum else "false"
        case Fraction():
            return _number(datum)
        case str():
            return datum
        case tuple():
            return _filled([_datum(d) for d in datum])
        case dict():
            return _listed("{", [(name, ": ", _datum(d)) for name, d in datum.items()], "}")


def _number(value: Fraction) -> str:
    """The shortest of `12`, `0.5`, `1e30` and `1/3` that is exact."""
    numerator, denominator = value.as_integer_ratio()
    rest, places = denominator, 0
    for prime in (2, 5):
        power = 0
        while rest % prime == 0:
            rest, power = rest // prime, power + 1
        places = max(places, power)
    if rest > 1:
        return f"{_number(Fraction(numerator))}/{_number(Fraction(denominator))}"
    digits = str(abs(numerator) * 10**places // denominator)
    sign = "-" if value < 0 else ""
    if max(len(digits), places) > 20:
        short = digits.rstrip("0")
        return f"{sign}{short}e{len(digits) - len(short) - places}"
    digits = digits.zfill(places + 1)
    return sign + (f"{digits[:-places]}.{digits[-places:]}" if places else digits)


def _string(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


# Programs ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Logical:
    """A logical line: a declaration, or the head, a line or the brace of a function."""

    text: str
    indent: int = 0


def format_program(tree: ast.Tree) -> str:
    """The whole program in its canonical layout.

    Comments and blank lines come from `tree.source`; a tree that was not parsed, whose source is
    empty, has none.
    """
    lines = [line for node in tree.declarations for line in _logical_lines(node)]
    places = _places(tree) if tree.source.text else [(1, 1)] * len(lines)
    before, beside = _attach(tree.comments, places)
    page = _Page(tree.source)
    for index, (line, (first, _)) in enumerate(zip(lines, places, strict=True)):
        # what stands before a closing brace belongs to the body
        indent = INDENT if line.text == "}" else line.indent
        for comment in before[index]:
            page.write(comment.text, indent, min(comment.line, first))
        text = f"{line.text}  {beside[index].text}" if index in beside else line.text
        page.write(text, line.indent, first)
    for comment in before[len(lines)]:
        page.write(comment.text, 0, comment.line)
    return "".join(page.out)


def _logical_lines(node: ast.Declaration) -> Iterator[_Logical]:
    if not (isinstance(node, ast.Function) and node.braces):
        yield _Logical(_render(_declaration(node)))
        return
    yield _Logical(_render((_signature(node), " {")))
    for line in node.body:
        yield _Logical(_render(_declaration(line), INDENT), INDENT)
    yield _Logical(_render(("return ", _value(node.result)), INDENT), INDENT)
    yield _Logical("}")


def _places(tree: ast.Tree) -> list[tuple[int, int]]:
    """The first and the last line in the source of each logical line."""
    tokens = tokenize(tree.source)
    return [
        (tokens.span(part[0]).line, tree.source.position((part[-1].end_pos or 1) - 1)[0])
        for group in tokens.declarations
        for part in _parts(group)
    ]


def _parts(group: list[Token]) -> Iterator[list[Token]]:
    """The tokens of each logical line of a declaration."""
    if group[0] != "def" or group[-1] != "}":
        yield group
        return
    start = group.index(Token("LBRACE", "{")) + 1
    yield group[:start]
    for i, token in enumerate(group):
        if token.type == "NEWLINE":
            yield group[start:i]
            start = i + 1
    yield group[start:-1]
    yield group[-1:]


def _attach(
    comments: Sequence[ast.Comment], places: Sequence[tuple[int, int]]
) -> tuple[dict[int, list[ast.Comment]], dict[int, ast.Comment]]:
    """By index of a logical line: the comments to write before it, and the one at its end."""
    before: dict[int, list[ast.Comment]] = defaultdict(list)
    beside: dict[int, ast.Comment] = {}
    for comment in comments:
        if comment.own_line:
            before[bisect_left(places, comment.line, key=lambda p: p[1])].append(comment)
            continue
        index = bisect_right(places, comment.line, key=lambda p: p[0]) - 1
        if places[index][1] == comment.line:
            beside[index] = comment
        else:
            before[index].append(comment)
    return before, beside


class _Page:
    """Written lines, with the blank lines of the source between lines of one block."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.out: list[str] = []
        self.indent = 0
        self.place = 1

    def write(self, text: str, indent: int, place: int) -> None:
        """Write one logical line that stands at line `place` of the source."""
        blank = place > 1 and not self.source.line(place - 1).strip()
        if blank and self.out and place != self.place and indent == self.indent:
            self.out.append("\n")
        self.out.append(f"{' ' * indent}{text}\n")
        self.indent, self.place = indent, place
