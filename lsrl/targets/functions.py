"""What the equations of `mamba` and `hawk` (and in part `lstm`, ...) are made of, in NumPy.

Each function computes as torch does in the same dtype, far from 0 too: where a number overflows on
the way, the result is the limit. `quietly` keeps NumPy from warning of that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

Array = Any
Weights = Mapping[str, Array]
State = dict[str, Array]
# Called as show(kind, array [B, n]), which may be changed in place.
Show = Callable[[str, Array], None]
# A layer: x [B, T, H], its state before, to its output [B, T, H] and its state after. With a
# `show`, T is 1.
Layer = Callable[[Array, State, Show | None], tuple[Array, State]]


def quietly() -> Any:
    """A context in which limits raise no warnings."""
    return np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore")


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    return 1 / (1 + np.exp(-x))


def silu(x: Array) -> Array:
    """x sigmoid(x)."""
    return x / (1 + np.exp(-x))


def gelu(x: Array) -> Array:
    """x Phi(x), Phi by a tanh: `gelu_pytorch_tanh` (Hendrycks and Gimpel 2016, section 2)."""
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x))))


def softplus(x: Array) -> Array:
    """ln(1 + exp(x)), and x itself above 20, as in torch."""
    return np.where(x > 20, x, np.log1p(np.exp(np.minimum(x, 20))))


def normalised(x: Array, epsilon: float) -> Array:
    """x `[..., H]` over its root mean square (Zhang and Sennrich 2019, eq. 4)."""
    mean = np.mean(x * x, axis=-1, keepdims=True)
    return x * (1 / np.sqrt(mean + epsilon))


def convolved(x: Array, window: Array, weight: Array, bias: Array) -> tuple[Array, Array]:
    """A causal convolution of each channel, and the next window.

    x `[B, T, n]`; window `[B, K-1, n]`, the inputs before the first; weight `[n, 1, K]`, the last
    tap for the current input; bias `[n]`.
    """
    steps, taps = x.shape[1], weight.shape[-1]
    seen = np.concatenate([window, x], axis=1)
    terms = (seen[:, k : k + steps] * weight[:, 0, k] for k in range(taps))
    return sum(terms, bias), seen[:, steps:]


# A model around its layers


def embedded(weights: Weights, table: str, x: Array) -> Array:
    """The inputs of the first layer, `[B, T, H]`.

    Where there is an adapter, x `[B, T, n]` are real numbers and it maps them; else x `[B, T, 1]`
    are token ids, and `table` names the weight that holds their embeddings.
    """
    if "adapter.input.weight" in weights:
        return x @ weights["adapter.input.weight"].T + weights["adapter.input.bias"]
    return weights[table][x[..., 0].astype(np.intp)]


def read_out(weights: Weights, h: Array) -> Array:
    """The adapter's outputs `[..., m]`, or the logits `[..., V]`, of hidden states `[..., H]`."""
    if "adapter.output.weight" in weights:
        return h @ weights["adapter.output.weight"].T + weights["adapter.output.bias"]
    return h @ weights["lm_head.weight"].T


def layers_of(weights: Weights, prefix: str) -> list[dict[str, Array]]:
    """The weights named `<prefix><layer>.<name>`, by name, layer by layer."""
    found: dict[int, dict[str, Array]] = {}
    for key, array in weights.items():
        if key.startswith(prefix):
            number, name = key[len(prefix) :].split(".", 1)
            found.setdefault(int(number), {})[name] = array
    return [found[i] for i in sorted(found)]


def through(layer: Layer, x: Array, state: State, probe: Any, number: int) -> tuple[Array, State]:
    """A layer over all steps of x `[B, T, H]`; step by step if there is a probe (see `Probe`)."""
    if probe is None:
        return layer(x, state, None)
    out = np.empty_like(x)
    for t in range(x.shape[1]):
        show = partial(_show, probe, number, t)
        step, state = layer(x[:, t : t + 1].copy(), state, show)
        out[:, t] = step[:, 0]
    return out, state


def _show(probe: Any, layer: int, t: int, kind: str, array: Array) -> None:
    probe(layer, t, {kind: array})


def show_outputs(probe: Any, number: int, y: Array) -> None:
    """Let a probe, if there is one, see the outputs `[B, T, m]` of the last layer."""
    if probe is not None:
        for t in range(y.shape[1]):
            probe(number, t, {"y": y[:, t]})


def seen(show: Show | None, kind: str, a: Array) -> Array:
    """A value `[B, 1, ...]` of a step, as `show` leaves it; where there is none, a itself."""
    if show is None:
        return a
    flat = np.array(a).reshape(len(a), -1)
    show(kind, flat)
    return flat.reshape(a.shape)
