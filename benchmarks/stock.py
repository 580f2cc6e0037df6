"""Compiled weights against random weights of the same stock class and size.

`python benchmarks/stock.py [PROGRAM ...]`: milliseconds of a forward pass of torch's LSTM and GRU
and of the emitted Mamba (not transformers' class, which has a path of its own), and their ratio,
alternating in one run. Programs: majority (the default) and dictionary.
Numbers below the normal range (denormals) would be slow; the compiled ones are counted.
"""

from __future__ import annotations

import copy
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import lsrl

EXAMPLES = Path(__file__).parents[1] / "examples"
BATCH, STEPS, TIMES = 32, 100, 15


def seconds(module: Any, x: Any) -> float:
    start = time.perf_counter()
    with torch.no_grad():
        module(x)
    return time.perf_counter() - start


def main() -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    print(f"{'program':12}{'target':8}{'compiled ms':>12}{'random':>9}{'ratio':>7}{'denormal':>10}")
    for name in sys.argv[1:] or ["majority"]:
        program = lsrl.load(EXAMPLES / f"{name}.lsrl", length=STEPS)
        high = 2 if name == "majority" else 27
        data = rng.integers(0, high, (BATCH, STEPS))
        for target in ("lstm", "gru", "mamba"):
            model = lsrl.compile(program, target, verify=False)
            module = model.torch()
            x = torch.from_numpy(model.stacked(model.batch(data, batched=True)))
            other = copy.deepcopy(module)
            with torch.no_grad():
                for p in other.parameters():
                    p.normal_(0, 0.1)
            pairs = [(seconds(module, x), seconds(other, x)) for _ in range(TIMES)][2:]
            ours, base = (statistics.median(column) * 1e3 for column in zip(*pairs, strict=True))
            tiny = torch.finfo(torch.float32).tiny
            count = sum(int(((p != 0) & (p.abs() < tiny)).sum()) for p in module.parameters())
            row = f"{name:12}{target:8}{ours:>12.2f}{base:>9.2f}{ours / base:>7.2f}{count:>10}"
            print(row, flush=True)


if __name__ == "__main__":
    main()
