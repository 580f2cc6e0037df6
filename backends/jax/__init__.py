"""The JAX backend. Importing it, and emitting code, does not import jax."""

from __future__ import annotations

from typing import Any

from .emit import emit_module, module_name


class JaxBackend:
    """Emitted functions that need jax and safetensors only."""

    framework = "jax"

    def load(self, model: Any) -> Any:
        """The emitted code, run in this process on the model's weights."""
        from .load import JaxRunner

        return JaxRunner(model)

    def fused(self, text: str) -> Any:
        """The `run` of a module of the fused executor, on NumPy arrays."""
        from .fused import loaded

        return loaded(text)

    def emit(self, model: Any) -> dict[str, str]:
        """`modeling_<target>_jax.py`."""
        return {f"{module_name(model.target)}.py": emit_module(model)}

    def flax(self, model: Any, api: str) -> Any:
        """The weights in Flax's own cells; see `CompiledModel.flax`."""
        from .flax import export

        return export(model, api)


BACKEND = JaxBackend()
