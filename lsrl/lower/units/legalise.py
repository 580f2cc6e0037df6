"""From the program IR to units of a gated machine, by the cheapest of its patterns."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any, TypeVar

from ...analysis.facts import Fact
from ...analysis.kinds import deciding
from ...analysis.lattice import gcd
from ...encoding import one_hot_values, output_values
from ...ir.components import Component
from ...ir.nodes import Field, Graph, Node
from ...ir.types import Kind
from ...source import Span
from .. import arithmetic
from ..arithmetic import MAX_CASES, common_step, integers
from ..atoms import AtomGraph, AtomKind, Form, constant, tighten
from ..clock import Clocks
from ..coefficients import Coefficient
from ..legalise import Legaliser, Options
from ..logic import Boolean, Logic, Value
from ..unsupported import Unsupported
from .conditions import Condition, GateLogic
from .graph import UnitGraph
from .machine import Machine
from .ring import unit_ring
from .scale import Regime, regimes
from .undo import Undo

Result = TypeVar("Result")
LAYER = 3  # what a layer more costs, in units
MOST_LANES = 16  # positions of a clock that is held as a ring; longer ones are counted
MOST_LOOKED = 2  # lanes that a comparison with a delayed one-hot value may take


class UnitLegaliser(Legaliser):
    """Lowers one graph to units of `machine`. `onehot`: inputs come one column a value, outputs
    leave as logits."""

    def __init__(
        self,
        graph: Graph,
        facts: Sequence[Fact],
        options: Options,
        machine: Machine,
        onehot: bool,
        regime: Regime | None = None,
    ) -> None:
        self.machine, self.onehot = machine, onehot
        self.regime = regime or next(regimes("exact", 24))
        self.label = ""  # of what is being held
        self.limit = math.inf  # units beyond which a realisation has lost already
        super().__init__(graph, facts, options)

    def machinery(self) -> tuple[AtomGraph, Logic]:
        """Units, and booleans as margins; without steps as ReLUs."""
        g = self.graph_of_units = UnitGraph()
        logic: Any = self.options.logic(g, self.options.guard, self.options.digits)
        if self.machine.has_steps:
            logic = GateLogic(self, self.options.guard)
        logic.deciding = deciding(self.graph, self.facts)
        return g, logic

    def made_clocks(self) -> Clocks:
        """Clocks as rings of units."""
        return Clocks(self.graph, self.atoms, partial(unit_ring, self), MOST_LANES)

    def store(self) -> Any:
        """A dictionary that can be taken back."""
        return Undo()

    # Inputs and outputs

    def _inputs(self) -> None:
        self.columns = {}
        for field in self.graph.inputs:
            if self.onehot and one_hot_values(field.type.kind, field.lo, field.hi):
                self.columns[field.name] = self._one_hot(field)
            else:
                self.columns[field.name] = self.number_columns(field)

    def _one_hot(self, field: Field) -> list[Form]:
        """A column a value: the value is read off them for free."""
        values = range(int(field.lo), int(field.hi) + 1)
        forms = []
        for i in range(field.type.size):
            name = f"{field.name}[{i}]" if field.type.shape else field.name
            lanes = [self.atoms.input(0.0, 1.0, Fraction(1), f"{name} == {v}") for v in values]
            atoms = tuple(next(iter(lane.terms)) for lane in lanes)
            self.graph_of_units.exclusive(atoms, silent=False)
            read = self.atoms.combine([(v, lane) for v, lane in zip(values, lanes, strict=True)])
            forms.append(tighten(read, float(field.lo), float(field.hi), Fraction(1)))
        return forms

    def _outputs(self) -> None:
        for output in self.graph.outputs:
            n, forms = output.node, list[Form]()
            fact, kind = self.facts[n], self.graph.nodes[n].type.kind
            values = (0, 0) if kind is Kind.REAL else output_values(self.graph, self.facts, n)
            for i, value in enumerate(self.values[n]):
                lo, hi = float(fact.lo.reshape(-1)[i]), float(fact.hi.reshape(-1)[i])
                if self.onehot and one_hot_values(kind, *values):
                    forms += self._logits(value, *values)
                else:
                    form = value.value if isinstance(value, Boolean) else value
                    forms.append(tighten(form, lo, hi, None))
            self.atoms.outputs[output.name] = [self.readable(f) for f in forms]

    def _logits(self, value: Value, lo: int, hi: int) -> list[Form]:
        """Of a boolean 0 and twice its margin; of an integer v for each k 2 k v - k^2, counted from
        the middle of the range. The largest one is ahead by at least 1."""
        g = self.atoms
        margin = self.margin_of(value)
        if margin is not None:
            return [constant(0), g.combine([(2, margin)])]
        form = value.value if isinstance(value, Boolean) else value
        middle = (lo + hi) // 2
        if not self.fits_digits(form, hi - lo):
            form = self.hold_alone(self.readable(form))
        centred = g.combine([(1, form)], -middle)
        return [
            g.combine([(2 * (k - middle), centred)], -((k - middle) ** 2))
            for k in range(lo, hi + 1)
        ]

    def fits_digits(self, form: Form, factor: int) -> bool:
        """Whether a multiple of an integral form is summed without rounding."""
        terms = [(self.atoms.atoms[a], c) for a, c in form.terms.items()]
        if len(terms) < 2 or any(atom.step is None for atom, _ in terms):
            return True
        unit = gcd([(atom.step or 0) * abs(Fraction(c)) for atom, c in terms])
        reach = sum(max(-atom.lo, atom.hi) * abs(float(c)) for atom, c in terms)
        return unit is None or factor * reach <= 2.0**self.options.digits * float(unit)

    def margin_of(self, value: Value) -> Form | None:
        """The margin of a boolean that is not a constant; it is read off, and so it may look at
        the units of this step only."""
        if isinstance(value, Form) or getattr(value, "is_constant", False):
            return None
        margin: Form | None
        if isinstance(value, Condition):
            margin = value.logic.margin(value)
        else:
            margin = getattr(value, "margin", None)
        if margin is not None:
            kinds = {self.atoms.atoms[a].kind for a in margin.terms}
            if kinds <= {AtomKind.UNIT}:
                return margin
        return self.graph_of_units.shifted(value.value, Fraction(-1, 2))

    def readable(self, form: Form) -> Form:
        """A form without previous values, which no read-out sees."""
        before = {a for a in form.terms if self.atoms.atoms[a].kind is AtomKind.PREV}
        if not before:
            return form
        inside, outside = self.graph_of_units.split(form, before)
        made = self.atoms.combine([(1, self.hold(inside, 0)), (1, outside)])
        return tighten(made, form.lo, form.hi, form.step)

    # Selection

    def choose(self, request: str, *args: Any, span: Span | None = None) -> Any:
        """The cheapest of the machine's realisations of a request."""
        makes = [partial(p.build, self, *args) for p in self.machine.of(request)]
        try:
            return self.cheapest(makes)
        except NoRealisation:
            raise self.lacking(request, span) from None

    def lacking(self, request: str, span: Span | None = None) -> Unsupported:
        """The machine has no pattern that matches a request."""
        message = f"`{self.machine.name}` has no construction for this ({request})"
        return Unsupported(message, "use another target", span)

    def cheapest(self, makes: Sequence[Callable[[], Result | None]]) -> Result:
        """What makes the fewest units and layers; the first one of equals. Raises the first
        problem where none succeeds."""
        if len(makes) == 1:
            only = makes[0]()
            if only is None:
                raise NoRealisation
            return only
        best, least, problem = None, math.inf, None
        outside = self.limit
        for make in makes:
            mark = self.mark()
            self.limit = min(least, outside)
            try:
                made = make()
            except Unsupported as e:
                made, problem = None, problem or e
            cost = math.inf if made is None else self.cost(made, mark)
            self.rollback(mark)
            if cost < least:
                best, least = make, cost
        self.limit = outside
        if best is None:
            raise problem or NoRealisation()
        chosen = best()
        assert chosen is not None
        return chosen

    def cost(self, made: Any, mark: Any) -> float:
        """New units that a result needs, and the layers that it stands on."""
        forms = [made] if isinstance(made, Form) else list(_forms(made))
        g = self.graph_of_units
        depth = max((g.depth(form) for form in forms), default=0)
        first, seen = mark[0][0], set()
        work = [a for form in forms for a in form.terms]
        while work:
            a = work.pop()
            atom = g.atoms[a]
            if a < first or a in seen:
                continue
            seen.add(a)
            work += [b for _, form in atom.args for b in form.terms]
            if atom.of >= 0:
                work.append(atom.of)
        units = sum(g.atoms[a].kind is AtomKind.UNIT for a in seen)
        return units + LAYER * depth

    def mark(self) -> Any:
        """Where things stand, for `rollback`."""
        values: Any = self.values
        return self.graph_of_units.mark(), len(values.journal)

    def rollback(self, mark: Any) -> None:
        """Forget all that was made since a mark."""
        values: Any = self.values
        self.graph_of_units.rollback(mark[0])
        values.rollback(mark[1])

    # Requests

    def indicator(self, margins: tuple[Form, ...]) -> Form:
        """1 where all margins are positive, else 0."""
        makes: list[Callable[[], Any]] = [
            partial(p.build, self, margins) for p in self.machine.of("indicator")
        ]
        if len(margins) > self.machine.margins:
            logic: Any = self.logic
            makes.append(lambda: logic.all_of(margins).value)
        try:
            return self.cheapest(makes)  # type: ignore[no-any-return]
        except NoRealisation:
            raise self.lacking("indicator") from None

    def select(self, c: Condition, a: Form, span: Span | None) -> Form:
        """a where c holds, else 0."""
        return self.choose("select", c, a, span, span=span)  # type: ignore[no-any-return]

    def relu(self, form: Form, span: Span | None) -> Form:
        """max(form, 0)."""
        return self.choose("relu", form, span, span=span)  # type: ignore[no-any-return]

    def product(self, a: Form, b: Form, node: Node) -> Form:
        """a * b: of reals by the machine's own pattern, if it has one."""
        plain = any(f.is_const or (f.is_integral and len(integers(f)) <= MAX_CASES) for f in (a, b))
        if not plain and self.machine.of("product"):
            return self.choose("product", a, b, node.span, span=node.span)  # type: ignore[no-any-return]
        return arithmetic.product(self, a, b, node)

    def approximated(
        self, value: Form, low: float, high: float, error: float, span: Span | None
    ) -> Form:
        """A value that is off by an error, as a unit that states it; of either sign in one unit."""
        if not self.machine.has_steps:
            return super().approximated(value, low, high, error, span)
        g = self.graph_of_units
        held = self.hold_alone(tighten(value, low - error, high + error, None))
        (atom,) = held.terms
        g.atoms[atom] = replace(g.atoms[atom], approximation=error, span=span)
        return tighten(held, low, high, None)

    def hold(self, form: Form, zero: Coefficient) -> Form:
        """The form as units that are all 0 where it has the value `zero`."""
        g = self.graph_of_units
        rest = g.combine([(1, form)], -zero)
        if rest.is_const and rest.const == 0:
            return constant(zero)
        units = [g.atoms[a].kind is AtomKind.UNIT for a in rest.terms]
        if rest.const == 0 and all(units) and len(units) <= 2:
            return form
        held: Form = self.choose("hold", rest)
        made = tighten(g.combine([(1, held)], zero), form.lo, form.hi, form.step)
        return g.note(made)

    def hold_alone(self, form: Form) -> Form:
        """A unit that reads nothing else."""
        held: Form = self.choose("hold", form)
        return tighten(held, form.lo, form.hi, form.step)

    def delayed(self, form: Form, init: Coefficient) -> Form:
        """A form's value one step ago, `init` before the first step."""
        if form.is_const and form.const == init:
            return form
        held = self.hold(form, init)
        return self.before(held, form, init)

    def before(self, held: Form, form: Form, init: Coefficient) -> Form:
        """The previous value of what is held in units."""
        g = self.graph_of_units
        made = g.combine([(c, g.previous(a)) for a, c in held.terms.items()], init)
        lo, hi = min(form.lo, float(init)), max(form.hi, float(init))
        result = g.note(tighten(made, lo, hi, common_step(form.step, init)))
        if len(result.terms) == 1:
            g.cache[("delayed", *result.terms)] = form, init, result
        return result

    def on_delayed_choice(self, d: Form, f: Callable[[Coefficient], Coefficient]) -> Form | None:
        """f(d) where d is the previous value of a one-hot value: read off the lanes' previous
        values, if few of them are needed."""
        g = self.graph_of_units
        found = g.cache.get(("delayed", *d.terms)) if len(d.terms) == 1 else None
        if found is None:
            return None
        form, init, result = found
        place = g.position(next(iter(form.terms))) if form.terms else None
        if place is None or place[1] or not form.terms.keys() <= set(place[0]):
            return None
        ((a, c),) = d.terms.items()
        factor = Fraction(c) / result.terms[a]
        start = f(d.const + factor * (init - result.const))
        parts = []
        for lane in place[0]:
            value = form.const + form.terms.get(lane, 0)
            read = f(d.const + factor * (value - result.const))
            if read != start:
                parts.append((read - start, self.delayed(g.atom_form(lane), 0)))
        if len(parts) > MOST_LOOKED:
            return None
        return tighten(g.combine(parts, start), 0.0, 1.0, Fraction(1))

    # States

    def delay(self, n: int) -> None:
        """A `prev` node outside of groups: the state's next value, held for a step."""
        clock = self.clocks.forms(n)
        if clock is not None:
            self.values[n] = list(clock)
            return
        node = self.graph.nodes[n]
        state = self.graph.states[node.attrs[0]]
        inits = [exact(v) for v in state.init]
        self.label = state.name
        forms = [
            self.delayed(form, init)
            for form, init in zip(self.forms(state.next), inits, strict=True)
        ]
        self.label = ""
        self.values[n] = list(self.narrow(n, forms))

    def group(self, component: Component) -> None:
        """States that feed each other, unless a clock has their values."""
        if all(self.clocks.drives(n) for n in component.nodes):
            for n in component.nodes:
                self.values[n] = list(self.clocks.forms(n) or [])
            return
        from .states import lower_group

        lower_group(self, component)


class NoRealisation(Exception):
    """No pattern matches."""


def _forms(made: Any) -> Any:
    """The forms in the values of nodes."""
    for values in made.values():
        for value in values:
            form = value.made if isinstance(value, Boolean) else value
            if form is not None:
                yield form
            elif isinstance(value, Condition):
                yield from value.margins


def exact(value: object) -> Coefficient:
    """An initial value as an exact number."""
    return Fraction(value) if isinstance(value, float | Fraction) else int(value)  # type: ignore[call-overload]
