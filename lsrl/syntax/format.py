"""The canonical layout of a program, as `lsrl fmt` writes it.

The text parses to an equal tree, and formatting it again changes nothing. Comments are kept: those
on a line of their own stay before the line that follows, those at the end of a line stay there,
and those inside an expression of several lines move before it.

An expression becomes a document in the sense of Wadler, "A prettier printer" (2003): text with
groups, each of which is written on one line if it fits and is broken up otherwise.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, pairwise

from lark import Token

from . import ast
from .lexer import tokenize

WIDTH = 100
INDENT = 4

# Documents -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Choice:
    """`flat` where the group around it stands on one line, `broken` where it does not."""

    flat: str
    broken: str


@dataclass(frozen=True)
class Indent:
    """A part whose lines start one step further to the right."""

    body: Doc


@dataclass(frozen=True)
class Group:
    """A part that is written on one line if it fits."""

    body: Doc


Doc = str | Choice | Indent | Group | tuple["Doc", ...]

SPACE = Choice(" ", "\n")
EMPTY = Choice("", "\n")


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
            case Choice() | str():
                text = _text(part, flat)
                out.append(text + " " * depth if text == "\n" else text)
                column = depth if text == "\n" else column + len(text)
    return "".join(out)


def _text(part: Choice | str, flat: bool) -> str:
    return part if isinstance(part, str) else part.flat if flat else part.broken


def _fits(body: Doc, following: Sequence[tuple[int, bool, Doc]], room: float) -> bool:
    """Whether `body` on one line, and what follows up to the next newline, takes `room` columns."""
    for _, flat, next_part in chain([(0, True, body)], reversed(following)):
        todo = [next_part]
        while todo:
            match part := todo.pop():
                case Group(inner) | Indent(inner):
                    todo.append(inner)
                case tuple():
                    todo.extend(reversed(part))
                case Choice() | str():
                    text = _text(part, flat)
                    if text == "\n":
                        return True
                    room -= len(text)
                    if room < 0:
                        return False
    return True


def _join(separator: Doc, parts: Sequence[Doc]) -> tuple[Doc, ...]:
    return tuple(p for part in parts for p in (separator, part))[1:]


def _enclosed(opening: str, body: Doc, closing: str) -> Group:
    """The body in brackets, on lines of its own if it does not fit."""
    return Group((opening, Indent((EMPTY, body)), EMPTY, closing))


def _listed(opening: str, items: Sequence[Doc], closing: str) -> Doc:
    """Items in brackets: on one line, or each on its own with a comma after the last."""
    body = (*_join((",", SPACE), items), Choice("", ","))
    return _enclosed(opening, body, closing) if items else opening + closing


def _filled(items: Sequence[Doc]) -> Doc:
    """Items in square brackets: on one line, or as many on each line as fit."""
    body = _join(",", [*items[:1], *(Group((SPACE, item)) for item in items[1:])])
    return _enclosed("[", body, "]") if items else "[]"


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
    if isinstance(expr, ast.Binary):
        return BINARY[expr.op][0]
    if isinstance(expr, ast.Unary):
        return UNARY[expr.op][0]
    return IF if isinstance(expr, ast.If) else COMPARE if isinstance(expr, ast.Compare) else POSTFIX


def _operand(expr: ast.Expr, level: int, tight: bool = False) -> Doc:
    """An expression where the grammar wants one that binds at least as tightly as `level`."""
    return _expr(expr, tight) if _level(expr) >= level else _enclosed("(", _expr(expr), ")")


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
            return _if(expr)
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
            table = all(
                isinstance(i, ast.Number | ast.Boolean | ast.Name | ast.Unary) for i in items
            )
            return _filled(docs) if table else _listed("[", docs, "]")
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


def _if(expr: ast.If) -> Doc:
    """A chain of `else if` is one list. An `if` in a condition or after `then` is enclosed."""
    branches: list[Doc] = []
    rest: ast.Expr = expr
    while isinstance(rest, ast.If):
        then = Indent((SPACE, "then ", _operand(rest.then, OR)))
        branches.append(Group(("if ", _operand(rest.condition, OR), then)))
        rest = rest.other
    return Group(_join((SPACE, "else "), [*branches, _expr(rest)]))


def _value(expr: ast.Expr, level: int = IF) -> Doc:
    """An expression outside of all brackets: to break it at its operators takes parentheses."""
    doc = _operand(expr, level)
    if level <= _level(expr) < POSTFIX:
        return Group((Choice("", "("), Indent((EMPTY, doc)), EMPTY, Choice("", ")")))
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
            head = ("state ", _typed(name, declared), " = ", _value(init, OR))
            return (*head, " then ", _value(following))
        case ast.Function():
            return (_signature(node), " = ", _value(node.result))
        case ast.Assume(condition):
            return ("assume ", _value(condition))
        case ast.Output(name, declared, value):
            target: Doc = () if name is None else (_typed(name, declared), " = ")
            return ("output ", target, _value(value))
        case ast.Example(name, settings, inputs, outputs):
            chosen = _join(", ", [(key, " = ", _value(value)) for key, value in settings])
            title = ("example ", _string(name), *((" with ", chosen) if chosen else ()))
            return (*title, ": ", _datum(inputs), " -> ", _datum(outputs))
        case ast.Import(path):
            return ("import ", _string(path))


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
    """`12`, `0.5`, `1e50` or `1/3`: always exact."""
    numerator, denominator = value.as_integer_ratio()
    places = denominator.bit_length() - 1  # enough for every product of twos and fives
    if 10**places % denominator:
        return f"{_number(Fraction(numerator))}/{_number(Fraction(denominator))}"
    whole, part = divmod(abs(numerator) * 10**places // denominator, 10**places)
    decimals = str(part).zfill(places).rstrip("0")
    sign = "-" if value < 0 else ""
    digits = f"{whole}{decimals}"
    if len(digits) <= 40:
        return f"{sign}{whole}.{decimals}" if decimals else f"{sign}{whole}"
    mantissa = digits.rstrip("0")
    return f"{sign}{mantissa.lstrip('0')}e{len(digits) - len(mantissa) - len(decimals)}"


def _string(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


# Programs ------------------------------------------------------------------------------------


def format_program(tree: ast.Tree) -> str:
    """The whole program in its canonical layout.

    Comments and blank lines come from `tree.source`; a tree that was not parsed, whose source is
    empty, has none.
    """
    out: list[str] = []
    last = (0, 0)
    for text, indent, place in _written(tree):
        blank = place > 1 and not tree.source.line(place - 1).strip()
        if blank and out and last[0] == indent and last[1] != place:  # between lines of one block
            out.append("\n")
        out.append(f"{' ' * indent}{text}\n")
        last = (indent, place)
    return "".join(out)


def _written(tree: ast.Tree) -> Iterator[tuple[str, int, int]]:
    """What to write: text, indentation, and the line of the source that it belongs to."""
    lines = [line for node in tree.declarations for line in _logical_lines(node)]
    places = _places(tree) if tree.source.text else [(1, 1)] * len(lines)
    before, beside = _attach(tree.comments, places)
    for index, ((text, indent), (place, _)) in enumerate(zip(lines, places, strict=True)):
        for comment in before[index]:  # before a closing brace: still inside of the body
            yield comment.text, INDENT if text == "}" else indent, min(comment.line, place)
        yield "  ".join([text, *beside[index]]), indent, place
    for comment in before[len(lines)]:
        yield comment.text, 0, comment.line


def _logical_lines(node: ast.Declaration) -> Iterator[tuple[str, int]]:
    """The text and the indentation of a declaration: of each line, for a function in braces."""
    if not (isinstance(node, ast.Function) and node.braces):
        yield _render(_declaration(node)), 0
        return
    yield _render((_signature(node), " {")), 0
    for line in node.body:
        yield _render(_declaration(line), INDENT), INDENT
    yield _render(("return ", _value(node.result)), INDENT), INDENT
    yield "}", 0


def _places(tree: ast.Tree) -> list[tuple[int, int]]:
    """The first and the last line in the source of each logical line."""
    tokens = tokenize(tree.source)
    return [
        (tokens.span(part[0]).line, tree.source.position((part[-1].end_pos or 1) - 1)[0])
        for group in tokens.declarations
        for part in _parts(group)
    ]


def _parts(group: list[Token]) -> list[list[Token]]:
    """The tokens of each logical line of a declaration."""
    if group[0] != "def" or group[-1] != "}":
        return [group]
    newlines = [i for i, token in enumerate(group) if token.type == "NEWLINE"]
    body = [group.index(Token("LBRACE", "{")), *newlines, len(group) - 1]
    return [group[: body[0] + 1], *(group[a + 1 : b] for a, b in pairwise(body)), group[-1:]]


def _attach(
    comments: Sequence[ast.Comment], places: Sequence[tuple[int, int]]
) -> tuple[dict[int, list[ast.Comment]], dict[int, list[str]]]:
    """By index of a logical line: the comments to write before it, and the one at its end."""
    before: dict[int, list[ast.Comment]] = defaultdict(list)
    beside: dict[int, list[str]] = defaultdict(list)
    for comment in comments:
        index = bisect_left(places, comment.line, key=lambda p: p[1])
        if not comment.own_line:
            index = bisect_right(places, comment.line, key=lambda p: p[0]) - 1
        if comment.own_line or comment.line < places[index][1]:
            before[index].append(comment)
        else:
            beside[index].append(comment.text)
    return before, beside
