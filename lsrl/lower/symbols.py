"""Debug symbols: where each named value of a program lives in a model, as plain data.

    {"layer": 1, "elements": [{"terms": [["s", 4, 1.0]], "const": 0.0, "encoding": "linear", ...}]}

The value of an element is const + sum of coefficient * source, sources being numbers of a layer
(from 0) at the same step. An element may have a `layer` of its own; `range` is its range, and
`ranges` has those of its sources where there are several. `encoding`: "linear"; "boolean" (0 or 1);
"falsity", 0 where a boolean holds and at least 1 where not; "truth", the other way round; "margin",
of which the sign says it; "logits", the value of the largest of the terms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..collect import collector_paused
from ..encoding import Columns
from ..ir.nodes import Graph
from ..ir.types import Kind
from .atoms import AtomGraph, Form
from .layers import Affine
from .patchable import Sharing, twins

if TYPE_CHECKING:
    from ..targets.base import Compiled

Entry = dict[str, Any]
HEAD = "y"  # the kind of the last layer's outputs
NO_HOME = "it is read by other values, and has no units of its own"


@collector_paused()
def symbols(
    compiled: Compiled, graph: Graph, written: Graph, columns: Sequence[Columns]
) -> dict[str, Entry]:
    """The symbols of all named values that have a home, outputs among them; `written` is the graph
    before it was optimised, `columns` how the model writes its outputs."""
    atoms, machine = compiled.atoms, compiled.machine
    sharing = Sharing(atoms, graph, machine.merged, twins(graph, written))
    outputs = {o.name: o.node for o in graph.outputs}
    nodes = {**dict(graph.names), **outputs}
    one_hot = {c.name: c.values for c in columns if c.values is not None}
    result: dict[str, Entry] = {}
    for name, (layer, elements) in machine.symbols.items():
        entry = _entry(compiled, name, layer, elements)
        if name in outputs:
            result[name] = _output(compiled, name, outputs, sharing, entry, one_hot)
            continue
        can = _patchable(sharing, name, nodes[name], atoms.names[name])
        result[name] = entry | can | _patch(compiled, name, can)
        if _is_unset(atoms, name):  # it is an output, and right where the model gives that
            output = next(o for o, n in outputs.items() if n == nodes[name])
            result[name] = _output(compiled, output, outputs, sharing, entry, one_hot)
    for name in outputs.keys() - result.keys():
        result[name] = _output(compiled, name, outputs, sharing, None, one_hot)
    order = [n for n, _ in sorted(nodes.items(), key=lambda item: item[1]) if n in result]
    return {name: result[name] for name in order}


def _is_unset(atoms: AtomGraph, name: str) -> bool:
    """Whether a name's units hold no value of it until one is written."""
    unset = getattr(atoms, "unset", ())
    return any(a in unset for form in atoms.names[name] for a in form.terms)


def _patchable(sharing: Sharing, name: str, node: int, forms: list[Form]) -> Entry:
    """Whether a value can be overwritten, or (`steps`) only at all steps at once."""
    problem = sharing.problem(name, node, forms)
    if problem is None:
        return {"patchable": True}
    if sharing.problem(name, node, forms, always=True) is None:
        return {"patchable": True, "steps": "all"}
    return {"patchable": False, "reason": problem}


def _entry(compiled: Compiled, name: str, layer: int, elements: list[Affine]) -> Entry:
    made = []
    forms, encodings = compiled.atoms.names[name], compiled.atoms.encodings[name]
    for a, form, encoding in zip(elements, forms, encodings, strict=True):
        at = (a.layer or layer) - 1
        terms = sorted(a.row.items())
        plain = [[kind, i, float(c)] for (kind, i), c in terms]
        entry: Entry = {"terms": plain, "const": float(a.const), "encoding": encoding}
        if at != layer - 1:
            entry["layer"] = at
        if len(terms) > 1:
            entry["ranges"] = [compiled.machine.extent(at, kind, i) for (kind, i), _ in terms]
        if encoding == "linear":
            entry["range"] = [form.lo, form.hi]
        made.append(entry)
    return {"layer": layer - 1, "elements": made}


def _output(
    compiled: Compiled, name: str, outputs: dict[str, int], sharing: Sharing,
    home: Entry | None, one_hot: Mapping[str, tuple[int, ...]],
) -> Entry:  # fmt: skip
    """An output is read where the model gives it; it is overwritten there, or (`patch`) where what
    else reads it does."""
    columns = [i for i, n in enumerate(compiled.machine.outputs) if n == name]
    node = outputs[name]
    boolean = sharing.graph.nodes[node].type.kind is Kind.BOOL
    says = {"const": 0.0, "encoding": "boolean" if boolean else "linear"}
    elements: list[Entry] = [{"terms": [[HEAD, i, 1.0]], **says} for i in columns]
    if name in compiled.joint:
        elements = [_joint(values) for values in compiled.joint[name]]
    elif name in one_hot:
        elements = _logits(columns, one_hot[name])
    for element, own in zip(elements, home["elements"] if home else (), strict=False):
        element.update({"range": own["range"]} if "range" in own else {})
    entry: Entry = {"layer": len(compiled.machine.layers) - 1, "elements": elements}
    if (
        name not in one_hot
        and not sharing.is_read(node)
        and list(outputs.values()).count(node) == 1
    ):
        return entry | {"patchable": True}
    if home is None:
        return entry | {"patchable": False, "reason": NO_HOME}
    can = _patchable(sharing, name, node, compiled.atoms.names[name])
    patch = {"patch": home} if can["patchable"] else {}
    return entry | can | patch | _patch(compiled, name, can)


def _patch(compiled: Compiled, name: str, can: Entry) -> Entry:
    """Where a value is to be overwritten, if that is not where it is read."""
    patches = getattr(compiled.machine, "patches", {})
    if name not in patches or not can["patchable"]:
        return {}
    return {"patch": _entry(compiled, name, *patches[name])}


def _joint(values: Sequence[int]) -> Entry:
    """An element whose value belongs to the largest of all logits."""
    terms = [[HEAD, i, 1.0] for i in range(len(values))]
    return {"terms": terms, "const": 0.0, "encoding": "logits", "values": list(values)}


def _logits(columns: list[int], values: tuple[int, ...]) -> list[Entry]:
    """The elements of a one-hot output: each has the value of its largest logit."""
    size = len(values)
    return [
        {
            "terms": [[HEAD, i, 1.0] for i in columns[k : k + size]],
            "const": 0.0,
            "encoding": "logits",
            "values": list(values),
        }
        for k in range(0, len(columns), size)
    ]
