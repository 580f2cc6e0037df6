"""The atom graph: one line an atom, then the groups of states, the outputs and the names."""

from __future__ import annotations

from typing import Any

from ..ir.view import quote
from ..lower.atoms import Atom, AtomGraph, AtomKind, Form, Group
from ..lower.homes import live_atoms
from ..lower.residual.graph import FACTOR, STATES, VALUE, ResidualGraph
from ..lower.schedule import live
from ..lower.units.graph import UnitGraph
from ..lower.units.schedule import live as live_units
from .words import (
    affine,
    applied,
    channel,
    columns,
    exact,
    extent,
    form,
    form_data,
    in_order,
    number,
    operand,
    place,
    place_data,
)


def text(graph: AtomGraph) -> str:
    """Atoms are `a0`, `a1`, ...; `a1'` is the value of a state or of a unit one step ago."""
    used = _used(graph)
    shown = [a for a, atom in enumerate(graph.atoms) if atom.kind is not AtomKind.PREV]
    rows = [_row(graph, a, a in used) for a in shown]
    lines = ["atoms", *columns(rows)] if rows else []
    for g, group in enumerate(graph.groups):
        where = f"  {place(group.span)}" if group.span else ""
        lines += [f"group {g}: {group.name}{where}", *columns(_lanes(group))]
    lines.append("outputs")
    lines += columns(_values(graph, graph.outputs))
    names = _values(graph, graph.names)
    return "\n".join([*lines, *(["names", *columns(names)] if names else [])]) + "\n"


def _form(graph: AtomGraph, f: Form) -> str:
    """A form in which `a7'` is what a7 was one step ago."""

    def name(a: int) -> str:
        of = graph.atoms[a].of
        return f"a{of}'" if of >= 0 else f"a{a}"

    return form(f, name)


def _values(graph: AtomGraph, named: dict[str, list[Form]]) -> list[list[str]]:
    return [
        [_numbered(name, forms, i), f"= {_form(graph, f)}"]
        for name, forms in named.items()
        for i, f in enumerate(forms)
    ]


def _used(graph: AtomGraph) -> set[int]:
    """Atoms that the outputs need; columns of the input are always there."""
    inputs = {a for a, atom in enumerate(graph.atoms) if atom.kind is AtomKind.INPUT}
    if isinstance(graph, UnitGraph):
        units = live_units(graph)
        return inputs | set(units) | {b for a in units for b in _read(graph.atoms[a])}
    if isinstance(graph, ResidualGraph):
        return live_atoms(graph)
    relus, lanes = live(graph)
    states = {graph.groups[g].lanes[i].atom for g, kept in lanes.items() for i in kept}
    return relus | states | inputs


def _read(atom: Atom) -> list[int]:
    """The atoms that a unit, a ReLU or a product reads."""
    forms = [*atom.operands, *(f for _, f in atom.args)]
    return sorted({b for f in forms for b in f.terms})


def _row(graph: AtomGraph, a: int, used: bool) -> list[str]:
    atom = graph.atoms[a]
    notes = [w for w in ("saturating", "fuzzy") if getattr(atom, w)] + ["unused"] * (not used)
    meaning = _meaning(graph, atom) or atom.kind.value
    if atom.kind is AtomKind.STATE:
        meaning = f"lane {atom.lane} of group {atom.group}"
    if atom.approximation:
        notes.insert(0, f"approximate, {number(atom.approximation)}")
    size = extent(atom.lo, atom.hi, atom.step)
    return [f"a{a}", meaning, size, " ".join(notes), atom.label, place(atom.span)]


def _lanes(group: Group) -> list[list[str]]:
    return [
        [f"a{lane.atom}", f"= {_update(group, i)}", f"from {lane.init}"]
        for i, lane in enumerate(group.lanes)
    ]


def _update(group: Group, i: int) -> str:
    lane = group.lanes[i]
    previous = [(f"a{group.lanes[j].atom}'", c) for j, c in sorted(lane.row.items())]
    added = [(f"a{a}", c) for a, c in sorted(lane.added.terms.items())]
    return affine([*previous, *added], lane.added.const)


def _numbered(name: str, forms: list[Form], i: int) -> str:
    return f"{name}[{i}]" if len(forms) > 1 else name


def data(graph: AtomGraph) -> dict[str, Any]:
    """The same as plain data; `added` and `form` are over atoms, `row` over lanes of the group."""
    used = _used(graph)
    return {
        "atoms": [_atom(a, atom, a in used) for a, atom in enumerate(graph.atoms)],
        "groups": [
            {
                "name": group.name,
                "lanes": [
                    {
                        "atom": f"a{lane.atom}",
                        "row": {str(j): exact(c) for j, c in sorted(lane.row.items())},
                        "added": form_data(lane.added),
                        "init": exact(lane.init),
                    }
                    for lane in group.lanes
                ],
                **place_data(group.span),
            }
            for group in graph.groups
        ],
        "outputs": {n: [form_data(f) for f in forms] for n, forms in graph.outputs.items()},
        "names": {n: [form_data(f) for f in forms] for n, forms in graph.names.items()},
    }


def _atom(a: int, atom: Atom, used: bool) -> dict[str, Any]:
    record: dict[str, Any] = {"id": f"a{a}", "kind": atom.kind.value, "lo": atom.lo, "hi": atom.hi}
    record["step"] = None if atom.step is None else exact(atom.step)
    if atom.form is not None:
        record["form"] = form_data(atom.form)
    if atom.factor is not None:
        record["factor"] = form_data(atom.factor)
    if atom.kind is AtomKind.UNIT:
        args = dict(atom.args)
        record |= {"op": atom.op, "args": {role: form_data(args[role]) for role in in_order(args)}}
    if atom.lag:
        record["lag"] = atom.lag
    if atom.rate != 1:
        record["rate"] = exact(atom.rate)
    if atom.of >= 0:
        record["of"] = f"a{atom.of}"
    if atom.approximation:
        record["approximation"] = atom.approximation
    if atom.kind is AtomKind.STATE:
        record |= {"group": atom.group, "lane": atom.lane}
    record |= {"label": atom.label, "saturating": atom.saturating, "fuzzy": atom.fuzzy}
    return record | {"used": used} | place_data(atom.span)


def dot(graph: AtomGraph) -> str:
    """What the outputs need, in Graphviz's language; dashed edges read the step before."""
    used = _used(graph)
    lines = ["digraph atoms {", "  rankdir=LR;", '  node [fontname="monospace", shape=box];']
    for a in sorted(used):
        atom = graph.atoms[a]
        if atom.kind is AtomKind.PREV:
            continue
        shape = {AtomKind.INPUT: "house", AtomKind.STATE: "cds"}.get(atom.kind, "box")
        label = "\n".join(filter(None, [f"a{a} {atom.label}".strip(), _meaning(graph, atom)]))
        lines.append(f"  a{a} [label={quote(label)}, shape={shape}];")
        for b in _read(atom):
            of = graph.atoms[b].of
            dashed = of >= 0 or atom.lag > 0
            lines.append(f"  a{of if of >= 0 else b} -> a{a}{' [style=dashed]' * dashed};")
        if isinstance(graph, ResidualGraph) and atom.op in STATES:
            lines.append(f"  a{a} -> a{a} [style=dashed];")
    for group in graph.groups:
        for lane in group.lanes:
            if lane.atom in used:
                sources = [group.lanes[j].atom for j in sorted(lane.row)]
                lines += [f"  a{b} -> a{lane.atom} [style=dashed];" for b in sources]
                lines += [f"  a{b} -> a{lane.atom};" for b in sorted(lane.added.terms)]
    k = 0
    for name, forms in graph.outputs.items():
        for i, f in enumerate(forms):
            label = quote(f"output {_numbered(name, forms, i)}")
            lines.append(f"  o{k} [label={label}, shape=invhouse];")
            lines += [f"  a{b} -> o{k};" for b in sorted(f.terms)]
            k += 1
    return "\n".join([*lines, "}"]) + "\n"


def _meaning(graph: AtomGraph, atom: Atom) -> str:
    if isinstance(graph, ResidualGraph) and atom.kind is AtomKind.UNIT:
        return _channel(graph, atom)
    if atom.kind is AtomKind.UNIT:
        args = {role: _form(graph, f) for role, f in atom.args}
        return applied(atom.op, args, {role: f.const for role, f in atom.args if f.is_const})
    if atom.factor is not None:
        return " * ".join(f"({form(f)})" for f in atom.operands)
    return f"relu({form(atom.form)})" if atom.form is not None else ""


def _channel(graph: ResidualGraph, atom: Atom) -> str:
    """An atom of a residual machine."""
    args = {role: _form(graph, f) for role, f in atom.args}
    product = FACTOR in args
    for role, f in atom.args:
        rectified = {VALUE: graph.takes_relu(atom.op), FACTOR: graph.machine.rectifies}
        args[role] = operand(args[role], rectified.get(role, False), f.lo, product)
    return channel(atom.op, args, atom.lag, atom.rate, graph.machine.margins)
