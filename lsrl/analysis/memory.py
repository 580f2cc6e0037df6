"""Witnesses of memory without end: what an input far back still decides, and can decide again.

A witness has four words of inputs, v, p, q and w, with p as long as q, such that

- after v q the program is in the state in which it was after v (so it is after v q^i for all i),
- after v p q^a it is in the state in which it is after v p q^(a + 1),
- from these two states the same word w gives different outputs,
- every sequence v {p, q}* meets the program's assumes and declared bounds.

So for all i and all k >= a the outputs of v q^i p q^k w differ from those of v q^i q q^k w at the
end: a choice as far back as one likes still shows, and it can be made at any time, as often as one
likes. docs/expressivity.md proves that no stack of constant linear recurrences with bounded states
computes that. What only the first steps decide (`store(first(), x)`) has no witness: such a stack
can keep it.

The state is that of all states which the outputs, assumes and bounds depend on; values that no
input reaches and that are periodic for ever count by their phase. The search runs in floats; what
it finds is checked in exact rationals, with comparisons of reals well outside of the guard band.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import LsrlError
from ..interpret.checks import checked_nodes
from ..interpret.kernels import hold, rational, storage
from ..interpret.machine import Machine
from ..interpret.screen import Screen
from ..ir.nodes import Graph
from ..ir.semantics import Array
from .periods import FOR_EVER, autonomous, periodic_for_ever

if TYPE_CHECKING:
    from ..program import Program

Fields = dict[str, Array]
Carry = dict[int, Array]

STEPS = 256  # that clocks are run for
LONGEST_PERIOD = 24
ROWS, EVENTS, TAILS = 48, 12, 16
SETTLE = 8  # copies of q
TAIL = 12  # steps of w
LEAD = 4  # steps before a word in what is drawn
SIZES = (1, 2, 4, 6)  # of q, in periods of the clocks
MOST_STATES = 64  # that {p, q}* may lead to


@dataclass(frozen=True)
class Witness:
    """See the module. `before`, `event`, `rest` and `after` are v, p, q and w, by field; `settle`
    is a. `outputs` are the values of `output` at the last step of v q q^a w and of v p q^a w."""

    before: dict[str, list[Any]]
    event: dict[str, list[Any]]
    rest: dict[str, list[Any]]
    after: dict[str, list[Any]]
    settle: int
    output: str
    outputs: tuple[Any, Any]

    @property
    def step(self) -> int:
        """The step at which the two inputs begin to differ, counted from 0."""
        return len(next(iter(self.before.values())))

    @property
    def period(self) -> int:
        """How many steps more may lie between p and w, over and over."""
        return len(next(iter(self.rest.values())))

    def inputs(self, more: int = 0) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
        """The two inputs, `more` periods longer than need be."""
        middle = self.settle + more
        base, other = (
            {k: self.before[k] + word[k] + middle * self.rest[k] + self.after[k] for k in word}
            for word in (self.rest, self.event)
        )
        return base, other

    def as_json(self) -> dict[str, Any]:
        """The words, and what they show, as plain data."""
        return {
            "before": self.before, "event": self.event, "rest": self.rest, "after": self.after,
            "settle": self.settle, "step": self.step, "period": self.period,
            "inputs": list(self.inputs()), "output": self.output, "outputs": list(self.outputs),
        }  # fmt: skip


def endless(program: Program) -> Graph | None:
    """The program's graph without an end to the length; None where the graph is simpler than that
    because of its length."""
    from ..passes import optimise

    graph = optimise(program.elaborated.graph.replace(length=FOR_EVER))
    return graph if graph.replace(length=program.length) == program.graph else None


def find_witness(program: Program, seed: int = 0) -> Witness | None:
    """A witness of memory without end, if a short search finds one. The same for the same seed."""
    if endless(program) is None:
        return None
    try:
        runner = Runner(program)
        if runner.period > LONGEST_PERIOD or runner.prefix > STEPS // 4:
            return None
        for size in SIZES:
            found = _Search(program, runner, size * runner.period, seed).run()
            if found is not None:
                return found
    except LsrlError:  # no inputs meet the assumes, or numbers leave float64
        pass
    return None


# Running


class Runner:
    """The part of a program that its outputs and promises depend on, from any state on.

    `prefix` and `period`: of the clocks that it reads, which are given as they are.
    """

    def __init__(self, program: Program, exact: bool = False) -> None:
        graph = self.graph = program.graph
        self.exact = exact
        roots = [o.node for o in (*graph.outputs, *graph.assumes)] + checked_nodes(graph)
        clocks = _clocks(program)
        self.machine = Machine(graph, roots, leaves=clocks, exact=exact)
        self.clocks = {n: clocks[n] for n in sorted(self.machine.nodes & clocks.keys())}
        lassos = [lasso for lasso, _ in self.clocks.values()]
        self.prefix = max((q for q, _ in lassos), default=0)
        self.period = math.lcm(*(p for _, p in lassos))

    def start(self, batch: int) -> Carry:
        return _rows(self.machine.frame(batch).carry, [0] * batch, 1)

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
        return _rows(frame.carry, range(batch), batch), outputs

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


def _clocks(program: Program) -> dict[int, tuple[tuple[int, int], Array]]:
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


def _rows(carry: Mapping[int, Array], rows: Any, size: int) -> Carry:
    """The states of these rows, each with a batch axis in full."""
    return {
        s: np.broadcast_to(v, (size, *v.shape[1:]))[list(rows)] if len(v) != size else v[list(rows)]
        for s, v in carry.items()
    }


def _same(a: Carry, b: Carry) -> Array:
    """In which rows two states are equal, `[B]`."""
    size = max((len(v) for v in a.values()), default=1)
    result = np.ones(size, dtype=bool)
    for s, v in a.items():
        result &= (v == b[s]).reshape(size, -1).all(axis=1).astype(bool)
    return result


def _take(words: Fields, rows: Any) -> Fields:
    return {k: a[rows] for k, a in words.items()}


def _joined(*words: Fields) -> Fields:
    return {k: np.concatenate([w[k] for w in words], axis=1) for k in words[0]}


# Searching


class _Search:
    """For a word q of `size` steps; all arrays have a row a trial."""

    def __init__(self, program: Program, runner: Runner, size: int, seed: int) -> None:
        from ..sampling import Sampler

        self.program, self.runner, self.size = program, runner, size
        self.rng = np.random.default_rng(seed)
        self.sampler = Sampler(program, seed)
        self.turn = 0

    def run(self) -> Witness | None:
        """The first trial that holds when checked exactly."""
        for trial in self._trials():
            found = _Check(self.program, *trial).witness()
            if found is not None:
                return found
        return None

    def _words(self, n: int, steps: int) -> Fields:
        """Words from anywhere in a sequence, whether or not they keep to the promises there."""
        longest = steps + LEAD
        self.turn += n
        drawn = self.sampler.proposals.draw(self.rng, n, longest, self.turn)
        shift = int(self.rng.integers(LEAD + 1))
        return {k: a[:, shift : shift + steps] for k, a in drawn.items()}

    def _rests(self) -> Fields:
        """Candidates for q: shorter words over and over, and words of its own size."""
        period = self.runner.period
        sizes = [s for s in range(period, self.size + 1, period) if self.size % s == 0]
        parts = [self._tiled(self._words(-(-ROWS // len(sizes)), s), self.size) for s in sizes]
        return {k: np.concatenate([p[k] for p in parts])[:ROWS] for k in parts[0]}

    def _tiled(self, words: Fields, steps: int) -> Fields:
        have = next(iter(words.values())).shape[1]
        at = np.arange(steps) % have
        return {k: a[:, at] for k, a in words.items()}

    def _trials(self) -> Iterator[tuple[Fields, Fields, Fields, Fields]]:
        """v, p, q, w, a row each."""
        runner, period = self.runner, self.runner.period
        before = self.sampler.draw(ROWS, -(-max(runner.prefix, 1) // period) * period)
        rest = self._rests()
        start, _ = runner.run(runner.start(ROWS), before, 0)
        self.step = next(iter(before.values())).shape[1]
        settled, kept = self._settled(start, rest)
        good = np.flatnonzero(kept)
        if not len(good):
            return
        before, rest, settled = _take(before, good), _take(rest, good), _rows(settled, good, ROWS)
        yield from self._events(before, rest, settled)

    def _settled(self, carry: Carry, rest: Fields) -> tuple[Carry, Array]:
        """The states after copies of q, and in which rows one more changes nothing."""
        for _ in range(SETTLE):
            carry, _ = self.runner.run(carry, rest, self.step)
        following, _ = self.runner.run(carry, rest, self.step)
        return carry, _same(carry, following)

    def _events(self, before: Fields, rest: Fields, base: Carry) -> Iterator[Any]:
        n = len(next(iter(rest.values())))
        rows = np.repeat(np.arange(n), EVENTS)
        long = self._words(len(rows), self.size)
        keep = self.rng.integers(1, self.size + 1, len(rows))
        event = {k: a.copy() for k, a in long.items()}
        for k, a in event.items():
            late = np.arange(self.size)[None] >= keep[:, None]
            a[late] = rest[k][rows][late]
        many = _rows(base, rows.tolist(), n)
        after, _ = self.runner.run(many, event, self.step)
        other, kept = self._settled(after, _take(rest, rows))
        chosen = np.flatnonzero(kept & ~_same(many, other))[: 4 * ROWS]
        if len(chosen):
            pair = _rows(many, chosen, len(rows)), _rows(other, chosen, len(rows))
            words = before, event, rest
            yield from self._tails(words, rows[chosen], chosen, pair)

    def _tails(
        self, words: tuple[Fields, Fields, Fields], rows: Array, chosen: Array,
        pair: tuple[Carry, Carry],
    ) -> Iterator[Any]:  # fmt: skip
        """Continuations under which the two states show, the shortest one first."""
        before, event, rest = words
        n = len(rows)
        again = np.repeat(np.arange(n), TAILS)
        tails = self._words(len(again), TAIL)
        ends = [self.runner.run(_rows(c, again.tolist(), n), tails, self.step)[1] for c in pair]
        differs = np.zeros((len(again), TAIL), dtype=bool)
        for name, a in ends[0].items():
            differs |= (a != ends[1][name]).reshape(*a.shape[:2], -1).any(axis=2)
        first = np.where(differs.any(axis=1), differs.argmax(axis=1), TAIL)
        for k in np.argsort(first, kind="stable")[:8]:
            if first[k] < TAIL:
                row, i = [rows[again[k]]], [chosen[again[k]]]
                after = {f: a[[k], : first[k] + 1] for f, a in tails.items()}
                yield _take(before, row), _take(event, i), _take(rest, row), after


# Checking


class _Check:
    """One trial, in exact rationals."""

    def __init__(
        self, program: Program, before: Fields, event: Fields, rest: Fields, after: Fields
    ) -> None:
        self.program = program
        self.words = before, event, rest, after
        self.step = next(iter(before.values())).shape[1]

    def witness(self) -> Witness | None:
        """The witness, with as few copies of q as will do."""
        self.runner = Runner(self.program, exact=True)
        before, event, rest, after = self.words
        base, copies = self._settled(self.runner.run(self.runner.start(1), before, 0)[0])
        if base is None:
            return None
        before = _joined(before, *[rest] * copies)
        other, settle = self._settled(self._run(base, event)[0])
        if other is None:
            return None
        shown = self._shown(self._run(base, after)[1], self._run(other, after)[1])
        words = before, event, rest, after
        if shown is None or not self._admitted(words, base):
            return None
        typed = [self._typed(word) for word in words]
        return Witness(typed[0], typed[1], typed[2], typed[3], settle, *shown)

    def _settled(self, carry: Carry) -> tuple[Carry | None, int]:
        """The state that q leaves as it is, and after how many copies of q it is there."""
        for copies in range(SETTLE + 1):
            following, _ = self._run(carry, self.words[2])
            if _same(carry, following)[0]:
                return carry, copies
            carry = following
        return None, 0

    def _run(self, carry: Carry, word: Fields) -> tuple[Carry, Any]:
        return self.runner.run(carry, word, self.step)

    def _shown(self, one: Fields, two: Fields) -> tuple[str, tuple[Any, Any]] | None:
        """An output that differs at the last step by more than a model may be off."""
        from ..targets.base import INTEGER_TOLERANCE, REAL_TOLERANCE

        for o in self.program.graph.outputs:
            fact = self.program.facts[o.node]
            most = INTEGER_TOLERANCE if fact.step else REAL_TOLERANCE * (fact.high - fact.low)
            a, b = (np.asarray(y[o.name][0, -1]) for y in (one, two))
            gap = np.abs(a.astype(np.float64) - b.astype(np.float64))
            if (gap > 2 * most).any():
                return o.name, (_plain(a), _plain(b))
        return None

    def _admitted(self, words: tuple[Fields, Fields, Fields, Fields], base: Carry) -> bool:
        """Whether v {p, q}* meets all promises, and so do the two runs to the end of w."""
        program, (before, event, rest, after) = self.program, words
        ranges = {n: (f.lo, f.hi) for n, f in enumerate(program.facts)}
        close = program.interpreter.comparisons
        self.screen = Screen(program.graph, ranges, close, 2 * program.interpreter.guard)
        if self.screen.idle:
            return True
        tails = [[rest, after], [event, *[rest] * SETTLE, after]]
        if not all(self._passes(_joined(before, *tail)) for tail in tails):
            return False
        known, todo = {_key(base)}, [(base, [before])]
        while todo and len(known) <= MOST_STATES:
            carry, path = todo.pop()
            for word in (event, rest):
                if not self._passes(_joined(*path, word)):
                    return False
                following, _ = self._run(carry, word)
                if _key(following) not in known:
                    known.add(_key(following))
                    todo.append((following, [*path, word]))
        return not todo

    def _passes(self, word: Fields) -> bool:
        return bool(self.screen.passes(word, np.ones(1, dtype=bool))[0])

    def _typed(self, word: Fields) -> dict[str, list[Any]]:
        typed = self.program.inputs
        return {f.name: _plain(np.asarray(word[f.name][0])) for f in typed}


def _key(carry: Carry) -> tuple[Any, ...]:
    return tuple((s, *v.reshape(-1).tolist()) for s, v in sorted(carry.items()))


def _plain(array: Any) -> Any:
    """Lists, with booleans and whole numbers as integers."""
    value = array.tolist() if hasattr(array, "tolist") else array
    if isinstance(value, list):
        return [_plain(v) for v in value]
    exact = Fraction(value)
    return int(exact) if exact.denominator == 1 else float(exact)
