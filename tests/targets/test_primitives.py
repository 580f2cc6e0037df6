"""What the compiler builds on, measured in torch's own modules: the table of primitives.

Weights are written by hand; "exact" is equality of all bits with float64 arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from lsrl.lower.units.scale import GAIN, LINEAR, SHUT, STEEP
from lsrl.targets.gru import APART

GATES = {"LSTM": "ifgo", "GRU": "rzn", "relu": "h", "tanh": "h"}
DIGITS = {torch.float32: 24, torch.float64: 53}
DTYPES = [torch.float32, torch.float64]
OPEN, CLOSED = GAIN / 2, -GAIN / 2
EPS = 2.0**-32  # 2^-12 at most with values to 2^20
KINDS = list(GATES)
LONG = 10_000


class Hand:
    """One of torch's modules, its weights 0 until they are set."""

    def __init__(self, kind: str, inputs: int, hidden: int, layers: int = 1, dtype: Any = None):
        settings = {"nonlinearity": kind} if kind in ("relu", "tanh") else {}
        module = getattr(torch.nn, kind if kind.isupper() else "RNN")
        self.module = module(inputs, hidden, layers, batch_first=True, **settings)
        self.module.to(dtype or torch.float32)
        self.kind, self.hidden = kind, hidden
        with torch.no_grad():
            for p in self.module.parameters():
                p.zero_()

    @torch.no_grad()
    def set(
        self,
        gate: str,
        unit: int,
        x: Mapping[int, float] | None = None,
        h: Mapping[int, float] | None = None,
        b: float = 0.0,
        bh: float = 0.0,
        layer: int = 0,
    ) -> None:
        """The argument of a unit's gate: sums over inputs x and previous units h, and constants."""
        row = GATES[self.kind].index(gate) * self.hidden + unit
        for name, weights in (("weight_ih", x), ("weight_hh", h)):
            for column, w in (weights or {}).items():
                getattr(self.module, f"{name}_l{layer}")[row, column] = w
        getattr(self.module, f"bias_ih_l{layer}")[row] = b
        getattr(self.module, f"bias_hh_l{layer}")[row] = bh

    def gates(self, unit: int, layer: int = 0, **arguments: float) -> None:
        """Constant arguments."""
        for gate, b in arguments.items():
            self.set(gate, unit, b=b, layer=layer)

    @torch.no_grad()
    def run(self, *columns: Any) -> np.ndarray:
        """Columns `[B, T]` to the last layer's units `[B, T, H]`, in float64."""
        x = np.stack([np.asarray(c, dtype=np.float64) for c in columns], axis=-1)
        y, _ = self.module(torch.from_numpy(x).to(self.module.weight_ih_l0.dtype))
        return y.double().numpy()  # type: ignore[no-any-return]


def linear(net: Hand, unit: int, scale: float, x: dict[int, float], layer: int = 0) -> None:
    """A unit that hands on scale times a sum of inputs."""
    weights = {k: scale * w for k, w in x.items()}
    if net.kind == "LSTM":
        net.gates(unit, layer, i=OPEN, f=CLOSED, o=OPEN)
    elif net.kind == "GRU":
        net.gates(unit, layer, z=CLOSED, r=OPEN)
    net.set({"LSTM": "g", "GRU": "n"}.get(net.kind, "h"), unit, x=weights, layer=layer)


def reals(dtype: Any, shape: tuple[int, int], most: float = 1.0, seed: int = 0) -> np.ndarray:
    """Numbers of a dtype in -most..most, as float64."""
    x = np.random.default_rng(seed).uniform(-most, most, shape)
    return torch.from_numpy(x).to(dtype).double().numpy()  # type: ignore[no-any-return]


def integers(lo: int, hi: int, shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(lo, hi, shape, endpoint=True).astype(float)


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


# States


@pytest.mark.parametrize("kind", KINDS)
def test_an_accumulator_of_integers(kind: str) -> None:
    """Exact to T = 10,000."""
    x = integers(-7, 8, (8, LONG))
    meant = np.cumsum(x, axis=1)
    net = Hand(kind, 1, 2)
    if kind == "LSTM":
        net.gates(0, i=OPEN, f=OPEN, o=OPEN)
        net.set("g", 0, x={0: EPS})
    elif kind == "GRU":
        net.gates(0, z=CLOSED, r=OPEN)
        net.set("n", 0, x={0: EPS}, h={0: 1.0})
    elif kind == "tanh":
        net.set("h", 0, x={0: EPS}, h={0: 1.0})
    else:
        for unit, sign in ((0, 1.0), (1, -1.0)):
            net.set("h", unit, x={0: sign}, h={0: sign, 1: -sign})
    y = net.run(x)
    got = y[..., 0] - y[..., 1] if kind == "relu" else y[..., 0] / EPS
    assert np.array_equal(got, meant)


@pytest.mark.parametrize(("steps", "most"), [(100, 5e-6), (1000, 1e-4), (LONG, 6e-4)])
def test_an_accumulator_of_reals_rounds_once_a_step(steps: int, most: float) -> None:
    x = reals(torch.float32, (8, steps))
    net = Hand("LSTM", 1, 1)
    net.gates(0, i=OPEN, f=OPEN, o=OPEN)
    net.set("g", 0, x={0: EPS})
    error = np.abs(net.run(x)[..., 0] / EPS - np.cumsum(x, axis=1)).max()
    assert 0 < error <= most


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_a_latch_of_a_real(kind: str) -> None:
    """LSTM: f = [not c], i = [c]. GRU: a pair switched by c, then n = tanh(u + r h) over it."""
    x, c = reals(torch.float32, (8, LONG), 10.0), integers(0, 9, (8, LONG)) < 1
    meant, held = np.zeros_like(x), np.zeros(8)
    for t in range(LONG):
        held = np.where(c[:, t], x[:, t], held)
        meant[:, t] = held
    if kind == "LSTM":
        net = Hand("LSTM", 2, 1)
        net.gates(0, o=OPEN)
        net.set("g", 0, x={0: EPS})
        net.set("i", 0, x={1: GAIN}, b=-GAIN / 2)
        net.set("f", 0, x={1: -GAIN}, b=GAIN / 2)
        assert np.array_equal(net.run(x, c)[..., 0] / EPS, meant)
        return
    net = Hand("GRU", 2, 3, layers=2)
    for unit, sign in ((0, 1.0), (1, -1.0)):
        net.gates(unit, z=CLOSED)
        net.set("r", unit, x={1: -GAIN}, b=GAIN / 2)
        net.set("n", unit, x={0: EPS}, bh=sign * SHUT)
    linear(net, 2, 2.0**-12, {1: 1.0})
    net.gates(0, 1, z=CLOSED)
    net.set("r", 0, x={2: -GAIN * 2.0**12}, b=GAIN / 2, layer=1)
    net.set("n", 0, x={0: 0.5, 1: 0.5}, h={0: 1.0}, layer=1)
    assert np.array_equal(net.run(x, c)[..., 0] / EPS, meant)


def test_a_latch_of_an_integer_in_one_unit_of_a_gru() -> None:
    """z = [not c] and n the value."""
    x, c = integers(-500, 500, (8, LONG)), integers(0, 9, (8, LONG)) < 1
    net = Hand("GRU", 2, 1)
    net.gates(0, r=OPEN)
    net.set("z", 0, x={1: -GAIN}, b=GAIN / 2)
    net.set("n", 0, x={0: EPS})
    y, held = net.run(x, c)[..., 0] / EPS, np.zeros(8)
    for t in range(LONG):
        held = np.where(c[:, t], x[:, t], held)
        assert np.array_equal(y[:, t], held)


@pytest.mark.parametrize("kind", KINDS)
def test_a_shift_register_of_reals(kind: str) -> None:
    x = reals(torch.float32, (8, 400), 100.0)
    units = 16 if kind == "relu" else 8
    net = Hand(kind, 1, units)
    if kind == "relu":
        for j in range(units):
            before = {} if j < 2 else {j - 2: 1.0}
            net.set("h", j, x={0: (1.0, -1.0)[j]} if j < 2 else {}, h=before)
        y = net.run(x)
        last = y[..., 14] - y[..., 15]
    else:
        gate = {"LSTM": "g", "GRU": "n", "tanh": "h"}[kind]
        for j in range(units):
            linear(net, j, EPS, {0: 1.0} if j == 0 else {})
            if j:
                net.set(gate, j, h={j - 1: 1.0})
        last = net.run(x)[..., 7] / EPS
    assert np.array_equal(last[:, 7:], x[:, :-7])
    assert not last[:, :7].any()


@pytest.mark.parametrize("m", [2, 3, 7, 12])
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "relu"])
def test_a_counter_modulo_m(kind: str, m: int) -> None:
    """(n + x) mod m with x 0 or 1, in one unit of an LSTM or GRU; exact to T = 10,000."""
    x = integers(0, 1, (8, LONG))
    x[0] = 1
    meant = np.cumsum(x, axis=1) % m
    net = Hand(kind, 1, 2)
    if kind == "LSTM":  # f is open but where n wraps around, i where n grows
        net.gates(0, o=OPEN, g=EPS)
        net.set("f", 0, x={0: -GAIN * m}, h={0: -GAIN / EPS}, b=GAIN * (2 * m - 1.5))
        net.set("i", 0, x={0: GAIN * m}, h={0: -GAIN / EPS}, b=-GAIN * 1.5)
        got = net.run(x)[..., 0] / EPS
    elif kind == "GRU":  # z holds n while x is 0; else r (n + 1), r shut where n + 1 is m
        net.set("z", 0, x={0: -GAIN}, b=GAIN / 2)
        net.set("r", 0, h={0: -GAIN / EPS}, b=GAIN * (m - 1.5))
        net.set("n", 0, h={0: 1.0}, bh=EPS)
        got = net.run(x)[..., 0] / EPS
    else:  # a = relu(v), b = relu(v - m + 1), v = a - m b + x
        for unit in (0, 1):
            net.set("h", unit, x={0: 1.0}, h={0: 1.0, 1: -float(m)}, b=unit * (1.0 - m))
        y = net.run(x)
        got = y[..., 0] - m * y[..., 1]
    assert np.array_equal(got, meant)


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_a_permutation_modulo_7(kind: str) -> None:
    """A ring of units that turns where x is 1; the first unit is held as its difference from 1."""
    x = integers(0, 1, (8, LONG))
    meant = np.cumsum(x, axis=1) % 7
    net = Hand(kind, 1, 7)
    for j in range(7):
        # unit 0 is 0 where the position is 0, and -1 elsewhere: all are 0 at the start
        before = (j - 1) % 7
        shift = EPS * ((j == 1) - (j == 0))
        if kind == "LSTM":
            net.gates(j, o=OPEN)
            net.set("f", j, x={0: -GAIN}, b=GAIN / 2)
            net.set("i", j, x={0: GAIN}, b=-GAIN / 2)
            net.set("g", j, h={before: 1.0}, b=shift)
        else:
            net.gates(j, r=OPEN)
            net.set("z", j, x={0: -GAIN}, b=GAIN / 2)
            net.set("n", j, h={before: 1.0}, b=shift)
    y = net.run(x) / EPS
    y[..., 0] += 1
    assert np.array_equal(y, meant[..., None] == np.arange(7))


@pytest.mark.parametrize("kind", KINDS)
def test_an_automaton(kind: str) -> None:
    """Units (q, a), and one that is always on, which tells the first step; exact to T = 10,000."""
    states, symbols = 5, 3
    rng = np.random.default_rng(4)
    table = rng.integers(0, states, (states, symbols))
    word = rng.integers(0, symbols, (8, LONG))
    q, meant = np.zeros(8, dtype=int), np.zeros((8, LONG), dtype=int)
    for t in range(LONG):
        q = table[q, word[:, t]]
        meant[:, t] = q
    units = [(p, a) for p in range(states) for a in range(symbols)]
    on = len(units)
    net = Hand(kind, symbols, on + 1)
    one = {"LSTM": EPS, "GRU": EPS, "relu": 1.0, "tanh": 1.0}[kind]
    for k, (p, a) in enumerate(units):  # p: the state that the symbol a is read in
        into = [j for j, (s, b) in enumerate(units) if table[s, b] == p]
        h = dict.fromkeys(into, 1.0)
        const = -1.5
        if p == 0:
            h[on] = h.get(on, 0.0) - 1
            const += 1
        if kind == "tanh":  # units are -1 and 1, and 0 at first: [h] = (h + on) / 2
            h = dict.fromkeys(into, 0.5) | {on: 0.5 * len(into) + h.get(on, 0.0)}
        gain = 1.0 if kind == "relu" else GAIN
        recurrent = {j: gain * w / one for j, w in h.items()}
        const = gain * (const + 0.5 * (kind == "relu"))
        if kind == "LSTM":
            net.gates(k, i=OPEN, f=CLOSED, g=EPS)
            net.set("o", k, x={a: gain}, h=recurrent, b=const)
        elif kind == "GRU":
            net.gates(k, z=CLOSED)
            net.set("r", k, x={a: gain}, h=recurrent, b=const)
            net.set("n", k, bh=EPS)
        else:
            net.set("h", k, x={a: gain}, h=recurrent, b=const)
    if kind == "tanh":
        net.set("h", on, b=SHUT)
    else:
        linear(net, on, one, dict.fromkeys(range(symbols), 1.0))
    y = net.run(*(word == a for a in range(symbols)))[..., :on] / one
    y = (y + 1) / 2 if kind == "tanh" else y
    got = np.argmax(y, axis=-1)
    assert np.array_equal(np.sort(y, axis=-1)[..., -2:], np.tile([0.0, 1.0], (*word.shape, 1)))
    assert np.array_equal(table[got // symbols, got % symbols], meant)
