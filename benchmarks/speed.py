"""Speed of the interpreter and of the compiled model, in element-steps a second.

`python benchmarks/speed.py`: the dictionary program (n = 3, 25 pairs, batch of 256), the median of
several runs, and the ratios to a step-by-step evaluation of the same graph in Python and to the
LSRL reference implementation (7 to 60 steps a second on its dictionary model, as published; the
larger number is taken). Given `--reference CHECKOUT`, the reference implementation is run in that
folder (`reference.py`); `--reference-rate` takes its steps a second as a number. Given `--profile`,
where the time from text to weights goes, by stage.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from reference import NotMeasured, measured
from stages import compiled

import lsrl

ROOT = Path(__file__).parents[1]
BATCH, STEPS = 256, 153
PUBLISHED = 60.0  # steps a second


def rate(run: Callable[[], Any], elements: int, times: int = 7) -> float:
    """Median element-steps a second."""
    run()
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return elements / statistics.median(seconds)


def naive(program: lsrl.Program, x: Any) -> None:
    """The same program, one element and one node at a time."""
    sys.path.insert(0, str(ROOT / "tests"))
    from oracle import oracle

    oracle(program.graph, {"token": [int(v) for v in x]})


def reference_rate(options: argparse.Namespace) -> tuple[float, str]:
    """Steps a second of the reference implementation, and where the number is from."""
    if options.reference is not None:
        return measured(options.reference, options.reference_python), "measured now"
    if options.reference_rate is not None:
        return options.reference_rate, "given"
    return PUBLISHED, "published: 7 to 60; not measured here"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", action="store_true")
    given = parser.add_mutually_exclusive_group()
    given.add_argument("--reference", type=Path, metavar="CHECKOUT", help="run it in this folder")
    given.add_argument("--reference-rate", type=float, metavar="STEPS_A_SECOND")
    parser.add_argument("--reference-python", default=sys.executable, help="that runs it")
    options = parser.parse_args()
    if options.profile:
        for n in (3, 10, 30, 100):
            found = compiled(ROOT / "examples/dictionary.lsrl", {"n": n}, 101 * n).seconds
            print(f"n = {n}: " + ", ".join(f"{k} {v:.2f} s" for k, v in found.items()))
        return
    try:
        reference, source = reference_rate(options)
    except NotMeasured as e:
        sys.exit(f"the reference implementation was not measured: {e}")
    print(f"reference implementation: {reference:.3g} steps/s ({source})")
    program = lsrl.load(ROOT / "examples/dictionary.lsrl", length=200)
    model = lsrl.compile(program, verify=False)
    x = np.random.default_rng(0).integers(0, 27, (BATCH, STEPS))
    base = rate(lambda: naive(program, x[0]), STEPS, 3)
    print(f"{'':24}{'element-steps/s':>16}{'to naive':>10}{'to reference':>14}")
    runs = {
        "one node at a time": None,
        "interpreter": lambda: program.run_batch(x),
        "fused, numpy": lambda: program.fused().run({"token": x}),
        "fused, torch": lambda: program.fused("torch").run({"token": x}),
        "linear-rnn, numpy": lambda: model.run_batch(x, backend="numpy"),
        "linear-rnn, torch": lambda: model.run_batch(x, backend="torch"),
    }
    for name, run in runs.items():
        found = base if run is None else rate(run, x.size)
        print(f"{name:24}{found:>16,.0f}{found / base:>10,.0f}{found / reference:>14,.0f}")


if __name__ == "__main__":
    main()
