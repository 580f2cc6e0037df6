"""The parser: what tree a text gives. Mistakes are in `test_syntax_errors.py`."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from lsrl.source import Source, Span
from lsrl.syntax import ast
from lsrl.syntax.parse import parse_source

ROOT = Path(__file__).parents[2]
PROGRAMS = sorted([*ROOT.glob("examples/**/*.lsrl"), *ROOT.glob("lsrl/std/*.lsrl")])
SPAN = Span(Source("made", ""), 0, 0)


def parse(text: str) -> ast.Tree:
    return parse_source(Source("test.lsrl", text))


def declaration(text: str) -> Any:
    (node,) = parse(text).declarations
    return node


def expression(text: str) -> Any:
    return declaration(f"x = {text}").value


def name(text: str) -> ast.Name:
    return ast.Name(text, span=SPAN)


def number(text: str) -> ast.Number:
    return ast.Number(Fraction(text), text, span=SPAN)


def integer(base: str = "int", low: str = "0", high: str = "9") -> ast.TypeExpr:
    return ast.TypeExpr(base, bounds=(number(low), number(high)), span=SPAN)


A, B, C = map(name, "abc")

EXPRESSIONS = [
    ("12", number("12")),
    ("true", ast.Boolean(True, span=SPAN)),
    ("false", ast.Boolean(False, span=SPAN)),
    ("a", A),
    ("length", name("length")),
    ("not a", ast.Unary("not", A, span=SPAN)),
    ("-a", ast.Unary("-", A, span=SPAN)),
    ("- -a", ast.Unary("-", ast.Unary("-", A, span=SPAN), span=SPAN)),
    *[
        (f"a {op} b", ast.Binary(op, A, B, span=SPAN))
        for op in ("+", "-", "*", "/", "@", "mod", "div", "**", "and", "or")
    ],
    *[
        (f"a {op} b", ast.Compare((op,), (A, B), span=SPAN))
        for op in ("<", "<=", ">", ">=", "==", "!=")
    ],
    ("a <= b < c", ast.Compare(("<=", "<"), (A, B, C), span=SPAN)),
    ("if a then b else c", ast.If(A, B, C, span=SPAN)),
    ("f()", ast.Call("f", (), span=SPAN)),
    ("f(a, b,)", ast.Call("f", (A, B), span=SPAN)),
    ("f(a, k = b)", ast.Call("f", (A,), (("k", B),), span=SPAN)),
    ("a[b]", ast.Index(A, B, span=SPAN)),
    ("a[b:c]", ast.Slice(A, B, C, span=SPAN)),
    ("a[:c]", ast.Slice(A, None, C, span=SPAN)),
    ("a[b:]", ast.Slice(A, B, None, span=SPAN)),
    ("a[:]", ast.Slice(A, None, None, span=SPAN)),
    ("[]", ast.Bracket((), span=SPAN)),
    ("[a]", ast.Bracket((A,), span=SPAN)),
    ("[a, b,]", ast.Bracket((A, B), span=SPAN)),
    ("[a for b in c]", ast.Comprehension(A, "b", C, span=SPAN)),
]


@pytest.mark.parametrize(("text", "tree"), EXPRESSIONS, ids=[text for text, _ in EXPRESSIONS])
def test_expression(text: str, tree: ast.Expr) -> None:
    assert expression(text) == tree


@pytest.mark.parametrize(
    ("text", "grouped"),
    [
        ("a or b and c", "a or (b and c)"),
        ("a and b or c", "(a and b) or c"),
        ("not a and b", "(not a) and b"),
        ("not a == b", "not (a == b)"),
        ("not not a", "not (not a)"),
        ("a + b < c - a", "(a + b) < (c - a)"),
        ("a - b - c", "(a - b) - c"),
        ("a - b + c", "(a - b) + c"),
        ("a + b * c", "a + (b * c)"),
        ("a / b * c", "(a / b) * c"),
        ("a mod b div c @ a", "((a mod b) div c) @ a"),
        ("-a * b", "(-a) * b"),
        ("a * -b", "a * (-b)"),
        ("a - -b", "a - (-b)"),
        ("-a ** b", "-(a ** b)"),
        ("a ** -b", "a ** (-b)"),
        ("a ** b ** c", "a ** (b ** c)"),
        ("-a[b]", "-(a[b])"),
        ("a ** b[c]", "a ** (b[c])"),
        ("a[b][c]", "(a[b])[c]"),
        ("if a then b else c + a", "if a then b else (c + a)"),
        ("if a then b else if b then c else a", "if a then b else (if b then c else a)"),
        ("if a then if b then c else a else b", "if a then (if b then c else a) else b"),
        ("if a or b then c else a", "if (a or b) then c else a"),
    ],
)
def test_precedence(text: str, grouped: str) -> None:
    assert expression(text) == expression(grouped)


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("(a < b) < c", "a < b < c"),
        ("a - (b - c)", "a - b - c"),
        ("(-a) ** b", "-a ** b"),
        ("(not a) == b", "not a == b"),
        ("(a ** b) ** c", "a ** b ** c"),
        ("not a", "a"),
    ],
)
def test_parentheses_matter(text: str, other: str) -> None:
    assert expression(text) != expression(other)


@pytest.mark.parametrize(
    ("text", "value", "is_integer"),
    [
        ("7", Fraction(7), True),
        ("007", Fraction(7), True),
        ("3.0", Fraction(3), False),
        ("0.1", Fraction(1, 10), False),
        (".5", Fraction(1, 2), False),
        ("2e3", Fraction(2000), False),
        ("25E-2", Fraction(1, 4), False),
        ("1e+300", Fraction(10) ** 300, False),
        ("1e-300", Fraction(1, 10**300), False),
    ],
)
def test_number(text: str, value: Fraction, is_integer: bool) -> None:
    node = expression(text)
    assert (node.value, node.text, node.is_integer) == (value, text, is_integer)


@pytest.mark.parametrize(
    "text",
    ["orbit", "android", "notes", "iffy", "inputs", "state_2", "mod3", "_", "_x", "In", "e5"],
)
def test_names_that_look_like_keywords(text: str) -> None:
    assert expression(text) == name(text)


TYPES = [
    ("bool", ast.TypeExpr("bool", span=SPAN)),
    ("bool[a]", ast.TypeExpr("bool", size=(A,), span=SPAN)),
    ("int in 0..9", integer()),
    ("real in .5..1.5", integer("real", ".5", "1.5")),
    ("int[3] in 0..9", ast.TypeExpr("int", (), (number("3"),), integer().bounds, span=SPAN)),
    ("real[a, b]", ast.TypeExpr("real", size=(A, B), span=SPAN)),
    ("colour", ast.TypeExpr("colour", span=SPAN)),
    ("colour[3]", ast.TypeExpr("colour", size=(number("3"),), span=SPAN)),
    ("{red, green,}", ast.TypeExpr(None, ("red", "green"), span=SPAN)),
    ("{red}[a]", ast.TypeExpr(None, ("red",), (A,), span=SPAN)),
]


@pytest.mark.parametrize(("text", "tree"), TYPES, ids=[text for text, _ in TYPES])
def test_type(text: str, tree: ast.TypeExpr) -> None:
    assert declaration(f"input x: {text}").type == tree
    assert declaration(f"type x = {text}").type == tree
    assert declaration(f"y: {text} = a").type == tree


def test_bounds_are_sums() -> None:
    low, high = declaration("input x: int in -a..2*a-1").type.bounds
    assert (low, high) == (expression("-a"), expression("2 * a - 1"))


DECLARATIONS = [
    ('"""What it does,\nin two lines."""', ast.Doc("What it does,\nin two lines.", span=SPAN)),
    ("param n: int in 0..9 = 3", ast.Param("n", integer(), number("3"), span=SPAN)),
    ("length <= a", ast.Length(A, span=SPAN)),
    ("type t = int in 0..9", ast.TypeDef("t", integer(), span=SPAN)),
    ("input x: int in 0..9", ast.Input("x", integer(), span=SPAN)),
    ("x = a", ast.Definition("x", None, A, span=SPAN)),
    ("x: int in 0..9 = a", ast.Definition("x", integer(), A, span=SPAN)),
    ("state s = a then b", ast.State("s", None, A, B, span=SPAN)),
    ("state s: int in 0..9 = a then b", ast.State("s", integer(), A, B, span=SPAN)),
    ("assume a", ast.Assume(A, span=SPAN)),
    ("output a", ast.Output(None, None, A, span=SPAN)),
    ("output y = a", ast.Output("y", None, A, span=SPAN)),
    ("output y: int in 0..9 = a", ast.Output("y", integer(), A, span=SPAN)),
    ('import "parts/a.lsrl"', ast.Import("parts/a.lsrl", span=SPAN)),
    ("def f() = a", ast.Function("f", (), (), A, False, span=SPAN)),
    ("def f() { return a }", ast.Function("f", (), (), A, True, span=SPAN)),
]


@pytest.mark.parametrize(("text", "tree"), DECLARATIONS, ids=[text for text, _ in DECLARATIONS])
def test_declaration(text: str, tree: ast.Declaration) -> None:
    assert declaration(text) == tree


def test_state_that_starts_with_a_choice() -> None:
    assert declaration("state s = if a then b else c then a").init == expression(
        "if a then b else c"
    )


def test_function_with_a_body() -> None:
    function = declaration(
        """def f(a, b = 2,) {

            x = a  # a comment
            state s: {p,
                      q} = x then (
                b)
            assume x

            return [s,
                    b]
        }"""
    )
    assert [(f.name, f.default) for f in function.formals] == [("a", None), ("b", number("2"))]
    assert [type(line).__name__ for line in function.body] == ["Definition", "State", "Assume"]
    assert function.result == expression("[s, b]")


def test_function_on_one_line() -> None:
    assert declaration("def f(a) { return a }") == declaration("def f(a) {\n  return a\n}")


@pytest.mark.parametrize(
    ("text", "datum"),
    [
        ("[]", ()),
        ("[1, -2, 0.5, .5]", (1, -2, Fraction(1, 2), Fraction(1, 2))),
        ("[1/3, -1/3, 1/-3]", (Fraction(1, 3), Fraction(-1, 3), Fraction(-1, 3))),
        ("[true, false]", (True, False)),
        ("[red, _]", ("red", "_")),
        ("[[1, 2], [3, 4],]", ((1, 2), (3, 4))),
        ("{x: [1], y: [red],}", {"x": (1,), "y": ("red",)}),
        ("{}", {}),
        ("3", 3),
    ],
)
def test_example_data(text: str, datum: ast.Datum) -> None:
    example = declaration(f'example "e": {text} -> {text}')
    assert example.inputs == example.outputs == datum


def test_example_settings() -> None:
    example = declaration('example "e" with n = 5, m = [a, b]: [1] -> [2]')
    assert example.settings == (("n", number("5")), ("m", expression("[a, b]")))


@pytest.mark.parametrize(
    ("literal", "text"),
    [
        (r'"say \"hi\""', 'say "hi"'),
        (r'"a\\b"', r"a\b"),
        ('""', ""),
        ('"# no comment"', "# no comment"),
    ],
)
def test_string(literal: str, text: str) -> None:
    assert declaration(f"import {literal}").path == text


@pytest.mark.parametrize(
    "text",
    [
        "x = (a\n  + b)\ny = c",
        "x = a + b\n\n\ny = c\n",
        "\n  x = a + b  # why\n# and\n\ty = c",
        "x = a + b\r\ny = c\r\n",
        "x = ((a + b))\ny = (\n\n# inside\nc)",
    ],
)
def test_layout_has_no_meaning(text: str) -> None:
    assert parse(text) == parse("x = a + b\ny = c")


def test_comments() -> None:
    tree = parse("# first\nx = a  # second  \n\n  # third\ny = f(  # fourth\n  b)\n")
    assert tree.comments == (
        ast.Comment("# first", 1, True),
        ast.Comment("# second", 2, False),
        ast.Comment("# third", 4, True),
        ast.Comment("# fourth", 5, False),
    )


def test_a_file_of_comments() -> None:
    assert parse("# nothing yet\n").declarations == ()


def test_spans() -> None:
    node = parse("input b: bool\n\nx = 1 + f(b,\n          -2)\n").declarations[1]
    assert isinstance(node, ast.Definition)
    assert isinstance(node.value, ast.Binary)
    assert isinstance(node.value.right, ast.Call)
    spans = [n.span for n in (node, node.value, node.value.right, node.value.right.args[1])]
    assert [(s.line, s.column) for s in spans] == [(3, 1), (3, 5), (3, 9), (4, 11)]
    assert spans[2].text == "f(b,\n          -2)"


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: p.name)
def test_program(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert parse(text).declarations


@pytest.mark.parametrize("term", ["-", "not ", "1 + ", "1 ** ", "f(", "if a then b else "])
def test_deep_expressions(term: str) -> None:
    assert expression(term * 140 + "a" + ")" * 140 * (term == "f("))
