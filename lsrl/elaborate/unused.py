"""Functions that nothing calls: their names and recursion are checked all the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from ..errors import suggest
from ..syntax import ast
from .calls import BUILTINS, recursive
from .core import Elaborator
from .scope import Scope


def check_uncalled(e: Elaborator, tree: ast.Tree, top: Scope) -> None:
    """Report unknown names and recursion in functions (those called were elaborated already)."""
    calls: dict[str, list[ast.Call]] = {}
    for d in tree.declarations:
        if isinstance(d, ast.Function):
            local = {f.name for f in d.formals}
            local |= {x.name for x in d.body if not isinstance(x, ast.Assume)}
            calls[d.name] = []
            for x, names in _uses((d.body, d.result), local):
                _check(e, x, names, top)
                if isinstance(x, ast.Call) and x.name not in names:
                    calls[d.name].append(x)
    if not any(code == "E402" for code, _, _ in e.problems):
        _check_recursion(e, calls)


def _check_recursion(e: Elaborator, calls: dict[str, list[ast.Call]]) -> None:
    """Report the first call on each path that leads back to a function on that path."""
    done: set[str] = set()
    for start in calls:
        path: list[tuple[str, Iterator[ast.Call]]] = [(start, iter(calls[start]))]
        while path and start not in done:
            call = next(path[-1][1], None)
            names = [name for name, _ in path]
            if call is None:
                done.add(path.pop()[0])
            elif call.name in names:
                recursive(e, call, [*names[names.index(call.name) :], call.name])
            elif call.name in calls and call.name not in done:
                path.append((call.name, iter(calls[call.name])))


def _check(e: Elaborator, x: ast.Name | ast.Call, local: set[str], top: Scope) -> None:
    if x.name in local or top.find(x.name) is not None:
        return
    if isinstance(x, ast.Call):
        if x.name in BUILTINS and not x.name.startswith("_"):
            return
        known = [*top.all_names(), *(b for b in BUILTINS if not b.startswith("_"))]
        help = suggest(x.name, known) or "define it with `def`"
        e.error("E201", x.span, f"the function `{x.name}` is not defined", help)
    else:
        help = suggest(x.name, [*local, *top.all_names()])
        help = help or "define it, or declare it as an `input`"
        e.error("E201", x.span, f"the name `{x.name}` is not defined", help)


def _uses(x: Any, local: set[str]) -> Iterator[tuple[ast.Name | ast.Call, set[str]]]:
    """Each name and each call in a piece of syntax, with the names bound around it."""
    if isinstance(x, ast.Name | ast.Call):
        yield x, local
    if isinstance(x, ast.Comprehension):
        local = local | {x.variable}
    if isinstance(x, tuple):
        for item in x:
            yield from _uses(item, local)
    elif is_dataclass(x) and isinstance(x, ast.Syntax):
        for f in fields(x):
            if f.name != "span":
                yield from _uses(getattr(x, f.name), local)
