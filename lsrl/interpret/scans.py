"""States whose values over time have a closed form in NumPy: sums, extremes, latches, registers.

A solver is found when a program is prepared, from the shape of a group's next value. At run time it
gets the values of the nodes outside of the group over a stretch of time, `[T, B, *shape]`, and the
state's value before it, `[B, *shape]`, and returns the state's values, or None if it does not apply
after all. Sums are reordered for integers only, where float64 is exact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..ir.components import Component
from ..ir.nodes import Graph, Node
from ..ir.semantics import Array
from ..ir.types import Kind
from .kernels import hold

Lookup = Callable[[int], Array]  # the value of a node outside of the group, `[T, B, *shape]`
Solver = Callable[[Lookup, Array], Array | None]
MODULUS = 2**30  # sums of values below this over a stretch of time stay exact


@dataclass(frozen=True)
class Group:
    """A group of one state: what the patterns look at."""

    graph: Graph
    nodes: frozenset[int]
    state: int

    def node(self, i: int) -> Node:
        return self.graph.nodes[i]

    def inside(self, i: int) -> bool:
        return i in self.nodes

    def peel(self, i: int) -> int:
        """Through promises, which do not change a value."""
        while i in self.nodes and self.node(i).op in ("bound", "promise"):
            i = self.node(i).args[0]
        return i

    def is_prev(self, i: int) -> bool:
        i = self.peel(i)
        return i in self.nodes and self.node(i).op == "prev"

    @property
    def is_integer(self) -> bool:
        return self.graph.states[self.state].type.kind is Kind.INT

    @property
    def next(self) -> int:
        return self.peel(self.graph.states[self.state].next)


def find_solver(graph: Graph, component: Component) -> Solver | None:
    """A solver for a group of one state, or None."""
    group = _single(graph, component)
    if group is None:
        return None
    solvers = (pattern(group) for pattern in _PATTERNS)
    return next((s for s in solvers if s is not None), None)


def _single(graph: Graph, component: Component) -> Group | None:
    """The group if it has one state."""
    prevs = [n for n in component.nodes if graph.nodes[n].op == "prev"]
    states = {graph.nodes[n].attrs[0] for n in prevs}
    if len(states) != 1:
        return None
    group = Group(graph, frozenset(component.nodes), states.pop())
    return group if group.inside(group.next) else None


def solved_state(graph: Graph, component: Component) -> int:
    """The state of a group that has one."""
    prev = next(n for n in component.nodes if graph.nodes[n].op == "prev")
    return int(graph.nodes[prev].attrs[0])


def solved_nodes(graph: Graph, component: Component) -> list[int]:
    """The nodes whose value is the state's new value: its `next` and what that only promises."""
    node, found = graph.states[solved_state(graph, component)].next, []
    while node in component.nodes:
        found.append(node)
        if graph.nodes[node].op not in ("bound", "promise"):
            break
        node = graph.nodes[node].args[0]
    return found


def join(before: Array, values: Array) -> Array:
    """`before [B, *shape]` and then `values [T, B, *shape]`: `[T + 1, B, *shape]`."""
    shape = np.broadcast_shapes(before.shape, values.shape[1:])
    joined = np.empty((len(values) + 1, *shape), dtype=before.dtype)
    joined[0] = before
    joined[1:] = values
    return joined


# Sums

Terms = list[tuple[bool, int]]  # nodes that are added (True) or subtracted


def _terms(g: Group, i: int) -> Terms | None:
    """`i` as the previous value plus and minus nodes outside of the group."""
    i = g.peel(i)
    if g.is_prev(i):
        return []
    node = g.node(i)
    if not g.inside(i) or node.op not in ("add", "sub"):
        return None
    a, b = node.args
    if g.inside(a) == g.inside(b) or (node.op == "sub" and g.inside(b)):
        return None
    inner = _terms(g, a if g.inside(a) else b)
    if inner is None or (inner and not g.is_integer):
        return None
    return [*inner, (node.op == "add", b if g.inside(a) else a)]


def _total(terms: Terms, at: Lookup) -> Array:
    """The increment of each step."""
    signed = [at(n) if plus else -at(n) for plus, n in terms]
    total = signed[0]
    for x in signed[1:]:
        total = total + x
    return total


def _sum(g: Group) -> Solver | None:
    """s = prev(s) + x."""
    terms = _terms(g, g.next)
    if not terms:
        return None
    return lambda at, s: np.add.accumulate(join(s, _total(terms, at)), axis=0)[1:]


def _sum_modulo(g: Group) -> Solver | None:
    """s = (prev(s) + x) mod m, for integers."""
    node = g.node(g.next)
    terms = _terms(g, node.args[0]) if node.op == "mod" else None
    if not terms or node.attrs[0] > MODULUS:
        return None
    m = int(node.attrs[0])

    def solve(at: Lookup, s: Array) -> Array:
        steps = join(s, _modulo(_total(terms, at), m))
        return _modulo(np.add.accumulate(steps, axis=0)[1:], m)

    return solve


def _modulo(a: Array, m: int) -> Array:
    return a % m if a.dtype == object else a - m * np.floor(a / m)


# Extremes and events

_RUNNING: dict[str, Any] = {
    "or": np.logical_or,
    "and": np.logical_and,
    "max": np.maximum,
    "min": np.minimum,
}


def _previous_and(g: Group, i: int) -> list[int] | None:
    """The nodes outside of the group that an operation combines with the previous value."""
    i = g.peel(i)
    args = g.node(i).args if g.inside(i) else ()
    others = [a for a in args if not g.inside(a)]
    if len(args) - len(others) != 1 or not all(g.is_prev(a) for a in args if g.inside(a)):
        return None
    return others


def _running(g: Group) -> Solver | None:
    """s = prev(s) or x; and, max, min likewise."""
    ufunc = _RUNNING.get(g.node(g.next).op)
    others = _previous_and(g, g.next)
    if ufunc is None or not others:
        return None
    return lambda at, s: ufunc.accumulate(_joined_by(ufunc, s, [at(n) for n in others]), axis=0)[1:]


def _joined_by(ufunc: Any, s: Array, values: list[Array]) -> Array:
    total = hold(values[0], s.dtype)
    for x in values[1:]:
        total = ufunc(total, hold(x, s.dtype))
    return join(s, total)


def _running_from_start(g: Group) -> Solver | None:
    """s = if c then a else max(prev(s), x), where c does not hold after the first step."""
    node = g.node(g.next)
    if node.op != "select" or g.inside(node.args[0]) or g.inside(node.args[1]):
        return None
    c, a, other = node.args
    inner = g.node(g.peel(other))
    others = _previous_and(g, other)
    if not others or inner.op not in ("max", "min"):
        return None
    ufunc = _RUNNING[inner.op]

    def solve(at: Lookup, s: Array) -> Array | None:
        where = at(c)
        if where[1:].any():
            return None
        joined = _joined_by(ufunc, s, [at(n) for n in others])
        shape = np.broadcast_shapes(joined.shape[1:], where.shape[1:], at(a).shape[1:])
        joined = np.array(np.broadcast_to(joined, (len(joined), *shape)))
        joined[1] = np.where(where[0], at(a)[0], ufunc(joined[0], joined[1]))
        return np.asarray(ufunc.accumulate(joined[1:], axis=0))

    return solve


# Latches


def _latch(g: Group) -> Solver | None:
    """s = if c then a else prev(s); for integers also prev(s) plus terms (`since`)."""
    node = g.node(g.next)
    if node.op != "select" or g.inside(node.args[0]):
        return None
    c, *branches = node.args
    setting = [b for b in branches if not g.inside(b)]
    if len(setting) != 1:
        return None
    when = setting[0] == branches[0]
    terms = _terms(g, branches[1] if when else branches[0])
    if terms is None or (terms and not g.is_integer):
        return None

    def solve(at: Lookup, s: Array) -> Array:
        set_here = at(c) if when else ~at(c)
        value = hold(at(setting[0]), s.dtype)
        if not terms:
            return _fill(set_here, value, s)
        sums = np.add.accumulate(hold(_total(terms, at), s.dtype), axis=0)
        return _fill(set_here, value - sums, s) + sums

    return solve


def _fill(where: Array, values: Array, before: Array) -> Array:
    """The last of `values` at which `where` held, `before` where it has not."""
    joined = join(before, values)
    shape = np.broadcast_shapes(where.shape, joined[1:].shape)
    times = np.arange(1, len(where) + 1).reshape(-1, *[1] * (where.ndim - 1))
    last = np.maximum.accumulate(np.where(where, times, 0), axis=0)
    joined = np.broadcast_to(joined, (len(joined), *shape[1:]))
    return np.take_along_axis(joined, np.broadcast_to(last, shape), axis=0)


# Shift registers

Lane = tuple[int, int] | int  # an element of a node outside, or a lane of the previous value


Route = tuple[list[int], tuple[int, int]]  # lanes that a lane passes; the element it comes from


def find_routes(graph: Graph, component: Component) -> list[Route] | None:
    """Where each lane of a register comes from, or None for a group that is not one."""
    group = _single(graph, component)
    return _routes(group) if group is not None else None


def _routes(g: Group) -> list[Route] | None:
    """Every lane is a lane of the previous value or of a node outside, and none goes in circles."""
    size = g.graph.states[g.state].type.size
    lanes = [_lane(g, g.next, j) for j in range(size)]
    if any(lane is None for lane in lanes):
        return None
    routes = [_route(lanes, j) for j in range(size)]
    found = [route for route in routes if route is not None]
    return found if len(found) == size else None


def _register(g: Group) -> Solver | None:
    """A register: lanes that pass values on."""
    routes = _routes(g)
    if routes is None:
        return None
    vector = bool(g.graph.states[g.state].type.shape)

    def solve(at: Lookup, s: Array) -> Array:
        sources = {n: at(n) for n in dict.fromkeys(r[1][0] for r in routes)}
        batch = np.broadcast_shapes(s.shape[:1], *(x.shape[1:2] for x in sources.values()))
        steps = len(next(iter(sources.values())))
        result = np.empty((steps, *batch, *s.shape[1:]), dtype=s.dtype)
        old, new = (s, result) if vector else (s[..., None], result[..., None])
        for j, route in enumerate(routes):
            path, (n, k) = route
            source = sources[n] if g.node(n).type.shape else sources[n][..., None]
            delay = min(len(path), steps)
            for t in range(delay):
                new[t, :, j] = old[:, path[t]]
            new[delay:, :, j] = source[: steps - delay, :, k]
        return result

    return solve


def _lane(g: Group, i: int, j: int) -> Lane | None:
    """Where element j of node i comes from."""
    while True:
        i = g.peel(i)
        if not g.inside(i):
            return (i, j)
        node = g.node(i)
        if node.op == "prev":
            return j
        if node.op == "take":
            where = node.attrs[0]
            i, j = node.args[0], where if isinstance(where, int) else where[j]
        elif node.op == "broadcast":
            i, j = node.args[0], 0
        elif node.op == "concat":
            i, j = _part(g, node, j)
        else:
            return None


def _part(g: Group, node: Node, j: int) -> tuple[int, int]:
    for a in node.args:
        size = g.node(a).type.size
        if j < size:
            return a, j
        j -= size
    raise AssertionError("a concatenation is as long as its parts")


def _route(lanes: list[Lane | None], j: int) -> Route | None:
    """The lanes that lane j passes before it comes from outside: how many is the delay."""
    path: list[int] = []
    lane = lanes[j]
    while isinstance(lane, int):
        if len(path) >= len(lanes):
            return None
        path.append(lane)
        lane = lanes[lane]
    assert lane is not None
    return path, lane


_PATTERNS: tuple[Callable[[Group], Solver | None], ...] = (
    _sum,
    _sum_modulo,
    _running,
    _running_from_start,
    _latch,
    _register,
)
