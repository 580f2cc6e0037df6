"""The fixed sequences of nodes that no input reaches, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir.nodes import Graph
from ..ir.semantics import apply


def simulate(graph: Graph, nodes: Sequence[int], steps: int) -> dict[int, Any]:
    """Values `[steps, elements]` (float64) of `nodes`, which must be closed under operands."""
    record = {n: np.empty((steps, graph.nodes[n].type.size)) for n in nodes}
    previous: dict[int, Any] = {}
    for s in {graph.nodes[n].attrs[0] for n in nodes if graph.nodes[n].op == "prev"}:
        state = graph.states[s]
        kind = bool if state.type.kind.value == "bool" else np.float64
        init = np.array([float(v) for v in state.init]).astype(kind)
        previous[s] = init.reshape(state.type.shape)
    constants = {n: _constant(graph, n) for n in nodes if graph.nodes[n].op == "const"}
    plan = [(n, graph.nodes[n]) for n in nodes]
    for t in range(steps):
        now = dict(constants)
        for n, node in plan:
            if node.op == "prev":
                now[n] = previous[node.attrs[0]]
            elif node.op != "const":
                vector = [bool(graph.nodes[a].type.shape) for a in node.args]
                now[n] = apply(node.op, node.attrs, [now[a] for a in node.args], vector)
            record[n][t] = np.asarray(now[n], dtype=np.float64).reshape(-1)
        previous = {s: now[graph.states[s].next] for s in previous}
    return record


def _constant(graph: Graph, n: int) -> Any:
    node = graph.nodes[n]
    kind = bool if node.type.kind.value == "bool" else np.float64
    return np.array(node.values, dtype=object).astype(kind)
