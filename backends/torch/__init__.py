"""The torch backend. Importing it does not import torch."""

from __future__ import annotations

from typing import Any

from .emit import emit_module


class TorchBackend:
    """Emitted modules that need torch and safetensors only."""

    framework = "torch"

    def load(self, model: Any) -> Any:
        """The emitted code, run in this process on the model's weights."""
        from .load import TorchRunner

        return TorchRunner(model)

    def emit(self, model: Any) -> dict[str, str]:
        """`modeling_<target>.py`."""
        return {f"modeling_{model.target.replace('-', '_')}.py": emit_module(model)}


BACKEND = TorchBackend()
