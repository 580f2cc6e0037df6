"""Program IR to the atoms of a residual machine."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from ...analysis.facts import Fact
from ...analysis.kinds import deciding
from ...ir.components import Component
from ...ir.nodes import Graph
from ...source import Span
from ..atoms import AtomGraph, Form, tighten
from ..clock import Clocks
from ..coefficients import Coefficient, largest_partial_sum
from ..gates import number
from ..legalise import Legaliser, Options
from ..logic import Bool, Logic, ReluLogic
from .graph import DELAY, SUM, ResidualGraph, ResidualMachine

SPARE = 3  # binary digits that are left for what reads a value by its parts


class ResidualLogic(ReluLogic):
    """ReLUs for comparisons, products for choices: relu(1 - falsity) times what is chosen."""

    multiplies = True
    graph: ResidualGraph
    equal = ReluLogic.equals_zero

    def conjunction(self, parts: Sequence[Bool]) -> Bool:
        """All of them; what always holds adds nothing, so that a margin stays one."""
        kept = [p for p in parts if not (p.made is not None and p.made.key == (1,))]
        return super().conjunction(kept or parts[:1])

    def from_value(self, value: Form) -> Bool:
        """A boolean that is there as 0 or 1."""
        found = super().from_value(value)
        if value.is_const:
            self.graph.cache[found, "value"] = value
        return found

    def gate(self, c: Bool, a: Form, span: Span | None = None) -> Form:
        """a where c holds, else 0; between the two where c is undetermined."""
        falsity = c.falsity
        if a.is_const or falsity.is_const or self._is_one_relu(falsity, a):
            return super().gate(c, a, span)
        return self.graph.gated(a, self.graph.combine([(-1, falsity)], 1), span)

    def _is_one_relu(self, falsity: Form, a: Form) -> bool:
        """Whether a ReLU does what takes two products, one a sign."""
        two = self.graph.machine.rectifies and a.lo < 0 < a.hi and a.is_integral
        return two and falsity.is_boolean and not self.graph.is_fuzzy(falsity)


class ResidualLegaliser(Legaliser):
    """Lowers one graph for a machine."""

    def __init__(
        self, graph: Graph, facts: Sequence[Fact], options: Options, machine: ResidualMachine
    ) -> None:
        self.machine = machine
        super().__init__(graph, facts, options)

    def machinery(self) -> tuple[AtomGraph, Logic]:
        self.residual = ResidualGraph(self.machine, self.graph.length)
        options = self.options
        self.residual_logic = ResidualLogic(self.residual, options.guard, options.digits)
        self.residual_logic.deciding = deciding(self.graph, self.facts)
        return self.residual, self.residual_logic

    def made_clocks(self) -> Clocks:
        """No state of the machine is a ring; what is periodic is counted (see `states.counted`)."""
        return Clocks(self.graph, self.atoms, most=0)

    def group(self, component: Component) -> None:
        from .states import lower_group

        lower_group(self, component)
        self.residual.span = None

    def delay(self, n: int) -> None:
        node = self.graph.nodes[n]
        state = self.graph.states[node.attrs[0]]
        self.residual.span = state.span
        forms = [
            self.delayed(form, exact(init), state.name)
            for form, init in zip(self.forms(state.next), state.init, strict=True)
        ]
        self.values[n] = list(self.narrow(n, forms))
        self.residual.span = None

    # Delays, sums, conditions

    def delayed(self, form: Form, init: Coefficient, name: str) -> Form:
        """A form's value one step ago, `init` before the first step.

        Of a value that is itself delayed the block looks further back, as far as its window goes.
        """
        if form.is_const and form.const == init:
            return form
        key = ("delayed", *form.key, init)
        if key not in self.delays:
            base, lag = self.lagged.get((*form.key, init), (form, 0))
            if lag == self.machine.window:
                base, lag = form, 0
            less = self.atoms.combine([(1, base)], -init)
            made = self.residual.unit(DELAY, less, lag=lag + 1, label=f"prev {name}")
            result = self.atoms.combine([(1, made)], init)
            lo, hi = min(form.lo, float(init)), max(form.hi, float(init))
            result = self.atoms.note(tighten(result, lo, hi, None))
            self.delays[key] = result
            self.lagged[(*result.key, init)] = base, lag + 1
        return self.delays[key]

    @property
    def lagged(self) -> dict[tuple[Any, ...], tuple[Form, int]]:
        """Of a delayed form: what it delays, and by how many steps."""
        return self.atoms.cache.setdefault("lagged", {})  # type: ignore[no-any-return]

    def accumulated(self, added: Form, init: int | Fraction, name: str, s: int) -> Form:
        span = self.graph.states[s].span
        total = self.residual.unit(SUM, added, label=f"sum for {name}", span=span)
        length = self.graph.length
        lo, hi = min(added.lo, length * added.lo), max(added.hi, length * added.hi)
        result = self.atoms.combine([(1, total)], init)
        return self.atoms.note(tighten(result, lo + float(init), hi + float(init), None))

    def settled(self, form: Form) -> Form:
        ends = [
            (float(c) * self.atoms.atoms[a].lo, float(c) * self.atoms.atoms[a].hi)
            for a, c in form.terms.items()
        ]
        if form.lo < 0 or largest_partial_sum(ends) < 2.0 ** (self.options.digits - SPARE):
            return form
        return tighten(self.residual.relu(form, kept=True), form.lo, form.hi, form.step)

    def condition(self, c: Bool, span: Span | None = None) -> Form:
        """A boolean as the condition of a state: a margin, or 0 or 1."""
        if not self.machine.margins:
            return number(self.residual_logic, c, self.options.digits)
        if c.margin is not None:
            return c.margin
        return self.atoms.combine([(1, c.value)], Fraction(-1, 2))

    def never(self, c: Bool) -> bool:
        """Whether a boolean is known not to hold."""
        return c.truth.is_const and c.truth.const <= 0


def exact(value: object) -> Coefficient:
    """An initial value of a state."""
    if isinstance(value, float | Fraction):
        return Fraction(value)
    return int(value)  # type: ignore[call-overload, no-any-return]
