"""Runs the fused executor's modules in this process, on the CPU and without gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch


def loaded(text: str) -> Callable[[Mapping[str, Any], Any], tuple[dict[str, Any], Any]]:
    """The module's `run`, from NumPy arrays by name and a state to such arrays and the next."""
    functions: dict[str, Any] = {"__name__": "lsrl_emitted"}
    exec(compile(text, "<emitted>", "exec"), functions)

    @torch.no_grad()
    def run(inputs: Mapping[str, Any], state: Any) -> tuple[dict[str, Any], Any]:
        tensors = {k: torch.from_numpy(np.require(x, requirements="W")) for k, x in inputs.items()}
        outputs, state = functions["run"](tensors, state)
        return {name: y.numpy() for name, y in outputs.items()}, state

    return run
