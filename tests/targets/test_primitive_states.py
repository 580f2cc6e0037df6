"""What the compiler builds states on, measured in torch's own modules over thousands of steps: the
second half of the table of primitives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from by_hand import CLOSED, EPS, KINDS, LONG, OPEN, Hand, integers, linear, reals

from lsrl.lower.units.scale import GAIN, SHUT


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
