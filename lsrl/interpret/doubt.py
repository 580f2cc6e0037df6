"""Which named values an undetermined comparison of reals can change, and at which steps.

The run is done again with the comparisons that came closer than the guard decided the other way,
one after the other and all at once; what is then another value is in doubt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..ir.semantics import Array
from .margins import distance
from .run import Interpreter, Result

MOST = 16  # comparisons that are turned one by one


def doubtful(
    interpreter: Interpreter, inputs: Mapping[str, Array], result: Result, nodes: Sequence[int]
) -> dict[int, Array]:
    """For each of the nodes that the run has watched whether it is in doubt, `[B, T]`."""
    graph = interpreter.graph
    close = [m.node for m in result.margins if m.undetermined]
    doubt = {n: np.zeros(result.watched[n].shape[:2], dtype=bool) for n in nodes}
    if not close:
        return doubt
    sides = sorted({a for n in close for a in (n, *graph.nodes[n].args)})
    plain = {"undetermined": False, "check": False}
    values = interpreter.run(inputs, watch=sides, **plain).watched  # type: ignore[arg-type]
    turned = {n: _turned(interpreter, n, values) for n in close}
    trials = [{n: turned[n]} for n in close[:MOST]] + [turned] * (len(close) > 1)
    for overrides in trials:
        other = interpreter.run(inputs, watch=nodes, overrides=overrides, **plain)
        for n in nodes:
            changed = other.watched[n] != result.watched[n]
            doubt[n] |= changed.reshape(*changed.shape[:2], -1).any(axis=2)
    return doubt


def _turned(interpreter: Interpreter, node: int, values: Mapping[int, Array]) -> Array:
    """The values of a comparison, the other way where it is close."""
    args = [values[a] for a in interpreter.graph.nodes[node].args]
    close = distance(args) < interpreter.guard
    if interpreter.graph.nodes[node].op != "argmax":
        return np.where(close, ~values[node], values[node])
    second = np.argsort(args[0], axis=-1, kind="stable")[..., -2]
    return np.where(close, second, values[node])
