"""Ranges and lattices of all values: interval arithmetic, with `length` for states that grow.

The first step, where previous values are known, is bounded by itself, and then all later ones
together: so what only the first step does widens no later range. From its value after the first
step, s_1, a group of linear states is bounded lane by lane: by |A^t s_1| plus the sum of |A^k|
times the range of what is added (language.md, "Types"). Any other group is iterated until nothing
changes, at most `length` times; after k rounds the intervals hold all values of the k steps that
follow the first.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from ..ir.components import Component, components
from ..ir.nodes import Graph, Node
from ..ir.types import Kind, Type
from .dependence import Factor, Row, Rows, dependence, is_gate, is_signed
from .facts import Fact
from .intervals import Pair, apply, equal, hull, limit_of, meet, range_of, without_nan
from .lattice import lattices
from .linear import Interval, linear_ranges

MAX_ROUNDS = 4096
FEW_ROUNDS = 16

Array = np.ndarray[Any, Any]
Pairs = list[Any] | dict[int, Any]  # of nodes; None where not known yet


def analyse(graph: Graph) -> tuple[Fact, ...]:
    """Facts of every node. Unbounded ranges are infinite; `analysis/check.py` reports them."""
    if "facts" not in graph.found:
        graph.found["facts"] = _facts(graph)
    facts: tuple[Fact, ...] = graph.found["facts"]
    return facts


def _facts(graph: Graph) -> tuple[Fact, ...]:
    order = components(graph)
    steps = lattices(graph, order)
    ranges = _Ranges(graph)
    with np.errstate(over="ignore", invalid="ignore"):
        for component in order:
            ranges.component(component)
    found: dict[tuple[int, int], Fact] = {}
    result = []
    for n, step in enumerate(steps):
        pair = ranges.always(n)
        key = id(pair), id(step)
        if key not in found:
            found[key] = Fact(*pair, step)
        result.append(found[key])
    return tuple(result)


class _Ranges:
    """`first` and `pairs`: the ranges at the first step, and at any later one."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.first: list[Pair | None] = [None] * len(graph.nodes)
        self.pairs: list[Pair | None] = [None] * len(graph.nodes)
        self.later = max(1, graph.length - 1)  # how many steps follow the first
        self._known: dict[tuple[Hashable, ...], list[tuple[Pair, Pair]]] = {}
        self._ones: dict[Hashable, Pair] = {}
        self._hulls: dict[tuple[int, int], Pair] = {}  # of pairs that `_one` gave, by `id`

    def always(self, n: int) -> Pair:
        """The range at all steps."""
        first, later = self._first(n), self._pair(n)
        if first is later or self.graph.length == 1:
            return first
        key = id(first), id(later)
        if key not in self._hulls:
            self._hulls[key] = self._one(hull(first, later))
        return self._hulls[key]

    def component(self, component: Component) -> None:
        """Sets the ranges of a component. One that does the same as another one, with the very same
        operands, has its ranges."""
        key = self._key(component)
        known = self._known.get(key)
        if known is None:
            if component.cyclic:
                self.group(component)
            else:
                self.single(component.nodes[0])
            known = [(self._one(self._first(n)), self._one(self._pair(n))) for n in component.nodes]
            self._known[key] = known
        for n, (first, later) in zip(component.nodes, known, strict=True):
            self.first[n], self.pairs[n] = first, later

    def _one(self, pair: Pair) -> Pair:
        """The first pair of these very ranges."""
        low, high = pair
        return self._ones.setdefault((low.shape, low.tobytes(), high.tobytes()), pair)

    def _key(self, component: Component) -> tuple[Hashable, ...]:
        """What the ranges of a component follow from: its nodes, by what they do to which nodes in
        it and ranges outside, and its states."""
        if not component.cyclic and (node := self.graph.nodes[component.nodes[0]]).op != "prev":
            ranges = [id(of[a]) for of in (self.first, self.pairs) for a in node.args]
            return node.op, node.type, node.attrs, *ranges
        place = {n: i for i, n in enumerate(component.nodes)}

        def at(n: int) -> Hashable:
            return place[n] if n in place else (id(self.first[n]), id(self.pairs[n]))

        found: list[Hashable] = []
        for n in component.nodes:
            node = self.graph.nodes[n]
            if node.op == "prev":
                state = self.graph.states[node.attrs[0]]
                found.append((node.op, node.type, state.type, state.init, at(state.next)))
            else:
                found.append((node.op, node.type, node.attrs, *map(at, node.args)))
        return tuple(found)

    # One node

    def single(self, n: int) -> None:
        node = self.graph.nodes[n]
        self.first[n] = self._at_first(node)
        if node.op == "prev":
            self.pairs[n] = self.always(self.graph.states[node.attrs[0]].next)
        elif all(self.first[a] is self.pairs[a] for a in node.args):
            self.pairs[n] = self.first[n]
        else:
            self.pairs[n] = self._evaluate(node, self.pairs)

    def _at_first(self, node: Node) -> Pair:
        if node.op == "prev":
            return self._init(node.attrs[0])
        return self._evaluate(node, self.first)

    def _first(self, n: int) -> Pair:
        pair = self.first[n]
        assert pair is not None
        return pair

    def _pair(self, n: int) -> Pair:
        pair = self.pairs[n]
        assert pair is not None
        return pair

    def _init(self, state: int) -> Pair:
        s = self.graph.states[state]
        values = _array(s.init, s.type)
        return values, values

    def _evaluate(self, node: Node, pairs: Pairs, clip: bool = True) -> Pair:
        if node.op == "const":
            values = _array(node.attrs[0], node.type)
            return values, values
        if node.op == "input":
            field = self.graph.field(node.attrs[0])
            shape = node.type.shape
            return np.full(shape, float(field.lo)), np.full(shape, float(field.hi))
        args: list[Any] = [pairs[a] for a in node.args]
        vector = [bool(self.graph.nodes[a].type.shape) for a in node.args]
        result = apply(node, args, vector)
        if clip and node.op == "bound":
            result = meet(result, range_of(node.attrs[1], node.attrs[2]))
        elif clip and node.op == "promise":
            result = meet(result, hull(args[1], range_of(0, 0)))
        if node.type.kind is Kind.BOOL:
            return result
        result = without_nan(result)
        if node.type.kind is Kind.ENUM:
            result = meet(result, range_of(0, len(node.type.members) - 1))
        return result

    # Groups of states

    def group(self, component: Component) -> None:
        nodes = component.nodes
        reads: dict[int, list[int]] = {}
        for n in nodes:
            self.first[n] = self._at_first(self.graph.nodes[n])
            if self.graph.nodes[n].op == "prev":
                reads.setdefault(self.graph.nodes[n].attrs[0], []).append(n)
        read = {a for n in nodes for a in self.graph.nodes[n].args}
        facts = {a: Fact(*pair, None) for a in read if (pair := self.pairs[a]) is not None}
        rows = dependence(self.graph, nodes, facts)
        next_rows = {s: rows[self.graph.states[s].next] for s in reads}
        flat = [row for s in reads for row in next_rows[s]]
        if any(isinstance(c, Factor) for row in flat for c in (row or {}).values()):
            values, stable = self._iterate(nodes, reads, None, FEW_ROUNDS)
            bounds = None
            if not stable:
                bounds = self._settled(nodes, reads, values, self._by_rows(next_rows, nodes, reads))
        else:
            stable, bounds = False, self._by_rows(next_rows, nodes, reads)
        if not stable:
            values, stable = self._iterate(nodes, reads, bounds, MAX_ROUNDS)
        if not stable and self.later > MAX_ROUNDS:
            self._give_up(nodes, reads)
            return
        for s in reads:
            state = self.graph.states[s]
            self.pairs[state.next] = meet(self._pair(state.next), values[s])

    def _by_rows(
        self, rows: dict[int, Rows], nodes: Sequence[int], reads: dict[int, list[int]]
    ) -> dict[int, Pair] | None:
        """Ranges of linear and gated groups in closed form, before declared bounds; else None."""
        flat = [row for s in reads for row in rows[s]]
        lanes = [(s, i) for s in reads for i in range(len(rows[s]))]
        if any(row is None for row in flat):
            return None
        rest = self._rest(nodes, reads)
        ends = {s: [e.reshape(-1) for e in self._first(self.graph.states[s].next)] for s in reads}
        start = [(float(ends[s][0][i]), float(ends[s][1][i])) for s, i in lanes]
        if not any(isinstance(c, Factor) for row in flat for c in (row or {}).values()):
            found = linear_ranges(lanes, flat, start, rest, self.later)
        elif all(_own(lane, row) for lane, row in zip(lanes, flat, strict=True)):
            triples = zip(flat, start, rest, strict=True)
            found = [_gated(row, one, added, self.later) for row, one, added in triples]
        else:
            return None
        return self._unflatten(lanes, found, reads)

    def _rest(self, nodes: Sequence[int], reads: dict[int, list[int]]) -> list[tuple[float, float]]:
        """Range of what each lane adds to the group's part: its next value from zero."""
        pairs: Pairs = {a: self.pairs[a] for n in nodes for a in self.graph.nodes[n].args}
        for s, reading in reads.items():
            zero = np.zeros(self.graph.states[s].type.shape or ())
            for n in reading:
                pairs[n] = zero, zero
        self._sweep(nodes, pairs, clip=False)
        result = []
        for s in reads:
            low, high = pairs[self.graph.states[s].next]
            result += list(zip(low.reshape(-1), high.reshape(-1), strict=True))
        return result

    def _unflatten(
        self,
        lanes: Sequence[tuple[int, int]],
        found: Sequence[tuple[float, float]],
        reads: dict[int, list[int]],
    ) -> dict[int, Pair]:
        result = {}
        for s in reads:
            mine = [pair for (t, _), pair in zip(lanes, found, strict=True) if t == s]
            shape = self.graph.states[s].type.shape
            low, high = (np.array([p[k] for p in mine]).reshape(shape) for k in (0, 1))
            result[s] = without_nan((low, high))
        return result

    def _sweep(self, nodes: Sequence[int], pairs: Pairs, clip: bool = True) -> None:
        for n in nodes:
            if self.graph.nodes[n].op != "prev":
                pairs[n] = self._evaluate(self.graph.nodes[n], pairs, clip)

    def _iterate(
        self,
        nodes: Sequence[int],
        reads: dict[int, list[int]],
        cap: dict[int, Pair] | None,
        most: int,
    ) -> tuple[dict[int, Pair], bool]:
        """Range of each state's new value, and whether it holds at every step; sets the pairs of
        all nodes of the group."""
        before = {s: self._first(self.graph.states[s].next) for s in reads}
        if cap is not None:
            before = {s: hull(before[s], self._capped(s, cap[s])) for s in reads}
        rounds = min(self.later, most)
        if cap is None:
            before, rounds = self._counted(nodes, before, rounds)
        stable = False
        for _ in range(1 if cap is not None else rounds):
            after = {s: hull(before[s], p) for s, p in self._next(nodes, reads, before).items()}
            stable = all(equal(before[s], after[s]) for s in reads)
            if stable:
                break
            before = after
        if cap is not None:
            return {s: self._capped(s, cap[s]) for s in reads}, True
        return {s: self._pair(self.graph.states[s].next) for s in reads}, stable

    def _counted(
        self, nodes: Sequence[int], before: dict[int, Pair], rounds: int
    ) -> tuple[dict[int, Pair], int]:
        """Rounds of a counter, s' = (s + k) mod m, without arrays: the range that they come to, and
        how many are left. A range grows by k a round, so m / k rounds may be needed."""
        ops = {self.graph.nodes[n].op: n for n in nodes}
        if len(nodes) != 3 or ops.keys() != {"prev", "add", "mod"} or len(before) != 1:
            return before, rounds
        ((s, (low, high)),) = before.items()
        added = [a for a in self.graph.nodes[ops["add"]].args if a != ops["prev"]]
        if low.shape or len(added) != 1:
            return before, rounds
        (more, most), m = self._pair(added[0]), self.graph.nodes[ops["mod"]].attrs[0]
        ends = float(low), float(high)
        for used in range(rounds - 1):
            lower, upper = ends[0] + float(more), ends[1] + float(most)
            if lower // m != upper // m:
                return {s: range_of(*ends)}, rounds - used
            grown = min(ends[0], lower % m), max(ends[1], upper % m)
            if grown == ends:
                return {s: range_of(*ends)}, rounds - used
            ends = grown
        return {s: range_of(*ends)}, 1

    def _next(
        self, nodes: Sequence[int], reads: dict[int, list[int]], before: dict[int, Pair]
    ) -> dict[int, Pair]:
        """Each state's range after one that it was in; sets the pairs of all nodes of the group."""
        for s, reading in reads.items():
            for n in reading:
                self.pairs[n] = before[s]
        self._sweep(nodes, self.pairs)
        return {s: self._pair(self.graph.states[s].next) for s in reads}

    def _settled(
        self,
        nodes: Sequence[int],
        reads: dict[int, list[int]],
        values: dict[int, Pair],
        bounds: dict[int, Pair] | None,
    ) -> dict[int, Pair] | None:
        """Other bounds, and a range that no step leaves if there is one: where rounds add less and
        less, a little more than the limit of the series is guessed, and what follows from that must
        lie within it."""
        first = {s: self._first(self.graph.states[s].next) for s in reads}
        rounds = [{s: hull(first[s], values[s]) for s in reads}]
        for _ in range(2):
            after = self._next(nodes, reads, rounds[-1])
            rounds.append({s: hull(rounds[-1][s], after[s]) for s in reads})
        guess = {s: limit_of(*(r[s] for r in rounds)) for s in reads}
        after = self._next(nodes, reads, guess)
        if not all(equal(guess[s], hull(guess[s], after[s])) for s in reads):
            return bounds
        for _ in range(FEW_ROUNDS):  # each time within what was before
            after = self._next(nodes, reads, {s: hull(first[s], after[s]) for s in reads})
        return {s: meet(after[s], bounds[s]) for s in reads} if bounds else after

    def _capped(self, s: int, pair: Pair) -> Pair:
        """A closed form, cut by the bound declared on the state, if there is one."""
        node = self.graph.nodes[self.graph.states[s].next]
        if node.op == "bound":
            return meet(pair, range_of(node.attrs[1], node.attrs[2]))
        if node.op == "promise" and self.pairs[node.args[1]] is not None:
            return meet(pair, hull(self._pair(node.args[1]), range_of(0, 0)))
        return pair

    def _give_up(self, nodes: Sequence[int], reads: dict[int, list[int]]) -> None:
        """No closed form and too long to iterate: everything, cut by what is declared."""
        for s, reading in reads.items():
            shape = self.graph.states[s].type.shape or ()
            for n in reading:
                self.pairs[n] = np.full(shape, -np.inf), np.full(shape, np.inf)
        self._sweep(nodes, self.pairs)


def _own(lane: tuple[int, int], row: Row) -> bool:
    """Whether a lane depends on no other lane of its group, and by a factor of at most 1."""
    return row is not None and set(row) <= {lane} and all(is_signed(c) for c in row.values())


def _gated(row: Row, start: Interval, rest: Interval, steps: int) -> Interval:
    """s = g s + u with |g| <= 1: at most what it starts from plus the sum of what is added."""
    low = min(start[0], 0.0) + steps * min(rest[0], 0.0)
    high = max(start[1], 0.0) + steps * max(rest[1], 0.0)
    if row is not None and all(is_gate(c) for c in row.values()):
        return low, high
    most = max(-start[0], start[1]) + steps * max(abs(rest[0]), abs(rest[1]))
    return -most, most


def _array(values: Sequence[Any], type: Type) -> Array:
    """Elements of a type's shape as float64."""
    return np.array([float(v) for v in values]).reshape(type.shape)
