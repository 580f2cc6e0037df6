"""What does not depend on the input: clocks.

Values that no input reaches follow a fixed sequence. Where it is eventually periodic within few
steps (a counter, `first()`, `t < n`), its positions are the values of one autonomous finite state,
held as a 0/1 permutation-like linear state; any function of them is then a linear read-out and
costs nothing. The sequences are computed for all steps below `length`, so this is exact up to the
length; beyond 2^16 steps only those are clocks that are proved to be periodic for ever.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ..analysis.periods import autonomous, periodic_for_ever
from ..ir.nodes import Graph
from .atoms import Atom, AtomGraph, AtomKind, Form, Group, Lane, constant, tighten
from .coefficients import Coefficient

MAX_STEPS = 1 << 16
PROVING_STEPS = 1 << 13
MAX_LANES = 4096
MAX_PREFIX = 64
MAX_UNROLLED = 512


@dataclass
class Clock:
    """A sequence that is periodic with `period` after the first `prefix` steps."""

    prefix: int
    period: int

    @property
    def size(self) -> int:
        return self.prefix + self.period


class Clocks:
    """The clocks of a program, and the forms of the nodes that they drive."""

    def __init__(
        self, graph: Graph, atoms: AtomGraph, ring: Ring | None = None, most: int = MAX_LANES
    ) -> None:
        self.graph = graph
        self.atoms = atoms
        self.ring = ring or linear_ring
        self.sequences = _sequences(graph)
        self.clocks: list[Clock] = []
        self.of_node: dict[int, Clock] = {}
        self.lassos: dict[int, tuple[int, int]] = {}  # of each node: its prefix and period
        shapes: dict[tuple[int, int], list[int]] = {}
        seen: dict[bytes, tuple[int, int] | None] = {}
        for n, sequence in self.sequences.items():
            key = sequence.tobytes()
            if key not in seen:
                seen[key] = _lasso(sequence)
            lasso = seen[key]
            if lasso is not None:
                self.lassos[n] = lasso
                shapes.setdefault(lasso, []).append(n)
        shapes = {shape: nodes for shape, nodes in shapes.items() if sum(shape) <= most}
        longest = max([p for _, p in shapes], default=1)
        for prefix, period in list(shapes):
            if period == 1 and prefix > max(MAX_PREFIX, longest):
                del shapes[prefix, period]  # a comparison with a step count is cheaper
        self._merge(shapes)

    def _merge(self, shapes: dict[tuple[int, int], list[int]]) -> None:
        """Share clocks wherever one of them needs no more lanes than two."""
        pending = sorted(shapes, key=lambda s: (-s[1], -s[0]))
        for prefix, period in pending:
            for clock in self.clocks:
                joint = max(prefix, clock.prefix), math.lcm(period, clock.period)
                if sum(joint) <= clock.size + prefix + period:
                    clock.prefix, clock.period = joint
                    break
            else:
                clock = Clock(prefix, period)
                self.clocks.append(clock)
            for n in shapes[prefix, period]:
                self.of_node[n] = clock

    def drives(self, n: int) -> bool:
        """Whether a clock gives a node's values."""
        return n in self.of_node

    def unroll(self, nodes: Sequence[int]) -> bool:
        """Drive nodes by a clock with a lane for every step of the length, where no input reaches
        them and the length is small enough."""
        if not all(n in self.sequences for n in nodes) or self.graph.length > MAX_UNROLLED:
            return False
        clock = Clock(self.graph.length - 1, 1)
        self.clocks.append(clock)
        self.of_node.update(dict.fromkeys(nodes, clock))
        return True

    def forms(self, n: int) -> list[Form] | None:
        """The elements of a node as read-outs of its clock; None if no clock drives it."""
        if n not in self.of_node or self.graph.nodes[n].op == "const":
            return None
        clock = self.of_node[n]
        values = _unrolled(self.sequences[n], clock)
        return [self._read(clock, values[:, j]) for j in range(values.shape[1])]

    def joined(self, nodes: Sequence[int], ufunc: Any) -> list[Form] | None:
        """Read-outs of a conjunction or disjunction of driven booleans, if one clock holds them
        all.
        """
        sequence = ufunc.reduce([self.sequences[n] for n in nodes])
        lasso = _lasso(sequence)
        if lasso is None:
            return None
        for clock in self.clocks:
            if clock.prefix >= lasso[0] and clock.period % lasso[1] == 0:
                values = _unrolled(sequence, clock)
                return [self._read(clock, values[:, j]) for j in range(values.shape[1])]
        return None

    def _read(self, clock: Clock, values: Any) -> Form:
        """sum over positions of value times lane; the commonest value is the constant."""
        exact: list[Coefficient] = [int(v) for v in values]
        common = max(set(exact), key=exact.count)
        if clock.period == 1:
            common = exact[-1]  # the last position's lane is left out: it is 1 minus the others
        if all(v == common for v in exact):
            return constant(common)
        lanes = self._lanes(clock)
        terms = {a: v - common for a, v in zip(lanes, exact, strict=False) if v != common}
        form = self.atoms.form(terms, common)
        lattice = math.gcd(*map(int, exact))
        return tighten(form, float(min(exact)), float(max(exact)), Fraction(lattice or 1))

    def _lanes(self, clock: Clock) -> list[int]:
        """State lanes of a clock, one a position, made when first read."""
        key = "clock", clock.prefix, clock.period
        if key not in self.atoms.cache:
            self.atoms.cache[key] = self.ring(self.atoms, clock.prefix, clock.period)
        return self.atoms.cache[key]  # type: ignore[no-any-return]


Ring = Callable[[AtomGraph, int, int], list[int]]


def linear_ring(atoms: AtomGraph, prefix: int, period: int) -> list[int]:
    """Lanes of a linear state, one a position, of which one is 1: those of the prefix in turn, then
    those of the period over and over (period 1: none)."""
    q, p = prefix, period
    positions = q if p == 1 else q + p
    lanes = [Lane({}, constant(0), 0) for _ in range(positions)]
    for j in range(1, positions):
        lanes[j].row = {j - 1: 1}
    if p > 1:
        entry = lanes[q].row
        lanes[q].row = {**entry, q + p - 1: 1}
    if q == 0:
        lanes[p - 1].init = 1
    else:  # a lane that is 1 only before the first step starts the shift
        lanes.append(Lane({}, constant(0), 1))
        lanes[0].row = {len(lanes) - 1: 1}
    number = len(atoms.groups)
    visible = _register(atoms, lanes, positions, f"clock {q}+{p}")
    atoms.prefixes[number] = q
    atoms.positions.update(dict.fromkeys(visible, (tuple(visible), p == 1)))
    return visible


def _register(graph: AtomGraph, lanes: list[Lane], visible: int, name: str) -> list[int]:
    number = len(graph.groups)
    graph.groups.append(Group(lanes, name))
    for i, lane in enumerate(lanes):
        hi = 1.0 if i < visible else 0.0
        atom = Atom(
            AtomKind.STATE, 0.0, hi, Fraction(1), group=number, lane=i, label=f"{name}[{i}]"
        )
        lane.atom = graph.add(atom)
    return [lane.atom for lane in lanes[:visible]]


def _sequences(graph: Graph) -> dict[int, Any]:
    """Values `[T, elements]` of every node that no input reaches, of whole numbers only.

    For a length that is too long to run, those that are periodic for ever, and short enough for
    their smallest period to be the one that shows.
    """
    free = autonomous(graph)
    moving = {n for n in free if graph.nodes[n].op != "const"}
    if not moving:
        return {}
    from .autonomous import simulate

    if graph.length <= MAX_STEPS:
        values = simulate(graph, free, graph.length)
    else:
        values = simulate(graph, free, PROVING_STEPS)
        known = periodic_for_ever(graph, values)
        moving = {n for n in moving if n in known and 3 * sum(known[n]) <= PROVING_STEPS}
    return {n: v for n, v in values.items() if n in moving and np.all(v == np.round(v))}


def _lasso(values: Any) -> tuple[int, int] | None:
    """Smallest (prefix, period) of a sequence `[T, d]`, if it is worth a clock.

    The period must show at least twice within the steps that were computed.
    """
    steps = len(values)
    if values.shape[1] == 1:
        codes = np.unique(values, return_inverse=True)[1].reshape(-1)
    else:
        codes = np.unique(values, axis=0, return_inverse=True)[1].reshape(-1)
    best = None
    backwards = codes[::-1].astype(np.int32).tobytes()
    for period in _candidates(codes):
        if best is not None and period >= sum(best):
            break
        # The end must repeat once, and far enough back for a smaller sum than the best one.
        repeats = 4 * max(period, 1 if best is None else steps - sum(best) + 1)
        if backwards[4 * period : 4 * period + repeats] != backwards[:repeats]:
            continue
        differs = np.nonzero(codes[period:] != codes[:-period])[0]
        best = int(differs[-1]) + 1 if len(differs) else 0, period
        if best[0] == 0:
            break
    if best is None or sum(best) > MAX_LANES or 2 * sum(best) > steps + 2:
        return None
    return best


def _candidates(codes: Any) -> Any:
    """Periods under which the end of the sequence repeats."""
    steps = len(codes)
    longest = min(steps // 2, MAX_LANES)
    tail = min(64, steps - longest)
    windows = np.lib.stride_tricks.sliding_window_view(codes, tail)[::-1]
    same = (windows[: longest + 1] == windows[0]).all(axis=1)
    return [int(p) for p in np.nonzero(same)[0] if p >= 1]


def _unrolled(values: Any, clock: Clock) -> Any:
    """Values at each position of a clock `[positions, d]`."""
    steps = len(values)
    if clock.size <= steps:
        return values[: clock.size]
    prefix, period = _lasso(values) or (steps - 1, 1)
    indices = [t if t < steps else prefix + (t - prefix) % period for t in range(clock.size)]
    return values[indices]
