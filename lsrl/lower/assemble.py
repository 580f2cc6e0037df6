"""From layers with exact coefficients to named weight arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import dtype as dtype_named
from .layers import Affine, Layer, Layered

Weights = dict[str, Any]


def assemble(machine: Layered, dtype: str) -> Weights:
    """Weights by name, `layers.<i>.<name>`: A `[p, p]`, B `[p, n]`, b `[p]`, s0 `[p]`, C `[m, p]`,
    D `[m, n]`, d `[m]`, for a layer of p state lanes, n inputs and m units that are no products; E,
    F, e and G, H, g likewise for the two factors of its q products. Empty ones are left out.
    """
    rounded = dtype_named(dtype).round
    weights: Weights = {}
    for i, layer in enumerate(machine.layers):
        for name, array in _layer(layer).items():
            if array.size:
                weights[f"layers.{i}.{name}"] = rounded(array)
    return weights


def _layer(layer: Layer) -> dict[str, Any]:
    p, n, q = len(layer.lanes), len(layer.inputs), layer.products
    arrays = {name: np.zeros(s) for name, s in shapes(n, p, len(layer.units) - q, q).items()}
    for i, lane in enumerate(layer.lanes):
        for j, c in lane.row.items():
            arrays["A"][i, j] = float(c)
        _fill(lane.added, arrays, i, ("", "B", "b"))
        arrays["s0"][i] = float(lane.init)
    m = len(layer.units) - q
    for i, unit in enumerate(layer.units):
        if unit.factor is None:
            _fill(unit.affine, arrays, i, ("C", "D", "d"))
        else:
            _fill(unit.affine, arrays, i - m, ("E", "F", "e"))
            _fill(unit.factor, arrays, i - m, ("G", "H", "g"))
    return arrays


def shapes(n: int, p: int, m: int, q: int = 0) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights of a layer, empty ones included."""
    found: dict[str, tuple[int, ...]] = {"A": (p, p), "B": (p, n), "b": (p,), "s0": (p,)}
    for names, rows in (("CDd", m), ("EFe", q), ("GHg", q)):
        found |= {names[0]: (rows, p), names[1]: (rows, n), names[2]: (rows,)}
    return found


def _fill(affine: Affine, arrays: dict[str, Any], i: int, names: tuple[str, str, str]) -> None:
    """Row i of the matrices that read s and x, and of the bias."""
    for (kind, j), c in affine.row.items():
        arrays[names[1] if kind == "x" else names[0]][i, j] = float(c)
    arrays[names[2]][i] = float(affine.const)
