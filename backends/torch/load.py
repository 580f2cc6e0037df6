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
        weights = {name: torch.from_numpy(w) for name, w in model.weights.items()}
        self.module = namespace["LinearRNN"].from_weights(model.shape["layers"], weights)

    @torch.no_grad()
    def run(self, x: Any) -> Any:
        """NumPy x `[B, T, n]` to y `[B, T, m]`."""
        y, _ = self.module(torch.from_numpy(x))
        return y.numpy()

    def initial(self, batch: int) -> Any:
        return self.module.initial_state(batch)

    @torch.no_grad()
    def step(self, x: Any, state: Any) -> tuple[Any, Any]:
        """x `[B, n]` and the state to y `[B, m]` and the next state."""
        y, state = self.module.step(torch.from_numpy(x), state)
        return y.numpy(), state

    @torch.no_grad()
    def activations(self, x: Any) -> list[dict[str, Any]]:
        """x `[B, T, n]` to inputs x, states s and outputs y of each of the module's layers."""
        found, states = [], self.module.initial_state(x.shape[0])
        values = torch.from_numpy(x)
        for layer, s in zip(self.module.layers, states, strict=True):
            steps = []
            for t in range(values.shape[1]):
                y, s = layer(values[:, t : t + 1], s)
                steps.append((s, y[:, 0]))
            after, out = (torch.stack(part, dim=1) for part in zip(*steps, strict=True))
            found.append({"x": values.numpy(), "s": after.numpy(), "y": out.numpy()})
            values = out
        return found
