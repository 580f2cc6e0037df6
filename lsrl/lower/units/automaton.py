"""Finite groups as automata: one unit for each state and class of input, all of them saturated.

Unit (q, a) is 1 where the group was in state q and the input is of class a; the state after it is
known then, so every value of the group is read off the units, and errors are erased at each step
(Omlin and Giles, JACM 43(6), 1996; Siegelmann and Sontag 1995).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir.components import Component
from ...ir.semantics import apply
from ...ir.types import Kind
from ..atoms import Form, tighten
from ..read_outs import on_clock
from .states import (
    Lane,
    Register,
    close_registers,
    ends_of,
    finish,
    initial,
    lanes_of,
    set_previous,
)

if TYPE_CHECKING:
    from ..legalise import Legaliser
    from .legalise import UnitLegaliser

MOST_STATES = 4096
MOST_PAIRS = 10**6
MOST_UNITS = 1024
SLACK = Fraction(1, 1 << 20)  # of a step: the ends of ranges are rounded
Element = tuple[int, int]  # a node outside of the group, and an element of it


@dataclass(frozen=True)
class Automaton:
    """States by their lanes' values; for each element that the group reads the class of each of its
    values; transitions `[states, classes of element 0, classes of element 1, ...]`."""

    states: list[tuple[Fraction, ...]]
    elements: list[Element]
    values: list[list[Fraction]]
    classes: list[list[int]]
    table: Any


def automaton(lg: UnitLegaliser, component: Component) -> dict[int, list[Any]] | None:
    """A group with few reachable states."""
    found = enumerated(lg, component)
    if found is None or found.table.size > MOST_UNITS:
        return None
    lanes = lanes_of(lg, component)
    inputs = [_indicators(lg, found, k) for k in range(len(found.elements))]
    pairs = list(np.ndindex(found.table.shape))
    registers = [Register(0.0, 1.0, Fraction(1), 0, _label(lg, lanes, found, p)) for p in pairs]

    def update(previous: list[Form]) -> list[Form]:
        inside = _states_before(lg, found, pairs, previous)
        result = []
        for q, *classes in pairs:
            parts = [inside[q], *(inputs[k][c] for k, c in enumerate(classes))]
            conditions = [lg.logic.from_value(p) for p in parts]
            result.append(lg.logic.conjunction(conditions).value)
        return result

    now, previous = close_registers(lg, registers, update)
    _note_exclusive(lg, now)
    inside = _states_before(lg, found, pairs, previous)
    before = {lane: _read_state(lg, found, inside, i) for i, lane in enumerate(lanes)}
    after: dict[Lane, Form] = {}
    for i, lane in enumerate(lanes):
        values = [found.states[int(found.table[p])][i] for p in pairs]
        after[lane] = _read(lg, now, values)
    for n in component.nodes:
        lg.values.pop(n, None)
    set_previous(lg, component, before)
    return finish(lg, component, after)


def _label(lg: UnitLegaliser, lanes: list[Lane], found: Automaton, pair: tuple[int, ...]) -> str:
    name = lg.graph.states[lanes[0][0]].name
    state = ",".join(str(v) for v in found.states[pair[0]])
    return f"{name} {state} on {','.join(map(str, pair[1:]))}" if pair[1:] else f"{name} {state}"


def _note_exclusive(lg: UnitLegaliser, now: Sequence[Form]) -> None:
    """The units of an automaton are read like those of a clock."""
    if all(len(form.terms) == 1 and form.const == 0 for form in now):
        atoms = [(a, c) for form in now for a, c in form.terms.items()]
        if all(c == 1 for _, c in atoms):
            lg.graph_of_units.exclusive(tuple(a for a, _ in atoms), silent=False)


def _read(lg: UnitLegaliser, lit: Sequence[Form], values: Sequence[Fraction]) -> Form:
    """The value that belongs to the one form that is 1."""
    common = max(set(values), key=lambda v: (values.count(v), -v))
    parts = [(v - common, form) for v, form in zip(values, lit, strict=True) if v != common]
    form = lg.atoms.combine(parts, common)
    return tighten(form, float(min(values)), float(max(values)), None)


def _states_before(
    lg: UnitLegaliser, found: Automaton, pairs: list[Any], previous: list[Form]
) -> list[Form]:
    """For each state whether the group was in it; in the first one before the start."""
    g = lg.atoms
    result = []
    for q in range(len(found.states)):
        leads = [int(found.table[p]) == q for p in pairs]
        if q == 0:
            parts = [(-1, f) for f, here in zip(previous, leads, strict=True) if not here]
        else:
            parts = [(1, f) for f, here in zip(previous, leads, strict=True) if here]
        form = g.combine(parts, int(q == 0))
        result.append(tighten(form, 0.0, 1.0, Fraction(1)))
    return result


def _read_state(lg: UnitLegaliser, found: Automaton, inside: list[Form], i: int) -> Form:
    """A lane's value from the states: of the first one, and what the others differ from it."""
    first = found.states[0][i]
    parts = [(s[i] - first, f) for s, f in zip(found.states, inside, strict=True) if s[i] != first]
    values = [float(s[i]) for s in found.states]
    return tighten(lg.atoms.combine(parts, first), min(values), max(values), None)


def _indicators(lg: UnitLegaliser, found: Automaton, k: int) -> list[Form]:
    """For each class of an element whether its value is of it."""
    n, i = found.elements[k]
    count = max(found.classes[k]) + 1
    if lg.graph.nodes[n].type.kind is Kind.BOOL:
        value = lg.bools(n)[i]
        by_value = dict(zip(found.values[k], found.classes[k], strict=True))
        if count == 1:
            return [lg.logic.from_value(_one()).value]
        true = by_value[Fraction(1)]
        forms = {true: value.value, 1 - true: value.negated().value}
        return [forms[0], forms[1]]
    return [of_class(lg, found, k, c) for c in range(count)]


def _one() -> Form:
    from ..atoms import constant

    return constant(1)


def of_class(lg: Legaliser, found: Automaton, k: int, c: int) -> Form:
    n, i = found.elements[k]
    members = {v for v, d in zip(found.values[k], found.classes[k], strict=True) if d == c}
    if len(members) == len(found.values[k]):
        return _one()
    form = lg.forms(n)[i]
    read = on_clock(lg.atoms, form, lambda v: int(Fraction(v) in members))
    if read is not None:
        return read
    logic = lg.logic
    runs = _runs(found.values[k], members)
    spans = []
    for lo, hi in runs:
        above = logic.at_least(form, lo)
        below = logic.at_least(lg.atoms.combine([(-1, form)]), -hi)
        spans.append(logic.conjunction([above, below]))
    value: Form = logic.disjunction(spans).value
    return value


def _runs(values: list[Fraction], members: set[Fraction]) -> list[tuple[Fraction, Fraction]]:
    """Stretches of neighbouring values that are members."""
    runs: list[tuple[Fraction, Fraction]] = []
    for inside, group in itertools.groupby(values, key=members.__contains__):
        if inside:
            stretch = list(group)
            runs.append((stretch[0], stretch[-1]))
    return runs


# Enumeration


def enumerated(lg: Legaliser, component: Component) -> Automaton | None:
    """All reachable states, by trying every value of what the group reads."""
    elements = _elements(lg, component)
    values = [] if elements is None else [_values(lg, e) for e in elements]
    if elements is None or any(v is None for v in values):
        return None
    known: list[list[Fraction]] = [v for v in values if v is not None]
    count = int(np.prod([len(v) for v in known], dtype=float)) if known else 1
    lanes = lanes_of(lg, component)
    if count > MOST_PAIRS or not _is_small(lg, lanes):
        return None
    exact = _needs_fractions(lg, component, elements)
    combinations = np.array(list(itertools.product(*known)), dtype=object if exact else float)
    combinations = combinations.reshape(count, len(known))
    start = tuple(Fraction(initial(lg, lane)) for lane in lanes)
    ranges = []
    for lo, hi, step in (ends_of(lg, lane) for lane in lanes):
        slack = float(SLACK * (step or 0))
        ranges.append((lo - slack, hi + slack))
    states = [start]
    rows: list[Any] = []
    index = {start: 0}
    while len(rows) < len(states):
        if len(states) > min(MOST_UNITS, lg.limit) or len(states) * count > MOST_PAIRS:
            return None
        following = _step(lg, component, lanes, states[len(rows)], elements, combinations)
        distinct, inverse = _distinct(following)
        places = []
        for state in distinct:
            if any(not lo <= v <= hi for v, (lo, hi) in zip(state, ranges, strict=True)):
                return None  # the length alone keeps it small
            if state not in index:
                index[state] = len(states)
                states.append(state)
            places.append(index[state])
        rows.append(np.array(places)[inverse])
    table = np.array(rows).reshape(len(states), *(len(v) for v in known))
    classes = []
    for axis in range(1, table.ndim):
        moved = np.moveaxis(table, axis, 0).reshape(table.shape[axis], -1)
        _, first, found = np.unique(moved, axis=0, return_index=True, return_inverse=True)
        order = np.argsort(np.argsort(first))
        classes.append([int(order[c]) for c in found.reshape(-1)])
        table = np.take(table, np.sort(first), axis=axis)
    return Automaton(states, elements, known, classes, table)


def _is_small(lg: Legaliser, lanes: list[Lane]) -> bool:
    """Whether the ranges of the lanes leave few states."""
    count = 1.0
    for lane in lanes:
        lo, hi, step = ends_of(lg, lane)
        if step is None:
            return False
        count *= (hi - lo) / float(step) + 1 if step else 1
    return count <= MOST_STATES


def _elements(lg: Legaliser, component: Component) -> list[Element] | None:
    """What the group reads from outside; None if some of it is real."""
    inside = set(component.nodes)
    result: list[Element] = []
    for n in component.nodes:
        if lg.graph.nodes[n].op == "promise":
            continue
        for a in lg.graph.nodes[n].args:
            node = lg.graph.nodes[a]
            if a in inside or node.op == "const":
                continue
            if lg.facts[a].step is None:
                return None
            for i in range(node.type.size):
                element = source_of(lg, a, i)
                if element not in result and lg.graph.nodes[element[0]].op != "const":
                    result.append(element)
    return result


def source_of(lg: Legaliser, n: int, i: int) -> Element:
    """Where an element comes from, through what only moves elements."""
    node = lg.graph.nodes[n]
    if node.op == "broadcast":
        return source_of(lg, node.args[0], 0)
    if node.op == "take":
        indices = node.attrs[0]
        return source_of(lg, node.args[0], indices if isinstance(indices, int) else indices[i])
    if node.op == "concat":
        for a in node.args:
            size = lg.graph.nodes[a].type.size
            if i < size:
                return source_of(lg, a, i)
            i -= size
    return n, i


def _values(lg: Legaliser, element: Element) -> list[Fraction] | None:
    """The values of an element, by its range and lattice."""
    fact = lg.facts[element[0]]
    lo, hi = (Fraction(float(e.reshape(-1)[element[1]])) for e in (fact.lo, fact.hi))
    step = fact.step
    if not step:
        return [lo]
    if (hi - lo) / step > MOST_STATES:
        return None
    first, last = -((SLACK - lo / step) // 1), (hi / step + SLACK) // 1
    return [k * step for k in range(int(first), int(last) + 1)]


def _needs_fractions(lg: Legaliser, component: Component, elements: list[Element]) -> bool:
    """Whether some value lies on a lattice that floats do not hold."""
    nodes = {*component.nodes, *(n for n, _ in elements)}
    steps = [lg.facts[n].step for n in nodes]
    return any(s is not None and s.denominator & (s.denominator - 1) for s in steps)


def _distinct(rows: Any) -> tuple[list[tuple[Fraction, ...]], Any]:
    """The different rows, as states, and which one each row is."""
    if rows.dtype == object:
        seen: dict[tuple[Any, ...], int] = {}
        places = [seen.setdefault(tuple(row), len(seen)) for row in rows]
        return [tuple(Fraction(v) for v in row) for row in seen], np.array(places)
    found, inverse = np.unique(rows, axis=0, return_inverse=True)
    return [tuple(Fraction(v) for v in row) for row in found.tolist()], inverse.reshape(-1)


def _step(
    lg: Legaliser, component: Component, lanes: list[Lane], state: tuple[Fraction, ...],
    elements: list[Element], combinations: Any,
) -> Any:  # fmt: skip
    """The states `[combinations, lanes]` that follow one state, for all that can be read."""
    graph, count, dtype = lg.graph, len(combinations), combinations.dtype
    arrays: dict[int, Any] = {}
    inside = set(component.nodes)
    for n in {a for k in component.nodes for a in graph.nodes[k].args if a not in inside}:
        flat = np.zeros((count, graph.nodes[n].type.size), dtype=dtype)
        for i in range(flat.shape[1]):
            m, j = source_of(lg, n, i)
            if (m, j) in elements:
                flat[:, i] = combinations[:, elements.index((m, j))]
            elif graph.nodes[m].op == "const":
                flat[:, i] = Fraction(graph.nodes[m].attrs[0][j])
        arrays[n] = _shaped(lg, n, flat)
    for n in component.nodes:
        node = graph.nodes[n]
        if node.op == "prev":
            own = [v for v, (s, _) in zip(state, lanes, strict=True) if s == node.attrs[0]]
            flat = np.empty((count, len(own)), dtype=dtype)
            flat[:] = own
            arrays[n] = _shaped(lg, n, flat)
            continue
        args = [arrays[a] for a in node.args]
        vector = [bool(graph.nodes[a].type.shape) for a in node.args]
        arrays[n] = apply(node.op, node.attrs, args, vector)
    ends = []
    for s, i in lanes:
        result = np.asarray(arrays[graph.states[s].next]).astype(dtype)
        size = graph.states[s].type.size
        ends.append(np.broadcast_to(result.reshape(-1, size), (count, size))[:, i])
    return np.stack(ends, axis=1)


def _shaped(lg: Legaliser, n: int, flat: Any) -> Any:
    """An array of a node's elements in the node's own shape; booleans as such."""
    type = lg.graph.nodes[n].type
    if type.kind is Kind.BOOL:
        flat = flat.astype(bool)
    return flat if type.shape else flat[:, 0]
