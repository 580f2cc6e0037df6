"""Real states that the input lets fade: by cases, of which the largest factor bounds the error."""

from __future__ import annotations

import numpy as np
import pytest

import lsrl

HEAD = "length <= {}\ninput x: real in -20..50\ninput b: bool\nstate s = {} then {}\noutput s"
UPDATES = [
    "if b then x else 0.9 * s + 0.1 * x",
    "if b then 0.5 * s + x else s",
    "if b then 0.9 * s else 0.5 * s + x",
    "(if b then 0.5 else 0.9) * s + 0.1 * x",
]


def compiled(target: str, update: str, start: float, length: int = 300) -> lsrl.CompiledModel:
    program = lsrl.parse(HEAD.format(length, start, update))
    return lsrl.compile(program, target, tolerance=1.0, verify=False)


@pytest.mark.parametrize("update", UPDATES)
@pytest.mark.parametrize("target", ["lstm", "gru", "rnn"])
def test_errors_stay_within_a_small_bound(target: str, update: str) -> None:
    """Inputs at the ends of their ranges, in blocks: what is kept fades, or is held."""
    model = compiled(target, update, 2.5)
    rng = np.random.default_rng(0)
    x = np.where(rng.random((12, 300)) < 0.5, -20.0, 50.0)
    x[6:] = rng.uniform(-20, 50, (6, 300))
    b = np.repeat(rng.random((12, 60)) < 0.5, 5, axis=1)
    inputs = {"x": x, "b": b}
    meant = model.program.run_batch(inputs)
    error = np.abs(model.run_batch(inputs, raw=True, backend="numpy") - meant).max()
    assert error <= model.certificate["bound"]["s"] <= 1e-2


@pytest.mark.parametrize("target", ["lstm", "gru", "rnn"])
def test_what_fades_is_bounded_at_every_length(target: str) -> None:
    short, long = (
        compiled(target, UPDATES[2], 0, n).certificate["bound"]["s"] for n in (500, 5000)
    )
    assert long <= 1.01 * short
