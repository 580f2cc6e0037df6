"""The program IR: its text form, DOT, and plain data."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from ..ir.nodes import OPS, Graph, Node
from ..ir.text import to_text as text
from ..ir.types import Type
from .words import exact, place_data

__all__ = ["data", "dot", "text"]


def dot(graph: Graph) -> str:
    """The graph in Graphviz's language."""
    from ..ir.view import to_dot

    return to_dot(graph)


def data(graph: Graph) -> dict[str, Any]:
    """Nodes in order, `args` by index; constants exact, as text where they are no integers."""
    return {
        "length": graph.length,
        "inputs": [
            {"name": f.name, "type": str(f.type), "lo": exact(f.lo), "hi": exact(f.hi)}
            for f in graph.inputs
        ],
        "states": [
            {"name": s.name, "type": str(s.type), "init": _plain(s.init), "next": s.next}
            for s in graph.states
        ],
        "nodes": [_node(i, node) for i, node in enumerate(graph.nodes)],
        "outputs": [{"name": o.name, "node": o.node} for o in graph.outputs],
        "assumes": [{"name": a.name, "node": a.node} for a in graph.assumes],
        "names": [{"name": name, "node": node} for name, node in graph.names],
    }


def _node(i: int, node: Node) -> dict[str, Any]:
    record: dict[str, Any] = {"id": i, "op": node.op, "args": list(node.args)}
    record["type"] = str(node.type)
    attrs = zip(OPS[node.op].attrs, node.attrs, strict=False)
    return record | {name: _plain(a) for name, a in attrs} | place_data(node.span)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    if isinstance(value, Type):
        return str(value)
    return exact(value) if isinstance(value, Fraction) else value
