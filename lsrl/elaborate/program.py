"""From a syntax tree to the program IR.

Types of states follow from their use, so elaboration runs in rounds: each assumes the types that
the one before found, until they agree (kinds only grow: zero < bool < int < real). The first round
tries library functions by themselves, so that many programs need no second one.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import ProgramError
from ..ir.nodes import Field, Graph, Node, Output
from ..ir.types import INT, REAL, Kind, Type, join_kinds
from ..source import Span
from ..syntax import ast
from .calls import assume, constant
from .core import Elaborator, TooLarge
from .declarations import conform, zero_type
from .declared import Declared, declared_type
from .expressions import expression, force
from .modules import import_path, library, load_imports
from .params import Override, check_overrides, set_param
from .scope import Binding, Imported, Lazy, Routine, Scope, Value
from .unused import check_uncalled

DEFAULT_LENGTH = 1024
MAX_ROUNDS = 16
MAX_REVISIONS = 6


@dataclass(frozen=True)
class Elaborated:
    """A program's graph with what else the tools need of it."""

    graph: Graph
    doc: str
    params: dict[str, Any]
    param_types: dict[str, Declared]
    members: dict[str, int]
    examples: tuple[ast.Example, ...]
    tree: ast.Tree = field(repr=False)


def elaborate(
    tree: ast.Tree, overrides: Mapping[str, Override] | None = None, length: int | None = None
) -> Elaborated:
    """Elaborate a program. Raises `ProgramError` with every problem found."""
    check_overrides(overrides or {}, tree)
    imports = load_imports(tree)
    assumed: dict[str, Type] = {}
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, 50_000))
    try:
        guessed = False
        # Each round settles the kind or the size of a state at least.
        rounds = MAX_ROUNDS
        k = 0
        while True:
            round = _Round(tree, imports, dict(overrides or {}), length, assumed)
            round.e.revise = guessed and k < MAX_ROUNDS - 1
            result = round.run()
            assumed = round.e.assumed
            found = {k: _grow(assumed.get(k), t) for k, t in round.e.found.items()}
            lost = assumed.keys() - found.keys() if round.e.revise and round.e.problems else set()
            if lost and k < MAX_REVISIONS:  # their sizes followed from a guess
                assumed = {name: t for name, t in (assumed | found).items() if name not in lost}
                k += 1
                continue
            if all(assumed.get(k) == t for k, t in found.items()):
                settled = all(t == zero_type(t) for t in found.values())
                if settled or (round.e.problems and not round.e.guessed):
                    return round.finish(result)
                found = {k: zero_type(t) for k, t in found.items()}
            guessed = round.e.guessed
            k, rounds = k + 1, max(rounds, MAX_ROUNDS + 4 * len(found))
            if k == rounds:
                if round.e.problems:
                    return round.finish(result)
                raise RuntimeError("the types of the states do not settle")
            assumed = {**assumed, **found}
    finally:
        sys.setrecursionlimit(limit)


def _grow(old: Type | None, new: Type) -> Type:
    if old is None:
        return new
    joined = join_kinds(old, new)
    shape = new.shape if new.shape is not None else old.shape
    return (joined or new).with_shape(shape)


class _Round:
    """One pass over all declarations."""

    def __init__(
        self,
        tree: ast.Tree,
        imports: dict[Path, ast.Tree],
        overrides: dict[str, Override],
        length: int | None,
        assumed: dict[str, Type],
    ) -> None:
        self.tree = tree
        self.imports = imports
        self.overrides = overrides
        self.length = length
        self.e = Elaborator(assumed, length or DEFAULT_LENGTH)
        self.scopes: dict[Path, Scope] = {}
        self.params: dict[str, Any] = {}
        self.param_types: dict[str, Declared] = {}
        self.outputs: list[Output] = []

    def run(self) -> Graph | None:
        try:
            self.std = self._library()
            top = self._file(self.tree, main=True)
            self._values(top)
        except TooLarge:
            pass
        if self.e.problems:
            return None
        e = self.e
        inputs = sorted(e.build.inputs, key=lambda f: f.span.start if f.span else 0)
        return Graph(
            tuple(e.build.nodes), tuple(e.build.states), tuple(inputs),
            tuple(self.outputs), tuple(e.assumes), tuple(e.names), e.length,
        )  # fmt: skip

    def finish(self, graph: Graph | None) -> Elaborated:
        if self.e.problems or graph is None:
            order = lambda d: (d.span.source.name, d.span.start) if d.span else ("", -1)
            raise ProgramError(sorted(self.e.problems.values(), key=order))
        declarations = self.tree.declarations
        docs = [d.text for d in declarations if isinstance(d, ast.Doc)]
        examples = tuple(d for d in declarations if isinstance(d, ast.Example))
        members = {m: t.members.index(m) for m, t in self.e.members.items()}
        doc = docs[0].strip() if docs else ""
        names = [d.name for d in declarations if isinstance(d, ast.Param)]
        params = {name: self.params[name] for name in names}
        types = {name: self.param_types[name] for name in names}
        return Elaborated(graph, doc, params, types, members, examples, self.tree)

    # Scopes

    def _library(self) -> Scope:
        e = self.e
        scope = Scope(is_library=True)
        scope.names["pi"] = Value(e.build.const(3.141592653589793, REAL))
        for d in library().declarations:
            if isinstance(d, ast.Function):
                scope.names[d.name] = Routine(d, scope)
        return scope

    def _file(self, tree: ast.Tree, main: bool) -> Scope:
        """The scope of one file; `main` is the program itself, others are imported."""
        scope = Scope(self.std)
        if main:
            self._doc_first(tree)
            self.length_binding = self._length(scope, tree)
        scope.names["length"] = self.length_binding
        for d in tree.declarations:
            if isinstance(d, ast.Import):
                self._import(scope, tree, d)
        for d in tree.declarations:
            if isinstance(d, ast.TypeDef):
                self._typedef(scope, d)
            else:
                self._inline_members(scope, d)
        for d in tree.declarations:
            self._declare(scope, d, main)
        return scope

    def _doc_first(self, tree: ast.Tree) -> None:
        for d in tree.declarations[1:]:
            if isinstance(d, ast.Doc):
                self.e.error("E206", d.span, "a docstring stands first", "use `#` for comments")

    def _import(self, scope: Scope, tree: ast.Tree, d: ast.Import) -> None:
        path = import_path(tree, d)
        if path not in self.scopes:
            self.scopes[path] = self._file(self.imports[path], main=False)
        other = self.scopes[path]
        for name, binding in other.names.items():
            if name != "length":
                exported = Imported(binding) if isinstance(binding, Lazy) else binding
                self.bind(scope, name, exported, d.span, imported=True)
        for name, definition in other.types.items():
            scope.types.setdefault(name, definition)

    def bind(
        self, scope: Scope, name: str, binding: Binding, span: Span, imported: bool = False
    ) -> None:
        """Enter a name; each is defined once in a file."""
        old = scope.names.get(name)
        where = getattr(old, "span", None)
        again = imported and where is not None and where == binding.span
        if old is not None and not again:
            line = f" (first in line {where.line})" if where else ""
            if where and where.source is not span.source:
                line = f" (first in {where.source.name}, line {where.line})"
            self.e.error("E202", span, f"`{name}` is defined twice{line}", "rename one of them")
            return
        if name.startswith("_"):
            help = "such names are the compiler's own"
            self.e.error("E207", span, f"`{name}` starts with an underscore", help)
        scope.names[name] = binding

    def _typedef(self, scope: Scope, d: ast.TypeDef) -> None:
        if d.name in scope.types:
            self.e.error("E202", d.span, f"the type `{d.name}` is defined twice", "rename one")
        scope.types[d.name] = d
        self._members(scope, d.type)

    def _inline_members(self, scope: Scope, d: ast.Declaration) -> None:
        types = [getattr(d, "type", None)]
        if isinstance(d, ast.Function):
            types = [line.type for line in d.body if not isinstance(line, ast.Assume)]
        for type in types:
            if type is not None:
                self._members(scope, type)

    def _members(self, scope: Scope, x: ast.TypeExpr) -> None:
        """Bind the members of an enumeration, names of the whole program."""
        if len(set(x.members)) < len(x.members):
            self.e.error("E202", x.span, "a member is listed twice", "each member stands once")
            return
        type = Type(Kind.ENUM, (), x.members)
        for code, member in enumerate(x.members):
            known = self.e.members.get(member)
            if known is not None and known != type:
                message = f"`{member}` is a member of two different enumerations"
                self.e.error("E202", x.span, message, "rename one of them")
            elif known is None or member not in scope.names:
                self.e.members[member] = type
                node = self.e.build.const(code, type, x.span)
                self.bind(scope, member, Value(node, x.span), x.span)

    def _length(self, scope: Scope, tree: ast.Tree) -> Binding:
        """What `length` stands for, in imported files too."""
        declared = [d for d in tree.declarations if isinstance(d, ast.Length)]
        for extra in declared[1:]:
            self.e.error("E202", extra.span, "`length` is declared twice", "remove one of them")
        if self.length is not None or not declared:
            return Value(self.e.build.const(self.e.length, INT))
        first = declared[0]
        return Lazy(first, scope, "length", lambda: self._declared_length(scope, first))

    def _declared_length(self, scope: Scope, d: ast.Length) -> int | None:
        e = self.e
        ref = constant(e, d.value, scope, "the length")
        n = e.const_int(ref, d.value.span, "the length")
        if n is not None and not 1 <= n <= 2**40:
            message = f"the length {n} is not between 1 and 2^40"
            e.error("E303", d.value.span, message, "choose another length")
        elif n is not None:
            e.length = n
        return e.build.const(e.length, INT)

    def _declare(self, scope: Scope, d: ast.Declaration, main: bool) -> None:
        if isinstance(d, ast.Definition | ast.State):
            self.bind(scope, d.name, Lazy(d, scope, d.name), d.span)
        elif isinstance(d, ast.Function):
            self._check_names(d)
            self.bind(scope, d.name, Routine(d, scope), d.span)
        elif isinstance(d, ast.Param):
            make = partial(set_param, self, scope, d, main)
            self.bind(scope, d.name, Lazy(d, scope, d.name, make), d.span)
        elif isinstance(d, ast.Input):
            make = partial(self._input, scope, d)
            self.bind(scope, d.name, Lazy(d, scope, d.name, make), d.span)

    def _check_names(self, d: ast.Function) -> None:
        """Each name is defined once in a function."""
        seen: set[str] = set()
        for x in (*d.formals, *d.body):
            if not isinstance(x, ast.Assume):
                if x.name in seen:
                    message = f"`{x.name}` is defined twice in `{d.name}`"
                    self.e.error("E202", x.span, message, "rename one of them")
                seen.add(x.name)

    def _input(self, scope: Scope, d: ast.Input) -> int | None:
        e = self.e
        declared = declared_type(e, d.type, scope)
        node = None
        if declared is not None and not declared.bounded:
            help = f"write its range, as in `{d.name}: {declared.type.with_shape(())} in 0..9`"
            e.error("E318", d.type.span, f"the input `{d.name}` has no bounds", help)
        elif declared is not None and len(declared.type.shape or ()) > 1:
            e.error("E301", d.type.span, "an input is a scalar or a vector", "use several inputs")
        elif declared is not None:
            assert declared.lo is not None and declared.hi is not None
            field = Field(d.name, declared.type, declared.lo, declared.hi, d.span)
            e.build.inputs.append(field)
            node = e.build.add(Node("input", (), declared.type, (d.name,), d.span))
        return node

    # Values

    def _values(self, top: Scope) -> None:
        e = self.e
        own = [b for b in top.names.values() if isinstance(b, Lazy)]
        for binding in sorted(own, key=lambda b: not isinstance(b.syntax, ast.Input)):
            force(e, binding, binding.span)
        for d in self.tree.declarations:
            if isinstance(d, ast.Output):
                self._output(top, d)
            elif isinstance(d, ast.Assume):
                assume(e, d, top)
            elif isinstance(d, ast.TypeDef):
                declared_type(e, ast.TypeExpr(d.name, (), (), None, span=d.type.span), top)
        while e.deferred:
            e.deferred.pop(0)()
        check_uncalled(e, self.tree, top)
        if not any(isinstance(d, ast.Output) for d in self.tree.declarations):
            end = len(self.tree.source.text.rstrip())
            span = Span(self.tree.source, max(end - 1, 0), end)
            e.error("E208", span, "the program has no output", "add `output expression`")
        if not any(isinstance(d, ast.Input) for d in self.tree.declarations):
            span = Span(self.tree.source, 0, 1)
            e.error("E209", span, "the program has no input", "add `input x: int in 0..1`")

    def _output(self, top: Scope, d: ast.Output) -> None:
        bare = d.value.name if isinstance(d.value, ast.Name) else None
        name = d.name or bare or "output"
        self._check_output_name(top, d, bare)
        node = expression(self.e, d.value, top)
        if d.type is not None:
            node = conform(self.e, node, d, top, name)
        if any(o.name == name for o in self.outputs):
            message = f"two outputs are called `{name}`"
            self.e.error("E202", d.span, message, "write `output name = expression`")
        elif node is not None:
            if len(self.e.type(node).shape or ()) > 1:
                self.e.error("E306", d.value.span, "a matrix cannot be an output", "take a row")
            self.outputs.append(Output(name, node, d.span))

    def _check_output_name(self, top: Scope, d: ast.Output, bare: str | None) -> None:
        """An output may bear the name of what it shows, but not of another value."""
        old = top.names.get(d.name) if d.name and d.name != bare else None
        if isinstance(old, Lazy):
            message = f"`{d.name}` is defined twice (first in line {old.span.line})"
            self.e.error("E202", d.span, message, "rename one of them")
