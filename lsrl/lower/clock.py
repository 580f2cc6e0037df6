"""What does not depend on the input: clocks.

Values that no input reaches follow a fixed sequence. Where it is eventually periodic within few
steps (a counter, `first()`, `t < n`), its positions are the values of one autonomous finite state,
held as a 0/1 permutation-like linear state; any function of them is then a linear read-out and
costs nothing. The sequences are known for all steps below `length`, so this is exact up to the
length; beyond 2^16 steps only those are clocks that are proved to be periodic for ever. A clock has
at most `MAX_LANES` lanes, or more where as many values as a quarter of them are read off clocks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..analysis.lattice import ONE, fraction
from ..ir.nodes import Graph
from .atoms import Atom, AtomGraph, AtomKind, Form, Group, Lane, constant, tighten
from .coefficients import Coefficient
from .sequences import Course, Lasso, Sequences

MAX_LANES = 4096
SHARED = 4  # a longer clock has at most so many lanes for each node that is periodic
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
        self, graph: Graph, atoms: AtomGraph, ring: Ring | None = None, most: int | None = None
    ) -> None:
        self.graph = graph
        self.atoms = atoms
        self.ring = ring or linear_ring
        self.sequences = Sequences(graph)
        self.clocks: list[Clock] = []
        self.of_node: dict[int, Clock] = {}
        self.lassos = self._lassos()  # of each node: its prefix and period
        shapes: dict[Lasso, list[int]] = {}
        for n, lasso in self.lassos.items():
            shapes.setdefault(lasso, []).append(n)
        if most is not None:
            shapes = {shape: nodes for shape, nodes in shapes.items() if sum(shape) <= most}
        longest = max([p for _, p in shapes], default=1)
        for prefix, period in list(shapes):
            if period == 1 and prefix > max(MAX_PREFIX, longest):
                del shapes[prefix, period]  # a comparison with a step count is cheaper
        self._merge(shapes)

    def _lassos(self) -> dict[int, Lasso]:
        """Prefix and period of what repeats, unless it takes too many lanes."""
        courses = self.sequences.courses.items()
        found = {n: lasso for n, c in courses if (lasso := c.lasso) is not None}
        most = max(MAX_LANES, SHARED * len(found))
        return {n: lasso for n, lasso in found.items() if sum(lasso) <= most}

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
        values = _unrolled(self.sequences.courses[n], clock)
        return [self._read(clock, values[:, j]) for j in range(values.shape[1])]

    def joined(self, nodes: Sequence[int], ufunc: Any) -> list[Form] | None:
        """Read-outs of a conjunction or disjunction of driven booleans, if one clock holds them
        all.
        """
        course = self.sequences.reduced(nodes, ufunc)
        if course.lasso is None:
            return None
        prefix, period = course.lasso
        for clock in self.clocks:
            if clock.prefix >= prefix and clock.period % period == 0:
                values = _unrolled(course, clock)
                return [self._read(clock, values[:, j]) for j in range(values.shape[1])]
        return None

    def _read(self, clock: Clock, values: Any) -> Form:
        """sum over positions of value times lane; the commonest value is the constant."""
        base, places = _commonest(values)
        if clock.period == 1:
            base = values[-1]  # the last position's lane is left out: it is 1 minus the others
            places = np.flatnonzero(values != base)
        common = int(base)
        if not len(places):
            return constant(common)
        lanes = self._lanes(clock)
        exact: list[Coefficient] = [int(v) for v in values[places]]
        terms = {lanes[i]: v - common for i, v in zip(places, exact, strict=True)}
        form = self.atoms.form(terms, common)
        taken = {common, *exact}
        lattice = math.gcd(*map(int, taken))
        return tighten(form, float(min(taken)), float(max(taken)), fraction(lattice or 1))

    def _lanes(self, clock: Clock) -> list[int]:
        """State lanes of a clock, one a position, made when first read."""
        key = "clock", clock.prefix, clock.period
        if key not in self.atoms.cache:
            self.atoms.cache[key] = self.ring(self.atoms, clock.prefix, clock.period)
        return self.atoms.cache[key]  # type: ignore[no-any-return]


def _unrolled(course: Course, clock: Clock) -> Any:
    """Values at each position of a clock `[positions, d]`."""
    return course.first(clock.size)


def _commonest(values: Any) -> tuple[Any, Any]:
    """The most frequent value of a sequence `[k]`, and where it has others."""
    if values.dtype == bool:
        often = 2 * int(np.count_nonzero(values)) > len(values)
        return often, np.flatnonzero(~values if often else values)
    numbers, first, counts = np.unique(values, return_index=True, return_counts=True)
    found = {int(numbers[i]): int(counts[i]) for i in np.argsort(first)}
    base = max(set(found), key=found.__getitem__)
    return base, np.flatnonzero(values != base)


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
        atom = Atom(AtomKind.STATE, 0.0, hi, ONE, group=number, lane=i, label=f"{name}[{i}]")
        lane.atom = graph.add(atom)
    return [lane.atom for lane in lanes[:visible]]
