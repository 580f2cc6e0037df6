"""Functions of a clock as read-outs.

A clock is a set of lanes of which one is 1 and the others 0: any function of its value is an affine
form of its lanes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from ..analysis.lattice import ONE, gcd
from .atoms import AtomGraph, Form, Terms, constant, tighten
from .coefficients import Coefficient


def on_clock(graph: AtomGraph, form: Form, f: Callable[[Coefficient], Coefficient]) -> Form | None:
    """f(form) as a read-out, if the form reads a single clock; else None.

    `AtomGraph.positions` has for an atom the lanes of its clock (or another set of atoms of which
    one is 1 and the others 0), and whether all of them can be 0.
    """
    found = _clock_of(graph, form)
    if found is None:
        return None
    lanes, silent, place = found
    values = {a: f(form.const + c) for a, c in form.terms.items()}
    is_whole = not silent and len(values) == len(lanes)  # it has the lane that is 1
    rest = next(iter(values.values())) if is_whole else f(form.const)
    counts = Counter(values.values())
    counts[rest] += len(lanes) - len(values)
    taken = {v for v, count in counts.items() if count or (silent and v == rest)}
    base = rest
    if not silent:
        most = max(counts.values())
        often = [v for v, count in counts.items() if count == most]
        met = often if len(often) == 1 else {values.get(a, rest) for a in lanes}
        base = max(met, key=counts.__getitem__)
    if base != rest:
        values = {a: values.get(a, rest) for a in lanes}
    terms = {a: values[a] - base for a in sorted(values, key=place.__getitem__)}
    result = graph.form(terms, base)
    return tighten(result, float(min(taken)), float(max(taken)), gcd(taken))


def equals_on_clock(graph: AtomGraph, form: Form, value: Coefficient) -> Form | None:
    """[form == value] as a read-out, if the form reads a single clock; else None. The values of
    a form are looked up once, however many it is compared with."""
    if value == form.const:
        return on_clock(graph, form, lambda v: int(v == value))
    if id(form) not in graph.lanes_by_value:
        if _clock_of(graph, form) is None:
            return None
        found: dict[Coefficient, Terms] = {}
        for a, c in form.terms.items():
            found.setdefault(form.const + c, {})[a] = 1
        graph.lanes_by_value[id(form)] = form, found
    lanes = graph.lanes_by_value[id(form)][1].get(value, {})
    return on_clock(graph, Form(lanes, 0, 0.0, 1.0, ONE), int) if lanes else constant(0)


def _clock_of(graph: AtomGraph, form: Form) -> tuple[tuple[int, ...], bool, dict[int, int]] | None:
    """The lanes of the clock that a form reads, whether all of them can be 0, and the place of
    each among them."""
    found = graph.position(next(iter(form.terms))) if form.terms else None
    if found is None:
        return None
    lanes, silent = found
    if id(lanes) not in graph.lane_places:
        graph.lane_places[id(lanes)] = lanes, {a: i for i, a in enumerate(lanes)}
    place = graph.lane_places[id(lanes)][1]
    return (lanes, silent, place) if form.terms.keys() <= place.keys() else None
