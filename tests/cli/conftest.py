"""A way to run commands, and a few programs to run them on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lsrl.cli import main

Lsrl = Callable[..., Result]

MAJORITY = """\
\"\"\"More ones than zeros?\"\"\"

param lead: int = 0
length <= 64
input bit: int in 0..1
state ones = 0 then ones + bit
output ones
output majority = 2 * ones > steps() + 1 + lead

example "two of three": [1, 0, 1] -> {ones: [1, 1, 2], majority: [true, false, true]}
"""

MIXED = """\
type light = {red, green}
input colour: light
input v: real[2] in -1..1
input go: bool
output next = if go then green else colour
output total = sum(v)
output half = v / 2
"""


@pytest.fixture
def lsrl() -> Lsrl:
    """Runs a command; it must end in one of the known ways and never with a traceback."""

    def run(*args: Any, input: str | bytes | None = None) -> Result:
        result = CliRunner().invoke(main, [str(a) for a in args], input=input)
        assert isinstance(result.exception, SystemExit | None), result.exception
        assert "Traceback" not in result.output
        if "--json" in args:
            assert isinstance(json.loads(result.stdout), dict)
            assert result.stdout.count("\n") == 1
        return result

    return run


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "majority.lsrl"
    path.write_text(MAJORITY)
    return path


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    path = tmp_path / "mixed.lsrl"
    path.write_text(MIXED)
    return path


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    source = folder / "majority.lsrl"
    source.write_text(MAJORITY)
    args = ["compile", str(source), "-t", "linear-rnn", "-o", str(folder / "out")]
    result = CliRunner().invoke(main, args)
    assert result.exit_code == 0, result.output
    return folder / "out"


@pytest.fixture
def checkpoint(saved: Path, tmp_path: Path) -> Path:
    """A checkpoint of MAJORITY that a test may damage."""
    return Path(shutil.copytree(saved, tmp_path / "out"))


def contents(folder: Path) -> dict[str, bytes | None]:
    """All files below a folder, and folders (None)."""
    return {
        str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None
        for p in sorted(folder.rglob("*"))
    }


@pytest.fixture
def unchanged(tmp_path: Path) -> Callable[[], bool]:
    """Ask it first when the files are ready, then whether they still are as they were."""
    before: list[dict[str, bytes | None]] = []

    def ask() -> bool:
        before.append(contents(tmp_path))
        return before[0] == before[-1]

    return ask
