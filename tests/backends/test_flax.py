"""Weights in Flax's own cells."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flax import linen, nnx
from lsrl_backends.jax.load import digits

import lsrl
from lsrl.sampling import Sampler

EXAMPLES = Path(__file__).parents[2] / "examples"
CELLS = {
    "lstm": "OptimizedLSTMCell",
    "gru": "GRUCell",
    "rnn": "SimpleCell",
    "rnn-tanh": "SimpleCell",
}
HOLDS = {"lstm": "flip_flop", "gru": "flip_flop"}


def compiled(name: str, target: str, **options: Any) -> Any:
    program = lsrl.load(EXAMPLES / f"{name}.lsrl")
    return lsrl.compile(program, target, verify=False, **options)


def inputs(model: Any) -> Any:
    return model.stacked(Sampler(model.program, seed=4).draw(4, 100))


@pytest.mark.parametrize(
    ("target", "dtype"),
    [("lstm", "float64"), ("gru", "float32"), ("rnn", "float32"), ("rnn-tanh", "float64")],
)
def test_linen(target: str, dtype: str) -> None:
    """Integers to the last bit, in every layer the stock cell."""
    model = compiled(HOLDS.get(target, "parity"), target, dtype=dtype)
    x = inputs(model)
    with digits(dtype):
        module, variables = model.flax("linen")
        y = module.apply(variables, x)
    assert y.dtype == dtype
    assert np.array_equal(y, model.equations(x))
    *layers, head = module.layers
    assert len(layers) == model.shape["num_layers"]
    assert type(head) is linen.Dense
    assert all(type(la) is linen.RNN for la in layers)
    assert all(type(la.cell) is getattr(linen, CELLS[target]) for la in layers)


@pytest.mark.parametrize("target", ["lstm", "rnn", "rnn-tanh"])
def test_nnx(target: str) -> None:
    model = compiled(HOLDS.get(target, "parity"), target)
    x = inputs(model)
    module = model.flax()
    assert isinstance(module, nnx.Sequential)
    assert all(type(la.cell) is getattr(nnx, CELLS[target]) for la in module.layers[:-1])
    assert np.array_equal(module(x), model.equations(x))


def test_the_gru_of_nnx_has_no_bias_b_hn() -> None:
    """So weights without one fit, and others are refused."""
    model = compiled("parity", "gru")
    size = model.shape["hidden_size"]
    for i in range(model.shape["num_layers"]):
        model.weights[f"rnn.bias_hh_l{i}"][-size:] = 0.0
    x = inputs(model)
    assert np.array_equal(model.flax("nnx")(x), model.equations(x))
    model.weights["rnn.bias_hh_l0"][-1] = 0.5
    assert refused(lambda: model.flax("nnx")).startswith("`nnx.GRUCell` has no bias b_hn")


def test_what_does_not_fit() -> None:
    model = compiled("parity", "lstm")
    assert refused(lambda: model.flax("haiku")) == "Flax has no API `haiku`"
    other = compiled("parity", "linear-rnn")
    assert refused(other.flax) == "Flax has no cell with the equations of `linear-rnn`"
    model.weights["rnn.bias_ih_l0"][0], model.weights["rnn.bias_hh_l0"][0] = 1e8, 0.1
    for api in ("nnx", "linen"):
        assert "not a number of float32" in refused(lambda api=api: model.flax(api))  # type: ignore[misc]


def refused(call: Any, code: str = "E019") -> str:
    with pytest.raises(lsrl.OptionError) as caught:
        call()
    assert caught.value.code == code
    assert caught.value.diagnostics[0].help
    return caught.value.diagnostics[0].message


def test_without_flax(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "flax", None)
    assert refused(compiled("parity", "lstm").flax, "E026") == "flax is not installed"
