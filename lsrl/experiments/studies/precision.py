"""Number formats: where each stops being enough for a program, against its certificate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ...errors import UnsupportedError
from ...model import CompiledModel, NumpyRunner
from ...program import Program
from ...trace import traced
from ..figures import strips
from ..sections import Figure, Section, Sheet, has, number
from ..settings import Setting
from ..specs import DTYPES, Spec, files_of, models
from ..study import Arrays, Outcome, Study
from ..sweep import Cell
from ..tasks import Sample, check_sampled, differences, sampled


class Precision(Study):
    name = "precision"
    title = "Number formats"
    question = "In which format does a model still compute its program, and does it say so?"
    settings = (
        Setting(
            "program", str, ("dictionary", "majority", "moving_average", "vector"),
            "Examples by name, or files.",
        ),
        models("linear-rnn", "gated-linear-rnn", "lstm", "gru", "rnn"),
        replace(DTYPES, default=DTYPES.choices),
        Setting("steps", int, (64, 512), "Steps of a sequence, and the certified length.", low=1),
        Setting("sequences", int, (8,), "Sequences of each repetition.", low=1),
    )  # fmt: skip

    def files(self, settings: Mapping[str, Any]) -> list[str]:
        return files_of(settings)

    def check(self, cell: Cell) -> None:
        Spec.parse(cell["model"])
        check_sampled(cell["program"], cell["sequences"], cell["steps"])

    def run(self, cell: Cell) -> Outcome:
        random = cell.random("sampled", cell["program"], cell["steps"])
        sample = sampled(cell["program"], cell["sequences"], cell["steps"], random)
        model, certified = _model(Spec.parse(cell["model"]), sample.program, cell["dtype"])
        row = {"certified": certified, "bound": max(model.certificate["bound"].values())}
        row |= {"parameters": model.report.parameters, **_measured(sample, model)}
        return Outcome([row])

    def sections(self, rows: Any, arrays: Arrays) -> list[Section]:
        index = ["program", "steps", "model", "dtype"]
        body = []
        for key, g in rows.groupby(index, sort=False):
            wrong = g["wrong"].max() if has(rows, "wrong") else None
            names = ", ".join(sorted({n for n in g["first"] if isinstance(n, str)}))
            body.append([
                *map(number, key), "yes" if g["certified"].all() else "no",
                number(g["bound"].max()), number(g["off"].max()), number(wrong),
                number(bool((g["off"] <= g["bound"] * (1 + 1e-9) + 1e-12).all())), names or "-",
            ])  # fmt: skip
        header = [*index, "certified", "bound", "off by", "% wrong", "within", "first to differ"]
        sheet = Sheet("Largest over all repetitions", header, body)
        panels = {
            " ".join(map(str, k)): g for k, g in rows.groupby(["program", "model"], sort=False)
        }
        draw = strips(panels, "dtype", "off", "format", "off by", log=False)
        figure = Figure("How far outputs are off", draw, (10.0, 2.2 * -(-len(panels) // 4)))
        text = "A model that is not certified is compiled all the same, to see what it does."
        return [Section("Formats", text, [sheet], [figure])]


def _model(spec: Spec, loaded: Program, dtype: str) -> tuple[CompiledModel, bool]:
    """The model, and whether its certificate reaches the tolerance. Raises `LsrlError` where there
    is none of any precision."""
    try:
        return spec.compile(loaded, dtype), spec.options.get("constants") != "paper"
    except UnsupportedError as e:
        if e.code != "E804":
            raise
    return spec.compile(loaded, dtype, tolerance=np.inf), False


def _measured(sample: Sample, model: CompiledModel) -> dict[str, Any]:
    with np.errstate(all="ignore"):
        raw = model.split(NumpyRunner(model).run(model.stacked(sample.batch)))
        found = differences(model, raw, sample.outputs)
    return {**found, **_first(sample, model)}


def _first(sample: Sample, model: CompiledModel) -> dict[str, Any]:
    """The first named value of the first sequence that is not the interpreter's."""
    one = {k: v[:1] for k, v in sample.batch.items()}
    x = model.stacked(one)
    with np.errstate(all="ignore"):
        layers = NumpyRunner(model).activations(model.dtype.working(x))
    found = traced(model, one, layers).first_divergence()
    return {"first": found.name if found else None, "step": found.step if found else None}


STUDY = Precision()
