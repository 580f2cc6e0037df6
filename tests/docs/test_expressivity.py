"""docs/expressivity.md is what benchmarks/expressivity.py writes."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from lsrl.targets import TARGETS
from lsrl.theorems import THEOREMS

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


def test_every_theorem_has_its_section_with_all_preconditions() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for theorem in THEOREMS:
        section = text.partition(f"## Theorem {theorem.number}: ")[2].partition("\n## ")[0]
        assert "**Preconditions.**" in section and "**Proof.**" in section and "[]" in section
        # the first of them, "for every length", is in the theorem itself
        assert f"({len(theorem.preconditions) - 1}) " in section
        assert f"({len(theorem.preconditions)}) " not in section
        assert f"witness for {theorem.name}: " in text


def test_the_targets_of_a_theorem_are_named() -> None:
    (line,) = (x for x in PAGE.read_text(encoding="utf-8").splitlines() if "| impossible | no" in x)
    for theorem in THEOREMS:
        names = [f"`{n}`" for n, t in TARGETS.items() if t.transition == theorem.transition]
        assert f"theorem {theorem.number} ({', '.join(names)})" in line
