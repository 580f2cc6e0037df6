"""The sweeps in `experiments/`: all their cells may begin; some of a smaller size are run, in which
each of their values comes once."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from lsrl.experiments import Sweep, read_sweep, study
from lsrl.experiments.study import Outcome
from lsrl.experiments.sweep import Cell
from lsrl.experiments.workers import work

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "experiments").glob("*/*.toml"))
SMALLER: dict[str, dict[str, Any]] = {
    "vector": {"cells": 2, "queries": 3},
    "dictionary": {"n": 2, "pairs": 2, "vocab": 3, "queries": 2},
    "noise": {"n": 2, "pairs": 2, "vocab": 3, "cells": 2, "queries": 2, "steps": 8,
              "sigma": [0.0, 0.5]},
    "precision": {"steps": 8, "sequences": 2},
    "length": {"certified": 16, "steps": [8, 40], "sequences": 1},
    "finetune": {"updates": [0, 1], "steps": 8, "batch": 8},
}  # fmt: skip
REFUSED = {("linear-rnn", "automaton")}  # by theorem 1 of docs/expressivity.md
Rows = Sequence[Any]


def named(path: Path) -> str:
    return str(tomllib.loads(path.read_text())["study"])


def covering(cells: Sequence[Cell]) -> Iterator[Cell]:
    """The cells that have a value which none before them has."""
    seen: set[tuple[str, str]] = set()
    for cell in cells:
        values = {(k, str(v)) for k, v in cell.settings.items()}
        if values - seen:
            seen |= values
            yield cell


def of_vector(cell: Cell, rows: Rows) -> None:
    assert all(0 < r["error"] <= r["worst"] <= r["bound"] for r in rows)


def of_dictionary(cell: Cell, rows: Rows) -> None:
    assert all((r["wrong"], r["answers_wrong"]) == (0, 0) and r["bound"] < 0.5 for r in rows)


def of_noise(cell: Cell, rows: Rows) -> None:
    assert [(r["protocol"], r["noise"], r["sigma"]) for r in rows] == [
        (p, k, s) for p in cell["protocol"] for k in cell["noise"] for s in cell["sigma"]
    ]
    value = "error" if cell["program"] == "vector" else "wrong"
    quiet = [r[value] for r in rows if r["sigma"] == 0]
    loud = [r[value] for r in rows if r["sigma"] > 0]
    assert max(loud) > max(quiet)
    if "paper" not in cell["model"]:  # with the paper's constants some are wrong without noise
        assert max(quiet) < (1.5 if value == "error" else 1e-9)


def of_precision(cell: Cell, rows: Rows) -> None:
    assert all(r["off"] <= r["bound"] for r in rows)


def of_length(cell: Cell, rows: Rows) -> None:
    assert [(r["steps"], r["beyond"]) for r in rows] == [(8, False), (40, True)]
    assert rows[0]["off"] <= rows[0]["bound"] and rows[0].get("wrong", 0) == 0


def of_finetune(cell: Cell, rows: Rows) -> None:
    assert [r["updates"] for r in rows] == [0, 1]
    if cell["start"] == "compiled" and cell["sigma"] == 0:
        assert (rows[0]["right"], rows[0]["kept"]) == (100, 100)
    else:
        assert rows[0]["right"] < 100


CHECKS: dict[str, Callable[[Cell, Rows], None]] = {
    "vector": of_vector, "dictionary": of_dictionary, "noise": of_noise,
    "precision": of_precision, "length": of_length, "finetune": of_finetune,
}  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_sweeps_in_files(path: Path) -> None:
    name = named(path)
    assert path.stem.partition("_")[0] == name  # `make experiments` relies on it
    chosen, given = study(name), read_sweep(path, name)
    for cell in Sweep.of(chosen, given).cells(chosen):
        chosen.check(cell)
    smaller = Sweep.of(chosen, given | SMALLER[name] | {"repeats": 1})
    for cell in covering(smaller.cells(chosen)):
        outcome = work(cell)
        assert isinstance(outcome, Outcome), (cell, outcome)
        if (cell["model"], cell.settings.get("program")) in REFUSED:
            assert outcome.rows[0]["refused"].startswith("E803")
        else:
            CHECKS[name](cell, outcome.rows)


def test_every_study_has_a_small_sweep() -> None:
    assert {named(p) for p in FILES if p.parent.name == "small"} == set(SMALLER)
