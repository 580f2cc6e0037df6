"""Universal approximation by prompting: the error of a function that is given as a table.

Each of N^d_in cells of the unit cube comes with the function's value at its centre; the answer is
the value of the cell that holds the query. With a Lipschitz constant L it is off by at most
L sqrt(d_in) / (2 N), the farthest that a point is from a centre, and the model's certificate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...model import CompiledModel
from ...program import GUARD
from .. import functions
from ..figures import lines, surfaces
from ..memory import check_grid, check_prompts, prompt_bytes
from ..prompts import points_inside
from ..sections import Figure, Section, pivot
from ..settings import Setting
from ..specs import BACKEND, DTYPES, Spec, compiled, files_of, models
from ..study import Arrays, Outcome, Study
from ..sweep import Cell
from ..tasks import approximated

CHUNK = 2**27  # bytes of prompts that are run at once, about
PICTURE = 32  # points of a picture along each axis


class Vector(Study):
    name = "vector"
    title = "Functions in the prompt"
    question = "How close to a continuous function is a model that is prompted with a table of it?"
    settings = (
        Setting("function", str, ("smooth",), functions.FUNCTIONS),
        models("linear-rnn", "gated-linear-rnn", "lstm", "gru", "rnn"),
        DTYPES,
        Setting("d_in", int, (2,), "Dimensions of a point.", low=1),
        Setting("d_out", int, (1,), "Dimensions of a value.", low=1),
        Setting("cells", int, (2, 4, 8, 16), "N, cells along each axis.", low=1),
        Setting("queries", int, (100,), "Points of each repetition.", low=1),
        BACKEND,
    )  # fmt: skip

    def files(self, settings: Mapping[str, Any]) -> list[str]:
        return files_of(settings)

    def check(self, cell: Cell) -> None:
        """Raises `OptionError` E053 for what does not fit into memory."""
        Spec.parse(cell["model"])
        check_grid(cell["cells"], cell["d_in"], cell["d_out"])
        check_prompts(cell["queries"], 1, cell["d_in"] + cell["d_out"])

    def run(self, cell: Cell) -> Outcome:
        n, d_in, d_out = cell["cells"], cell["d_in"], cell["d_out"]
        target = functions.target(
            cell["function"], d_in, d_out, cell.random("function", cell["function"], d_in, d_out)
        )
        points = points_inside(cell["queries"], n, d_in, cell.random("points", d_in))
        wanted, got, model = approximate(cell, target, points)
        distance = np.linalg.norm(got - wanted, axis=1)
        certificate = max(model.certificate["bound"].values())
        lipschitz = target.lipschitz * math.sqrt(d_in) / (2 * n)
        row = {
            "error": float(distance.mean()), "worst": float(distance.max()),
            "lipschitz": target.lipschitz, "derived": target.derived,
            "bound": lipschitz + certificate * math.sqrt(d_out), "certificate": certificate,
            "parameters": model.report.parameters, "layers": model.report.layers,
        }  # fmt: skip
        return Outcome([row], self._picture(cell, target) if cell.repeat == 0 else {})

    def _picture(self, cell: Cell, target: functions.Target) -> dict[str, Any]:
        """The first output and what it should be, on a grid of the plane or of a line."""
        if cell["d_in"] > 2:
            return {}
        axis = (np.arange(PICTURE) + 0.5) / PICTURE
        away = np.abs(axis * cell["cells"] - np.rint(axis * cell["cells"])) / cell["cells"]
        axis = axis + np.where(away <= 2 * GUARD, 3 * GUARD, 0)
        points = np.stack(np.meshgrid(*[axis] * cell["d_in"], indexing="ij"), axis=-1)
        wanted, got, _ = approximate(cell, target, points.reshape(-1, cell["d_in"]))
        return {
            k: v[:, 0].reshape(points.shape[:-1]) for k, v in [("target", wanted), ("got", got)]
        }

    def sections(self, rows: Any, arrays: Arrays) -> list[Section]:
        index = ["function", "model", "dtype", "d_in", "d_out"]
        sheets = [
            pivot(rows, index, "cells", value, f"{words}, quartiles")
            for value, words in (
                ("error", "Mean distance to the target"), ("worst", "Largest distance"),
                ("bound", "Lipschitz bound with the certificate"),
            )
        ]  # fmt: skip
        draw = lines(
            {" ".join(map(str, k)): g for k, g in rows.groupby(index[:3], sort=False)},
            "cells", "worst", "N, cells along each axis", "largest distance", log="xy",
            dashed="bound",
        )  # fmt: skip
        text = "Dashed: the Lipschitz bound with the certificate, which no distance may pass."
        figures = [Figure("Error against N", draw)]
        return [Section("Error", text, sheets, figures), self._pictures(rows, arrays)]

    def _pictures(self, rows: Any, arrays: Arrays) -> Section:
        figures = []
        first = rows[(rows["repeat"] == 0) & (rows["d_in"] <= 2)]
        for key, group in first.groupby(["function", "d_in"], sort=False):
            finest = group[group["cells"] == group["cells"].max()]
            shown: dict[str, Any] = {}
            for _, row in finest.drop_duplicates("model").iterrows():
                found = arrays(row["cell"])
                shown |= {"target": found["target"], row["model"]: found["got"]} if found else {}
            if shown:
                title = f"{key[0]}, N = {finest['cells'].max()}, first output"
                figures.append(Figure(title, surfaces(shown), (2.4 * len(shown), 2.8)))
        return Section("Pictures", "Target and approximations.", (), figures)


def approximate(
    cell: Cell, target: functions.Target, points: Any
) -> tuple[Any, Any, CompiledModel]:
    """What the function's values at points `[k, d_in]` are, what the prompted model answers, both
    `[k, d_out]`, and the model. Raises `LsrlError`."""
    size = prompt_bytes(cell["cells"], cell["d_in"], cell["d_out"])
    parts = np.array_split(points, min(len(points), -(-size * len(points) // CHUNK)))
    answers = []
    for part in parts:
        found = approximated(target, part, cell["cells"], cell["d_out"])
        model = compiled(found.program, cell["model"], cell["dtype"])
        y = model.runner(cell["backend"]).run(model.stacked(found.batch))
        answers.append(model.split(y)["y"][:, -1])
    return target.call(points), np.concatenate(answers), model


STUDY = Vector()
