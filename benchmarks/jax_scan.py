"""All steps at once against step after step in JAX, where states are of reals.

`python benchmarks/jax_scan.py`: the largest errors of `model.jax(parallel=True)` and of
`model.jax()` in float32, each of what its certificate allows, over 300 steps of 300 sequences:
random ones, those of one sign, at the ends of the range and near its upper end. Prints the table
of docs/jax.md.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

import lsrl

STEPS, SEQUENCES = 300, 300
STATES = ("0.5 * s + 0.5 * r", "0.3 * s + r", "0.99 * s + r", "s + r")
TARGETS = ("linear-rnn", "mamba", "hawk")


def inputs() -> Any:
    """Numbers in [-1, 1], `[B, T]`: a quarter of each kind."""
    r = np.random.default_rng(0).uniform(-1, 1, (SEQUENCES, STEPS))
    r[1::4] = np.abs(r[1::4])
    r[2::4] = np.sign(r[2::4])
    r[3::4] = 1 - np.abs(r[3::4]) / 1000
    return r


def measured(state: str, target: str, r: Any) -> str:
    """The largest error of the scan, of what its certificate allows; and of the sequence."""
    text = f"input r: real in -1..1\nstate s = 0 then {state}\noutput s"
    program = lsrl.parse(text, length=STEPS)
    model = lsrl.compile(program, target, verify=False, tolerance=1)
    x, meant = model.stacked({"r": r}), program.run_batch(r)
    found = []
    for parallel, part in ((True, "parallel"), (False, "bound")):
        y = np.asarray(model.jax(parallel=parallel)(x)[0])[..., 0]
        error, bound = np.abs(y - meant).max(), model.certificate[part]["s"]
        found.append(f"{error:.1e} of {bound:.1e}".replace("e-0", "e-"))
    return "; ".join(found)


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    r = inputs()
    first, *others = TARGETS
    print(f"| state, r in -1..1 | {' | '.join([f'{first}: scan; sequence', *others])} |")
    print("| --- " * (len(TARGETS) + 1) + "|")
    for state in STATES:
        found = [measured(state, target, r) for target in TARGETS]
        print(f"| {state.replace(' *', '')} | {' | '.join(found)} |", flush=True)


if __name__ == "__main__":
    main()
