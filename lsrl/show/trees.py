"""The syntax tree: an indented dump, DOT, and plain data. All three come from the plain data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from fractions import Fraction
from typing import Any

from ..ir.view import quote
from ..syntax import ast
from .words import exact


def data(tree: ast.Tree) -> dict[str, Any]:
    """Nodes as records with `node` (the class), `line`, `column` and their fields."""
    return {"declarations": [_plain(d) for d in tree.declarations]}


def _plain(value: Any) -> Any:
    if isinstance(value, ast.Syntax):
        record = {"node": type(value).__name__, "line": value.span.line}
        record["column"] = value.span.column
        kept = [f.name for f in fields(value) if f.compare]
        return record | {name: _plain(getattr(value, name)) for name in kept}
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, Fraction):
        return exact(value)
    return value


def text(tree: ast.Tree) -> str:
    """One node a line with its line and column, children indented."""
    lines = [line for d in data(tree)["declarations"] for line in _lines(d, "", 0)]
    return "\n".join(lines) + "\n"


def _lines(value: Any, label: str, depth: int) -> Iterator[str]:
    indent, title = "  " * depth, f"{label}: " if label else ""
    if not isinstance(value, dict) or "node" not in value:
        yield f"{indent}{title}{json.dumps(value, ensure_ascii=False)}"
        return
    inline: list[tuple[str, Any]] = []
    below: list[tuple[str, Any]] = []
    for name, part in value.items():
        if name in ("node", "line", "column") or part is None or part is False or part == []:
            continue
        (below if _has_nodes(part) else inline).append((name, part))
    words = [f"{n}={json.dumps(p, ensure_ascii=False)}" for n, p in inline]
    yield " ".join([f"{indent}{title}{value['node']}", *words, _at(value)])
    for name, part in below:
        items = part if isinstance(part, list) else [part]
        for k, item in enumerate(items):
            tag = f"{name}[{k}]" if isinstance(part, list) else name
            if isinstance(item, list):  # a keyword or a setting: its name and its value
                tag, item = f"{tag} {item[0]}", item[1]
            yield from _lines(item, tag, depth + 1)


def _at(record: dict[str, Any]) -> str:
    return f"@{record['line']}:{record['column']}"


def _has_nodes(value: Any) -> bool:
    if isinstance(value, dict):
        return "node" in value or any(map(_has_nodes, value.values()))
    return isinstance(value, list) and any(map(_has_nodes, value))


def dot(tree: ast.Tree) -> str:
    """The tree in Graphviz's language."""
    lines = ["digraph ast {", '  node [shape=box, fontname="monospace"];']
    count = 0

    def visit(value: Any, parent: str | None, label: str) -> None:
        nonlocal count
        if isinstance(value, list):
            for item in value:
                visit(item, parent, label)
        if not isinstance(value, dict) or "node" not in value:
            return
        name, count = f"n{count}", count + 1
        words = [f"{k}={v}" for k, v in value.items() if isinstance(v, str) and k != "node"]
        lines.append(f"  {name} [label={quote(' '.join([value['node'], *words]))}];")
        if parent is not None:
            lines.append(f"  {parent} -> {name} [label={quote(label)}];")
        for key, part in value.items():
            visit(part, name, key)

    for declaration in data(tree)["declarations"]:
        visit(declaration, None, "")
    return "\n".join([*lines, "}"]) + "\n"
