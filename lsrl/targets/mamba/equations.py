"""The equations of Mamba (Gu and Dao 2023, arXiv:2312.00752) in NumPy, on the stock weights.

For a layer with residual input x_t `[H]`, with I channels that have N states each:

    (v_t, z_t) = W_in norm(x_t)                  in_proj: two branches of I channels (figure 3)
    u_t        = silu(conv(v)_t)                 conv1d, causal, K taps, one channel at a time
    (d, B, C)  = W_x u_t                         x_proj: R + N + N (algorithm 2: S6)
    dt         = softplus(W_dt d + b_dt)         dt_proj, `[I]`
    h_t        = exp(dt A) h_{t-1} + dt B_t u_t  `[I, N]`, A = -exp(A_log) (eq. 2a; eq. 4, with
                                                 B by its first-order term, as in Mamba's own code)
    g_t        = (C_t h_t + D u_t) silu(z_t)     `[I]` (eq. 2b, and the gate of figure 3)
    r_t        = x_t + W_out g_t                 out_proj, `[H]`

with norm(x) = w x / sqrt(mean(x^2) + 1e-5), which also follows the last layer. The state of a layer
is `window` `[B, K-1, I]`, the convolution's last inputs, and `h` `[B, I, N]`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ..base import Probe
from ..functions import (
    Array,
    Show,
    State,
    Weights,
    convolved,
    embedded,
    layers_of,
    normalised,
    quietly,
    read_out,
    seen,
    show_outputs,
    silu,
    softplus,
    through,
)

EPSILON = 1e-5  # MambaConfig.layer_norm_epsilon
LAYERS = "backbone.layers."


def initial(weights: Weights, batch: int) -> list[State]:
    """The state before the first step, zeros, layer by layer."""
    return [_initial(w, batch) for w in layers_of(weights, LAYERS)]


def run(
    weights: Weights, x: Array, state: list[State] | None = None, probe: Probe | None = None
) -> tuple[Array, list[State]]:
    """x, token ids `[B, T, 1]` or real numbers `[B, T, n]`, to logits `[B, T, V]` or numbers
    `[B, T, m]`, and the state after the last step.

    Kinds for `probe`: "x" the residual stream before a layer and "r" after it, `[B, H]`; "s" the
    state h after its update, `[B, I N]`, channel by channel; "u" the gated channels g, `[B, I]`;
    in the last layer also "y", the output.
    """
    layers = layers_of(weights, LAYERS)
    state = state or initial(weights, len(x))
    after = []
    with quietly():
        x = embedded(weights, "backbone.embeddings.weight", x)
        for i, (w, before) in enumerate(zip(layers, state, strict=True)):
            x, s = through(partial(_layer, w), x, before, probe, i)
            after.append(s)
        y = read_out(weights, weights["backbone.norm_f.weight"] * normalised(x, EPSILON))
    show_outputs(probe, len(layers) - 1, y)
    return y, after


def _initial(w: dict[str, Any], batch: int) -> State:
    taps = w["mixer.conv1d.weight"].shape[-1]
    channels, states = w["mixer.A_log"].shape
    dtype = w["mixer.A_log"].dtype
    return {
        "window": np.zeros((batch, taps - 1, channels), dtype),
        "h": np.zeros((batch, channels, states), dtype),
    }


def _layer(w: dict[str, Any], x: Array, state: State, show: Show | None) -> tuple[Array, State]:
    x = seen(show, "x", x)
    inner = (w["norm.weight"] * normalised(x, EPSILON)) @ w["mixer.in_proj.weight"].T
    v, z = np.split(inner, 2, axis=-1)
    taps, bias = w["mixer.conv1d.weight"], w["mixer.conv1d.bias"]
    v, window = convolved(v, state["window"], taps, bias)
    u = silu(v)
    scanned, h = _selective_scan(w, u, state["h"], show)
    g = seen(show, "u", (scanned + w["mixer.D"] * u) * silu(z))
    r = seen(show, "r", x + g @ w["mixer.out_proj.weight"].T)
    return r, {"window": window, "h": h}


def _selective_scan(
    w: dict[str, Any], u: Array, h: Array, show: Show | None
) -> tuple[Array, Array]:
    """u `[B, T, I]` and h `[B, I, N]` to C h of all steps, `[B, T, I]`, and the last h.

    exp(dt A) is made inside of the scan: for all steps at once it has N numbers for each of u's.
    """
    rank, states = w["mixer.dt_proj.weight"].shape[-1], h.shape[-1]
    d, B, C = np.split(u @ w["mixer.x_proj.weight"].T, [rank, rank + states], axis=-1)
    dt = softplus(d @ w["mixer.dt_proj.weight"].T + w["mixer.dt_proj.bias"])
    A = -np.exp(w["mixer.A_log"])
    out = np.empty_like(u)
    for t in range(u.shape[1]):
        step = dt[:, t, :, None]
        h = np.exp(step * A) * h + step * B[:, t, None] * u[:, t, :, None]
        h = seen(show, "s", h)
        out[:, t] = (h @ C[:, t, :, None])[..., 0]
    return out, h
