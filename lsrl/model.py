"""A compiled model: weights of an architecture, with the program that they hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .backends import Runner, backend, default_backend
from .chunks import run as run_in_chunks
from .dtypes import DType
from .dtypes import dtype as dtype_named
from .encoding import Columns, errors, input_columns, output_columns
from .errors import OptionError
from .lower.sparse import sizes
from .program import Program, one_or_named
from .stream import Stream, warn_of_length
from .targets import target
from .targets.base import CompileOptions
from .tokens import TOKENS, output_vocabulary

if TYPE_CHECKING:
    from .circuit import Circuit
    from .intervene import Intervened
    from .trace import Trace


@dataclass(frozen=True)
class ModelReport:
    """Sizes of a model and its certificate.

    `layers` counts those of the target, without the linear read-out; `parameters` all stored
    numbers, initial states included; `nonzeros` those that are not 0; `state_size` the recurrent
    state's numbers.
    """

    target: str
    dtype: str
    layers: int
    parameters: int
    nonzeros: int
    state_size: int
    certificate: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        return dict(self.__dict__)


@dataclass(frozen=True)
class CompiledModel:
    """Weights by name, the program, and the certificate. Made by `lsrl.compile`.

    `shape` has the target's sizes: inputs, states and units of each layer in `layers`, or
    `input_size`, `hidden_size`, `num_layers` and `output_size`; `symbols` says where each named
    value of the program lives, `units` which units implement which name (both may be made only
    when they are asked for).
    """

    program: Program
    target: str
    options: CompileOptions
    weights: Mapping[str, Any]
    certificate: dict[str, Any]
    shape: dict[str, Any]
    symbols: Mapping[str, Any]
    units: Mapping[str, Any] = field(default_factory=dict)

    @property
    def dtype(self) -> DType:
        """The number format of weights, inputs and outputs."""
        return dtype_named(self.options.dtype)

    @property
    def input_size(self) -> int:
        if self.options.encoding == TOKENS:
            return 1
        return sum(c.width for c in self.input_columns)

    @property
    def output_size(self) -> int:
        if self.options.encoding == TOKENS:
            return output_vocabulary(self.output_columns).size
        return sum(c.width for c in self.output_columns)

    @property
    def input_columns(self) -> list[Columns]:
        """What the model reads, field by field."""
        return input_columns(self.program.graph, self.options.encoding)

    @property
    def output_columns(self) -> list[Columns]:
        """What the model writes, field by field."""
        program = self.program
        return output_columns(program.graph, program.facts, self.options.encoding)

    @property
    def report(self) -> ModelReport:
        """Layers, parameters, non-zeros, state size, certificate."""
        layers, state_size = target(self.target).sizes(self.shape)
        parameters, nonzeros = sizes(self.weights)
        return ModelReport(
            self.target,
            self.options.dtype,
            layers,
            parameters,
            nonzeros,
            state_size,
            self.certificate,
        )

    # Running

    def run(
        self, data: Any, *, raw: bool = False, backend: str | None = None, fused: bool = False
    ) -> Any:
        """Outputs of one sequence, `[T]` or `[T, d]`, by name if there are several.

        Integers, enumerations and booleans are rounded, unless `raw` asks for the model's numbers.
        A sequence longer than the program's length is run all the same, with a `LengthWarning`.
        That an input breaks an `assume`, or that an undetermined comparison matters, is not looked
        at here: `program.run` raises the one, and `lsrl run DIR` warns of both. One whose
        activations would take much memory is run part by part (`lsrl.chunks`).
        `fused` runs no weights but the program that they hold, all steps at once, in float64
        (`Program.fused`), in NumPy unless a backend is named; there are no raw numbers then, and
        `raw` raises `OptionError`.
        """
        batch = self.batch(data, batched=False)
        self._check_length(batch)
        return one_or_named({n: y[0] for n, y in self._run(batch, raw, backend, fused).items()})

    def run_batch(
        self, data: Any, *, raw: bool = False, backend: str | None = None, fused: bool = False
    ) -> Any:
        """Outputs of a batch, `[B, T]` or `[B, T, d]`, by name if there are several."""
        batch = self.batch(data, batched=True)
        self._check_length(batch)
        return one_or_named(self._run(batch, raw, backend, fused))

    def batch(self, data: Any, *, batched: bool) -> dict[str, Any]:
        """As `Program.batch`, but of any length."""
        return self.program.batch(data, batched=batched, any_length=True)

    def _check_length(self, batch: Mapping[str, Any]) -> None:
        steps = next(iter(batch.values())).shape[1]
        if steps > self.program.length:
            warn_of_length(steps, self.program.length, 2)

    def _run(
        self, batch: Mapping[str, Any], raw: bool, backend: str | None, fused: bool
    ) -> dict[str, Any]:
        if fused and raw:
            message = "`fused` runs no weights, so there are no raw numbers"
            raise OptionError.at("E013", None, message, "leave out `fused`, or `raw`")
        if fused:
            return self.program.fused(backend or "numpy").run(batch)
        return run_in_chunks(self, self.runner(backend), batch, raw=raw)

    def stacked(self, batch: Mapping[str, Any]) -> Any:
        """Fields as the model reads them: `[B, T, input size]`, in its dtype."""
        return self.dtype.round(self.program.stacked(batch, self.options.encoding))

    def split(self, y: Any) -> dict[str, Any]:
        """The model's numbers by output; logits of one-hot outputs along one more axis."""
        return self.program.split(y, self.options.encoding)

    def rounded(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """The values that the model's numbers stand for."""
        return self.program.rounded(raw, self.options.encoding)

    def errors(self, raw: Mapping[str, Any], meant: Mapping[str, Any]) -> dict[str, Any]:
        """How far the model's numbers are off what the program means; see `encoding.errors`."""
        return errors(self.output_columns, raw, meant)

    def runner(self, name: str | None = None) -> Runner:
        """The model loaded into a backend: "numpy" (the target's equations), "torch", ..."""
        chosen = name or default_backend()
        if chosen == "numpy":
            return NumpyRunner(self)
        cached = self.__dict__.setdefault("_runners", {})
        if chosen not in cached:
            cached[chosen] = backend(chosen).load(self)
        runner: Runner = cached[chosen]
        return runner

    def equations(self, x: Any) -> Any:
        """The target's equations in NumPy, in the model's dtype: x `[B, T, n]` to y `[B, T, m]`."""
        return NumpyRunner(self).run(self.dtype.round(x))

    def stream(self, *, raw: bool = False, backend: str | None = None) -> Stream:
        """The model one element at a time, in constant memory."""
        return Stream(self, self.runner(backend), raw)

    def torch(self) -> Any:
        """The `torch.nn.Module`: x `[B, T, n]` to y `[B, T, m]` and the state."""
        return self.runner("torch").module

    def jax(self, *, parallel: bool = False) -> Callable[..., Any]:
        """The jitted function: x `[B, T, n]`, and the state if it goes on from one, to y
        `[B, T, m]` and the state after the last step.

        `parallel` computes the states of all steps at once, by an associative scan, in another
        order of rounding; `certificate["parallel"]` is about one call of it without a state. Raises
        `OptionError` E019 for a target whose recurrence is not linear, and where that bound is
        beyond the tolerance. The function raises E013 for an x of another shape, and emits a
        `LengthWarning` where x alone is longer than the program's length.
        """
        runner: Any = self.runner("jax")
        jitted = runner.function(parallel)

        def function(x: Any, state: Any = None) -> Any:
            """x `[B, T, n]`, and the state before, to y `[B, T, m]` and the state after."""
            self._check_stacked(np.shape(x))
            if np.shape(x)[1] > self.program.length:
                warn_of_length(np.shape(x)[1], self.program.length, 1)
            return jitted(x, state)

        return function

    def _check_stacked(self, shape: tuple[int, ...]) -> None:
        """Raises `OptionError` E013 for a shape other than `[B, T, n]` (of tokens: `[B, T]`)."""
        of_ids = self.options.encoding == TOKENS and len(shape) == 2
        if not of_ids and not (len(shape) == 3 and shape[2] == self.input_size):
            message = (
                f"x has the shape {list(shape)}, and the model takes [B, T, {self.input_size}]"
            )
            help = "`model.stacked(model.batch(data, batched=True))` makes it of inputs by name"
            raise OptionError.at("E013", None, message, help)

    def flax(self, api: str = "nnx") -> Any:
        """The weights in Flax's own cells: of lstm and gru, and rnn.

        `api` "nnx" gives a `flax.nnx.Sequential`, "linen" a `flax.linen.Sequential` and its
        variables; each maps x `[B, T, n]` to y `[B, T, m]`. Raises `OptionError` E019 for a target
        without such a cell, or weights that the cell does not have, E026 if Flax is not installed.
        """
        chosen: Any = backend("jax")
        return chosen.flax(self, api)

    # Looking inside

    def trace(self, data: Any, *, backend: str | None = None) -> Trace:
        """Every named value of one sequence, read from the running model, beside the program's."""
        from .trace import trace

        return trace(self, data, backend)

    def intervene(
        self, names: str | Mapping[str, Any], value: Any = None, *, steps: Any = None
    ) -> Intervened:
        """The model with named values overwritten: a name and its value, or values by name.

        A value is a scalar or an array `[d]`, `[T]` or `[T, d]`, or a function of the step and the
        current value; `steps` tells when (a step, several, a slice; all of them by default). Raises
        `OptionError` E014 for an unknown name, E015 for one that is not in the model, E016 for one
        that cannot be overwritten there, E017 for a value that it cannot have.
        """
        from .intervene import intervene

        given = names if isinstance(names, Mapping) else {names: value}
        return intervene(self, given, steps)

    def circuit(self) -> Circuit:
        """Which units and which weights implement each named value."""
        from .circuit import Circuit

        return Circuit(self)

    def with_noise(self, sigma: float, seed: int = 0) -> CompiledModel:
        """The model with Gaussian noise (`sigma`: its deviation) on the weights that are not 0."""
        from .trace import noisy

        return replace(self, weights=noisy(self.weights, sigma, seed))

    # Files

    def save(self, folder: str | Path, *, force: bool = False) -> None:
        """Write the checkpoint folder, whole or not at all. Raises `OptionError` if it exists."""
        from .checkpoint import save

        save(self, Path(folder), force=force)

    def __repr__(self) -> str:
        r = self.report
        return (
            f"CompiledModel({self.program.source.name!r}, target={self.target!r}, "
            f"dtype={r.dtype!r}, layers={r.layers}, parameters={r.parameters})"
        )


class NumpyRunner:
    """The target's equations as a backend."""

    def __init__(self, model: CompiledModel) -> None:
        self.target = target(model.target)
        self.dtype = model.dtype
        self.weights = {name: self.dtype.working(w) for name, w in model.weights.items()}
        self.module = None

    def run(self, x: Any) -> Any:
        """x `[B, T, n]` to y `[B, T, m]`."""
        return self.advance(x, None)[0]

    def initial(self, batch: int) -> Any:
        return self.target.initial(self.weights, batch)

    def advance(self, x: Any, state: Any) -> tuple[Any, Any]:
        """x `[B, T, n]` and the state before to y `[B, T, m]` and the state after."""
        y, state = self.target.run(self.weights, self.dtype.working(x), state)
        return self.dtype.plain(y), state

    def save_state(self, state: Any) -> list[dict[str, Any]]:
        """The state of each layer by name, arrays `[B, ...]`."""
        named = [s if isinstance(s, dict) else {"s": s} for s in state]
        return [{k: self._plain(a) for k, a in s.items()} for s in named]

    def _plain(self, a: Any) -> Any:
        return np.array(a if a.dtype == bool else self.dtype.plain(a))

    def load_state(self, layers: list[dict[str, Any]]) -> Any:
        """The state again."""
        working = self.dtype.working
        state = [
            {k: a.copy() if a.dtype == bool else working(a.copy()) for k, a in s.items()}
            for s in layers
        ]
        return [s["s"] if s.keys() == {"s"} else s for s in state]

    def activations(self, x: Any) -> list[dict[str, Any]]:
        """x `[B, T, n]` to the numbers of each layer: `[B, T, n]` by kind."""
        recorder = Recorder()
        self.target.run(self.weights, x, probe=recorder)
        return recorder.layers()


class Recorder:
    """A probe that keeps what the layers compute."""

    def __init__(self) -> None:
        self.found: list[dict[str, list[Any]]] = []

    def __call__(self, layer: int, t: int, values: dict[str, Any]) -> None:
        while len(self.found) <= layer:
            self.found.append({})
        for kind, array in values.items():
            self.found[layer].setdefault(kind, []).append(array.copy())

    def layers(self) -> list[dict[str, Any]]:
        """`[B, T, n]` by kind, of each layer."""
        return [{k: np.stack(a, axis=1) for k, a in kinds.items()} for kinds in self.found]
