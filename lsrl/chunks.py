"""A run in parts of its time, each from the state after the one before: only a part's activations
are in memory, however long the sequence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .targets import target

if TYPE_CHECKING:
    from .backends import Runner
    from .model import CompiledModel

MEMORY = 2**28  # bytes that the activations of one part may take, about
ITSELF = 2**10  # bytes of a layer's arrays at a step beside their numbers, where each is an object
TABLES = ("embeddings.weight", "embed_tokens.weight")  # looked up: no activation for each row


def steps_at_once(model: CompiledModel, batch: int) -> int:
    """How many steps of so many sequences are run at a time: their inputs, outputs and
    activations, a number for each row of each matrix, take up about `MEMORY`, with what loops over
    time need for the arrays of a step themselves."""
    rows = [len(w) for k, w in model.weights.items() if w.ndim > 1 and not k.endswith(TABLES)]
    numbers = model.input_size + model.output_size + sum(rows)
    layers, _ = target(model.target).sizes(model.shape)
    size = np.dtype(model.dtype.numpy).itemsize
    return max(1, MEMORY // (size * numbers * max(1, batch) + ITSELF * layers))


def run(
    model: CompiledModel, runner: Runner, batch: Mapping[str, Any], *, raw: bool
) -> dict[str, Any]:
    """Fields `[B, T]` or `[B, T, d]` to the outputs by name, rounded unless `raw`."""
    b, total = next(iter(batch.values())).shape[:2]
    steps = steps_at_once(model, b)
    if total <= steps:
        return _outputs(model, runner.run(model.stacked(batch)), raw)
    state, parts = runner.initial(b), []
    for t in range(0, total, steps):
        part = {name: a[:, t : t + steps] for name, a in batch.items()}
        y, state = runner.advance(model.stacked(part), state)
        parts.append(_outputs(model, y, raw))
    return {name: np.concatenate([p[name] for p in parts], axis=1) for name in parts[0]}


def _outputs(model: CompiledModel, y: Any, raw: bool) -> dict[str, Any]:
    outputs = model.split(y)
    return outputs if raw else model.rounded(outputs)
