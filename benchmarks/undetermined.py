"""States under comparisons of reals that are undetermined and do not matter: who leaves its bound?

`python benchmarks/undetermined.py [PROGRAMS]`: for each target, random updates of one state with
nested conditions, on inputs near the comparisons, in the NumPy equations. Counted are the programs
held, the sequences in which a comparison is undetermined though nothing that is wider than 1e-12
follows, and the programs whose error passes their certificate in one of those. `own`: moreover
with comparisons of the state itself.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

import lsrl
from lsrl.interpret.run import Interpreter

TARGETS = ("lstm", "gru", "rnn", "rnn-tanh", "mamba", "hawk")
SEQUENCES, STEPS = 300, 16
INPUTS = "input r: real in 0..1\ninput q: real in 0..1\ninput c: bool\ninput e: bool\n"
KINDS = [("0", ("0", "1", "s", "s")), ("0", ("0", "2", "s", "s + 1", "3")),
         ("0.25", ("0.25", "q", "s", "s"))]  # fmt: skip
COMPARISONS = ("r > 0.5", "q > 0.5", "r > q", "c", "e")
OWN = ("s > 0.5", "r > s", "s > q")
Random = np.random.Generator


def condition(rng: Random, leaves: tuple[str, ...], depth: int = 0) -> str:
    """A condition of at most three levels."""
    kind = rng.integers(0, 9)
    if kind == 4:
        return f"not {condition(rng, leaves, depth + 1)}"
    if depth < 2 and kind < 4:
        word = "and" if kind < 2 else "or"
        return f"({condition(rng, leaves, depth + 1)} {word} {condition(rng, leaves, depth + 1)})"
    return str(rng.choice(leaves))


def update(rng: Random, values: tuple[str, ...], leaves: tuple[str, ...], depth: int = 0) -> str:
    """The next value: choices, at most three within each other."""
    if depth >= 3 or (depth and rng.random() < 0.4):
        return str(rng.choice(values))
    chosen, other = (update(rng, values, leaves, depth + 1) for _ in range(2))
    return f"(if {condition(rng, leaves)} then {chosen} else {other})"


def program(seed: int, own: bool) -> lsrl.Program:
    rng = np.random.default_rng(seed)
    start, values = KINDS[2 if own else seed % 3]
    leaves = COMPARISONS + OWN if own else COMPARISONS
    state = f"state s = {start} then {update(rng, values, leaves)}\n"
    return lsrl.parse(f"length <= {STEPS}\n{INPUTS}{state}output s")


def inputs(rng: Random) -> dict[str, Any]:
    """Mostly far from 1/2; else at it, or away by 2^-11 to 2^-40; often the same in both."""
    shape = SEQUENCES, STEPS

    def near() -> Any:
        away = rng.choice([-1, 0, 1], shape) * 2.0 ** -rng.uniform(11, 40, shape)
        far = rng.choice([0.1, 0.3, 0.7, 0.9], shape)
        return np.where(rng.random(shape) < 0.75, far, 0.5 + away)

    r, q = near(), near()
    q = np.where(rng.random(shape) < 0.2, r, q)
    return {"r": r, "q": q, "c": rng.random(shape) < 0.4, "e": rng.random(shape) < 0.4}


def beyond(found: lsrl.Program, model: lsrl.CompiledModel, rng: Random) -> tuple[int, float]:
    """How many sequences count, and by how much the error passes the bound in them, at most."""
    data = inputs(rng)
    meant = Interpreter(found.graph, tolerance=1e-12).run(data)
    counts = np.zeros(SEQUENCES, dtype=bool)
    for margin in meant.margins:
        counts[sorted(margin.sequences)] = True
    counts &= ~meant.mattered
    wanted = {name: y[counts] for name, y in meant.outputs.items()}
    y = model.split(model.runner("numpy").run(model.stacked(data))[counts])
    error = model.errors(y, wanted)["s"].max(initial=0.0)
    return int(counts.sum()), float(error - model.certificate["bound"]["s"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("programs", nargs="?", default=200, type=int, metavar="PROGRAMS")
    parser.add_argument("own", nargs="?", choices=["own"])
    options = parser.parse_args()
    own, count = options.own is not None, options.programs
    print(f"{'target':10}{'programs':>10}{'sequences':>11}{'beyond':>8}{'worst':>9}")
    for target in TARGETS:
        held, sequences, wrong, worst = 0, 0, 0, 0.0
        for seed in range(count):
            found = program(seed, own)
            try:
                model = lsrl.compile(found, target, verify=False)
            except lsrl.UnsupportedError:
                continue
            number, excess = beyond(found, model, np.random.default_rng(seed))
            held, sequences, wrong = held + 1, sequences + number, wrong + (excess > 0)
            worst = max(worst, excess)
        print(f"{target:10}{held:>10}{sequences:>11,}{wrong:>8}{worst:>9.2g}", flush=True)


if __name__ == "__main__":
    main()
