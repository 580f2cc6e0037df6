"""States as lanes of a linear recurrence s_t = A s_{t-1} + B x_t + b.

A group whose next value is a constant matrix times the previous one plus anything free of it
becomes lanes as it is. Three more shapes are rewritten to accumulators, exact up to the length:
`ever` (`s or c`: has the sum become positive), `always` (`s and c`), and sums modulo m (parity
among them).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ..analysis.kinds import Group as StateGroup
from ..analysis.kinds import StateKind, classify
from ..analysis.linear import linear_ranges
from ..ir.components import Component
from ..ir.nodes import Node
from ..ir.types import Kind
from . import arithmetic
from .atoms import Atom, AtomKind, Form, Group, Lane, constant
from .coefficients import Coefficient
from .unsupported import Unsupported

if TYPE_CHECKING:
    from .legalise import Legaliser
    from .logic import Value


def lower_delay(lg: Legaliser, n: int) -> None:
    """`prev` outside of any cycle: the value one step ago."""
    clock = lg.clocks.forms(n)
    if clock is not None:
        lg.values[n] = list(clock)
        return
    node = lg.graph.nodes[n]
    state = lg.graph.states[node.attrs[0]]
    inits = [_exact(v) for v in state.init]
    forms = [
        delayed(lg, form, init, state.name)
        for form, init in zip(lg.forms(state.next), inits, strict=True)
    ]
    lg.values[n] = list(lg.narrow(n, forms))


def _exact(value: Any) -> Coefficient:
    if value.__class__ is int:
        return value
    return Fraction(value) if isinstance(value, (float, Fraction)) else int(value)


def delayed(lg: Legaliser, form: Form, init: Coefficient, name: str) -> Form:
    """A form's value one step ago: a lane that reads another lane's previous value."""
    g = lg.atoms
    if form.is_const and form.const == init:
        return form
    key = (*form.key, "delayed", init)
    if key in lg.delays:
        for a in lg.delays[key].terms:
            g.share(a)
        return lg.delays[key]
    number, lane = _lane_of(lg, form, init, name)
    group = g.groups[number]
    group.lanes.append(Lane({lane: 1}, constant(0), init))
    lo, hi = min(form.lo, float(init)), max(form.hi, float(init))
    step = arithmetic.common_step(form.step, init)
    result = _state_atom(lg, number, len(group.lanes) - 1, (lo, hi), step, f"prev {name}")
    lg.delays[key] = result
    return result


def _lane_of(lg: Legaliser, form: Form, init: Coefficient, name: str) -> tuple[int, int]:
    """A lane that holds the form now and held `init` before the first step: its group, its place
    there."""
    g = lg.atoms
    if len(form.terms) == 1 and form.const == 0:
        ((a, c),) = form.terms.items()
        atom = g.atoms[a]
        is_lane = c == 1 and atom.kind is AtomKind.STATE
        if is_lane and g.groups[atom.group].lanes[atom.lane].init == init:
            return atom.group, atom.lane
    memory = lg.delays.get((*form.key, "memory", init))
    if memory is None:
        number = len(g.groups)
        g.groups.append(Group([Lane({}, form, init)], name))
        memory = _state_atom(lg, number, 0, (form.lo, form.hi), form.step, name)
        lg.delays[(*form.key, "memory", init)] = memory
    ((a, _),) = memory.terms.items()
    return g.atoms[a].group, g.atoms[a].lane


def _state_atom(
    lg: Legaliser,
    group: int,
    lane: int,
    ends: tuple[float, float],
    step: Fraction | None,
    label: str,
) -> Form:
    g = lg.atoms
    span = g.groups[group].span
    atom = Atom(AtomKind.STATE, *ends, step, group=group, lane=lane, label=label, span=span)
    index = g.add(atom)
    g.groups[group].lanes[lane].atom = index
    return g.atom_form(index)


# Groups


def lower_group(lg: Legaliser, component: Component) -> None:
    """A group of states that need their own previous values."""
    if all(lg.clocks.drives(n) for n in component.nodes):
        for n in component.nodes:
            lg.values[n] = list(lg.clocks.forms(n) or [])
        return
    group = classify(lg.graph, lg.facts, component)
    lg.atoms.maker = lg.graph.states[group.states[0]].next
    if group.is_linear:
        _lower_linear(lg, component, group)
        return
    if len(group.states) == 1 and lower_rewritten(lg, component, group.states[0]):
        return
    if lg.clocks.unroll(component.nodes):
        for n in component.nodes:
            lg.values[n] = list(lg.clocks.forms(n) or [])
        return
    _refuse(lg, group)


def _refuse(lg: Legaliser, group: StateGroup) -> None:
    state = lg.graph.states[group.states[0]]
    names = ", ".join(f"`{lg.graph.states[s].name}`" for s in group.states)
    kind = group.kinds[0]
    word = "state" if len(group.states) == 1 else "states"
    message = f"the {word} {names} {'is' if len(group.states) == 1 else 'are'} {kind.value}: "
    message += f"{kind.reason}, and a constant transition matrix cannot do that"
    help = f"{kind.holders} can hold it (`lsrl targets FILE` says which)"
    if kind is StateKind.GATED:
        help += "; here `store` holds what is written once, and `ever` a flag"
    raise Unsupported(message, help, state.span, "E803")


def _lower_linear(lg: Legaliser, component: Component, group: StateGroup) -> None:
    """Lanes with the rows that the analysis found; what is added is lowered from zero."""
    g = lg.atoms
    lanes = [(s, i) for s in group.states for i in range(lg.graph.states[s].type.size)]
    index = {lane: k for k, lane in enumerate(lanes)}
    rows = [dict(row or {}) for row in group.rows]
    rest = added_from_zero(lg, component, group)
    ranges = linear_ranges(
        lanes, rows, [(float(lg.graph.states[s].init[i]),) * 2 for s, i in lanes],
        [(f.lo, f.hi) for f in rest], lg.graph.length,
    )  # fmt: skip
    number = len(g.groups)
    first = lg.graph.states[group.states[0]]
    made = Group([], ", ".join(lg.graph.states[s].name for s in group.states), first.span)
    g.groups.append(made)
    for k, (s, i) in enumerate(lanes):
        row = {index[lane]: _exact(c) for lane, c in rows[k].items()}
        made.lanes.append(Lane(row, rest[k], _exact(lg.graph.states[s].init[i])))
    for s in group.states:
        state = lg.graph.states[s]
        fact = lg.facts[state.next]
        lg.atoms.maker = state.next
        forms = []
        for i in range(state.type.size):
            k = index[s, i]
            lo, hi = max(ranges[k][0], fact.ends[i][0]), min(ranges[k][1], fact.ends[i][1])
            label = state.name if state.type.size == 1 else f"{state.name}[{i}]"
            forms.append(_state_atom(lg, number, k, (lo, max(lo, hi)), fact.step, label))
        lg.values[state.next] = list(forms)
    rest_of_group(lg, component, group)


def added_from_zero(lg: Legaliser, component: Component, group: StateGroup) -> list[Form]:
    """Each lane's next value with the group's previous values at zero."""
    with _from_zero(lg, component.nodes):
        return [f for s in group.states for f in lg.forms(lg.graph.states[s].next)]


@contextmanager
def _from_zero(lg: Legaliser, nodes: Sequence[int]) -> Iterator[None]:
    """Nodes of a group as they are where its previous values are 0."""
    outside = {n: lg.values[n] for n in nodes if n in lg.values}
    lg.folding = False
    try:
        for n in nodes:
            node = lg.graph.nodes[n]
            if node.op == "prev":
                lg.values[n] = [constant(0)] * node.type.size
            elif node.op == "not":
                lg.values[n] = _negated(lg, node)
            else:
                lg.values[n] = lg.compute(n, node)
        yield
    finally:
        for n in nodes:
            if n in outside:
                lg.values[n] = outside[n]
            else:
                lg.values.pop(n, None)
        lg.folding = True


def _negated(lg: Legaliser, node: Node) -> list[Value]:
    """`not s` is the linear 1 - s."""
    return [lg.atoms.combine([(-1, f)], 1) for f in lg.forms(node.args[0])]


def rest_of_group(lg: Legaliser, component: Component, group: StateGroup) -> None:
    """The other nodes of the group, for whoever reads them: `prev` as delay lanes."""
    ends = {lg.graph.states[s].next for s in group.states}
    inside = set(component.nodes)
    used = {n for n in inside if n in lg.asked or not inside.issuperset(lg.readers.get(n, ()))}
    needed: set[int] = set()
    for n in reversed(component.nodes):
        if n not in ends and (n in used or n in needed):
            needed.add(n)
            needed.update(a for a in lg.graph.nodes[n].args if a in inside)
    for n in component.nodes:
        if n in ends or n not in needed:
            continue
        if lg.graph.nodes[n].op == "prev":
            lg.delay(n)
        else:
            lg.node(n)


# Rewritten shapes

Shape = Callable[["Legaliser", Node, int, set[int]], "list[Value] | None"]


def lower_rewritten(lg: Legaliser, component: Component, s: int) -> bool:
    """`s or c`, `s and c`, `s != c`, `(s + x) mod m`, element by element. False if it is none."""
    state = lg.graph.states[s]
    n = state.next
    while lg.graph.nodes[n].op in ("bound", "promise", "number"):
        n = lg.graph.nodes[n].args[0]
    node = lg.graph.nodes[n]
    inside = set(component.nodes)
    make = _SHAPES.get(node.op)
    values = make(lg, node, s, inside) if make is not None else None
    if values is None:
        return False
    lg.values[state.next] = list(values)
    group = StateGroup((s,), (), (), True)
    rest_of_group(lg, component, group)
    return True


def _is_prev(lg: Legaliser, n: int, s: int) -> bool:
    node = lg.graph.nodes[n]
    while node.op in ("bound", "promise", "number"):
        node = lg.graph.nodes[node.args[0]]
    return node.op == "prev" and node.attrs[0] == s


def _others(lg: Legaliser, node: Node, s: int, inside: set[int]) -> list[int] | None:
    """The operands besides the state itself, if none of them needs it."""
    rest = [a for a in node.args if not _is_prev(lg, a, s)]
    if len(rest) != len(node.args) - 1 or any(a in inside for a in rest):
        return None
    return rest


def accumulated(lg: Legaliser, added: Form, init: Coefficient, name: str, s: int) -> Form:
    """init plus the running sum of a form."""
    key = (*added.key, "sum", init)
    if key not in lg.delays:
        state = lg.graph.states[s]
        number = len(lg.atoms.groups)
        lg.atoms.groups.append(Group([Lane({0: 1}, added, init)], name, state.span))
        length = lg.graph.length
        lo = float(init) + min(added.lo, length * added.lo)
        hi = float(init) + max(added.hi, length * added.hi)
        step = arithmetic.common_step(added.step, init)
        lg.delays[key] = _state_atom(lg, number, 0, (lo, hi), step, f"sum for {name}")
    return lg.delays[key]


def _gathered(always: bool) -> Shape:
    """`s or c` is whether the sum of c (or of its start) has become positive; `s and c` is that of
    `not s or not c`, negated."""

    def make(lg: Legaliser, node: Node, s: int, inside: set[int]) -> list[Value] | None:
        rest = _others(lg, node, s, inside)
        if rest is None:
            return None
        state = lg.graph.states[s]
        columns = zip(*(lg.bools(a) for a in rest), strict=True)
        result: list[Value] = []
        for init, parts in zip(state.init, columns, strict=True):
            logic = lg.logic
            event = logic.conjunction(parts).negated() if always else logic.disjunction(parts)
            total = lg.accumulated(event.value, int(bool(init) != always), state.name, s)
            reached = lg.logic.at_least(total, 1)
            result.append(reached.negated() if always else reached)
        return result

    return make


def _parity(negate: bool) -> Shape:
    def make(lg: Legaliser, node: Node, s: int, inside: set[int]) -> list[Value] | None:
        rest = _others(lg, node, s, inside)
        kinds = {lg.graph.nodes[a].type.kind for a in node.args}
        if rest is None or kinds != {Kind.BOOL}:
            return None
        state = lg.graph.states[s]
        result: list[Value] = []
        for init, c in zip(state.init, lg.bools(rest[0]), strict=True):
            flips = (c.negated() if negate else c).value
            total = lg.accumulated(flips, int(init), state.name, s)
            odd = arithmetic.modulo(lg, total, 2)
            result.append(lg.logic.from_value(odd))
        return result

    return make


def _modular(lg: Legaliser, node: Node, s: int, inside: set[int]) -> list[Value] | None:
    """(s + x) mod m is the sum of all x modulo m."""
    group = _addend(lg, node.args[0], s, inside)
    if group is None:
        return None
    state = lg.graph.states[s]
    m = node.attrs[0]
    result: list[Value] = []
    for init, added in zip(state.init, group, strict=True):
        small = arithmetic.modulo(lg, added, m) if added.hi - added.lo >= 4 * m else added
        total = lg.accumulated(small, int(init) % m, state.name, s)
        result.append(arithmetic.modulo(lg, total, m))
    return result


def _addend(lg: Legaliser, n: int, s: int, inside: set[int]) -> list[Form] | None:
    """What is added to the state in `n`, if that is the state itself (factor 1) plus something."""
    from ..analysis.dependence import dependence

    size = lg.graph.states[s].type.size
    if n not in inside:
        return None
    chain = [k for k in sorted(inside) if k <= n]
    rows = dependence(lg.graph, chain, lg.facts)
    if rows[n] != [{(s, i): 1} for i in range(size)]:
        return None
    with _from_zero(lg, chain):
        return lg.forms(n)


_SHAPES: dict[str, Shape] = {
    "or": _gathered(always=False),
    "and": _gathered(always=True),
    "ne": _parity(negate=False),
    "eq": _parity(negate=True),
    "mod": _modular,
}
