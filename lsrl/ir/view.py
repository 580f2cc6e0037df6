"""A graph as others draw it: a `networkx` multigraph, and the DOT language of Graphviz.

Both are views: nothing is read back from them.
"""

from __future__ import annotations

import networkx as nx

from .nodes import Graph, Node

MAX_LABEL = 40  # characters of a constant that a label shows

_SHAPES = {"input": "house", "const": "plaintext", "prev": "cds", "bound": "hexagon"}


def to_networkx(graph: Graph) -> nx.MultiDiGraph:
    """The nodes by index, with `op`, `type`, `label` and `names`; an edge for each operand.

    Edges have `position` (which operand) and `back`; a back edge leads from a state's next value to
    the nodes that read it a step later, and has `state` (its name) and no position.
    """
    view = nx.MultiDiGraph(length=graph.length)
    names = names_of(graph)
    for i, node in enumerate(graph.nodes):
        label = label_of(graph, node)
        view.add_node(i, op=node.op, type=str(node.type), label=label, names=names.get(i, ()))
        for position, a in enumerate(node.args):
            view.add_edge(a, i, position=position, back=False)
    for i, node in enumerate(graph.nodes):
        if node.op == "prev":
            state = graph.states[node.attrs[0]]
            view.add_edge(state.next, i, position=None, back=True, state=state.name)
    return view


def to_dot(graph: Graph) -> str:
    """The graph in DOT; back edges are dashed, operands numbered where there are several."""
    lines = ["digraph lsrl {", "  rankdir=TB;", '  node [fontname="monospace"];']
    names = names_of(graph)
    for i, node in enumerate(graph.nodes):
        title = ", ".join(names.get(i, ()))
        parts = [title] if title else []
        label = "\n".join([*parts, label_of(graph, node), str(node.type)])
        shape = _SHAPES.get(node.op, "box")
        lines.append(f"  n{i} [label={quote(label)}, shape={shape}];")
        for position, a in enumerate(node.args):
            numbered = f" [label={quote(str(position))}]" if len(node.args) > 1 else ""
            lines.append(f"  n{a} -> n{i}{numbered};")
        if node.op == "prev":
            state = graph.states[node.attrs[0]]
            style = f"[label={quote(state.name)}, style=dashed, constraint=false]"
            lines.append(f"  n{state.next} -> n{i} {style};")
    for k, (kind, o) in enumerate(
        [("output", o) for o in graph.outputs] + [("assume", o) for o in graph.assumes]
    ):
        label = o.name if kind == "assume" else f"{kind} {o.name}"
        lines.append(f"  r{k} [label={quote(label)}, shape=invhouse];")
        lines.append(f"  n{o.node} -> r{k};")
    return "\n".join([*lines, "}"]) + "\n"


def names_of(graph: Graph) -> dict[int, tuple[str, ...]]:
    """The program's names of each node that has any."""
    found: dict[int, tuple[str, ...]] = {}
    for name, node in graph.names:
        found[node] = (*found.get(node, ()), name)
    return found


def label_of(graph: Graph, node: Node) -> str:
    """A node in a few words; long constants are cut."""
    if node.op == "const":
        values = [str(v) for v in node.attrs[0]]
        return _short("[" + ", ".join(values) + "]" if node.type.shape else values[0])
    if node.op == "prev":
        return f"prev {graph.states[node.attrs[0]].name}"
    if node.op == "matvec":
        return f"matvec {len(node.attrs[0])} x {len(node.attrs[0][0])}"
    if node.op == "table":
        width = node.attrs[1] or 1
        return f"table {len(node.attrs[0]) // width} x {width}"
    return _short(" ".join([node.op, *map(str, node.attrs)]))


def _short(text: str) -> str:
    return text if len(text) <= MAX_LABEL else text[: MAX_LABEL - 3] + "..."


def quote(text: str) -> str:
    """A DOT string: quotes and backslashes escaped, newlines as `\\n`."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
