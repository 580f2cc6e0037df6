"""Models that do not fit where they would be written."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

import lsrl
from lsrl.tensors import stored_size

Usage = namedtuple("Usage", "total used free")


def test_no_room_for_the_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = lsrl.parse("input x: bool\noutput prev(x)\n", length=10)
    model = lsrl.compile(program, verify=False)
    size = stored_size(model.weights, model.dtype)
    assert size == 4 * model.report.parameters
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, size - 1))
    with pytest.raises(lsrl.LsrlError, match="are free") as found:
        model.save(tmp_path / "model")
    assert found.value.diagnostics[0].code == "E031"
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, size))
    model.save(tmp_path / "model")
