"""`rnn`: torch.nn.RNN with relu or tanh, several layers, and a linear head.

    h_t = f(W x_t + b + U h_{t-1} + b'),   f = relu or tanh                      (Elman 1990)

Capabilities: non-linear, dense transition, no gates. With relu a value is held as it is (a pair of
units where it can be negative), and the logic is that of `linear-rnn`. With tanh it is held as
h = eps v in the linear regime; comparisons saturate at 1 and -1, and a value is switched by a pair
of units that saturate in opposite directions.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from ..dtypes import NAMES
from ..dtypes import dtype as dtype_named
from ..ir.components import Component
from ..lower.atoms import AtomKind, Form, tighten
from ..lower.conditional import VARIANTS, Conditionals
from ..lower.logic import ReluLogic
from ..lower.units.certify import Reach
from ..lower.units.conditions import Condition
from ..lower.units.exclusive import exclusive_cases
from ..lower.units.extremum import running_extremum
from ..lower.units.handover import handover
from ..lower.units.layout import LayerUnit
from ..lower.units.legalise import UnitLegaliser
from ..lower.units.machine import Machine, Pattern
from ..lower.units.pairs import pair, pair_error, relu_error, shut_scale
from ..lower.units.patterns import AUTOMATON, BAND, CASES, CLOSING, HOLD, RELU
from ..lower.units.scale import Regime
from ..lower.units.states import Register, close_registers, finish, initial, label_of, set_previous
from ..source import Span
from .base import CompileOptions
from .gates import Equations, Expr, gate, relu, tanh
from .stacked import Rows, Stacked

# relu


def hold_pair(lg: UnitLegaliser, form: Form) -> Form:
    """a = relu(a) - relu(-a); one unit where the sign is known."""
    g = lg.graph_of_units
    both = signs(form)
    op = "relu" if len(both) > 1 else "pass"
    parts = [
        (sign, g.unit(op, {"a": side}, (max(side.lo, 0.0), side.hi), side.step, label=lg.label))
        for sign in both
        for side in [g.combine([(sign, form)])]
    ]
    return g.note(tighten(g.combine(parts), form.lo, form.hi, form.step))


def signs(form: Form) -> tuple[int, ...]:
    """Of the units that hold a form."""
    if form.lo >= 0:
        return (1,)
    return (-1,) if form.hi <= 0 else (1, -1)


def extremum(lg: UnitLegaliser, component: Component) -> dict[int, list[Any]] | None:
    """max(s, x) = s + relu(x - s), and the first x at the start: s is as low as x can be then."""
    found = running_extremum(lg, component)
    if found is None:
        return None
    lane, x, sign = found
    g = lg.graph_of_units
    lowest = Fraction(min(sign * x.lo, sign * x.hi))
    top = max(sign * x.lo, sign * x.hi) - float(lowest)
    register = Register(0.0, top, x.step, 0, label_of(lg, lane))
    risen = g.combine([(sign, x)], -lowest)

    def update(previous: list[Form]) -> list[Form]:
        (before,) = previous
        rise = g.relu(g.combine([(1, risen), (-1, before)]))
        return [g.combine([(1, before), (1, rise)])]

    (risen_so_far,), _ = close_registers(lg, [register], update)
    now = tighten(g.combine([(sign, risen_so_far)], sign * lowest), x.lo, x.hi, x.step)
    for n in component.nodes:
        lg.values.pop(n, None)
    set_previous(lg, component, {lane: lg.delayed(now, initial(lg, lane))})
    return finish(lg, component, {lane: now})


RELU_MACHINE = Machine(
    "rnn (relu)",
    margins=1,
    has_steps=False,
    patterns=(
        Pattern("hold", "hold", hold_pair, "relu(a) - relu(-a)"),
        Pattern("extremum", "group", extremum, "s + relu(x - s)"),
        Pattern("cases", "group", exclusive_cases, "a switched value for each case"),
        CLOSING,
        AUTOMATON,
    ),
)

# tanh


def indicator(lg: UnitLegaliser, margins: tuple[Form, ...]) -> Form | None:
    """(1 + tanh(B m)) / 2."""
    if len(margins) > 1:
        return None
    g, half = lg.graph_of_units, Fraction(1, 2)
    fuzzy = margins[0].step is None
    sign = g.unit("sign", {"m": margins[0]}, (-1.0, 1.0), Fraction(1), fuzzy=fuzzy)
    return g.note(tighten(g.combine([(half, sign)], half), 0.0, 1.0, Fraction(1)))


def real_relu(lg: UnitLegaliser, form: Form, span: Span | None) -> Form | None:
    """A pair that is shut by the sign tanh(2^40 a), where it is negative."""
    if form.step is not None:
        return None
    g, half = lg.graph_of_units, Fraction(1, 2)
    sign = g.unit("sign", {"s": form}, (-1.0, 1.0), None, fuzzy=False, span=span)
    shut = lg.hold_alone(tighten(g.combine([(-half, sign)], half), 0.0, 1.0, None))
    return pair(lg, form, {"closed": shut, "s": form}, span)


def select(lg: UnitLegaliser, c: Condition, a: Form, span: Span | None) -> Form:
    """A pair that is shut by a unit that is exactly 0 where the condition holds."""
    shut = c.negated().value
    if shut.is_const:
        return lg.logic.gate(c.logic.constant(not shut.const), a, span)
    ((b, k),) = list(shut.terms.items())[:1]
    plain = len(shut.terms) == 1 and shut.const == 0 and k == 1
    if not plain or lg.atoms.atoms[b].op == "sign" or lg.atoms.atoms[b].kind is AtomKind.PREV:
        shut = lg.hold_alone(shut)
    return pair(lg, a, {"closed": shut}, span)


TANH_MACHINE = Machine(
    "rnn (tanh)",
    margins=1,
    patterns=(
        HOLD,
        Pattern("indicator", "indicator", indicator, "(1 + sign(m)) / 2"),
        BAND,
        Pattern("select", "select", select, "(high + low) / 2"),
        RELU,
        Pattern("real relu", "relu", real_relu, "(high + low) / 2"),
        Pattern("handover", "group", handover, "taken + kept + 1, one of them -1"),
        CASES,
        CLOSING,
        AUTOMATON,
    ),
)


class RNN(Stacked):
    """See the module; `nonlinearity` is "relu" or "tanh"."""

    own_settings = ("nonlinearity",)

    def __init__(self, nonlinearity: str) -> None:
        self.nonlinearity = nonlinearity
        self.name = "rnn" if nonlinearity == "relu" else "rnn-tanh"
        self.class_name = "CompiledRNN"
        self.published = f"torch.nn.RNN ({nonlinearity}) with a linear head (Elman 1990)"
        if nonlinearity == "relu":
            self.dtypes = NAMES
            self.profiles = ("exact",)
            self.variants = tuple(v for v in VARIANTS if not v.startswith("multiplicative"))
        function = relu if nonlinearity == "relu" else tanh
        h: Expr = function(gate("h"))
        self.equations = Equations(gates=("h",), states=("h",), values=(("h", h),))
        self.machine = RELU_MACHINE if nonlinearity == "relu" else TANH_MACHINE

    def scale(self, unit: LayerUnit, regime: Regime) -> float:
        """1 with relu; eps with tanh, by the range of the value (1 where it saturates)."""
        if self.nonlinearity == "relu" or unit.op == "sign":
            return 1.0
        return shut_scale(unit) or regime.scale(unit.form)

    def logic(self, options: CompileOptions) -> Any:
        """ReLUs make choices as they do in `linear-rnn`; a variant of the paper's, if asked for."""
        if options.conditional is None and options.constants == "range":
            return ReluLogic
        digits = dtype_named(options.dtype).digits
        return Conditionals(options.conditional or "optimized", options.constants, digits, False)

    def regimes(self, options: CompileOptions) -> Iterator[Regime]:
        """One for relu, where nothing saturates."""
        if self.nonlinearity == "relu":
            return iter([Regime(dtype_named(options.dtype).digits, 0)])
        return super().regimes(options)

    def write(self, unit: LayerUnit, rows: Rows, scale: float, regime: Regime) -> None:
        """One row a unit."""
        if unit.op == "sign":
            steep = "s" in unit.args
            rows.add(
                "h", unit.args["s" if steep else "m"], regime.steep if steep else regime.gain / 2
            )
            return
        rows.add("h", unit.args["a"], scale)
        if "closed" in unit.args:
            rows.add("h", unit.args["closed"], regime.shut if unit.op == "high" else -regime.shut)

    def approximation(self, unit: LayerUnit, regime: Regime, reach: Reach) -> float:
        """tanh bends, and saturates not fully. Of max(a, 0) a pair is shut by
        (1 - tanh(K a)) / 2 = sigma(-2 K a)."""
        if self.nonlinearity == "relu":
            return 0.0
        if unit.op == "sign":
            return 0.0 if "s" in unit.args else regime.slack(reach.error("m"))
        scale = self.scale(unit, regime)
        if unit.op in ("high", "low"):
            if "s" in unit.args:
                steep = relu_error(regime, scale, 2 * regime.steep)
                return pair_error(regime, reach, scale, 0.0) + steep
            return pair_error(regime, reach, scale, reach.error("closed"))
        off = regime.curve(reach.most("a"), scale)
        return off + regime.rounding(reach.most("a"), off)

    def carriers(self, form: Form) -> tuple[int, ...]:
        """With relu one unit for each sign that a form can have."""
        return signs(form) if self.nonlinearity == "relu" else (1,)

    def shape(self, machine: Any) -> dict[str, Any]:
        """Sizes and the non-linearity."""
        return {**super().shape(machine), "nonlinearity": self.nonlinearity}
