"""The text of the functions that an emitted module uses, taken from the files in `functions/`."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

FRAMEWORKS = ("numpy", "torch", "jax")


@dataclass(frozen=True)
class Library:
    """A framework's functions: the imports, and by name each function's text and what it calls."""

    head: str
    texts: dict[str, str]
    calls: dict[str, frozenset[str]]

    def needed(self, names: Iterable[str]) -> list[str]:
        """The functions of these names and all that they call, in the file's order."""
        found, todo = set[str](), [n for n in names if n in self.texts]
        while todo:
            name = todo.pop()
            if name not in found:
                found.add(name)
                todo += self.calls[name]
        return [name for name in self.texts if name in found]


@cache
def library(framework: str) -> Library:
    """The functions of `numpy`, `torch` or `jax`. Reads the file; the framework is not imported."""
    path = files(__package__) / "functions" / f"{framework}_functions.py"
    source = path.read_text(encoding="utf-8")
    lines, texts, calls = source.splitlines(), {}, {}
    tree = ast.parse(source)
    functions = [n for n in tree.body if isinstance(n, ast.FunctionDef)]
    names = {f.name for f in functions}
    for f in functions:
        texts[f.name] = "\n".join(lines[f.lineno - 1 : f.end_lineno])
        used = {n.id for n in ast.walk(f) if isinstance(n, ast.Name)}
        calls[f.name] = frozenset(used & names - {f.name})
    start = tree.body[0].end_lineno or 0
    return Library("\n".join(lines[start : functions[0].lineno - 1]).strip(), texts, calls)
