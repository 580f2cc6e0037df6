"""Activation patching: a model with named values overwritten while it runs.

The numbers that hold a named value are changed so that it reads as the new one: where it sits in a
single unit, that unit is set; where it is a combination of several, they are changed by the
smallest amount (least squares) that keeps each within its range. All that reads the value, in this
step or in the next, sees the new one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import OptionError, listing
from .ir.semantics import Array
from .ir.types import Kind, Type
from .lower.paths import within_step
from .model import Recorder
from .patching import Patcher
from .program import one_or_named
from .symbols import Symbol, symbols_of
from .trace import Trace, check_name, missing_names, traced

if TYPE_CHECKING:
    from .model import CompiledModel
    from .patched import Meaning

Function = Callable[[int, Any], Any]
HELP = "`lsrl trace DIR --symbols` says what can be overwritten"


def intervene(model: CompiledModel, values: Mapping[str, Any], steps: Any = None) -> Intervened:
    """The model with named values overwritten. Raises `OptionError` E014 to E017."""
    from .patched import check_meaning

    symbols = symbols_of(model)
    missing = missing_names(model.program, symbols)
    for name in values:
        check_name(name, symbols, missing)
        _check_symbol(symbols[name], steps)
    chosen = [symbols[name] for name in values]
    _check_apart(chosen)
    given = {s.name: _spelled(values[s.name], s.type) for s in chosen}
    for s in chosen:
        if not callable(given[s.name]):
            _check_values(s, given[s.name])
    check_meaning(model, chosen, partial=steps is not None)
    return Intervened(model, tuple(chosen), given, steps)


def _check_symbol(symbol: Symbol, steps: Any) -> None:
    if not symbol.patch:
        message = f"`{symbol.name}` cannot be overwritten: {symbol.reason}"
        raise OptionError.at("E016", None, message, HELP)
    if symbol.always and steps is not None:
        message = f"`{symbol.name}` can be overwritten at all steps only: its units remember it"
        raise OptionError.at("E016", None, message, "leave `steps` out")


def _check_apart(symbols: Sequence[Symbol]) -> None:
    """Raises `OptionError` E016 where two names share a unit."""
    holders: dict[tuple[int, str, int], str] = {}
    for s in symbols:
        for e in s.patch:
            for t in e.terms:
                other = holders.setdefault((e.layer, t.kind, t.index), s.name)
                if other != s.name:
                    message = f"{listing([other, s.name])} live in the same units"
                    raise OptionError.at("E016", None, message, "overwrite one of them")


def _spelled(value: Any, type: Type) -> Any:
    """A value as numbers, members of enumerations by their codes; functions as they are."""
    if callable(value):
        return value
    if type.kind is Kind.ENUM:
        codes = {member: code for code, member in enumerate(type.members)}
        try:
            named = [codes.get(v, v) for v in np.asarray(value, dtype=object).reshape(-1).tolist()]
            return np.asarray(named, dtype=np.float64).reshape(np.shape(value))
        except (TypeError, ValueError):
            message = f"{value!r} is not a member of {type}"
            raise OptionError.at("E017", None, message, f"it has {listing(type.members)}") from None
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        message = f"a value must be numbers, not {value!r}"
        raise OptionError.at(
            "E017", None, message, "or a function of the step and the value"
        ) from None


def _check_values(symbol: Symbol, values: Array) -> None:
    """Raises `OptionError` E017 for what a name cannot be: its units, and what carries them, are
    made for its range."""
    low, high = (np.asarray(end, dtype=np.float64) for end in symbol.ends)
    if symbol.type.shape and values.ndim and values.shape[-1] != symbol.type.size:
        message = f"`{symbol.name}` has {symbol.type.size} elements, not {values.shape[-1]}"
        raise OptionError.at("E017", None, message, "give [d], [T, d] or a single number")
    slack = 1e-9 * np.maximum(1, np.abs(high))
    inside = (values >= low - slack) & (values <= high + slack)
    whole = symbol.type.kind is Kind.REAL or bool((values == np.rint(values)).all())
    if not whole or not inside.all():
        ends = f"{low.min():g}..{high.max():g}"
        wrong = np.broadcast_to(values, np.shape(inside))[~inside] if whole else values
        shown = float(np.asarray(wrong).reshape(-1)[0]) if np.size(wrong) else float("nan")
        message = f"`{symbol.name}` is {symbol.type} in {ends} and cannot be {shown:g}"
        raise OptionError.at("E017", None, message, "its units are made for that range")


@dataclass(frozen=True)
class Intervened:
    """A model with named values overwritten: `run`, `run_batch` and `trace` as the model's own, by
    the target's equations; `meaning` is what the program says of the same."""

    model: CompiledModel
    symbols: tuple[Symbol, ...]
    values: dict[str, Any]
    steps: Any = None
    written: dict[str, Array] = field(default_factory=dict, compare=False, repr=False)

    def run(self, data: Any, *, raw: bool = False) -> Any:
        """Outputs of one sequence, as `CompiledModel.run`."""
        outputs = self._outputs(self.model.batch(data, batched=False), raw)
        return one_or_named({n: y[0] for n, y in outputs.items()})

    def run_batch(self, data: Any, *, raw: bool = False) -> Any:
        """Outputs of a batch, as `CompiledModel.run_batch`."""
        return one_or_named(self._outputs(self.model.batch(data, batched=True), raw))

    def trace(self, data: Any) -> Trace:
        """Every named value of the patched run, beside what the program says of the same.

        Names that do not follow from the overwritten ones and live in the same units are missing.
        """
        from .patched import meaning_of

        batch = self.model.batch(data, batched=False)
        recorder = Recorder()
        patcher = self._run(batch, recorder)[1]
        found = traced(self.model, batch, recorder.layers())
        meaning = meaning_of(self.model, self.symbols)
        nodes = meaning.names
        watch = {n: nodes[n] for n in found.expected if n in nodes}
        result = meaning.run(batch, patcher.written, patcher.active, list(watch.values()))
        expected = {name: result.watched[n][0] for name, n in watch.items()}
        found.expected = expected | {n: y[0] for n, y in result.outputs.items()}
        return found.without(self._hidden(meaning, found))

    def _hidden(self, meaning: Meaning, trace: Trace) -> dict[str, str]:
        """Names whose units were overwritten in place of another value."""
        units = {(e.layer, t.kind, t.index) for s in self.symbols for e in s.patch for t in e.terms}
        nodes = meaning.names
        follows = {n for s in self.symbols for n in within_step(meaning.graph, nodes[s.name])}
        return {
            name: "its units are overwritten"
            for name, s in trace.symbols.items()
            if nodes[name] not in follows
            and any((e.layer, t.kind, t.index) in units for e in s.elements for t in e.terms)
        }

    def meaning(self, data: Any) -> Any:
        """The program's outputs for one sequence with the same values overwritten.

        Raises `PromiseError` E707 if that drives another value out of the range for which the model
        was made.
        """
        from .patched import check_ranges, meaning_of

        batch = self.model.batch(data, batched=False)
        meaning, patcher = meaning_of(self.model, self.symbols), self._run(batch)[1]
        check_ranges(meaning, batch, patcher)
        result = meaning.run(batch, patcher.written, patcher.active)
        return one_or_named({n: y[0] for n, y in result.outputs.items()})

    def _outputs(self, batch: Mapping[str, Array], raw: bool) -> dict[str, Array]:
        outputs = self.model.split(self._run(batch)[0])
        return outputs if raw else self.model.rounded(outputs)

    def _run(self, batch: Mapping[str, Array], recorder: Any = None) -> tuple[Array, Patcher]:
        x = self.model.stacked(batch)
        active = _steps(self.steps, x.shape[1])
        values = {s.name: _fitted(s, self.values[s.name], x.shape[:2]) for s in self.symbols}
        patcher = Patcher(self.symbols, values, active, x.shape[:2], recorder)
        return patcher.run(self.model, x), patcher


def _steps(steps: Any, length: int) -> Array:
    """At which of so many steps to overwrite, `[T]`."""
    active = np.zeros(length, dtype=bool)
    if steps is None:
        return ~active
    if isinstance(steps, slice):
        active[steps] = True
        return active
    for t in _indices(steps):
        if not 0 <= t < length:
            message = f"step {t} is not one of the {length} steps of the input"
            raise OptionError.at("E012", None, message, "steps count from 0")
        active[t] = True
    return active


def _indices(steps: Any) -> list[int]:
    single = isinstance(steps, int | np.integer) or not isinstance(steps, Iterable)
    wanted: list[Any] = [steps] if single else list(steps)
    if not all(isinstance(t, int | np.integer) and not isinstance(t, bool) for t in wanted):
        message = f"steps are integers or a slice, not {steps!r}"
        raise OptionError.at("E012", None, message, "as in `steps=[3, 4]`")
    return [int(t) for t in wanted]


def _fitted(symbol: Symbol, value: Any, shape: tuple[int, ...]) -> Any:
    """A value `[B, T]` or `[B, T, d]` from what was given; functions as they are."""
    if callable(value):
        return lambda t, current: _called(symbol, value, t, current)
    batch, steps = shape
    tail = symbol.type.shape or ()
    full = (batch, steps, *tail)
    if value.shape in ((), tail, (steps, *tail), full):
        return np.broadcast_to(value, full)
    wanted = "a number, [d] or [T, d]" if tail else "a number or [T]"
    message = f"the value of `{symbol.name}` has shape {value.shape}, for {steps} steps"
    raise OptionError.at("E017", None, message, f"give {wanted}")


def _called(symbol: Symbol, function: Function, t: int, current: Array) -> Array:
    value = np.asarray(_spelled(function(t, symbol.rounded(current)), symbol.type))
    _check_values(symbol, value)
    try:
        return np.broadcast_to(value, current.shape)
    except ValueError:
        message = f"the value of `{symbol.name}` has shape {value.shape} at step {t}"
        raise OptionError.at("E017", None, message, f"give {current.shape}") from None
