"""What the tests of `mamba` and of `hawk` demand alike: our equations, the emitted code and the
stock class give the same numbers."""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hf_models import TOLERANCE, Model, differs, ids

from lsrl.hf import hf_load
from lsrl.model import Recorder


def check_equal(equations: Any, model: Model) -> None:
    """Equations and emitted code against the stock class."""
    x = model.inputs()
    y, _ = equations.run(model.weights, x)
    assert y.dtype == np.float32
    stock = model.stock_run(model.stock(), x)
    assert differs(y, stock) < TOLERANCE
    assert differs(model.runner.run(x), stock) < TOLERANCE


def check_steps(equations: Any, model: Model) -> None:
    """In one go, step by step, and in two parts; the state given is left as it was."""
    x, runner = model.inputs(), model.runner
    y, last = equations.run(model.weights, x)
    first, middle = equations.run(model.weights, x[:, :9])
    before = [{k: v.copy() for k, v in s.items()} for s in middle]
    second, end = equations.run(model.weights, x[:, 9:], middle)
    assert differs(np.concatenate([first, second], axis=1), y) < TOLERANCE
    for a, b, c, d in zip(last, end, before, middle, strict=True):
        assert all(differs(b[k], a[k]) < TOLERANCE for k in a)
        assert all((c[k] == d[k]).all() and a[k].dtype == d[k].dtype for k in c)
    state, other = equations.initial(model.weights, len(x)), runner.initial(len(x))
    for t in range(x.shape[1]):
        one, state = equations.run(model.weights, x[:, t : t + 1], state)
        assert np.abs(one[:, 0] - y[:, t]).max() < TOLERANCE * np.abs(y).max()
        two, other = runner.advance(x[:, t : t + 1], other)
        assert np.abs(two[:, 0] - y[:, t]).max() < TOLERANCE * np.abs(y).max()


def check_activations(equations: Any, model: Model) -> list[dict[str, Any]]:
    """A probe changes nothing by itself; the runner's activations are what it sees."""
    x, recorder = model.inputs(), Recorder()
    given = x.copy()
    y, _ = equations.run(model.weights, x, probe=recorder)
    assert (x == given).all()
    assert differs(y, equations.run(model.weights, x)[0]) < TOLERANCE
    layers: list[dict[str, Any]] = recorder.layers()
    assert differs(layers[-1]["y"], y) == 0
    for ours, emitted in zip(layers, model.runner.activations(x), strict=True):
        assert sorted(ours) == sorted(emitted)
        assert all(differs(emitted[k], ours[k]) < 3 * TOLERANCE for k in ours)
    return layers


def check_overwriting(equations: Any, model: Model) -> None:
    """What a probe changes is seen by the step, by the next ones and by the layers above."""
    x = model.inputs()
    y, _ = equations.run(model.weights, x)
    last = model.shape["num_hidden_layers"] - 1

    def run(layer: int, kind: str, value: float) -> tuple[Any, list[dict[str, Any]]]:
        recorder = Recorder()

        def probe(number: int, t: int, kinds: dict[str, Any]) -> None:
            if number == layer and t == 7 and kind in kinds:
                kinds[kind][...] = value
            recorder(number, t, kinds)

        return equations.run(model.weights, x, probe=probe)[0], recorder.layers()

    for kind in "xsur":
        changed, layers = run(0, kind, 0.5)
        assert differs(changed[:, :7], y[:, :7]) < TOLERANCE
        assert differs(changed[:, 7], y[:, 7]) > 100 * TOLERANCE
        assert (layers[0][kind][:, 7] == 0.5).all()
        if last:
            assert (layers[0]["r"] == layers[1]["x"]).all()
        later = differs(changed[:, 8:], y[:, 8:])
        assert later > 10 * TOLERANCE if kind in "xs" or last else later < TOLERANCE
    changed, _ = run(last, "y", 0.5)
    assert (changed[:, 7] == 0.5).all()


def check_loading(equations: Any, model: Model, folder: Path) -> None:
    """The folder loads without a word into the stock class, by `hf_load`, and into the emitted
    code."""
    x = model.inputs()
    y, _ = equations.run(model.weights, x)
    messages: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("transformers").addHandler(handler)
    try:
        stock, info = model.stock_class.from_pretrained(
            model.save(folder), output_loading_info=True
        )
    finally:
        logging.getLogger("transformers").removeHandler(handler)
    assert messages == []
    assert not any(info.values())
    assert stock.config.lsrl == {"note": "a test"}
    assert stock.dtype is torch.float32
    assert differs(model.stock_run(stock, x), y) < TOLERANCE

    stock, adapter = hf_load(folder)
    assert type(stock) is model.stock_class
    with torch.no_grad():
        if model.interface == "tokens":
            assert adapter is None
            found = stock(ids(x), use_cache=False).logits
        else:
            h = stock(inputs_embeds=adapter["input"](torch.from_numpy(x)), use_cache=False)
            found = adapter["output"](h.last_hidden_state)
        assert differs(found.numpy(), y) < TOLERANCE

        path = folder / f"modeling_{model.target}.py"
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        emitted = getattr(module, f"Compiled{model.target.capitalize()}").from_pretrained(folder)
        assert differs(emitted(torch.from_numpy(x))[0].numpy(), y) < TOLERANCE
        if model.interface == "tokens":
            assert differs(emitted(ids(x))[0].numpy(), y) < TOLERANCE
            assert differs(emitted.step(ids(x)[:, 0])[0].numpy(), y[:, 0]) < TOLERANCE
