"""docs/tracing.md says what really happens."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from lsrl.cli import main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tracing.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)


def test_commands_print_what_is_shown() -> None:
    shown = "".join(re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL))
    parts = re.split(r"^\$ ", shown, flags=re.MULTILINE)[1:]
    assert len(parts) == 5
    for part in parts:
        command, _, output = part.partition("\n")
        words = [w.strip("'") for w in re.findall(r"'[^']*'|\S+", command)][1:]
        assert CliRunner().invoke(main, words).output.strip() == output.strip(), command


def test_the_python_shown_runs() -> None:
    names: dict[str, object] = {}
    exec("".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)), names)
    model, x, trace, patched = (names[n] for n in ("model", "x", "trace", "patched"))
    assert trace["query"][2].tolist() == [5, 17, 3]  # type: ignore[index]
    assert trace["found"].nonzero()[0].tolist() == [12]  # type: ignore[index]
    assert trace.first_divergence() is None  # type: ignore[attr-defined]
    assert model.run(x)[6:].tolist() == [0, 0, 0, 0, 0, 0, 4, 5, 6]  # type: ignore[attr-defined]
    assert patched.run(x)[6:9].tolist() == [7, 8, 9]  # type: ignore[attr-defined]
    assert np.array_equal(patched.run(x), patched.meaning(x))  # type: ignore[attr-defined]
