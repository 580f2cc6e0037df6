"""What is in the weights that the noise study disturbs.

`python benchmarks/weights.py [MODEL ...]`: for the dictionary and the vector program in the size of
docs/experiments.md, and each model of its sweeps (but for those that are rescaled afterwards), how
many parameters there are, how many zeros for each number that is not 0, and the smallest and the
largest of those in magnitude.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lsrl.experiments.specs import Spec, program

SWEEPS = [
    Path(__file__).parents[1] / f"experiments/paper/{n}.toml" for n in ("noise", "noise_float32")
]
PROGRAMS = {
    "dictionary": program("dictionary", {"n": 10, "vocab": 10}, 10 + 2 * 10 * 20),  # 20 pairs
    "vector": program("vector", {"d_in": 2, "d_out": 2}, 8**2 + 1),  # 8 cells along each axis
}


def models() -> Iterator[tuple[str, str]]:
    """Models and dtypes of the sweeps."""
    for path in SWEEPS:
        sweep = tomllib.loads(path.read_text(encoding="utf-8"))
        yield from ((m, sweep["dtype"]) for m in sweep["model"] if "rescaled" not in m)


def row(name: str, model: str, dtype: str) -> str:
    """A line of the table."""
    made = Spec.parse(model).compile(PROGRAMS[name], dtype)
    numbers = np.concatenate([np.abs(np.asarray(w, float)).ravel() for w in made.weights.values()])
    used = numbers[numbers > 0]
    share = (numbers.size - used.size) / used.size
    text = f"{name:12}{model:50}{dtype:9}{numbers.size:>12,}{share:>9.1f}"
    return f"{text}{used.min():>10.1e}{used.max():>10.1e}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", metavar="MODEL", help="of the sweeps; default: all")
    chosen = parser.parse_args().models
    titles = f"{'parameters':>12}{'zeros':>9}{'smallest':>10}{'largest':>10}"
    print(f"{'program':12}{'model':50}{'dtype':9}{titles}")
    for name in PROGRAMS:
        for model, dtype in models():
            if model in chosen or not chosen:
                print(row(name, model, dtype), flush=True)


if __name__ == "__main__":
    main()
