"""What a pass is, and the three helpers that all passes share: rebuild, run, fixpoint."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ..ir.infer import infer
from ..ir.legality import IllegalGraph, check
from ..ir.nodes import Graph, Node, Output, State
from ..ir.types import Type
from ..source import Span
from .measure import Measure, measure

PROMISES = frozenset({"bound", "promise"})  # checked at run time: values, and roots of their own


@dataclass(frozen=True)
class Pass(ABC):
    """One idea: a legal graph in, a legal graph of the same meaning out.

    Where there is nothing to do, `apply` returns the very graph that it was given.
    """

    name: ClassVar[str]
    enables: ClassVar[bool] = True  # whether its changes can give others something to do

    @abstractmethod
    def apply(self, graph: Graph) -> Graph:
        """The rewritten graph."""


class Stuck(Exception):
    """A fixpoint that does not get smaller. A defect of the compiler; names the culprit."""


class Rebuild:
    """A new graph, made from an old one node by node.

    `to[i]` is the new place of old node i (-1: dropped). `stands_for[i]` is the old state that
    takes the place of state i: itself, an equal one, or -1 where it is dropped.
    """

    def __init__(self, old: Graph, stands_for: Sequence[int] | None = None) -> None:
        self.old = old
        self.nodes: list[Node] = []
        self.to: list[int] = []
        self.span: Span | None = None
        self.stands_for = range(len(old.states)) if stands_for is None else stands_for
        kept = [i for i, s in enumerate(self.stands_for) if s == i]
        self.state_at = {s: k for k, s in enumerate(kept)}

    def add(self, node: Node) -> int:
        """Append a node whose operands are new places."""
        self.nodes.append(node)
        return len(self.nodes) - 1

    def make(self, op: str, *args: int, attrs: tuple[Any, ...] = ()) -> int:
        """Append an operation on new nodes, with the span of the node being replaced."""
        type = infer(op, [self.nodes[a].type for a in args], attrs)
        assert type is not None
        return self.add(Node(op, args, type, attrs, self.span))

    def const(self, values: Sequence[Any], type: Type) -> int:
        return self.add(Node("const", (), type, (tuple(values),), self.span))

    def moved(self, node: Node) -> Node:
        """An old node with its operands and its state at their new places."""
        if node.op == "prev":
            state = self.state_at[self.stands_for[node.attrs[0]]]
            same = state == node.attrs[0]
            return node if same else Node(node.op, (), node.type, (state,), node.span)
        to = self.to
        for a in node.args:
            if to[a] != a:
                break
        else:
            return node
        args = tuple([to[a] for a in node.args])
        return Node(node.op, args, node.type, node.attrs, node.span)

    def finish(self) -> Graph:
        """The new graph, or the old one if they are the same."""
        old, to = self.old, self.to
        if len(self.nodes) == len(old.nodes) and len(self.state_at) == len(old.states):
            same = all(a is b for a, b in zip(self.nodes, old.nodes, strict=True))
            if same and to == list(range(len(to))):
                return old
        states = tuple(self._moved_state(old.states[i]) for i in self.state_at)
        return old.replace(
            nodes=tuple(self.nodes),
            states=states,
            outputs=self._outputs(old.outputs),
            assumes=self._outputs(old.assumes),
            names=tuple((name, to[n]) for name, n in old.names if to[n] >= 0),
        )

    def _moved_state(self, s: State) -> State:
        next = self.to[s.next]
        return s if next == s.next else State(s.name, s.type, s.init, next, s.span)

    def _outputs(self, outputs: Sequence[Output]) -> tuple[Output, ...]:
        return tuple(replace(o, node=self.to[o.node]) for o in outputs)


def rewrite(
    graph: Graph,
    visit: Callable[[Rebuild, int, Node], int],
    stands_for: Sequence[int] | None = None,
) -> Graph:
    """Rebuild a graph. `visit(new, i, node)` gets old node i with its operands at their new places
    and says what stands for it: the place of a new node."""
    new = Rebuild(graph, stands_for)
    for i, node in enumerate(graph.nodes):
        new.span = node.span
        new.to.append(visit(new, i, new.moved(node)))
    return new.finish()


def run(graph: Graph, passes: Sequence[Pass]) -> Graph:
    """One pass after another; the graph is checked after each that changed it."""
    for p in passes:
        after = p.apply(graph)
        if after is not graph:
            try:
                check(after)
            except IllegalGraph as e:
                raise IllegalGraph(f"after the pass {p.name}: {e}") from e
        graph = after
    return graph


def fixpoint(
    graph: Graph, passes: Sequence[Pass], size: Callable[[Graph], Measure] = measure
) -> Graph:
    """Run the passes in turn until all in a row change nothing; each round must make the graph
    smaller.

    Raises:
        Stuck: a round changed the graph and did not make it smaller; names what changed it.
    """
    before_size, idle = size(graph), 0
    while True:
        before, changed = graph, []
        for p in passes:
            after = run(graph, [p])
            idle = 0 if after is not graph and p.enables else idle + 1
            if after is not graph:
                changed.append(p.name)
            graph = after
            if idle >= len(passes):
                return graph
        if graph == before:
            return before
        after_size = size(graph)
        if not after_size < before_size:
            sizes = f"from {before_size} to {after_size}"
            raise Stuck(f"{', '.join(changed)} went in circles: {sizes} (terms, nodes, states)")
        before_size = after_size
