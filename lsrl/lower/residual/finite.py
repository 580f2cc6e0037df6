"""Finite groups on a residual machine: resets, thresholds, and sums modulo a period.

A positive diagonal state keeps, replaces or decays its value. So of an automaton it holds: one of
which every input keeps all states or leads to one (a latch of the state), one whose states are told
apart by thresholds that are such automata each (a running maximum), and, up to the length, one
whose inputs all turn a single cycle or lead to one state (a sum since the last reset, modulo the
period).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ...analysis.kinds import Group as StateGroup
from ...ir.components import Component
from ...ir.types import Kind
from .. import arithmetic
from ..atoms import Form, tighten
from ..logic import Bool
from ..units.automaton import Automaton, enumerated, of_class
from ..units.states import lanes_of
from .graph import LATCH, SUM

if TYPE_CHECKING:
    from .legalise import ResidualLegaliser, ResidualLogic
    from .states import Values

MOST_LETTERS = 512
Map = tuple[int, ...]  # where each state goes


def finite(
    lg: ResidualLegaliser, component: Component, group: StateGroup, reasons: list[str]
) -> Values | None:
    """The group by its automaton."""
    from .states import valued

    found = enumerated(lg, component)
    if found is None:
        return None
    letters = _letters(found)
    if len({m for m, _ in letters}) > MOST_LETTERS:
        return None
    lanes = lanes_of(lg, component)
    values = [[state[i] for state in found.states] for i in range(len(lanes))]
    for make in (_resets, _thresholds, _turns):
        forms = make(lg, found, letters, values)
        if forms is not None:
            return valued(lg, component, dict(zip(lanes, forms, strict=True)))
    cycle = next((m for m, _ in letters if _turns_something(m)), None)
    reasons.append(
        "its inputs turn states in cycles and merge others, and a positive diagonal recurrence has "
        "no construction here for both" if cycle else
        "it depends on more than the last input that decided it"
    )  # fmt: skip
    return None


def _letters(found: Automaton) -> list[tuple[Map, list[tuple[int, ...]]]]:
    """The different maps of the states, and the classes of the elements that apply each."""
    maps: dict[Map, list[tuple[int, ...]]] = {}
    for classes in np.ndindex(found.table.shape[1:]):
        moved = tuple(int(found.table[(q, *classes)]) for q in range(len(found.states)))
        maps.setdefault(moved, []).append(classes)
    return list(maps.items())


def _turns_something(moved: Map) -> bool:
    """Whether some power of a map is no constant on a cycle: it permutes two states or more."""
    image = set(range(len(moved)))
    while len(after := {moved[q] for q in image}) < len(image):
        image = after
    return any(moved[q] != q for q in image)


def _applies(lg: ResidualLegaliser, found: Automaton, classes: list[tuple[int, ...]]) -> Bool:
    """Whether the input is of one of some combinations of classes."""
    logic: ResidualLogic = lg.residual_logic
    if not found.elements:
        return logic.from_value(lg.atoms.combine([], 1))
    if len(found.elements) == 1:
        chosen = {c for (c,) in classes}
        if len(chosen) > (max(found.classes[0]) + 1) // 2:
            rest = set(range(max(found.classes[0]) + 1)) - chosen
            return _one_of(lg, found, 0, rest).negated()
        return _one_of(lg, found, 0, chosen)
    parts = [_all_of(lg, found, combination) for combination in classes]
    return logic.disjunction(parts)


def _all_of(lg: ResidualLegaliser, found: Automaton, combination: tuple[int, ...]) -> Bool:
    """Whether each element is of its class; made once, as thresholds share their combinations."""
    made: dict[Any, Bool] = lg.atoms.cache.setdefault(("combinations", lg.atoms.maker), {})
    key = tuple(
        (element, tuple(v for v, c in zip(values, own, strict=True) if c == wanted))
        for element, values, own, wanted in zip(
            found.elements, found.values, found.classes, combination, strict=True
        )
    )
    if key not in made:
        own = [_one_of(lg, found, k, {c}) for k, c in enumerate(combination)]
        made[key] = lg.logic.conjunction(own)
    return made[key]


def _one_of(lg: ResidualLegaliser, found: Automaton, k: int, classes: set[int]) -> Bool:
    """Whether element k is of one of some classes."""
    logic: ResidualLogic = lg.residual_logic
    n, i = found.elements[k]
    values = [v for v, c in zip(found.values[k], found.classes[k], strict=True) if c in classes]
    if isinstance(lg.values[n][i], Bool) or lg.graph.nodes[n].type.kind is Kind.BOOL:
        value: Bool = lg.bools(n)[i]
        if len(values) == 2:
            return logic.from_value(lg.atoms.combine([], 1))
        if not values:
            return logic.from_value(lg.atoms.combine([], 0))
        return value if values[0] == 1 else value.negated()
    parts = [logic.from_value(of_class(lg, found, k, c)) for c in sorted(classes)]
    return logic.disjunction(parts)


# Resets


def _resets(
    lg: ResidualLegaliser, found: Automaton, letters: Sequence[tuple[Map, Any]],
    values: list[list[Fraction]],
) -> list[Form] | None:  # fmt: skip
    """Every input keeps all states or leads to one: latches of what each lane is there."""
    if not all(_is_reset(m) for m, _ in letters):
        return None
    return [_latched(lg, found, letters, column) for column in values]


def _is_reset(moved: Map) -> bool:
    return moved == tuple(range(len(moved))) or len(set(moved)) == 1


def _latched(
    lg: ResidualLegaliser, found: Automaton, letters: Sequence[tuple[Map, Any]],
    column: Sequence[Fraction],
) -> Form:  # fmt: skip
    """A latch of `column[q]` whenever an input leads to q."""
    g = lg.residual
    resets = {m[0]: classes for m, classes in letters if m != tuple(range(len(m)))}
    kept = [c for m, classes in letters if m == tuple(range(len(m))) for c in classes]
    if not resets:
        return g.combine([], column[0])
    parts = [
        (column[q] - column[0], _applies(lg, found, classes).value)
        for q, classes in resets.items() if column[q] != column[0]
    ]  # fmt: skip
    value = g.combine(parts)
    if not kept:
        return g.combine([(1, value)], column[0])
    when = _applies(lg, found, kept).negated()
    if value.is_const and value.const == 0:
        return g.combine([], column[0])
    made = g.unit(LATCH, value, when=lg.condition(when))
    return g.combine([(1, made)], column[0])


# Thresholds


def _thresholds(
    lg: ResidualLegaliser, found: Automaton, letters: Sequence[tuple[Map, Any]],
    values: list[list[Fraction]],
) -> list[Form] | None:  # fmt: skip
    """Of each lane, whether it has reached k: each threshold by itself kept or reset."""
    plans = [_threshold_plans(letters, column) for column in values]
    if any(p is None for p in plans):
        return None
    g, two = lg.residual, _two_states(found)
    forms = []
    for column, plan in zip(values, plans, strict=True):
        parts = []
        before = min(column)
        for k, start, own in plan or []:
            narrow, own = _narrowed(two, own)
            renamed = [(_flipped(m) if start else m, c) for m, c in own.items()]
            form = _latched(lg, narrow, renamed, [Fraction(0), Fraction(1)])
            form = g.combine([(-1, form)], 1) if start else form
            parts.append((k - before, tighten(form, 0.0, 1.0, Fraction(1))))
            before = k
        forms.append(g.combine(parts, min(column)))
    return forms


def _threshold_plans(
    letters: Sequence[tuple[Map, Any]], column: Sequence[Fraction]
) -> list[tuple[Fraction, bool, dict[Map, list[Any]]]] | None:
    """Each threshold of a lane: whether it is reached at first, and which classes do what to it."""
    plans = []
    for k in sorted(set(column))[1:]:
        reached = [v >= k for v in column]
        own: dict[Map, list[Any]] = {}
        for m, classes in letters:
            image = {
                b: {reached[m[q]] for q in range(len(m)) if reached[q] == b} for b in (False, True)
            }
            if any(len(after) > 1 for after in image.values()):
                return None
            follows = tuple(int(min(image[b], default=b)) for b in (False, True))
            if follows == (1, 0):
                return None
            own.setdefault(follows, []).extend(classes)
        plans.append((k, reached[0], own))
    return plans


def _narrowed(
    found: Automaton, own: dict[Map, list[Any]]
) -> tuple[Automaton, dict[Map, list[Any]]]:
    """Without the elements on which it does not depend which map is applied."""
    maps = {c: m for m, classes in own.items() for c in classes}
    kept = list(range(len(found.elements)))
    for k in list(kept):
        rest, decided = [i for i in kept if i != k], dict[Any, Map]()
        if all(decided.setdefault(tuple(c[i] for i in rest), m) == m for c, m in maps.items()):
            kept = rest
    narrowed: dict[Map, dict[Any, None]] = {m: {} for m in own}
    for c, m in maps.items():
        narrowed[m][tuple(c[i] for i in kept)] = None
    elements, values, classes = found.elements, found.values, found.classes
    narrow = Automaton(
        found.states,
        [elements[k] for k in kept],
        [values[k] for k in kept],
        [classes[k] for k in kept],
        found.table,
    )
    return narrow, {m: list(c) for m, c in narrowed.items()}


def _flipped(moved: Map) -> Map:
    """The same map where the two states change names."""
    return tuple(1 - moved[1 - q] for q in (0, 1))


def _two_states(found: Automaton) -> Automaton:
    """The same elements; the states are whether a threshold is reached."""
    states: list[tuple[Fraction, ...]] = [(Fraction(0),), (Fraction(1),)]
    return Automaton(states, found.elements, found.values, found.classes, found.table)


# Turns of a cycle


def _turns(
    lg: ResidualLegaliser, found: Automaton, letters: Sequence[tuple[Map, Any]],
    values: list[list[Fraction]],
) -> list[Form] | None:  # fmt: skip
    """Every input turns one cycle through all states, or leads to one: the sum of the turns since
    the last reset, modulo the period."""
    size = len(found.states)
    turning = [m for m, _ in letters if sorted(m) == list(range(size))]
    place = _cycle(turning, size)
    if place is None:
        return None
    from .states import since

    g, logic = lg.residual, lg.logic
    turns: list[tuple[int, Form]] = []
    resets: dict[int, list[Any]] = {}
    for m, classes in letters:
        if len(set(m)) == 1 and size > 1:
            resets.setdefault(place[m[0]], []).extend(classes)
            continue
        by = {(place[m[q]] - place[q]) % size for q in range(size)}
        if len(by) != 1:
            return None
        if k := by.pop():
            turns.append((k, _applies(lg, found, classes).value))
    added = g.combine(turns)
    if not resets:
        total = g.unit(SUM, added)
        start = place[0]
    else:
        when = lg.condition(logic.disjunction([_applies(lg, found, c) for c in resets.values()]))
        total = since(lg, added, when, "turns")
        first = place[0]
        start_form = g.combine(
            [(p - first, _applies(lg, found, c).value) for p, c in resets.items() if p != first]
        )
        latched = g.unit(LATCH, start_form, when=when)
        total = g.combine([(1, total), (1, tighten(latched, -size, size, Fraction(1)))])
        start = first
    total = tighten(g.combine([(1, total)], start), 0.0, float(size * lg.graph.length), Fraction(1))
    phase = arithmetic.modulo(lg, total, size)
    order = sorted(range(size), key=lambda q: place[q])
    return [
        arithmetic.tabulate(lg, phase, [column[q] for q in order], 0, None) for column in values
    ]


def _cycle(turning: Sequence[Map], size: int) -> list[int] | None:
    """Places of the states on a cycle of which all maps are turns; None if there is none."""
    for m in turning:
        order, q = [], 0
        while q not in order:
            order.append(q)
            q = m[q]
        if len(order) == size:
            place = [0] * size
            for i, q in enumerate(order):
                place[q] = i
            return place
    return None
