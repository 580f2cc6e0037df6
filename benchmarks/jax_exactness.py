"""Every example on every target, at T = 1,000: the jax backend against the equations in NumPy, the
torch backend and the program's meaning. Prints a Markdown table, and below it what is not exact.

    python benchmarks/jax_exactness.py [TARGET...]
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

import lsrl
from lsrl.ir.types import Kind
from lsrl.sampling import Sampler

EXAMPLES = Path(__file__).parents[1] / "examples"
LONG, BATCH = 1000, 4
FEW = 100  # steps that are computed at once
CELLS = ("lstm", "gru", "rnn", "rnn-tanh")  # which cannot
SLOW = ("dictionary", "scattered_copy", "vector")  # drawing their inputs takes minutes
HEAD = (
    "| target | programs | integers, exact | jax = NumPy to the bit | torch - jax, of the bounds |"
)


def is_whole(program: lsrl.Program) -> bool:
    """Whether no input and no output is real."""
    types = [f.type for f in program.inputs]
    types += [program.graph.nodes[o.node].type for o in program.graph.outputs]
    return all(t.kind is not Kind.REAL for t in types)


def measure(program: lsrl.Program, target: str, data: Any, meant: Any) -> dict[str, Any] | None:
    """What differs by how much; None if the target does not hold the program."""
    try:
        model = lsrl.compile(program, target, verify=False, max_parameters=100_000)
    except lsrl.LsrlError:
        return None
    x = model.stacked(data)
    jax, torch, numpy = (model.runner(n).run(x).astype(float) for n in ("jax", "torch", "numpy"))
    values = model.rounded(model.split(jax))
    bounds = model.certificate["bound"]
    apart = [
        float(a.max()) / (2 * bounds[k]) if bounds[k] else float(a.max())
        for k, a in model.split(np.abs(jax - torch)).items()
    ]
    whole = is_whole(program)
    result = {
        "whole": whole,
        "right": all(np.array_equal(values[k], meant[k]) for k in values) if whole else True,
        "equal": float(np.abs(jax - numpy).max()),
        "apart": max(apart),
        "within": all(
            e.max() <= bounds[k] for k, e in model.errors(model.split(jax), meant).items()
        ),
    }
    if target not in CELLS:
        parallel = np.asarray(model.jax(parallel=True)(x[:, :FEW])[0], dtype=float)
        result["parallel"] = float(np.abs(parallel - jax[:, :FEW]).max())
        errors = model.errors(model.split(parallel), {k: v[:, :FEW] for k, v in meant.items()})
        result["parallel_within"] = all(e.max() <= bounds[k] for k, e in errors.items())
    return result


def main(targets: list[str]) -> None:
    drawn = {}
    for path in sorted(EXAMPLES.glob("*.lsrl")):
        if path.stem not in SLOW:
            program = lsrl.load(path, length=LONG)
            data = Sampler(program, seed=3).draw(BATCH, LONG)
            run = program.interpreter.run(data)
            kept = ~run.mattered
            if kept.any():
                batch = {k: v[kept] for k, v in data.items()}
                drawn[path.stem] = program, batch, {k: v[kept] for k, v in run.outputs.items()}
    print(f"{HEAD}\n|{' --- |' * HEAD.count(' | ')} --- |")
    notes = []
    for target in targets:
        found: dict[str, dict[str, Any]] = {}
        for name, case in drawn.items():
            if (entry := measure(case[0], target, *case[1:])) is not None:
                found[name] = entry
                print(target, name, entry, file=sys.stderr, flush=True)
        whole = {k: e for k, e in found.items() if e["whole"]}
        right, equal = (
            sum(e["right"] and e["within"] for e in whole.values()),
            sum(e["equal"] == 0 for e in whole.values()),
        )
        apart = max(e["apart"] for e in found.values())
        print(
            f"| `{target}` | {len(found)} | {right} of {len(whole)} | {equal} of {len(whole)} "
            f"| {apart:.2g} |",
            flush=True,
        )
        for name, e in found.items():
            if not (e["within"] and e["right"]) or (e["whole"] and e["equal"]):
                notes.append(f"{target} {name}: {e}")
            elif not e.get("parallel_within", True) or (e["whole"] and e.get("parallel")):
                notes.append(f"{target} {name}, parallel: {e}")
    print("\n".join(["", *notes]))


if __name__ == "__main__":
    main(sys.argv[1:] or lsrl.targets())
