"""The meaning of a program some of whose values are overwritten: what patching is held to.

Each overwritten node is followed by a choice between a value from outside and its own, and all that
reads it, in this step or as a state in the next, reads the choice.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from ..ir.nodes import Field, Graph, Node
from ..ir.semantics import Array
from ..ir.types import Kind, Type
from .checks import Ranges
from .run import Interpreter, Result


class Overwriting:
    """A graph some of whose nodes can be overwritten, ready to run.

    `ranges` and `exact_comparisons` are those of the interpreter of the graph itself.
    """

    def __init__(
        self,
        graph: Graph,
        nodes: Sequence[int],
        guard: float,
        *,
        ranges: Ranges,
        exact_comparisons: Collection[int] = (),
        tolerance: float = 1e-3,
    ) -> None:
        self.nodes = list(dict.fromkeys(nodes))
        self.graph, self.place = overwritten(graph, self.nodes)
        self.ranges = {self.place[n]: ends for n, ends in ranges.items()}
        self.interpreter = Interpreter(
            self.graph,
            guard,
            ranges=self.ranges,
            exact_comparisons={self.place[n] for n in exact_comparisons},
            tolerance=tolerance,
        )

    def fields(
        self, inputs: Mapping[str, Array], values: Mapping[int, Array], where: Mapping[int, Array]
    ) -> dict[str, Array]:
        """All inputs of `graph`: the values `[B, T]` or `[B, T, d]` of the nodes, and where they
        hold (of the same shape)."""
        given = dict(inputs)
        for n in self.nodes:
            given[f"value {n}"], given[f"where {n}"] = values[n], where[n]
        return given

    def run(
        self,
        inputs: Mapping[str, Array],
        values: Mapping[int, Array],
        where: Mapping[int, Array],
        *,
        check: bool = False,
        watch: Sequence[int] = (),
    ) -> Result:
        """As `Interpreter.run`, the nodes being `values` wherever `where`; `watch` asks for nodes
        of the original graph, and `watched` has them."""
        places = {self.place[n]: n for n in watch}
        given = self.fields(inputs, values, where)
        result = self.interpreter.run(given, watch=list(places), check=check)
        watched = {places[p]: array for p, array in result.watched.items()}
        return replace(result, watched=watched)


def overwritten(graph: Graph, nodes: Sequence[int]) -> tuple[Graph, list[int]]:
    """The graph with inputs `value n` and `where n` for each of the nodes, and the new place of
    every old node: of an overwritten one that of the choice."""
    made: list[Node] = []
    fields = list(graph.inputs)
    pairs: dict[int, tuple[int, int]] = {}
    for n in nodes:
        type = graph.nodes[n].type
        flag = Type(Kind.BOOL, type.shape)
        for name, t in ((f"where {n}", flag), (f"value {n}", type)):
            fields.append(Field(name, t, Fraction(0), Fraction(1)))
            made.append(Node("input", (), t, (name,)))
        pairs[n] = len(made) - 2, len(made) - 1
    place: list[int] = []
    for n, node in enumerate(graph.nodes):
        made.append(replace(node, args=tuple(place[a] for a in node.args)))
        if n in pairs:
            where, value = pairs[n]
            own = len(made) - 1
            made.append(Node("select", (where, value, own), node.type, (), node.span))
        place.append(len(made) - 1)
    return graph.replace(
        nodes=tuple(made),
        inputs=tuple(fields),
        states=tuple(replace(s, next=place[s.next]) for s in graph.states),
        outputs=tuple(replace(o, node=place[o.node]) for o in graph.outputs),
        assumes=tuple(replace(o, node=place[o.node]) for o in graph.assumes),
        names=tuple((name, place[n]) for name, n in graph.names),
    ), place
