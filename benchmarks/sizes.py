"""Sizes and compile times of models, beside the reference implementation's.

Prints the tables of the README: `python benchmarks/sizes.py` (`--markdown` for their source,
`--large` for n = 30 and n = 100 too, `--gated` for the models for torch's own modules alone,
`--growth` for how the compile time grows with the model). The reference figures were measured on
the code that accompanies Petrov et al. 2024, its five conditional variants; a range where they
differ. Times are of one run, without imports; the ratio is the reference's smallest figure over
ours.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import gated
import numpy as np

import lsrl

EXAMPLES = Path(__file__).parents[1] / "examples"
REFERENCE = {  # parameters, non-zeros, ReLU layers, seconds: smallest and largest variant
    ("dictionary", 3): ((29_221_539, 319_390_206_845), (49_894, 4_007_120), (21, 27), (5.8, 24.6)),
    ("dictionary", 10): ((231_726_380, 2_219_831_295), None, None, (39, 135)),
    ("vector", 2): ((343_248, 478_590), None, (7, 8), None),
}
PAIRS = 50


def program(name: str, n: int) -> lsrl.Program:
    """The program at that size, long enough for 50 pairs or 8 x 8 cells."""
    if name == "dictionary":
        return lsrl.load(EXAMPLES / "dictionary.lsrl", params={"n": n}, length=n + 2 * n * PAIRS)
    return lsrl.load(EXAMPLES / "vector.lsrl", params={"d_in": n, "d_out": n}, length=65)


def compiled(name: str, n: int) -> tuple[lsrl.CompiledModel, float]:
    """The model, and the seconds from text to weights."""
    start = time.perf_counter()
    model = lsrl.compile(program(name, n), verify=False)
    return model, time.perf_counter() - start


def right_answers(model: lsrl.CompiledModel, n: int, prompts: int = 20) -> tuple[int, int]:
    """Answers of a dictionary model that are right, and how many there were: each prompt has 50
    pairs with distinct keys, and asks for one of them."""
    rng = np.random.default_rng(0)
    batch, wanted = [], []
    for _ in range(prompts):
        keys = np.unique(rng.integers(0, 27, (4 * PAIRS, n)), axis=0)
        keys = rng.permutation(keys)[:PAIRS]
        values = rng.integers(0, 27, keys.shape)
        asked = int(rng.integers(PAIRS))
        pairs = np.concatenate([keys, values], axis=1).reshape(-1)
        batch.append(np.concatenate([keys[asked], pairs]))
        wanted.append(values[asked])
    y = model.run_batch(np.array(batch))[:, -n:]
    right = int((y == np.array(wanted)).all(axis=1).sum())
    return right, prompts


def ratio(ours: float, reference: tuple[float, float] | None) -> str:
    if reference is None:
        return "-"
    times = reference[0] / ours
    return f"{times:,.0f} x" if times >= 10 else f"{times:.1f} x"


def row(name: str, n: int) -> list[str]:
    compiled(name, n)  # once before, so that nothing is imported or built for the first time
    model, seconds = compiled(name, n)
    report = model.report
    reference = REFERENCE.get((name, n), (None, None, None, None))
    ours = (report.parameters, report.nonzeros, report.layers)
    cells = [f"{name}, n = {n}" if name == "dictionary" else f"{name}, {n} -> {n}"]
    cells += [
        f"{v:,} ({ratio(v, r)})" if r else f"{v:,}" for v, r in zip(ours, reference, strict=False)
    ]
    cells.append(
        f"{seconds:.2f} s ({ratio(seconds, reference[3])})" if reference[3] else f"{seconds:.2f} s"
    )
    if name == "dictionary":
        right, asked = right_answers(model, n)
        cells.append(f"{right} of {asked}")
    else:
        cells.append(f"error <= {max(model.certificate['bound'].values()):.0e}")
    return cells


def growth() -> None:
    """Compile time of the dictionary over atoms times their logarithm, relative to n = 10."""
    base = 0.0
    for n in (10, 30, 100):
        model, seconds = min((compiled("dictionary", n) for _ in range(3)), key=lambda p: p[1])
        atoms = sum(m for _, _, m in model.shape["layers"]) + model.report.state_size
        cost = seconds / (atoms * math.log(atoms))
        base = base or cost
        print(f"n = {n}: {seconds:.2f} s, {atoms:,} units, time over units x log, relative: "
              f"{cost / base:.2f}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--gated", action="store_true")
    parser.add_argument("--growth", action="store_true")
    options = parser.parse_args()
    if options.growth:
        growth()
        return
    if not options.gated:
        table(linear(options.large), options.markdown)
        print()
    table(list(gated.rows()), options.markdown)


def linear(large: bool) -> list[list[str]]:
    """The dictionary and vector as linear RNNs."""
    sizes = [("dictionary", 3), ("dictionary", 10), ("vector", 2)]
    if large:
        sizes += [("dictionary", 30), ("dictionary", 100)]
    head = ["program", "parameters", "non-zeros", "ReLU layers", "compile time", "float32 answers"]
    return [head, *(row(*size) for size in sizes)]


def table(rows: list[list[str]], markdown: bool) -> None:
    """Print rows, the first of them the head."""
    head = rows[0]
    if markdown:
        rows = [head, ["---"] * len(head), *rows[1:]]
        print("\n".join("| " + " | ".join(r) + " |" for r in rows))
        return
    widths = [max(len(r[i]) for r in rows) for i in range(len(head))]
    print("\n".join("  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)) for r in rows))


if __name__ == "__main__":
    main()
