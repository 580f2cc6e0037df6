"""Noise in the weights: how much of it each way to compile a program stands.

The stability study of Petrov et al. 2024 (section 7): Gaussian noise on the stored numbers that are
not 0, the states overwritten at each step by those of the undisturbed run. Besides, noise on all
numbers and relative to each; models that run freely; and lanes that are rescaled as a control,
because what an absolute noise does depends on the scale of a lane.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ...model import CompiledModel, NumpyRunner
from ...trace import NOISES, traced
from ..disturb import PROTOCOLS, Undisturbed, protocol, rescaled, with_noise
from ..figures import strips
from ..functions import FUNCTIONS
from ..memory import check_grid
from ..sections import Figure, Section, Sheet, has, number, pivot, quantiles
from ..settings import Setting
from ..specs import DTYPES, Spec, compiled, files_of, models
from ..study import Arrays, Outcome, Study
from ..sweep import Cell
from ..tasks import (
    Task,
    approximation,
    check_look_ups,
    check_sampled,
    every_step,
    look_up_task,
    sampled,
)

VARIANTS = ("direct", "optimized", "step_optimized")
PRODUCTS = ("multiplicative", "multiplicative_optimized")
OWN = {
    "dictionary": ("n", "pairs", "vocab"),
    "vector": ("cells", "function", "d_in", "d_out"),
}  # settings by program
SEEDS = 2**31
LIMIT = 1.0  # per cent wrong that count as broken
RATIO = 1.2  # times the error without noise that counts as broken


class Noise(Study):
    name = "noise"
    title = "Noise in the weights"
    question = "How much Gaussian noise on its weights does a compiled model stand?"
    settings = (
        Setting(
            "program", str, ("dictionary", "vector"),
            "dictionary, vector, or another example, whose outputs are compared at every step.",
        ),
        models(
            "linear-rnn", "linear-rnn+robust", "gated-linear-rnn",
            *(f"linear-rnn+{v}+paper" for v in VARIANTS),
            *(f"gated-linear-rnn+{v}+paper" for v in PRODUCTS),
            "linear-rnn+optimized+paper+rescaled", "linear-rnn+rescaled",
            "lstm", "lstm+robust", "gru", "gru+robust", "rnn",
        ),
        replace(DTYPES, default=("float64",)),
        Setting("n", int, (10,), "dictionary: tokens of a key.", low=1),
        Setting("pairs", int, (20,), "dictionary: pairs in the prompt.", low=1),
        Setting("vocab", int, (10,), "dictionary: different tokens.", low=2),
        Setting("cells", int, (8,), "vector: cells of the grid along each axis.", low=1),
        Setting("function", str, ("smooth",), f"vector: {FUNCTIONS}"),
        Setting("d_in", int, (2,), "vector: dimensions of a point.", low=1),
        Setting("d_out", int, (2,), "vector: dimensions of a value.", low=1),
        Setting("queries", int, (5,), "Prompts, or sequences, of each repetition.", low=1),
        Setting("steps", int, (200,), "other examples: steps of a sequence.", low=1),
        Setting(
            "sigma", float, (0.0, 1e-9, 1e-7, 1e-5, 1e-3, 1e-1), "Deviation of the noise.",
            inner=True, low=0,
        ),
        Setting("noise", str, ("nonzero",), "What is disturbed.", inner=True, choices=NOISES),
        Setting(
            "protocol", str, PROTOCOLS, "In which states steps begin.", inner=True,
            choices=PROTOCOLS,
        ),
        Setting("trace", bool, (False,), "Name the first value that differs (slow)."),
    )  # fmt: skip

    def settle(self, settings: dict[str, Any]) -> dict[str, Any]:
        """A program does not depend on the sizes of others."""
        own = OWN.get(settings["program"], ("steps",))
        others = {k for names in (*OWN.values(), ("steps",)) for k in names} - set(own)
        return {k: v for k, v in settings.items() if k not in others}

    def files(self, settings: Mapping[str, Any]) -> list[str]:
        return files_of(settings)

    def check(self, cell: Cell) -> None:
        """Raises `OptionError` E051, E053 for what cannot be, or does not fit into memory."""
        Spec.parse(cell["model"])
        if cell["program"] == "vector":
            check_grid(cell["cells"], cell["d_in"], cell["d_out"], cell["queries"])
        elif cell["program"] == "dictionary":
            check_look_ups(cell)
        else:
            check_sampled(cell["program"], cell["queries"], cell["steps"])

    def run(self, cell: Cell) -> Outcome:
        task = _task(cell)
        model = compiled(task.program, cell["model"], cell["dtype"])
        x = model.stacked(task.batch)
        with np.errstate(all="ignore"):
            if Spec.parse(cell["model"]).rescaled:
                model = rescaled(model, x)
            return Outcome(list(_rows(cell, task, model, x)))

    def sections(self, rows: Any, arrays: Arrays) -> list[Section]:
        return [_of_program(name, group) for name, group in rows.groupby("program", sort=False)]


def _task(cell: Cell) -> Task:
    if cell["program"] == "dictionary":
        return look_up_task(cell)
    if cell["program"] == "vector":
        return approximation(cell)
    random = cell.random("sampled", cell["program"])
    return every_step(sampled(cell["program"], cell["queries"], cell["steps"], random))


def _rows(cell: Cell, task: Task, model: CompiledModel, x: Any) -> Iterator[dict[str, Any]]:
    size = {"parameters": model.report.parameters, "layers": model.report.layers}
    for name in cell["protocol"]:
        run = protocol(name, model, x)
        for kind in cell["noise"]:
            for sigma in cell["sigma"]:
                seed = int(cell.random("noise", cell["model"], kind).integers(SEEDS))
                disturbed = with_noise(model, sigma, seed, kind)
                found = {"protocol": name, "noise": kind, "sigma": sigma, **size}
                found |= task.of(model, run(disturbed))
                if cell["trace"]:
                    found |= _first(task, model, disturbed, name)
                yield found


def _first(task: Task, model: CompiledModel, disturbed: CompiledModel, name: str) -> dict[str, Any]:
    """The first named value of the first prompt that is not the interpreter's, and its step."""
    batch = {k: v[:1] for k, v in task.batch.items()}
    x = model.stacked(batch)
    if name == "reset":
        layers = Undisturbed(model, x).activations(disturbed)
    else:
        layers = NumpyRunner(disturbed).activations(x)
    found = traced(disturbed, batch, layers).first_divergence()
    return {"first": found.name if found else None, "step": found.step if found else None}


# The report


def _of_program(name: str, rows: Any) -> Section:
    value = "wrong" if has(rows, "wrong") else "error"
    what = "wrong outputs in per cent" if value == "wrong" else "mean distance to what is right"
    sheets = [_headline(rows, value)]
    figures = []
    for (manner, kind), group in rows.groupby(["protocol", "noise"], sort=False):
        title = f"{name}, {manner}, noise on {kind}: {what}, quartiles"
        sheets.append(pivot(group, ["model", "dtype"], "sigma", value, title))
        figures.append(_figure(group, value, f"{name}, {manner}, noise on {kind}", what))
    return Section(name, f"Shown are {what}.", sheets, figures)


def _headline(rows: Any, value: str) -> Sheet:
    """The least noise at which a model no longer does what it does without."""
    body = []
    for key, group in rows.groupby(["model", "dtype", "noise", "protocol"], sort=False):
        body.append([*key, number(_breaks(group, value))])
    limit = f"{LIMIT:g} % wrong" if value == "wrong" else f"{RATIO:g} times the error without noise"
    title = f"The least noise at which the median passes {limit}; -: none of those tried"
    return Sheet(title, ["model", "dtype", "noise", "protocol", "sigma"], body)


def _breaks(rows: Any, value: str) -> float | None:
    medians = {s: quantiles(g[value], [0.5])[0] for s, g in rows.groupby("sigma")}
    least = medians.get(0.0, min(medians.values()))
    limit = LIMIT if value == "wrong" else RATIO * least
    broken = [float(s) for s, median in medians.items() if not median <= limit]
    return min(broken, default=None)


def _figure(rows: Any, value: str, title: str, what: str) -> Figure:
    panels: Mapping[str, Any] = dict(list(rows.groupby("model", sort=False)))
    draw = strips(panels, "sigma", value, "deviation of the noise", what, log=value == "error")
    return Figure(title, draw, (10.0, 2.2 * -(-len(panels) // 4)))


STUDY = Noise()
