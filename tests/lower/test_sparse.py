"""Weights that are kept as their entries."""

from __future__ import annotations

import numpy as np

from lsrl.dtypes import dtype
from lsrl.lower.sparse import Sparse, SparseWeights, shape_of, sizes
from lsrl.tensors import dump


def test_sparse_weights_are_the_dense_ones() -> None:
    d = dtype("float32")
    sparse = {"b": Sparse.of((2, 3), {(0, 2): 0.1, (1, 0): -2.0, (1, 1): 0.0, (0, 0): 1e-60})}
    weights = SparseWeights(sparse | {"a": Sparse.of((4,), {})}, d)
    plain = {"b": d.round(np.array([[1e-60, 0, 0.1], [-2, 0, 0]])), "a": d.round(np.zeros(4))}
    assert shape_of(weights, "b") == (2, 3)
    assert sizes(weights) == sizes(plain) == (10, 2)
    assert dump(weights, d) == dump(plain, d)
    weights["b"][1, 2] = 5  # an edit stays
    assert weights["b"][1, 2] == 5 and sizes(weights) == (10, 3)
    assert dump(weights, d) != dump(plain, d)
