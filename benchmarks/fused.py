"""The fused executor against the best vectorised NumPy that we could write by hand.

`python benchmarks/fused.py`: majority, smoothing and the vector program, over lengths and batch
sizes. They run in turn: the medians of nanoseconds an element-step, and the median of the ratios of
neighbouring runs, in CPU time (of all threads), which other processes on the machine disturb least.
The hand-written versions loop over nothing but blocks of whole arrays, and make the same arrays of
results.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy: threads of BLAS that wait count as CPU time

import numpy as np

import lsrl

EXAMPLES = Path(__file__).parents[1] / "examples"
SIZES = [(1, 10**4), (1, 10**5), (1, 10**6), (64, 10**3), (64, 16 * 10**3), (256, 10**3)]
BLOCK = 64
SAMPLE, ROUNDS = 4e-3, 31  # seconds of a sample at least, and samples of each


def majority(bit: Any) -> Any:
    return 2 * np.cumsum(bit, 1) > np.arange(1, bit.shape[1] + 1)


def smoothing(x: Any, rate: float = 0.25) -> Any:
    """Cumulative sums of x / r^t within blocks; of the blocks before, two still count."""
    batch, steps = x.shape
    r, count = 1 - rate, -(-steps // BLOCK)
    added = np.zeros((batch, count * BLOCK))
    np.multiply(x, rate, out=added[:, :steps])
    added[:, 0] = x[:, 0]
    powers = r ** np.arange(BLOCK)
    level = np.cumsum(added.reshape(batch, count, BLOCK) / powers, -1) * powers
    ends = level[..., -1]
    before = np.zeros_like(ends)
    before[:, 1:] = ends[:, :-1]
    before[:, 2:] += r**BLOCK * ends[:, :-2]
    return (level + before[..., None] * (powers * r)).reshape(batch, -1)[:, :steps]


def vector(side: Any, corner: Any, value: Any) -> Any:
    inside = np.ones(side.shape, bool)
    for k in range(corner.shape[-1]):
        query = corner[:, :1, k]
        inside &= (corner[..., k] <= query) & (query < corner[..., k] + side)
    inside[:, 0] = False
    return np.cumsum(np.where(inside, value[..., 0], 0), 1)[..., None]


def inputs(name: str, batch: int, steps: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    if name == "majority":
        return {"bit": rng.integers(0, 2, (batch, steps))}
    if name == "exponential_smoothing":
        return {"x": rng.uniform(-1, 1, (batch, steps))}
    return {
        "side": rng.uniform(0, 0.3, (batch, steps)),
        "corner": rng.uniform(0, 1, (batch, steps, 2)),
        "value": rng.uniform(-3, 3, (batch, steps, 1)) / steps,
    }


HAND: dict[str, Callable[..., Any]] = {
    "majority": majority, "exponential_smoothing": smoothing, "vector": vector
}  # fmt: skip


def seconds(run: Callable[[], Any], calls: int) -> float:
    """Of one of so many calls, one after the other."""
    start = time.process_time()
    for _ in range(calls):
        run()
    return (time.process_time() - start) / calls


def compared(hand: Callable[[], Any], *others: Callable[[], Any]) -> list[tuple[float, float]]:
    """Each one's medians of the seconds a call, and of the ratios to `hand` just before."""
    for run in (hand, *others):
        run()
    calls = max(1, int(SAMPLE / seconds(hand, 1)))
    rounds = [[seconds(run, calls) for run in (hand, *others)] for _ in range(ROUNDS)]
    return [
        (median(row[k] for row in rounds), median(row[k] / row[0] for row in rounds))
        for k in range(1 + len(others))
    ]


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    print(
        f"{'program':22}{'batch':>6}{'steps':>9}{'by hand':>9}{'numpy':>7}{'ratio':>7}{'torch':>7}"
    )
    for name, hand in HAND.items():
        program = lsrl.load(EXAMPLES / f"{name}.lsrl", length=10**6)
        ours, torch = program.fused(), program.fused("torch")
        for batch, steps in SIZES:
            data = inputs(name, batch, steps)
            found = next(iter(ours.run(data).values()))
            assert np.allclose(found, hand(**data), atol=1e-9), name
            base, own, other = compared(
                lambda: hand(**data),  # noqa: B023
                lambda: ours.run(data),  # noqa: B023
                lambda: torch.run(data),  # noqa: B023
            )
            by_hand, numpy, by_torch = (t / (batch * steps) * 1e9 for t, _ in (base, own, other))
            row = f"{name:22}{batch:>6}{steps:>9}{by_hand:>9.1f}{numpy:>7.1f}{own[1]:>7.2f}"
            print(f"{row}{by_torch:>7.1f}", flush=True)


if __name__ == "__main__":
    main()
