"""The certificate of a machine of units: how far its numbers can be from the program's meaning.

Layer by layer, and within a layer after what a unit reads one step back. The forms that enter a
value are bounded as in `lower/rounding.py`; a saturated gate is exactly 0 or 1 as long as its
margin is off by less than a quarter; a group adds up what each step adds, times the powers of how
it reads itself. An operation's own approximation is that of the target.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ...dtypes import DType
from ...ir.components import tarjan
from ...source import Span
from ..atoms import Form
from ..bounds import ZERO, Bound
from ..coefficients import is_power_of_two
from ..layers import Affine, Source, Unit
from ..precision import Precision
from ..rounding import Analysis
from .graph import UnitGraph
from .growth import Growth, is_kept
from .layout import LayerUnit, UnitLayer, UnitMachine
from .ops import OPS
from .parts import Parts
from .scale import Regime

QUARTER = 0.25


@dataclass(frozen=True)
class Reach:
    """How large the parts of a unit are: the largest magnitude of a role's form, and of the unit's
    own value; and how far off its gates are."""

    regime: Regime
    own: float
    magnitudes: Mapping[str, float]
    errors: Mapping[str, float]

    def most(self, role: str) -> float:
        """The largest magnitude of a role's form; 0 without it."""
        return self.magnitudes.get(role, 0.0)

    def error(self, role: str) -> float:
        """The error of a role's form; of a gate at most what it may be."""
        return min(self.errors.get(role, 0.0), QUARTER)

    def leak(self, role: str) -> float:
        """How far a gate is from 0 or 1."""
        return self.regime.leak(self.error(role))


Approximation = Callable[[LayerUnit, Regime, Reach], float]
SoftError = Callable[[LayerUnit, Regime], float]


def certify(
    graph: UnitGraph,
    machine: UnitMachine,
    regime: Regime,
    length: int,
    approximation: Approximation,
    soft_error: SoftError,
) -> list[Bound]:
    """Error bounds of the head's columns. `approximation` is what an operation itself is off by;
    of a soft unit `soft_error`, in parts of its largest value, moreover, which no other shares."""
    analysis = UnitAnalysis(graph, regime, length, approximation, soft_error)
    bounds = [analysis.input(form) for form in machine.layers[0].inputs]
    for layer in machine.layers:
        bounds = analysis.units(layer, bounds)
    analysis.read_out()
    errors: dict[Source, Bound] = {("x", i): b for i, b in enumerate(bounds)}
    forms: dict[Source, Form] = {("x", i): u.form for i, u in enumerate(machine.layers[-1].units)}
    names = zip(machine.head, machine.outputs, strict=True)
    return [analysis.affine(row, errors, forms, None, name) for row, name in names]


class _UnitPrecision(Precision):
    """Of sources that include pairs of saturated units."""

    def __init__(self, graph: UnitGraph, dtype: DType) -> None:
        super().__init__(graph, dtype)
        self.twins = graph.twins

    def is_copy(self, affine: Affine, forms: Mapping[Source, Form]) -> bool:
        """Moreover the sum of a pair of saturated units: twice the same number, or 1 - 1."""
        if super().is_copy(affine, forms):
            return True
        if len(affine.row) != 2 or affine.const != 0 or len(set(affine.row.values())) != 1:
            return False
        atoms = [next(iter(forms[source].terms), -1) for source in affine.row]
        (c,) = set(affine.row.values())
        return is_power_of_two(c) and frozenset(atoms) in self.twins


@dataclass(frozen=True)
class _Brought:
    """Errors of a soft unit's gate and factor; and what rounding the gate's argument adds to it."""

    gate: Bound
    factor: Bound
    rounding: float


class UnitAnalysis(Analysis):
    """The bounds of a layer's units, `errors`, from those of its inputs, layer after layer."""

    def __init__(
        self,
        graph: UnitGraph,
        regime: Regime,
        length: int,
        approximation: Approximation,
        soft_error: SoftError,
    ) -> None:
        super().__init__(graph, regime.digits, length)
        self.regime = regime
        self.approximation, self.soft_error = approximation, soft_error
        self.precision = _UnitPrecision(graph, self.dtype)
        self.products, self.resets = graph.products, graph.resets
        self.brought: dict[int, _Brought] = {}  # by soft unit
        self.own_pairs: dict[Source, Source] = {}  # units that hold a value's two signs
        self.pairs: dict[Source, Source] = {}
        self.parts = Parts(graph, self.dtype.unit_roundoff)

    def affine(
        self,
        affine: Affine,
        errors: Mapping[Source, Bound],
        forms: Mapping[Source, Form],
        span: Span | None,
        label: str,
    ) -> Bound:
        """As for any form, where relu(a - f) - relu(-a - f), f >= 0, is one value, off by no more
        than the arguments are, and parts that exclude each other are one."""
        row = dict(affine.row)
        errors, forms = dict(errors), dict(forms)
        self.parts.merge(row, errors, forms)
        for p, n in self.pairs.items():
            c = row.get(p, 0)
            if c and row.get(n) == -c:
                del row[p], row[n]
                whole = p[0] + "+-", p[1]
                row[whole] = c
                errors[whole] = self._either(errors[p], errors[n])
                forms[whole] = Form({}, 0, -forms[n].hi, forms[p].hi, forms[p].step)
        return super().affine(Affine(row, affine.const), errors, forms, span, label)

    def _either(self, p: Bound, n: Bound) -> Bound:
        """The larger one, and what it may be rounded by where neither side is 0."""
        worst = max(p, n, key=lambda b: b.error)
        once = 4 * self.dtype.unit_roundoff * worst.error
        return worst.plus(once, worst.span, worst.label) if once else worst

    def read_out(self) -> None:
        """From now on the last layer is what is read."""
        self.pairs = {("x", p): ("x", n) for (_, p), (_, n) in self.own_pairs.items()}

    def units(self, layer: UnitLayer, inputs: list[Bound]) -> list[Bound]:
        """The bounds of a layer's units."""
        self.errors: dict[Source, Bound] = {("x", i): b for i, b in enumerate(inputs)}
        self.forms: dict[Source, Form] = {("x", i): f for i, f in enumerate(layer.inputs)}
        self.pairs = {("x", p): ("x", n) for (_, p), (_, n) in self.own_pairs.items()}
        self.plain_pairs = _pairs(layer.units)
        carried = _carried(layer.units, self.own_pairs)
        self.own_pairs = self._shut_pairs(layer.units) | carried | self.plain_pairs
        self.pairs |= self.own_pairs
        for k, unit in enumerate(layer.units):
            f = unit.form
            self.forms["h", k] = replace(f, lo=min(f.lo, 0.0), hi=max(f.hi, 0.0))
        edges = [sorted(_before(unit)) for unit in layer.units]
        for members in tarjan(edges):
            group = {k: layer.units[k] for k in sorted(members)}
            k = members[0]
            if len(members) > 1 or k in edges[k] or is_kept(group[k]):
                Growth(self, group).run()
            else:
                self.errors["h", k] = self.local(k, group, {})
                self.check_gates(group)
                self.parts.sharp |= self.sharp(group)
        return [self.errors["h", k] for k in range(len(layer.units))]

    def _shut_pairs(self, units: Sequence[LayerUnit]) -> dict[Source, Source]:
        """relu(a - f) and relu(-a - f), f >= 0, which `ReluLogic.gate` notes; or their copies."""
        found: dict[int, list[int]] = {}
        for k, unit in enumerate(units):
            family = self.precision.family(unit.form)
            if family is not None and family < 0 and unit.op in ("relu", "pass"):
                found.setdefault(family, []).append(k)
        pairs = (ks for ks in found.values() if len(ks) == 2)
        return {("h", p): ("h", n) for p, n in pairs}

    def sharp(self, group: Mapping[int, LayerUnit]) -> set[int]:
        """The parts that are exactly 0 where they are meant to be: what shuts them outweighs the
        error of their argument, or all that they read is exactly 0 then."""
        found = set()
        for unit in group.values():
            below = self.parts.shut.get(unit.atom)
            if below is not None and OPS[unit.op].gates:
                reach = self.reach(unit)
                if not any(reach.leak(role) for role in OPS[unit.op].gates if role in unit.args):
                    found.add(unit.atom)
                continue
            if below is None or unit.op not in ("relu", "pass"):
                continue
            affine = unit.args["a"]
            if below:
                bound = self.affine(affine, self.errors, self.forms, unit.span, unit.label)
                sharp = bound.error < below
            else:
                sharp = affine.const == 0 and all(
                    not self.errors[s].error or self.forms[s].terms.keys() <= self.parts.sharp
                    for s in affine.row
                )
            if sharp:
                found.add(unit.atom)
        return found

    # One unit

    def local(
        self, k: int, group: Mapping[int, LayerUnit], inside: Mapping[Source, Bound]
    ) -> Bound:
        """What a unit adds in one step, the errors of its own group taken from `inside`."""
        unit = group[k]
        op = OPS[unit.op]
        known = {**self.errors, **inside}
        total = ZERO
        for affine in unit.args.values():
            self.precision.check_range(affine, known, self.forms, unit.span)
        if unit.op == "soft":
            return self._soft(unit, known)
        if self._is_crisp(unit):
            for affine in unit.args.values():
                total = _joined(total, self.decided(affine, known))
            if op.saturates:
                return total
        steep = ("s",) if "closed" in unit.args else ()  # what shuts it may see another error
        for role in (*op.values, *steep):
            if role in unit.args:
                total = _joined(total, self._value(unit, unit.args[role], known))
        if op.saturates:
            return self._saturating(unit, total, known)
        reach = self.reach(unit)
        own = self.approximation(unit, self.regime, reach)
        own += self.kept_rounding(k, unit, reach, exact=not own)
        own += self.graph.atoms[unit.atom].approximation if unit.atom >= 0 else 0.0
        if unit.atom in self.products:
            total = self._of_factors(unit, total)
        return total.plus(own, unit.span, unit.label) if own else total

    def _is_crisp(self, unit: LayerUnit) -> bool:
        """Whether its margin is at least 1/2 from 0 whatever it reads is off by."""
        return unit.atom >= 0 and self.graph.atoms[unit.atom].crisp

    def reach(self, unit: LayerUnit) -> Reach:
        """Of a unit whose own group has the errors that were found last."""
        f = unit.form
        errors = {
            role: self.affine(a, self.errors, self.forms, unit.span, unit.label).error
            for role, a in unit.args.items()
            if not (self._is_crisp(unit) and role in OPS[unit.op].gates)
        }
        magnitudes = {role: unit.most[role] + errors.get(role, 0.0) for role in unit.args}
        return Reach(self.regime, max(abs(f.lo), abs(f.hi)), magnitudes, errors)

    def _soft(self, unit: LayerUnit, known: Mapping[Source, Bound]) -> Bound:
        """The rounding alone of sigma(s) y: what the factors bring is that of the product, and so
        is how far y is bent and leaks, the same in all its parts."""
        gate, factor = (
            self.affine(unit.args[role], known, self.forms, unit.span, unit.label)
            for role in ("s", "g")
        )
        shared = sum(abs(float(c)) * known[s].error for s, c in unit.args["s"].row.items())
        off = self.approximation(unit, self.regime, self.reach(unit))
        more = factor.plus(off, unit.span, unit.label)
        self.brought[unit.atom] = _Brought(gate, more, max(0.0, gate.error - shared))
        most = max(-unit.form.lo, unit.form.hi)
        own = self.soft_error(unit, self.regime) * most
        return Bound(own + self.regime.rounding(most, off), span=unit.span)

    def _of_factors(self, unit: LayerUnit, total: Bound) -> Bound:
        """|x| f + |y| e + e f of factors that are off by e and f. What x itself is off by is the
        same in all parts; each rounds its own argument, by r, which sigma, of slope 1/4, and the
        weight 2 a / w make |a| r / 2w."""
        parts, w, most_x, most_y = self.products[unit.atom]
        first = self.brought[parts[0][0]]
        rounded = sum(float(half) * self.brought[soft].rounding for soft, half in parts)
        e = (first.gate.error - first.rounding + rounded) / w
        f = first.factor.error
        worse = first.gate if e * most_y >= f * most_x else first.factor
        own = e * most_y + f * most_x + e * f
        return total.plus(own, worse.span or unit.span, worse.label) if own else total

    def _value(self, unit: LayerUnit, affine: Affine, known: Mapping[Source, Bound]) -> Bound:
        """The error of a form that enters a value; a ReLU that is a gate is open or closed."""
        if unit.atom < 0 or unit.atom not in self.graph.switches:
            return self.affine(affine, known, self.forms, unit.span, unit.label)
        plain = Unit(affine, unit.form, unit.label, False, unit.span, unit.atom)
        opened = self.opened(plain, known, self.forms)
        bound = self.affine(opened, known, self.forms, unit.span, unit.label)
        leak = self.leak(plain, opened, known, self.forms)
        return bound.plus(max(0.0, leak - bound.error), unit.span, unit.label)

    def _saturating(self, unit: LayerUnit, bound: Bound, known: Mapping[Source, Bound]) -> Bound:
        plain = Unit(unit.args["a"], unit.form, unit.label, True, unit.span, unit.atom)
        return self.saturated(plain, bound, known)

    def kept_rounding(self, k: int, unit: LayerUnit, reach: Reach, exact: bool) -> float:
        """Rounding where a kept value and a new one are summed: once in f c' + i g of a cell and in
        n + r l of an update, if both terms can differ from 0; in (v' - n) z + n of an update
        wherever v' - n is no number of the dtype, also while v' is held."""
        roles = [role for role in OPS[unit.op].values if role in unit.args]
        apart = unit.op == "update" and is_kept(unit)  # v' - n comes first
        summed = {"n", "l"} <= unit.args.keys() and unit.atom not in self.resets
        if unit.op == "cell":
            summed = is_kept(unit) and not self.excludes(unit)
        if not apart and not summed:
            return 0.0
        own = self.errors["h", k].error
        held, read = reach.own + own, sum(reach.most(role) for role in roles)
        largest = held + read if unit.op == "update" else 2 * reach.own
        exact &= not own and not any(reach.errors[role] for role in roles)
        if exact and self.precision.on_lattice(unit.form.step, largest):
            return 0.0
        roundings = (held + largest) * apart + held * summed
        return float(self.dtype.unit_roundoff * roundings)

    def excludes(self, unit: LayerUnit) -> bool:
        """Whether a unit either keeps its value or takes a new one, never a sum of both."""
        if unit.atom in self.resets:
            return True
        if unit.op == "update":
            return is_kept(unit)
        if unit.op != "cell" or "f" not in unit.args or "i" not in unit.args:
            return False
        f, i = unit.args["f"], unit.args["i"]
        return f.const == -i.const and f.row == {s: -c for s, c in i.row.items()}

    def check_gates(self, group: Mapping[int, LayerUnit]) -> None:
        """A gate whose margin may be off by a quarter promises nothing."""
        for k, unit in group.items():
            for role in OPS[unit.op].gates:
                if role not in unit.args or self._is_crisp(unit):
                    continue
                margin = unit.args[role]
                bound = self.affine(margin, self.errors, self.forms, unit.span, unit.label)
                if not bound.error <= QUARTER:
                    where = bound.span or unit.span
                    label = bound.label or unit.label
                    self.errors["h", k] = Bound(math.inf, math.inf, where, label)


def _pairs(units: Sequence[LayerUnit]) -> dict[Source, Source]:
    """relu(a) and relu(-a): the first with the second."""
    found: dict[Source, Source] = {}
    seen: dict[object, int] = {}
    for k, unit in enumerate(units):
        if unit.op != "relu":
            continue
        a = unit.args["a"]
        negative = frozenset((s, -c) for s, c in a.row.items()), -a.const
        if negative in seen:
            found["h", seen[negative]] = "h", k
        seen[frozenset(a.row.items()), a.const] = k
    return found


def _carried(units: Sequence[LayerUnit], below: Mapping[Source, Source]) -> dict[Source, Source]:
    """Copies of the pairs of the layer below."""
    copies: dict[int, int] = {}
    for k, unit in enumerate(units):
        a = unit.args.get("a")
        if a is not None and a.const == 0 and unit.op == "pass" and list(a.row.values()) == [1]:
            ((kind, j),) = a.row
            if kind == "x":
                copies[j] = k
    return {
        ("h", copies[p]): ("h", copies[n])
        for (_, p), (_, n) in below.items()
        if p in copies and n in copies
    }


def _before(unit: LayerUnit) -> set[int]:
    """The units that a unit reads one step back."""
    return {j for affine in unit.args.values() for kind, j in affine.row if kind == "h"}


def _joined(a: Bound, b: Bound) -> Bound:
    big = a if a.worst >= b.worst else b
    return Bound(a.error + b.error, big.worst, big.span, big.label)
