"""A program: its source, its graph, and its meaning."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .analysis.check import check_ranges, exact_comparisons
from .analysis.facts import Fact
from .analysis.ranges import analyse
from .collect import collector_paused
from .elaborate.modules import read_source
from .elaborate.program import Elaborated, elaborate
from .encoding import encode, input_columns, output_columns, rounded, split
from .errors import OptionError
from .interpret.inputs import batch_of
from .interpret.run import Interpreter, Result
from .ir.nodes import Field, Graph
from .passes import optimise
from .source import Source
from .syntax.parse import parse_source
from .tokens import TOKENS, encoded, marginal

if TYPE_CHECKING:
    from .fused.executor import Fused

GUARD = 1e-3


class Program:
    """An LSRL program with its parameters set. Made by `lsrl.load` and `lsrl.parse`."""

    @collector_paused()
    def __init__(self, source: Source, params: Mapping[str, Any], length: int | None) -> None:
        _check_settings(params, length)
        self.source = source
        self.tree = parse_source(source)
        self.overrides = dict(params)
        self.elaborated: Elaborated = elaborate(self.tree, params, length)
        check_ranges(self.elaborated.graph, analyse(self.elaborated.graph))

    @property
    def doc(self) -> str:
        """What the program says that it does."""
        return self.elaborated.doc

    @property
    def params(self) -> dict[str, Any]:
        """Values of the parameters."""
        return self.elaborated.params

    @property
    def length(self) -> int:
        """The longest sequence, in steps, that the program promises to work for."""
        return self.elaborated.graph.length

    @property
    def inputs(self) -> tuple[Field, ...]:
        """Input fields, in order of declaration."""
        return self.elaborated.graph.inputs

    @property
    def output_names(self) -> list[str]:
        """Names of the outputs, in order."""
        return [o.name for o in self.graph.outputs]

    @cached_property
    def graph(self) -> Graph:
        """The optimised program IR."""
        return optimise(self.elaborated.graph)

    @cached_property
    def facts(self) -> tuple[Fact, ...]:
        """Range and lattice of each node of `graph`."""
        return analyse(self.graph)

    @cached_property
    def interpreter(self) -> Interpreter:
        """The interpreter of `graph`."""
        return self.interpreter_with(GUARD)

    def interpreter_with(self, guard: float) -> Interpreter:
        """An interpreter whose comparisons of reals have that guard band."""
        ranges = {n: (f.lo, f.hi) for n, f in enumerate(self.facts)}
        exact = exact_comparisons(self.graph, self.facts)
        return Interpreter(self.graph, guard, ranges=ranges, exact_comparisons=exact)

    def batch(
        self, data: Any, *, batched: bool, exact: bool = False, any_length: bool = False
    ) -> dict[str, Any]:
        """What a user passes as validated arrays `[B, T]` or `[B, T, d]` by field."""
        members = self.elaborated.members
        length = sys.maxsize if any_length else self.length
        return batch_of(self.inputs, members, data, batched=batched, length=length, exact=exact)

    def evaluate(self, data: Any, *, batched: bool = True, exact: bool = False) -> Result:
        """Run and return everything known about the run (outputs, margins)."""
        return self.interpreter.run(self.batch(data, batched=batched, exact=exact), exact=exact)

    def run(self, data: Any, *, exact: bool = False) -> Any:
        """Outputs of one sequence: an array `[T]` or `[T, d]`, by name if there are several.

        Raises `InputError` for data outside of the declared types and `PromiseError` for a run that
        breaks a declared bound or an `assume`.
        """
        result = self.evaluate(data, batched=False, exact=exact)
        return one_or_named({name: y[0] for name, y in result.outputs.items()})

    def run_batch(self, data: Any, *, exact: bool = False) -> Any:
        """Outputs of a batch: `[B, T]` or `[B, T, d]`, by name if there are several."""
        return one_or_named(self.evaluate(data, exact=exact).outputs)

    def fused(self, framework: str = "numpy") -> Fused:
        """The program vectorised over batch and time, in `numpy`, `torch` or `jax`: `run` on
        arrays by name, and the `text` of the module that does it."""
        from .fused.executor import fused

        return fused(self, framework)

    def sample(self, n: int, length: int = 50, seed: int = 0) -> tuple[Any, Any]:
        """A data set: inputs of the declared types that meet every `assume`, and the outputs.

        `n` sequences of `length` steps; arrays `[n, T]` or `[n, T, d]`, by name if several.
        """
        from .sampling import Sampler

        batch = Sampler(self, seed).draw(n, length)
        outputs = self.interpreter.run(batch).outputs
        return one_or_named(batch), one_or_named(outputs)

    def stacked(self, batch: Mapping[str, Any], encoding: str = "number") -> Any:
        """Fields side by side, as a model reads them: `[B, T, input size]`, float64."""
        if encoding == TOKENS:
            return encoded(self.graph, batch)
        return encode(input_columns(self.graph, encoding), batch)

    def split(self, y: Any, encoding: str = "number") -> dict[str, Any]:
        """A model's numbers `[..., output size]` by output name; see `encoding.split`."""
        columns = output_columns(self.graph, self.facts, encoding)
        return split(columns, marginal(columns, y) if encoding == TOKENS else y)

    def rounded(self, outputs: Mapping[str, Any], encoding: str = "number") -> dict[str, Any]:
        """Integers, enumerations and booleans rounded to their nearest value."""
        return rounded(output_columns(self.graph, self.facts, encoding), outputs)

    def __repr__(self) -> str:
        settings = "".join(f", {k}={v}" for k, v in self.params.items())
        return f"Program({self.source.name!r}, length={self.length}{settings})"


def _check_settings(params: object, length: object) -> None:
    """Raises `OptionError` for parameters and a length that are of no use."""
    if not isinstance(params, Mapping):
        message = f"parameters are given by name, not as {type(params).__name__}"
        raise OptionError.at("E011", None, message, 'write `params={"n": 3}`')
    if length is None:
        return
    if isinstance(length, bool) or not isinstance(length, int):
        raise OptionError.at("E012", None, f"the length must be an integer, not {length!r}")
    if not 1 <= length <= 2**40:
        message = f"the length {length} is not between 1 and 2^40"
        raise OptionError.at("E012", None, message, "choose another length")


def one_or_named(values: Mapping[str, Any]) -> Any:
    """The array itself if there is one, else all by name."""
    return next(iter(values.values())) if len(values) == 1 else dict(values)


def load(
    path: str | Path, params: Mapping[str, Any] | None = None, length: int | None = None
) -> Program:
    """Read a program file, with parameters and the length set."""
    return Program(read_source(path), params or {}, length)


def parse(
    text: str,
    params: Mapping[str, Any] | None = None,
    length: int | None = None,
    name: str = "<text>",
) -> Program:
    """A program from its text. It cannot import other files."""
    return Program(Source(name, text), params or {}, length)
