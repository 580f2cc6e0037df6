"""Finding backends: packages of the entry-point group `lsrl.backends`."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

from .errors import OptionError, suggest

if TYPE_CHECKING:
    from .model import CompiledModel


class Runner(Protocol):
    """A model loaded into a framework."""

    module: Any

    def run(self, x: Any) -> Any:
        """NumPy x `[B, T, n]` to y `[B, T, m]`."""
        ...

    def initial(self, batch: int) -> Any:
        """The state before the first step."""
        ...

    def advance(self, x: Any, state: Any) -> tuple[Any, Any]:
        """x `[B, T, n]` and the state before to y `[B, T, m]` and the state after the last step.
        The state given stays as it was."""
        ...

    def save_state(self, state: Any) -> list[dict[str, Any]]:
        """The state as NumPy arrays `[B, ...]`, by layer and name; the same in every backend."""
        ...

    def load_state(self, layers: list[dict[str, Any]]) -> Any:
        """The state that `save_state` has saved, here or in another backend."""
        ...

    def activations(self, x: Any) -> list[dict[str, Any]]:
        """NumPy x `[B, T, n]` to the numbers of each layer: `[B, T, n]` by kind (see `Probe`)."""
        ...


class Backend(Protocol):
    """What a backend package offers."""

    framework: str

    def load(self, model: CompiledModel) -> Runner:
        """Weights into the framework."""
        ...

    def fused(self, text: str) -> Any:
        """The `run` of a module of the fused executor (`lsrl/fused`), on NumPy arrays."""
        ...

    def emit(self, model: CompiledModel) -> dict[str, str]:
        """Source files by name that run the checkpoint with the framework alone."""
        ...


@cache
def _names() -> tuple[str, ...]:
    return tuple(sorted(e.name for e in entry_points(group="lsrl.backends")))


@cache
def backend(name: str) -> Backend:
    """The backend of that name. Raises `OptionError` if it is unknown or not installed."""
    found = [e for e in entry_points(group="lsrl.backends") if e.name == name]
    if not found:
        help = suggest(name, _names()) or f"there are: numpy, {', '.join(_names())}"
        raise OptionError.at("E025", None, f"there is no backend `{name}`", help)
    if find_spec(name) is None:
        message = f"the backend `{name}` is not installed"
        raise OptionError.at("E026", None, message, f"pip install 'lsrl[{name}]'")
    loaded: Backend = found[0].load().BACKEND
    return loaded


def default_backend() -> str:
    """torch where it is installed, else the equations in NumPy."""
    return "torch" if "torch" in _names() and find_spec("torch") is not None else "numpy"


def emitters() -> list[str]:
    """Backends that can write source code; emitting needs no framework."""
    return list(_names())


def emitter(name: str) -> Backend:
    """A backend for its `emit`, whether or not its framework is installed."""
    found: Backend = (
        next(e for e in entry_points(group="lsrl.backends") if e.name == name).load().BACKEND
    )
    return found
