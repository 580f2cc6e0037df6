"""The paper's conditionals and constants against the compiler's own, on one source program.

Prints, for each target, variant, source of constants and dtype: parameters, ReLU layers, the
certificate's bound, the largest error that `lsrl verify` saw and whether every rounded output was
right. `python benchmarks/conditionals.py [EXAMPLE] [SAMPLES]`; without them
dictionary (n = 3) and 60.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import lsrl
from lsrl.lower.conditional import CONSTANTS, VARIANTS

EXAMPLES = Path(__file__).parents[1] / "examples"
ROW = "{:18}{:26}{:10}{:9}{:>11}{:>7}{:>10}{:>10}  {}"


def row(
    program: lsrl.Program,
    target: str,
    variant: str | None,
    constants: str,
    dtype: str,
    samples: int,
) -> str | None:
    """A line of the table; None where the target has no such variant."""
    try:
        model = lsrl.compile(
            program, target, conditional=variant, constants=constants, dtype=dtype,
            tolerance=math.inf, verify=False,
        )  # fmt: skip
    except lsrl.OptionError:
        return None
    report, seen = model.report, lsrl.verify(model, samples)
    bound, error = max(report.certificate["bound"].values()), max(seen.errors.values())
    name = variant or "the default"
    return ROW.format(
        target, name, constants, dtype, f"{report.parameters:,}", report.layers, f"{bound:.2g}",
        f"{error:.2g}", "yes" if seen.passed else "NO",
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("example", nargs="?", default="dictionary", metavar="EXAMPLE")
    parser.add_argument("samples", nargs="?", default=60, type=int, metavar="SAMPLES")
    options = parser.parse_args()
    samples = options.samples
    program = lsrl.load(EXAMPLES / f"{options.example}.lsrl")
    titles = ("target", "conditional", "constants", "dtype", "parameters", "layers", "bound")
    print(ROW.format(*titles, "error", "right"))
    for target in ("linear-rnn", "gated-linear-rnn"):
        for variant in (None, *VARIANTS):
            for constants in CONSTANTS:
                for dtype in ("float32", "float64"):
                    line = row(program, target, variant, constants, dtype, samples)
                    if line is not None:
                        print(line, flush=True)


if __name__ == "__main__":
    main()
