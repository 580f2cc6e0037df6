"""Checkpoints in torch's own classes, in a process that cannot import LSRL (`stock_child.py`)."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lsrl
from lsrl.sampling import Sampler

CHILD = Path(__file__).with_name("stock_child.py")
EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.lsrl"))
SITE = str(Path(torch.__file__).parents[1])
LONG = 10_000
BATCH = 8
MOST_PARAMETERS = 100_000
# What is compiled: each dtype and each encoding at the declared length and at T = 10,000.
RUNS = [
    ("float32", "number", None),
    ("float64", "onehot", None),
    ("float32", "onehot", LONG),
    ("float64", "number", LONG),
]
# To draw 10,000 steps of these that meet their promises takes minutes: of two the last steps repeat
# in one run, of which all targets hold both.
SLOW = {"capitals", "dictionary", "scattered_copy", "vector"}
PROMPTS = {"dictionary", "vector"}
PROMPT, PERIOD = 120, 12  # steps of what is drawn, and of what repeats: whole keys and values
# How many of the examples a target holds at least, at their length and at T = 10,000.
FLOORS = {"lstm": (35, 32), "gru": (35, 32), "rnn": (35, 32), "rnn-tanh": (34, 30)}


@lru_cache
def drawn(path: Path, length: int | None) -> tuple[lsrl.Program, dict[str, Any], dict[str, Any]]:
    """A program, a batch of 8 sequences in which all comparisons are determined, and outputs."""
    program = lsrl.load(path, length=length)
    steps = min(program.length, length or 1024)
    sampler, parts = Sampler(program, seed=3), []
    draw = prompted if length == LONG and path.stem in PROMPTS else Sampler.draw
    while len(parts) < BATCH:
        data = draw(sampler, BATCH, steps)
        kept = ~program.interpreter.run(data).mattered
        parts += [{k: x[b] for k, x in data.items()} for b in np.flatnonzero(kept)]
    data = {k: np.stack([x[k] for x in parts[:BATCH]]) for k in parts[0]}
    meant = program.interpreter.run(data)
    inputs = {f"in.{k}": x for k, x in data.items()}
    return program, inputs, {f"out.{k}": y for k, y in meant.outputs.items()}


def prompted(sampler: Sampler, n: int, steps: int) -> dict[str, Any]:
    """At most n sequences whose last steps repeat, and that meet all promises nevertheless."""
    data = sampler.draw(6 * n, PROMPT)
    for count in (n * PERIOD, steps - PROMPT):
        longer = {k: np.concatenate([x, repeated(x, count)], axis=1) for k, x in data.items()}
        careful = np.zeros(len(next(iter(data.values()))), dtype=bool)
        kept = sampler.screen.passes(longer, careful)
        data = {k: x[kept][:n] for k, x in data.items()}
    return {k: x[kept][:n] for k, x in longer.items()}


def repeated(x: np.ndarray, count: int) -> np.ndarray:
    """The last steps of sequences `[B, T, ...]` again and again."""
    return x[:, x.shape[1] - PERIOD + np.arange(count) % PERIOD]


def save(target: str, run: tuple[str, str, int | None], path: Path, folder: Path) -> bool:
    """The checkpoint and its data, if the target holds the program."""
    dtype, encoding, length = run
    if length == LONG and path.stem in SLOW and (run != RUNS[-1] or path.stem not in PROMPTS):
        return False
    program = lsrl.load(path, length=length)
    options: Any = {"dtype": dtype, "encoding": encoding, "max_parameters": MOST_PARAMETERS}
    try:
        model = lsrl.compile(program, target, verify=False, **options)
    except lsrl.UnsupportedError:
        return False
    _, inputs, outputs = drawn(path, length)
    model.save(folder)
    np.savez(folder / "data.npz", **inputs, **outputs)
    return True


def run_child(folders: list[Path], cwd: Path) -> dict[str, Any]:
    command = [sys.executable, "-I", "-S", str(CHILD), SITE, *map(str, folders)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("target", FLOORS)
def test_checkpoints_run_in_the_stock_class(target: str, tmp_path: Path) -> None:
    """0 wrong integers and booleans; reals within certificate.json's bound."""
    folders, counts = [], dict.fromkeys(RUNS, 0)
    for run in RUNS:
        for path in EXAMPLES:
            folder = tmp_path / f"{path.stem}-{'-'.join(map(str, run))}"
            if save(target, run, path, folder):
                folders.append(folder)
                counts[run] += 1
    report = run_child(folders, tmp_path)
    assert len(report) == len(folders)
    names = {folder.name for folder in folders}
    assert {f"{stem}-{'-'.join(map(str, RUNS[-1]))}" for stem in PROMPTS} <= names
    for folder, entry in report.items():
        assert entry["emitted"], folder
        for name, output in entry["outputs"].items():
            assert output["wrong"] == 0, (folder, name, output)
    for (_, _, length), n in counts.items():
        assert n >= FLOORS[target][length is not None], counts
        positions = [report[str(f)]["positions"] for f in folders if f.name.endswith(str(LONG))]
        assert set(positions) == {BATCH * LONG}


def test_the_child_cannot_import_lsrl(tmp_path: Path) -> None:
    """Nor does it pass a wrong answer, or a checkpoint of other weights."""
    folder = tmp_path / "m"
    path = next(p for p in EXAMPLES if p.stem == "majority")
    assert save("gru", RUNS[0], path, folder)
    with np.load(folder / "data.npz") as data:
        changed = {k: np.array(v) for k, v in data.items()}
    changed["out.output"] = ~changed["out.output"]
    np.savez(folder / "data.npz", **changed)
    report = run_child([folder], tmp_path)[str(folder)]
    assert report["outputs"]["output"]["wrong"] == report["positions"]
    code = f"import sys; sys.path.append({SITE!r}); sys.path.append({str(CHILD.parent)!r})\n"
    code += "import stock_child; sys.meta_path.insert(0, stock_child.Blocker()); import lsrl"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert "lsrl is not here" in done.stderr
