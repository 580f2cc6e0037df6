"""Weights of torch's recurrent layers in Flax's own cells, which have the same equations.

Flax has one bias where torch has the sum of two, but for the b_hn of the GRU, which `linen.GRUCell`
has and `nnx.GRUCell` has not. Its kernels are torch's weights transposed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from lsrl.errors import LsrlError, OptionError

from ..torch.stock import is_stock

APIS = ("nnx", "linen")
CELLS = {"lstm": "OptimizedLSTMCell", "gru": "GRUCell", "rnn": "SimpleCell"}
Params = dict[str, dict[str, Any]]  # kernel and bias of each linear map of a cell, float64


def export(model: Any, api: str) -> Any:
    """A model as `flax.nnx.Sequential`, or as `flax.linen.Sequential` with its variables. Raises
    `OptionError` E019 and E026."""
    if api not in APIS:
        raise _refused(f"Flax has no API `{api}`", f"it has {' and '.join(APIS)}")
    if not is_stock(model.target):
        message = f"Flax has no cell with the equations of `{model.target}`"
        raise _refused(message, "it has those of lstm, gru, rnn and rnn-tanh; or use `model.jax()`")
    try:
        import flax  # noqa: F401
    except ImportError:
        message = "flax is not installed"
        raise OptionError.at("E026", None, message, "pip install 'lsrl[flax]'") from None
    from .load import digits

    kind = model.target.removesuffix("-tanh")
    with digits(model.options.dtype):
        return _nnx(model, kind) if api == "nnx" else _linen(model, kind)


def _refused(message: str, help: str) -> LsrlError:
    return OptionError.at("E019", None, message, help)


def _layers(model: Any) -> list[dict[str, Any]]:
    """weight_ih, weight_hh, bias_ih and bias_hh of each layer, float64."""
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return [
        {k: model.weights[f"rnn.{k}_l{i}"].astype(np.float64) for k in names}
        for i in range(model.shape["num_layers"])
    ]


def _sum(model: Any, w: Mapping[str, Any]) -> Any:
    """Both biases in one, if it is not rounded."""
    both = w["bias_ih"] + w["bias_hh"]
    if not (both - w["bias_ih"] == w["bias_hh"]).all() or (model.dtype.round(both) != both).any():
        message = f"the sum of the biases of a gate is not a number of {model.options.dtype}"
        raise _refused(message, "use `model.jax()`, which adds them as torch does")
    return both


def _settings(model: Any, kind: str) -> dict[str, Any]:
    """What the cells are made with."""
    import jax

    dtype = jax.numpy.dtype(model.options.dtype)
    settings: dict[str, Any] = {"dtype": dtype, "param_dtype": dtype}
    if kind == "rnn":
        relu = model.shape["nonlinearity"] == "relu"
        settings["activation_fn"] = jax.nn.relu if relu else jax.numpy.tanh
    return settings


# nnx


def _nnx(model: Any, kind: str) -> Any:
    """Layers of `nnx.RNN` and an `nnx.Linear`."""
    from flax import nnx

    settings, rngs = _settings(model, kind), nnx.Rngs(0)
    n, size, layers = model.shape["input_size"], model.shape["hidden_size"], []
    for w in _layers(model):
        if kind == "gru" and w["bias_hh"][-size:].any():
            message = "`nnx.GRUCell` has no bias b_hn, which these weights need"
            raise _refused(message, 'use `model.flax("linen")`, whose GRUCell has it')
        cell = getattr(nnx, CELLS[kind])(n, size, rngs=rngs, **settings)
        bias = _sum(model, w)
        _assign(cell.dense_i, w["weight_ih"], None if kind == "lstm" else bias)
        _assign(cell.dense_h, w["weight_hh"], bias if kind == "lstm" else None)
        layers.append(nnx.RNN(cell, rngs=rngs))
        n = size
    dtypes = {k: v for k, v in settings.items() if k != "activation_fn"}
    head = nnx.Linear(size, model.shape["output_size"], rngs=rngs, **dtypes)
    _assign(head, model.weights["head.weight"], model.weights["head.bias"])
    return nnx.Sequential(*layers, head)


def _assign(linear: Any, weight: Any, bias: Any) -> None:
    import jax.numpy as jnp

    linear.kernel[...] = jnp.asarray(weight.T, linear.kernel.dtype)
    if bias is not None:
        linear.bias[...] = jnp.asarray(bias, linear.bias.dtype)


# linen


def _linen(model: Any, kind: str) -> tuple[Any, dict[str, Any]]:
    """Layers of `linen.RNN` and a `linen.Dense`, and their variables."""
    import jax
    from flax import linen

    settings, size = _settings(model, kind), model.shape["hidden_size"]
    cell = partial(getattr(linen, CELLS[kind]), size, **settings)
    own = [{"cell": _params(model, kind, w)} for w in _layers(model)]
    layers: list[Any] = [linen.RNN(cell(name="cell")) for _ in own]
    dtypes = {k: v for k, v in settings.items() if k != "activation_fn"}
    layers.append(linen.Dense(model.shape["output_size"], **dtypes))
    head = {"kernel": model.weights["head.weight"].T, "bias": model.weights["head.bias"]}
    params = {f"layers_{i}": p for i, p in enumerate([*own, head])}
    known = lambda a: jax.numpy.asarray(a, settings["dtype"])
    return linen.Sequential(layers), {"params": jax.tree_util.tree_map(known, params)}


def _params(model: Any, kind: str, w: Mapping[str, Any]) -> Params:
    """The parameters of a cell by Flax's names: i and h, for the input and the state, and the
    gate; i, f, g, o or r, z, n, in torch's order."""
    gates = {"lstm": "ifgo", "gru": "rzn", "rnn": " "}[kind]
    count = len(gates)
    biases: dict[str, Sequence[Any]] = {"i": [None] * count, "h": [None] * count}
    if kind == "gru":  # n = tanh(W x + b + r (U h + b'))
        *others, own = np.split(w["bias_hh"], count)
        apart = {**w, "bias_hh": np.concatenate([*others, np.zeros_like(own)])}
        biases = {"i": np.split(_sum(model, apart), count), "h": [None, None, own]}
    else:
        biases["h" if kind == "lstm" else "i"] = np.split(_sum(model, w), count)
    params: Params = {}
    for part, name in (("i", "weight_ih"), ("h", "weight_hh")):
        blocks = np.split(w[name], count)
        for k, block, bias in zip(gates, blocks, biases[part], strict=True):
            found = {"kernel": block.T} | ({} if bias is None else {"bias": bias})
            params[f"{part}{k}".strip()] = found
    return params
