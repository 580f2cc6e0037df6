"""Whether overwriting a value in the model is overwriting it in the program.

The symbols tell which names can be overwritten by what reads the units; what the optimiser and the
lowering did besides is found by running both, once for each set of names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .analysis.check import exact_comparisons
from .analysis.ranges import analyse
from .errors import LsrlError, OptionError, ProgramError, listing
from .interpret.overwrite import Overwriting
from .interpret.run import Result
from .interpret.screen import Screen
from .ir.semantics import Array
from .ir.types import Kind
from .patching import Patcher
from .sampling import Sampler
from .symbols import Symbol

if TYPE_CHECKING:
    from .model import CompiledModel

SEQUENCES, STEPS, ROUNDS = 16, 12, 3
UNDETERMINED = 1e-9  # what an undetermined comparison may change without mattering here


def overwriting(model: CompiledModel, symbols: Sequence[Symbol]) -> Overwriting:
    """The program as it is written with some of its values overwritten."""
    names = tuple(s.name for s in symbols)
    cached: dict[Any, Overwriting] = model.__dict__.setdefault("_overwriting", {})
    if names not in cached:
        graph = model.program.elaborated.graph
        facts = analyse(graph)
        cached[names] = Overwriting(
            graph,
            [node_of(model, s) for s in symbols],
            float(model.options.guard),
            ranges={n: (f.lo, f.hi) for n, f in enumerate(facts)},
            exact_comparisons=exact_comparisons(graph, facts),
            tolerance=UNDETERMINED,
        )
    return cached[names]


def node_of(model: CompiledModel, symbol: Symbol) -> int:
    """A name's node in the program as it is written."""
    graph = model.program.elaborated.graph
    return {**dict(graph.names), **{o.name: o.node for o in graph.outputs}}[symbol.name]


def meant(
    model: CompiledModel,
    symbols: Sequence[Symbol],
    batch: Mapping[str, Array],
    patcher: Patcher,
    *,
    watch: Sequence[int] = (),
) -> Result:
    """What the program says with the values overwritten that a patched run has written."""
    over = overwriting(model, symbols)
    values = {node_of(model, s): patcher.written[s.name] for s in symbols}
    where = {n: _where(patcher.active, v) for n, v in values.items()}
    return over.run(batch, values, where, watch=watch)


def _where(active: Array, values: Array) -> Array:
    shape = (1, len(active), *[1] * (values.ndim - 2))
    return np.broadcast_to(active.reshape(shape), values.shape)


def check_meaning(model: CompiledModel, symbols: Sequence[Symbol], *, partial: bool) -> None:
    """Raises `OptionError` E016 if the model, patched, differs from the program, overwritten, on
    random sequences and values."""
    cached: dict[Any, str] = model.__dict__.setdefault("_patchable", {})
    key = (tuple(s.name for s in symbols), partial)
    if key not in cached:
        cached[key] = next(differences(model, symbols, partial=partial), "")
    if cached[key]:
        names = listing([s.name for s in symbols])
        message = f"overwriting {names} in the model is not what it is in the program: "
        help = "part of what reads it there was computed in another way by the compiler"
        raise OptionError.at("E016", None, message + cached[key], help)


def differences(
    model: CompiledModel, symbols: Sequence[Symbol], *, partial: bool, seed: int = 0,
    rounds: int = ROUNDS,
) -> Iterator[str]:  # fmt: skip
    """Where a patched run and the program differ, on random sequences and values; `partial`: at
    some of the steps only."""
    random = np.random.default_rng(seed)
    sampler = Sampler(model.program, seed, float(model.options.guard))
    for _ in range(rounds):
        try:
            batch = _draw(sampler, min(STEPS, model.program.length))
            values = {s.name: _values(model, s, batch, random) for s in symbols}
            steps = next(iter(batch.values())).shape[1]
            active = random.random(steps) < 0.5 if partial else np.ones(steps, dtype=bool)
            yield from _differences(model, symbols, batch, values, active)
        except LsrlError:
            continue  # no sequences that meet the assumes, or none for these values


def _draw(sampler: Sampler, steps: int) -> dict[str, Array]:
    while True:
        try:
            return dict(sampler.draw(SEQUENCES, steps))
        except ProgramError:
            if steps == 1:
                raise
            steps = (steps + 1) // 2


def _values(model: CompiledModel, s: Symbol, batch: Mapping[str, Array], random: Any) -> Array:
    """Values for a name: those of other sequences and steps, and anything in its range."""
    found = model.program.interpreter.run(batch, watch=[s.node], check=False).watched[s.node]
    values = random.permutation(random.permuted(found.astype(np.float64), axis=1), axis=0)
    low, high = (np.asarray(end, dtype=np.float64) for end in s.ends)
    anything = low + random.random(values.shape) * (high - low)
    if s.type.kind is not Kind.REAL:
        anything = np.rint(anything)
    half = len(values) // 2
    values[:half] = anything[:half]
    return np.asarray(values)


def _differences(
    model: CompiledModel,
    symbols: Sequence[Symbol],
    batch: dict[str, Array],
    values: dict[str, Array],
    active: Array,
) -> Iterator[str]:
    over = overwriting(model, symbols)
    nodes = {s.name: node_of(model, s) for s in symbols}
    given = {nodes[n]: v for n, v in values.items()}
    where = {n: _where(active, v) for n, v in given.items()}
    fields = over.fields(batch, given, where)
    nothing = np.zeros(SEQUENCES, dtype=bool)
    kept = np.flatnonzero(Screen(over.graph, over.ranges).passes(fields, nothing))
    if not len(kept):
        return
    batch = {n: a[kept] for n, a in batch.items()}
    given, where = ({n: a[kept] for n, a in part.items()} for part in (given, where))
    result = over.run(batch, given, where)
    x = model.program.stacked(batch).astype(model.options.dtype)
    kept_values = {s.name: given[nodes[s.name]] for s in symbols}
    raw = Patcher(symbols, kept_values, active, x.shape[:2]).run(model, x)
    for name, y in model.program.split(raw).items():
        allowed = model.certificate["tolerance"][name]
        error = np.abs(y.astype(np.float64) - result.outputs[name].astype(np.float64))
        error = error.reshape(*error.shape[:2], -1).max(axis=2)
        error[result.mattered] = 0
        if not (error <= allowed).all():
            step = int(np.argmax((error > allowed).any(axis=0)))
            yield f"`{name}` differs by {error.max():.2g}, at step {step} for the first time"
