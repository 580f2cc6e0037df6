"""Tasks: a program, inputs for it, and how far a model's answers are off."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import OptionError
from ..ir.types import Kind
from ..program import Program
from ..sampling import Sampler
from . import functions
from .memory import check_prompts, check_sequences
from .prompts import (
    capitals,
    cells,
    grid_prompts,
    look_ups,
    points_inside,
    random_pairs,
)
from .specs import program

if TYPE_CHECKING:
    from ..model import CompiledModel
    from .sweep import Cell

Array = Any
Outputs = Mapping[str, Array]


@dataclass(frozen=True)
class Task:
    """`batch` has inputs `[B, T]` or `[B, T, d]` by field; `judge` says of the numbers of a model,
    by output,

    - `wrong`: per cent of the judged integers that are not right,
    - `error` and `worst`: mean and largest distance of real answers to what is right.
    """

    program: Program
    batch: dict[str, Array]
    judge: Callable[[CompiledModel, Outputs], dict[str, float]]

    def of(self, model: CompiledModel, y: Array) -> dict[str, float]:
        """What `judge` says of a model's own numbers `[B, T, m]`, which may be infinite."""
        with np.errstate(all="ignore"):
            return self.judge(model, model.split(y))


def dictionary(keys: Array, values: Array, vocab: int, asked: Array) -> Task:
    """Look-ups in dictionary.lsrl; judged are the last n outputs."""
    n = keys.shape[1]
    x = look_ups(keys, values, asked)
    loaded = program("dictionary", {"n": n, "vocab": vocab}, x.shape[1])

    def judge(model: CompiledModel, raw: Outputs) -> dict[str, float]:
        right = model.rounded(raw)["output"][:, -n:] == values[asked]
        return {"wrong": percent(~right), "answers_wrong": percent(~right.all(axis=1))}

    return Task(loaded, {"token": x}, judge)


def look_up_task(cell: Cell) -> Task:
    """A random dictionary by the settings `n`, `pairs`, `vocab` and `queries`."""
    n, pairs, vocab, queries = (cell[k] for k in ("n", "pairs", "vocab", "queries"))
    random = cell.random("dictionary", n, pairs, vocab)
    keys, values = random_pairs(n, pairs, vocab, random)
    return dictionary(keys, values, vocab, random.integers(0, pairs, queries))


def check_look_ups(cell: Cell) -> None:
    """Raises `OptionError` E051 where there are too few keys, E053 where there are too many tokens
    for this machine's memory: of each, a model holds the last n."""
    n, pairs, vocab = cell["n"], cell["pairs"], cell["vocab"]
    check_prompts(cell["queries"], n + 2 * n * pairs, n)
    if vocab**n < pairs:
        message = f"there are {vocab**n} keys of {n} tokens below {vocab}, fewer than {pairs} pairs"
        raise OptionError.at("E051", None, message, "choose fewer pairs")


def capitals_task(queries: int) -> Task:
    """The countries of the demonstration, the first `queries` of them asked for."""
    keys, values = capitals()
    return dictionary(keys, values, 27, np.arange(min(queries, len(keys))))


def approximation(cell: Cell) -> Task:
    """By the settings `function`, `d_in`, `d_out`, `cells` and `queries`, at random points."""
    sizes = cell["d_in"], cell["d_out"]
    target = functions.target(
        cell["function"], *sizes, cell.random("function", cell["function"], *sizes)
    )
    points = points_inside(cell["queries"], cell["cells"], cell["d_in"], cell.random("points"))
    return approximated(target, points, cell["cells"], cell["d_out"])


def approximated(target: functions.Target, points: Array, n: int, d_out: int) -> Task:
    """A target as a table of its values at the centres of n^d_in cells, asked for at points
    `[k, d_in]`; judged is the Euclidean distance of the last output."""
    d_in = points.shape[1]
    table, wanted = target.call(cells(n, d_in) + 0.5 / n), target.call(points)
    batch = grid_prompts(points, table, n)
    loaded = program("vector", {"d_in": d_in, "d_out": d_out}, n**d_in + 1)

    def judge(model: CompiledModel, raw: Outputs) -> dict[str, float]:
        distance = np.linalg.norm(raw["y"][:, -1] - wanted, axis=1)
        distance = np.where(np.isnan(distance), np.inf, distance)
        return {"error": float(distance.mean()), "worst": float(distance.max())}

    return Task(loaded, batch, judge)


@dataclass(frozen=True)
class Sample:
    """Random inputs of a program and its outputs, by name. Sequences in which an undetermined
    comparison matters are left out, unless all are such."""

    program: Program
    batch: dict[str, Array]
    outputs: dict[str, Array]


def check_sampled(name: str, sequences: int, steps: int) -> None:
    """Raises `LsrlError` for a program that cannot be read, and E053 where so many sequences of it
    do not fit into this machine's memory."""
    check_sequences(program(name, {}, steps), sequences, steps)


def sampled(name: str, sequences: int, steps: int, random: np.random.Generator) -> Sample:
    """Sequences that the program admits. Raises `LsrlError`."""
    loaded = program(name, {}, steps)
    batch = Sampler(loaded, int(random.integers(2**31))).draw(sequences, steps)
    result = loaded.interpreter.run(batch)
    sure = ~result.mattered if not result.mattered.all() else result.mattered
    return Sample(
        loaded,
        {name: a[sure] for name, a in batch.items()},
        {name: y[sure] for name, y in result.outputs.items()},
    )


def differences(model: CompiledModel, raw: Outputs, meant: Outputs) -> dict[str, float]:
    """`off`: how far a model's own numbers are off what is meant at most; `wrong`: per cent of its
    integers, booleans and members that are another value once rounded."""
    off = max(float(e.max(initial=0)) for e in model.errors(raw, meant).values())
    rounded = model.rounded(raw)
    real = {c.name for c in model.output_columns if c.kind is Kind.REAL}
    wrong = [np.ravel(rounded[k] != y) for k, y in meant.items() if k not in real]
    return {"off": off, **({"wrong": percent(np.concatenate(wrong))} if wrong else {})}


def every_step(sample: Sample) -> Task:
    """A sample as a task in which every output of a model is judged at every step."""

    def judge(model: CompiledModel, raw: Outputs) -> dict[str, float]:
        found = differences(model, raw, sample.outputs)
        return {**found, "error": found["off"]}

    return Task(sample.program, sample.batch, judge)


def percent(wrong: Array) -> float:
    """The share of what is true."""
    return 100 * float(np.mean(wrong))
