"""Witnesses for theorem 1, memory without end: what an input far back decides, and can again.

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

The words p and q are whole periods of the clocks, so that a state is one of the same phase.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import LsrlError
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
    key,
    rows_of,
    same,
    searched,
    shown,
    take,
    typed,
)

if TYPE_CHECKING:
    from ..program import Program

ROWS, EVENTS, TAILS = 48, 12, 16
SETTLE = 8  # copies of q
TAIL = 12  # steps of w
SIZES = (1, 2, 4, 6)  # of q, in periods of the clocks
MOST_STATES = 64  # that {p, q}* may lead to


@dataclass(frozen=True)
class Memory:
    """See the module. `before`, `event`, `rest` and `after` are v, p, q and w, by field; `settle`
    is a. `outputs` are the values of `output` at the last step of v q q^a w and of v p q^a w."""

    before: Word
    event: Word
    rest: Word
    after: Word
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

    def concerns(self, graph: Graph, span: Span | None) -> bool:
        """Whether the state there may be what remembers: which one it is is not looked for."""
        return True

    def inputs(self, more: int = 0) -> tuple[Word, Word]:
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


def find_memory(program: Program, seed: int = 0) -> Memory | None:
    """A witness of memory without end, if a short search finds one. The same for the same seed."""
    if endless(program) is None:
        return None
    try:
        runner = searched(program)
        if runner is None:
            return None
        for size in SIZES:
            found = _Search(program, runner, size * runner.period, seed).run()
            if found is not None:
                return found
    except LsrlError:  # no inputs meet the assumes, or numbers leave float64
        pass
    return None


# Searching


class _Search:
    """For a word q of `size` steps; all arrays have a row a trial."""

    def __init__(self, program: Program, runner: Runner, size: int, seed: int) -> None:
        self.program, self.runner, self.size = program, runner, size
        self.draws = Draws(program, seed)

    def run(self) -> Memory | None:
        """The first trial that holds when checked exactly."""
        for trial in self._trials():
            found = _Check(self.program, *trial).witness()
            if found is not None:
                return found
        return None

    def _rests(self) -> Fields:
        """Candidates for q: shorter words over and over, and words of its own size."""
        period = self.runner.period
        sizes = [s for s in range(period, self.size + 1, period) if self.size % s == 0]
        parts = [self._tiled(self.draws.words(-(-ROWS // len(sizes)), s), self.size) for s in sizes]
        return {k: np.concatenate([p[k] for p in parts])[:ROWS] for k in parts[0]}

    def _tiled(self, words: Fields, steps: int) -> Fields:
        have = next(iter(words.values())).shape[1]
        at = np.arange(steps) % have
        return {k: a[:, at] for k, a in words.items()}

    def _trials(self) -> Iterator[tuple[Fields, Fields, Fields, Fields]]:
        """v, p, q, w, a row each."""
        runner, period = self.runner, self.runner.period
        before = self.draws.starts(ROWS, -(-max(runner.prefix, 1) // period) * period)
        rest = self._rests()
        start, _ = runner.run(runner.start(ROWS), before, 0)
        self.step = next(iter(before.values())).shape[1]
        settled, kept = self._settled(start, rest)
        good = np.flatnonzero(kept)
        if not len(good):
            return
        before, rest, settled = take(before, good), take(rest, good), rows_of(settled, good, ROWS)
        yield from self._events(before, rest, settled)

    def _settled(self, carry: Carry, rest: Fields) -> tuple[Carry, Array]:
        """The states after copies of q, and in which rows one more changes nothing."""
        for _ in range(SETTLE):
            carry, _ = self.runner.run(carry, rest, self.step)
        following, _ = self.runner.run(carry, rest, self.step)
        return carry, same(carry, following)

    def _events(self, before: Fields, rest: Fields, base: Carry) -> Iterator[Any]:
        n = len(next(iter(rest.values())))
        rows = np.repeat(np.arange(n), EVENTS)
        long = self.draws.words(len(rows), self.size)
        keep = self.draws.rng.integers(1, self.size + 1, len(rows))
        event = {k: a.copy() for k, a in long.items()}
        for k, a in event.items():
            late = np.arange(self.size)[None] >= keep[:, None]
            a[late] = rest[k][rows][late]
        many = rows_of(base, rows.tolist(), n)
        after, _ = self.runner.run(many, event, self.step)
        other, kept = self._settled(after, take(rest, rows))
        chosen = np.flatnonzero(kept & ~same(many, other))[: 4 * ROWS]
        if len(chosen):
            pair = rows_of(many, chosen, len(rows)), rows_of(other, chosen, len(rows))
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
        tails = self.draws.words(len(again), TAIL)
        ends = [self.runner.run(rows_of(c, again.tolist(), n), tails, self.step)[1] for c in pair]
        differs = differing(ends[0], ends[1])
        first = np.where(differs.any(axis=1), differs.argmax(axis=1), TAIL)
        for k in np.argsort(first, kind="stable")[:8]:
            if first[k] < TAIL:
                row, i = [rows[again[k]]], [chosen[again[k]]]
                after = {f: a[[k], : first[k] + 1] for f, a in tails.items()}
                yield take(before, row), take(event, i), take(rest, row), after


# Checking


class _Check:
    """One trial, in exact rationals."""

    def __init__(
        self, program: Program, before: Fields, event: Fields, rest: Fields, after: Fields
    ) -> None:
        self.program = program
        self.words = before, event, rest, after
        self.step = next(iter(before.values())).shape[1]

    def witness(self) -> Memory | None:
        """The witness, with as few copies of q as will do."""
        self.runner = Runner(self.program, exact=True)
        before, event, rest, after = self.words
        base, copies = self._settled(self.runner.run(self.runner.start(1), before, 0)[0])
        if base is None:
            return None
        before = joined(before, *[rest] * copies)
        other, settle = self._settled(self._run(base, event)[0])
        if other is None:
            return None
        outputs = shown(self.program, self._run(base, after)[1], self._run(other, after)[1])
        words = before, event, rest, after
        if outputs is None or not self._admitted(words, base):
            return None
        v, p, q, w = (typed(self.program, word) for word in words)
        return Memory(v, p, q, w, settle, *outputs)

    def _settled(self, carry: Carry) -> tuple[Carry | None, int]:
        """The state that q leaves as it is, and after how many copies of q it is there."""
        for copies in range(SETTLE + 1):
            following, _ = self._run(carry, self.words[2])
            if same(carry, following)[0]:
                return carry, copies
            carry = following
        return None, 0

    def _run(self, carry: Carry, word: Fields) -> tuple[Carry, Any]:
        return self.runner.run(carry, word, self.step)

    def _admitted(self, words: tuple[Fields, Fields, Fields, Fields], base: Carry) -> bool:
        """Whether v {p, q}* meets all promises, and so do the two runs to the end of w."""
        before, event, rest, after = words
        promises = Promises(self.program)
        if promises.idle:
            return True
        tails = [[rest, after], [event, *[rest] * SETTLE, after]]
        if not all(promises.kept(joined(before, *tail)) for tail in tails):
            return False
        known, todo = {key(base)}, [(base, [before])]
        while todo and len(known) <= MOST_STATES:
            carry, path = todo.pop()
            for word in (event, rest):
                if not promises.kept(joined(*path, word)):
                    return False
                following, _ = self._run(carry, word)
                if key(following) not in known:
                    known.add(key(following))
                    todo.append((following, [*path, word]))
        return not todo
