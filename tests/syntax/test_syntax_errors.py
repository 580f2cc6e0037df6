"""Mistakes of syntax: the code, the place and the sentence of each. E100 to E108."""

from __future__ import annotations

import pytest

from lsrl.errors import SyntaxProblem
from lsrl.source import Source
from lsrl.syntax.parse import parse_source


def problems(text: str) -> list[tuple[str, int, int, str]]:
    with pytest.raises(SyntaxProblem) as caught:
        parse_source(Source("test.lsrl", text))
    found = []
    for d in caught.value.diagnostics:
        assert d.span is not None
        assert d.help
        assert d.render().startswith(f"error[{d.code}]: {d.message}\n")
        found.append((d.code, d.span.line, d.span.column, d.message))
    return found


NESTED = "brackets are nested more than 200 deep"
TOO_DEEP = "this expression has parts within parts more than 150 deep"
NO_RETURN = "the body of `f` must end with its one `return`"
TOO_LARGE = "this number is outside of what float64 can hold"

ONE = [
    ("", "E100", 1, 1, "the file is empty"),
    (" \n\n", "E100", 1, 1, "the file is empty"),
    ('x = 1\n"""abc\n', "E101", 2, 1, "this text is never closed"),
    ('import "abc\n', "E101", 1, 8, "this string is never closed"),
    ("x = 'a'", "E102", 1, 5, 'unexpected character "\'"'),
    ("x = 1\n  y = a & b", "E102", 2, 9, "unexpected character '&'"),
    ("x = é", "E102", 1, 5, "unexpected character 'é'"),
    ("x = 1.", "E102", 1, 6, "unexpected character '.'"),
    ("x = 1)", "E103", 1, 6, "`)` closes nothing"),
    ("x = (1]", "E103", 1, 7, "`]` does not close the `(` of line 1"),
    ("x = [f(\n1]\n", "E103", 2, 2, "`]` does not close the `(` of line 1"),
    ("x = f(1\ny = 2\n", "E103", 1, 6, "this `(` is never closed"),
    ("x = f(1\ninput y: bool\n", "E103", 1, 6, "this `(` is never closed"),
    ("type t = {a, b\n\ninput x: t\n", "E103", 1, 10, "this `{` is never closed"),
    ("def f(a) {\n  return a\noutput f(1)\n", "E103", 1, 10, "this `{` is never closed"),
    (
        "def f(a) {\n    x = (1\n    return x\n}\n",
        "E103",
        4,
        1,
        "`}` does not close the `(` of line 2",
    ),
    ("input x:", "E104", 1, 9, "the line ends too early"),
    ("def f(a) {\n x =\n return a\n}", "E104", 2, 5, "the line ends too early"),
    ("+ 3", "E104", 1, 1, "`+` cannot start a declaration"),
    ("else = 3", "E104", 1, 1, "`else` cannot start a declaration"),
    ("inptu x: bool", "E104", 1, 1, "`inptu` starts no declaration that is known"),
    ("foo bar", "E104", 1, 5, "`bar` is not expected here"),
    ("input state: bool", "E104", 1, 7, "`state` is a keyword and cannot be a name"),
    ("x = a = b", "E104", 1, 7, "`=` inside an expression"),
    ("output (a = b)", "E104", 1, 11, "`=` inside an expression"),
    ("length >= 3", "E104", 1, 8, "`length >=` is not a declaration"),
    ("length = 3", "E104", 1, 8, "`length =` is not a declaration"),
    ("x = f(1,\n      , 2)", "E104", 2, 7, "`,` is not expected here"),
    ("def f(a) {\n  return a +\n}", "E104", 3, 1, "`}` is not expected here"),
    ('example "e": {a: [1], a: [2]} -> [1]', "E104", 1, 14, "the field `a` is given twice"),
    (
        "x = " + "(" * 201 + "1" + ")" * 201,
        "E105",
        1,
        205,
        NESTED,
    ),
    *[
        (
            "y = 1\n  x = " + term * 200 + "1",
            "E105",
            2,
            3,
            TOO_DEEP,
        )
        for term in ("not ", "-", "1 + ", "if a then b else ")
    ],
    (
        "x = " + "1 + " * 5000 + "1",
        "E105",
        1,
        1,
        TOO_DEEP,
    ),
    ("def f(a) {\n x = a\n}", "E106", 1, 5, NO_RETURN),
    (
        "def f(a) {\n return a\n x = a\n}",
        "E106",
        1,
        5,
        NO_RETURN,
    ),
    (
        "def f(a) {\n return a\n return a\n}",
        "E106",
        1,
        5,
        NO_RETURN,
    ),
    ('example "e": [1, 1/0] -> [1]', "E107", 1, 18, "division by zero"),
    ("x = 1 + 1e309", "E108", 1, 9, TOO_LARGE),
    ('example "e": [] -> [-1e300/1e-300]', "E108", 1, 21, TOO_LARGE),
    ("x = 1e-309", "E108", 1, 5, TOO_LARGE),
    ("x = 1e99999999", "E108", 1, 5, TOO_LARGE),
    ("x = " + "1" * 401, "E108", 1, 5, TOO_LARGE),
]


@pytest.mark.parametrize(
    ("text", "code", "line", "column", "message"), ONE, ids=[f"{e[1]}-{e[0][:20]!r}" for e in ONE]
)
def test_one_mistake(text: str, code: str, line: int, column: int, message: str) -> None:
    assert problems(text) == [(code, line, column, message)]


HELP = [
    ("x = 'a'", 'strings are written with `"`'),
    ("x = a & b", "write `and`"),
    ("x = a | b", "write `or`"),
    ("x = !a", "write `not`"),
    ("x = a % 2", "write `mod`"),
    ("x = a ^ 2", "powers are written `**`"),
    ("x = 1; y = 2", "put each declaration on its own line"),
    ("x = 1 $", "remove it"),
    ("x = (1]", "write `)`"),
    ("x = f(1", "add the missing `)`"),
    ("otput x", "did you mean `output`?"),
    ("lenght <= 3", "did you mean `length`?"),
    ("x", "expected `=` or `:`"),
    ("x = ", "an expression is expected"),
    ("x = 1 2", "expected a comparison or an operator or the end of the line"),
    ("x = if a then b", "expected `else`"),
    ("state s = 0", "write `state s = INIT then NEXT`, as in `state s = 0 then s + x`"),
    ("state s = s + x", "write `state s = INIT then NEXT`, as in `state s = 0 then s + x`"),
    ("s = 0 then s + x", "write `state s = ...`"),
    ("input x: real in [0, 1]", "a range is written `0..1`"),
    ("input x: int in (0, 9)", "a range is written `0..1`"),
    ("input x: int in 0 to 9", "a range is written `0..1`"),
    ("input x: float in 0..1", "did you mean `real`?"),
    ("input x: Int in 0..1", "did you mean `int`?"),
    ("y = x > 3 ? 1 : 0", "write `if c then a else b`"),
    ("y = 1 if x > 3 else 0", "write `if c then a else b`"),
    ("output 1 if x > 3 else 0", "write `if c then a else b`"),
    ("y = 1 + if x > 3 then 1 else 0", "put the `if` in parentheses"),
    ("// comment", "comments start with `#`"),
    ("y = 1 // c", "comments start with `#`; a quotient without remainder is `a div b`"),
    ("let y = x", "write `y = x`"),
    ("let y", "write `name = value`"),
    ("if x > 3:", "there is no control flow; write `output if c then a else b`"),
    ("for i in v:", "there is no control flow; write `output if c then a else b`"),
    ("y = x.y", "there are no attributes; index with `x[0]`"),
    ("y = x.sum()", "there are no attributes; index with `x[0]`"),
    ("input x bool", "expected `:`"),
    ("import foo", "expected a string"),
    ("x = a = b", "equality is written `==`"),
    ("length = 3", "write `length <= number`"),
    ("x = [i for i in range(3) if i]", "expected `]` or a comparison or an operator"),
]


@pytest.mark.parametrize(("text", "help"), HELP, ids=[text for text, _ in HELP])
def test_help(text: str, help: str) -> None:
    with pytest.raises(SyntaxProblem) as caught:
        parse_source(Source("test.lsrl", text))
    assert [d.help for d in caught.value.diagnostics] == [help]


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("x = \ny = 1\nz = )\nw = 2 3\n", [("E104", 1, 4), ("E103", 3, 5), ("E104", 4, 7)]),
        ("x = f(1\ninput y: bool\noutput (y\n", [("E103", 1, 6), ("E103", 3, 8)]),
        (
            "x = ((1]\ninput y: bool bool\n",
            [("E103", 1, 5), ("E103", 1, 8), ("E104", 2, 15)],
        ),
        ("def f(a) {\n  x = (1\n}\ninput x: 3\n", [("E103", 3, 1), ("E104", 4, 10)]),
        ("x = 1e999\ny = 1e999", [("E108", 1, 5), ("E108", 2, 5)]),
    ],
)
def test_every_mistake_is_reported(text: str, places: list[tuple[str, int, int]]) -> None:
    assert [p[:3] for p in problems(text)] == places


def test_rendering() -> None:
    with pytest.raises(SyntaxProblem) as caught:
        parse_source(Source("test.lsrl", "input x: bool\noutput x == = 2\n"))
    assert str(caught.value) == (
        "error[E104]: `=` is not expected here\n"
        " --> test.lsrl:2:13\n"
        "  |\n"
        "2 | output x == = 2\n"
        "  |             ^\n"
        "  help: an expression is expected"
    )
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.as_json() == {
        "code": "E104",
        "message": "`=` is not expected here",
        "help": "an expression is expected",
        "file": "test.lsrl",
        "line": 2,
        "column": 13,
    }
