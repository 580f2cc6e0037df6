"""Runs the emitted module in this process."""

from __future__ import annotations

from typing import Any

import torch

from .emit import emit_module


class TorchRunner:
    """A model's emitted module on the CPU, without gradients."""

    def __init__(self, model: Any) -> None:
        namespace: dict[str, Any] = {"__name__": "lsrl_emitted"}
        exec(compile(emit_module(model), "<emitted>", "exec"), namespace)
        self.dtype = getattr(torch, model.options.dtype)
        weights = {name: self._tensor(w) for name, w in model.weights.items()}
        self.module = namespace["LinearRNN"].from_weights(model.shape["layers"], weights)

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
