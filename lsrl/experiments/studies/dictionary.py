"""Token-to-token maps in the prompt: how often the answer is right, by architecture and size."""

from __future__ import annotations

from typing import Any

from ...model import CompiledModel
from ..figures import lines
from ..sections import Figure, Section, Sheet, number
from ..settings import Setting
from ..specs import BACKEND, DTYPES, Spec, compiled, models
from ..study import Arrays, Outcome, Study
from ..sweep import Cell
from ..tasks import Task, capitals_task, check_look_ups, look_up_task

SIZES = ("n", "pairs", "vocab")
CAPITALS_SIZES = {"n": 3, "pairs": 25, "vocab": 27}


class Dictionary(Study):
    name = "dictionary"
    title = "Dictionaries in the prompt"
    question = "Are look-ups right, for every architecture, number format and prompt length?"
    settings = (
        Setting(
            "data", str, ("random", "capitals"),
            "Random tokens, or the capitals of 25 countries (n, pairs and vocab are then theirs).",
            choices=("random", "capitals"),
        ),
        models("linear-rnn", "gated-linear-rnn", "lstm", "gru", "rnn", "rnn-tanh"),
        DTYPES,
        Setting("n", int, (3, 10), "Tokens of a key and of a value.", low=1),
        Setting("pairs", int, (20,), "Pairs in the prompt.", low=1),
        Setting("vocab", int, (27,), "Different tokens.", low=2),
        Setting("queries", int, (5,), "Prompts of each repetition.", low=1),
        BACKEND,
    )  # fmt: skip

    def settle(self, settings: dict[str, Any]) -> dict[str, Any]:
        """The capitals come in one size."""
        return settings if settings["data"] == "random" else {**settings, **CAPITALS_SIZES}

    def check(self, cell: Cell) -> None:
        """Raises `OptionError` E051, E053 for what cannot be, or does not fit into memory."""
        Spec.parse(cell["model"])
        if cell["data"] == "random":
            check_look_ups(cell)

    def run(self, cell: Cell) -> Outcome:
        task = capitals_task(cell["queries"]) if cell["data"] == "capitals" else look_up_task(cell)
        model = compiled(task.program, cell["model"], cell["dtype"])
        return Outcome([measured(task, model, cell["backend"])])

    def sections(self, rows: Any, arrays: Arrays) -> list[Section]:
        index = ["data", "model", "dtype", *SIZES, "steps"]
        body = []
        for key, g in rows.groupby(index, sort=False):
            asked = int(g["queries"].sum())
            body.append([
                *map(number, key), number(int(g["parameters"].iloc[0])), str(asked),
                number(g["wrong"].mean()), number(g["answers_wrong"].mean()),
            ])  # fmt: skip
        header = [*index, "parameters", "prompts", "% of tokens wrong", "% of answers wrong"]
        curves = dict(list(rows.groupby("model", sort=False)))
        draw = lines(curves, "steps", "wrong", "steps of the prompt", "% of tokens wrong", log="x")
        sheet = Sheet("Wrong answers", header, body)
        return [Section("Accuracy", self.question, [sheet], [Figure("Accuracy", draw)])]


def measured(task: Task, model: CompiledModel, backend: str) -> dict[str, Any]:
    """What a model's answers to a task are worth, and its size."""
    report = model.report
    y = model.runner(backend).run(model.stacked(task.batch))
    steps = next(iter(task.batch.values())).shape[1]
    sizes = {"steps": steps, "parameters": report.parameters, "layers": report.layers}
    return {**sizes, "bound": max(model.certificate["bound"].values()), **task.of(model, y)}


STUDY = Dictionary()
