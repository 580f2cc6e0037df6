"""Sizes of the models for torch's own LSTM, GRU and RNN; printed by `benchmarks/sizes.py`.

Each model runs in float32 through the stock torch class on 80,000 positions, and is compared with
the interpreter: on 8 sequences of 10,000 steps where that length is certified, else on sequences of
the program's own length. A value that is rounded is wrong if it is not the interpreter's, a real
one if it is further off than the certificate says.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import lsrl
from lsrl.ir.types import Kind

EXAMPLES = Path(__file__).parents[1] / "examples"
TARGETS = ("lstm", "gru", "rnn", "rnn-tanh")
LONG, POSITIONS = 10_000, 80_000
AFTER_K = "input token: int in 0..7\noutput latch(prev(token == 3), token, -1)\n"
Batch = dict[str, Any]


@dataclass(frozen=True)
class Program:
    """A program at a length, inputs `[B, T]` for it, and the length that it is made for."""

    title: str
    load: Callable[[int], lsrl.Program]
    inputs: Callable[[np.random.Generator, int, int], Batch]
    length: int = LONG


@dataclass(frozen=True)
class Measured:
    """A model's sizes, the seconds from text to weights, and its wrong positions."""

    layers: int
    hidden: int
    parameters: int
    length: int
    seconds: float
    wrong: int

    def __str__(self) -> str:
        sizes = f"{self.layers} / {self.hidden} / {self.parameters:,}"
        return sizes if self.length == LONG else f"{sizes} (T = {self.length:,})"


def example(name: str, **params: int) -> Callable[[int], lsrl.Program]:
    return lambda length: lsrl.load(EXAMPLES / f"{name}.lsrl", params=params, length=length)


def tokens(name: str, values: int) -> Callable[[np.random.Generator, int, int], Batch]:
    return lambda rng, b, t: {name: rng.integers(0, values, (b, t))}


def dictionary(n: int) -> Callable[[np.random.Generator, int, int], Batch]:
    """A query, and pairs with different keys, one of which is the query."""

    def make(rng: np.random.Generator, b: int, t: int) -> Batch:
        rows = []
        for _ in range(b):
            keys = rng.permutation(np.unique(rng.integers(0, 27, (t // n, n)), axis=0))
            keys = keys[: -(-t // (2 * n))]
            pairs = np.concatenate([keys, rng.integers(0, 27, keys.shape)], axis=1).reshape(-1)
            asked = int(rng.integers(t // (2 * n) - 1))
            rows.append(np.concatenate([keys[asked], pairs])[:t])
        return {"token": np.array(rows)}

    return make


def cells(rng: np.random.Generator, b: int, t: int) -> Batch:
    """A point, then the 8 x 8 cells of a table in some order; no point lies on an edge."""
    corners = np.stack(np.meshgrid(*[np.arange(8) / 8] * 2), axis=-1).reshape(-1, 2)
    points = rng.integers(0, 8, (b, 1, 2)) / 8 + rng.uniform(0.02, 0.1, (b, 1, 2))
    order = np.array([rng.permutation(64) for _ in range(b)])
    return {
        "side": np.full((b, t), 1 / 8),
        "corner": np.concatenate([points, corners[order]], axis=1)[:, :t],
        "value": rng.uniform(-3, 3, (b, t, 2)),
    }


PROGRAMS = (
    Program("majority", example("majority"), tokens("bit", 2)),
    Program("parity", example("parity"), tokens("bit", 2)),
    Program("token after the last `k`", lambda n: lsrl.parse(f"length <= {n}\n{AFTER_K}"),
            tokens("token", 8)),
    Program("associative recall, 8 tokens", example("associative_recall", vocab=8),
            tokens("token", 8)),
    Program("dictionary, n = 3", example("dictionary"), dictionary(3), 303),
    Program("dictionary, n = 10", example("dictionary", n=10), dictionary(10), 1010),
    Program("vector, 2 -> 2", example("vector", d_in=2, d_out=2), cells, 65),
)  # fmt: skip


def measured(program: Program, target: str, encoding: str) -> Measured | None:
    """The model for the longest of the two lengths that is certified; None if neither is."""
    for length in dict.fromkeys((LONG, program.length)):
        try:
            lsrl.compile(program.load(length), target, encoding=encoding, verify=False)
        except lsrl.UnsupportedError:
            continue
        start = time.perf_counter()
        model = lsrl.compile(program.load(length), target, encoding=encoding, verify=False)
        seconds = time.perf_counter() - start
        shape = model.shape
        sizes = shape["num_layers"], shape["hidden_size"], model.report.parameters
        return Measured(*sizes, length, seconds, wrong(model, program, length))
    return None


def wrong(model: lsrl.CompiledModel, program: Program, length: int) -> int:
    """Of 80,000 positions (or a few more, in whole sequences) those with a wrong output."""
    rng = np.random.default_rng(0)
    batch = program.inputs(rng, -(-POSITIONS // length), length)
    meant = model.program.run_batch(batch)
    (columns,), (bound,) = model.output_columns, model.certificate["bound"].values()
    if columns.kind is not Kind.REAL:
        return int((model.run_batch(batch, backend="torch") != meant).sum())
    error = np.abs(model.run_batch(batch, raw=True, backend="torch") - meant)
    return int((error.reshape(*error.shape[:2], -1) > bound).any(axis=-1).sum())


def rows() -> Iterator[list[str]]:
    """A row a program and encoding, a column a target: layers / hidden size / parameters."""
    yield ["program", "encoding", *(f"`{t}`" for t in TARGETS), "compile time", "wrong"]
    torch.set_num_threads(1)  # the layers are small
    for program in PROGRAMS:
        for encoding in ("number", "onehot"):
            if encoding == "onehot" and program.inputs is cells:
                continue  # all its values are real
            found = [measured(program, t, encoding) for t in TARGETS]
            known = [m for m in found if m is not None]
            slowest = f"{max(m.seconds for m in known):.2f} s" if known else "-"
            worst = f"{max(m.wrong for m in known)} of {POSITIONS:,}" if known else "-"
            sizes = ["-" if m is None else str(m) for m in found]
            yield [program.title, encoding, *sizes, slowest, worst]
