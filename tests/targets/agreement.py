"""A compiled model against the interpreter, within its certificate: what every target must pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import lsrl
from lsrl.sampling import Sampler


def compare(
    program: lsrl.Program, dtype: str, steps: int = 24, batch: int = 20, **options: Any
) -> lsrl.CompiledModel:
    """The model on the equations in NumPy and the emitted torch code; returns it.

    Outputs lie within the certificate's bound. Where that is below 1/2, what is rounded is equal.
    """
    model = lsrl.compile(program, dtype=dtype, verify=False, **options)
    data = Sampler(program, seed=1).draw(batch, min(steps, program.length))
    meant = program.interpreter.run(data)
    kept = ~meant.mattered
    assert kept.any()
    wanted = {name: y[kept] for name, y in meant.outputs.items()}
    for backend in ("numpy", "torch"):
        raw = model.runner(backend).run(model.stacked(data))[kept]
        within(model, raw, wanted, backend)
    return model


def within(
    model: lsrl.CompiledModel, y: Any, wanted: Mapping[str, Any], backend: str = ""
) -> dict[str, float]:
    """Checks a model's numbers y `[B, T, m]`; returns the largest error of each output."""
    raw, largest = model.split(y), {}
    rounded = model.rounded(raw)
    for name, error in model.errors(raw, wanted).items():
        bound, largest[name] = model.certificate["bound"][name], float(error.max(initial=0.0))
        assert largest[name] <= bound, (backend, name)
        if rounded[name].dtype not in (np.float64, np.float32) and bound < 0.5:
            assert np.array_equal(rounded[name], wanted[name]), (backend, name)
    return largest
