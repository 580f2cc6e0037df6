"""Length: what becomes of the error up to and beyond the length that is certified."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ...model import CompiledModel
from ..figures import lines
from ..sections import Figure, Section, has, pivot
from ..settings import Setting
from ..specs import DTYPES, Spec, compiled, files_of, models, program
from ..study import Arrays, Outcome, Study
from ..sweep import Cell
from ..tasks import check_sampled, differences, sampled

BLOCK = 1024  # steps that are run at once


class Length(Study):
    name = "length"
    title = "Length"
    question = "How do errors grow with the sequence, and what is beyond the certified length?"
    settings = (
        Setting(
            "program", str, ("majority", "parity", "exponential_smoothing", "automaton"),
            "Examples by name, or files.",
        ),
        models("linear-rnn", "lstm", "gru", "rnn"),
        DTYPES,
        Setting("certified", int, (1000,), "The length that the model is compiled for.", low=1),
        Setting(
            "steps", int, (100, 1000, 10_000, 100_000), "Lengths to look at.", inner=True, low=1
        ),
        Setting("sequences", int, (2,), "Sequences of each repetition.", low=1),
    )  # fmt: skip

    def files(self, settings: Mapping[str, Any]) -> list[str]:
        return files_of(settings)

    def check(self, cell: Cell) -> None:
        Spec.parse(cell["model"])
        program(cell["program"], {}, cell["certified"])
        check_sampled(cell["program"], cell["sequences"], max(cell["steps"]))

    def run(self, cell: Cell) -> Outcome:
        model = compiled(
            program(cell["program"], {}, cell["certified"]), cell["model"], cell["dtype"]
        )
        marks = sorted(cell["steps"])
        random = cell.random("sampled", cell["program"], marks)
        sample = sampled(cell["program"], cell["sequences"], marks[-1], random)
        with np.errstate(all="ignore"):
            raw = model.split(in_blocks(model, model.stacked(sample.batch)))
            return Outcome(list(_rows(cell, model, marks, raw, sample.outputs)))

    def sections(self, rows: Any, arrays: Arrays) -> list[Section]:
        index = ["program", "model", "dtype", "certified"]
        sheets = [
            pivot(rows, index, "steps", value, f"{words} since the length before, quartiles")
            for value, words in (("wrong", "Wrong outputs in per cent"), ("off", "Largest error"))
            if has(rows, value)
        ]
        groups = rows.groupby(["program", "model"], sort=False)
        curves = {" ".join(map(str, k)): g for k, g in groups}
        draw = lines(curves, "steps", "off", "steps", "largest error", log="xy")
        return [Section("Errors", self.question, sheets, [Figure("Error against length", draw)])]


def _rows(
    cell: Cell, model: CompiledModel, marks: list[int], raw: Mapping[str, Any],
    meant: Mapping[str, Any],
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """For each length what happens from the one before it on."""
    bound = max(model.certificate["bound"].values())
    for start, end in zip([0, *marks], marks, strict=False):
        found = differences(
            model,
            {k: y[:, start:end] for k, y in raw.items()},
            {k: y[:, start:end] for k, y in meant.items()},
        )
        yield {"steps": end, "beyond": end > cell["certified"], "bound": bound, **found}


def in_blocks(model: CompiledModel, x: Any) -> Any:
    """A model's numbers for x `[B, T, n]`, block after block, so that memory does not grow."""
    from ...targets import target

    machine = target(model.target)
    weights = {name: model.dtype.working(w) for name, w in model.weights.items()}
    state, parts = machine.initial(weights, x.shape[0]), []
    for start in range(0, x.shape[1], BLOCK):
        block = model.dtype.working(x[:, start : start + BLOCK])
        y, state = machine.run(weights, block, state)
        parts.append(model.dtype.plain(y))
    return np.concatenate(parts, axis=1)


STUDY = Length()
