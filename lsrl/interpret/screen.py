"""Which sequences of a batch break a promise, and at which step: `checks.py` tells only the first.

A sampler asks this of many sequences at once, over time or step by step, to draw others instead.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from ..errors import PromiseError
from ..ir.nodes import Graph
from ..ir.semantics import Array
from .checks import Ranges, limits, promised_range, raise_first
from .kernels import hold, storage
from .machine import Action, Frame, Machine, Watcher
from .margins import distance


class Screen:
    """The assumes, declared bounds and promises of a graph, and the comparisons to keep apart.

    `close` are comparisons of reals whose sides should stay `guard` apart; that is a wish only.
    """

    def __init__(
        self, graph: Graph, ranges: Ranges, close: Collection[int] = (), guard: float = 0.0
    ) -> None:
        self.graph = graph
        self.rules = list(dict.fromkeys(a.node for a in graph.assumes))
        watchers = [Watcher(n, _broken_assume(n)) for n in self.rules]
        for i, node in enumerate(graph.nodes):
            if node.op == "bound" or (node.op == "promise" and node.args[1] in ranges):
                lo, hi = node.attrs[1:] if node.op == "bound" else ranges[node.args[1]]
                if node.op == "promise":
                    lo, hi = promised_range(lo, hi)
                watchers.append(Watcher(i, _outside(i, *limits(lo, hi, node, exact=False))))
                self.rules.append(i)
        self.close = sorted(close)
        for n in self.close:
            watchers.append(Watcher(n, _close(n, graph.nodes[n].args, guard), graph.nodes[n].args))
        self.machine = Machine(graph, [*self.rules, *self.close], watchers=watchers)

    @property
    def idle(self) -> bool:
        """True if there is nothing to break."""
        return not self.rules and not self.close

    def run(self, frame: Frame, fields: Mapping[str, Array], start: int, steps: int) -> Verdict:
        """Advance a frame by a stretch of time; fields are `[B, T]` or `[B, T, d]`.

        Raises `PromiseError` E705 where numbers leave float64.
        """
        frame.notes.clear()
        self.machine.run(frame, self._given(fields), start, steps)
        raise_first(self.graph, frame)
        return Verdict(self, frame)

    def passes(self, fields: Mapping[str, Array], careful: Array) -> Array:
        """The sequences `[B]` that break nothing; where `careful [B]`, that stay apart as well."""
        batch, steps = next(iter(fields.values())).shape[:2]
        try:
            verdict = self.run(self.machine.frame(batch), fields, 0, steps)
        except PromiseError:
            return np.zeros(batch, dtype=bool)
        return ~(verdict.broken | (verdict.close & careful))

    def _given(self, fields: Mapping[str, Array]) -> dict[int, Array]:
        types = {n: self.graph.nodes[n].type for n in self.machine.inputs}
        return {
            n: hold(np.moveaxis(fields[name], 0, 1), storage(types[n], exact=False))
            for n, name in self.machine.inputs.items()
        }


class Verdict:
    """What a stretch of time broke, by sequence: `broken [B]`, and `close [B]` for the wishes."""

    def __init__(self, screen: Screen, frame: Frame) -> None:
        self._by_rule = {n: frame.notes[n] for n in screen.rules if n in frame.notes}
        self.broken = _any(self._by_rule.values(), frame.batch)
        close = [frame.notes[~n] for n in screen.close if ~n in frame.notes]
        self.close = _any(close, frame.batch)

    def culprit(self) -> int | None:
        """The node of the rule that most sequences broke."""
        counts = {n: int(bad.sum()) for n, bad in self._by_rule.items()}
        return max(counts, key=counts.__getitem__) if counts else None


def _any(parts: Collection[Array], batch: int) -> Array:
    result = np.zeros(batch, dtype=bool)
    for part in parts:
        result |= part
    return result


def _note(frame: Frame, key: int, bad: Array) -> None:
    """Keep `[B]` (or `[1]`) from `bad [T, B, ...]`, if any of it is true. The key is a node n for a
    rule and ~n for a wish, since an assume may be such a comparison itself."""
    if bad.any():
        frame.notes[key] = bad.reshape(*bad.shape[:2], -1).any(axis=(0, 2))


def _broken_assume(n: int) -> Action:
    return lambda frame: _note(frame, n, ~frame.at(n))


def _outside(n: int, lo: Array, hi: Array) -> Action:
    def act(frame: Frame) -> None:
        value = frame.at(n)
        _note(frame, n, ~((value >= lo) & (value <= hi)).astype(bool))

    return act


def _close(n: int, args: Sequence[int], guard: float) -> Action:
    def act(frame: Frame) -> None:
        _note(frame, ~n, (distance([frame.at(a) for a in args]) < guard).astype(bool))

    return act
