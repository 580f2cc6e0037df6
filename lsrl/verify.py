"""Comparing a compiled model with the meaning of its program, on inputs chosen to find differences.

The model runs twice: the target's equations in NumPy and, where a framework is installed, the
backend that is asked for or the default one. Integers, enumerations and booleans must be equal once
rounded, and of every output the model's own numbers must lie within the certificate's bound, except
in sequences where an undetermined comparison of reals can change something, for which nothing is
promised.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .analysis.check import exact_comparisons
from .backends import default_backend
from .coverage import Search, Unexercised
from .errors import OptionError, ProgramError, VerificationError
from .interpret.run import Interpreter
from .ir.semantics import Array
from .ir.types import Kind
from .program import Program
from .proposals import Batch, examples_of
from .sampling import Sampler

if TYPE_CHECKING:
    from .model import CompiledModel

LONGEST = 512  # steps of the longest sequences that are tried
SHARES = ((1, 0.05), (6, 0.35), (24, 0.35), (96, 0.2), (LONGEST, 0.05))  # steps, of the samples
QUICK = ((6, 48), (40, 16))  # steps, samples
SEARCH = 400  # elements of the search for coverage, for each sample
REFERENCE = 1e-12  # relative error of the interpreter itself, for reals
UNDETERMINED = 1e-9  # what an undetermined comparison may change without mattering here
SHOWN = 400  # characters of an input in a message


@dataclass(frozen=True)
class Failure:
    """The first place where a model is wrong: `error` is more than `bound`, or `got`, rounded, is
    not `expected`. `input` is the sequence up to that step; `runner` which model it was."""

    output: str
    step: int
    expected: Any
    got: Any
    error: float
    bound: float
    runner: str
    input: dict[str, Any]


@dataclass(frozen=True)
class Report:
    """What `verify` found.

    `max_error` is the largest error of any output in the model's own numbers, `bound` the largest
    that the certificate allows; `errors` and `bounds` are the same for each output. `worst_input`
    is the sequence whose error came closest to its bound, or passed it by most. `checked` counts
    sequences, `undetermined` those among them for which the certificate promises nothing. `runners`
    are the backends that ran it; "numpy" is the target's equations.
    """

    passed: bool
    max_error: float
    bound: float
    errors: dict[str, float]
    bounds: dict[str, float]
    worst_input: dict[str, Any]
    checked: int
    undetermined: int
    unexercised: tuple[Unexercised, ...]
    runners: tuple[str, ...]
    failure: Failure | None = None

    def as_json(self) -> dict[str, Any]:
        """As plain data; an infinite error is null."""
        plain: dict[str, Any] = _finite(asdict(self))
        return plain


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def verify(
    model: CompiledModel,
    samples: int = 1000,
    seed: int = 0,
    length: int | None = None,
    backend: str | None = None,
) -> Report:
    """Run a model against the interpreter on `samples` sequences of up to `length` steps (default
    512, or what the program promises), and on those that a search for coverage finds.

    Raises `OptionError` E012 for sizes that cannot be, E025 and E026 for a backend that is not
    there, `ProgramError` E721 if no inputs meet the assumes. A model that is wrong is a report that
    has not passed.
    """
    if not hasattr(model, "weights"):
        message = f"`verify` takes a model, not {type(model).__name__}"
        help = "compile a program, or load a folder with `lsrl.load_model`"
        raise OptionError.at("E013", None, message, help)
    longest = _longest(model.program, samples, length)
    checker = _Checker(model, [("numpy", _equations)])
    chosen = backend or default_backend()
    if chosen != "numpy":
        model.runner(chosen)  # refused before the work, not after it
        checker.runners.append((chosen, partial(_backend, chosen)))
    sampler = Sampler(model.program, seed, checker.guard)
    search = Search(checker.interpreter, sampler, SEARCH * samples, longest)
    sizes = {min(steps, longest): 0 for steps, _ in SHARES}
    for steps, share in SHARES:
        sizes[min(steps, longest)] += max(1, round(samples * share))
    for fields in _batches(sampler, list(sizes.items()), longest):
        search.observe(fields)
        checker.check(fields)
    for fields in search.run():
        checker.check(fields)
    return checker.report(search.coverage.missing())


def quick(model: CompiledModel) -> None:
    """A short verification, of the equations only. Raises `VerificationError` E901.

    A program for which no inputs are found that meet its assumes passes: nothing is promised. So
    does a model that is wrong by no more than its certificate allows (`--tolerance`).
    """
    checker = _Checker(model, [("numpy", _equations)])
    sampler = Sampler(model.program, 0, checker.guard)
    longest = model.program.length
    batches = _batches(sampler, [(min(t, longest), n) for t, n in QUICK], longest)
    with suppress(ProgramError):
        for fields in batches:
            checker.check(fields)
            failure = checker.failure
            if failure is not None and not failure.error <= failure.bound:
                raise _error(model, failure)


def _longest(program: Program, samples: int, length: int | None) -> int:
    if samples < 1:
        message = f"{samples} sequences cannot be verified"
        raise OptionError.at("E012", None, message, "ask for 1 or more")
    if length is not None and not 1 <= length <= program.length:
        message = f"the length {length} is not between 1 and {program.length}"
        raise OptionError.at("E012", None, message, "that is the longest that the program holds")
    return length or min(program.length, LONGEST)


def _batches(sampler: Sampler, sizes: list[tuple[int, int]], longest: int) -> Iterator[Batch]:
    """The examples as they stand, then drawn sequences; shorter ones where there are no others."""
    for example in examples_of(sampler.program):
        row = {name: a[None, :longest] for name, a in example.items()}
        yield sampler.mend(row)
    for steps, n in sizes:
        steps = min(steps, longest)
        while True:
            try:
                yield sampler.draw(n, steps)
                break
            except ProgramError:
                if steps == 1:
                    raise
                steps = longest = (steps + 1) // 2


def _equations(model: CompiledModel, fields: Batch) -> dict[str, Array]:
    return model.split(model.equations(model.stacked(fields)))


def _backend(name: str, model: CompiledModel, fields: Batch) -> dict[str, Array]:
    outputs = model.run_batch(fields, raw=True, backend=name)
    if isinstance(outputs, dict):
        return outputs
    return {model.program.output_names[0]: outputs}


@dataclass
class _Worst:
    """The sequence with the largest error, in bounds."""

    ratio: float = -1.0
    input: dict[str, Any] | None = None


class _Checker:
    """Compares a model with the interpreter, batch by batch."""

    def __init__(self, model: CompiledModel, runners: list[tuple[str, Any]]) -> None:
        self.model, self.runners = model, runners
        program = self.program = model.program
        self.guard = float(model.certificate.get("guard", 1e-3))
        self.bounds = {n: float(b) for n, b in model.certificate["bound"].items()}
        self.errors = dict.fromkeys(program.output_names, 0.0)
        self.interpreter = Interpreter(
            program.graph,
            self.guard,
            ranges={n: (f.lo, f.hi) for n, f in enumerate(program.facts)},
            exact_comparisons=exact_comparisons(program.graph, program.facts),
            tolerance=UNDETERMINED,
        )
        self.checked = self.undetermined = 0
        self.worst = _Worst()
        self.failure: Failure | None = None

    def check(self, fields: Batch) -> None:
        """Compare on these sequences."""
        result = self.interpreter.run(fields)
        sure = np.flatnonzero(~result.mattered)
        self.checked += len(result.mattered)
        self.undetermined += len(result.mattered) - len(sure)
        if not len(sure):
            return
        fields = {name: a[sure] for name, a in fields.items()}
        for runner, run in self.runners:
            with np.errstate(all="ignore"):  # a wrong model may overflow
                raw = run(self.model, fields)
                rounded = self.model.rounded(raw)
                meant = {name: y[sure] for name, y in result.outputs.items()}
                errors = self.model.errors(raw, meant)
            for name, expected in meant.items():
                self._compare(
                    runner, name, fields, expected, errors[name], rounded[name], raw[name]
                )

    def _compare(
        self, runner: str, name: str, fields: Batch, expected: Array, error: Array,
        rounded: Array, raw: Array,
    ) -> None:  # fmt: skip
        numbers = expected.astype(np.float64)
        bound = self.bounds[name]
        allowed = np.full(error.shape, bound)
        wrong: Array = np.zeros(error.shape, dtype=bool)
        if self._kind(name) is Kind.REAL:
            allowed += REFERENCE * np.maximum(1, np.abs(numbers))
        else:
            wrong = np.asarray(rounded != expected)
        wrong |= ~(error <= allowed)
        self.errors[name] = max(self.errors[name], float(error.max()))
        self._note_worst(fields, error, allowed)
        if self.failure is None and wrong.any():
            self.failure = self._failure(runner, name, fields, expected, raw, error, wrong)

    def _kind(self, name: str) -> Kind:
        graph = self.program.graph
        return next(graph.nodes[o.node].type.kind for o in graph.outputs if o.name == name)

    def _note_worst(self, fields: Batch, error: Array, allowed: Array) -> None:
        ratio = error / np.maximum(allowed, 1e-200)
        row = int(ratio.reshape(len(ratio), -1).max(axis=1).argmax())
        if ratio[row].max() > self.worst.ratio:
            self.worst = _Worst(float(ratio[row].max()), self._plain(fields, row, None))

    def _failure(
        self, runner: str, name: str, fields: Batch, expected: Array, raw: Array, error: Array,
        wrong: Array,
    ) -> Failure:  # fmt: skip
        """The earliest step, of any sequence, at which an output is wrong."""
        steps = np.asarray(wrong.reshape(*wrong.shape[:2], -1).any(axis=2))
        step = int(np.argmax(steps.any(axis=0)))
        row = int(steps[:, step].argmax())
        return Failure(
            name, step, expected[row, step].tolist(), raw[row, step].tolist(),
            float(error[row, step].max()), self.bounds[name], runner,
            self._plain(fields, row, step + 1),
        )  # fmt: skip

    def _plain(self, fields: Mapping[str, Array], row: int, steps: int | None) -> dict[str, Any]:
        """A sequence as lists, enumerations by name, as `Program.run` takes it."""
        result = {}
        for f in self.program.inputs:
            values = fields[f.name][row, :steps]
            if f.type.kind is Kind.ENUM:
                values = np.array(f.type.members, dtype=object)[values.astype(np.int64)]
            elif f.type.kind is Kind.INT:
                values = values.astype(np.int64)
            result[f.name] = values.tolist()
        return result

    def report(self, unexercised: tuple[Unexercised, ...]) -> Report:
        return Report(
            passed=self.failure is None,
            max_error=max(self.errors.values()),
            bound=max(self.bounds.values()),
            errors=self.errors,
            bounds=self.bounds,
            worst_input=self.worst.input or {},
            checked=self.checked,
            undetermined=self.undetermined,
            unexercised=unexercised,
            runners=tuple(name for name, _ in self.runners),
            failure=self.failure,
        )


def _error(model: CompiledModel, failure: Failure) -> VerificationError:
    output = next(o for o in model.program.graph.outputs if o.name == failure.output)
    text = json.dumps(failure.input)
    if len(text) > SHOWN:
        text = text[:SHOWN] + "..."
    message = (
        f"the compiled model is wrong: `{failure.output}` at step {failure.step} is {failure.got}, "
        f"not {failure.expected}; it is off by {failure.error:.3g}, more than {failure.bound:.3g}"
    )
    help = f"this is a bug of the compiler; the input was {text}"
    error = VerificationError.at("E901", output.span, message, help)
    assert isinstance(error, VerificationError)
    return error
