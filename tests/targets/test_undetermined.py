"""Comparisons of reals inside their guard band, where that does not matter: no certificate is left.

What is undetermined lies anywhere between its values, but a state has to keep what it has or take
something else: no block and no gate mixes the two as a choice would.
"""

from __future__ import annotations

import numpy as np
import pytest
from agreement import within

import lsrl
from lsrl.interpret.run import Interpreter

REALS = "length <= 24\ninput r: real in 0..1\ninput q: real in 0..1\ninput c: bool\n"
PROGRAMS = {
    "fallen already": "output always(r <= 0.5)",
    "risen already": "output ever(r > 0.5)",
    "the same either way": "state s = 0 then if r > 0.5 then 1 else (if c then 1 else s)\noutput s",
    "kept by its own value": "state s = false then if r > q then true else s or c\noutput s",
    "of two, one undetermined": "state s = 0 then if r > 0.5 and c then 2 else "
    "(if q > 0.5 or c then 2 else s + 1)\noutput if s > 2 then 3 else s",
    "kept either way": "state s = 0.25 then if r > 0.5 then s else (if c then 0 else s)\noutput s",
    "a latch of what it holds": "state s = 0.75 then if c then 0.75 else "
    "(if r > 0.5 then 0.75 else s)\noutput s",
    "written either way": "state s = 0 then if r > q and q > 0.5 then (if c then 3 else s) else "
    "(if c then 3 else (if r > 0.5 and c then 1 else s))\noutput s",
}
TARGETS = ["mamba", "hawk", "lstm", "gru", "rnn", "rnn-tanh"]
SEQUENCES = 600


def drawn(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Mostly far from 1/2; else at it, away from it by 2^-9 to 2^-40, or where sigmoids of the
    margin are neither 0 nor 1."""
    shape = SEQUENCES, 24

    def near() -> np.ndarray:
        sign = rng.choice([-1, 0, 1], shape)
        away = np.where(
            rng.random(shape) < 0.5, 2.0 ** -rng.uniform(9, 40, shape), 1e-6 * rng.random(shape)
        )
        far = rng.choice([0.0, 0.3, 0.7, 1.0], shape)
        return np.clip(np.where(rng.random(shape) < 0.8, far, 0.5 + sign * away), 0, 1)

    r, q = near(), near()
    q = np.where(rng.random(shape) < 0.2, r, q)
    return {"r": r, "q": q, "c": rng.random(shape) < 0.3}


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("target", TARGETS)
def test_what_does_not_matter_does_not_show(target: str, name: str) -> None:
    program = lsrl.parse(REALS + PROGRAMS[name])
    model = lsrl.compile(program, target, verify=False)
    data = drawn(np.random.default_rng(3))
    meant = Interpreter(program.graph, tolerance=1e-12).run(data)
    kept = ~meant.mattered
    close = np.zeros(SEQUENCES, dtype=bool)
    for margin in meant.margins:
        close[sorted(margin.sequences)] = True
    assert (kept & close).sum() > 20
    wanted = {output: y[kept] for output, y in meant.outputs.items()}
    for backend in ("numpy", "torch"):
        y = model.runner(backend).run(model.stacked(data))[kept]
        within(model, y, wanted, backend)
