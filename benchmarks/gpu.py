"""Speed of the triton backend on a GPU, in element-steps a second (B T of them in a run).

`python benchmarks/gpu.py`: each recurrence alone, by torch's loop over time and by both kernels,
and Mamba's by `mamba-ssm` where that is installed; then compiled models, by the same three ways.
Medians of several runs, after one that compiles and tunes. Without a GPU it says so and measures
nothing; `TRITON_INTERPRET=1 python benchmarks/gpu.py --small` tries the script out on a CPU.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import triton
import triton.language as tl
from lsrl_backends.torch.load import runner as torch_runner

import lsrl
from lsrl.sampling import Sampler

ROOT = Path(__file__).parents[1]
INTERPRETED = not isinstance(tl.cdiv, triton.JITFunction)
DEVICE = "cpu" if INTERPRETED else "cuda"
MODELS = [
    ("dictionary", "linear-rnn"),
    ("majority", "gated-linear-rnn"),
    ("associative_recall", "mamba"),
    ("associative_recall", "hawk"),
]
NEEDED = """There is no GPU here: nothing was measured. It takes one of NVIDIA or AMD, triton, and a
torch that was built for it (torch.cuda.is_available()); mamba-ssm is measured too if installed.
To try the script out on a CPU: TRITON_INTERPRET=1 python benchmarks/gpu.py --small"""
Ways = dict[str, Callable[[], Any]]


def rate(run: Callable[[], Any], elements: int, times: int) -> float:
    """Median element-steps a second."""
    seconds = []
    for i in range(times + 1):
        start = time.perf_counter()
        run()
        if DEVICE == "cuda":
            torch.cuda.synchronize()
        if i:
            seconds.append(time.perf_counter() - start)
    return elements / statistics.median(seconds)


def show(title: str, ways: Ways, elements: int, times: int) -> None:
    """One line of rates, each with its ratio to the first."""
    rates = {name: rate(run, elements, times) for name, run in ways.items()}
    first = next(iter(rates.values()))
    cells = [f"{name} {r:,.0f} ({r / first:.1f})" for name, r in rates.items()]
    print(f"{title:48} " + "   ".join(cells), flush=True)


def normal(*shape: int) -> Any:
    return torch.randn(shape, device=DEVICE)


def gated(batch: int, steps: int, width: int) -> Ways:
    """Hawk's h_t = a_t h_{t-1} + u_t."""
    from lsrl_backends.triton.diagonal import diagonal

    a, u, h = (
        normal(batch, steps, width).sigmoid(),
        normal(batch, steps, width),
        normal(batch, width),
    )

    def loop() -> None:
        s = h
        for t in range(steps):
            s = a[:, t] * s + u[:, t]

    return {
        "torch": loop,
        "sequential": lambda: diagonal(a, u, h),
        "scan": lambda: diagonal(a, u, h, scan=True),
    }


def selective(batch: int, steps: int, width: int, states: int = 16) -> Ways:
    """Mamba's selective scan."""
    from lsrl_backends.triton import mamba

    dt, u = normal(batch, steps, width).sigmoid(), normal(batch, steps, width)
    A, h = -normal(width, states).exp(), normal(batch, width, states)
    B, C = normal(batch, steps, states), normal(batch, steps, states)

    def loop() -> None:
        s = h
        for t in range(steps):
            step = dt[:, t, :, None]
            s = torch.exp(step * A) * s + step * B[:, t, None] * u[:, t, :, None]
            s @ C[:, t, :, None]

    ways: Ways = {
        "torch": loop,
        "sequential": lambda: mamba.selective(dt, A, B, C, u, h),
        "scan": lambda: mamba.selective(dt, A, B, C, u, h, scan=True),
    }
    if find_spec("mamba_ssm") is not None and DEVICE == "cuda":
        from mamba_ssm.ops.selective_scan_interface import selective_scan_fn

        # [B, width, T] there, and the state starts from 0.
        ut, dtt, Bt, Ct = (x.transpose(1, 2).contiguous() for x in (u, dt, B, C))
        ways["mamba-ssm"] = lambda: selective_scan_fn(ut, dtt, A, Bt, Ct)
    return ways


def constant(batch: int, steps: int, width: int, dense: bool) -> Ways:
    """A linear RNN's s_t = A s_{t-1} + u_t: a dense A, or sums and a shift register."""
    from lsrl_backends.triton.linear import Stages, entries, transition

    A = normal(width, width) / (2 * width) if dense else torch.eye(width, device=DEVICE)
    if not dense:
        A[-4:] = A[-4:].roll(-1, 1)
    u, s, rows, order = normal(batch, steps, width), normal(batch, width), entries(A), Stages(A)

    def loop() -> None:
        state = s
        for t in range(steps):
            state = state @ A.T + u[:, t]

    return {
        "torch": loop,
        "sequential": lambda: transition(rows, u, s),
        "scan": lambda: order(u, s),
    }


def recurrences(sizes: list[tuple[int, int, int]]) -> Iterator[tuple[str, Ways, int]]:
    """Each recurrence at each size: its title, ways to run it, and element-steps of a run."""
    kinds: dict[str, Callable[[int, int, int], Ways]] = {
        "hawk": gated,
        "mamba": selective,
        "linear, dense": lambda b, t, w: constant(b, t, min(w, 64), True),
        "linear, sparse": lambda b, t, w: constant(b, t, w, False),
    }
    for name, make in kinds.items():
        for b, t, w in sizes:
            yield f"{name}: B {b}, T {t:,}, width {w:,}", make(b, t, w), b * t


def compiled(name: str, target: str, batch: int, steps: int) -> tuple[str, Ways, int]:
    """A compiled program, whole."""
    program = lsrl.load(ROOT / f"examples/{name}.lsrl", length=steps)
    model = lsrl.compile(program, target, verify=False)
    x = model.stacked(Sampler(program, seed=0).draw(batch, steps))
    plain, kernels = torch_runner(model), model.runner("triton")
    plain.device = DEVICE
    plain.module.to(DEVICE)
    ways: Ways = {
        "torch": lambda: plain.run(x),
        "sequential": lambda: kernels.run(x),
        "scan": lambda: kernels.scan(x),
    }
    return f"{name} as {target}: B {batch}, T {steps:,}", ways, batch * steps


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--small", action="store_true", help="sizes for a try in the interpreter")
    small = parser.parse_args().small
    if not INTERPRETED and not torch.cuda.is_available():
        print(NEEDED, file=sys.stderr)
        return 1
    name = "Triton's interpreter" if INTERPRETED else torch.cuda.get_device_name()
    print(f"{name}, torch {torch.__version__}, triton {triton.__version__}")
    if find_spec("mamba_ssm") is None:
        print("mamba-ssm is not installed: it is left out.")
    times = 1 if small else 7
    sizes = [(1, 4, 8)] if small else [(1, 16_384, 256), (16, 4_096, 1_024), (256, 512, 256)]
    with torch.no_grad():
        for title, ways, elements in recurrences(sizes):
            show(title, ways, elements, times)
        for program, target in MODELS:
            show(*compiled(program, target, *((1, 4) if small else (64, 1_024))), times)
    return 0


if __name__ == "__main__":
    sys.exit(main())
