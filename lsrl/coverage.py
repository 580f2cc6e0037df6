"""A search for inputs under which every condition of a program is seen both true and false.

Random inputs almost never match a key of a dictionary. So sequences that come closest to something
new are kept and changed further: a greedy search with branch distances, as in B. Korel, Automated
software test data generation, IEEE Trans. Softw. Eng. 16(8), 1990.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from .errors import ProgramError
from .interpret.run import Interpreter
from .interpret.schedule import edges, schedule
from .ir.nodes import COMPARISONS, Graph, Node
from .ir.semantics import Array
from .ir.types import Kind
from .program import Program
from .proposals import Batch
from .sampling import Sampler

# What only passes a condition on that is watched itself.
PASSING = frozenset({"const", "not", "take", "concat", "broadcast", "prev", "bound", "promise"})
LOGIC = frozenset({"and", "or", "not", "all", "any"})
SEQUENCES = 64  # a round
LENGTHS = (16, 48, 16, 128, 16, 48, 16, 512)  # of the rounds' sequences, in turn


@dataclass(frozen=True)
class Unexercised:
    """A condition that was never seen `missing` (true or false), and where it is written."""

    file: str
    line: int
    column: int
    text: str
    missing: bool

    def __str__(self) -> str:
        word = "true" if self.missing else "false"
        return f"{self.file}:{self.line}:{self.column}: `{self.text}` was never {word}"


@dataclass
class Goal:
    """One way, true or false, of the conditions of one node."""

    node: int
    way: bool
    open: Array  # elements `[*shape]` that were not seen this way
    best: Array  # how close each came
    nearest: dict[int, Batch]  # the sequences that came closest, by element


class Coverage:
    """Which conditions of the model's program were seen both ways."""

    def __init__(self, program: Program) -> None:
        self.graph = program.graph
        needed = _needed(self.graph)
        assumed = _assumed(self.graph)
        self.goals: list[Goal] = []
        for n in needed:
            node, fact = self.graph.nodes[n], program.facts[n]
            if node.type.kind is Kind.BOOL and node.op not in PASSING:
                varies = np.asarray(fact.lo != fact.hi).reshape(node.type.shape or ())
                for way in (False, True):
                    open = varies & (assumed.get(n, way) == way)
                    best = np.full(open.shape, np.inf)
                    self.goals.append(Goal(n, way, open, best, {}))

    @property
    def watch(self) -> list[int]:
        """The nodes whose values are needed."""
        nodes: set[int] = set()
        for goal in self.goals:
            if goal.open.any():
                nodes |= reads(self.graph, goal.node)
        return sorted(nodes)

    @property
    def complete(self) -> bool:
        return not any(goal.open.any() for goal in self.goals)

    def observe(self, fields: Mapping[str, Array], values: Mapping[int, Array]) -> set[int]:
        """Take note of a run; the sequences that showed something for the first time."""
        new: set[int] = set()
        for goal in self.goals:
            if goal.open.any():
                new |= self._reached(goal, values)
            if goal.open.any():
                self._approached(goal, fields, values)
        return new

    def _reached(self, goal: Goal, values: Mapping[int, Array]) -> set[int]:
        seen = (values[goal.node] == goal.way).any(axis=1)  # [B, *shape]
        fresh = seen.any(axis=0) & goal.open
        goal.open &= ~fresh
        first = seen.argmax(axis=0)
        for element in np.flatnonzero(fresh):
            goal.nearest.pop(int(element), None)
        return {int(b) for b in np.asarray(first[fresh]).ravel()}

    def _approached(
        self, goal: Goal, fields: Mapping[str, Array], values: Mapping[int, Array]
    ) -> None:
        """Keep the sequences that came closer than any before."""
        far = distance(self.graph, goal.node, goal.way, values).min(axis=1)
        closer = (far.min(axis=0) < goal.best) & goal.open
        goal.best = np.where(closer, far.min(axis=0), goal.best)
        which = np.broadcast_to(far.argmin(axis=0), closer.shape).ravel()
        for element in np.flatnonzero(closer):
            row = which[element]
            goal.nearest[int(element)] = {name: a[row].copy() for name, a in fields.items()}

    def parents(self) -> list[Batch]:
        """The sequences that came closest to what is still open."""
        return [row for goal in self.goals for row in goal.nearest.values()]

    def missing(self) -> tuple[Unexercised, ...]:
        """What was never exercised, in order of the text."""
        found = set()
        for goal in self.goals:
            span = self.graph.nodes[goal.node].span
            if goal.open.any() and span is not None:
                name = span.source.name
                found.add(Unexercised(name, span.line, span.column, span.text, goal.way))
        return tuple(sorted(found, key=lambda u: (u.file, u.line, u.column, u.missing)))


def reads(graph: Graph, n: int) -> set[int]:
    """The nodes whose values tell how far a condition is from being true or false."""
    found, todo = {n}, [n]
    while todo:
        node = graph.nodes[todo.pop()]
        if node.op in COMPARISONS or node.op in LOGIC:
            todo += [a for a in node.args if a not in found]
            found.update(node.args)
    return found


def distance(graph: Graph, n: int, way: bool, values: Mapping[int, Array]) -> Array:
    """How far a condition is from being `way`, `[B, T, *shape]`: 0 where it is, else up to 1 for
    each part that is not."""
    node, value = graph.nodes[n], values[n]
    if node.op == "not":
        return distance(graph, node.args[0], not way, values)
    if node.op in COMPARISONS:
        a, b = (_spread(values[x].astype(np.float64), graph.nodes[x], node) for x in node.args)
        far = _apart(node.op, a, b, way)
        far = 0.01 + 0.99 * far / (1 + far)
    elif node.op in LOGIC:
        parts = [_spread(distance(graph, x, way, values), graph.nodes[x], node) for x in node.args]
        if node.op in ("all", "any"):
            parts = list(np.moveaxis(parts[0], -1, 0))
        every = way == (node.op in ("and", "all"))
        far = reduce(np.add if every else np.minimum, parts)
    else:
        far = np.ones(value.shape)
    return np.where(value == way, 0.0, far)


def _spread(value: Array, operand: Node, node: Node) -> Array:
    """A scalar beside vectors."""
    return value[..., None] if node.type.shape and not operand.type.shape else value


def _apart(op: str, a: Array, b: Array, way: bool) -> Array:
    if op in ("lt", "le"):
        return np.asarray(np.maximum(a - b if way else b - a, 0))
    return np.asarray(np.abs(a - b) if (op == "eq") == way else (a == b), dtype=np.float64)


def _needed(graph: Graph) -> list[int]:
    """The nodes that an output depends on."""
    found = schedule(edges(graph), [o.node for o in graph.outputs])
    return sorted(n for component in found for n in component.nodes)


def _assumed(graph: Graph) -> dict[int, bool]:
    """Conditions that hold, or do not, at every step because of an `assume`."""
    known: dict[int, bool] = {}
    todo: list[tuple[int, bool]] = [(a.node, True) for a in graph.assumes]
    while todo:
        n, way = todo.pop()
        known[n] = way
        node = graph.nodes[n]
        if node.op == "not":
            todo.append((node.args[0], not way))
        elif (node.op, way) in (("and", True), ("all", True), ("or", False), ("any", False)):
            todo += [(a, way) for a in node.args]
    return known


# The search


class Search:
    """Looks for inputs that show conditions both ways: at most `budget` elements in all, in
    sequences of up to `longest` steps."""

    def __init__(
        self, interpreter: Interpreter, sampler: Sampler, budget: int, longest: int
    ) -> None:
        self.interpreter, self.sampler = interpreter, sampler
        self.budget, self.longest = budget, longest
        self.rng, self.program = sampler.rng, sampler.program
        self.coverage = Coverage(self.program)

    def observe(self, fields: Batch) -> set[int]:
        """Run and take note; the sequences that showed something new."""
        if self.coverage.complete:
            return set()
        run = self.interpreter.run(fields, watch=self.coverage.watch, undetermined=False)
        return self.coverage.observe(fields, run.watched)

    def run(self) -> Iterator[Batch]:
        """Yields the sequences that showed something new, to be checked too."""
        spent, turn, longest = 0, 0, self.longest
        while not self.coverage.complete and spent < self.budget:
            length = min(LENGTHS[turn % len(LENGTHS)], longest)
            try:
                fields = self._round(length)
            except ProgramError:
                longest = max(1, length // 2)  # no inputs of that length meet the assumes
            else:
                if new := sorted(self.observe(fields)):
                    yield {name: a[new] for name, a in fields.items()}
            spent += SEQUENCES * length
            turn += 1

    def _round(self, length: int) -> Batch:
        """Some sequences afresh, the others made from the nearest so far."""
        parents = self.coverage.parents()
        fresh = SEQUENCES // 4 if parents else SEQUENCES
        fields = self.sampler.draw(fresh, length)
        if not parents:
            return fields
        chosen = self.rng.integers(0, len(parents), SEQUENCES - fresh)
        children = [self._child(parents, int(k), length) for k in chosen]
        stacked = {name: np.stack([c[name] for c in children]) for name in fields}
        rate = self.rng.choice([0.0, 0.5 / length, 2 / length], len(children))
        mutated = self.sampler.proposals.mutated(self.rng, stacked, rate)
        mended = self.sampler.mend(mutated)
        return {name: np.concatenate([a, mended[name]]) for name, a in fields.items()}

    def _child(self, parents: list[Batch], k: int, length: int) -> Batch:
        """A sequence of the right length with a part moved, repeated or taken from another."""
        row = _fitted(parents[k], length)
        other = row
        if self.rng.random() < 0.25:
            other = _fitted(parents[int(self.rng.integers(len(parents)))], length)
        source, target = self._place(length), self._place(length)
        size = int(self.rng.integers(0, length - max(source, target) + 1))
        size = min(size, 1 + int(self.rng.geometric(0.15)))
        child: dict[str, Any] = {name: a.copy() for name, a in row.items()}
        for name, a in other.items():
            child[name][target : target + size] = a[source : source + size]
        return child

    def _place(self, length: int) -> int:
        """A step; the first is favoured."""
        return 0 if self.rng.random() < 0.2 else int(self.rng.integers(length))


def _fitted(row: Batch, length: int) -> Batch:
    """Cropped, or tiled."""
    return {name: a[np.arange(length) % len(a)] for name, a in row.items()}
