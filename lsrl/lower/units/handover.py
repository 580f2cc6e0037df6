"""A kept integer in two units of an RNN with tanh, one of which is always shut.

Where c holds, x is taken, and else what there was, w, is kept:

    taken = tanh(eps x - 64 [not c]),   kept = tanh(eps w - 64 [c]),   eps w = taken + kept + 1

The open one is exactly eps times its value, the shut one is -1, and the next step reads their
sum. Before the first step both are 0, so that 1 stands there for an initial value. While nothing is
taken it shrinks, as w <- tanh(w), and never below 2^-LINEAR, where tanh is the identity: in units
of eps it stays above twice any value (`ROOM`). So it stands for an initial value beyond all others,
and for readers to whom beyond is far enough: logits, of which the last one is then the largest.
"""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING, Any

from ...encoding import one_hot_values, output_values
from ...ir.components import Component
from ...ir.types import Kind
from ..atoms import exact_in, tighten
from .cases import Cases, NoCases, cases_of
from .states import Lane, depends_on, ends_of, finish, initial, label_of, lanes_of, set_previous

if TYPE_CHECKING:
    from .legalise import UnitLegaliser

ROOM = 1  # binary digits between the largest value and where tanh is no longer the identity


def handover(lg: UnitLegaliser, component: Component) -> dict[int, list[Any]] | None:
    """An integer that is replaced or kept, and is read by logits only, among which its initial
    value is the first one or the last one."""
    lane = _lane(lg, component)
    if lane is None:
        return None
    g = lg.graph_of_units
    lo, hi, step = ends_of(lg, lane)
    sign = -1 if initial(lg, lane) == lo else 1  # of w: the start is above all of it
    middle = floor((lo + hi) / 2)
    most = max(hi - middle, middle - lo)
    shut = 2 ** (ROOM - lg.regime.exponent(most))  # what a shut unit stands for, 1 / eps
    ends = float(-shut), float(most)
    taken, kept = (g.reserve("low", ends, step, label_of(lg, lane)) for _ in range(2))
    sum_before = g.combine([(1, g.previous(taken)), (1, g.previous(kept))], shut)
    before = tighten(sum_before, -most, most, step)
    held = g.combine([(sign, before)], middle)
    set_previous(lg, component, {lane: tighten(held, lo, hi, step)})
    try:
        cases = cases_of(lg, set(component.nodes), lane)
    except NoCases:
        return None
    written = _written(cases)
    if written is None:
        return None
    x, c = g.combine([(sign, written.added)], -sign * middle), written.when.value
    own = {taken, kept}
    for a in (*x.terms, *c.terms):
        if g.atoms[a].of in own or depends_on(lg, a, own, set()):
            return None
    arguments = {
        taken: {"a": x, "closed": g.combine([(-1, c)], 1)},
        kept: {"a": before, "closed": c},
    }
    for a, args in arguments.items():
        switched = g.combine([(1, args["a"]), (-int(lg.regime.shut) * shut, args["closed"])])
        if not exact_in(switched, g.atoms, lg.regime.digits):
            return None
        g.define(a, args)
    g.unset[taken] = g.unset[kept] = True
    w = g.combine([(1, g.atom_form(taken)), (1, g.atom_form(kept))], shut)
    now = g.combine([(sign, w)], middle)
    return finish(lg, component, {lane: tighten(now, lo, hi, step)})


def _lane(lg: UnitLegaliser, component: Component) -> Lane | None:
    """The only lane of a group: an integer whose initial value is at an end of its logits, and
    that nothing reads but these and its own update."""
    lanes = lanes_of(lg, component)
    if len(lanes) != 1 or not lg.onehot or not lg.regime.is_exact:
        return None
    state = lg.graph.states[lanes[0][0]]
    inside, n = set(component.nodes), state.next
    read = {a for k, node in enumerate(lg.graph.nodes) if k not in inside for a in node.args}
    named = {k for _, k in lg.graph.names} & inside
    if state.type.kind is Kind.BOOL or state.type.shape or read & inside or named - {n}:
        return None
    if n not in {output.node for output in lg.graph.outputs}:
        return None
    lo, hi, step = ends_of(lg, lanes[0])
    values = output_values(lg.graph, lg.facts, n)
    is_logits = step == 1 and one_hot_values(state.type.kind, *values)
    return (
        lanes[0] if is_logits and initial(lg, lanes[0]) in (lo, hi) and values == (lo, hi) else None
    )


def _written(cases: Cases) -> Any:
    """The case that takes a new value where the other one keeps the old one."""
    written = [case for case in cases if not case.keeps]
    kept = [case for case in cases if case.stays]
    return written[0] if len(cases) == 2 and len(written) == len(kept) == 1 else None
