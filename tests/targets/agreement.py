"""A compiled model against the interpreter, within its certificate: what every target must pass."""

from __future__ import annotations

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
    for backend in ("numpy", "torch"):
        raw = model.runner(backend).run(program.stacked(data).astype(dtype))
        rounded = program.rounded(program.split(raw))
        for name, y in program.split(raw).items():
            bound, wanted = model.certificate["bound"][name], meant.outputs[name][kept]
            error = np.abs(y[kept].astype(np.float64) - wanted)
            assert error.max(initial=0.0) <= bound, (backend, name)
            if rounded[name].dtype not in (np.float64, np.float32) and bound < 0.5:
                assert np.array_equal(rounded[name][kept], wanted), (backend, name)
    return model
