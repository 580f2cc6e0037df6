"""A sequence that is longer than memory is run part by part, with the same numbers."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lsrl
from lsrl import chunks
from lsrl.sampling import Sampler

EXAMPLES = Path(__file__).parents[2] / "examples"
BATCH, LENGTH, STEPS = 3, 64, 25  # STEPS: of a part; the last one is shorter


@lru_cache
def compiled(target: str) -> Any:
    program = lsrl.load(EXAMPLES / "parity.lsrl", length=LENGTH)
    if target in ("mamba", "hawk"):
        program = lsrl.load(EXAMPLES / "majority.lsrl", length=LENGTH)
    return lsrl.compile(program, target, verify=False)


@pytest.mark.parametrize(
    ("target", "backend"),
    [(t, b) for t in sorted(lsrl.targets()) for b in ("numpy", "torch")] + [("gru", "jax")],
)
def test_the_same_numbers(target: str, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, seen = compiled(target), []
    data = Sampler(model.program, seed=4).draw(BATCH, LENGTH)
    meant, raw = (model.run_batch(data, raw=r, backend=backend) for r in (False, True))
    assert chunks.steps_at_once(model, BATCH) > LENGTH
    room = np.ceil(chunks.MEMORY / chunks.steps_at_once(model, BATCH) * STEPS)
    monkeypatch.setattr(chunks, "MEMORY", int(room))
    assert chunks.steps_at_once(model, BATCH) == STEPS
    runner = model.runner(backend)
    advance = runner.advance

    def recorded(x: Any, state: Any) -> Any:
        seen.append(x.shape[1])
        return advance(x, state)

    monkeypatch.setattr(runner, "advance", recorded)
    monkeypatch.setattr(type(model), "runner", lambda self, name: runner)
    assert np.array_equal(model.run_batch(data, backend=backend), meant)
    assert np.array_equal(model.run_batch(data, raw=True, backend=backend), raw)
    assert seen == [STEPS, STEPS, LENGTH - 2 * STEPS] * 2
    one = {name: a[0] for name, a in data.items()}
    assert np.array_equal(model.run(one, backend=backend), meant[0])


def test_small_steps_take_memory_too() -> None:
    """torch's RNN keeps some tensors of each step: 3 million steps of two units took 3 GB."""
    model = compiled("rnn")
    assert chunks.steps_at_once(model, 1) <= chunks.MEMORY / (2**10 * model.report.layers)
    assert chunks.steps_at_once(model, 1) > 10**5


def test_even_a_step_that_is_too_large_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "MEMORY", 1)
    model = compiled("lstm")
    assert chunks.steps_at_once(model, BATCH) == 1
    assert model.run([1, 1, 0, 1], backend="numpy").tolist() == [1, 0, 0, 1]
