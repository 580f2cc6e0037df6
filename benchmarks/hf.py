"""Sizes of the models for Hugging Face's own Mamba and RecurrentGemma: the README's second table.

    python benchmarks/hf.py [--markdown]

Each model is written to a folder, loaded with `from_pretrained` into the stock class, and run there
in float32 on sequences of the program's own length. A value that is rounded is wrong if it is not
the interpreter's; of real values the largest error stands beside the certificate.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gated
import numpy as np
import torch
import transformers
from sizes import table

import lsrl
from lsrl.hf import hf_load
from lsrl.ir.types import Kind

TARGETS = ("mamba", "hawk")
SEQUENCES, LONG = 16, 1_000
HEAD = ["program", *(f"{t}: layers / width / parameters" for t in TARGETS), "wrong", "error, bound"]
SKIPPED = ("dictionary, n = 10",)


def prompts(rng: np.random.Generator, b: int, t: int) -> dict[str, Any]:
    """A query, 50 pairs of letters (1 to 26) with different keys, and the 0 that asks."""
    letters = 1 + gated.dictionary(3)(rng, b, t - 1)["token"] % 26
    return {"token": np.concatenate([letters, np.zeros((b, 1), dtype=int)], axis=1)}


def programs() -> Iterator[gated.Program]:
    """Those of the other table, short ones at 1,000 steps, and the dictionary for `generate`."""
    yield gated.Program("capitals, n = 3", gated.example("capitals"), prompts, 304)
    for program in gated.PROGRAMS:
        if program.title not in SKIPPED:
            yield replace(program, length=min(program.length, LONG))


def outputs(model: lsrl.CompiledModel, x: Any) -> Any:
    """What the stock class computes of x `[B, T, n]`: logits, or the output map's numbers."""
    with tempfile.TemporaryDirectory() as place:
        model.save(Path(place) / "model")
        stock, adapter = hf_load(Path(place) / "model")
    with torch.no_grad():
        if adapter is None:
            return stock(torch.from_numpy(x[..., 0]).long(), use_cache=False).logits.numpy()
        hidden = stock(inputs_embeds=adapter["input"](torch.from_numpy(x)), use_cache=False)
        return adapter["output"](hidden.last_hidden_state).numpy()


def measured(program: gated.Program, target: str) -> tuple[str, int, int, float, float]:
    """Sizes; wrong values, and how many there were; the largest error, and its bound."""
    model = lsrl.compile(program.load(program.length), target, verify=False)
    batch = program.inputs(np.random.default_rng(0), SEQUENCES, program.length)
    meant = model.program.evaluate(batch).outputs
    raw = model.split(outputs(model, model.stacked(model.batch(batch, batched=True))))
    rounded = model.rounded(raw)
    wrong = total = 0
    for o in model.program.graph.outputs:
        if model.program.graph.nodes[o.node].type.kind is not Kind.REAL:
            wrong += int((rounded[o.name] != meant[o.name]).sum())
            total += int(np.size(meant[o.name]))
    error = max(float(e.max()) for e in model.errors(raw, meant).values())
    shape = model.shape
    sizes = f"{shape['num_hidden_layers']} / {shape['hidden_size']} / {model.report.parameters:,}"
    return sizes, wrong, total, error, max(model.certificate["bound"].values())


def rows() -> Iterator[list[str]]:
    yield HEAD
    for program in programs():
        found = [measured(program, target) for target in TARGETS]
        wrong, total = sum(f[1] for f in found), sum(f[2] for f in found)
        count = f"{wrong} of {total:,}" if total else "-"
        errors = "exact" if not any(f[4] for f in found) else "; ".join(
            f"{f[3]:.1g} <= {f[4]:.1g}" for f in found
        )  # fmt: skip
        title = f"{program.title}, {program.length:,} steps"
        yield [title, *(f[0] for f in found), count, errors]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markdown", action="store_true")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    table(list(rows()), parser.parse_args().markdown)


if __name__ == "__main__":
    main()
