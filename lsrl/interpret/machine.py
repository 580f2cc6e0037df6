"""A graph prepared to run: a list of actions on a frame, the values over a stretch of time.

All arrays are time first, `[T, B, *shape]`; T or B is 1 where a value depends on no step or no
input, and NumPy broadcasts. States' values carry over from one stretch to the next.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..ir.components import Component
from ..ir.nodes import Graph
from ..ir.semantics import Array
from .kernels import Kernel, constant, hold, kernel, storage
from .loops import Loop
from .scans import Solver, find_solver, join, solved_nodes, solved_state
from .schedule import edges, schedule


@dataclass(frozen=True)
class Violation:
    """Something that a run must not do, at its first step. Errors are ordered by `step, rank`."""

    step: int
    rank: int
    code: str
    node: int
    message: str
    help: str


@dataclass
class Frame:
    """The values of a stretch of time; `carry` holds states' values before it, `[B, *shape]`."""

    values: list[Array | None]
    carry: dict[int, Array]
    batch: int
    after: dict[int, Array] = field(default_factory=dict)
    start: int = 0
    steps: int = 0
    violations: list[Violation] = field(default_factory=list)
    notes: dict[int, Any] = field(default_factory=dict)  # what watchers collect, by node

    def at(self, node: int) -> Array:
        value = self.values[node]
        assert value is not None, f"node {node} is used before it is computed"
        return value

    def over_time(self, node: int) -> Array:
        """The value with its time axis in full."""
        value = self.at(node)
        if len(value) == self.steps:
            return value
        return np.broadcast_to(value, (self.steps, *value.shape[1:]))


Action = Callable[[Frame], None]


@dataclass(frozen=True)
class Watcher:
    """Something done with a node's value once it and `uses` are known."""

    node: int
    act: Action
    uses: tuple[int, ...] = ()


class Machine:
    """The nodes that `roots` need, prepared. The values of `leaves` are given from outside.

    With `keep` all values stay in the frame after a run, otherwise only those of the roots.
    Raises `ProgramError` E701 if `exact` and a constant that is needed is not rational.
    """

    def __init__(
        self,
        graph: Graph,
        roots: Iterable[int],
        *,
        leaves: Iterable[int] = (),
        exact: bool = False,
        watchers: Iterable[Watcher] = (),
        keep: bool = False,
    ) -> None:
        self.graph, self.exact, self.keep = graph, exact, keep
        self.roots = tuple(dict.fromkeys(roots))
        self.leaves = frozenset(leaves)
        self.depends = edges(graph, self.leaves)
        self.components = schedule(self.depends, self.roots)
        self.nodes = frozenset(n for c in self.components for n in c.nodes)
        self.states = sorted({
            graph.nodes[n].attrs[0]
            for n in self.nodes - self.leaves
            if graph.nodes[n].op == "prev"
        })  # fmt: skip
        self.inputs = {
            n: graph.nodes[n].attrs[0]
            for n in sorted(self.nodes - self.leaves)
            if graph.nodes[n].op == "input"
        }
        self.constants: dict[int, Array] = {}
        self._watchers: dict[int, list[Watcher]] = {}
        for watcher in watchers:
            if watcher.node in self.nodes:
                self._watchers.setdefault(watcher.node, []).append(watcher)
        self.state_of: dict[int, list[int]] = {graph.states[s].next: [] for s in self.states}
        for s in self.states:
            self.state_of[graph.states[s].next].append(s)
        self._wanted = self._used_outside()
        self._last = self._last_uses()
        self.actions: list[tuple[Action, Component]] = []
        for position, component in enumerate(self.components):
            self._prepare(position, component)

    def frame(self, batch: int) -> Frame:
        """A frame before the first step."""
        frame = Frame([None] * len(self.graph.nodes), {}, batch)
        for s in self.states:
            state = self.graph.states[s]
            frame.carry[s] = constant(state.init, state.type, self.exact)[None]
        return frame

    def run(self, frame: Frame, given: Mapping[int, Array], start: int, steps: int) -> None:
        """Compute a stretch of time in place. `given` has inputs and leaves, `[T, B, *shape]`."""
        frame.start, frame.steps, frame.violations = start, steps, []
        for n, value in self.constants.items():
            frame.values[n] = value
        for n, value in given.items():
            frame.values[n] = value
        with np.errstate(over="raise", invalid="raise", divide="raise", under="ignore"):
            for action, component in self.actions:
                try:
                    action(frame)
                except FloatingPointError:
                    if _diagnose(self.graph, frame, action, component):
                        return
        frame.carry.update(frame.after)

    # Preparation

    def _last_uses(self) -> dict[int, list[int]]:
        """For each position in the schedule, the nodes whose values are used there last."""
        if self.keep:
            return {}
        last: dict[int, int] = {}
        for position, component in enumerate(self.components):
            for n in component.nodes:
                node = self.graph.nodes[n]
                used = [self.graph.states[node.attrs[0]].next] if node.op == "prev" else node.args
                for u in [n, *used, *(u for w in self._watchers.get(n, ()) for u in w.uses)]:
                    last[u] = position
        for n in self.roots:
            last.pop(n, None)
        freed: dict[int, list[int]] = {}
        for n, position in last.items():
            freed.setdefault(position, []).append(n)
        return freed

    def _prepare(self, position: int, component: Component) -> None:
        actions = []
        if component.cyclic:
            actions.append(self._group(component))
        elif (single := self._single(component.nodes[0])) is not None:
            actions.append(single)
        actions += self._remember(component)
        actions += [w.act for n in component.nodes for w in self._watchers.get(n, ())]
        if freed := [n for n in self._last.get(position, ()) if n not in self.constants]:
            actions.append(_free(freed))
        self.actions += [(a, component) for a in actions]

    def _single(self, n: int) -> Action | None:
        node = self.graph.nodes[n]
        if n in self.leaves or node.op == "input":
            return None
        if node.op == "const":
            self.constants[n] = constant(node.attrs[0], node.type, self.exact, node)[None, None]
            return None
        if node.op == "prev":
            return self._shift(n)
        if node.op in ("bound", "promise"):
            return _same(n, node.args[0])
        return _compute(n, node.args, kernel(self.graph, n, self.exact))

    def _shift(self, n: int) -> Action:
        """A `prev` outside of any cycle: the values of the step before."""
        s = self.graph.nodes[n].attrs[0]
        state = self.graph.states[s]
        dtype = storage(state.type, self.exact)

        def action(frame: Frame) -> None:
            new = hold(frame.over_time(state.next), dtype)
            frame.values[n] = join(frame.carry[s], new)[:-1]

        return action

    def _remember(self, component: Component) -> list[Action]:
        """What keeps the last value of each state that this component computes."""
        return [
            _keep_last(s, self.graph.states[s].next, storage(self.graph.states[s].type, self.exact))
            for n in component.nodes
            for s in self.state_of.get(n, ())
        ]

    # Groups of states

    def _group(self, component: Component) -> Action:
        loop = Loop(self.graph, component, self.exact)
        states = [s for n in component.nodes for s in self.state_of.get(n, ())]

        def step_by_step(frame: Frame) -> None:
            before = {s: frame.carry[s] for s in states}
            for n, value in loop.run(frame.at, before, frame.steps).items():
                frame.values[n] = value

        solver = find_solver(self.graph, component)
        if solver is None:
            return step_by_step
        return self._solved(component, solver, step_by_step)

    def _solved(self, component: Component, solver: Solver, otherwise: Action) -> Action:
        """The state's values in closed form, then from them the rest of the group."""
        solved = solved_nodes(self.graph, component)
        state = solved_state(self.graph, component)
        rest = self._rest(component, solved)

        def action(frame: Frame) -> None:
            values = solver(frame.over_time, frame.carry[state])
            if values is None:
                return otherwise(frame)
            for n in solved:
                frame.values[n] = values
            for act in rest:
                act(frame)
            return None

        return action

    def _rest(self, component: Component, solved: list[int]) -> list[Action]:
        """Actions for the other nodes of a solved group, those that something needs."""
        inside = set(component.nodes)
        wanted = inside if self.keep else inside & self._wanted
        todo, needed = list(wanted - set(solved)), set(wanted) - set(solved)
        while todo:
            for a in self.graph.nodes[todo.pop()].args:
                if a in inside and a not in needed and a not in solved:
                    needed.add(a)
                    todo.append(a)
        actions = [self._single(n) for n in sorted(needed)]
        return [a for a in actions if a is not None]

    def _used_outside(self) -> set[int]:
        """Nodes that something outside of their component reads."""
        home = {n: i for i, c in enumerate(self.components) for n in c.nodes}
        used = set(self.roots) | set(self._watchers)
        used.update(u for ws in self._watchers.values() for w in ws for u in w.uses)
        for n in self.nodes - self.leaves:
            used.update(m for m in self.depends[n] if home[m] != home[n])
        return used


def _free(nodes: list[int]) -> Action:
    def action(frame: Frame) -> None:
        for n in nodes:
            frame.values[n] = None

    return action


def _same(n: int, operand: int) -> Action:
    def action(frame: Frame) -> None:
        frame.values[n] = frame.values[operand]

    return action


def _keep_last(state: int, next: int, dtype: Any) -> Action:
    def action(frame: Frame) -> None:
        frame.after[state] = hold(frame.at(next)[-1], dtype).copy()

    return action


def _compute(n: int, args: tuple[int, ...], compute: Kernel) -> Action:
    if len(args) == 1:
        (only,) = args
        return lambda frame: operator.setitem(frame.values, n, compute(frame.values[only]))
    if len(args) == 2:
        a, b = args

        def binary(frame: Frame) -> None:
            frame.values[n] = compute(frame.values[a], frame.values[b])

        return binary

    def action(frame: Frame) -> None:
        frame.values[n] = compute(*[frame.values[a] for a in args])

    return action


def _diagnose(graph: Graph, frame: Frame, action: Action, component: Component) -> bool:
    """Do the action again and report the first value that is not finite; False if all are."""
    with np.errstate(all="ignore"):
        action(frame)
    found: list[tuple[int, int]] = []
    for n in component.nodes:
        value = frame.values[n]
        if value is not None and value.dtype == np.float64 and not np.isfinite(value).all():
            bad = ~np.isfinite(value).reshape(len(value), -1).all(axis=1)
            found.append((int(np.argmax(bad)), n))
    if not found:
        return False
    step, n = min(found)
    frame.violations.append(too_large(frame.start + step, n))
    return True


def too_large(step: int, node: int) -> Violation:
    """A number that float64 does not hold."""
    message = f"at step {step} this value is beyond what float64 holds"
    help = "declare a bound, or run with exact numbers"
    return Violation(step, 3, "E705", node, message, help)
