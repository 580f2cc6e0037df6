"""Formatted text, after checks of what holds for every program."""

from __future__ import annotations

from lsrl.source import Source
from lsrl.syntax import ast
from lsrl.syntax.format import format_program
from lsrl.syntax.parse import parse_source


def parse(text: str) -> ast.Tree:
    return parse_source(Source("test.lsrl", text))


def same(one: ast.Tree, other: ast.Tree) -> bool:
    """Equal, down to how numbers are written."""
    return one == other and repr(one) == repr(other)


def formatted(text: str) -> str:
    """The formatted text, after checks of what holds for every program."""
    tree = parse(text)
    result = format_program(tree)
    again = parse(result)
    assert same(again, tree)
    assert format_program(again) == result
    assert sorted(c.text for c in again.comments) == sorted(c.text for c in tree.comments)
    return result
