"""`gru`: torch.nn.GRU, several layers, and a linear head.

    r, z = sigma(W x_t + b + U h_{t-1} + b'),   n = tanh(W x_t + b + r (U h_{t-1} + b'))
    h_t = (1 - z) n + z h_{t-1}                                        (Cho et al. 2014)

Capabilities: as `lstm`, but a unit has no output gate and r switches only what it reads one step
back. So a value of this step is switched by a pair of units that saturate towards 1 and -1 while
they are shut: a = (high + low) / 2. And sigma(s) y has a gate, (1 - z) n with z = sigma(-s), if
z h, which comes with it, is taken away again: n reads -(1 + e^d) h, and r = sigma(-s - d) makes of
that -e^-s h, as z / (1 - z) = e^-s.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from math import exp, expm1, log2
from typing import Any

from ..analysis.lattice import gcd
from ..ir.components import Component
from ..lower.arithmetic import common_step
from ..lower.atoms import Form, constant, tighten
from ..lower.coefficients import fits
from ..lower.units.cases import Cases
from ..lower.units.certify import Reach
from ..lower.units.conditions import Condition
from ..lower.units.cut import cut_sum
from ..lower.units.fading import fading_cases
from ..lower.units.graph import is_previous
from ..lower.units.layout import LayerUnit
from ..lower.units.legalise import UnitLegaliser
from ..lower.units.machine import Machine, Pattern
from ..lower.units.modular import bit_counter
from ..lower.units.pairs import pair, pair_error, relu_error, shut_scale
from ..lower.units.patterns import (
    AUTOMATON,
    BAND,
    CLOSING,
    HOLD,
    addition,
    adds_nothing_while_kept,
    integer_relu,
    lane_by_lane,
    reads_back,
    select_ends,
)
from ..lower.units.scale import Regime
from ..lower.units.soft import product
from ..lower.units.states import (
    Lane,
    ends_of,
    finish,
    initial,
    label_of,
    previous_of,
    reserve,
    set_previous,
    unit_values,
)
from ..source import Span
from .gates import Apply, Equations, Name, gate, sigmoid, tanh, times, total
from .stacked import Rows, Stacked

ONE = constant(1)

# d of a soft gate, by the binary digits of a dtype: 1 + e^(-s-d) is nearly 1 + e^-d.
APART = {24: 15, 53: 35}
OWN = 24  # roundings of a soft unit but for those of its own previous value
MORE = 60.0  # roundings more than an LSTM's that a plan of a product counts for a pair


def indicator(lg: UnitLegaliser, margins: tuple[Form, ...]) -> Form | None:
    """A constant, switched by r."""
    if len(margins) > 1:
        return None
    args = {"r": margins[0], "l": ONE}
    fuzzy = margins[0].step is None
    return lg.graph_of_units.unit("update", args, (0.0, 1.0), Fraction(1), fuzzy=fuzzy)


def select_before(lg: UnitLegaliser, c: Condition, a: Form, span: Span | None) -> Form | None:
    """What is read one step back, switched by r."""
    if not is_previous(lg.graph_of_units, a):
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


def soft_product(lg: UnitLegaliser, a: Form, b: Form, span: Span | None) -> Form:
    """In pairs of soft gates; r would switch what y reads one step back."""
    return product(lg, now(lg, a), now(lg, b), span, MORE)


def now(lg: UnitLegaliser, form: Form) -> Form:
    """A form of this step alone: r would switch what is read one step back."""
    return lg.readable(form) if reads_back(lg, form) else form


# States


def update_gate(lg: UnitLegaliser, component: Component) -> dict[int, list[Any]] | None:
    """z where a lane keeps its value, n (and what r switches) where it takes another."""
    return lane_by_lane(lg, component, "update", _update)


def reset_gate(lg: UnitLegaliser, component: Component) -> dict[int, list[Any]] | None:
    """r where a lane keeps its value, or a constant times it, n what is added; exact for reals."""
    return lane_by_lane(lg, component, "update", _reset, scales=True)


def _update(lg: UnitLegaliser, lane: Lane, a: int, cases: Cases) -> dict[str, Form] | None:
    """z where the lane stays; of at most two other values n is one, r switches the rest."""
    g, own = lg.graph_of_units, lg.graph_of_units.previous(a)
    logic: Any = lg.logic
    stays = [c for c in cases if c.stays]
    others = [c for c in cases if not c.stays]
    if not others or len(others) > 2 or not any(c.keeps for c in cases):
        return None
    if len(others) == 1 and not stays:
        return None  # linear
    values = [g.combine([(int(c.keeps), own), (1, addition(lg, lane, c))]) for c in others]
    if stays and not _held_exactly(lg, own, values):
        return None
    args: dict[str, Form] = {}
    if stays:
        args["z"] = logic.margin(logic.disjunction([c.when for c in stays]))
    if len(others) == 1:
        return args | {"n": values[0]}
    for i in (0, 1):
        rest, base = values[i], values[1 - i]
        switched = g.combine([(1, rest), (-1, base)])
        if is_previous(g, switched) and not reads_back(lg, base):
            return args | {"n": base, "l": switched, "r": logic.margin(others[i].when)}
    return None


def _held_exactly(lg: UnitLegaliser, own: Form, values: Sequence[Form]) -> bool:
    """Whether (h - n) + n is h; a kept value would else drift by a rounding at each step. Where
    tanh bends that is the lesser evil: n + [r] h would be bent again at each step."""
    if not lg.regime.is_exact:
        return True
    step = gcd([form.step for form in (own, *values)])
    most = [max(-form.lo, form.hi) for form in (own, *values)]
    return fits(step, sum(most), lg.options.digits)


def _reset(lg: UnitLegaliser, lane: Lane, a: int, cases: Cases) -> dict[str, Form] | None:
    """r where the lane's own value is kept, n what the cases add, each switched."""
    g, own = lg.graph_of_units, lg.graph_of_units.previous(a)
    logic: Any = lg.logic
    keep = logic.disjunction([c.when for c in cases if c.keeps])
    shares = {c.share for c in cases if c.keeps}
    if keep.is_constant or len(shares) != 1:
        return None  # linear, no state, or none that r switches whole
    (share,) = shares
    added = [(c, logic.gate(c.when, _beside(own, addition(lg, lane, c)))) for c in cases]
    total = g.combine([(1, form) for _, form in added])
    if reads_back(lg, total):
        return None
    if share == 1 and adds_nothing_while_kept(lg, added, _is_switched):
        g.resets[a] = True
    return {"n": total, "l": g.combine([(share, own)]), "r": logic.margin(keep)}


def _beside(own: Form, form: Form) -> Form:
    """What is switched beside a real, as a real: a saturated pair would take its digits."""
    if own.step is not None or form.is_const:
        return form
    return Form(form.terms, form.const, form.lo, form.hi, None)


def _is_switched(lg: UnitLegaliser, form: Form, alone: bool) -> bool:
    """What r switches; a pair that a unit of its own holds, or whose halves are `alone` in n."""
    atoms, twins = [lg.atoms.atoms[a] for a in form.terms], lg.graph_of_units.twins
    if len(atoms) > 1:
        halves = {atom.op for atom in atoms} == {"high", "low"} and frozenset(form.terms) in twins
        return alone and halves and len(set(form.terms.values())) == 1
    args = dict(atoms[0].args)
    if atoms[0].op == "pass":
        return not args["a"].const and frozenset(args["a"].terms) in twins
    return atoms[0].op == "update" and args.keys() == {"r", "l"}


def counter(lg: UnitLegaliser, component: Component) -> dict[int, list[Any]] | None:
    """(n + x) mod m, x 0 or 1, in one unit from 0: z holds n while x is 0; else r (n + 1), r shut
    where n + 1 is m."""
    found = bit_counter(lg, component)
    if found is None:
        return None
    lane, m, x = found
    a = reserve(lg, "update", lane)
    n, g = previous_of(lg, a, lane), lg.graph_of_units
    wraps = g.combine([(-1, n)], Fraction(2 * m - 3, 2))
    stays = {} if x.is_const else {"z": g.combine([(-1, x)], Fraction(1, 2))}
    g.define(a, {**stays, "r": wraps, "l": g.shifted(n, 1)})
    set_previous(lg, component, {lane: n})
    return unit_values(lg, component, {lane: a})


def cut_at_zero(lg: UnitLegaliser, component: Component) -> dict[int, list[Any]] | None:
    """relu(s + x) of integers as relu(p), p' = x + [p >= 1] p: r switches what was held, not x."""
    found = cut_sum(lg, component)
    if found is None:
        return None
    lane, x = found
    (lo, hi, step), init = ends_of(lg, lane), initial(lg, lane)
    step = gcd([common_step(step, init), x.step])
    if step is None or init < 0 or reads_back(lg, x):
        return None
    g = lg.graph_of_units
    added = g.shifted(x, -init)
    ends = min(added.lo, 0.0), max(hi - float(init), added.hi, 0.0)
    a = g.reserve("update", ends, step, f"{label_of(lg, lane)} before it is cut")
    before = g.shifted(g.previous(a), init)
    g.define(a, {"n": added, "l": before, "r": g.shifted(before, -step / 2)})
    for n in component.nodes:
        lg.values.pop(n, None)
    now = tighten(lg.relu(g.shifted(g.atom_form(a), init), None), lo, hi, step)
    set_previous(lg, component, {lane: lg.delayed(now, init)})
    return finish(lg, component, {lane: now})


def now_only(op: str, roles: Collection[str]) -> tuple[str, ...]:
    """What r would switch."""
    if op in ("high", "low", "soft"):
        return ("g",) if op == "soft" else ("a",)
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
        Pattern("soft product", "product", soft_product, "(sigma(w x) - sigma(-w x)) y, in pairs"),
        Pattern("update gate", "group", update_gate, "[z] h + [not z] (n + [r] l)"),
        Pattern("reset gate", "group", reset_gate, "n + [r] h"),
        Pattern("counter", "group", counter, "(h + x) mod m"),
        Pattern(
            "fading cases", "group", partial(fading_cases, apart=True), "[r] k h' for each case"
        ),
        Pattern("cut at zero", "group", cut_at_zero, "x + [r] h, of which relu is the state"),
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
        """eps, by the range of the value; of a pair that of what it lets through. Beside a value
        that z holds, what is not taken must be in the linear regime, too: v' - n is exact there."""
        if "z" in unit.args:
            reach = max(-unit.form.lo, unit.form.hi, sum(unit.most.get(k, 0.0) for k in "nl"))
            return regime.scale(replace(unit.form, lo=-reach, hi=reach))
        if unit.op == "soft":  # n reads y and what is taken away, at most y
            return regime.scale(replace(unit.form, lo=-2 * unit.most["g"], hi=2 * unit.most["g"]))
        return shut_scale(unit) or regime.scale(unit.form)

    def write(self, unit: LayerUnit, rows: Rows, scale: float, regime: Regime) -> None:
        """n in the linear regime; r and z open, shut or as a margin says."""
        args = unit.args
        if unit.op in ("high", "low"):
            self._pair(unit, rows, scale, regime)
            return
        if unit.op == "soft":
            self._soft(unit, rows, scale, regime)
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

    def _soft(self, unit: LayerUnit, rows: Rows, scale: float, regime: Regime) -> None:
        apart = APART[regime.digits]
        rows.add("z", unit.args["s"], -1.0)
        rows.add("r", unit.args["s"], -1.0)
        rows.constant("r", -apart)
        rows.add("n", unit.args["g"], scale)
        rows.back("n", -1.0 - exp(apart))

    def soft_error(self, unit: LayerUnit, regime: Regime) -> float:
        """Roundings, among them those of what is left of z h: r is off as its argument is, which
        is summed up to d + s, and 1 + e^(-s-d) is not quite 1 + e^-d. tanh bends what n reads."""
        apart, terms = APART[regime.digits], len(unit.args["s"].row) + 1
        most = max(-unit.form.lo, unit.form.hi)
        s = unit.most["s"]
        last = 2.0 ** int(log2(apart)) + 2 * s
        left = (terms * last * regime.unit_roundoff + exp(-apart) * expm1(s)) / (1 + exp(-s))
        bent = regime.curve(2 * unit.most["g"], self.scale(unit, regime)) / most
        return OWN * regime.unit_roundoff + left + bent

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
        """tanh bends; z leaks n and the kept value, r what it switches."""
        scale = self.scale(unit, regime)
        if unit.op == "soft":
            return 0.0  # nothing that its pairs share
        if unit.op in ("high", "low"):
            steep = relu_error(regime, scale, regime.steep) if "s" in unit.args else 0.0
            kept = 2 * reach.most("a") * regime.leak()  # z is not quite shut
            return pair_error(regime, reach, scale, reach.leak("m")) + kept + steep
        value = reach.most("n") + reach.most("a") + reach.most("l")
        most = max(value, reach.own)
        leaks = reach.leak("z") * 2 * most + reach.leak("r") * reach.most("l")
        off = regime.curve(reach.own, scale) + leaks  # what passes while z is shut is the value
        return off + regime.rounding(most, off)
