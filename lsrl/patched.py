"""Whether overwriting a value in the model is overwriting it in the program.

The symbols tell which names can be overwritten by what reads the units; what the optimiser and the
lowering did besides is found by running both, once for each set of names. Nothing is promised where
overwriting drives other values out of the ranges that the model was made for, or breaks a promise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .analysis.check import exact_comparisons
from .analysis.ranges import analyse
from .errors import LsrlError, OptionError, ProgramError, PromiseError, listing
from .interpret.overwrite import Overwriting
from .interpret.run import Result
from .interpret.schedule import edges, schedule
from .interpret.screen import Screen
from .ir.semantics import Array
from .ir.types import Kind
from .patching import Patcher
from .sampling import Sampler
from .symbols import Symbol, symbols_of

if TYPE_CHECKING:
    from .model import CompiledModel

SEQUENCES, STEPS = 24, 12
ROUNDS = 2  # of random sequences, when a name is overwritten for the first time
REPLACED = "the compiler replaced it where it is read"
UNDETERMINED = 1e-9  # what an undetermined comparison may change without mattering here


class Meaning:
    """The program as it is written, with some of its values overwritten."""

    def __init__(self, model: CompiledModel, symbols: Sequence[Symbol]) -> None:
        self.graph = graph = model.program.elaborated.graph
        self.names = {**dict(graph.names), **{o.name: o.node for o in graph.outputs}}
        self.nodes = {s.name: self.names[s.name] for s in symbols}
        self.facts = analyse(graph)
        self.over = Overwriting(
            graph,
            list(self.nodes.values()),
            float(model.options.guard),
            ranges={n: (f.lo, f.hi) for n, f in enumerate(self.facts)},
            exact_comparisons=exact_comparisons(graph, self.facts),
            tolerance=UNDETERMINED,
        )
        needed = schedule(edges(graph), [o.node for o in graph.outputs])
        self.needed = sorted(n for c in needed for n in c.nodes)
        self.ends = {n: (self.facts[n].lo, self.facts[n].hi) for n in self.needed}
        for s in symbols_of(model).values():
            n = self.names[s.name]
            if n in self.ends:
                low, high = self.ends[n]
                self.ends[n] = np.maximum(low, s.ends[0]), np.minimum(high, s.ends[1])

    def given(
        self, values: Mapping[str, Array], active: Array
    ) -> tuple[dict[int, Array], dict[int, Array]]:
        """Values by node, and where they hold, from values by name and `active [T]`."""
        by_node = {self.nodes[name]: v for name, v in values.items()}
        return by_node, {n: _where(active, v) for n, v in by_node.items()}

    def run(
        self,
        batch: Mapping[str, Array],
        values: Mapping[str, Array],
        active: Array,
        watch: Sequence[int] = (),
    ) -> Result:
        return self.over.run(batch, *self.given(values, active), watch=watch)

    def outside(self, result: Result) -> Array:
        """At which steps `[B, T, nodes]` a value left its range, if all `needed` were watched."""
        found = []
        for n in self.needed:
            value, (low, high) = result.watched[n], self.ends[n]
            slack = 1e-9 * np.maximum(1.0, np.abs(high))
            out = ~((value >= low - slack) & (value <= high + slack))
            found.append(out.reshape(*value.shape[:2], -1).any(axis=2))
        return np.stack(found, axis=-1)

    def name_of(self, node: int) -> str:
        """A node's own name, or words for it."""
        names = [name for name, n in self.graph.names if n == node]
        names += [s.name for s in self.graph.states if s.next == node]
        return f"`{names[0]}`" if names else "a value"


def meaning_of(model: CompiledModel, symbols: Sequence[Symbol]) -> Meaning:
    names = tuple(s.name for s in symbols)
    cached: dict[Any, Meaning] = model.__dict__.setdefault("_meanings", {})
    if names not in cached:
        cached[names] = Meaning(model, symbols)
    return cached[names]


def check_ranges(meaning: Meaning, batch: Mapping[str, Array], patcher: Patcher) -> None:
    """Raises `PromiseError` E707 where overwriting drives another value out of its range."""
    result = meaning.run(batch, patcher.written, patcher.active, watch=meaning.needed)
    outside = meaning.outside(result)[0]
    if outside.any():
        step = int(np.argmax(outside.any(axis=1)))
        node = meaning.needed[int(np.argmax(outside[step]))]
        (low, high), span = meaning.ends[node], meaning.graph.nodes[node].span
        message = f"at step {step}, overwriting drives {meaning.name_of(node)} out of its range "
        message += f"{low.min():g}..{high.max():g}, for which the model was made"
        raise PromiseError.at("E707", span, message, "overwrite fewer steps, or by other values")


def _where(active: Array, values: Array) -> Array:
    shape = (1, len(active), *[1] * (values.ndim - 2))
    return np.broadcast_to(active.reshape(shape), values.shape)


def check_meaning(model: CompiledModel, symbols: Sequence[Symbol], *, partial: bool) -> None:
    """Raises `OptionError` E016 if the model, patched, differs from the program, overwritten, on
    random sequences and values."""
    cached: dict[Any, str] = model.__dict__.setdefault("_patchable", {})
    key = (tuple(s.name for s in symbols), partial)
    if key not in cached:
        seeds = range(ROUNDS)
        found = (Trial(model, seed).difference(symbols, partial=partial) for seed in seeds)
        cached[key] = next(filter(None, found), "")
    if cached[key]:
        names = listing([s.name for s in symbols])
        message = f"overwriting {names} in the model is not what it is in the program: "
        help = "part of what reads it there was computed in another way by the compiler"
        raise OptionError.at("E016", None, message + cached[key], help)


@dataclass
class Trial:
    """Random sequences on which names are overwritten in the model and in the program.

    `compared` counts the sequences of which something is promised.
    """

    model: CompiledModel
    seed: int = 0
    compared: int = 0

    def __post_init__(self) -> None:
        program = self.model.program
        self.random = np.random.default_rng(self.seed)
        self.batch: dict[str, Array] = {}
        sampler = Sampler(program, self.seed, float(self.model.options.guard))
        steps = min(STEPS, program.length)
        while steps and not self.batch:
            try:
                self.batch = dict(sampler.draw(SEQUENCES, steps))
            except ProgramError:  # no sequences of that length meet the assumes
                steps //= 2
        nodes = [n for _, n in program.graph.names] + [o.node for o in program.graph.outputs]
        if self.batch:
            result = program.interpreter.run(self.batch, watch=sorted(set(nodes)), check=False)
            self.known = result.watched

    def difference(self, symbols: Sequence[Symbol], *, partial: bool) -> str:
        """How the patched model differs from the program, or nothing; `partial`: overwritten at
        some of the steps only."""
        if not self.batch:
            return ""
        values = {s.name: self._values(s) for s in symbols}
        steps = next(iter(self.batch.values())).shape[1]
        active = self.random.random(steps) < 0.5 if partial else np.ones(steps, dtype=bool)
        try:
            return self._difference(symbols, values, active)
        except LsrlError:  # a value left float64
            return ""

    def _values(self, s: Symbol) -> Array:
        """Values for a name: those of other steps, those of other sequences, and anything in its
        range, each for a third of the sequences."""
        own = self.known[s.node].astype(np.float64)
        others = self.random.permutation(own, axis=0)
        low, high = (np.asarray(end, dtype=np.float64) for end in s.ends)
        anything = low + self.random.random(own.shape) * (high - low)
        if s.type.kind is not Kind.REAL:
            anything = np.rint(anything)
        third = len(own) // 3
        values = self.random.permutation(own, axis=1)
        values[:third], values[third : 2 * third] = anything[:third], others[third : 2 * third]
        return np.asarray(values)

    def _difference(
        self, symbols: Sequence[Symbol], values: dict[str, Array], active: Array
    ) -> str:
        model, meaning = self.model, meaning_of(self.model, symbols)
        fields = meaning.over.fields(self.batch, *meaning.given(values, active))
        careless = np.zeros(SEQUENCES, dtype=bool)
        kept = Screen(meaning.over.graph, meaning.over.ranges).passes(fields, careless)
        batch, values = ({n: a[kept] for n, a in part.items()} for part in (self.batch, values))
        if not kept.any():
            return ""
        result = meaning.run(batch, values, active, watch=meaning.needed)
        unsure = result.mattered | meaning.outside(result).any(axis=(1, 2))
        self.compared += int((~unsure).sum())
        x = model.stacked(batch)
        raw = Patcher(symbols, values, active, x.shape[:2]).run(model, x)
        for name, error in model.errors(model.split(raw), result.outputs).items():
            error = error.reshape(*error.shape[:2], -1).max(axis=2)
            wrong = ~(error <= model.certificate["tolerance"][name]) & ~unsure[:, None]
            if wrong.any():
                return f"`{name}` is then off by {error[wrong].max():.2g}"
        return ""


def settled(model: CompiledModel) -> dict[str, Any]:
    """The model's symbols, without `patchable` where a trial says that it is not so."""
    trial, result = Trial(model), {}
    for name, s in symbols_of(model).items():
        entry = dict(model.symbols[name])
        modes = [False] if s.always else [True, False]
        if s.patch and any(trial.difference([s], partial=p) for p in modes):
            entry |= {"patchable": False, "reason": REPLACED}
        result[name] = entry
    return result
