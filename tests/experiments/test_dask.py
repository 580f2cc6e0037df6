"""A Dask cluster of two workers, one of which is killed in the middle of a sweep."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lsrl.errors import OptionError
from lsrl.experiments import Sweep, run, study
from lsrl.experiments.results import read_rows

distributed = pytest.importorskip("distributed")
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

SLOW = """\
import pathlib, time, os
import numpy as np

def f(x):
    pathlib.Path({folder!r}, str(os.getpid())).touch()
    time.sleep(0.02)
    return np.zeros(len(x))
"""


@pytest.fixture
def cluster() -> Iterator[object]:
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as found:
        yield found


def test_no_row_is_lost_or_doubled(tmp_path: Path, cluster: object) -> None:
    seen = tmp_path / "seen"
    seen.mkdir()
    source = tmp_path / "slow.py"
    source.write_text(SLOW.format(folder=str(seen)))
    settings = {
        "function": f"{source}:f",
        "cells": 2,
        "queries": 2,
        "d_in": 3,
        "model": "linear-rnn",
    }
    sweep = Sweep.of(study("vector"), {**settings, "repeats": 8})
    out = tmp_path / "out"

    def kill_one() -> None:
        rows = out / "rows.jsonl"
        while not rows.exists() or rows.read_bytes().count(b"\n") < 2:
            time.sleep(0.01)
        os.kill(int(next(seen.iterdir()).name), signal.SIGKILL)

    killer = threading.Thread(target=kill_one, daemon=True)
    killer.start()
    ran = run(sweep, out, scheduler=cluster.scheduler_address)  # type: ignore[attr-defined]
    killer.join(timeout=5)
    assert not killer.is_alive()
    assert not ran.failures and not ran.refused and ran.done == 8
    assert (out / "rows.jsonl").read_bytes().count(b"\n") == 8
    rows = read_rows(out)
    assert {r["cell"] for r in rows} == {c.id for c in sweep.cells(study("vector"))}
    here = run(sweep, tmp_path / "here", jobs=1).rows
    assert sorted(here, key=lambda r: r["cell"]) == sorted(rows, key=lambda r: r["cell"])


def test_nothing_answers(tmp_path: Path) -> None:
    sweep = Sweep.of(study("vector"), {"cells": 2, "model": "linear-rnn", "repeats": 1})
    with pytest.raises(OptionError) as caught:
        run(sweep, tmp_path / "out", scheduler="nowhere://1")
    assert caught.value.code == "E055"
