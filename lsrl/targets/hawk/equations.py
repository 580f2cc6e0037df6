"""The equations of Hawk (De et al. 2024, arXiv:2402.19427) in NumPy, on RecurrentGemma's weights.

A layer is a temporal block and an MLP, each in a residual branch of its own (section 2.1), for a
residual input x_t `[H]` and W recurrent channels in heads of equal width (section 2.3, RG-LRU):

    v_t     = conv(W_x norm(x))_t + b              linear_x, then conv_1d: causal, K taps
    r_t     = sigmoid(W_a v_t + b_a)               recurrent_gate, head by head (eq. 1)
    i_t     = sigmoid(W_i v_t + b_i)               input_gate, head by head (eq. 2)
    log a_t = -8 r_t softplus(Lambda)              recurrent_param (eq. 3, c = 8; appendix A)
    h_t     = a_t h_{t-1} + sqrt(1 - a_t^2) i_t v_t  (eq. 4)
    u_t     = h_t gelu(W_y norm(x_t) + b_y)        linear_y, the other branch
    x'_t    = x_t + W_out u_t + b_out              linear_out
    m_t     = gelu(W_1 norm(x'_t) + b_1) (W_2 norm(x'_t) + b_2)  gate_proj, up_proj
    o_t     = x'_t + W_3 m_t + b_3                 down_proj: the layer's output

with norm(x) = (1 + w) x / sqrt(mean(x^2) + 1e-6), which also follows the last layer. At the first
step of a sequence a = 0 and the factor of i v is 1: h_1 = i_1 v_1. What enters the first layer is
multiplied by sqrt(H), rounded to bfloat16; logits are cap tanh(logits / cap).

The state of a layer is `window` `[B, K-1, W]`, the convolution's last inputs, `h` `[B, W]`, and
`first` `[B]`, whether the next step is a sequence's first.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ...dtypes import BFLOAT16
from ..base import Probe
from ..functions import (
    Array,
    Show,
    State,
    Weights,
    convolved,
    embedded,
    gelu,
    layers_of,
    normalised,
    quietly,
    read_out,
    seen,
    show_outputs,
    sigmoid,
    softplus,
    through,
)

EPSILON = 1e-6  # RecurrentGemmaConfig.rms_norm_eps
SOFT_CAP = 2.0**40  # logits_soft_cap: tanh is the identity below 2^-12 of it
C = 8.0
LAYERS = "model.layers."


def initial(weights: Weights, batch: int) -> list[State]:
    """The state before the first step, zeros, layer by layer."""
    return [_initial(w, batch) for w in layers_of(weights, LAYERS)]


def run(
    weights: Weights, x: Array, state: list[State] | None = None, probe: Probe | None = None
) -> tuple[Array, list[State]]:
    """x, token ids `[B, T, 1]` or real numbers `[B, T, n]`, to logits `[B, T, V]` or numbers
    `[B, T, m]`, and the state after the last step.

    Kinds for `probe`: "x" the residual stream before a layer and "r" after it, `[B, H]`; "s" the
    RG-LRU's state h after its update and "u" the gated h, `[B, W]`; "m" the hidden units of the
    MLP; in the last layer also "y", the output.
    """
    layers = layers_of(weights, LAYERS)
    state = state or initial(weights, len(x))
    after = []
    with quietly():
        x = embedded(weights, "model.embed_tokens.weight", x)
        x = x * embedding_scale(x.shape[-1])
        for i, (w, before) in enumerate(zip(layers, state, strict=True)):
            x, s = through(partial(_layer, w), x, before, probe, i)
            after.append(s)
        y = read_out(weights, _norm(weights["model.final_norm.weight"], x))
        if "lm_head.weight" in weights:
            y = np.tanh(y / SOFT_CAP) * SOFT_CAP
    show_outputs(probe, len(layers) - 1, y)
    return y, after


def embedding_scale(hidden_size: int) -> float:
    """sqrt(H) as the stock model has it, in bfloat16: exact for H = 16, 64, 256, 1024, ..."""
    return float(BFLOAT16.round(np.sqrt(np.float64(hidden_size))))


def _initial(w: dict[str, Any], batch: int) -> State:
    width, _, taps = w["temporal_block.conv_1d.weight"].shape
    dtype = w["temporal_block.conv_1d.weight"].dtype
    return {
        "window": np.zeros((batch, taps - 1, width), dtype),
        "h": np.zeros((batch, width), dtype),
        "first": np.ones(batch, bool),
    }


def _layer(w: dict[str, Any], x: Array, state: State, show: Show | None) -> tuple[Array, State]:
    x = seen(show, "x", x)
    mixed, state = _temporal(w, _norm(w["temporal_pre_norm.weight"], x), state, show)
    x = mixed + x
    units = _norm(w["channel_pre_norm.weight"], x)
    gate = gelu(_linear(w, "mlp_block.gate_proj", units))
    m = seen(show, "m", gate * _linear(w, "mlp_block.up_proj", units))
    r = seen(show, "r", _linear(w, "mlp_block.down_proj", m) + x)
    return r, state


def _temporal(w: dict[str, Any], x: Array, state: State, show: Show | None) -> tuple[Array, State]:
    """The recurrent block (section 2.3, figure 2c) on normalised x `[B, T, H]`."""
    v = _linear(w, "temporal_block.linear_x", x)
    taps, bias = w["temporal_block.conv_1d.weight"], w["temporal_block.conv_1d.bias"]
    v, window = convolved(v, state["window"], taps, bias)
    first = np.zeros((*v.shape[:2], 1), bool)
    first[:, :1, 0] = state["first"][:, None]
    hs, h = _rg_lru(w, v, first, state["h"], show)
    u = seen(show, "u", hs * gelu(_linear(w, "temporal_block.linear_y", x)))
    state = {"window": window, "h": h, "first": state["first"] & (x.shape[1] == 0)}
    return _linear(w, "temporal_block.linear_out", u), state


def _rg_lru(
    w: dict[str, Any], v: Array, first: Array, h: Array, show: Show | None
) -> tuple[Array, Array]:
    """v `[B, T, W]` and h `[B, W]` to all states `[B, T, W]` and the last; `first` `[B, T, 1]`."""
    i = sigmoid(_by_head(w, "input_gate", v))
    r = sigmoid(_by_head(w, "recurrent_gate", v))
    log_a = -C * r * softplus(w["temporal_block.rg_lru.recurrent_param"])
    factor = np.where(first, 1, np.sqrt(1 - np.exp(2 * log_a)))
    a = np.where(first, 0, np.exp(log_a))
    added = v * i * factor
    out = np.empty_like(v)
    for t in range(v.shape[1]):
        h = seen(show, "s", a[:, t] * h + added[:, t])
        out[:, t] = h
    return out, h


def _by_head(w: dict[str, Any], gate: str, v: Array) -> Array:
    """A gate's argument `[B, T, W]`: its matrix is block-diagonal, a block `[in, out]` a head."""
    blocks = w[f"temporal_block.rg_lru.{gate}_weight"]
    heads = v.reshape(-1, *blocks.shape[:2]).transpose(1, 0, 2) @ blocks
    return (heads.transpose(1, 0, 2) + w[f"temporal_block.rg_lru.{gate}_bias"]).reshape(v.shape)


def _linear(w: dict[str, Any], name: str, x: Array) -> Array:
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def _norm(weight: Array, x: Array) -> Array:
    return normalised(x, EPSILON) * (1 + weight)
