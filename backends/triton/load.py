"""Runs the emitted module of torch, with the kernels in it, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import triton
import triton.language as tl

from lsrl.errors import OptionError
from lsrl.hf import is_hf

from ..torch.load import HFRunner, TorchRunner


def runner(model: Any) -> Any:
    """A model's emitted module with kernels. Raises `OptionError` E035."""
    return TritonHFRunner(model) if is_hf(model.target) else TritonLinearRunner(model)


class _Kernels:
    """What a runner of torch becomes with kernels in its module. x and y are NumPy's."""

    module: Any
    run: Callable[[Any], Any]  # by `advance`

    def __init__(self, model: Any) -> None:
        self.device = _device()
        super().__init__(model)  # type: ignore[call-arg]
        self.with_kernels = _with_kernels(model.target)
        self.module = self.with_kernels(self.module.to(self.device))

    def advance(self, x: Any, state: Any) -> tuple[Any, Any]:
        """x `[B, T, n]` and the state before to y `[B, T, m]` and the state after."""
        with all_digits():
            result: tuple[Any, Any] = super().advance(x, state)  # type: ignore[misc]
        return result

    def activations(self, x: Any) -> list[dict[str, Any]]:
        """x `[B, T, n]` to the numbers of each layer; see `Runner`."""
        with all_digits():
            result: list[dict[str, Any]] = super().activations(x)  # type: ignore[misc]
        return result

    def scan(self, x: Any) -> Any:
        """As `run`, by the kernels that compute blocks of time at once. They round in another order
        than the certificate has counted."""
        self.with_kernels(self.module, scan=True)
        try:
            return self.run(x)
        finally:
            self.with_kernels(self.module)


class TritonLinearRunner(_Kernels, TorchRunner):
    """A linear RNN's module with kernels."""


class TritonHFRunner(_Kernels, HFRunner):
    """Mamba's or Hawk's with kernels."""


def _device() -> str:
    """Where kernels run. The interpreter is there if it was asked for before triton was imported:
    then its functions are no compiled ones."""
    if not isinstance(tl.cdiv, triton.JITFunction):
        return "cpu"
    if torch.cuda.is_available():
        return "cuda"
    raise OptionError.at(
        "E035",
        None,
        "the backend `triton` needs a GPU, and torch finds none",
        "use the backend `torch`; or, to try the kernels out, slowly and on the CPU, start Python "
        "with TRITON_INTERPRET=1",
    )


def _with_kernels(target: str) -> Callable[..., Any]:
    """Triton's own functions are chosen when these modules are imported."""
    if target == "mamba":
        from .mamba import with_kernels
    elif target == "hawk":
        from .hawk import with_kernels
    else:
        from .linear import with_kernels
    return with_kernels


@contextmanager
def all_digits() -> Iterator[None]:
    """No TF32: no certificate covers it. Convolutions have it by default."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)
