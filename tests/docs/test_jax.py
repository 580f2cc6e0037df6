"""docs/jax.md says what really happens."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "jax.md").read_text(encoding="utf-8")


def test_the_code_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    first, state, flax = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(first, names)
    x, model = names["x"], names["model"]
    assert np.array_equal(names["y"], model.equations(x)[:, 60:])
    assert np.array_equal(names["parallel"](x[:, :9])[0], model.equations(x[:, :9]))
    names["stream"].step(1)
    exec(state, names)
    assert names["other"].steps == 1
    exec(flax, names)
    assert np.array_equal(names["y"], names["lstm"].equations(names["x"]))
