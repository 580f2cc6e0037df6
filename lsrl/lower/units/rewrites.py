"""Rewrites of the finished unit graph: one rule each, its algebra beside it.

Each removes a unit or a layer, and so they come to an end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction

from ..atoms import Atom, AtomKind, Form
from ..coefficients import Coefficient, primitive
from .graph import UnitGraph
from .machine import Machine
from .schedule import Known, early_layers, live, reads


def rewrites(graph: UnitGraph, machine: Machine) -> Iterator[str]:
    """Apply the rules; stops where the graph is worth laying out."""
    if machine.has_steps:  # a difference may be negative, which a ReLU does not hold
        merge_sums(graph)
    show(graph)
    yield "merged"
    if inline(graph, machine):
        yield "inlined"


# sum(a) - sum(b) = sum(a - b), where nothing reads them otherwise


def merge_sums(graph: UnitGraph) -> None:
    """Running sums that are read in one combination only become one unit."""
    while _merge_once(graph):
        pass


def _merge_once(graph: UnitGraph) -> bool:
    units = live(graph)
    sums = {u: shape for u in units if (shape := _sum_shape(graph, u)) is not None}
    readings = list(_readings(graph, units, sums))
    for reading in readings:
        members = {a for a in reading if sums[a] == sums[min(reading)]}
        if len(members) < 2:
            continue
        restricted = [{a: c for a, c in r.items() if a in members} for r in readings]
        combinations = {primitive(r)[0] for r in restricted if r}
        if len(combinations) == 1:
            _merge(graph, units, dict(combinations.pop()))
            return True
    return False


def _sum_shape(graph: UnitGraph, u: int) -> object:
    """What two running sums must have in common; None for another unit."""
    atom = graph.atoms[u]
    args = dict(atom.args)
    (own,) = graph.previous(u).terms
    if atom.op == "pass" and args["a"].terms.get(own):
        return "pass", args["a"].terms[own]
    if atom.op == "cell" and set(args) == {"f", "g"} and args["f"].is_const:
        return "cell", args["f"].const > 0
    return None


def _readings(
    graph: UnitGraph, units: list[int], sums: Mapping[int, object]
) -> Iterator[dict[int, Coefficient]]:
    """The sums in each form, but for a sum's own previous value in itself. What is read one step
    back counts as well."""
    for u, form in _forms(graph, units):
        for kind in (AtomKind.UNIT, AtomKind.PREV):
            found = {}
            for a, c in form.terms.items():
                atom = graph.atoms[a]
                of = atom.of if kind is AtomKind.PREV else a
                if atom.kind is kind and of in sums and not (kind is AtomKind.PREV and of == u):
                    found[of] = c
            if found:
                yield found


def _forms(graph: UnitGraph, units: list[int]) -> Iterator[tuple[int, Form]]:
    """The arguments of units, with the unit, and the outputs."""
    for u in units:
        for _, form in graph.atoms[u].args:
            yield u, form
    for forms in graph.outputs.values():
        for form in forms:
            yield -1, form


def _merge(graph: UnitGraph, units: list[int], weights: dict[int, Coefficient]) -> None:
    parts = [(c, graph.atom_form(a)) for a, c in weights.items()]
    value = graph.recall(graph.combine(parts))
    first = min(weights)
    atom = graph.atoms[first]
    label = _label([(c, graph.atoms[a].label) for a, c in weights.items()])
    new = graph.reserve(atom.op, (value.lo, value.hi), value.step, label)
    role = "a" if atom.op == "pass" else "g"
    added, own = [], Fraction(0)
    for a, c in weights.items():
        (before,) = graph.previous(a).terms
        form = dict(graph.atoms[a].args)[role]
        own = Fraction(form.terms.get(before, 0))
        rest = {b: k for b, k in form.terms.items() if b != before}
        added.append((c, graph.form(rest, form.const)))
    if own:
        added.append((own, graph.previous(new)))
    args = dict(atom.args) | {role: graph.combine(added)}
    graph.define(new, args)
    values = _in_terms_of(graph, weights, new)
    for u in units:
        if u not in weights:
            graph.define(u, {r: graph.substitute(f, values) for r, f in graph.atoms[u].args})
    for name, forms in graph.outputs.items():
        graph.outputs[name] = [graph.substitute(f, values) for f in forms]


def _label(parts: list[tuple[Coefficient, str]]) -> str:
    """`ones - zeros`."""
    signed = [(c < 0, f"{abs(c)} {label}" if abs(c) != 1 else label) for c, label in parts]
    text = "".join(f" {'-' if negative else '+'} {words}" for negative, words in signed)
    return text.removeprefix(" + ").replace(" - ", "-", not text.startswith(" +"))


def _in_terms_of(graph: UnitGraph, weights: dict[int, Coefficient], new: int) -> dict[int, Form]:
    """Every reader has the same combination: its first unit stands for the new one, the others for
    nothing."""
    first = min(weights)
    share = Fraction(1, weights[first])
    values: dict[int, Form] = {}
    for a in weights:
        (before,) = graph.previous(a).terms
        factor = share if a == first else Fraction(0)
        values[a] = graph.combine([(factor, graph.atom_form(new))])
        values[before] = graph.combine([(factor, graph.previous(new))])
    return values


# [p] s, where s is a cell that nothing else reads: the output gate of s itself


def show(graph: UnitGraph) -> None:
    """A gate on a cell becomes the cell's own output gate: h = [p] tanh(c)."""
    for u in live(graph):
        atom = graph.atoms[u]
        args = dict(atom.args)
        if atom.op != "cell" or set(args) != {"g", "o"} or len(args["g"].terms) != 1:
            continue
        ((s, c),) = args["g"].terms.items()
        if args["g"].const != 0 or not _can_hide(graph, s, u):
            continue
        cell = graph.atoms[s]
        ends = min(cell.lo, 0.0), max(cell.hi, 0.0)
        graph.atoms[s] = Atom(
            cell.kind, *ends, cell.step, op="cell", args=cell.args, label=cell.label, span=cell.span
        )  # fmt: skip
        graph.define(s, {**dict(cell.args), "o": args["o"]})
        kept = {s: graph.cell(s)}  # names are read there from now on
        for name, forms in graph.names.items():
            graph.names[name] = [graph.substitute(f, kept) for f in forms]
        _replace(graph, u, graph.combine([(c, graph.atom_form(s))]))


def _can_hide(graph: UnitGraph, s: int, reader: int) -> bool:
    """Whether a unit is a cell that keeps its value, and nothing but `reader` reads it."""
    atom = graph.atoms[s]
    args = dict(atom.args)
    if atom.kind is not AtomKind.UNIT or atom.op != "cell" or "f" not in args or "o" in args:
        return False
    for u, form in _forms(graph, live(graph)):
        now, before = reads(graph, [form])
        if s in before or (s in now and u != reader):
            return False
    return s not in reads(graph, [dict(graph.atoms[reader].args)["o"]])[0]


def _replace(graph: UnitGraph, u: int, value: Form) -> None:
    values = {u: value}
    for r in live(graph):
        atom = graph.atoms[r]
        if any(u in form.terms for _, form in atom.args):
            graph.define(r, {role: graph.substitute(f, values) for role, f in atom.args})
    for name, forms in graph.outputs.items():
        graph.outputs[name] = [graph.substitute(f, values) for f in forms]
    for name, forms in graph.names.items():
        graph.names[name] = [graph.substitute(f, values) for f in forms]


# v = a: a reader of v may read a in its place, one layer lower


def inline(graph: UnitGraph, machine: Machine) -> bool:
    """Read what linear units hold instead of the units, where that saves the reader a layer."""
    changed, any_changed = True, False
    known: Known = {}
    while changed:
        changed = False
        at, groups = early_layers(graph, known)
        for group in groups:
            if _inline_into(graph, machine, group, at):
                changed = any_changed = True
                break
    return any_changed


def _inline_into(
    graph: UnitGraph, machine: Machine, group: list[int], at: Mapping[int, int]
) -> bool:
    layer = at[group[0]]
    if layer == 1:
        return False
    highest: set[int] = set()
    for u in group:
        now, before = reads(graph, (form for _, form in graph.atoms[u].args))
        if any(at[b] == layer for b in before - set(group)):
            return False
        highest |= {b for b in now if at[b] == layer - 1}
        shut = dict(graph.atoms[u].args).get("closed")
        if shut is not None and shut.terms.keys() & highest:
            return False  # a pair is shut by one unit, which is exactly 0 while it is open
    values: dict[int, Form] = {}
    for b in highest:
        held = _held(graph, b)
        if held is None:
            return False
        values[b] = held
    made = {
        u: {role: graph.substitute(f, values) for role, f in graph.atoms[u].args} for u in group
    }
    for u, args in made.items():
        restricted = machine.now_only(graph.atoms[u].op, args)
        if any(reads(graph, [args[role]])[1] for role in restricted):
            return False
    for u, args in made.items():
        graph.define(u, args)
    return True


def _held(graph: UnitGraph, b: int) -> Form | None:
    """The form that a linear unit holds; a pair of saturated units is to be read alone."""
    atom = graph.atoms[b]
    args = dict(atom.args)
    if b in graph.products or atom.approximation:
        return None
    if atom.op == "pass" and frozenset(args["a"].terms) not in graph.twins:
        return args["a"]
    if atom.op == "cell" and set(args) == {"f", "g"} and args["f"].is_const:
        return graph.combine([(1, graph.previous(b)), (1, args["g"])])
    return None
