"""Disturbed models: their noise, their scale, and in which state each step finds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import OptionError
from ..model import CompiledModel, NumpyRunner, Recorder
from ..targets import target
from ..targets.linear_rnn import LinearRNN
from ..trace import noisy
from .memory import check_bytes

Array = Any
PROTOCOLS = ("reset", "free")
COPIES = 4  # of the states of all steps: as they come, joined, and what a run makes of them


def with_noise(model: CompiledModel, sigma: float, seed: int, kind: str) -> CompiledModel:
    """The model with noise on its weights, in its dtype; see `trace.noisy`."""
    weights = noisy(model.weights, sigma, seed, kind)
    return replace(model, weights={k: model.dtype.round(w) for k, w in weights.items()})


# Scale


def rescaled(model: CompiledModel, x: Array) -> CompiledModel:
    """A linear RNN that computes the same with other lanes: each state and each unit is scaled by
    the power of two that makes its largest magnitude on x `[B, T, n]` lie in (1/2, 1].

    A unit's incoming weights are multiplied by that factor and its outgoing ones divided by it,
    which changes no output (ReLUs are homogeneous; of a product one factor is scaled) but what
    noise of a fixed size does. Raises `OptionError` E051 for another target.
    """
    if not isinstance(target(model.target), LinearRNN):
        message = f"the lanes of `{model.target}` cannot be rescaled: its gates are not linear"
        raise OptionError.at("E051", None, message, "`rescaled` is for the linear RNNs")
    layers = NumpyRunner(model).activations(x)
    weights = {name: w.astype(np.float64) for name, w in model.weights.items()}
    for i, seen in enumerate(layers):
        _scale_states(weights, i, _factors(seen.get("s")))
        if i + 1 < len(layers):
            _scale_units(weights, i, _factors(seen["y"]))
    return replace(model, weights={k: model.dtype.round(w) for k, w in weights.items()})


def _factors(values: Array | None) -> Array:
    """For each lane of `[B, T, n]` the power of two that brings it to at most 1."""
    if values is None:
        return np.ones(0)
    largest = np.abs(values.astype(np.float64)).max(axis=(0, 1))
    return np.where(largest > 0, 2.0 ** -np.ceil(np.log2(np.where(largest > 0, largest, 1))), 1.0)


def _scale_states(weights: dict[str, Array], layer: int, factors: Array) -> None:
    for name in ("A", "B", "b", "s0"):
        _scale(weights, f"layers.{layer}.{name}", factors, rows=True)
    for name in ("A", "C", "E", "G"):
        _scale(weights, f"layers.{layer}.{name}", 1 / factors, rows=False)


def _scale_units(weights: dict[str, Array], layer: int, factors: Array) -> None:
    """ReLUs come first, then products."""
    known = (weights.get(f"layers.{layer}.{name}") for name in ("C", "D", "d"))
    relus = max((len(w) for w in known if w is not None), default=0)
    for name in ("C", "D", "d"):
        _scale(weights, f"layers.{layer}.{name}", factors[:relus], rows=True)
    for name in ("E", "F", "e"):
        _scale(weights, f"layers.{layer}.{name}", factors[relus:], rows=True)
    for name in ("B", "D", "F", "H"):
        _scale(weights, f"layers.{layer + 1}.{name}", 1 / factors, rows=False)


def _scale(weights: dict[str, Array], name: str, factors: Array, *, rows: bool) -> None:
    if name in weights:
        w = weights[name]
        by_row = factors if w.ndim == 1 else factors[:, None]
        weights[name] = w * (by_row if rows else factors)


# Protocols


class Undisturbed:
    """A run of a model, x `[B, T, n]`: its state before each step, where disturbed
    models start. Raises `OptionError` E053 where these states do not fit into memory."""

    def __init__(self, model: CompiledModel, x: Array) -> None:
        self.shape = x.shape
        runner = NumpyRunner(model)
        state, states = runner.initial(x.shape[0]), []
        what = f"the states of {x.shape[0]:,} x {x.shape[1]:,} steps need"
        check_bytes(what, COPIES * x.shape[1] * _size(state), "choose fewer or shorter prompts")
        for t in range(x.shape[1]):
            states.append(state)
            _, state = runner.advance(x[:, t : t + 1], state)
        self.states = _joined(states)  # each array [T * B, ...]
        self.x = np.swapaxes(x, 0, 1).reshape(-1, 1, x.shape[2])

    def run(self, model: CompiledModel) -> Array:
        """The protocol `reset`: each step of a disturbed model from the undisturbed state before
        it. The numbers of the model, `[B, T, m]`."""
        runner = NumpyRunner(model)
        y, _ = runner.target.run(runner.weights, model.dtype.working(self.x), self.states)
        return self._by_sequence(model.dtype.plain(y))

    def activations(self, model: CompiledModel) -> list[dict[str, Array]]:
        """The same run's numbers in each layer, `[B, T, n]` by kind."""
        recorder = Recorder()
        runner = NumpyRunner(model)
        runner.target.run(runner.weights, self.x, self.states, probe=recorder)
        return [{k: self._by_sequence(a) for k, a in kinds.items()} for kinds in recorder.layers()]

    def _by_sequence(self, y: Array) -> Array:
        batch, steps, _ = self.shape
        return np.swapaxes(y.reshape(steps, batch, -1), 0, 1)


def _size(state: Any) -> int:
    """Bytes of the arrays of a state."""
    if isinstance(state, Mapping | list | tuple):
        parts = state.values() if isinstance(state, Mapping) else state
        return sum(map(_size, parts))
    return int(state.nbytes)


def _joined(states: list[Any]) -> Any:
    """States of the same structure as one, their arrays one after the other."""
    first = states[0]
    if isinstance(first, Mapping):
        return {k: _joined([s[k] for s in states]) for k in first}
    if isinstance(first, list | tuple):
        return [_joined([s[i] for s in states]) for i in range(len(first))]
    return np.concatenate(states)


Run = Callable[[CompiledModel], Array]


def protocol(name: str, model: CompiledModel, x: Array) -> Run:
    """How disturbed models are run on x `[B, T, n]`: `reset` or `free`."""
    if name == "reset":
        return Undisturbed(model, x).run
    return lambda disturbed: NumpyRunner(disturbed).run(x)
