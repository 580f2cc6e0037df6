"""A compiled model: weights of an architecture, with the program that they hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .backends import Runner, backend, default_backend
from .encoding import Columns, errors, input_columns, output_columns
from .errors import InputError
from .program import Program, one_or_named
from .targets import target
from .targets.base import CompileOptions

LONGER = "compile again with `--length N`"


@dataclass(frozen=True)
class ModelReport:
    """Sizes of a model and its certificate.

    `layers` counts those with a ReLU; `parameters` all stored numbers, initial states included;
    `nonzeros` those that are not 0; `state_size` the recurrent state's numbers.
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

    `shape["layers"]` has inputs, states and units of each layer; `symbols` says where each named
    value of the program lives.
    """

    program: Program
    target: str
    options: CompileOptions
    weights: dict[str, Any]
    certificate: dict[str, Any]
    shape: dict[str, Any]
    symbols: dict[str, Any]

    @property
    def input_size(self) -> int:
        return sum(c.width for c in input_columns(self.program.graph, self.options.encoding))

    @property
    def output_size(self) -> int:
        return sum(c.width for c in self._output_columns)

    @property
    def _output_columns(self) -> list[Columns]:
        program = self.program
        return output_columns(program.graph, program.facts, self.options.encoding)

    @property
    def report(self) -> ModelReport:
        """Layers, parameters, non-zeros, state size, certificate."""
        layers, state_size = target(self.target).sizes(self.shape)
        return ModelReport(
            self.target,
            self.options.dtype,
            layers,
            sum(w.size for w in self.weights.values()),
            sum(int(np.count_nonzero(w)) for w in self.weights.values()),
            state_size,
            self.certificate,
        )

    # Running

    def run(self, data: Any, *, raw: bool = False, backend: str | None = None) -> Any:
        """Outputs of one sequence, `[T]` or `[T, d]`, by name if there are several.

        Integers, enumerations and booleans are rounded, unless `raw` asks for the model's numbers.
        """
        batch = self.batch(data, batched=False)
        return one_or_named({n: y[0] for n, y in self._run(batch, raw, backend).items()})

    def run_batch(self, data: Any, *, raw: bool = False, backend: str | None = None) -> Any:
        """Outputs of a batch, `[B, T]` or `[B, T, d]`, by name if there are several."""
        return one_or_named(self._run(self.batch(data, batched=True), raw, backend))

    def batch(self, data: Any, *, batched: bool) -> dict[str, Any]:
        """As `Program.batch`, but a model's length is that of its compilation."""
        try:
            return self.program.batch(data, batched=batched)
        except InputError as e:
            if e.code != "E716":
                raise
            raise InputError.at("E716", e.span, e.diagnostics[0].message, LONGER) from None

    def _run(self, batch: Mapping[str, Any], raw: bool, backend: str | None) -> dict[str, Any]:
        outputs = self.split(self.runner(backend).run(self.stacked(batch)))
        return outputs if raw else self.rounded(outputs)

    def stacked(self, batch: Mapping[str, Any]) -> Any:
        """Fields as the model reads them: `[B, T, input size]`, in its dtype."""
        return self.program.stacked(batch, self.options.encoding).astype(self.options.dtype)

    def split(self, y: Any) -> dict[str, Any]:
        """The model's numbers by output; logits of one-hot outputs along one more axis."""
        return self.program.split(y, self.options.encoding)

    def rounded(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """The values that the model's numbers stand for."""
        return self.program.rounded(raw, self.options.encoding)

    def errors(self, raw: Mapping[str, Any], meant: Mapping[str, Any]) -> dict[str, Any]:
        """How far the model's numbers are off what the program means; see `encoding.errors`."""
        return errors(self._output_columns, raw, meant)

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
        return NumpyRunner(self).run(np.asarray(x).astype(self.options.dtype))

    def stream(self, *, raw: bool = False, backend: str | None = None) -> Stream:
        """The model one element at a time, in constant memory."""
        return Stream(self, self.runner(backend), raw)

    def torch(self) -> Any:
        """The `torch.nn.Module`: x `[B, T, n]` to y `[B, T, m]` and the state."""
        return self.runner("torch").module

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
        self.weights = model.weights
        self.module = None

    def run(self, x: Any) -> Any:
        """x `[B, T, n]` to y `[B, T, m]`."""
        return self.target.run(self.weights, x)[0]

    def initial(self, batch: int) -> Any:
        return self.target.initial(self.weights, batch)

    def step(self, x: Any, state: Any) -> tuple[Any, Any]:
        """x `[B, n]` and the state to y `[B, m]` and the next state."""
        y, state = self.target.run(self.weights, x[:, None], state)
        return y[:, 0], state


class Stream:
    """A model fed one element a step. `step` takes and returns single elements."""

    def __init__(self, model: CompiledModel, runner: Runner, raw: bool) -> None:
        self.model, self.runner, self.raw = model, runner, raw
        self.steps = 0
        self.state = runner.initial(1)

    def step(self, element: Any) -> Any:
        """Outputs at this step: a scalar or an array `[d]`, by name if there are several.

        Raises `InputError` past the program's length.
        """
        program = self.model.program
        if self.steps >= program.length:
            message = f"the stream is past the length of {program.length} steps"
            raise InputError.at("E716", None, message, LONGER)
        data = {n: [v] for n, v in element.items()} if isinstance(element, Mapping) else [element]
        x = self.model.stacked(program.batch(data, batched=False))[:, 0]
        y, self.state = self.runner.step(x, self.state)
        self.steps += 1
        outputs = self.model.split(y)
        if not self.raw:
            outputs = self.model.rounded(outputs)
        return one_or_named({n: v[0] for n, v in outputs.items()})
