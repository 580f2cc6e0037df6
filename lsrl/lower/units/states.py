"""Groups of states on a gated machine. A group closes within one layer: its units read each other's
previous values, and what comes from below."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ...analysis.kinds import StateKind, classify
from ...errors import Diagnostic
from ...ir.components import Component
from ...ir.types import Kind
from ..arithmetic import common_step
from ..atoms import Atom, AtomKind, Form, tighten
from ..coefficients import Coefficient
from ..unsupported import Unsupported

if TYPE_CHECKING:
    from ..legalise import Legaliser
    from .legalise import UnitLegaliser

Lane = tuple[int, int]  # a state and an element
Lanes = dict[Lane, Form]


def lower_group(lg: UnitLegaliser, component: Component) -> None:
    """The cheapest pattern that closes a group; its values become those of the nodes."""
    from .legalise import NoRealisation

    makes = [lambda p=p: p.build(lg, component) for p in lg.machine.of("group")]
    try:
        lanes: dict[int, list[Any]] = lg.cheapest(makes)
    except NoRealisation:
        raise _refusal(lg, component, None) from None
    except Unsupported as e:
        raise _refusal(lg, component, e.diagnostic) from None
    inside = set(component.nodes)
    ends = set(lanes)
    read = {a for n, node in enumerate(lg.graph.nodes) if n not in inside for a in node.args}
    read |= set(lg.graph.roots()) | {n for _, n in lg.graph.names}
    for n in component.nodes:
        if n in read and n not in ends and lg.graph.nodes[n].op != "prev":
            evaluate(lg, n, inside)
    for n, values in lanes.items():
        lg.values[n] = values


def _refusal(lg: UnitLegaliser, component: Component, why: Diagnostic | None) -> Unsupported:
    group = classify(lg.graph, lg.facts, component)
    state = lg.graph.states[group.states[0]]
    names = ", ".join(f"`{lg.graph.states[s].name}`" for s in group.states)
    many = len(group.states) > 1
    kind = "general" if group.kinds[0] is StateKind.GENERAL else group.kinds[0].value
    message = f"the {'states' if many else 'state'} {names} {'are' if many else 'is'} {kind}: "
    message += f"{group.kinds[0].reason}, and one layer of `{lg.machine.name}` cannot compute it"
    if why is not None and why.code == "E805":
        message += f" ({why.message})"
    help = f"{group.kinds[0].holders} can hold it where one layer computes the next value"
    return Unsupported(message, help, state.span, "E803")


# Evaluation within a group


def evaluate(lg: Legaliser, n: int, inside: set[int]) -> None:
    """Lower a node of a group, and those of the group that it needs."""
    stack = [n]
    while stack:
        k = stack[-1]
        if k in lg.values:
            stack.pop()
            continue
        missing = [a for a in lg.graph.nodes[k].args if a in inside and a not in lg.values]
        if missing:
            stack += missing
        else:
            lg.node(k)
            stack.pop()


def states_of(lg: Legaliser, component: Component) -> list[int]:
    """The states of a group, in order."""
    nodes = (lg.graph.nodes[n] for n in component.nodes)
    return list(dict.fromkeys(node.attrs[0] for node in nodes if node.op == "prev"))


def lanes_of(lg: Legaliser, component: Component) -> list[Lane]:
    """The elements of the states of a group, in order."""
    return [(s, i) for s in states_of(lg, component) for i in range(lg.graph.states[s].type.size)]


def initial(lg: Legaliser, lane: Lane) -> Coefficient:
    """A lane's value before the first step; units start from 0 and hold the difference."""
    from .legalise import exact

    return exact(lg.graph.states[lane[0]].init[lane[1]])


def ends_of(lg: Legaliser, lane: Lane) -> tuple[float, float, Fraction | None]:
    """Range and lattice of a lane's values after the start."""
    fact = lg.facts[lg.graph.states[lane[0]].next]
    lo, hi = float(fact.lo.reshape(-1)[lane[1]]), float(fact.hi.reshape(-1)[lane[1]])
    return lo, hi, fact.step


def label_of(lg: Legaliser, lane: Lane) -> str:
    """`s`, or `s[2]` of a vector."""
    state = lg.graph.states[lane[0]]
    return state.name if not state.type.shape else f"{state.name}[{lane[1]}]"


def set_previous(lg: UnitLegaliser, component: Component, previous: Lanes) -> None:
    """The values of the group's `prev` nodes."""
    for n in component.nodes:
        node = lg.graph.nodes[n]
        if node.op == "prev":
            s = node.attrs[0]
            lg.values[n] = [previous[s, i] for i in range(node.type.size)]


def finish(lg: Legaliser, component: Component, now: Lanes) -> dict[int, list[Any]]:
    """The values of the nodes that the states end in, from those of their lanes."""
    values: dict[int, list[Any]] = {}
    for s in states_of(lg, component):
        state = lg.graph.states[s]
        forms = [now[s, i] for i in range(state.type.size)]
        if state.type.kind is Kind.BOOL:
            values[state.next] = [lg.logic.from_value(f) for f in forms]
        else:
            values[state.next] = list(lg.narrow(state.next, forms))
    return values


# Closing in general


@dataclass(frozen=True)
class Register:
    """A lane to close: its range and lattice after the start, what it is before, its name."""

    lo: float
    hi: float
    step: Fraction | None
    init: Coefficient
    label: str


def register_of(lg: UnitLegaliser, lane: Lane) -> Register:
    """What is known of a lane, for `close_registers`."""
    return Register(*ends_of(lg, lane), initial(lg, lane), label_of(lg, lane))


Update = Callable[[list[Form]], list[Form]]


def close(lg: UnitLegaliser, component: Component) -> dict[int, list[Any]] | None:
    """Each lane's next value as the program's nodes compute it."""
    lanes = lanes_of(lg, component)

    def update(previous: list[Form]) -> list[Form]:
        set_previous(lg, component, dict(zip(lanes, previous, strict=True)))
        return _next_values(lg, component, lanes)

    return closed_by(lg, component, lanes, update)


def _next_values(lg: UnitLegaliser, component: Component, lanes: list[Lane]) -> list[Form]:
    inside = set(component.nodes)
    result = {}
    for s in states_of(lg, component):
        evaluate(lg, lg.graph.states[s].next, inside)
        for i, form in enumerate(lg.forms(lg.graph.states[s].next)):
            result[s, i] = form
    return [result[lane] for lane in lanes]


def closed_by(
    lg: UnitLegaliser, component: Component, lanes: list[Lane], update: Update
) -> dict[int, list[Any]]:
    """A group's values from an update of its lanes."""
    registers = [register_of(lg, lane) for lane in lanes]
    now, previous = close_registers(lg, registers, update)
    for n in component.nodes:
        lg.values.pop(n, None)
    set_previous(lg, component, dict(zip(lanes, previous, strict=True)))
    return finish(lg, component, dict(zip(lanes, now, strict=True)))


def close_registers(
    lg: UnitLegaliser, registers: list[Register], update: Update
) -> tuple[list[Form], list[Form]]:
    """The values of registers now and one step ago.

    The previous values stand open while the next ones are computed; what is not a unit yet gets
    one; then the previous values become those of the units.
    """
    g = lg.graph_of_units
    mark = g.mark()
    open_values = [_open(lg, register) for register in registers]
    following = update(open_values)
    atoms = {a for form in open_values for a in form.terms}
    touched, deep = _touched(lg, mark, atoms)
    pairs = [
        _closed(lg, register, form, touched, deep)
        for register, form in zip(registers, following, strict=True)
    ]
    values = {
        next(iter(form.terms)): before for form, (_, before) in zip(open_values, pairs, strict=True)
    }
    for a in list(g.made_since(mark)):
        g.rename(a, {role: g.substitute(form, values) for role, form in g.atoms[a].args})
    return [now for now, _ in pairs], [before for _, before in pairs]


def _open(lg: UnitLegaliser, register: Register) -> Form:
    """A previous value that is still to be found."""
    init = float(register.init)
    ends = min(register.lo, init), max(register.hi, init)
    step = common_step(register.step, register.init)
    atom = Atom(AtomKind.PREV, *ends, step, label=f"prev {register.label}")
    return lg.atoms.atom_form(lg.atoms.add(atom))


def _touched(lg: UnitLegaliser, mark: Any, open_atoms: set[int]) -> tuple[set[int], set[int]]:
    """New units that read open values, and those that read such units: these would take a second
    layer."""
    g = lg.graph_of_units
    touched: set[int] = set()
    deep: set[int] = set()
    for a in g.made_since(mark):
        read = {b for _, form in g.atoms[a].args for b in form.terms}
        if read & (touched | deep):
            deep.add(a)
        if read & open_atoms:
            touched.add(a)
    return touched, deep


def _closed(
    lg: UnitLegaliser, register: Register, following: Form, touched: set[int], deep: set[int]
) -> tuple[Form, Form]:
    """A register's value in units, and its previous value."""
    g = lg.graph_of_units
    if following.terms.keys() & deep:
        raise Unsupported("its next value takes more than one layer", "", None, "E805")
    lo, hi, step = register.lo, register.hi, register.step
    following = tighten(following, lo, hi, step)
    inside, rest = g.split(following, touched)
    lg.label = register.label
    held = lg.hold(rest if inside.terms else following, register.init)
    lg.label = ""
    value = g.note(tighten(g.combine([(1, inside), (1, held)]), lo, hi, step))
    return value, lg.before(value, value, register.init)


# Cells: states that keep or replace their value


def previous_of(lg: UnitLegaliser, unit: int, lane: Lane) -> Form:
    """What a reserved unit held one step ago, plus the lane's initial value."""
    lo, hi, step = ends_of(lg, lane)
    init = initial(lg, lane)
    g = lg.graph_of_units
    form = g.combine([(1, g.previous(unit))], init)
    return tighten(form, min(lo, float(init)), max(hi, float(init)), common_step(step, init))


def reserve(lg: UnitLegaliser, op: str, lane: Lane) -> int:
    """A unit that will hold a lane, less its initial value."""
    lo, hi, step = ends_of(lg, lane)
    init = initial(lg, lane)
    ends = min(lo - float(init), 0.0), max(hi - float(init), 0.0)
    return lg.graph_of_units.reserve(op, ends, common_step(step, init), label_of(lg, lane))


def unit_values(
    lg: UnitLegaliser, component: Component, units: Mapping[Lane, int]
) -> dict[int, list[Any]] | None:
    """The group's values where each lane is a unit; None if one reads another one of this step."""
    g = lg.graph_of_units
    own = set(units.values())
    for a in own:
        reads = [b for _, form in g.atoms[a].args for b in form.terms]
        if any(depends_on(lg, b, own, set()) for b in reads):
            return None
    now = {}
    for lane, a in units.items():
        lo, hi, step = ends_of(lg, lane)
        form = g.combine([(1, g.atom_form(a))], initial(lg, lane))
        now[lane] = tighten(form, lo, hi, step)
    return finish(lg, component, now)


def depends_on(lg: UnitLegaliser, a: int, own: set[int], seen: set[int]) -> bool:
    """Whether an atom of this step depends on a group's units, or on their previous values."""
    g = lg.graph_of_units
    atom = g.atoms[a]
    if atom.kind is not AtomKind.UNIT or a in seen:
        return False
    seen.add(a)
    if a in own:
        return True
    for _, form in atom.args:
        for b in form.terms:
            of = g.atoms[b].of
            if of in own or depends_on(lg, b, own, seen):
                return True
    return False
