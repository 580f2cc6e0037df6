"""The fixed sequences that values follow which no input reaches, and when they repeat.

A sequence that repeats is kept up to the end of its first period. A function of such sequences is
computed for as many steps as theirs take together, not for all: of n comparisons with a counter
modulo n each takes n numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, reduce
from typing import Any

import numpy as np

from ..analysis.periods import autonomous, periodic_for_ever
from ..interpret.kernels import constant, kernel
from ..ir.components import predecessors
from ..ir.nodes import Graph
from ..ir.types import Kind
from ..records import record
from .autonomous import simulate

MAX_STEPS = 1 << 16
PROVING_STEPS = 1 << 13
LONGEST = 1 << 15  # prefix and period that are looked for

Lasso = tuple[int, int]  # a prefix in steps, and the period after it


@record()
class Course:
    """The values `[k, elements]` of the first k steps. The last `period` of them repeat; if that
    is 0, they are all that is known."""

    values: Any
    period: int = 0

    @property
    def lasso(self) -> Lasso | None:
        """The smallest prefix and period; None where it was not found to repeat."""
        return (len(self.values) - self.period, self.period) if self.period else None

    def first(self, steps: int) -> Any:
        """The values of the first steps `[steps, elements]`. What is not known to repeat goes on
        as it ends."""
        known = len(self.values)
        if steps <= known:
            return self.values[:steps]
        result = np.empty((steps, self.values.shape[1]), self.values.dtype)
        result[:known] = self.values
        if self.period <= 1:
            result[known:] = self.values[-1]
            return result
        while known < steps:  # twice as much each time, from a whole number of periods before
            back = known - (len(self.values) - self.period)
            more = min(steps - known, back)
            result[known : known + more] = result[known - back : known - back + more]
            known += more
        return result


class Sequences(Mapping[int, Any]):
    """Values `[T, elements]` of the nodes that no input reaches and that take whole numbers only.

    For a length that is too long to run, those that are periodic for ever, and short enough for
    their smallest period to be the one that shows.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.steps = min(graph.length, MAX_STEPS if graph.length <= MAX_STEPS else PROVING_STEPS)
        self.courses: dict[int, Course] = {}
        self._lassos: dict[Any, Lasso | None] = {}  # of values of all steps
        free = autonomous(graph)
        moving = [n for n in free if graph.nodes[n].op != "const"]
        if not moving:
            return
        found = self._short(moving) if graph.length <= MAX_STEPS else self._long(free)
        self.courses = {n: found[n] for n in moving if n in found and _is_whole(found[n].values)}

    def __getitem__(self, n: int) -> Any:
        return self.courses[n].first(self.steps).astype(np.float64)

    def __iter__(self) -> Iterator[int]:
        return iter(self.courses)

    def __len__(self) -> int:
        return len(self.courses)

    def __contains__(self, n: object) -> bool:
        return n in self.courses

    def reduced(self, nodes: Sequence[int], ufunc: Any) -> Course:
        """A conjunction (`np.minimum`) or disjunction (`np.maximum`) of booleans."""
        courses = [self.courses[n] for n in nodes]
        lasso = self._joint(courses)
        steps = sum(lasso) if lasso else self.steps
        return self._course(reduce(ufunc, [c.first(steps) for c in courses]), lasso)

    def _short(self, moving: Sequence[int]) -> dict[int, Course]:
        """States and what they need are run; what follows from them is computed from theirs."""
        found: dict[int, Course] = {}
        run = simulate(self.graph, _needed_by_states(self.graph, moving), self.steps)
        for n in moving:
            values = self._computed(n, found) if n not in run else self._typed(n, run[n])
            found[n] = values if isinstance(values, Course) else self._course(values, None)
        return found

    def _long(self, free: Sequence[int]) -> dict[int, Course]:
        values = simulate(self.graph, free, self.steps)
        known = periodic_for_ever(self.graph, values)
        return {
            n: self._course(self._typed(n, values[n]), None)
            for n, lasso in known.items()
            if 3 * sum(lasso) <= self.steps
        }

    def _typed(self, n: int, values: Any) -> Any:
        return values.astype(bool) if self.graph.nodes[n].type.kind is Kind.BOOL else values

    def _computed(self, n: int, found: Mapping[int, Course]) -> Course:
        """A node, from the courses of its operands."""
        node = self.graph.nodes[n]
        lasso = self._joint([found[a] for a in node.args if a in found])
        steps = sum(lasso) if lasso else self.steps
        args = []
        for a in node.args:
            operand = self.graph.nodes[a]
            if a in found:
                args.append(found[a].first(steps).reshape(steps, *(operand.type.shape or ())))
            else:
                args.append(constant(operand.attrs[0], operand.type, False)[None])
        values = kernel(self.graph, n, False)(*args).reshape(-1, node.type.size)
        if len(values) < steps:  # of constants only
            values = np.broadcast_to(values, (steps, node.type.size))
        return self._course(values, lasso)

    def _joint(self, courses: Sequence[Course]) -> Lasso | None:
        """A prefix and a period of all of them; None where they take half of all steps."""
        lassos = [c.lasso for c in courses]
        known = [lasso for lasso in lassos if lasso is not None]
        if not lassos or len(known) < len(lassos):
            return None
        joint = max(q for q, _ in known), math.lcm(*(p for _, p in known))
        return joint if 2 * sum(joint) <= self.steps else None

    def _course(self, values: Any, lasso: Lasso | None) -> Course:
        """What values follow that are known for all steps, or to repeat."""
        best = smallest(values, lasso) if lasso else self._lasso_of(values)
        return Course(values[: sum(best)].copy(), best[1]) if best else Course(values)

    def _lasso_of(self, values: Any) -> Lasso | None:
        key = values.dtype.char, values.tobytes()
        if key not in self._lassos:
            self._lassos[key] = lasso_of(values)
        return self._lassos[key]


def _is_whole(values: Any) -> bool:
    return values.dtype == bool or bool(np.all(values == np.round(values)))


def _needed_by_states(graph: Graph, moving: Sequence[int]) -> list[int]:
    """Of these nodes the previous values of states, and what those depend on."""
    before = predecessors(graph)
    inside = set(moving)
    found: set[int] = set()
    work = [n for n in moving if graph.nodes[n].op == "prev"]
    while work:
        n = work.pop()
        if n in inside and n not in found:
            found.add(n)
            work += before[n]
    return sorted(found)


def smallest(values: Any, lasso: Lasso) -> Lasso:
    """The smallest prefix and period of a sequence with those, `values[prefix + period, d]`.

    The smallest period of what repeats for ever divides every other one.
    """
    prefix, period = lasso
    width = values.dtype.itemsize * values.shape[1]
    cycle = values[prefix:].tobytes()
    others = int(np.count_nonzero(values[prefix:]))  # as many in each of the shorter periods
    for shorter in _divisors(period):
        if others * shorter % period == 0 and cycle[shorter * width :] == cycle[: -shorter * width]:
            period = shorter
            break
    if not prefix:
        return 0, period
    differs = np.flatnonzero(values[:prefix] != values[period : prefix + period])
    return int(differs[-1]) // values.shape[1] + 1 if len(differs) else 0, period


@cache
def _divisors(period: int) -> list[int]:
    """Those that are smaller than the number itself, in order."""
    return [d for d in range(1, period // 2 + 1) if period % d == 0]


def lasso_of(values: Any) -> Lasso | None:
    """Smallest (prefix, period) of a sequence `[T, d]`, if it is found.

    The period must show at least twice within the steps that were computed; of two or three steps,
    for which that says nothing, the last one is taken to stay.
    """
    steps = len(values)
    if values.shape[1] == 1:
        codes = np.unique(values, return_inverse=True)[1].reshape(-1)
    else:
        codes = np.unique(values, axis=0, return_inverse=True)[1].reshape(-1)
    codes = codes.astype(np.int32)
    best = None
    if steps < 4:
        moving = np.flatnonzero(codes != codes[-1])
        best = int(moving[-1]) + 1 if len(moving) else 0, 1
        return best if 2 * sum(best) <= steps + 2 else None
    backwards = codes[::-1].tobytes()
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
    if best is None or sum(best) > LONGEST or 2 * sum(best) > steps + 2:
        return None
    return best


def _candidates(codes: Any) -> Any:
    """Periods under which the end of the sequence repeats."""
    steps = len(codes)
    longest = min(steps // 2, LONGEST)
    tail = min(64, steps - longest)
    windows = np.lib.stride_tricks.sliding_window_view(codes, tail)[::-1]
    same = (windows[: longest + 1] == windows[0]).all(axis=1)
    return [int(p) for p in np.nonzero(same)[0] if p >= 1]
