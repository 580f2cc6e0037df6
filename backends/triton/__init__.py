"""The Triton backend: the recurrences of the torch modules as kernels. Importing it, and emitting
code, imports neither triton nor torch."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from lsrl.errors import OptionError

from .emit import KERNELS, emit_module, module_name


class TritonBackend:
    """Emitted kernels that need torch and triton only, for the emitted module of torch."""

    framework = "triton"

    def load(self, model: Any) -> Any:
        """The emitted module of torch with kernels in it, on the GPU or in Triton's interpreter.

        Raises `OptionError` E026 without torch, E034 for a target without kernels, E035 where
        there is neither a GPU nor the interpreter.
        """
        if model.target not in KERNELS:
            message = f"the backend `triton` has no kernels for `{model.target}`, whose recurrence "
            message += "is torch's own"
            raise OptionError.at("E034", None, message, "use the backend `torch`")
        if find_spec("torch") is None:
            message = "the backend `triton` needs torch, which is not installed"
            raise OptionError.at("E026", None, message, "pip install 'lsrl[triton]'")
        from .load import runner

        return runner(model)

    def emit(self, model: Any) -> dict[str, str]:
        """`modeling_<target>_triton.py`, of a target that has kernels."""
        if model.target not in KERNELS:
            return {}
        return {f"{module_name(model.target)}.py": emit_module(model.target)}


BACKEND = TritonBackend()
