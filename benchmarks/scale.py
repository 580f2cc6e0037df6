"""How compiling scales: the dictionary as `linear-rnn`, by stage.

`python benchmarks/scale.py [N ...]`: for keys of N tokens the atoms, the seconds of CPU of each
stage, the largest memory so far, and the numbers that the weights would be if they were dense.
Weights are kept as their entries that are not 0; the last stage makes those. Names and circuit,
which a model makes when they are asked for, come after the sum, with the largest memory then. The
length is 10 N, and at most the longest for which clocks need no proof.
"""

from __future__ import annotations

import argparse
import resource
from collections.abc import Mapping
from pathlib import Path

from stages import compiled

from lsrl.lower.sequences import MAX_STEPS

SOURCE = Path(__file__).parents[1] / "examples/dictionary.lsrl"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int, metavar="N")
    for n in parser.parse_args().sizes or [30, 100, 300, 1000]:
        found = compiled(SOURCE, {"n": n}, min(10 * n, MAX_STEPS))
        print(f"n = {n}: {len(found.atoms.atoms):,} atoms, {found.machine.parameters:,} parameters")
        print(f"  {_parts(found.seconds)}", flush=True)
        print(f"  {_parts(found.described())}", flush=True)


def _parts(seconds: Mapping[str, float]) -> str:
    """The seconds of each part, their sum, and the largest memory so far."""
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    parts = ", ".join(f"{name} {s:.1f}" for name, s in seconds.items())
    return f"{parts}; {sum(seconds.values()):.1f} s; {memory:.2f} GiB"


if __name__ == "__main__":
    main()
