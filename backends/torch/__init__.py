"""The torch backend. Importing it does not import torch."""

from __future__ import annotations

from typing import Any

from lsrl.hf import is_hf

from .emit import emit_module
from .hf import emit_hf
from .stock import emit_stock, is_stock


class TorchBackend:
    """Emitted modules that need torch and safetensors only."""

    framework = "torch"

    def load(self, model: Any) -> Any:
        """The emitted code, run in this process on the model's weights."""
        from .load import runner

        return runner(model)

    def fused(self, text: str) -> Any:
        """The `run` of a module of the fused executor, on NumPy arrays."""
        from .fused import loaded

        return loaded(text)

    def emit(self, model: Any) -> dict[str, str]:
        """`modeling_<target>.py`."""
        return {f"modeling_{model.target.replace('-', '_')}.py": _text(model)}


def _text(model: Any) -> str:
    if is_hf(model.target):
        return emit_hf(model)
    return emit_stock(model) if is_stock(model.target) else emit_module(model)


BACKEND = TorchBackend()
