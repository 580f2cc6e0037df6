"""The fixed sequences of nodes that no input reaches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..interpret.run import Interpreter
from ..ir.nodes import Field, Graph, Output


def simulate(graph: Graph, nodes: Sequence[int], steps: int) -> dict[int, Any]:
    """Values `[steps, elements]` (float64) of `nodes`, which no input reaches."""
    sizes = {n: graph.nodes[n].type.size for n in nodes}
    alone = graph.replace(outputs=tuple(Output(str(n), n) for n in nodes), assumes=())
    inputs = {f.name: _anything(f, steps) for f in graph.inputs}
    run = Interpreter(alone).run(inputs, undetermined=False, check=False)
    return {
        n: np.asarray(run.outputs[str(n)][0], dtype=np.float64).reshape(steps, sizes[n])
        for n in nodes
    }


def _anything(field: Field, steps: int) -> Any:
    return np.full((1, steps, *(field.type.shape or ())), float(field.lo))
