"""Models of `mamba` and `hawk` with random weights, in the stock classes and in ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import transformers
from lsrl_backends.torch import BACKEND
from lsrl_backends.torch.hf import emit_hf

import lsrl
from lsrl.dtypes import FLOAT32
from lsrl.encoding import input_columns, output_columns
from lsrl.hf import ADAPTER_FILE, METADATA, from_hf, hf_class, hf_config, to_hf
from lsrl.tensors import dump

VOCABULARY = 7
INPUTS, OUTPUTS = 2, 3
TOLERANCE = 1e-6  # of the largest number

torch.set_num_threads(1)  # so small matrices take longer on several


class Model:
    """Weights of a target by LSRL's names: normal ones, so large that values stay of one size."""

    def __init__(self, target: str, sizes: dict[str, Any], interface: str) -> None:
        tokens = interface == "tokens"
        self.target, self.interface = target, interface
        self.shape = sizes | {
            "interface": interface,
            "vocab_size": VOCABULARY if tokens else 1,
            "input_size": 1 if tokens else INPUTS,
            "output_size": VOCABULARY if tokens else OUTPUTS,
        }
        self.config = hf_config(target, self.shape, {"note": "a test"})
        self.stock_class = getattr(transformers, hf_class(target, interface))
        self.rng = np.random.default_rng(5)
        stock = self.stock_class(self.stock_class.config_class(**self.config))
        shapes = {k: tuple(v.shape) for k, v in stock.state_dict().items()}
        size = sizes["hidden_size"]
        maps: dict[str, tuple[int, ...]] = {
            "input.weight": (size, INPUTS),
            "input.bias": (size,),
            "output.weight": (OUTPUTS, size),
            "output.bias": (OUTPUTS,),
        }
        adapter = None if tokens else self._normal(maps)
        self.weights = from_hf(target, self._normal(shapes), adapter)

    def _normal(self, shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
        return {
            k: (self.rng.normal(size=s) / (s[-1] ** 0.5 if s[1:] else 3)).astype(np.float32)
            for k, s in shapes.items()
        }

    def integers(self, *shape: int, share: float = 0.4) -> Any:
        """Integers in -2..2, of which so many are not 0."""
        return self.rng.integers(-2, 3, shape) * (self.rng.random(shape) < share)

    def inputs(self, batch: int = 3, steps: int = 25) -> Any:
        """x `[B, T, n]`."""
        if self.interface == "tokens":
            ids = self.rng.integers(0, VOCABULARY, (batch, steps, 1))
            return ids.astype(np.float32)
        return self.rng.normal(size=(batch, steps, INPUTS)).astype(np.float32)

    def save(self, folder: Path) -> Path:
        """The checkpoint as transformers and the emitted code read it."""
        model, adapter = to_hf(self.weights)
        (folder / "config.json").write_text(json.dumps(self.config), encoding="utf-8")
        (folder / "model.safetensors").write_bytes(dump(model, FLOAT32, METADATA))
        if adapter:
            (folder / ADAPTER_FILE).write_bytes(dump(adapter, FLOAT32, METADATA))
        (folder / f"modeling_{self.target}.py").write_text(emit_hf(self.compiled), encoding="utf-8")
        return folder

    def stock(self, **settings: Any) -> Any:
        """The stock model, of a configuration that `settings` change."""
        model = self.stock_class(self.stock_class.config_class(**self.config | settings))
        weights = to_hf(self.weights)[0]
        model.load_state_dict({k: torch.from_numpy(w) for k, w in weights.items()}, strict=True)
        return model.eval()

    def embeds(self, x: Any) -> Any:
        """x `[B, T, n]` as the stock model takes it."""
        w = self.weights
        return torch.from_numpy(x @ w["adapter.input.weight"].T + w["adapter.input.bias"])

    @torch.no_grad()
    def stock_run(self, stock: Any, x: Any) -> Any:
        """x `[B, T, n]` to y `[B, T, m]`, without a cache."""
        if self.interface == "tokens":
            return stock(ids(x), use_cache=False).logits.numpy()
        h = stock(inputs_embeds=self.embeds(x), use_cache=False).last_hidden_state.numpy()
        return h @ self.weights["adapter.output.weight"].T + self.weights["adapter.output.bias"]

    @property
    def compiled(self) -> Any:
        """What the torch backend reads of a `CompiledModel`."""
        program = lsrl.parse("input a: int in 0..6\noutput y = a")
        return SimpleNamespace(
            program=program,
            target=self.target,
            shape=self.shape,
            weights=self.weights,
            input_size=self.shape["input_size"],
            output_size=self.shape["output_size"],
            options=SimpleNamespace(dtype="float32", encoding="number"),
            input_columns=input_columns(program.graph, "number"),
            output_columns=output_columns(program.graph, program.facts, "number"),
        )

    @property
    def runner(self) -> Any:
        """The emitted code."""
        return BACKEND.load(self.compiled)


def ids(x: Any) -> Any:
    """Token ids `[B, T]` of x `[B, T, 1]`."""
    return torch.from_numpy(x[..., 0]).long()


def differs(a: Any, b: Any) -> float:
    """The largest difference of two arrays, relative to the largest number."""
    assert np.shape(a) == np.shape(b)
    if np.size(b) == 0:
        return 0.0
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    return float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-30))


@contextmanager
def kept_inputs(modules: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The inputs of stock modules, `[B, T, n]` by the names given, of a pass in this context."""
    found: dict[str, Any] = {}
    hooks = [
        m.register_forward_pre_hook(lambda _, args, k=k: found.update({k: args[0].numpy()}))
        for k, m in modules.items()
    ]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def greedy(stock: Any, prompt: Any, new: int) -> Any:
    """The prompt `[B, T]` and so many tokens more, each from a full pass."""
    for _ in range(new):
        last = stock(prompt, use_cache=False).logits[:, -1:]
        prompt = torch.cat([prompt, last.argmax(-1)], dim=1)
    return prompt
