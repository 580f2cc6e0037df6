"""How close comparisons of reals came to a tie, and whether it mattered.

A comparison whose sides come closer than the guard is undetermined. Whether that can change an
output or a state is found by running the sequences again with intervals: an undetermined comparison
is 0..1, an undetermined choice anything between its branches.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..analysis.intervals import Pair, apply
from ..ir.components import Component
from ..ir.nodes import Graph
from ..ir.semantics import Array
from ..ir.types import Kind
from ..source import Span
from .kernels import constant
from .machine import Action, Frame, Machine, Watcher
from .schedule import descendants

DISCRETE_TOLERANCE = 0.25


@dataclass
class Margin:
    """What a run met at one comparison of reals.

    `smallest` is the least distance of its sides, `undetermined` the number of elements (over
    steps, sequences and lanes) with less than the guard, and `mattered` whether that can change
    something.
    """

    node: int
    span: Span | None
    smallest: float = np.inf
    undetermined: int = 0
    mattered: bool = False
    sequences: set[int] = field(default_factory=set, repr=False)


def real_comparisons(graph: Graph, exact: Collection[int]) -> list[int]:
    """The comparisons that have a guard band: of reals, and not known to be exact."""
    return [
        i
        for i, node in enumerate(graph.nodes)
        if node.op in ("lt", "le", "argmax")
        and i not in exact
        and any(graph.nodes[a].type.kind is Kind.REAL for a in node.args)
    ]


def watch(graph: Graph, comparisons: Sequence[int], guard: float) -> Iterator[Watcher]:
    """Watchers that fill in the margins, `frame.notes[node]`."""
    for n in comparisons:
        yield Watcher(n, _measure(n, graph.nodes[n].args, guard), graph.nodes[n].args)


def _measure(n: int, args: Sequence[int], guard: float) -> Action:
    def act(frame: Frame) -> None:
        margin: Margin = frame.notes[n]
        gap = distance([frame.at(a) for a in args])
        if not gap.size:
            return
        smallest = float(gap.min())
        margin.smallest = min(margin.smallest, smallest)
        if smallest < guard:
            close = (gap < guard).astype(bool)
            close = close.reshape(*close.shape[:2], -1).sum(axis=(0, 2))
            close = np.broadcast_to(close, frame.batch)
            margin.undetermined += int(close.sum())
            margin.sequences.update(np.flatnonzero(close).tolist())

    return act


def distance(sides: Sequence[Array]) -> Array:
    if len(sides) == 2:
        return np.asarray(abs(sides[0] - sides[1]))
    (vector,) = sides  # argmax: how far the largest is above the next
    if vector.shape[-1] < 2:
        return np.full(vector.shape[:-1], np.inf)
    ordered = np.sort(vector, axis=-1)
    return np.asarray(ordered[..., -1] - ordered[..., -2])


Given = Callable[[int, int, Sequence[int]], Mapping[int, Array]]  # start, steps, sequences


@dataclass
class Follower:
    """Runs sequences again, with some comparisons undetermined where they are close."""

    graph: Graph
    machine: Machine  # keeps all values
    guard: float
    tolerance: float

    def matters(
        self, undetermined: Collection[int], given: Given, sequences: Sequence[int],
        stretches: Sequence[tuple[int, int]],
    ) -> set[int]:  # fmt: skip
        """The sequences in which these comparisons can change an output or a state."""
        machine = self.machine
        affected = descendants(machine.depends, undetermined, machine.components)
        found = np.zeros(len(sequences), dtype=bool)
        frame = self.machine.frame(len(sequences))
        carry: dict[int, Pair] = {}
        for start, steps in stretches:
            self.machine.run(frame, given(start, steps, sequences), start, steps)
            stretch = _Stretch(self, frame, affected, set(undetermined), carry)
            with np.errstate(all="ignore"):  # an interval may be unbounded
                for component in machine.components:
                    if component.nodes[0] in affected:
                        stretch.compute(component)
                found |= self._wide(stretch, frame)
            carry = {**carry, **stretch.after}
            if found.all():
                break
        return {sequences[int(k)] for k in np.flatnonzero(found)}

    def _wide(self, stretch: _Stretch, frame: Frame) -> Array:
        """Sequences in which an output or a state is wider than the tolerance."""
        states = [self.graph.states[s].next for s in self.machine.states]
        found = np.zeros(frame.batch, dtype=bool)
        for n in {*states, *(o.node for o in self.graph.outputs)} & stretch.pairs.keys():
            low, high = stretch.pairs[n]
            allowed: Array | float = DISCRETE_TOLERANCE
            if self.graph.nodes[n].type.kind is Kind.REAL:
                value = frame.at(n).astype(np.float64)
                allowed = self.tolerance * np.maximum(1.0, np.abs(value))
            wide = ~(high - low <= allowed)
            found |= wide.reshape(*wide.shape[:2], -1).any(axis=(0, 2))
        return found


class _Stretch:
    """Intervals over a stretch of time, `[T, B, *shape]` each, for the nodes that are affected."""

    def __init__(
        self, follower: Follower, frame: Frame, affected: Collection[int],
        undetermined: set[int], carry: Mapping[int, Pair],
    ) -> None:  # fmt: skip
        self.graph, self.guard = follower.graph, follower.guard
        self.machine = follower.machine
        self.frame, self.affected, self.undetermined = frame, affected, undetermined
        self.carry = carry
        self.after: dict[int, Pair] = {}
        self.pairs: dict[int, Pair] = {}

    def compute(self, component: Component) -> None:
        if component.cyclic:
            self._loop(component)
            return
        (n,) = component.nodes
        if self.graph.nodes[n].op == "prev":
            self._shift(n)
        else:
            self.pairs[n] = self._full(self._apply(n, self._pair))
        self._remember(n)

    def _pair(self, n: int) -> Pair:
        """Known intervals, or the value itself."""
        if n in self.pairs:
            return self.pairs[n]
        value = self.frame.over_time(n).astype(np.float64)
        return value, value

    def _full(self, pair: Pair) -> Pair:
        low, high = (
            np.broadcast_to(end, (self.frame.steps, self.frame.batch, *end.shape[2:]))
            for end in pair
        )
        return low, high

    def _apply(self, n: int, operand: Callable[[int], Pair]) -> Pair:
        node = self.graph.nodes[n]
        pairs = [operand(a) for a in node.args]
        if n in self.undetermined:
            return _guarded(node.op, pairs, self.guard)
        vector = [bool(self.graph.nodes[a].type.shape) for a in node.args]
        return apply(node, pairs, vector)

    def _before(self, state: int) -> Pair:
        if state in self.carry:
            return self.carry[state]
        s = self.graph.states[state]
        value = constant(s.init, s.type, exact=False).astype(np.float64)
        value = np.broadcast_to(value, (self.frame.batch, *value.shape))
        return value, value

    def _shift(self, n: int) -> None:
        state = self.graph.nodes[n].attrs[0]
        new = self._full(self._pair(self.graph.states[state].next))
        low, high = (
            np.concatenate([first[None], rest[:-1]])
            for first, rest in zip(self._before(state), new, strict=True)
        )
        self.pairs[n] = low, high

    def _remember(self, n: int) -> None:
        low, high = self.pairs[n]
        for state in self.machine.state_of.get(n, ()):
            self.after[state] = low[-1], high[-1]

    def _loop(self, component: Component) -> None:
        """A group of states, step by step."""
        inside, nodes = component.nodes, self.graph.nodes
        rows: dict[int, list[Pair]] = {n: [] for n in inside}
        states = {
            s: self._before(s) for s in {nodes[n].attrs[0] for n in inside if nodes[n].op == "prev"}
        }
        outside = {
            a: self._full(self._pair(a)) for n in inside for a in nodes[n].args if a not in rows
        }
        for t in range(self.frame.steps):
            now = {a: (low[t], high[t]) for a, (low, high) in outside.items()}
            for n in inside:
                if nodes[n].op == "prev":
                    now[n] = states[nodes[n].attrs[0]]
                else:
                    now[n] = self._apply(n, now.__getitem__)
                rows[n].append(now[n])
            states = {s: now[self.graph.states[s].next] for s in states}
        for n in inside:
            low, high = (np.stack([pair[end] for pair in rows[n]]) for end in (0, 1))
            self.pairs[n] = self._full((low, high))
            self._remember(n)


def _guarded(op: str, pairs: Sequence[Pair], guard: float) -> Pair:
    """A comparison that is undetermined where its sides may come closer than the guard."""
    if op == "argmax":
        return _guarded_argmax(pairs[0], guard)
    (a_low, a_high), (b_low, b_high) = pairs
    close = (a_low - b_high < guard) & (b_low - a_high < guard)
    true = ~close & (a_high < b_low)
    return true.astype(float), (true | close).astype(float)


def _guarded_argmax(vector: Pair, guard: float) -> Pair:
    low, high = vector
    best = low.max(axis=-1, keepdims=True)
    possible = high > best - guard
    last = low.shape[-1] - 1 - np.argmax(possible[..., ::-1], axis=-1)
    return np.argmax(possible, axis=-1).astype(float), last.astype(float)
