"""Weights that are kept as their entries."""

from __future__ import annotations

import numpy as np
import pytest

from lsrl.dtypes import dtype
from lsrl.lower import sparse as sparse_module
from lsrl.lower.sparse import Sparse, SparseWeights, row_of, shape_of, sizes
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


def test_rows_and_parts_without_the_array(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparse_module, "BLOCK", 4)
    d = dtype("float32")
    entries = {(1, 0, 2): 0.1, (0, 1, 0): -2.0, (1, 1, 1): -1e-60, (0, 0, 1): 3.0, (2, 1, 2): 5.0}
    sparse = {"w": Sparse.of((3, 2, 3), entries), "v": Sparse.of((2,), {(1,): 4})}
    weights = SparseWeights(sparse, d)
    plain = {name: SparseWeights(sparse, d)[name] for name in sparse}
    monkeypatch.setattr(SparseWeights, "__getitem__", None)  # no array is made
    assert "w" in weights and "u" not in weights
    for name, rows in {"w": 3, "v": 2}.items():
        assert [row_of(weights, name, i) for i in range(rows)] == [
            row_of(plain, name, i) for i in range(rows)
        ]
        with pytest.raises(IndexError):
            row_of(weights, name, rows)
    assert row_of(weights, "w", 0) == [(1, 3.0), (3, -2.0)]
    assert dump(weights, d) == dump(plain, d)
