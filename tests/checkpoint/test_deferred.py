"""Names and circuits of a model are made when they are asked for."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest

import lsrl
from lsrl.deferred import Deferred

EXAMPLE = Path(__file__).parents[2] / "examples/majority.lsrl"


def test_it_is_made_once_and_late() -> None:
    calls = []
    found = Deferred(lambda: calls.append(1) or {"a": 1})  # type: ignore[func-returns-value]
    assert not calls
    assert repr(found) == "Deferred(...)"
    assert dict(found) == {"a": 1} == found
    assert len(found) == len(calls) == 1
    assert repr(found) == "{'a': 1}"
    for other in (copy.deepcopy(found), pickle.loads(pickle.dumps(found))):
        assert type(other) is dict
        assert other == found


def test_compiling_alone_makes_no_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []
    made = lsrl.pipeline.symbols
    monkeypatch.setattr("lsrl.pipeline.symbols", lambda *a: asked.append(1) or made(*a))
    model = lsrl.compile(lsrl.load(EXAMPLE), verify=False)
    model.run([True, False, True])
    assert not asked
    model.save(tmp_path / "out")
    assert asked == [1]
    assert lsrl.load_model(tmp_path / "out").symbols == model.symbols
