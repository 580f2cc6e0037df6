"""Programs run from any state on, for searches of witnesses (`memory.py`, `cycles.py`).

The state is that of all states which the outputs, assumes and bounds depend on; values that no
input reaches and that are periodic for ever count by their phase. Searches run in floats; what they
find is checked in exact rationals, with comparisons of reals well outside of the guard band.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import LsrlError
from ..interpret.checks import checked_nodes
from ..interpret.kernels import hold, rational, storage
from ..interpret.machine import Machine
from ..interpret.screen import Screen
from ..ir.components import predecessors
from ..ir.nodes import Graph
from ..ir.semantics import Array
from .periods import FOR_EVER, autonomous, periodic_for_ever

if TYPE_CHECKING:
    from ..program import Program

Fields = dict[str, Array]
Carry = dict[int, Array]
Word = dict[str, list[Any]]  # by field
Periodic = dict[int, tuple[tuple[int, int], Array]]  # prefix and period, values

STEPS = 256  # that clocks are run for
LONGEST_PERIOD = 24  # of the clocks of a program that is searched
LEAD = 4  # steps before a word in what is drawn


def endless(program: Program) -> Graph | None:
    """The program's graph without an end to the length; None where the graph is simpler than that
    because of its length."""
    from ..passes import optimise

    graph = optimise(program.elaborated.graph.replace(length=FOR_EVER))
    return graph if graph.replace(length=program.length) == program.graph else None


class Runner:
    """The part of a program that its outputs and promises depend on, from any state on.

    `prefix` and `period`: of the clocks that it reads, which are given as they are. `periodic`: of
    all clocks, the prefix and period of each, and its values `[T, elements]`; found again unless
    another runner of the program gives them.
    """

    def __init__(
        self, program: Program, exact: bool = False, periodic: Periodic | None = None
    ) -> None:
        graph = self.graph = program.graph
        self.exact = exact
        roots = [o.node for o in (*graph.outputs, *graph.assumes)] + checked_nodes(graph)
        clocks = self.periodic = _clocks(program) if periodic is None else periodic
        self.machine = Machine(graph, roots, leaves=clocks, exact=exact)
        self.clocks = {n: clocks[n] for n in sorted(self.machine.nodes & clocks.keys())}
        lassos = [lasso for lasso, _ in self.clocks.values()]
        self.prefix = max((q for q, _ in lassos), default=0)
        self.period = math.lcm(*(p for _, p in lassos))

    @property
    def behind(self) -> set[int]:
        """The clocks that it reads, and those that these are computed from."""
        before = predecessors(self.graph)
        found: set[int] = set()
        todo = [*self.clocks]
        while todo:
            n = todo.pop()
            if n in self.periodic and n not in found:
                found.add(n)
                todo += before[n]
        return found

    def start(self, batch: int) -> Carry:
        """The states `[B, ...]` before the first step."""
        return rows_of(self.machine.frame(batch).carry, [0] * batch, 1)

    def run(self, carry: Carry, words: Fields, step: int) -> tuple[Carry, dict[str, Array]]:
        """The states `[B, ...]` after words `[B, T, ...]` that begin at a step, and the outputs
        `[B, T, ...]`. Later steps of the same phase may be given by an earlier one."""
        batch, steps = next(iter(words.values())).shape[:2]
        frame = self.machine.frame(batch)
        frame.carry = dict(carry)
        self.machine.run(frame, self._given(words, step), step, steps)
        if frame.violations:
            raise LsrlError(())
        outputs = {
            o.name: np.moveaxis(np.broadcast_to(value, (steps, batch, *value.shape[2:])), 0, 1)
            for o in self.graph.outputs
            for value in [frame.over_time(o.node)]
        }
        return rows_of(frame.carry, range(batch), batch), outputs

    def _given(self, words: Fields, step: int) -> dict[int, Array]:
        given = {}
        for n, name in self.machine.inputs.items():
            value = np.moveaxis(np.asarray(words[name]), 0, 1)
            dtype = storage(self.graph.nodes[n].type, self.exact)
            given[n] = rational(value) if dtype.kind == "O" else hold(value, dtype)
        steps = next(iter(words.values())).shape[1]
        for n, ((prefix, period), values) in self.clocks.items():
            at = [
                t if t < prefix else prefix + (t - prefix) % period
                for t in range(step, step + steps)
            ]
            type = self.graph.nodes[n].type
            value = values[at].reshape(steps, 1, *(type.shape or ()))
            dtype = storage(type, self.exact)
            given[n] = rational(value) if dtype.kind == "O" else hold(value, dtype)
        return given


def _clocks(program: Program) -> Periodic:
    """The autonomous nodes that are periodic for ever: their prefix and period, their values."""
    from ..lower.autonomous import simulate

    graph = program.graph
    free = autonomous(graph)
    if all(graph.nodes[n].op == "const" for n in free):
        return {}
    # Beyond the length values may leave what numbers hold, and seem to repeat there.
    values = simulate(graph, free, min(STEPS, graph.length))
    found = periodic_for_ever(graph, values)
    return {
        n: (lasso, values[n])
        for n, lasso in found.items()
        if sum(lasso) <= STEPS and graph.nodes[n].op != "const"
    }


def rows_of(carry: Mapping[int, Array], rows: Any, size: int) -> Carry:
    """The states of these rows, each with a batch axis in full."""
    return {
        s: np.broadcast_to(v, (size, *v.shape[1:]))[list(rows)] if len(v) != size else v[list(rows)]
        for s, v in carry.items()
    }


def same(a: Carry, b: Carry) -> Array:
    """In which rows two states are equal, `[B]`."""
    size = max((len(v) for v in a.values()), default=1)
    result = np.ones(size, dtype=bool)
    for s, v in a.items():
        result &= (v == b[s]).reshape(size, -1).all(axis=1).astype(bool)
    return result


def take(words: Fields, rows: Any) -> Fields:
    """Some rows of words."""
    return {k: a[rows] for k, a in words.items()}


def joined(*words: Fields) -> Fields:
    """Words one after the other."""
    return {k: np.concatenate([w[k] for w in words], axis=1) for k in words[0]}


def searched(program: Program) -> Runner | None:
    """A program to search for witnesses, in floats; None where its clocks take too long. Raises
    `LsrlError` where numbers leave float64."""
    runner = Runner(program)
    return None if runner.period > LONGEST_PERIOD or runner.prefix > STEPS // 4 else runner


class Draws:
    """Words of inputs for a search, a row each. The same for the same seed."""

    def __init__(self, program: Program, seed: int) -> None:
        from ..sampling import Sampler

        self.rng = np.random.default_rng(seed)
        self.sampler = Sampler(program, seed)
        self.turn = 0

    def starts(self, n: int, steps: int) -> Fields:
        """The first steps of sequences that keep to the promises."""
        drawn = self.sampler.draw(n, max(steps, 1))
        return {k: a[:, :steps] for k, a in drawn.items()}

    def words(self, n: int, steps: int) -> Fields:
        """Words from anywhere in a sequence, whether or not they keep to the promises there."""
        longest = steps + LEAD
        self.turn += n
        drawn = self.sampler.proposals.draw(self.rng, n, longest, self.turn)
        shift = int(self.rng.integers(LEAD + 1))
        return {k: a[:, shift : shift + steps] for k, a in drawn.items()}


class Promises:
    """The assumes and bounds of a program, and that its comparisons of reals are not close."""

    def __init__(self, program: Program) -> None:
        ranges = {n: (f.lo, f.hi) for n, f in enumerate(program.facts)}
        close = program.interpreter.comparisons
        self._screen = Screen(program.graph, ranges, close, 2 * program.interpreter.guard)
        self.idle = self._screen.idle

    def kept(self, word: Fields) -> bool:
        """Whether a sequence from the start on meets them."""
        return bool(self._screen.passes(word, np.ones(1, dtype=bool))[0])


def shown(program: Program, one: Fields, two: Fields) -> tuple[str, tuple[Any, Any]] | None:
    """An output that differs at the last step by more than a model may be off, and its values."""
    from ..targets.base import INTEGER_TOLERANCE, REAL_TOLERANCE

    for o in program.graph.outputs:
        fact = program.facts[o.node]
        most = INTEGER_TOLERANCE if fact.step else REAL_TOLERANCE * (fact.high - fact.low)
        a, b = (np.asarray(y[o.name][0, -1]) for y in (one, two))
        gap = np.abs(a.astype(np.float64) - b.astype(np.float64))
        if (gap > 2 * most).any():
            return o.name, (plain(a), plain(b))
    return None


def differing(one: Fields, two: Fields) -> Array:
    """Where outputs `[B, T, ...]` are not equal, `[B, T]`."""
    found = [(a != two[name]).reshape(*a.shape[:2], -1).any(axis=2) for name, a in one.items()]
    result: Array = np.logical_or.reduce(found)
    return result


def typed(program: Program, word: Fields) -> Word:
    """The first row of a word as plain lists."""
    return {f.name: plain(np.asarray(word[f.name][0])) for f in program.inputs}


def key(carry: Carry) -> tuple[Any, ...]:
    """The first row of a state, to compare."""
    return tuple((s, *v.reshape(-1).tolist()) for s, v in sorted(carry.items()))


def plain(array: Any) -> Any:
    """Lists, with booleans and whole numbers as integers."""
    value = array.tolist() if hasattr(array, "tolist") else array
    if isinstance(value, list):
        return [plain(v) for v in value]
    exact = Fraction(value)
    return int(exact) if exact.denominator == 1 else float(exact)
