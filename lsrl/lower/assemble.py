"""From layers with exact coefficients to named weight arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import dtype as dtype_named
from .layers import Affine, Layer, Layered

Weights = dict[str, Any]


def assemble(machine: Layered, dtype: str) -> Weights:
    """Weights by name, `layers.<i>.<name>`: A `[p, p]`, B `[p, n]`, b `[p]`, s0 `[p]`, C `[m, p]`,
    D `[m, n]`, d `[m]`, for a layer of p state lanes, n inputs and m units. Empty ones are left
    out.
    """
    rounded = dtype_named(dtype).round
    weights: Weights = {}
    for i, layer in enumerate(machine.layers):
        for name, array in _layer(layer).items():
            if array.size:
                weights[f"layers.{i}.{name}"] = rounded(array)
    return weights


def _layer(layer: Layer) -> dict[str, Any]:
    p, n, m = len(layer.lanes), len(layer.inputs), len(layer.units)
    shapes = {"A": (p, p), "B": (p, n), "b": (p,), "s0": (p,), "C": (m, p), "D": (m, n), "d": (m,)}
    arrays = {name: np.zeros(shape) for name, shape in shapes.items()}
    for i, lane in enumerate(layer.lanes):
        for j, c in lane.row.items():
            arrays["A"][i, j] = float(c)
        _fill(lane.added, arrays, i, "B", "b")
        arrays["s0"][i] = float(lane.init)
    for i, unit in enumerate(layer.units):
        _fill(unit.affine, arrays, i, "D", "d")
    return arrays


def _fill(affine: Affine, arrays: dict[str, Any], i: int, matrix: str, bias: str) -> None:
    for (kind, j), c in affine.row.items():
        arrays[matrix if kind == "x" else "C"][i, j] = float(c)
    arrays[bias][i] = float(affine.const)
