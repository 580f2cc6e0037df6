"""A model fed one element at a time, whose state can be saved and restored."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import LengthWarning, LsrlError, OptionError
from .program import one_or_named

if TYPE_CHECKING:
    from .backends import Runner
    from .model import CompiledModel

LONGER = (
    "the sequence has {} steps, but the certificate holds for {}: compile again with `--length N`"
)
STEPS = "steps"


def warn_of_length(steps: int, length: int, callers: int) -> None:
    """Warn where the method of a model or a stream was called, so many calls away."""
    warnings.warn(LONGER.format(steps, length), LengthWarning, stacklevel=callers + 2)


class Stream:
    """A model fed one element a step. `step` takes and returns single elements."""

    def __init__(self, model: CompiledModel, runner: Runner, raw: bool) -> None:
        self.model, self.runner, self.raw = model, runner, raw
        self.steps = 0
        self.state = runner.initial(1)

    def step(self, element: Any) -> Any:
        """Outputs at this step: a scalar or an array `[d]`, by name if there are several.

        The first step past the program's length emits a `LengthWarning`.
        """
        program = self.model.program
        data = {n: [v] for n, v in element.items()} if isinstance(element, Mapping) else [element]
        arrays = program.batch(data, batched=False)
        if self.steps == program.length:
            warn_of_length(self.steps + 1, program.length, 1)
        y, self.state = self.runner.advance(self.model.stacked(arrays), self.state)
        self.steps += 1
        outputs = self.model.split(y[0, 0])
        return one_or_named(outputs if self.raw else self.model.rounded(outputs))

    def state_dict(self) -> dict[str, Any]:
        """The state after the last step, as NumPy arrays that are no longer the stream's own:
        "steps", how many there were, and "layers.0.h", ... It goes into a file with `np.savez`.

        Names, shapes and numbers are the same in every backend, so that a stream of another one
        can go on from there.
        """
        state: dict[str, Any] = {STEPS: np.array(self.steps)}
        for i, layer in enumerate(self.runner.save_state(self.state)):
            state |= {f"layers.{i}.{name}": a[0] for name, a in layer.items()}
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state that `state_dict` gave, of this model in any backend. Raises
        `OptionError` E018, and changes nothing, if it is not one."""
        own = self.runner.save_state(self.state)
        given = {STEPS: np.array(0)} | {
            f"layers.{i}.{name}": a[0] for i, layer in enumerate(own) for name, a in layer.items()
        }
        arrays = _checked(state, given, self.model.dtype.name)
        layers = [
            {name: arrays[f"layers.{i}.{name}"][None] for name in layer}
            for i, layer in enumerate(own)
        ]
        self.state = self.runner.load_state(layers)
        self.steps = int(arrays[STEPS])


def _checked(state: object, own: Mapping[str, Any], dtype: str) -> dict[str, Any]:
    """Arrays with the names, shapes and dtypes of `own`."""
    if not isinstance(state, Mapping):
        raise _other(f"it is {type(state).__name__}, not names with arrays")
    arrays: dict[str, Any] = {}
    if set(state) != set(own):
        wrong = min(set(state) ^ set(own), key=str)
        raise _other(f"it has {'no' if wrong in own else 'a part'} `{wrong}`")
    for name, like in own.items():
        try:
            array = np.asarray(state[name])
        except ValueError:
            raise _other(f"`{name}` is not an array of numbers") from None
        if array.shape != like.shape:
            raise _other(f"`{name}` has the shape {array.shape}, not {like.shape}")
        if array.dtype.kind not in {"i": "iu", "b": "b", "f": "f"}[like.dtype.kind]:
            raise _other(f"`{name}` has the dtype {array.dtype}, not {like.dtype}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise _other(f"`{name}` is not finite")
        cast = array.astype(like.dtype)
        if not np.array_equal(cast, array):
            raise _other(f"`{name}` has numbers that {dtype} does not have")
        arrays[name] = cast
    if arrays[STEPS] < 0:
        raise _other(f"it says that there were {arrays[STEPS]} steps")
    return arrays


def _other(reason: str) -> LsrlError:
    message = f"this is not the state of a stream of this model: {reason}"
    return OptionError.at("E018", None, message, "give what `state_dict` of such a stream gave")
