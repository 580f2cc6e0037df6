"""The layers: what each unit and each lane of state computes, and what it is for.

`x3` is column 3 of a layer's input (unit 3 of the layer before), `s2` lane 2 of its state, `s2'`
that lane one step ago, `a7` an atom of the stage `atoms`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..ir.view import quote
from ..lower.layers import Affine, Layer, Layered, StateLane, Unit
from ..targets.base import Compiled
from .words import affine, columns, exact, extent, form, form_data, place, place_data


def text(compiled: Compiled) -> str:
    """Layer by layer: its sizes, states, units, and the program's names that can be read there."""
    machine = compiled.machine
    lines: list[str] = []
    for k, layer in enumerate(machine.layers):
        sizes = f"{len(layer.inputs)} inputs, {len(layer.lanes)} states, {len(layer.units)} units"
        last = ", the read-out" if k + 1 == len(machine.layers) else ""
        lines.append(f"layer {k}: {sizes}, {layer.parameters} parameters{last}")
        inputs = [[f"x{i}", f"holds {form(f)}", _extent(f)] for i, f in enumerate(layer.inputs)]
        if k == 0:
            lines += _section("inputs", inputs)
        states = [_state(compiled, layer, i) for i in range(len(layer.lanes))]
        lines += _section("states", states)
        lines += _section("units", [_unit(u, i, last != "") for i, u in enumerate(layer.units)])
        names = [[name, f"= {_affine(a)}"] for name, a in _names(machine, k)]
        lines += _section("names", names)
    return "\n".join(lines) + "\n"


def _section(title: str, rows: list[list[str]]) -> list[str]:
    return [f"  {title}", *columns(rows, "    ")] if rows else []


def _extent(f: Any) -> str:
    return extent(f.lo, f.hi, f.step)


def _affine(a: Affine) -> str:
    return affine([(f"{kind}{i}", c) for (kind, i), c in sorted(a.row.items())], a.const)


def _state(compiled: Compiled, layer: Layer, i: int) -> list[str]:
    lane = layer.lanes[i]
    atom = compiled.atoms.atoms[lane.atom]
    size = extent(atom.lo, atom.hi, atom.step)
    return [f"s{i}", f"= {_update(lane)}", f"from {lane.init}", size, f"a{lane.atom}", atom.label]


def _update(lane: StateLane) -> str:
    previous = [(f"s{j}'", c) for j, c in sorted(lane.row.items())]
    added = [(f"{kind}{j}", c) for (kind, j), c in sorted(lane.added.row.items())]
    return affine([*previous, *added], lane.added.const)


def _unit(unit: Unit, i: int, last: bool) -> list[str]:
    value = _affine(unit.affine) if last else f"relu({_affine(unit.affine)})"
    if unit.factor is not None:
        value = f"({_affine(unit.affine)}) * ({_affine(unit.factor)})"
    notes = " saturating" if unit.saturating else ""
    return [f"y{i}", f"= {value}", _extent(unit.form) + notes, _purpose(unit), place(unit.span)]


def _purpose(unit: Unit) -> str:
    if unit.atom >= 0:
        return f"a{unit.atom} {unit.label}".rstrip()
    return f"carries {form(unit.form)}" if unit.label == "carry" else unit.label


def _names(machine: Layered, k: int) -> Iterator[tuple[str, Affine]]:
    """The program's names that are read in layer k, element by element."""
    for name, (layer, elements) in machine.symbols.items():
        for i, a in enumerate(elements):
            if (a.layer or layer) - 1 == k:
                yield (f"{name}[{i}]" if len(elements) > 1 else name), a


def data(compiled: Compiled) -> dict[str, Any]:
    """The same as plain data."""
    machine = compiled.machine
    return {
        "parameters": machine.parameters,
        "outputs": list(machine.outputs),
        "layers": [_layer(compiled, k) for k in range(len(machine.layers))],
    }


def _layer(compiled: Compiled, k: int) -> dict[str, Any]:
    layer = compiled.machine.layers[k]
    return {
        "inputs": [form_data(f) for f in layer.inputs],
        "states": [
            {
                "row": {f"s{j}": exact(c) for j, c in sorted(lane.row.items())},
                "added": _affine_data(lane.added),
                "init": exact(lane.init),
                "atom": f"a{lane.atom}",
                "label": compiled.atoms.atoms[lane.atom].label,
            }
            for lane in layer.lanes
        ],
        "units": [
            {
                "affine": _affine_data(u.affine),
                **({} if u.factor is None else {"factor": _affine_data(u.factor)}),
                "form": form_data(u.form),
                "for": _purpose(u),
                "saturating": u.saturating,
                **place_data(u.span),
            }
            for u in layer.units
        ],
        "names": {name: _affine_data(a) for name, a in _names(compiled.machine, k)},
    }


def _affine_data(a: Affine) -> dict[str, Any]:
    terms = {f"{kind}{i}": exact(c) for (kind, i), c in sorted(a.row.items())}
    return {"terms": terms, "const": exact(a.const)}


def dot(compiled: Compiled) -> str:
    """One cluster a layer, in Graphviz's language; dashed edges read the step before."""
    lines = ["digraph layers {", "  rankdir=LR;", '  node [fontname="monospace", shape=box];']
    for i, f in enumerate(compiled.machine.layers[0].inputs if compiled.machine.layers else ()):
        lines.append(f"  y0_{i} [label={quote(f'x{i} {form(f)}')}, shape=house];")
    for k, layer in enumerate(compiled.machine.layers):
        lines += [f"  subgraph cluster_{k} {{", f"    label={quote(f'layer {k}')};"]
        for i, lane in enumerate(layer.lanes):
            label = f"s{i} {compiled.atoms.atoms[lane.atom].label}"
            lines.append(f"    s{k + 1}_{i} [label={quote(label)}, shape=cds];")
        for i, unit in enumerate(layer.units):
            lines.append(f"    y{k + 1}_{i} [label={quote(_purpose(unit))}];")
        lines += ["  }", *_edges(layer, k)]
    return "\n".join([*lines, "}"]) + "\n"


def _edges(layer: Layer, k: int) -> Iterator[str]:
    def source(kind: str, i: int) -> str:
        return f"y{k}_{i}" if kind == "x" else f"s{k + 1}_{i}"

    for i, lane in enumerate(layer.lanes):
        yield from (f"  s{k + 1}_{j} -> s{k + 1}_{i} [style=dashed];" for j in sorted(lane.row))
        yield from (f"  {source(*s)} -> s{k + 1}_{i};" for s in sorted(lane.added.row))
    for i, unit in enumerate(layer.units):
        read = {*unit.affine.row, *(unit.factor.row if unit.factor is not None else ())}
        yield from (f"  {source(*s)} -> y{k + 1}_{i};" for s in sorted(read))
