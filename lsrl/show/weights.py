"""The weights: names, shapes, how many are not zero, and the numbers of small arrays."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from ..dtypes import DType
from ..lower.sparse import nonzeros_of, shape_of, sizes
from .words import columns, number

SMALL = 64  # numbers of an array that are printed


def text(stage: tuple[DType, Mapping[str, Any]]) -> str:
    """One line an array, and its rows below it where it is small."""
    dtype, weights = stage
    total, nonzeros = sizes(weights)
    lines = [f"{len(weights)} arrays, {total} numbers, {nonzeros} of them not 0"]
    for name in weights:
        shape = shape_of(weights, name)
        words = " x ".join(map(str, shape))
        lines.append(f"{name}  {words}  {dtype.name}  {nonzeros_of(weights, name)} not 0")
        if prod(shape) <= SMALL:
            rows = np.atleast_2d(weights[name])
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
