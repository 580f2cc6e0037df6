"""Program IR to atoms, for machines of linear states and ReLU layers.

Nodes are lowered in order; each becomes one form (or boolean) an element. What the machine cannot
hold is collected and reported at once, each with its line and reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from ..analysis.facts import Fact
from ..analysis.lattice import ONE
from ..errors import Diagnostic, UnsupportedError
from ..ir.components import Component, components
from ..ir.nodes import Field, Graph, Node
from ..ir.types import Kind
from ..source import Span
from . import arithmetic, squares
from .atoms import AtomGraph, Form, constant, tighten
from .clock import Clocks
from .homes import homes, live_atoms
from .logic import Logic, ReluLogic, Value
from .node_rules import RULES
from .unsupported import Unsupported


@dataclass(frozen=True)
class Options:
    """What lowering depends on: binary digits of the dtype, the guard band of comparisons, how a
    target makes its booleans and choices, and the error that an approximated value may have (None:
    `precision` of its own range)."""

    digits: int = 24
    guard: Fraction = Fraction(1, 1000)
    logic: Callable[[AtomGraph, Fraction, int], ReluLogic] = ReluLogic
    error: float | None = None
    precision: float = 1e-3 / 8


class Legaliser:
    """Lowers one graph. `values[n]` holds the lowered elements of node n.

    `limit`: how many states a group may have to be held as an automaton.
    """

    limit: float = 1024

    def __init__(self, graph: Graph, facts: Sequence[Fact], options: Options) -> None:
        self.graph = graph
        self.facts = facts
        self.options = options
        self.atoms, self.logic = self.machinery()
        self.values: dict[int, list[Value]] = self.store()
        self.problems: list[Diagnostic] = []
        self.clocks = self.made_clocks()
        self.folding = True  # not while a group's previous values are taken as 0
        self.delays: dict[tuple[Any, ...], Form] = {}

    def machinery(self) -> tuple[AtomGraph, Logic]:
        """An empty graph, and the logic of the machine."""
        atoms = AtomGraph()
        logic = self.options.logic(atoms, self.options.guard, self.options.digits)
        return atoms, logic

    def made_clocks(self) -> Clocks:
        return Clocks(self.graph, self.atoms)

    def store(self) -> dict[int, list[Value]]:
        return {}

    @cached_property
    def readers(self) -> dict[int, list[int]]:
        """The nodes that have a node as an operand."""
        found: dict[int, list[int]] = {}
        for n, node in enumerate(self.graph.nodes):
            for a in node.args:
                found.setdefault(a, []).append(n)
        return found

    @cached_property
    def asked(self) -> set[int]:
        """Outputs, assumptions, next values of states, and what has a name."""
        return {*self.graph.roots(), *(n for _, n in self.graph.names)}

    def run(self) -> AtomGraph:
        """Lower everything that the outputs need. Raises `UnsupportedError`."""
        self._inputs()
        for component in components(self.graph):
            self.atoms.maker = component.nodes[-1]
            try:
                if component.cyclic:
                    self.group(component)
                elif self.graph.nodes[component.nodes[0]].op == "prev":
                    self.delay(component.nodes[0])
                else:
                    self.node(component.nodes[0])
            except Unsupported as e:
                if e.diagnostic not in self.problems:
                    self.problems.append(e.diagnostic)
            except KeyError:
                if not self.problems:
                    raise
        if self.problems:
            raise UnsupportedError(self.problems)
        try:
            self._finish()
        except Unsupported as e:
            raise UnsupportedError([e.diagnostic]) from None
        return self.atoms

    def group(self, component: Component) -> None:
        """Lower states that need their own previous values."""
        from .states import lower_group

        lower_group(self, component)

    def delay(self, n: int) -> None:
        """Lower a `prev` outside of any cycle."""
        from .states import lower_delay

        lower_delay(self, n)

    def accumulated(self, added: Form, init: int | Fraction, name: str, s: int) -> Form:
        """init plus the running sum of a form, for state s."""
        from .states import accumulated

        return accumulated(self, added, init, name, s)

    def _inputs(self) -> None:
        """All columns of all fields, used or not, in order of declaration."""
        self.columns: dict[str, list[Form]] = {}
        for field in self.graph.inputs:
            self.columns[field.name] = self.number_columns(field)

    def number_columns(self, field: Field) -> list[Form]:
        """A column for each element of a field."""
        step = None if field.type.kind is Kind.REAL else ONE
        ends = float(field.lo), float(field.hi)
        names = [field.name]
        if field.type.shape:
            names = [f"{field.name}[{i}]" for i in range(field.type.size)]
        return [self.atoms.input(*ends, step, name) for name in names]

    def _outputs(self) -> None:
        for output in self.graph.outputs:
            self.atoms.outputs[output.name] = self.forms(output.node)

    def _finish(self) -> None:
        self._outputs()
        live = live_atoms(self.atoms)
        outputs = [(o.name, o.node) for o in self.graph.outputs]
        for name, node in [*self.graph.names, *outputs]:
            found = homes(self.values.get(node, ()), live)
            if found is not None and found[0]:
                self.atoms.names[name], self.atoms.encodings[name] = found
        self.atoms.lowered = {n: list(values) for n, values in self.values.items()}

    # Access

    def forms(self, n: int) -> list[Form]:
        """The elements of a node as numbers (booleans as 0 or 1)."""
        return [v if isinstance(v, Form) else v.value for v in self.values[n]]

    def bools(self, n: int) -> list[Any]:
        """The elements of a boolean node."""
        return [self.logic.from_value(v) if isinstance(v, Form) else v for v in self.values[n]]

    def narrow(self, n: int, forms: Sequence[Form]) -> list[Form]:
        """Forms with what the analyses know of their node: outside of the guard band, where an
        integer that follows comparisons of reals is one."""
        fact = self.facts[n]
        return [
            self.atoms.note(tighten(f, lo, hi, fact.step))
            for f, (lo, hi) in zip(forms, fact.ends, strict=True)
        ]

    # Nodes

    def node(self, n: int) -> None:
        """Lower one node from its operands."""
        clock = self.clocks.forms(n)
        if clock is not None:
            self.values[n] = list(clock)
            return
        node = self.graph.nodes[n]
        values = self.compute(n, node)
        if node.type.kind is not Kind.BOOL:
            values = list(self.narrow(n, [v for v in values if isinstance(v, Form)]))
        self.values[n] = values

    def compute(self, n: int, node: Node) -> list[Value]:
        """The elements of a node; atoms that are made on the way are made for it."""
        before, self.atoms.maker = self.atoms.maker, n
        try:
            return self._compute(n, node)
        finally:
            self.atoms.maker = before

    def _compute(self, n: int, node: Node) -> list[Value]:
        fact = self.facts[n]
        if self.folding and fact.is_point and node.type.kind is not Kind.REAL:
            return [constant(int(low)) for low, _ in fact.ends]
        rule = RULES.get(node.op)
        if rule is None:
            message = f"the operation `{node.op}` has no construction here"
            raise Unsupported(message, "use another target", node.span)
        return rule(self, node)

    def product(self, a: Form, b: Form, node: Node) -> Form:
        return arithmetic.product(self, a, b, node)

    def approximated(
        self, value: Form, low: float, high: float, error: float, span: Span | None
    ) -> Form:
        """A unit of its own for a value in low..high that is only approximated, up to an error."""
        return squares.materialised(self, value, low, high, error, span)

    def settled(self, form: Form) -> Form:
        """A value of few digits of which the parts may have many: as it is, or an atom of its own
        where the machine would read it by its parts."""
        return form

    def difference(self, a: Form, b: Form) -> Form:
        return self.atoms.combine([(1, a), (-1, b)])
