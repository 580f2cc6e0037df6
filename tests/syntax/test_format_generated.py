"""The formatter on generated trees: the text means the same, and no parentheses are idle."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from typing import Any

from formatting import formatted, parse, same
from hypothesis import given, settings
from hypothesis import strategies as st

from lsrl.errors import SyntaxProblem
from lsrl.source import Source, Span
from lsrl.syntax import ast
from lsrl.syntax.format import format_expr, format_program
from lsrl.syntax.lexer import keywords

NOWHERE = Source("made", "")
SPAN = Span(NOWHERE, 0, 0)


def node(kind: Any, *parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A strategy for syntax nodes of one kind."""
    return st.builds(partial(kind, span=SPAN), *parts)


def tuples(items: st.SearchStrategy[Any], least: int = 0) -> st.SearchStrategy[Any]:
    return st.lists(items, min_size=least, max_size=3).map(tuple)


def literal(text: str) -> ast.Number:
    return ast.Number(Fraction(text), text, span=SPAN)


NAMES = st.from_regex(r"[A-Za-z_][A-Za-z_0-9]{0,20}", fullmatch=True).filter(
    lambda n: n not in keywords()
)
NUMBERS = st.from_regex(
    r"([0-9]{1,5}(\.[0-9]{1,3})?|\.[0-9])([eE][+-]?[0-9]{1,2})?", fullmatch=True
)
LEAVES = (
    NUMBERS.map(literal)
    | node(ast.Name, NAMES | st.just("length"))
    | node(ast.Boolean, st.booleans())
)


def compounds(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    ops = ["+", "-", "*", "/", "@", "mod", "div", "**", "and", "or"]
    comparison = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
    chain = st.lists(st.tuples(comparison, parts), min_size=1, max_size=3)
    compare = st.builds(
        lambda first, rest: ast.Compare(
            tuple(op for op, _ in rest), (first, *(e for _, e in rest)), span=SPAN
        ),
        *(parts, chain),
    )
    return st.one_of(
        node(ast.Unary, st.sampled_from(["-", "not"]), parts),
        node(ast.Binary, st.sampled_from(ops), parts, parts),
        compare,
        node(ast.If, parts, parts, parts),
        node(ast.Call, NAMES, tuples(parts), tuples(st.tuples(NAMES, parts))),
        node(ast.Index, parts, parts),
        node(ast.Slice, parts, st.none() | parts, st.none() | parts),
        node(ast.Bracket, tuples(parts)),
        node(ast.Comprehension, parts, NAMES, parts),
    )


EXPRS = st.recursive(LEAVES, compounds, max_leaves=30)
SMALL = st.recursive(LEAVES, compounds, max_leaves=5)
SCALARS = st.sampled_from(["bool", "int", "real"])
SCALAR_TYPES = node(
    ast.TypeExpr, SCALARS, st.just(()), tuples(SMALL), st.none() | st.tuples(SMALL, SMALL)
)
TYPES = st.one_of(
    SCALAR_TYPES,
    node(ast.TypeExpr, NAMES, st.just(()), tuples(SMALL)),
    node(ast.TypeExpr, st.none(), tuples(NAMES, 1), tuples(SMALL)),
)
MAYBE_TYPE = st.none() | TYPES
STRINGS = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=40)
DOCS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40).filter(
    lambda t: '"""' not in t and not t.endswith('"')
)
DATA = st.recursive(
    st.fractions() | st.booleans() | NAMES,
    lambda d: st.lists(d, max_size=20).map(tuple) | st.dictionaries(NAMES, d, max_size=3),
    max_leaves=40,
)
LINES = st.one_of(
    node(ast.Definition, NAMES, MAYBE_TYPE, EXPRS),
    node(ast.State, NAMES, MAYBE_TYPE, SMALL, EXPRS),
    node(ast.Assume, EXPRS),
)
FORMALS = tuples(node(ast.Formal, NAMES, st.none() | SMALL))
DECLARATIONS = st.one_of(
    LINES,
    node(ast.Doc, DOCS),
    node(ast.Param, NAMES, SCALAR_TYPES, EXPRS),
    node(ast.Length, EXPRS),
    node(ast.TypeDef, NAMES, TYPES),
    node(ast.Input, NAMES, TYPES),
    node(ast.Function, NAMES, FORMALS, st.just(()), EXPRS, st.just(False)),
    node(ast.Function, NAMES, FORMALS, tuples(LINES), EXPRS, st.just(True)),
    node(ast.Output, st.none(), st.none(), EXPRS),
    node(ast.Output, NAMES, MAYBE_TYPE, EXPRS),
    node(ast.Import, STRINGS),
    node(ast.Example, STRINGS, tuples(st.tuples(NAMES, SMALL)), DATA, DATA),
)


@settings(max_examples=150, deadline=None)
@given(EXPRS)
def test_any_expression(expr: ast.Expr) -> None:
    text = format_expr(expr)
    assert "\n" not in text
    tree = ast.Tree((ast.Assume(expr, span=SPAN),), NOWHERE)
    assert same(parse(f"assume {text}"), tree)
    assert formatted(format_program(tree)) == format_program(tree)
    assert same(parse(format_program(tree)), tree)


@settings(max_examples=100, deadline=None)
@given(st.lists(DECLARATIONS, min_size=1, max_size=4).map(tuple))
def test_any_program(declarations: tuple[ast.Declaration, ...]) -> None:
    tree = ast.Tree(declarations, NOWHERE)
    text = format_program(tree)
    assert same(parse(text), tree)
    assert formatted(text) == text


@settings(max_examples=100, deadline=None)
@given(EXPRS)
def test_parentheses_are_needed(expr: ast.Expr) -> None:
    """Without any one pair of parentheses around an operand the text means something else."""
    text = format_expr(expr)
    for start, end in _pairs(text):
        shorter = text[:start] + " " + text[start + 1 : end] + " " + text[end + 1 :]
        try:
            tree = parse(f"assume {shorter}")
        except SyntaxProblem:
            continue
        nested_if = text.startswith("if ", start + 1)
        assert nested_if or tree.declarations[0] != ast.Assume(expr, span=SPAN)


def _pairs(text: str) -> list[tuple[int, int]]:
    """The parentheses that are not those of a call."""
    opened: list[int] = []
    result = []
    for i, char in enumerate(text):
        if char == "(":
            opened.append(i)
        elif char == ")":
            start = opened.pop()
            if not text[:start][-1:].isidentifier() and not text[:start][-1:].isdigit():
                result.append((start, i))
    return result
