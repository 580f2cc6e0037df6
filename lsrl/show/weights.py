"""The weights: names, shapes, how many are not zero, and the numbers of small arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..dtypes import DType
from .words import columns, number

SMALL = 64  # numbers of an array that are printed


def text(stage: tuple[DType, Mapping[str, Any]]) -> str:
    """One line an array, and its rows below it where it is small."""
    dtype, weights = stage
    total = sum(w.size for w in weights.values())
    nonzeros = sum(int(np.count_nonzero(w)) for w in weights.values())
    lines = [f"{len(weights)} arrays, {total} numbers, {nonzeros} of them not 0"]
    for name, array in weights.items():
        shape = " x ".join(map(str, array.shape))
        lines.append(f"{name}  {shape}  {dtype.name}  {np.count_nonzero(array)} not 0")
        if array.size <= SMALL:
            rows = np.atleast_2d(array)
            rows = rows.reshape(-1, rows.shape[-1]) if rows.ndim > 2 else rows
            lines += columns([[number(float(v)) for v in row] for row in rows], "    ")
    return "\n".join(lines) + "\n"


def data(stage: tuple[DType, Mapping[str, Any]]) -> dict[str, Any]:
    """By name: shape, dtype, non-zeros, and all the numbers."""
    dtype, weights = stage
    return {
        name: {
            "shape": list(array.shape),
            "dtype": dtype.name,
            "nonzeros": int(np.count_nonzero(array)),
            "values": array.tolist(),
        }
        for name, array in weights.items()
    }
