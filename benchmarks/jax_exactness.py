"""Every example on every target, at T = 1,000: the jax backend against the equations in NumPy, the
torch backend and the program's meaning; and the scan of all steps at once. Prints a Markdown table,
and below it what is not exact.

    python benchmarks/jax_exactness.py [TARGET...]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

import lsrl
from lsrl.ir.types import Kind
from lsrl.sampling import Sampler

EXAMPLES = Path(__file__).parents[1] / "examples"
LONG, BATCH = 1000, 4
AT_ONCE = 2**23  # numbers of a dense transition's powers that are held at once
CELLS = ("lstm", "gru", "rnn", "rnn-tanh")  # which cannot
SLOW = ("dictionary", "scattered_copy", "vector")  # drawing their inputs takes minutes
HEAD = (
    "| target | programs | integers, exact | jax = NumPy to the bit | torch - jax, of the bounds "
    "| scan = sequence to the bit | scan, of the bounds |"
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
        result |= at_once(model, x, jax, meant)
    return result


def at_once(model: Any, x: Any, sequence: Any, meant: Any) -> dict[str, Any]:
    """The scan over as many steps as their transitions' powers leave room for: its distance from
    the sequence, and the largest errors of both, each of its bound (of 1 where that is 0). Nothing
    where the scan's bound is beyond the tolerance."""
    try:
        parallel = model.jax(parallel=True)
    except lsrl.OptionError:
        return {}
    lanes = max((w.shape[0] for k, w in model.weights.items() if k.endswith(".A")), default=1)
    dense = model.target.endswith("linear-rnn")
    steps = min(LONG, AT_ONCE // (BATCH * lanes**2)) if dense else LONG
    scan = np.asarray(parallel(x[:, :steps])[0], dtype=float)
    meant = {k: v[:, :steps] for k, v in meant.items()}
    of_bounds = [
        max(float(e.max()) / (model.certificate[part][k] or 1) for k, e in errors.items())
        for part, y in (("parallel", scan), ("bound", sequence[:, :steps]))
        for errors in [model.errors(model.split(y), meant)]
    ]
    apart = float(np.abs(scan - sequence[:, :steps]).max())
    return {"steps": steps, "parallel": apart, "scan": of_bounds[0], "sequence": of_bounds[1]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(lsrl.targets()))
    targets = parser.parse_args().targets or lsrl.targets()
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
        row = f"| `{target}` | {len(found)} | {right} of {len(whole)} | {equal} of {len(whole)} "
        if target not in CELLS:
            same = sum(e.get("parallel") == 0 for e in whole.values())
            scan = max((e.get("scan", 0) for k, e in found.items() if k not in whole), default=0)
            row += f"| {apart:.2g} | {same} of {len(whole)} | {scan:.2g} |"
        else:
            row += f"| {apart:.2g} | | |"
        print(row, flush=True)
        for name, e in found.items():
            if not (e["within"] and e["right"]) or (e["whole"] and e["equal"]):
                notes.append(f"{target} {name}: {e}")
            elif e.get("scan", 0) > 1 or (e["whole"] and e.get("parallel")):
                notes.append(f"{target} {name}, parallel: {e}")
    print("\n".join(["", *notes]))


if __name__ == "__main__":
    main()
