"""docs/expressivity.md is what benchmarks/expressivity.py writes."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "expressivity.md"


def script() -> Any:
    path = ROOT / "benchmarks" / "expressivity.py"
    spec = importlib.util.spec_from_file_location("expressivity", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_script_writes() -> None:
    assert PAGE.read_text(encoding="utf-8") == script().page()


def test_every_example_has_a_row_and_a_section() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    for path in (ROOT / "examples").glob("*.lsrl"):
        assert sum(line.startswith(f"| [{path.stem}](#{path.stem}) |") for line in lines) == 1
        assert f"### {path.stem}" in lines
