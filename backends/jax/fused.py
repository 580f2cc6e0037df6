"""Runs the fused executor's modules in this process, on JAX's default device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .load import digits


def loaded(text: str) -> Callable[[Mapping[str, Any], Any], tuple[dict[str, Any], Any]]:
    """The module's `run`, from NumPy arrays by name and a state to such arrays and the next."""
    functions: dict[str, Any] = {"__name__": "lsrl_emitted"}
    exec(compile(text, "<emitted>", "exec"), functions)

    def run(inputs: Mapping[str, Any], state: Any) -> tuple[dict[str, Any], Any]:
        with digits("float64"):
            outputs, state = functions["run"](inputs, state)
            return {name: np.asarray(y) for name, y in outputs.items()}, state

    return run
