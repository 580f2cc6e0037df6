"""What the compiler builds on, measured in torch's own modules: the table of primitives.

Weights are written by hand; "exact" is equality of all bits with float64 arithmetic.
"""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from by_hand import CLOSED, DIGITS, DTYPES, EPS, KINDS, OPEN, Hand, integers, linear, reals

from lsrl.lower.units.scale import GAIN, LINEAR, SHUT, STEEP
from lsrl.targets.gru import APART

# The functions


@pytest.mark.parametrize("dtype", DTYPES)
def test_tanh_is_the_identity_in_the_linear_regime(dtype: Any) -> None:
    """Up to 2^-12 in float32 and 2^-27 in float64, and not much farther."""
    most = 2.0 ** -LINEAR[DIGITS[dtype]]
    small = reals(dtype, (64, 512), most)
    small[0, :40] = most * 2.0 ** -np.arange(40)
    for kind in ("LSTM", "GRU", "tanh"):
        net = Hand(kind, 1, 1, dtype=dtype)
        linear(net, 0, 1.0, {0: 1.0})
        assert np.array_equal(net.run(small)[..., 0], small), kind
        assert not np.array_equal(net.run(8 * small)[..., 0], 8 * small), kind


@pytest.mark.parametrize("dtype", DTYPES)
def test_gates_saturate_at_the_gains_in_use(dtype: Any) -> None:
    """A margin of 1/2 opens or shuts a gate exactly, in vectorised kernels and in their tails."""
    for n in (1, 3, 4, 7, 8, 33, 1000):
        margins = torch.linspace(0.5, 1e6, n, dtype=dtype)
        assert torch.equal(torch.sigmoid(GAIN * margins), torch.ones(n, dtype=dtype))
        assert torch.equal(torch.sigmoid(-GAIN * margins), torch.zeros(n, dtype=dtype))
        near = 2.0 ** -LINEAR[DIGITS[dtype]] * torch.linspace(-1, 1, n, dtype=dtype)
        assert torch.equal(torch.tanh(SHUT + near), torch.ones(n, dtype=dtype))
        assert torch.equal(torch.tanh(near - SHUT), -torch.ones(n, dtype=dtype))


@pytest.mark.parametrize("hidden", [1, 3, 8, 17])
def test_open_and_closed_gates_of_an_lstm_are_exact(hidden: int) -> None:
    net = Hand("LSTM", 1, hidden)
    for k in range(hidden):
        net.gates(k, i=OPEN, f=CLOSED, o=OPEN if k % 2 else CLOSED)
        net.set("g", k, x={0: EPS})
    x = reals(torch.float32, (8, 200), 1000.0)
    y = net.run(x)
    for k in range(hidden):
        assert np.array_equal(y[..., k] / EPS, x if k % 2 else 0 * x)


# Values of one step


@pytest.mark.parametrize("kind", KINDS)
def test_a_real_is_passed_on_exactly_through_layers(kind: str) -> None:
    """relu: as a pair."""
    x = reals(torch.float32, (8, 500), 1000.0)
    net = Hand(kind, 1, 2, layers=3)
    if kind == "relu":
        for layer, sign in product(range(3), (0, 1)):
            weights = {0: 1 - 2.0 * sign} if layer == 0 else {sign: 1.0}
            linear(net, sign, 1.0, weights, layer)
        y = net.run(x)
        assert np.array_equal(y[..., 0] - y[..., 1], x)
        return
    for layer in range(3):
        linear(net, 0, EPS if layer == 0 else 1.0, {0: 1.0}, layer)
    assert np.array_equal(net.run(x)[..., 0] / EPS, x)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_step_of_an_integer(kind: str, dtype: Any) -> None:
    """[n >= 1] is exact."""
    n = integers(-50, 50, (8, 300))
    n[0, :101] = np.arange(-50, 51)
    net = Hand(kind, 1, 2, dtype=dtype)
    if kind == "LSTM":
        net.gates(0, i=OPEN, f=CLOSED, g=EPS)
        net.set("o", 0, x={0: GAIN}, b=-GAIN / 2)
        y = net.run(n)[..., 0] / EPS
    elif kind == "GRU":
        net.gates(0, z=CLOSED)
        net.set("r", 0, x={0: GAIN}, b=-GAIN / 2)
        net.set("n", 0, bh=EPS)
        y = net.run(n)[..., 0] / EPS
    elif kind == "tanh":
        net.set("h", 0, x={0: GAIN}, b=-GAIN / 2)
        y = (net.run(n)[..., 0] + 1) / 2
    else:
        net.set("h", 0, x={0: 1.0})
        net.set("h", 1, x={0: 1.0}, b=-1.0)
        y = net.run(n)[..., 0] - net.run(n)[..., 1]
    assert np.array_equal(y, n >= 1)


@pytest.mark.parametrize("k", [-3, 0, 7])
def test_an_integer_equals_k(k: int) -> None:
    """One unit of an LSTM, [n >= k] [n <= k]; a difference of two steps of a GRU."""
    n = integers(-10, 10, (8, 300))
    lstm = Hand("LSTM", 1, 1)
    lstm.gates(0, f=CLOSED, g=EPS)
    lstm.set("i", 0, x={0: GAIN}, b=GAIN * (0.5 - k))
    lstm.set("o", 0, x={0: -GAIN}, b=GAIN * (0.5 + k))
    assert np.array_equal(lstm.run(n)[..., 0] / EPS, n == k)
    gru = Hand("GRU", 1, 2)
    for unit in (0, 1):
        gru.gates(unit, z=CLOSED)
        gru.set("r", unit, x={0: GAIN}, b=GAIN * (0.5 - k - unit))
        gru.set("n", unit, bh=EPS)
    y = gru.run(n) / EPS
    assert np.array_equal(y[..., 0] - y[..., 1], n == k)


@pytest.mark.parametrize("kind", KINDS)
def test_a_boolean_times_a_real(kind: str) -> None:
    """A gate; or a pair of units that saturate in opposite directions; or NOT b in a ReLU."""
    r, b = reals(torch.float32, (8, 400), 100.0), integers(0, 1, (8, 400))
    net = Hand(kind, 2, 2)
    if kind == "LSTM":
        net.gates(0, i=OPEN, f=CLOSED)
        net.set("g", 0, x={0: EPS})
        net.set("o", 0, x={1: GAIN}, b=-GAIN / 2)
        y = net.run(r, b)[..., 0] / EPS
    elif kind == "relu":
        for unit, sign in ((0, 1.0), (1, -1.0)):
            net.set("h", unit, x={0: sign, 1: -128.0})
        y = net.run(r, 1 - b)
        y = y[..., 0] - y[..., 1]
    else:
        for unit, sign in ((0, 1.0), (1, -1.0)):
            if kind == "GRU":
                net.gates(unit, z=CLOSED)
                net.set("r", unit, x={1: -GAIN}, b=GAIN / 2)
                net.set("n", unit, x={0: EPS}, bh=sign * SHUT)
            else:
                net.set("h", unit, x={0: EPS, 1: sign * SHUT})
        y = net.run(r, b if kind == "GRU" else 1 - b)
        y = (y[..., 0] + y[..., 1]) / 2 / EPS
    assert np.array_equal(y, b * r)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_a_relu_of_a_real(kind: str, dtype: Any) -> None:
    """o = sigma(2^40 x): 0.2785/2^40 off at most. A pair of a GRU loses what is below a rounding of
    what saturates it."""
    eps = 2.0 ** -LINEAR[DIGITS[dtype]]
    x = reals(dtype, (8, 4000))
    x[0, :200] = np.ldexp(np.tile([1.0, -1.0], 100), -np.arange(200) // 2)
    x[1] = np.linspace(-40, 40, 4000).astype(np.float32) / STEEP
    net = Hand(kind, 1, 2, dtype=dtype)
    if kind == "LSTM":
        net.gates(0, i=OPEN, f=CLOSED)
        net.set("g", 0, x={0: eps})
        net.set("o", 0, x={0: STEEP})
        y, most = net.run(x)[..., 0] / eps, 0.2785 / STEEP
    else:
        for unit, sign in ((0, 1.0), (1, -1.0)):
            net.gates(unit, z=CLOSED)
            net.set("r", unit, x={0: -STEEP})
            net.set("n", unit, x={0: eps}, bh=sign * SHUT)
        y = net.run(x).sum(axis=-1) / 2 / eps
        most = max(5.0, math.log(4 * SHUT * 2.0 ** -DIGITS[dtype] * STEEP / eps)) / STEEP
    error = np.abs(y - np.maximum(x, 0))
    settled = np.abs(x) > 2.0**-30
    assert np.array_equal(y[settled], np.maximum(x, 0)[settled])
    assert 0.7 * most < error.max() <= most * (1 + 1e-4)


PRODUCTS = [  # kind, dtype, weights a_k, the largest z, the largest error
    ("LSTM", torch.float32, (1.0,), 2.0**-6, 2.5e-4),
    ("LSTM", torch.float32, (4 / 3, -1 / 6), 2.0**-4, 2e-5),
    ("LSTM", torch.float64, (4 / 3, -1 / 6), 2.0**-9, 1e-11),
    ("GRU", torch.float32, (1.0,), 2.0**-6, 2.5e-4),
    ("GRU", torch.float32, (4 / 3, -1 / 6), 2.0**-4, 4e-5),
    ("GRU", torch.float64, (4 / 3, -1 / 6), 2.0**-9, 5e-11),
]


@pytest.mark.parametrize(("kind", "dtype", "weights", "z", "most"), PRODUCTS)
def test_a_product_of_reals(kind: str, dtype: Any, weights: Any, z: float, most: float) -> None:
    """(2 / w) sum of a_k (sigma(k w x) - sigma(-k w x)) y; w x / 2 is at most z. In a GRU 1 - z is
    the gate, and r takes away what z keeps: z h = (1 - z) e^-s h."""
    x, y = reals(dtype, (8, 2000)), reals(dtype, (8, 2000), seed=1)
    net, w, total = Hand(kind, 2, 2 * len(weights), dtype=dtype), 2 * z, 0.0
    eps, apart = 2.0 ** -(LINEAR[DIGITS[dtype]] + 1), APART[DIGITS[dtype]]
    for unit in range(2 * len(weights)):
        s = (1, -1)[unit % 2] * (unit // 2 + 1) * w
        if kind == "LSTM":
            net.gates(unit, i=OPEN, f=CLOSED)
            net.set("g", unit, x={1: eps})
            net.set("o", unit, x={0: s})
        else:
            net.set("z", unit, x={0: -s})
            net.set("r", unit, x={0: -s}, b=-apart)
            net.set("n", unit, x={1: eps}, h={unit: -1 - math.exp(apart)})
    h = net.run(x, y) / eps
    for k, a in enumerate(weights):
        total = total + 2 / w * a * (h[..., 2 * k] - h[..., 2 * k + 1])
    assert np.abs(total - x * y).max() <= most


def test_a_small_integer_times_a_real() -> None:
    """[k >= 1] r + ... + [k >= 8] r, each a gate: only the sum rounds."""
    k, r = integers(0, 8, (8, 400)), reals(torch.float32, (8, 400))
    net = Hand("LSTM", 2, 8)
    for j in range(8):
        net.gates(j, i=OPEN, f=CLOSED)
        net.set("g", j, x={1: EPS})
        net.set("o", j, x={0: GAIN}, b=-GAIN * (j + 0.5))
    assert np.array_equal(net.run(k, r).sum(axis=-1) / EPS, k * r)
