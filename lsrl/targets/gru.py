"""`gru`: torch.nn.GRU, several layers, and a linear head.

    r, z = sigma(W x_t + b + U h_{t-1} + b'),   n = tanh(W x_t + b + r (U h_{t-1} + b'))
    h_t = (1 - z) n + z h_{t-1}                                        (Cho et al. 2014)

Capabilities: as `lstm`, but a unit has no output gate and r switches only what it reads one step
back. So a value of this step is switched by a pair of units that saturate towards 1 and -1 while
they are shut: a = (high + low) / 2.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from fractions import Fraction
from typing import Any

from ..ir.components import Component
from ..lower.atoms import AtomKind, Form, constant
from ..lower.units.cases import Case, Cases, NoCases, cases_of
from ..lower.units.certify import Reach
from ..lower.units.conditions import Condition
from ..lower.units.layout import LayerUnit
from ..lower.units.legalise import UnitLegaliser
from ..lower.units.machine import Machine, Pattern
from ..lower.units.modular import modular_sum
from ..lower.units.pairs import pair, pair_error, shut_scale
from ..lower.units.patterns import (
    AUTOMATON,
    BAND,
    CLOSING,
    HOLD,
    integer_relu,
    reads_before,
    select_ends,
)
from ..lower.units.scale import Regime
from ..lower.units.states import (
    Lane,
    initial,
    lanes_of,
    previous_of,
    reserve,
    set_previous,
    unit_values,
)
from ..source import Span
from .gates import Apply, Equations, Name, gate, sigmoid, tanh, times, total
from .stacked import Rows, Stacked

ONE = constant(1)


def indicator(lg: UnitLegaliser, margins: tuple[Form, ...]) -> Form | None:
    """A constant, switched by r."""
    if len(margins) > 1:
        return None
    args = {"r": margins[0], "l": ONE}
    fuzzy = margins[0].step is None
    return lg.graph_of_units.unit("update", args, (0.0, 1.0), Fraction(1), fuzzy=fuzzy)


def select_before(lg: UnitLegaliser, c: Condition, a: Form, span: Span | None) -> Form | None:
    """What is read one step back, switched by r."""
    if not reads_before(lg, a):
        return None
    margin = c.logic.margin(c)
    args = {"r": margin, "l": a}
    fuzzy = margin.step is None
    return lg.graph_of_units.unit("update", args, select_ends(a), a.step, fuzzy=fuzzy, span=span)


def select_pair(lg: UnitLegaliser, c: Condition, a: Form, span: Span | None) -> Form:
    """A pair that r shuts; of reals, the sum is held by a unit that reads nothing else."""
    return pair(lg, now(lg, a), {"m": c.logic.margin(c)}, span)


def real_relu(lg: UnitLegaliser, form: Form, span: Span | None) -> Form | None:
    """A pair that r = sigma(-2^40 a) shuts."""
    if form.step is not None:
        return None
    a = now(lg, form)
    return pair(lg, a, {"s": a}, span)


def now(lg: UnitLegaliser, form: Form) -> Form:
    """A form of this step alone: r would switch what is read one step back."""
    if any(lg.atoms.atoms[a].kind is AtomKind.PREV for a in form.terms):
        return lg.readable(form)
    return form


# States


def update_gate(lg: UnitLegaliser, component: Component) -> dict[int, list[Any]] | None:
    """z where a lane keeps its value, n (and what r switches) where it takes another."""
    return _units(lg, component, _update)


def reset_gate(lg: UnitLegaliser, component: Component) -> dict[int, list[Any]] | None:
    """r where a lane keeps its value, n what is added; exact for reals too."""
    return _units(lg, component, _reset)


def _units(lg: UnitLegaliser, component: Component, make: Any) -> dict[int, list[Any]] | None:
    inside = set(component.nodes)
    units = {lane: reserve(lg, "update", lane) for lane in lanes_of(lg, component)}
    previous = {lane: previous_of(lg, a, lane) for lane, a in units.items()}
    set_previous(lg, component, previous)
    try:
        for lane, a in units.items():
            cases = cases_of(lg, inside, lane)
            args = make(lg, lane, lg.graph_of_units.previous(a), cases)
            if args is None:
                return None
            lg.graph_of_units.define(a, args)
            if "z" not in args and _replaces(lg, args["n"], cases):
                lg.graph_of_units.replacing[a] = True
    except NoCases:
        return None
    return unit_values(lg, component, units)


def _values(lg: UnitLegaliser, lane: Lane, own: Form, case: Case) -> Form:
    """A case's next value, less the initial one."""
    g = lg.graph_of_units
    if case.keeps:
        return g.combine([(1, own), (1, case.added)])
    return g.shifted(case.added, -initial(lg, lane))


def _update(lg: UnitLegaliser, lane: Lane, own: Form, cases: Cases) -> dict[str, Form] | None:
    stays = [c for c in cases if c.keeps and c.added.is_const and c.added.const == 0]
    others = [c for c in cases if c not in stays]
    if own.step is None or not others or len(others) > 2 or not any(c.keeps for c in cases):
        return None  # a kept real would drift by a rounding at each step
    logic: Any = lg.logic
    args: dict[str, Form] = {}
    if stays:
        args["z"] = logic.margin(logic.disjunction([c.when for c in stays]))
    values = [_values(lg, lane, own, c) for c in others]
    if len(others) == 1 and not stays:
        return None  # linear
    if len(others) == 1:
        return args | {"n": values[0]}
    for i in (0, 1):
        rest, base = values[i], values[1 - i]
        switched = lg.graph_of_units.combine([(1, rest), (-1, base)])
        if reads_before(lg, switched) and not _back(lg, base):
            return args | {"n": base, "l": switched, "r": logic.margin(others[i].when)}
    return None


def _back(lg: UnitLegaliser, form: Form) -> bool:
    return any(lg.atoms.atoms[a].kind is AtomKind.PREV for a in form.terms)


def _reset(lg: UnitLegaliser, lane: Lane, own: Form, cases: Cases) -> dict[str, Form] | None:
    g, init = lg.graph_of_units, initial(lg, lane)
    logic: Any = lg.logic
    keep = logic.disjunction([c.when for c in cases if c.keeps])
    if keep.is_constant:
        return None  # linear, or no state
    added = [(c.when, g.shifted(c.added, 0 if c.keeps else -init)) for c in cases]
    parts = [(1, logic.gate(when, _beside(own, form))) for when, form in added]
    total_added = g.combine(parts)
    if _back(lg, total_added):
        return None
    return {"n": total_added, "l": own, "r": logic.margin(keep)}


def _beside(own: Form, form: Form) -> Form:
    """What is switched beside a real, as a real: a saturated pair would take its digits."""
    if own.step is not None or form.is_const:
        return form
    return Form(form.terms, form.const, form.lo, form.hi, None)


def _replaces(lg: UnitLegaliser, n: Form, cases: Cases) -> bool:
    """Whether exactly 0 is added while a unit is kept: switched values, and sure 0s or 1s."""
    kept = [c.added for c in cases if c.keeps]
    return (
        n.const == 0
        and all(_is_switched(lg, a) for a in n.terms)
        and all(f.is_const and f.const == 0 for f in kept)
    )


def _is_switched(lg: UnitLegaliser, a: int) -> bool:
    """A pair held by a unit of its own, what r switches, or a sure 0 or 1."""
    atom, twins = lg.atoms.atoms[a], lg.graph_of_units.twins
    args = dict(atom.args)
    if atom.op == "pass":
        return args["a"].const == 0 and frozenset(args["a"].terms) in twins
    is_gate = atom.op == "update" and args.keys() == {"r", "l"}
    return is_gate or (atom.step == 1 and not atom.fuzzy)


def counter(lg: UnitLegaliser, component: Component) -> dict[int, list[Any]] | None:
    """(n + x) mod m, x 0 or 1, in one unit from 0: z holds n while x is 0; else r (n + 1), r shut
    where n + 1 is m."""
    found = modular_sum(lg, component)
    if found is None:
        return None
    lane, m, x = found
    if not x.is_boolean or initial(lg, lane) != 0 or m < 2:
        return None
    a = reserve(lg, "update", lane)
    n, g = previous_of(lg, a, lane), lg.graph_of_units
    wraps = g.combine([(-1, n)], Fraction(2 * m - 3, 2))
    stays = {} if x.is_const else {"z": g.combine([(-1, x)], Fraction(1, 2))}
    g.define(a, {**stays, "r": wraps, "l": g.shifted(n, 1)})
    set_previous(lg, component, {lane: n})
    return unit_values(lg, component, {lane: a})


def now_only(op: str, roles: Collection[str]) -> tuple[str, ...]:
    """What r would switch."""
    if op in ("high", "low"):
        return ("a",)
    return ("n",) if op == "update" and "r" in roles and "n" in roles else ()


MACHINE = Machine(
    "gru",
    margins=1,
    now_only=now_only,
    patterns=(
        HOLD,
        Pattern("indicator", "indicator", indicator, "h = [p] 1"),
        BAND,
        Pattern("select before", "select", select_before, "h = [p] a'"),
        Pattern("select pair", "select", select_pair, "(high + low) / 2"),
        Pattern("integer relu", "relu", integer_relu, "[n >= 1] n"),
        Pattern("real relu", "relu", real_relu, "(high + low) / 2"),
        Pattern("update gate", "group", update_gate, "[z] h + [not z] (n + [r] l)"),
        Pattern("reset gate", "group", reset_gate, "n + [r] h"),
        Pattern("counter", "group", counter, "(h + x) mod m"),
        AUTOMATON,
        CLOSING,
    ),
)

Z = sigmoid(gate("z"))
EQUATIONS = Equations(
    gates=("r", "z", "n"),
    states=("h",),
    values=(
        ("z", Z),
        ("n", tanh(total(Name("x.n"), times(sigmoid(gate("r")), Name("h.n"))))),
        ("h", total(times(Apply("difference", (Name("h"), Name("n"))), Name("z")), Name("n"))),
    ),
)


class GRU(Stacked):
    """See the module."""

    name = "gru"
    class_name = "CompiledGRU"
    published = "torch.nn.GRU with a linear head (Cho et al. 2014)"
    equations = EQUATIONS
    machine = MACHINE

    def scale(self, unit: LayerUnit, regime: Regime) -> float:
        """eps, by the range of the value; of a pair that of what it lets through."""
        return shut_scale(unit) or regime.scale(unit.form)

    def write(self, unit: LayerUnit, rows: Rows, scale: float, regime: Regime) -> None:
        """n in the linear regime; r and z open, shut or as a margin says."""
        args = unit.args
        if unit.op in ("high", "low"):
            self._pair(unit, rows, scale, regime)
            return
        for k, shut in (("z", True), ("r", False)):
            if k in args:
                rows.add(k, args[k], regime.gain)
            else:
                rows.constant(k, -regime.gain / 2 if shut else regime.gain / 2)
        for role in ("a", "n"):
            if role in args:
                rows.add("n", args[role], scale)
        if "l" in args:
            rows.add("n", args["l"], scale, recurrent=True)

    def _pair(self, unit: LayerUnit, rows: Rows, scale: float, regime: Regime) -> None:
        rows.constant("z", -regime.gain / 2)
        rows.add("n", unit.args["a"], scale)
        if "s" in unit.args:
            rows.add("r", unit.args["s"], -regime.steep)
        else:
            rows.add("r", unit.args["m"], -regime.gain)
        shut = regime.shut if unit.op == "high" else -regime.shut
        rows.constant("n", shut, recurrent=True)

    def approximation(self, unit: LayerUnit, regime: Regime, reach: Reach) -> float:
        """tanh bends; z leaks n and the kept value, r what it switches. Of max(a, 0) as a pair:
        while r = sigma(-K a) shuts it, m = 64 r in the argument of tanh hides eps a: that is lost
        until a rounding of m is smaller, at K a = log(256 u K / eps), or until m is below 1, at
        5/K."""
        scale = self.scale(unit, regime)
        if unit.op in ("high", "low"):
            steep = 0.0
            if "s" in unit.args:
                hidden = 4 * regime.shut * regime.unit_roundoff * regime.steep / scale
                steep = max(5.0, math.log(hidden)) / regime.steep
            kept = 2 * reach.most("a") * regime.leak()  # z is not quite shut
            return pair_error(regime, reach, scale, reach.leak("m")) + kept + steep
        value = reach.most("n") + reach.most("a") + reach.most("l")
        most = max(value, reach.own)
        leaks = reach.leak("z") * 2 * most + reach.leak("r") * most
        off = regime.curve(reach.own, scale) + leaks  # what passes while z is shut is the value
        return off + regime.rounding(most, off)
