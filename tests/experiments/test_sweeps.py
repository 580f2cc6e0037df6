"""Sweeps: cells, seeds, resuming, damaged files, workers that die, interruptions."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from lsrl.errors import OptionError
from lsrl.experiments import Sweep, engine, read_sweep, run, study
from lsrl.experiments.results import parsed, read_rows
from lsrl.experiments.sweep import Cell
from lsrl.experiments.workers import Done, Failure, Here, Local, work

SMALL = {
    "cells": 2, "queries": 4, "model": ["linear-rnn", "rnn"], "function": ["smooth", "ackley"],
    "repeats": 2,
}  # fmt: skip
CELLS = 8


def sweep(**changes: Any) -> Sweep:
    return Sweep.of(study("vector"), SMALL | changes)


def test_cells_are_stable_and_see_the_same_tasks() -> None:
    cells = sweep().cells(study("vector"))
    assert len({c.id for c in cells}) == len(cells) == CELLS
    assert [c.id for c in cells] == [c.id for c in sweep().cells(study("vector"))]
    assert {c.id for c in cells}.isdisjoint(c.id for c in sweep(seed=1).cells(study("vector")))
    more = sweep(repeats=3).cells(study("vector"))
    assert {c.id for c in cells} < {c.id for c in more}
    first, other, *_ = cells
    assert first["model"] == other["model"] or first["function"] == other["function"]
    assert first.random("points").random() == other.random("points").random()
    assert first.random("points").random() != more[-1].random("points").random()


def test_the_same_sweep_gives_the_same_rows_in_any_order(tmp_path: Path) -> None:
    once = run(sweep(), tmp_path / "a", jobs=1)
    assert (once.cells, once.done, once.resumed, len(once.rows)) == (CELLS, CELLS, 0, CELLS)
    chosen = sweep()
    values = {k: tuple(reversed(v)) for k, v in chosen.values.items()}
    run(Sweep(chosen.study, values, chosen.seed, chosen.repeats), tmp_path / "b", jobs=1)
    by_cell = lambda folder: {(r["cell"], r["part"]): r for r in read_rows(tmp_path / folder)}
    assert by_cell("a") == by_cell("b")
    assert (tmp_path / "a/results.parquet").read_bytes() == (
        tmp_path / "b/results.parquet"
    ).read_bytes()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The rows of the small sweep."""
    folder = tmp_path_factory.mktemp("finished")
    run(sweep(), folder, jobs=1)
    return (folder / "rows.jsonl").read_bytes()


def prepared(folder: Path, rows: bytes) -> Path:
    folder.mkdir()
    (folder / "sweep.json").write_text('{"format": 1, "study": "vector"}')
    (folder / "rows.jsonl").write_bytes(rows)
    return folder


@pytest.mark.parametrize("cut", [0, 1, 200, 2000])
def test_a_file_cut_at_its_end(tmp_path: Path, finished: bytes, cut: int) -> None:
    folder = prepared(tmp_path / "cut", finished[: len(finished) - cut])
    whole, damaged = parsed(finished[: len(finished) - cut])
    ran = run(sweep(), folder, jobs=1)
    assert ran.resumed == len(whole) and ran.done == CELLS - len(whole)
    assert [w.code for w in ran.warnings] == ["E057"] * (damaged > 0)
    assert sorted((folder / "rows.jsonl").read_bytes().splitlines()) == sorted(
        finished.splitlines()
    )
    assert (
        (folder / "rows.jsonl").read_bytes().startswith(finished[: len(finished) - cut - damaged])
    )


def test_a_file_damaged_in_the_middle(tmp_path: Path, finished: bytes) -> None:
    lines = finished.splitlines(keepends=True)
    lines[2] = b"\xff\x00" + lines[2][40:]
    folder = prepared(tmp_path / "middle", b"".join([*lines, lines[0]]))
    ran = run(sweep(), folder, jobs=1)
    assert (ran.resumed, ran.done) == (CELLS - 1, 1)
    assert sorted((folder / "rows.jsonl").read_bytes().splitlines()) == sorted(
        finished.splitlines()
    )


def test_rows_of_another_version_are_kept(tmp_path: Path, finished: bytes) -> None:
    half = finished.splitlines(keepends=True)[:3]
    old = b"".join(half).replace(b'"lsrl ', b'"lsrl 0.0.1 before ')
    folder = prepared(tmp_path / "old", old)
    ran = run(sweep(), folder, jobs=1)
    assert (ran.resumed, ran.done, [w.code for w in ran.warnings]) == (3, CELLS - 3, ["E058"])
    assert (folder / "rows.jsonl").read_bytes().startswith(old)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"sweep.json": '{"format": 1, "study": "noise"}'}, "holds results of `noise`"),
        ({"sweep.json": '{"format": 99, "study": "vector"}'}, "of another format"),
        ({"sweep.json": "{"}, "is damaged"),
        ({"thesis.tex": ""}, "holds other files"),
    ],
)
def test_folders_of_something_else(tmp_path: Path, content: dict[str, str], words: str) -> None:
    for name, text in content.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(OptionError, match=words) as caught:
        run(sweep(), tmp_path, jobs=1)
    assert caught.value.code == "E052"
    assert {p.name for p in tmp_path.iterdir()} == set(content)


def test_a_folder_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def other_run(chosen: Any, pending: Any, *rest: Any) -> None:
        with pytest.raises(OptionError, match="in use by another run"):
            run(sweep(), tmp_path, jobs=1)

    monkeypatch.setattr(engine, "_run", other_run)
    run(sweep(), tmp_path, jobs=1)


class Interrupted:
    """Workers on which somebody presses Ctrl-C after two cells."""

    def run(self, cells: Sequence[Cell]) -> Iterator[Done]:
        yield from Here().run(cells[:2])
        raise KeyboardInterrupt


def test_ctrl_c_loses_nothing(
    tmp_path: Path, finished: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(engine, "workers", lambda jobs, scheduler: Interrupted())
        ran = run(sweep(), tmp_path, jobs=1)
    assert (ran.interrupted, ran.done, len(read_rows(tmp_path))) == (True, 2, 2)
    ran = run(sweep(), tmp_path, jobs=1)
    assert (ran.interrupted, ran.resumed, ran.done) == (False, 2, CELLS - 2)
    assert (tmp_path / "rows.jsonl").read_bytes() == finished


def test_a_cell_that_fails_is_not_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = sweep().cells(study("vector"))

    class Failing:
        def run(self, pending: Sequence[Cell]) -> Iterator[Done]:
            for cell in pending:
                yield cell, Failure("ZeroDivisionError: no") if cell == cells[1] else work(cell)

    with monkeypatch.context() as patch:
        patch.setattr(engine, "workers", lambda jobs, scheduler: Failing())
        ran = run(sweep(), tmp_path, jobs=1)
    assert ran.failures == {cells[1].id: "ZeroDivisionError: no"}
    assert run(sweep(), tmp_path, jobs=1).done == 1


KILLER = """\
import os, pathlib, signal
import numpy as np

def f(x):
    try:
        pathlib.Path({mark!r}).touch(exist_ok=False)
    except FileExistsError:
        return np.zeros(len(x))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_local_worker_that_dies(tmp_path: Path) -> None:
    """In two processes, one of which is killed: no row is lost or doubled."""
    source = tmp_path / "killer.py"
    source.write_text(KILLER.format(mark=str(tmp_path / "mark")))
    chosen = sweep(function=[f"{source}:f", "smooth"], model="linear-rnn")
    ran = run(chosen, tmp_path / "out", jobs=2)
    assert (tmp_path / "mark").exists()
    assert not ran.failures and not ran.refused
    rows = read_rows(tmp_path / "out")
    assert sorted(r["cell"] for r in rows) == sorted(c.id for c in chosen.cells(study("vector")))
    assert (tmp_path / "out/rows.jsonl").read_bytes().count(b"\n") == len(rows)


def test_interrupting_local_workers(tmp_path: Path) -> None:
    """The real command, stopped with SIGINT while its two processes work: they end, status 130."""
    out = tmp_path / "out"
    slow = tmp_path / "slow.py"
    slow.write_text("import time\n\ndef f(x):\n    time.sleep(60)\n")
    command = [sys.executable, "-m", "lsrl", "experiment", "vector", "-o", str(out), "--jobs", "2"]
    command += ["--cells", "2", "--queries", "4", "--model", "linear-rnn", "--repeats", "2"]
    command += ["--function", f"smooth,{slow}:f"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    rows = out / "rows.jsonl"
    until(lambda: rows.exists() and rows.read_bytes().count(b"\n") >= 1)
    process.send_signal(signal.SIGINT)
    _, words = process.communicate(timeout=30)
    assert process.returncode == 130, words
    assert "of 4 cells are done; run it again to go on" in words
    assert "Traceback" not in words
    assert {r["function"] for r in read_rows(out)} == {"smooth"}


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_local_workers_give_the_same_rows(tmp_path: Path, finished: bytes) -> None:
    before = dict(os.environ)
    cells = sweep().cells(study("vector"))[:3]
    done = {c.id: outcome for c, outcome in Local(2).run(cells)}
    assert dict(os.environ) == before
    rows = {r["cell"]: r for r in map(json.loads, finished.splitlines())}
    for cell in cells:
        (row,) = done[cell.id].rows
        assert row.items() <= rows[cell.id].items()


def test_reading_a_sweep(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text('study = "vector"\ncells = [2, 4]\nseed = 3\n')
    assert read_sweep(path, "vector") == {"cells": [2, 4], "seed": 3}
    for text, words in [("cells = [", "is not TOML"), ('study = "noise"', "not of `vector`")]:
        path.write_text(text)
        with pytest.raises(OptionError, match=words) as caught:
            read_sweep(path, "vector")
        assert caught.value.code == "E050"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"cels": 2}, "there is no setting `cels`"),
        ({"cells": 2.5}, "`cells` is an integer, not 2.5"),
        ({"cells": True}, "`cells` is an integer, not True"),
        ({"cells": 0}, "at least 1"),
        ({"cells": []}, "is given no value"),
        ({"cells": [2, 2]}, "is given a value twice"),
        ({"dtype": "float31"}, "no value `float31`"),
        ({"seed": [1, 2]}, "single numbers"),
    ],
)
def test_settings_that_cannot_be(given: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError, match=words) as caught:
        Sweep.of(study("vector"), given)
    assert caught.value.code == "E051"
