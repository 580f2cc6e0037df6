"""Groups of states without a closed form: one step after the other, on arrays made beforehand.

Each node of a group becomes a list with one row (a view, `[B, *shape]`) per step and a function of
the step that fills its row. What only selects elements is a view of its operand's array, for free.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.components import Component
from ..ir.nodes import Graph
from ..ir.semantics import Array
from ..ir.types import Kind
from .kernels import Kernel, hold, kernel, storage

Action = Callable[[int], None]

_UFUNCS: dict[str, Any] = {
    "neg": np.negative,
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
    "abs": np.abs,
    "lt": np.less,
    "le": np.less_equal,
    "eq": np.equal,
    "ne": np.not_equal,
    "and": np.logical_and,
    "or": np.logical_or,
    "not": np.logical_not,
}


class Loop:
    """A group, prepared: `run` computes all its nodes over a stretch of time."""

    def __init__(self, graph: Graph, component: Component, exact: bool) -> None:
        self.graph = graph
        self.nodes = component.nodes
        self.inside = frozenset(component.nodes)
        self.prevs = [n for n in self.nodes if graph.nodes[n].op == "prev"]
        self.dtypes = {n: storage(graph.nodes[n].type, exact) for n in self.nodes}
        self.kernels: dict[int, Kernel] = {
            n: kernel(graph, n, exact)
            for n in self.nodes
            if graph.nodes[n].op not in ("prev", "bound", "promise")
        }
        self.externals = sorted(
            {a for n in self.nodes for a in graph.nodes[n].args if a not in self.inside}
        )

    def run(
        self, at: Callable[[int], Array], before: dict[int, Array], steps: int
    ) -> dict[int, Array]:
        """Values `[T, B, *shape]` of the group's nodes.

        `at` gives nodes outside (T or 1 steps, B or 1 sequences), `before` states' last values.
        """
        outside = {n: at(n) for n in self.externals}
        batch = max([v.shape[1] for v in outside.values()] + [v.shape[0] for v in before.values()])
        stretch = _Stretch(self, outside, before, steps, batch)
        actions = stretch.actions
        for t in range(steps):
            for action in actions:
                action(t)
        return {n: stretch.arrays[n] for n in self.nodes}


class _Stretch:
    """One run of a loop: the arrays and the actions on them."""

    def __init__(
        self,
        loop: Loop,
        outside: dict[int, Array],
        before: dict[int, Array],
        steps: int,
        batch: int,
    ) -> None:
        self.loop, self.graph, self.steps, self.batch = loop, loop.graph, steps, batch
        self.arrays: dict[int, Array] = {}
        self.rows = {n: [v[0]] * steps if len(v) == 1 else list(v) for n, v in outside.items()}
        self.actions: list[Action] = []
        self.given: dict[int, Array] = {}  # arrays that a state's history already holds
        histories = {s: self._history(s, before[s]) for s in sorted(before)}
        for n in loop.prevs:
            self._enter(n, histories[self.graph.nodes[n].attrs[0]][:-1])
        for n in loop.nodes:
            if self.graph.nodes[n].op != "prev":
                self._node(n)
        for s, history in histories.items():
            self._advance(s, history)

    def _history(self, state: int, before: Array) -> Array:
        """The state's values before each step and after the last; its next value writes into it."""
        history = np.empty((self.steps + 1, self.batch, *before.shape[1:]), dtype=before.dtype)
        history[0] = before
        core = self._core(self.graph.states[state].next)
        computed = core in self.loop.kernels and not self._is_view(core)
        if computed and core not in self.given and self.loop.dtypes[core] == before.dtype:
            self.given[core] = history[1:]
        return history

    def _core(self, n: int) -> int:
        while n in self.loop.inside and self.graph.nodes[n].op in ("bound", "promise"):
            n = self.graph.nodes[n].args[0]
        return n

    def _advance(self, state: int, history: Array) -> None:
        core = self._core(self.graph.states[state].next)
        if core in self.given and self.given[core].base is history:
            return
        source, target = self.rows[core], list(history[1:])
        self.actions.append(lambda t: np.copyto(target[t], hold(source[t], history.dtype)))

    def _enter(self, n: int, array: Array) -> None:
        self.arrays[n] = array
        self.rows[n] = list(array)

    def _is_view(self, n: int) -> bool:
        node = self.graph.nodes[n]
        if node.op == "take":
            return node.args[0] in self.loop.inside
        return node.op == "broadcast" and node.args[0] in self.loop.inside

    def _node(self, n: int) -> None:
        node = self.graph.nodes[n]
        if node.op in ("bound", "promise"):
            self._promised(n, node.args[0])
        elif self._is_view(n) and (view := self._view(n)) is not None:
            self._enter(n, view)
        else:
            shape = (self.steps, self.batch, *(node.type.shape or ()))
            given = self.given.get(n)
            self._enter(n, np.empty(shape, self.loop.dtypes[n]) if given is None else given)
            self.actions.append(self._action(n))

    def _promised(self, n: int, operand: int) -> None:
        """The same value: the same rows."""
        if operand in self.arrays:
            self.arrays[n], self.rows[n] = self.arrays[operand], self.rows[operand]
        else:  # only the promise's second operand depends on the group
            rows = self.rows[operand]
            self._enter(n, np.empty((self.steps, self.batch, *rows[0].shape[1:]), rows[0].dtype))
            target = self.rows[n]
            self.actions.append(lambda t: np.copyto(target[t], rows[t]))

    def _view(self, n: int) -> Array | None:
        node = self.graph.nodes[n]
        source = self.arrays[node.args[0]]
        if node.op == "broadcast":
            return np.broadcast_to(source[..., None], (*source.shape, node.attrs[0]))
        where = node.attrs[0]
        if isinstance(where, int):
            return source[..., where]
        if where and where == tuple(range(where[0], where[-1] + 1)):
            return source[..., where[0] : where[-1] + 1]
        return None

    def _action(self, n: int) -> Action:
        """The function that fills row t of node n."""
        node = self.graph.nodes[n]
        out = self.rows[n]
        args = [self.rows[a] for a in node.args]
        booleans = [self.graph.nodes[a].type.kind is Kind.BOOL for a in node.args]
        if node.op in _UFUNCS and len(args) == 2 and booleans[0] == booleans[1]:
            return _binary(_UFUNCS[node.op], args[0], args[1], out)
        if node.op in _UFUNCS and len(args) == 1:
            return _unary(_UFUNCS[node.op], args[0], out)
        if node.op == "select" and booleans == [True, *[node.type.kind is Kind.BOOL] * 2]:
            return _select(args[0], args[1], args[2], out)
        return _general(self.loop.kernels[n], args, out)


Rows = list[Array]


def _binary(ufunc: Any, a: Rows, b: Rows, out: Rows) -> Action:
    def action(t: int) -> None:
        ufunc(a[t], b[t], out=out[t])

    return action


def _unary(ufunc: Any, a: Rows, out: Rows) -> Action:
    def action(t: int) -> None:
        ufunc(a[t], out=out[t])

    return action


def _select(c: Rows, a: Rows, b: Rows, out: Rows) -> Action:
    copyto = np.copyto

    def action(t: int) -> None:
        row = out[t]
        copyto(row, b[t])
        copyto(row, a[t], where=c[t])

    return action


def _general(compute: Kernel, args: list[Rows], out: Rows) -> Action:
    if len(args) == 1:
        (a,) = args
        return lambda t: np.copyto(out[t], compute(a[t]))

    def action(t: int) -> None:
        np.copyto(out[t], compute(*[a[t] for a in args]))

    return action
