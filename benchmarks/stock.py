"""Compiled weights against random weights of the same stock class and size.

`python benchmarks/stock.py [PROGRAM ...]`: milliseconds of a forward pass of torch's LSTM and GRU,
of the emitted Mamba and of transformers' own class of it (its CPU path, from a saved checkpoint by
`from_pretrained`, without the first and last map of numbers), and their ratio, alternating in one
run. Programs: majority and dictionary. Numbers below the normal range (denormals) would be slow;
the compiled ones are counted.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

import lsrl
from lsrl.hf import hf_load

EXAMPLES = Path(__file__).parents[1] / "examples"
BATCH, STEPS, TIMES = 32, 100, 15
SYMBOLS = {"majority": 2, "dictionary": 27}  # of their inputs, from 0
Inputs = dict[str, Any]  # arguments of a forward pass


def seconds(module: Any, inputs: Inputs) -> float:
    start = time.perf_counter()
    with torch.no_grad():
        module(**inputs)
    return time.perf_counter() - start


def stock(model: lsrl.CompiledModel, x: Any) -> tuple[Any, Inputs]:
    """transformers' own module, and what it takes in the place of x `[B, T, n]`."""
    with tempfile.TemporaryDirectory() as place:
        model.save(Path(place) / "model")
        module, adapter = hf_load(Path(place) / "model")
    if adapter is None:
        return module, {"input_ids": x[..., 0].long(), "use_cache": False}
    with torch.no_grad():
        return module, {"inputs_embeds": adapter["input"](x), "use_cache": False}


def modules(program: lsrl.Program, data: Any) -> Iterator[tuple[str, Any, Inputs]]:
    """Each class with the compiled weights, and its inputs."""
    for target in ("lstm", "gru", "mamba"):
        model = lsrl.compile(program, target, verify=False)
        x = torch.from_numpy(model.stacked(model.batch(data, batched=True)))
        yield "emitted Mamba" if target == "mamba" else target.upper(), model.torch(), {"x": x}
        if target == "mamba":
            module, inputs = stock(model, x)
            yield type(module).__name__, module, inputs


def ratio(module: Any, inputs: Inputs) -> tuple[float, float]:
    """Milliseconds with the weights as they are, and with random ones; medians, in turn."""
    other = copy.deepcopy(module)
    with torch.no_grad():
        for p in other.parameters():
            p.normal_(0, 0.1)
    pairs = [(seconds(module, inputs), seconds(other, inputs)) for _ in range(TIMES)][2:]
    ours, base = (statistics.median(column) * 1e3 for column in zip(*pairs, strict=True))
    return ours, base


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help=", ".join(SYMBOLS))
    programs = parser.parse_args().programs or list(SYMBOLS)
    if unknown := set(programs) - {*SYMBOLS}:
        parser.error(f"there is no program {', '.join(sorted(unknown))}")
    torch.manual_seed(0)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    rng = np.random.default_rng(0)
    tiny = torch.finfo(torch.float32).tiny
    print(
        f"{'program':12}{'module':18}{'compiled ms':>12}{'random':>9}{'ratio':>7}{'denormal':>10}"
    )
    for name in programs:
        program = lsrl.load(EXAMPLES / f"{name}.lsrl", length=STEPS)
        data = rng.integers(0, SYMBOLS[name], (BATCH, STEPS))
        for title, module, inputs in modules(program, data):
            ours, base = ratio(module, inputs)
            count = sum(int(((p != 0) & (p.abs() < tiny)).sum()) for p in module.parameters())
            row = f"{name:12}{title:18}{ours:>12.2f}{base:>9.2f}{ours / base:>7.2f}{count:>10}"
            print(row, flush=True)


if __name__ == "__main__":
    main()
