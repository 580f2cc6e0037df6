"""`lstm`: torch.nn.LSTM, several layers, and a linear head.

    i, f, o = sigma(W x_t + U h_{t-1} + b),   g = tanh(W x_t + U h_{t-1} + b)
    c_t = f c_{t-1} + i g,   h_t = o tanh(c_t)                    (Hochreiter and Schmidhuber 1997)

Capabilities: non-linear, gated transition; a value is held as h = eps v in the linear regime of
tanh; saturated gates are conditions. One unit can be switched by two conditions (i and o) and keep
its value by a third (f).
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

from ..ir.components import Component
from ..lower.atoms import Form, constant
from ..lower.units.cases import Cases
from ..lower.units.certify import Reach
from ..lower.units.conditions import Condition
from ..lower.units.fading import fading_cases
from ..lower.units.layout import LayerUnit
from ..lower.units.legalise import UnitLegaliser
from ..lower.units.machine import Machine, Pattern
from ..lower.units.modular import bit_counter
from ..lower.units.patterns import (
    AUTOMATON,
    CLOSING,
    HOLD,
    addition,
    adds_nothing_while_kept,
    lane_by_lane,
    select_ends,
)
from ..lower.units.patterns import RELU as INTEGER_RELU
from ..lower.units.scale import Regime
from ..lower.units.soft import product as soft_product
from ..lower.units.states import (
    Lane,
    previous_of,
    reserve,
    set_previous,
    unit_values,
)
from ..source import Span
from .gates import Equations, Name, gate, sigmoid, tanh, times, total
from .stacked import Rows, Stacked

ONE = constant(1)


def indicator(lg: UnitLegaliser, margins: tuple[Form, ...]) -> Form | None:
    """g = 1, switched by o, and by i: at most two conditions."""
    if len(margins) > 2:
        return None
    args = {"g": ONE, **dict(zip(("o", "i"), margins, strict=False))}
    fuzzy = any(m.step is None for m in margins)
    return lg.graph_of_units.unit("cell", args, (0.0, 1.0), Fraction(1), fuzzy=fuzzy)


def select(lg: UnitLegaliser, c: Condition, a: Form, span: Span | None) -> Form:
    """g = a, switched by o, and by i."""
    args = {"g": a, **dict(zip(("o", "i"), c.logic.margins(c, 2), strict=False))}
    fuzzy = any(m.step is None for role, m in args.items() if role != "g")
    return lg.graph_of_units.unit("cell", args, select_ends(a), a.step, fuzzy=fuzzy, span=span)


def real_relu(lg: UnitLegaliser, form: Form, span: Span | None) -> Form | None:
    """g = a, o = sigma(2^40 a): 0.28 / 2^40 off at most."""
    if form.step is not None:
        return None
    return lg.graph_of_units.unit("relu", {"a": form}, (0.0, form.hi), None, span=span)


# States


def cells(lg: UnitLegaliser, component: Component) -> dict[int, list[Any]] | None:
    """One unit a lane: f where it keeps its value, i and g what is added."""
    return lane_by_lane(lg, component, "cell", _cell)


def _cell(lg: UnitLegaliser, lane: Lane, a: int, cases: Cases) -> dict[str, Form] | None:
    """f where the lane's value is kept; i switches g where one case writes, else the parts are."""
    g = lg.graph_of_units
    logic: Any = lg.logic
    keep = logic.disjunction([c.when for c in cases if c.keeps])
    if keep.is_constant and keep.negative:
        return None
    args = {"f": ONE if keep.is_constant else logic.margin(keep)}
    added = [(c, addition(lg, lane, c)) for c in cases]
    written = [(c, form) for c, form in added if not (form.is_const and form.const == 0)]
    if not written:
        return {**args, "g": constant(0)}
    if len(written) > 1:
        gated = [(c, logic.gate(c.when, form)) for c, form in written]
        if adds_nothing_while_kept(lg, gated, _is_switched):
            g.resets[a] = True
        return {**args, "g": g.combine([(1, form) for _, form in gated])}
    ((case, form),) = written
    when = case.when
    switch = {} if when.is_constant else {"i": logic.margin(when)}
    return {**args, **switch, "g": form}


def _is_switched(lg: UnitLegaliser, form: Form, alone: bool) -> bool:
    """One unit that o shuts."""
    return len(form.terms) == 1 and all("o" in dict(lg.atoms.atoms[a].args) for a in form.terms)


def counter(lg: UnitLegaliser, component: Component) -> dict[int, list[Any]] | None:
    """(n + x) mod m, x 0 or 1, in one unit from 0: f is open but where n wraps around, i where n
    grows: m x + n <= 2m - 2, and m x - n >= 2."""
    found = bit_counter(lg, component)
    if found is None:
        return None
    lane, m, x = found
    a = reserve(lg, "cell", lane)
    n, g = previous_of(lg, a, lane), lg.graph_of_units
    grows = g.combine([(m, x), (-1, n)], Fraction(-3, 2))
    stays = g.combine([(-m, x), (-1, n)], Fraction(4 * m - 3, 2))
    g.define(a, {"g": ONE, "f": stays, "i": grows})
    set_previous(lg, component, {lane: n})
    return unit_values(lg, component, {lane: a})


MACHINE = Machine(
    "lstm",
    margins=2,
    patterns=(
        HOLD,
        Pattern("indicator", "indicator", indicator, "h = [p] [q]"),
        Pattern("select", "select", select, "h = [p] [q] a"),
        INTEGER_RELU,
        Pattern("real relu", "relu", real_relu, "h = sigma(2^40 a) a"),
        Pattern("soft product", "product", soft_product, "(sigma(w x) - sigma(-w x)) y, in pairs"),
        Pattern("cells", "group", cells, "c = [f] c + [i] g"),
        Pattern("counter", "group", counter, "(c + x) mod m"),
        Pattern("fading cases", "group", fading_cases, "[o] (k h' + x) for each case"),
        AUTOMATON,
        CLOSING,
    ),
)

C = Name("c")
EQUATIONS = Equations(
    gates=("i", "f", "g", "o"),
    states=("h", "c"),
    values=(
        ("c", total(times(sigmoid(gate("f")), C), times(sigmoid(gate("i")), tanh(gate("g"))))),
        ("h", times(sigmoid(gate("o")), tanh(C))),
    ),
)


class LSTM(Stacked):
    """See the module."""

    name = "lstm"
    class_name = "CompiledLSTM"
    published = "torch.nn.LSTM with a linear head (Hochreiter and Schmidhuber 1997)"
    equations = EQUATIONS
    machine = MACHINE

    def scale(self, unit: LayerUnit, regime: Regime) -> float:
        """eps, by the range of the value; of sigma(s) y by that of y, which the cell holds."""
        if unit.op == "soft":
            return regime.scale(replace(unit.form, lo=-unit.most["g"], hi=unit.most["g"]))
        return regime.scale(unit.form)

    def write(self, unit: LayerUnit, rows: Rows, scale: float, regime: Regime) -> None:
        """g in the linear regime; gates open, shut or as a margin says."""
        value = unit.args["a" if unit.op in ("pass", "relu") else "g"]
        rows.add("g", value, scale)
        for k, open_ in (("f", False), ("i", True), ("o", True)):
            if unit.op == "relu" and k == "o":
                rows.add("o", value, regime.steep)
            elif unit.op == "soft" and k == "o":
                rows.add("o", unit.args["s"], 1.0)
            elif unit.op == "cell" and k in unit.args:
                rows.add(k, unit.args[k], regime.gain)
            else:
                rows.constant(k, regime.gain / 2 if open_ else -regime.gain / 2)

    def approximation(self, unit: LayerUnit, regime: Regime, reach: Reach) -> float:
        """Both tanh bend; i leaks g, f and o the cell. a sigma(K a) is at most 0.2785/K below
        max(a, 0)."""
        scale = self.scale(unit, regime)
        value = reach.own if unit.op == "relu" else reach.most("a" if unit.op == "pass" else "g")
        most = max(value, reach.own)
        bent = regime.curve(value, scale) + regime.curve(most, scale)
        leaks = reach.leak("i") * value + reach.leak("f") * most
        if unit.op not in ("relu", "soft"):
            leaks += reach.leak("o") * most
        off = bent + leaks
        steep = 0.2785 / regime.steep if unit.op == "relu" else 0.0
        return off + steep + regime.rounding(most, off)
