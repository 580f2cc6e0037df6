"""How compiling scales: the dictionary as `linear-rnn`, by stage.

`python benchmarks/scale.py [N ...]`: for keys of N tokens the atoms, the seconds of CPU of each
stage, the largest memory so far, and the numbers that the weights would be if they were dense.
Weights are kept as their entries that are not 0; the last stage makes those.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lsrl
from lsrl.lower.assemble import assemble
from lsrl.lower.layout import lay_out
from lsrl.lower.legalise import Legaliser, Options
from lsrl.lower.rounding import certify
from lsrl.lower.schedule import schedule

ROOT = Path(__file__).parents[1]
DIGITS = 24  # of float32


def stages(n: int) -> tuple[int, int, dict[str, float]]:
    """Atoms, parameters, and CPU seconds by stage."""
    seconds: dict[str, float] = {}

    def timed(name: str, run: Callable[[], Any]) -> Any:
        start = time.process_time()
        found = run()
        seconds[name] = time.process_time() - start
        return found

    source, length = ROOT / "examples/dictionary.lsrl", 10 * n
    program = timed("read", lambda: lsrl.load(source, params={"n": n}, length=length))
    timed("optimise", lambda: (program.graph, program.facts))
    atoms = timed("legalise", lambda: Legaliser(program.graph, program.facts, Options()).run())
    machines = timed("lay out", lambda: [lay_out(atoms, p, DIGITS) for p in schedule(atoms)])
    machine = min(machines, key=lambda m: m.parameters)
    timed("certify", lambda: certify(atoms, machine, DIGITS, length))
    timed("weights", lambda: assemble(machine, "float32"))
    return len(atoms.atoms), machine.parameters, seconds


def main() -> None:
    for n in [int(a) for a in sys.argv[1:]] or [30, 100, 300, 1000]:
        atoms, parameters, seconds = stages(n)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        parts = ", ".join(f"{k} {v:.1f}" for k, v in seconds.items())
        print(f"n = {n}: {atoms:,} atoms, {parameters:,} parameters; {parts} s; {memory:.2f} GiB")


if __name__ == "__main__":
    main()
