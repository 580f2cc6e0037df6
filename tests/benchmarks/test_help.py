"""Every script parses its arguments before it does anything, so that `--help` measures nothing."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SCRIPTS = [
    path
    for path in sorted((Path(__file__).parents[2] / "benchmarks").glob("*.py"))
    if "__main__" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.stem)
def test_help(path: Path) -> None:
    """Read from the text: to run them all would take longer than their imports are worth."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    (main,) = (f for f in tree.body if isinstance(f, ast.FunctionDef) and f.name == "main")
    calls = (ast.unparse(c.func) for c in ast.walk(main) if isinstance(c, ast.Call))
    assert next(c for c in calls if not c.startswith(("parser.", "given."))) in (
        "argparse.ArgumentParser", "argparse.ArgumentParser(description=__doc__).parse_args",
    )  # fmt: skip
    assert "parse_args()" in ast.unparse(main)
