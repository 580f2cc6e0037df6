"""Every named value at every step, read from the running model beside the interpreter's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import OptionError, suggest
from .interpret.doubt import doubtful
from .ir.semantics import Array
from .ir.types import Kind, Type
from .symbols import Symbol, damaged, nodes_of, symbols_of

if TYPE_CHECKING:
    from .model import CompiledModel
    from .program import Program

REAL_TOLERANCE = 1e-3  # of a real value's range
FOLDED = "the optimiser replaced it"
HOMELESS = "the outputs are computed without it"


@dataclass(frozen=True)
class Divergence:
    """The first value that is not what it should be: `got` is the model's, rounded."""

    step: int
    name: str
    expected: Any
    got: Any

    def __str__(self) -> str:
        return f"step {self.step}, `{self.name}`: {self.got}, not {self.expected}"


class Trace:
    """The named values of one sequence of T steps, by name: `trace["query"]` is an array `[T]` or
    `[T, d]`, integers, codes of enumerations and booleans rounded.

    `expected` has the interpreter's values, `missing` for each name that the model does not hold
    the reason. `doubtful` has for each name the steps `[T]` at which it follows from a comparison
    of reals that lie within the guard band, where nothing is promised and nothing is compared.
    """

    def __init__(
        self,
        symbols: Mapping[str, Symbol],
        raw: Mapping[str, Array],
        expected: Mapping[str, Array],
        missing: Mapping[str, str],
        tolerances: Mapping[str, float],
        doubtful: Mapping[str, Array],
    ) -> None:
        self.symbols, self._raw = dict(symbols), dict(raw)
        self.expected, self.missing = dict(expected), dict(missing)
        self.tolerances, self.doubtful = dict(tolerances), dict(doubtful)

    @property
    def names(self) -> list[str]:
        """Names of the values that the model holds, in the program's order."""
        return list(self.symbols)

    def raw(self, name: str) -> Array:
        """The model's own numbers of a name. Raises as `trace[name]`."""
        self._check(name)
        return self._raw[name]

    def __getitem__(self, name: str) -> Array:
        """Raises `OptionError` E014 for an unknown name, E015 for one that the model lacks."""
        return self.symbols[name].rounded(self.raw(name)) if name in self else self.raw(name)

    def __contains__(self, name: object) -> bool:
        return name in self.symbols

    def __iter__(self) -> Iterator[str]:
        return iter(self.symbols)

    def __len__(self) -> int:
        return len(self.symbols)

    def __repr__(self) -> str:
        return f"Trace({', '.join(self.names)})"

    @property
    def steps(self) -> int:
        """T."""
        return len(next(iter(self.expected.values())))

    def only(self, names: Sequence[str]) -> Trace:
        """The same run with some of the names. Raises as `trace[name]`."""
        for name in names:
            self._check(name)
        kept = {n: s for n, s in self.symbols.items() if n in names}
        return Trace(kept, self._raw, self.expected, {}, self.tolerances, self.doubtful)

    def spelled(self, name: str, values: Any) -> Any:
        """Values of a name as plain data, members of enumerations by name."""
        return spelled(np.asarray(values).tolist(), self.symbols[name].type)

    def without(self, reasons: Mapping[str, str]) -> Trace:
        """The same run without some names, each with a reason why."""
        kept = {n: s for n, s in self.symbols.items() if n not in reasons}
        missing = {**self.missing, **reasons}
        return Trace(kept, self._raw, self.expected, missing, self.tolerances, self.doubtful)

    def _check(self, name: str) -> None:
        check_name(name, self.symbols, self.missing)

    def differs(self, name: str, expected: Mapping[str, Any] | None = None) -> Array:
        """At which steps `[T]` a value is not the interpreter's, or not that of `expected`, and is
        not in doubt."""
        wanted = np.asarray((self.expected if expected is None else expected)[name])
        got = self[name]
        if self.symbols[name].type.kind is Kind.REAL:
            near = np.abs(got - wanted.astype(np.float64)) <= self.tolerances[name]
        else:
            near = np.equal(got, wanted)
        return np.asarray(~near.reshape(len(got), -1).all(axis=1) & ~self.doubtful[name])

    def first_divergence(self, expected: Mapping[str, Any] | None = None) -> Divergence | None:
        """The first step, and there the first name in the program's order, at which a value is not
        the interpreter's, or not that of `expected` (by name)."""
        found: tuple[int, str] | None = None
        source = self.expected if expected is None else expected
        for name in self.names:
            steps = np.flatnonzero(self.differs(name, source)).tolist() if name in source else []
            if steps and (found is None or steps[0] < found[0]):
                found = steps[0], name
        if found is None:
            return None
        step, name = found
        expected, got = np.asarray(source[name])[step], self[name][step]
        return Divergence(step, name, self.spelled(name, expected), self.spelled(name, got))


def spelled(value: Any, type: Type) -> Any:
    """A value or a list of some, codes of enumerations as their members' names."""
    if isinstance(value, list):
        return [spelled(v, type) for v in value]
    named = type.kind is Kind.ENUM and 0 <= value < len(type.members)
    return type.members[int(value)] if named else value


def check_name(name: str, known: Mapping[str, Any], missing: Mapping[str, str]) -> None:
    """Raises `OptionError` E014 for a name that the program lacks, E015 for one that the model
    does."""
    if name in known:
        return
    if name in missing:
        message = f"`{name}` is not in the model: {missing[name]}"
        raise OptionError.at("E015", None, message, "choose one of those that `lsrl trace` lists")
    help = suggest(name, [*known, *missing]) or f"there are: {', '.join([*known, *missing])}"
    raise OptionError.at("E014", None, f"the program has no value named `{name}`", help)


def missing_names(program: Program, symbols: Mapping[str, Any]) -> dict[str, str]:
    """Names of the program that the model does not hold, and why."""
    kept = nodes_of(program.graph)
    every = [*(name for name, _ in program.elaborated.graph.names), *kept]
    return {
        name: HOMELESS if name in kept else FOLDED
        for name in dict.fromkeys(every)
        if name not in symbols
    }


def trace(model: CompiledModel, data: Any, backend: str | None = None) -> Trace:
    """Run a sequence and read every named value. Raises `InputError` as `run` does."""
    batch = model.batch(data, batched=False)
    x = model.stacked(batch)
    with np.errstate(all="ignore"):  # a disturbed model may overflow
        layers = model.runner(backend).activations(x)
    return traced(model, batch, layers)


def traced(model: CompiledModel, batch: Mapping[str, Array], layers: Any) -> Trace:
    """The trace of a batch of one sequence, from what the layers computed."""
    program, symbols = model.program, symbols_of(model)
    try:
        with np.errstate(all="ignore"):
            raw = {name: s.read(layers)[0] for name, s in symbols.items()}
    except (KeyError, IndexError):
        raise damaged() from None
    nodes = nodes_of(program.graph)
    interpreter = program.interpreter_with(float(model.options.guard))
    watch = sorted(set(nodes.values()))
    result = interpreter.run(batch, watch=watch)
    doubt = doubtful(interpreter, batch, result, watch)
    expected = {name: result.watched[n][0] for name, n in nodes.items()}
    return Trace(
        symbols,
        raw,
        expected,
        missing_names(program, symbols),
        {name: tolerance(model, s) for name, s in symbols.items()},
        {name: doubt[n][0] for name, n in nodes.items()},
    )


def tolerance(model: CompiledModel, symbol: Symbol) -> float:
    """What a real value may differ by: of an output what the certificate allows."""
    bounds: Mapping[str, float] = model.certificate["bound"]
    low, high = float(symbol.ends[0].min()), float(symbol.ends[1].max())
    extent = max(high - low, abs(low), abs(high)) if high == low else high - low
    if symbol.name in bounds:
        return float(bounds[symbol.name]) + 1e-12 * max(1.0, abs(low), abs(high))
    return REAL_TOLERANCE * extent


NOISES = ("nonzero", "all", "relative")


def noisy(
    weights: Mapping[str, Array], sigma: float, seed: int, kind: str = "nonzero"
) -> dict[str, Array]:
    """Weights with Gaussian noise of that standard deviation: on those that are not 0, on `all`, or
    `relative` to the magnitude of each. The same seed draws the same numbers, times `sigma`."""
    random = np.random.default_rng(seed)
    noise = {name: random.normal(0.0, sigma, w.shape) for name, w in weights.items()}
    return {n: (w + noise[n] * _extent(w, kind)).astype(w.dtype) for n, w in weights.items()}


def _extent(w: Array, kind: str) -> Array:
    """How much of the noise each weight gets."""
    if kind == "relative":
        return np.abs(w)
    return np.ones(w.shape) if kind == "all" else w != 0
