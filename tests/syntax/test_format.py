"""The formatter: the same tree, one layout, every comment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from formatting import formatted, parse

from lsrl.syntax.format import WIDTH, format_expr

ROOT = Path(__file__).parents[2]
PROGRAMS = sorted([*ROOT.glob("examples/**/*.lsrl"), *ROOT.glob("lsrl/std/*.lsrl")])


# Expressions ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # spaces
        ("a+b*c", "a + b * c"),
        ("a<=b<c", "a <= b < c"),
        ("- a", "-a"),
        ("a**-b", "a ** -b"),
        ("f( a,b , k=c, )", "f(a, b, k = c)"),
        ("f ( )", "f()"),
        ("[ ]", "[]"),
        ("[ a,b, ]", "[a, b]"),
        ("[ a+1 for i in range( n ) ]", "[a + 1 for i in range(n)]"),
        ("a [ b+1 ]", "a[b + 1]"),
        ("a[ : ]", "a[:]"),
        ("a[ b : ]", "a[b:]"),
        ("a[ b+1 : 2*c-1 ]", "a[b+1:2*c-1]"),
        ("a[b mod 2 : f(c+1)]", "a[b mod 2:f(c + 1)]"),
        # numbers stay as they are written
        ("[0.50, 1e3, .5, 007, 2E-1]", "[0.50, 1e3, .5, 007, 2E-1]"),
        # parentheses that say nothing
        ("((a))", "a"),
        ("f((a))", "f(a)"),
        ("(a * b) + c", "a * b + c"),
        ("(a - b) - c", "a - b - c"),
        ("(a and b) or c", "a and b or c"),
        ("not (a == b)", "not a == b"),
        ("not (not a)", "not not a"),
        ("(not a) and b", "not a and b"),
        ("(a + b) < (c * a)", "a + b < c * a"),
        ("-(a ** b)", "-a ** b"),
        ("(-a) * (-b)", "-a * -b"),
        ("a ** (b ** c)", "a ** b ** c"),
        ("(a[b])[c]", "a[b][c]"),
        ("-(-a)", "--a"),
        ("if (a or b) then (c) else (a + b)", "if a or b then c else a + b"),
        ("if a then b else (if b then c else a)", "if a then b else if b then c else a"),
        ("[(if a then b else c)]", "[if a then b else c]"),
        # parentheses that are needed
        ("(a + b) * c", "(a + b) * c"),
        ("a - (b - c)", "a - (b - c)"),
        ("a + (b + c)", "a + (b + c)"),
        ("a / (b * c)", "a / (b * c)"),
        ("a and (b or c)", "a and (b or c)"),
        ("a or (b or c)", "a or (b or c)"),
        ("not (a and b)", "not (a and b)"),
        ("(not a) == b", "(not a) == b"),
        ("(a < b) == c", "(a < b) == c"),
        ("a < (b < c)", "a < (b < c)"),
        ("(a == b) + c", "(a == b) + c"),
        ("-(a + b)", "-(a + b)"),
        ("-(a * b)", "-(a * b)"),
        ("(-a) ** b", "(-a) ** b"),
        ("(a ** b) ** c", "(a ** b) ** c"),
        ("(a + b)[c]", "(a + b)[c]"),
        ("(-a)[b:c]", "(-a)[b:c]"),
        ("a + (if b then c else a)", "a + (if b then c else a)"),
        ("not (if a then b else c)", "not (if a then b else c)"),
        ("(if a then b else c) + a", "(if a then b else c) + a"),
        # an `if` within the other parts of an `if` is easier to read in parentheses
        ("if a then if b then c else a else b", "if a then (if b then c else a) else b"),
        ("if if a then b else c then a else b", "if (if a then b else c) then a else b"),
    ],
)
def test_expression(text: str, expected: str) -> None:
    value: Any = parse(f"x = {text}").declarations[0]
    assert format_expr(value.value) == expected
    assert formatted(f"x = {text}") == f"x = {expected}\n"


def test_format_expr_is_one_line() -> None:
    text = " + ".join(["a_rather_long_name"] * 40)
    value: Any = parse(f"x = f({text})").declarations[0]
    assert format_expr(value.value) == f"f({text})"


# Declarations --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"""Two\n  lines. """', '"""Two\n  lines. """'),
        ("param  n:int=3", "param n: int = 3"),
        ("param v:real[ 2 ]in-1 .. 1=[0,.5]", "param v: real[2] in -1..1 = [0, .5]"),
        ("length<=512", "length <= 512"),
        ("type t={ a,b, }", "type t = {a, b}"),
        ("input x:{a}[ n,2 ]", "input x: {a}[n, 2]"),
        ("input x: int in 0 .. n - 1", "input x: int in 0..n-1"),
        ("input x: int in (0)..(2 * n)", "input x: int in 0..2*n"),
        ("input x: int in 0..(n+1) div 2", "input x: int in 0..(n + 1) div 2"),
        ("input x: int in 0..f(n+1)-1", "input x: int in 0..f(n + 1)-1"),
        ("input x: int in 0..(if a then b else c)", "input x: int in 0..(if a then b else c)"),
        ("x   =   a", "x = a"),
        ("x:t=a", "x: t = a"),
        ("state s=0 then(s)", "state s = 0 then s"),
        ("state s:t=(a)then s", "state s: t = a then s"),
        (
            "state s = if a then b else c then s",
            "state s = (if a then b else c) then s",
        ),
        ("assume(a)", "assume a"),
        ("output(a)", "output a"),
        ("output y:t=a", "output y: t = a"),
        ('import"a.lsrl"', 'import "a.lsrl"'),
        (r'import "a\"b\\c\d"', r'import "a\"b\\c\\d"'),
        ("def f( a,b=2, )=a", "def f(a, b = 2) = a"),
        ("def f(){return a}", "def f() {\n    return a\n}"),
        (
            "def f(a) {\n  x=a\nstate s=0 then s+x\n\tassume x\n return s }",
            "def f(a) {\n    x = a\n    state s = 0 then s + x\n    assume x\n    return s\n}",
        ),
        ('example"e":[1,-2]->[ 3 ]', 'example "e": [1, -2] -> [3]'),
        (
            'example "e" with n=(3),m=[1]:{x:[a,_],y:[true]}->{}',
            'example "e" with n = 3, m = [1]: {x: [a, _], y: [true]} -> {}',
        ),
    ],
)
def test_declaration(text: str, expected: str) -> None:
    assert formatted(text) == expected + "\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12", "12"),
        ("-0.50", "-0.5"),
        (".25", "0.25"),
        ("0.001", "0.001"),
        ("100", "100"),
        ("2e3", "2000"),
        ("1/3", "1/3"),
        ("2/-6", "-1/3"),
        ("4/2", "2"),
        ("0", "0"),
        ("1e50", "1e50"),
        ("-15e-50", "-15e-50"),
        ("1e200/3e-100", "1e300/3"),
    ],
)
def test_number_of_an_example(text: str, expected: str) -> None:
    assert formatted(f'example "e": {text} -> []') == f'example "e": {expected} -> []\n'


# Long lines ----------------------------------------------------------------------------------

LONG = [
    # a call, then its arguments
    "x = f(\n    " + "a" * 60 + ",\n    " + "b" * 60 + ",\n    k = 3,\n)\n",
    "x = f(" + "a" * 93 + ")\n",
    "x = f(\n    " + "a" * 94 + ",\n)\n",
    "def f(\n    " + "a" * 60 + ",\n    " + "b" * 60 + " = 2,\n) = 3\n",
    "type t = {\n    " + "a" * 60 + ",\n    " + "b" * 60 + ",\n}\n",
    # operators outside of brackets take parentheses
    "x = (\n    " + "a" * 60 + "\n    + " + "b" * 60 + "\n    - c\n)\n",
    "assume (\n    " + "a" * 60 + "\n    and " + "b" * 60 + "\n    and not c\n)\n",
    "output y = (\n    0\n    <= " + "a" * 60 + "\n    < " + "b" * 60 + "\n)\n",
    "output (\n    not " + "a" * 60 + "\n    == " + "b" * 60 + "\n)\n",
    "state s: int = (\n    " + "a" * 60 + " + " + "b" * 30 + "\n) then s\n",
    "state s: int = " + "a" * 60 + " then (\n    " + "a" * 60 + " + " + "b" * 30 + "\n)\n",
    # inner groups stay together while they fit
    "x = (\n    " + "a" * 60 + "\n    or b and " + "c" * 60 + "\n)\n",
    "x = (\n    f(" + "a" * 60 + ")\n    + 2 * (" + "b" * 30 + " - c)\n)\n",
    # a long choice
    "x = (\n    if a then " + "b" * 40 + "\n    else if c then " + "d" * 40 + "\n    else e\n)\n",
    "x = (\n    if " + "a" * 60 + "\n        then " + "b" * 60 + "\n    else c\n)\n",
    "def f(a) {\n    return (\n        if a then "
    + "b" * 40
    + "\n        else "
    + "c" * 50
    + "\n    )\n}\n",
    # matrices by rows, tables filled
    "x = [\n    [" + "1, " * 19 + "1],\n    [" + "1, " * 19 + "1],\n]\n",
    "x = [\n    " + ("-1, " * 23 + "-1,\n    ") + "1, " * 9 + "1\n]\n",
    "x = [\n    " + "a" * 60 + "\n    for i in " + "b" * 60 + "\n]\n",
    "x = y[\n    " + "a" * 60 + " + " + "b" * 32 + "\n]\n",
    # examples
    'example "e": [\n    ' + ("11, " * 23 + "11,\n    ") + "1, " * 9 + "1\n] -> [1]\n",
    'example "e": [' + "1, " * 19 + "1] -> [\n    " + "1, " * 19 + "1\n]\n",
    'example "e": {\n    a: [' + "1, " * 19 + "1],\n    b: [" + "1, " * 19 + "1],\n} -> [1]\n",
    'example "e": [\n    '
    + ", ".join(["[10, 20, 30, 40, 50]"] * 4)
    + ",\n    [10, 20, 30]\n] -> [1]\n",
]


@pytest.mark.parametrize("text", LONG)
def test_long_line(text: str) -> None:
    assert formatted(text) == text
    assert all(len(line) <= WIDTH for line in text.splitlines())


@pytest.mark.parametrize("text", LONG)
def test_long_line_from_any_layout(text: str) -> None:
    loose = text.replace("(\n", "(\n\n").replace(",\n", ",\n\n   ").replace(" + ", " +  ")
    assert formatted(loose) == text


# Comments and blank lines --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\n\n  x = a\n\n\n\ny = b\nz = c\n\n\n", "x = a\n\ny = b\nz = c\n"),
        ("x = a", "x = a\n"),
        ("x = a\r\n\r\n\r\ny = b\r\n", "x = a\n\ny = b\n"),
        ('"""Doc.\n\nMore."""\nx = a', '"""Doc.\n\nMore."""\nx = a\n'),
        ("# one\n\n\n\n# two\nx = a\n# three", "# one\n\n# two\nx = a\n# three\n"),
        ("   # far\nx = a", "# far\nx = a\n"),
        ("x = a# beside  \ny = b", "x = a  # beside\ny = b\n"),
        ('"""Doc."""# beside', '"""Doc."""  # beside\n'),
        ("x = a\n\n# last\n\n\n# very last\n\n", "x = a\n\n# last\n\n# very last\n"),
        ("# nothing else", "# nothing else\n"),
        ("x = f( # p\n# q\na, # r\nb) # s\n", "# p\n# q\n# r\nx = f(a, b)  # s\n"),
        ("w = a\n\nx = f( # p\n\n# q\na)\n", "w = a\n\n# p\n# q\nx = f(a)\n"),
        ("type t = {a, # p\n b}", "# p\ntype t = {a, b}\n"),
        (
            "def f(a) { # head\n\n # first\n x = a # x\n\n\n # before\n return x # ret\n"
            " # after\n\n} # end\n",
            "def f(a) {  # head\n    # first\n    x = a  # x\n\n    # before\n    return x  # ret\n"
            "    # after\n}  # end\n",
        ),
        (
            "def f(a, # formal\n b) {\n return ( # p\n a # q\n) # r\n}",
            "# formal\ndef f(a, b) {\n    # p\n    # q\n    return a  # r\n}\n",
        ),
        ("def f(a) { return a } # end", "def f(a) {\n    return a\n}  # end\n"),
        (
            "def f(a) { x = a # x\n return x }\n\ny = b",
            "def f(a) {\n    x = a  # x\n    return x\n}\n\ny = b\n",
        ),
    ],
)
def test_comments_and_blank_lines(text: str, expected: str) -> None:
    assert formatted(text) == expected


def test_comment_beside_a_long_line_stays_at_its_end() -> None:
    text = "x = f(\n    " + "a" * 60 + ",\n    " + "b" * 60 + ",\n)  # beside\n"
    assert formatted(text) == text


# Whole programs ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: p.name)
def test_program(path: Path) -> None:
    result = formatted(path.read_text(encoding="utf-8"))
    code = result.rpartition('"""')[2]
    assert all(len(line) <= WIDTH and line == line.rstrip() for line in code.splitlines())


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: p.name)
def test_comments_everywhere(path: Path) -> None:
    head, quotes, code = path.read_text(encoding="utf-8").rpartition('"""')
    lines = [f"# before {i}\n{line}  # beside {i}" for i, line in enumerate(code.split("\n"))]
    result = formatted(head + quotes + "\n" + "\n".join(lines))
    assert result.count("# b") == 2 * len(lines) + code.count("# b")
