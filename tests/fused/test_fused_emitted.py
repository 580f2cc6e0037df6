"""The emitted modules: their text, and what they give where only their framework is importable.

`LSRL_GOLDEN=1 pytest tests/fused/test_fused_emitted.py` writes tests/fused/golden anew: it is what
the emitted code was when somebody last looked at it.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fused_cases import SOURCE, difference, inputs

import lsrl
from lsrl.fused.emit import fuse
from lsrl.fused.library import FRAMEWORKS, library

ROOT = Path(__file__).parents[2]
CHILD, GOLDEN = Path(__file__).with_name("fused_child.py"), Path(__file__).parent / "golden"
SITE = str(Path(np.__file__).parents[1])
CASES = [("majority", "numpy"), ("exponential_smoothing", "torch"), ("automaton", "jax")]


@pytest.mark.parametrize(("name", "framework"), [*CASES, ("every_form", "numpy")])
def test_the_text(name: str, framework: str) -> None:
    path = ROOT / "examples" / f"{name}.lsrl"
    program = lsrl.load(path) if path.exists() else lsrl.parse(SOURCE)
    text = program.fused(framework).text
    if name == "every_form":  # its functions are in a file of their own
        text = text[text.index("INPUTS = ") :]
    golden = GOLDEN / f"{name}-{framework}.txt"
    if os.environ.get("LSRL_GOLDEN"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_with_nothing_but_the_framework(framework: str, tmp_path: Path) -> None:
    """Every form of state, in two parts."""
    program = lsrl.parse(SOURCE)
    data = inputs(2, 10)
    np.savez(tmp_path / "x.npz", **data)
    module = tmp_path / "fused_program.py"
    module.write_text(fuse(program.graph, program.facts).text(framework), encoding="utf-8")
    command = [sys.executable, "-I", "-S", "-W", "error", str(CHILD), SITE, framework, str(module)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    with np.load(tmp_path / "y.npz") as found:
        got = dict(found)
    assert difference(program, program.interpreter.run(data), got) is None


def test_all_frameworks_have_the_same_functions() -> None:
    """With the same arguments, but for helpers of one of them."""
    signatures = [
        {name: ast.unparse(ast.parse(text).body[0].args) for name, text in texts.items()}  # type: ignore[attr-defined]
        for texts in (library(f).texts for f in FRAMEWORKS)
    ]
    shared = signatures[2]
    for found, own in zip(
        signatures[:2], ({"decay_weights", "numbers"}, {"number", "woven", "compiled"}), strict=True
    ):
        assert shared.items() <= found.items()
        assert {*found} - {*shared} == own
