"""Witnesses for theorem 2, cycles without end: what a word of inputs turns, over and over.

A witness has three words of inputs, v, w and z, and a period m > 1, such that

- after v w^m the program is in the state in which it was after v (so it is after v w^(i m) for
  all i), and its clocks are in the same phase,
- from the states after v and after v w the word z gives different outputs at its end,
- every sequence v w^k z meets the program's assumes and declared bounds.

So for all i the outputs of v w^(i m) z and of v w^(i m + 1) z differ at the end: however often w
has come, one more of it shows. docs/expressivity.md proves that no stack of positive diagonal
recurrences in finite precision computes that.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import LsrlError
from ..ir.components import components
from ..ir.nodes import Graph
from ..ir.semantics import Array
from ..source import Span
from .runner import (
    Carry,
    Draws,
    Fields,
    Promises,
    Runner,
    Word,
    differing,
    endless,
    joined,
    rows_of,
    same,
    searched,
    shown,
    take,
    typed,
)

if TYPE_CHECKING:
    from ..program import Program

ROWS, TAILS = 48, 16
SIZES = (1, 2, 3, 4, 6)  # of w, in steps
LEADS = (0, 1, 6)  # steps of v, after those of the clocks' prefix
COPIES = 72  # of w that are tried: as many as may come before the cycle, and in it
TAIL = 6  # steps of z
MANY, FEW = 12, 8  # copies after which only so many trials go on
PATIENCE = 2  # sizes after which a program that is never twice in one state is given up
MOST = 6  # cycles of one size that are looked at closely


@dataclass(frozen=True)
class Cycle:
    """See the module. `before`, `word` and `after` are v, w and z, by field; `period` is m.
    `outputs` are the values of `output` at the last step of v w^(i m) z and of v w^(i m + 1) z,
    `states` the names of those that go round, and of all that they form groups with."""

    before: Word
    word: Word
    after: Word
    period: int
    output: str
    outputs: tuple[Any, Any]
    states: tuple[str, ...]

    def concerns(self, graph: Graph, span: Span | None) -> bool:
        """Whether the state there goes round."""
        return any(s.span == span and s.name in self.states for s in graph.states)

    def inputs(self, more: int = 0) -> tuple[Word, Word]:
        """The two inputs, with `more` times m copies of w."""
        few, one = (
            {k: self.before[k] + copies * self.word[k] + self.after[k] for k in self.word}
            for copies in (more * self.period, more * self.period + 1)
        )
        return few, one

    def as_json(self) -> dict[str, Any]:
        """The words, and what they show, as plain data."""
        return {
            "before": self.before, "word": self.word, "after": self.after, "period": self.period,
            "inputs": list(self.inputs()), "output": self.output, "outputs": list(self.outputs),
            "states": list(self.states),
        }  # fmt: skip


def find_cycle(program: Program, seed: int = 0) -> Cycle | None:
    """A witness of a cycle without end, if a short search finds one. The same for the same seed."""
    if endless(program) is None:
        return None
    try:
        runner = searched(program)
        if runner is None:
            return None
        search = _Search(program, runner, Draws(program, seed))
        for tried, (lead, size) in enumerate(itertools.product(LEADS, SIZES), 1):
            found = search.run(lead, size)
            if found is not None or (tried == PATIENCE and not search.returned):
                return found
    except LsrlError:  # no inputs meet the assumes, or numbers leave float64
        pass
    return None


@dataclass(frozen=True)
class _Orbit:
    """The states after v, v w, v w^2, ... of one trial, up to where they come round again."""

    before: Fields
    word: Fields
    carries: list[Carry]
    start: int  # copies of w before the cycle

    @property
    def period(self) -> int:
        """Copies of w after which the states come round."""
        return len(self.carries) - self.start


class _Search:
    """All arrays have a row a trial."""

    def __init__(self, program: Program, runner: Runner, draws: Draws) -> None:
        self.program, self.runner, self.draws = program, runner, draws
        self.returned = False  # whether any word has led to a state where the program had been

    def run(self, lead: int, size: int) -> Cycle | None:
        """The first trial, shortest cycles first, that holds when checked exactly."""
        before = self.draws.starts(ROWS, self.runner.prefix + lead)
        orbits = self._orbits(before, self.draws.words(ROWS, size), size)
        for orbit in sorted(orbits, key=lambda o: len(o.carries))[:MOST]:
            for copies, after in self._tails(orbit, size):
                found = _check(self.program, self.runner, orbit, copies, after)
                if found is not None:
                    return found
        return None

    def _orbits(self, before: Fields, words: Fields, size: int) -> Iterator[_Orbit]:
        """Those that come round after two copies of w or more."""
        runner = self.runner
        start = next(iter(before.values())).shape[1]
        carry = _after(runner, before, ROWS)
        histories: list[list[Carry]] = [[] for _ in range(ROWS)]
        seen: list[dict[Any, int]] = [{} for _ in range(ROWS)]
        active = list(range(ROWS))
        for copies in range(COPIES + 1):
            phase = (start + copies * size) % runner.period
            left = []
            for i, row in enumerate(active):
                own = rows_of(carry, [i], len(active))
                mark = phase, *(v.tobytes() for _, v in sorted(own.items()))
                earlier = seen[row].setdefault(mark, copies)
                if earlier == copies:
                    histories[row].append(own)
                    left.append(i)
                    continue
                self.returned = True
                if copies - earlier > 1:
                    yield _Orbit(take(before, [row]), take(words, [row]), histories[row], earlier)
            if copies >= MANY:
                left = left[:FEW]
            if not left:
                return
            carry, active = rows_of(carry, left, len(active)), [active[i] for i in left]
            carry, _ = runner.run(carry, take(words, active), start + copies * size)

    def _tails(self, orbit: _Orbit, size: int) -> Iterator[tuple[int, Fields]]:
        """After how many copies of w one more shows, and under which z: shortest first."""
        tails = self.draws.words(TAILS, TAIL)
        start = next(iter(orbit.before.values())).shape[1]
        ends = []
        for k in range(orbit.start, len(orbit.carries)):
            many = rows_of(orbit.carries[k], [0] * TAILS, 1)
            ends.append(self.runner.run(many, tails, start + k * size)[1])
        found = []
        for k, (one, two) in enumerate(zip(ends, [*ends[1:], ends[0]], strict=True)):
            differs = differing(one, two)
            for row in np.flatnonzero(differs.any(axis=1)).tolist():
                found.append((int(differs[row].argmax()), k, row))
        for last, k, row in sorted(found)[:MOST]:
            yield orbit.start + k, {f: a[[row], : last + 1] for f, a in tails.items()}


def _after(runner: Runner, before: Fields, batch: int) -> Carry:
    """The states after the first steps, of which there may be none."""
    start = runner.start(batch)
    empty = not next(iter(before.values())).shape[1]
    return start if empty else runner.run(start, before, 0)[0]


def _check(
    program: Program, searched: Runner, orbit: _Orbit, copies: int, after: Fields
) -> Cycle | None:
    """The witness with v w^copies for v, if it holds in exact rationals."""
    runner = Runner(program, exact=True, periodic=searched.periodic)
    word, period = orbit.word, orbit.period
    before = joined(orbit.before, *[word] * copies)
    start, size = (next(iter(w.values())).shape[1] for w in (before, word))
    if start < runner.prefix or (period * size) % runner.period:
        return None
    base = carry = _after(runner, before, 1)
    states = []
    for k in range(period):
        states.append(carry)
        carry, _ = runner.run(carry, word, start + k * size)
    if not same(carry, base)[0]:
        return None
    one, two = (runner.run(s, after, start + k * size)[1] for k, s in enumerate(states[:2]))
    outputs = shown(program, one, two)
    if outputs is None or not _admitted(program, before, word, after, period):
        return None
    v, w, z = (typed(program, part) for part in (before, word, after))
    return Cycle(v, w, z, period, *outputs, _turning(program.graph, states, runner))


def _turning(graph: Graph, states: list[Carry], runner: Runner) -> tuple[str, ...]:
    """Names of the states that are not the same all the way round, with their groups."""
    ends = {graph.states[s].next for s in states[0] if _changes([c[s] for c in states])}
    for n in runner.behind:
        (prefix, _), values = runner.periodic[n]
        if _changes(values[prefix:]):
            ends.add(n)
    inside = {n for c in components(graph) if c.cyclic and ends & {*c.nodes} for n in c.nodes}
    names = [s.name for s in graph.states if s.next in ends | inside]
    return tuple(dict.fromkeys(names))


def _changes(values: Iterable[Array]) -> bool:
    return len({tuple(v.reshape(-1).tolist()) for v in values}) > 1


def _admitted(program: Program, before: Fields, word: Fields, after: Fields, period: int) -> bool:
    """Whether v w^k z meets all promises for all k: the states of k and of k + m are the same."""
    promises = Promises(program)
    if promises.idle:
        return True
    sequences = (joined(before, *[word] * k, after) for k in range(period + 1))
    return all(promises.kept(sequence) for sequence in sequences)
