"""Where nothing undetermined matters, inputs may move within the guard and little changes."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import program

from lsrl.interpret.run import Interpreter

PROGRAMS = [
    "output if x < y then x else y",
    "output accumulate(x < y and z > 0.5)",
    "output latch(x < y, z > 0.5)",
    "state s = 0 then if x > z then s + 1 else max(s - 1, 0)\noutput s > 2 and y < z",
    "output ever(x < y) and always(z < 0.75)",
    "output all(window(x < y, 2)) or argmax([x, y, z]) == 1",
]


@pytest.mark.parametrize("text", PROGRAMS)
def test_small_changes(text: str) -> None:
    fields = "".join(f"input {n}: real in 0..1\n" for n in "xyz")
    interpreter = Interpreter(program(fields + text).graph)
    rng = np.random.default_rng(0)
    arrays = {n: rng.integers(0, 9, (200, 6)) / 8 for n in "xyz"}
    result = interpreter.run(arrays)
    kept = ~result.mattered
    assert kept.any()
    assert result.mattered.any() or "then x else y" in text
    for _ in range(20):
        moved = {n: a + rng.uniform(-4e-4, 4e-4, a.shape) for n, a in arrays.items()}
        other = interpreter.run(moved, undetermined=False)
        for name, value in result.outputs.items():
            change = abs(other.outputs[name].astype(float) - value.astype(float))
            assert change[kept].max() < 2e-3
