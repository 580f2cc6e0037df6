"""Number formats: their limits, rounding, storage and arithmetic, against torch and rationals."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from safetensors.torch import save

from lsrl.dtypes import BFLOAT16, DTYPES, FLOAT16, DType, of_digits
from lsrl.tensors import dump

FORMATS = list(DTYPES.values())
NARROW = [BFLOAT16, FLOAT16]


def named(d: DType) -> str:
    return d.name


def nearest(x: float, d: DType) -> float:
    """Rounded once, ties to even, in rationals."""
    if x == 0 or not math.isfinite(x):
        return x
    value = Fraction(x)
    exponent = max(math.frexp(x)[1] - d.digits, round(math.log2(d.smallest)))
    unit = Fraction(2) ** exponent
    rounded = round(value / unit) * unit  # Python's round is ties to even
    return float(rounded) if abs(rounded) <= Fraction(d.largest) else math.copysign(math.inf, x)


def numbers() -> np.ndarray:
    rng = np.random.default_rng(0)
    wide = rng.normal(size=4000) * 10.0 ** rng.integers(-46, 38, 4000)
    near = rng.normal(size=2000) * 10.0 ** rng.integers(-9, 5, 2000)
    halves = 1 + np.arange(40) * 2.0**-12  # ties of both narrow formats among them
    nudged = np.concatenate([halves + 2.0**-40, halves - 2.0**-40])  # that rounding twice confuses
    ends = [0.0, -0.0, 65519.0, 65520.0, 3.3961775292304e38, 3.4e38, np.inf, -np.inf]
    return np.concatenate([wide, near, halves, nudged, ends])


@pytest.mark.parametrize("d", FORMATS, ids=named)
def test_the_limits_are_those_of_torch(d: DType) -> None:
    info = torch.finfo(getattr(torch, d.name))
    assert (d.largest, d.smallest_normal) == (info.max, info.smallest_normal)
    assert 2.0 ** (1 - d.digits) == info.eps
    assert d.smallest == d.smallest_normal * info.eps
    assert of_digits(d.digits) is d
    assert d.in_numpy == hasattr(np, d.name)


@pytest.mark.parametrize("d", NARROW, ids=named)
def test_rounding_is_to_nearest_and_done_once(d: DType) -> None:
    x = numbers()
    assert d.round(x).astype(np.float64).tolist() == [nearest(v, d) for v in x.tolist()]
    single = x[np.abs(x) < 3e38].astype(np.float32)
    by_torch = torch.from_numpy(single).to(getattr(torch, d.name)).float().numpy()
    assert np.array_equal(d.round(single).astype(np.float32), by_torch)
    assert np.isnan(d.round(np.array([np.nan]))).all()


@pytest.mark.parametrize("d", NARROW, ids=named)
def test_arithmetic_is_rounded_after_each_operation(d: DType) -> None:
    rng = np.random.default_rng(1)
    a, b, c = (d.round(rng.normal(size=s)) for s in ((5, 7, 4), (3, 4), (3,)))
    exactly = lambda y: d.round(np.asarray(y, dtype=np.float32)).astype(np.float32)
    x, w, bias = d.working(a), d.working(b), d.working(c)
    product = exactly(a.astype(np.float32) @ b.T.astype(np.float32))
    assert np.array_equal(np.asarray(x @ w.T), product)
    total = exactly(product + c.astype(np.float32))
    assert np.array_equal(np.asarray(x @ w.T + bias), total)
    assert not np.array_equal(total, a.astype(np.float32) @ b.T.astype(np.float32) + c)
    for made in (x @ w.T, np.maximum(x, 0), x[:, 0], np.concatenate([x, x]), 0.0 + x, np.exp(x)):
        assert type(made) is type(x)
    in_place = d.working(c)
    in_place += d.working(d.round(np.full(3, 1 / 3)))
    assert np.array_equal(np.asarray(in_place), exactly(c + d.round(np.full(3, 1 / 3))))
    assert type(d.plain(x)) is np.ndarray and d.plain(x).dtype == d.numpy


def test_wide_formats_are_left_alone() -> None:
    for d in FORMATS[:2]:
        x = d.round(np.ones(3))
        assert d.working(x) is x


@pytest.mark.parametrize("d", FORMATS, ids=named)
def test_files_are_those_that_safetensors_writes(d: DType) -> None:
    rng = np.random.default_rng(2)
    weights = {
        n: d.round(rng.normal(size=s)) for n, s in {"b": (3, 2), "a": (5,), "é": (1,)}.items()
    }
    tensors = {n: torch.from_numpy(w).to(getattr(torch, d.name)) for n, w in weights.items()}
    assert dump(weights, d) == save(tensors)
    for w in weights.values():
        assert np.array_equal(d.from_bytes(d.to_bytes(w)).reshape(w.shape), w)
