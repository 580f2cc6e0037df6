"""Runs the emitted module in this process."""

from __future__ import annotations

from typing import Any

import torch

from lsrl.targets import target

from .emit import emit_module
from .stock import class_name, emit_stock, is_stock


def runner(model: Any) -> Any:
    """A model's emitted module, loaded."""
    return StockRunner(model) if is_stock(model.target) else TorchRunner(model)


class StockRunner:
    """torch's own recurrent module and a head, on the CPU, without gradients."""

    def __init__(self, model: Any) -> None:
        namespace: dict[str, Any] = {"__name__": "lsrl_emitted"}
        exec(compile(emit_stock(model), "<emitted>", "exec"), namespace)
        weights = {name: torch.from_numpy(w) for name, w in model.weights.items()}
        self.module = namespace[class_name(model.target)].from_weights(model.shape, weights)

    @torch.no_grad()
    def run(self, x: Any) -> Any:
        """NumPy x `[B, T, n]` to y `[B, T, m]`."""
        y, _ = self.module(torch.from_numpy(x))
        return y.numpy()

    def initial(self, batch: int) -> Any:
        """The module's own default."""
        return None

    @torch.no_grad()
    def step(self, x: Any, state: Any) -> tuple[Any, Any]:
        """x `[B, n]` and the state to y `[B, m]` and the next state."""
        y, state = self.module.step(torch.from_numpy(x), state)
        return y.numpy(), state


class TorchRunner:
    """A model's emitted module on the CPU, without gradients."""

    def __init__(self, model: Any) -> None:
        namespace: dict[str, Any] = {"__name__": "lsrl_emitted"}
        exec(compile(emit_module(model), "<emitted>", "exec"), namespace)
        self.dtype = getattr(torch, model.options.dtype)
        weights = {name: self._tensor(w) for name, w in model.weights.items()}
        name = target(model.target).class_name
        self.module = namespace[name].from_weights(model.shape["layers"], weights)

    def _tensor(self, a: Any) -> Any:
        """A NumPy array of numbers of the model's dtype."""
        return torch.from_numpy(a).to(self.dtype)

    def _array(self, y: Any) -> Any:
        """The same back; NumPy has no bfloat16."""
        return (y.float() if y.dtype is torch.bfloat16 else y).numpy()

    @torch.no_grad()
    def run(self, x: Any) -> Any:
        """NumPy x `[B, T, n]` to y `[B, T, m]`."""
        y, _ = self.module(self._tensor(x))
        return self._array(y)

    def initial(self, batch: int) -> Any:
        return self.module.initial_state(batch)

    @torch.no_grad()
    def step(self, x: Any, state: Any) -> tuple[Any, Any]:
        """x `[B, n]` and the state to y `[B, m]` and the next state."""
        y, state = self.module.step(self._tensor(x), state)
        return self._array(y), state
