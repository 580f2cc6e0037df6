"""Names and what they stand for while a program is elaborated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ..source import Span
from ..syntax import ast


@dataclass
class Value:
    """A name with a value already: an argument, a loop variable, an input, a constant."""

    node: int | None
    span: Span | None = None


@dataclass
class Lazy:
    """A declared name: elaborated when first asked for, so that the order of lines does not matter.

    `make` elaborates what is neither a definition nor a state.
    """

    syntax: ast.Definition | ast.State | ast.Param | ast.Length | ast.Input
    scope: Scope
    key: str
    make: Callable[[], int | None] | None = None
    status: str = "new"  # new, busy, done
    node: int | None = None

    @property
    def span(self) -> Span:
        return self.syntax.span


@dataclass
class Routine:
    """A function and the scope of the file that it stands in."""

    syntax: ast.Function
    scope: Scope

    @property
    def span(self) -> Span:
        return self.syntax.span


@dataclass
class Imported:
    """A name that another file defines; it may be used if it is a constant."""

    original: Lazy

    @property
    def span(self) -> Span:
        return self.original.span


Binding = Value | Lazy | Routine | Imported


@dataclass
class Scope:
    """A table of names; what is not in it is looked up in the parent."""

    parent: Scope | None = None
    names: dict[str, Binding] = field(default_factory=dict)
    types: dict[str, ast.TypeDef] = field(default_factory=dict)
    is_library: bool = False

    def find(self, name: str) -> Binding | None:
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.parent
        return None

    def find_type(self, name: str) -> ast.TypeDef | None:
        scope: Scope | None = self
        while scope is not None:
            if name in scope.types:
                return scope.types[name]
            scope = scope.parent
        return None

    def all_names(self) -> Iterator[str]:
        scope: Scope | None = self
        while scope is not None:
            yield from (n for n in scope.names if not n.startswith("_"))
            scope = scope.parent

    def child(self) -> Scope:
        return Scope(self, is_library=self.is_library)
