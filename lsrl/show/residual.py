"""The blocks of a residual machine: what each channel computes, and what it adds to the stream.

`r3` is channel 3 of the residual stream before a block (of the head, after all of them), `u2` the
value of unit 2 of the block, `m2` that of unit 2 of an MLP, `a7` an atom of the stage `atoms`. The
model's own number for a unit is its value times its scale; `s0` are numbers of the layer's state.
Operations are those of `lsrl/lower/residual/graph.py`. A channel of the stream can be cleared and
then hold something else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..ir.view import quote
from ..lower.atoms import Form
from ..lower.coefficients import Coefficient
from ..lower.layers import Affine
from ..lower.residual.graph import DELAY, OWN, STATES
from ..targets.base import Compiled
from ..targets.stream import CONSTANT
from .residual_view import Head, PlacedBlock, View
from .units import power
from .words import (
    affine,
    columns,
    exact,
    extent,
    form,
    form_data,
    place,
    place_data,
    short,
)

SIZES = ("hidden_size", "num_hidden_layers", "intermediate_size", "state_size", "time_step_rank",
         "lru_width")  # fmt: skip


# Text


def text(compiled: Compiled) -> str:
    """The sizes of the model, the embedding, block by block its units, what they add to the stream
    and the names that are read there, and the head."""
    view = View(compiled)
    lines = [_sizes(view), _stream(view), "embedding" if view.tokens else "map of the inputs"]
    lines += columns([_embedded(view, lane, start) for lane, start in view.embedded()])
    lines += _names(view, None)
    for at in view.places:
        lines.append(f"{at.title}: {len(at.block.units)} units")
        lines += _section("units", [_unit(view, at, i) for i in range(len(at.block.units))])
        lines += _section("stream", [_written(view, at, *w) for w in view.written(at)])
        lines += _names(view, at)
    lines.append("head" if view.tokens else "map of the outputs")
    lines += columns([_output(view, h) for h in view.head()])
    return "\n".join(lines) + "\n"


def _sizes(view: View) -> str:
    ends = ("vocab_size",) if view.tokens else ("input_size", "output_size")
    named = [f"{k} {view.shape[k]}" for k in (*ends, *SIZES) if k in view.shape]
    total = f"{view.parameters:,} parameters"
    return ", ".join(["tokens" if view.tokens else "numbers", *named, total])


def _stream(view: View) -> str:
    lanes, constants = view.stream.lanes, view.stream.constants
    held = f"r0 to r{lanes - 1} for values" if lanes > 1 else "r0 for values" if lanes else ""
    unit = power(CONSTANT)
    parts = [f"r{lanes + i} = {f'{b} * ' * (b > 1)}{unit}" for i, b in enumerate(constants)]
    return "stream: " + ", ".join(filter(None, [held, *parts]))


def _section(title: str, rows: list[list[str]]) -> list[str]:
    return [f"  {title}", *columns(rows, "    ")] if rows else []


def _names(view: View, at: PlacedBlock | None) -> list[str]:
    letter = at.letter if at is not None else ""
    rows = [[name, f"= {_of_name(a, letter)}"] for name, a in view.names(at)]
    return _section("names", rows)


def _of_name(a: Affine, letter: str) -> str:
    order = sorted(a.row.items(), key=lambda item: (item[1] < 0, item[0]))
    return affine([(f"{letter if k == OWN else k}{i}", c) for (k, i), c in order], a.const)


def _embedded(view: View, lane: int, start: Form) -> list[str]:
    whole = view.layout.form(lane)
    part = "" if start.key == whole.key else "more to come"
    labels = [view.graph.atoms[a].label for a in start.terms]
    held = " ".join(filter(None, [form(start), *labels[:1]]))
    return [view.channel(lane), f"holds {held}", extent(start.lo, start.hi, start.step), part]


def _unit(view: View, at: PlacedBlock, i: int) -> list[str]:
    unit = at.block.units[i]
    size = extent(unit.form.lo, unit.form.hi, unit.form.step)
    single = view.target.is_single(unit)
    scale = f"at scale {power(view.target.scale(unit))}" if single else "in several channels"
    terms = [f"{_times(c)}s{n}" for n, c in view.states(at, i).items()]
    notes = "saturating" if unit.saturating else f"in {' + '.join(terms)}" if terms else ""
    return [at.unit(i), f"= {view.operation(at, unit)}", f"holds {size}", scale, notes,
            view.purpose(at, i), place(unit.span)]  # fmt: skip


def _times(c: float) -> str:
    return "" if c == 1 else f"{power(c)} "


def _written(
    view: View, at: PlacedBlock, lane: int, row: Mapping[int, Coefficient], clears: bool
) -> list[str]:
    sign = "-=" if all(c < 0 for c in row.values()) else "+="
    added = {i: -c if sign == "-=" else c for i, c in row.items()}
    start = [view.channel(lane), f"{sign} {view.row(at, added)}"]
    if clears:
        return [*start, "cleared", ""]
    now, whole = view.held(at, lane)
    note = "" if whole else ", more to come"
    return [*start, f"holds {extent(now.lo, now.hi, now.step)}", f"{short(now)}{note}"]


def _output(view: View, head: Head) -> list[str]:
    logits = f"logits of {head.values[0]}..{head.values[-1]}" if head.values else ""
    return [head.name, f"= {view.affine(head.value)}", logits]


# Data


def data(compiled: Compiled) -> dict[str, Any]:
    """The same as plain data. Of an output with logits `terms` and `const` say its value v, and the
    logit of k is 2 (k - m) (v - m) - (k - m)^2, m the middle of `values`, rounded down; that of a
    token is the sum of those of its values."""
    view = View(compiled)
    lanes, constants = view.stream.lanes, view.stream.constants
    return {
        **compiled.shape,
        "parameters": view.parameters,
        "outputs": list(dict.fromkeys(view.layout.outputs)),
        "constants": {f"r{lanes + i}": b * CONSTANT for i, b in enumerate(constants)},
        "embedding": [
            {"channel": view.channel(lane), "form": form_data(start)}
            for lane, start in view.embedded()
        ],
        "names": {name: _name_data(a, "") for name, a in view.names(None)},
        "blocks": [_block_data(view, at) for at in view.places],
        "head": [
            {"output": h.name, **view.affine_data(h.value)}
            | ({"values": list(h.values)} if h.values else {})
            for h in view.head()
        ],
    }


def _name_data(a: Affine, letter: str) -> dict[str, Any]:
    terms = {f"{letter if k == OWN else k}{i}": exact(c) for (k, i), c in sorted(a.row.items())}
    return {"terms": terms, "const": exact(a.const)}


def _block_data(view: View, at: PlacedBlock) -> dict[str, Any]:
    return {
        "layer": at.layer,
        "kind": at.block.kind,
        "units": [_unit_data(view, at, i) for i in range(len(at.block.units))],
        "stream": [
            {
                "channel": view.channel(lane),
                "added": {at.unit(i): exact(c) for i, c in sorted(row.items())},
                "clears": clears,
                "form": form_data(view.layout.form(lane)),
            }
            for lane, row, clears in view.written(at)
        ],
        "names": {name: _name_data(a, at.letter) for name, a in view.names(at)},
    }


def _unit_data(view: View, at: PlacedBlock, i: int) -> dict[str, Any]:
    unit = at.block.units[i]
    record: dict[str, Any] = {"op": unit.op}
    record["args"] = {r: view.affine_data(a, at.letter) for r, a in view.args(unit).items()}
    if unit.op == DELAY:
        record["lag"] = unit.lag
    if unit.rate != 1:
        record["rate"] = exact(unit.rate)
    step = None if unit.form.step is None else exact(unit.form.step)
    record |= {"form": form_data(unit.form), "lo": unit.form.lo, "hi": unit.form.hi, "step": step}
    if view.target.is_single(unit):
        record["scale"] = view.target.scale(unit)
    if states := view.states(at, i):
        record["states"] = {f"s{n}": c for n, c in states.items()}
    purpose = {"for": view.purpose(at, i), "saturating": unit.saturating}
    return record | purpose | place_data(unit.span)


# Graphviz


def dot(compiled: Compiled) -> str:
    """One cluster a block, in Graphviz's language; what the stream holds between them. Dashed edges
    read steps before."""
    view = View(compiled)
    lines = ["digraph layers {", "  rankdir=LR;", '  node [fontname="monospace", shape=box];']
    for i in range(len(view.layout.lanes)):
        label = quote(f"{view.channel(i)}\n{form(view.layout.form(i))}")
        shape = "house" if view.layout.lanes[i].start else "ellipse"
        lines.append(f"  r{i} [label={label}, shape={shape}];")
    for at in view.places:
        k = at.number
        lines += [f"  subgraph cluster_{k} {{", f"    label={quote(at.title)};"]
        for i, unit in enumerate(at.block.units):
            label = quote(f"{at.unit(i)} {unit.op}\n{view.purpose(at, i)}")
            lines.append(f"    u{k}_{i} [label={label}];")
        lines.append("  }")
        lines += _edges(view, at)
    for i, head in enumerate(view.head()):
        lines.append(f"  o{i} [label={quote(f'output {head.name}')}, shape=invhouse];")
        lines += [f"  r{lane} -> o{i};" for _, lane in sorted(head.value.row)]
    return "\n".join([*lines, "}"]) + "\n"


def _edges(view: View, at: PlacedBlock) -> Iterator[str]:
    k = at.number
    for i, unit in enumerate(at.block.units):
        style = " [style=dashed]" if unit.op == DELAY else ""
        read = sorted({s for a in view.args(unit).values() for s in a.row})
        for kind, j in read:
            source = f"u{k}_{j}" if kind == OWN else f"r{j}"
            yield f"  {source} -> u{k}_{i}{style};"
        yield from (f"  u{k}_{j} -> u{k}_{i};" for j in unit.halves)
        if unit.op in STATES:
            yield f"  u{k}_{i} -> u{k}_{i} [style=dashed];"
    for lane, row, clears in view.written(at):
        if not clears:
            yield from (f"  u{k}_{i} -> r{lane};" for i in sorted(row))
