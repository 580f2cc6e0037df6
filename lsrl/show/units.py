"""The layers of a gated machine: what each unit computes, at which scale, and what it is for.

`u3` is the value of unit 3 of a layer, `u3'` one step ago; the module's own number is h = s u,
s the unit's scale. `x3` is column 3 of a layer's input (`u3` of the layer below), `a7` an atom of
the stage `atoms`. Operations are those of `lsrl/lower/units/ops.py`; a gate is read as a condition:
it is open where its argument is at least 1/2, shut where that is at most -1/2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from ..ir.view import quote
from ..lower.layers import Affine, Source
from ..lower.units.layout import LayerUnit, UnitMachine
from ..targets.base import Compiled
from .words import (
    affine,
    applied,
    columns,
    exact,
    extent,
    form,
    form_data,
    in_order,
    number,
    place,
    place_data,
)

Namer = Callable[[Source], str]


def text(compiled: Compiled) -> str:
    """The sizes of the module, then layer by layer its units, and the names that are read there."""
    machine: UnitMachine = compiled.machine
    lines = [_sizes(compiled)]
    for k, layer in enumerate(machine.layers):
        lines.append(f"layer {k}: {len(layer.inputs)} inputs, {len(layer.units)} units")
        if k == 0:
            inputs = [[f"x{i}", f"holds {_held(compiled, f)}", extent(f.lo, f.hi, f.step)]
                      for i, f in enumerate(layer.inputs)]  # fmt: skip
            lines += _section("inputs", inputs)
        units = [_unit(compiled, k, i, unit) for i, unit in enumerate(layer.units)]
        lines += _section("units", units)
        lines += _section("names", [[name, f"= {_affine(a)}"] for name, a in _names(machine, k)])
    lines.append("head")
    lines += columns([[name, f"= {_affine(a, _of_head)}"] for name, a in _columns(machine)])
    return "\n".join(lines) + "\n"


def _sizes(compiled: Compiled) -> str:
    shape, total = compiled.shape, sum(w.size for w in compiled.weights.values())
    named = [f"{k} {shape[k]}" for k in ("num_layers", "hidden_size")]
    return ", ".join([*named, f"{total:,} parameters"])


def _section(title: str, rows: list[list[str]]) -> list[str]:
    return [f"  {title}", *columns(rows, "    ")] if rows else []


def _source(source: Source) -> str:
    """`x0` the input, `u0` a unit; `u0'` in arguments ("h") and names ("p") one step ago."""
    kind, j = source
    return {"x": f"x{j}", "h": f"u{j}'"}[kind]


def _of_name(source: Source) -> str:
    kind, j = source
    return {"x": f"x{j}", "h": f"u{j}", "p": f"u{j}'"}[kind]


def _of_head(source: Source) -> str:
    return f"u{source[1]}"


def _affine(a: Affine, namer: Namer = _of_name) -> str:
    return affine([(namer(s), c) for s, c in sorted(a.row.items())], a.const)


def _unit(compiled: Compiled, k: int, i: int, unit: LayerUnit) -> list[str]:
    args = {role: _affine(a, _source) for role, a in unit.args.items()}
    constants = {role: a.const for role, a in unit.args.items() if not a.row}
    size = extent(unit.form.lo, unit.form.hi, unit.form.step)
    scale = power(compiled.machine.scales[k][i])
    value = applied(unit.op, args, constants)
    return [f"u{i}", f"= {value}", f"holds {size}", f"at scale {scale}",
            _purpose(compiled, unit), place(unit.span)]  # fmt: skip


def power(scale: float) -> str:
    """`2^-16`; 1 as it is."""
    mantissa, e = math.frexp(scale)
    if mantissa != 0.5 or scale == 1:
        return number(scale)
    return f"2^{e - 1}"


def _held(compiled: Compiled, f: Any) -> str:
    """Which atoms a number holds, with the input's label: it says which value a column is of."""
    atoms = [compiled.atoms.atoms[a].label for a in f.terms]
    return " ".join([form(f), *atoms[:1]])


def _purpose(compiled: Compiled, unit: LayerUnit) -> str:
    if unit.atom >= 0:
        return f"a{unit.atom} {unit.label}".rstrip()
    return f"carries {form(unit.form)}"


def _columns(machine: UnitMachine) -> Iterator[tuple[str, Affine]]:
    """The columns of the output, counted where a name has several."""
    for i, name in enumerate(machine.outputs):
        several = machine.outputs.count(name) > 1
        number = f"[{machine.outputs[:i].count(name)}]" if several else ""
        yield f"{name}{number}", machine.head[i]


def _names(machine: UnitMachine, k: int) -> Iterator[tuple[str, Affine]]:
    """The program's names that are read in layer k, element by element."""
    for name, elements in machine.found.items():
        for i, a in enumerate(elements):
            if a.layer - 1 == k:
                yield (f"{name}[{i}]" if len(elements) > 1 else name), a


def data(compiled: Compiled) -> dict[str, Any]:
    """The same as plain data."""
    machine: UnitMachine = compiled.machine
    return {
        **compiled.shape,
        "parameters": sum(w.size for w in compiled.weights.values()),
        "outputs": list(machine.outputs),
        "layers": [_layer(compiled, k) for k in range(len(machine.layers))],
        "head": [
            {"output": name, **_affine_data(a, _of_head)}
            for name, a in zip(machine.outputs, machine.head, strict=True)
        ],
    }


def _layer(compiled: Compiled, k: int) -> dict[str, Any]:
    layer = compiled.machine.layers[k]
    return {
        "inputs": [form_data(f) for f in layer.inputs],
        "units": [
            {
                "op": unit.op,
                "args": {r: _affine_data(unit.args[r], _source) for r in in_order(unit.args)},
                "form": form_data(unit.form),
                "lo": unit.form.lo,
                "hi": unit.form.hi,
                "step": None if unit.form.step is None else exact(unit.form.step),
                "scale": compiled.machine.scales[k][i],
                "for": _purpose(compiled, unit),
                **place_data(unit.span),
            }
            for i, unit in enumerate(layer.units)
        ],
        "names": {name: _affine_data(a, _of_name) for name, a in _names(compiled.machine, k)},
    }


def _affine_data(a: Affine, namer: Namer) -> dict[str, Any]:
    terms = {namer(s): exact(c) for s, c in sorted(a.row.items())}
    return {"terms": terms, "const": exact(a.const)}


def dot(compiled: Compiled) -> str:
    """One cluster a layer, in Graphviz's language; dashed edges read the step before."""
    machine: UnitMachine = compiled.machine
    lines = ["digraph layers {", "  rankdir=LR;", '  node [fontname="monospace", shape=box];']
    for i, f in enumerate(machine.layers[0].inputs):
        label = quote(f"x{i} {_held(compiled, f)}")
        lines.append(f"  u0_{i} [label={label}, shape=house];")
    for k, layer in enumerate(machine.layers, 1):
        lines += [f"  subgraph cluster_{k} {{", f"    label={quote(f'layer {k - 1}')};"]
        for i, unit in enumerate(layer.units):
            label = quote(f"u{i} {unit.op}\n{_purpose(compiled, unit)}")
            lines.append(f"    u{k}_{i} [label={label}];")
        lines.append("  }")
        for i, unit in enumerate(layer.units):
            for kind, j in sorted({s for a in unit.args.values() for s in a.row}):
                edge = (f"u{k - 1}_{j}", "") if kind == "x" else (f"u{k}_{j}", " [style=dashed]")
                lines.append(f"  {edge[0]} -> u{k}_{i}{edge[1]};")
    last = len(machine.layers)
    for i, (name, a) in enumerate(_columns(machine)):
        lines.append(f"  o{i} [label={quote(f'output {name}')}, shape=invhouse];")
        lines += [f"  u{last}_{j} -> o{i};" for _, j in sorted(a.row)]
    return "\n".join([*lines, "}"]) + "\n"
