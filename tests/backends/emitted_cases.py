"""Models whose emitted code is compared with its golden text, and run by itself."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import lsrl
from lsrl.sampling import Sampler

ROOT = Path(__file__).parents[2]
# A program of reals: its state decays.
REAL = """\
# A moving mean, and how far the input is off it.
input r: real in -1..1
state mean = 0.25 then 0.5 * mean + 0.5 * r
output mean
output off = r - mean
"""
# Program, target and dtype: the text of every kind of module, ...
CASES = [
    ("parity", "linear-rnn", "float32"),
    ("mean", "gated-linear-rnn", "bfloat16"),
    ("flip_flop", "lstm", "float32"),
    ("modular_addition", "gru", "float64"),
    ("majority", "rnn", "float32"),
    ("parity", "rnn-tanh", "float32"),
    ("majority", "mamba", "float32"),
    ("mean", "mamba", "float32"),
    ("majority", "hawk", "float32"),
    ("mean", "hawk", "float32"),
]
# ... and those of which checkpoints are run: every target, both interfaces.
RUN = [c for c in CASES if c not in (CASES[7], CASES[8])]
BATCH, STEPS = 8, 60


def name_of(case: tuple[str, str, str]) -> str:
    return "-".join(case)


@lru_cache
def compiled(program: str, target: str, dtype: str) -> lsrl.CompiledModel:
    options: Any = {"tolerance": float("inf")} if dtype == "bfloat16" else {}
    path = ROOT / "examples" / f"{program}.lsrl"
    loaded = lsrl.parse(REAL) if program == "mean" else lsrl.load(path)
    return lsrl.compile(loaded, target, dtype=dtype, verify=False, **options)


def data_of(model: lsrl.CompiledModel) -> tuple[Any, dict[str, Any]]:
    """Inputs as the model reads them, and what the program means by them."""
    data = Sampler(model.program, seed=2).draw(BATCH, STEPS)
    return model.stacked(data), model.program.interpreter.run(data).outputs
