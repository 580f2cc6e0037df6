"""Witnesses of cycles without end: found where they should be, true when run; and theorem 2 itself,
on floating point numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lsrl
from lsrl.analysis.cycles import Cycle, find_cycle

EXAMPLES = Path(__file__).parents[2] / "examples"
BIT = "input bit: int in 0..1\n"

TURNS = {
    "parity": BIT + "state odd = false then odd != (bit == 1)\noutput odd",
    "a sum modulo 3": BIT + "state q: int in 0..2 = 0 then (q + bit) mod 3\noutput q == 1",
    "a clock": BIT + "output cycle(4) + bit",
    "a clock after a start": BIT + "output steps() >= 5 and cycle(2) == bit",
    "two clocks": BIT + "output cycle(3) + 3 * cycle(2) + bit",
    "with resets": BIT + "state q: int in 0..3 = 0 then if bit == 1 then (q + 1) mod 4 else 0\n"
    "output q",
    "a longer word": BIT
    + "state q: int in 0..2 = 0 then [0, 2, 0, 1, 2, 2][3 * bit + q]\noutput q",
    "a vector": "input x: int[2] in 0..1\nstate s: int[2] in 0..4 = 0 then (s + x) mod 5\noutput s",
    "a quarter turn": "input x: real in 0..1\nstate v: real[2] in -1..1 = [1, 0] then "
    "[[0, -1], [1, 0]] @ v\noutput v[0] + x",
    "a sign": "input x: bool\nstate s: real in -1..1 = 1 then if x then -s else s\noutput s",
    "within an assume": "input a: bool\nassume a != prev(a)\nstate q = false then q != a\noutput q",
}
SETTLES = {
    "no state": BIT + "output 1 - bit",
    "delay": BIT + "output delay(bit, 3)",
    "ever": BIT + "output ever(bit == 1)",
    "latch": "input c: bool\ninput x: int in 0..9\noutput latch(c, x)",
    "maximum": "input x: int in -3..3\noutput running_max(x)",
    "first and last": BIT + "output store(first(), bit) == bit",
    "saturates": BIT + "state n: int in 0..3 = 0 then if bit == 1 then 0 else min(n + 1, 3)\n"
    "output n",
    "a count without end": BIT + "output accumulate(bit) > 3",
    "decay": "input x: real in 0..1\nstate s = 0 then 0.5 * s + x\noutput s",
    "unused": BIT + "state odd = 0 then (odd + bit) mod 2\noutput bit + 0 * odd",
    "against an assume": BIT + "assume accumulate(bit) <= 1\nstate q = 0 then (q + bit) mod 2\n"
    "output q",
    "less than the tolerance": "input x: real in -1..1\nstate q = 0 then (q + 1) mod 2\n"
    "output x + q / 4096",
    "no exact run": BIT
    + "state s: real[2] in -2..2 = [1, 0] then rotation(1) @ s\noutput s[0] > 0",
}


@pytest.mark.parametrize("name", TURNS)
def test_what_turns_has_a_witness_that_is_true(name: str) -> None:
    program = lsrl.parse(TURNS[name])
    witness = find_cycle(program)
    assert witness is not None
    check(program, witness)


@pytest.mark.parametrize("name", SETTLES)
def test_what_settles_has_none(name: str) -> None:
    assert find_cycle(lsrl.parse(SETTLES[name])) is None


def test_the_examples() -> None:
    """Those that are not star-free; `even_pairs` is (the first letter is the last), `capitals`,
    `dictionary` and `scattered_copy` count steps without end besides."""
    known = {
        "automaton", "fibonacci_mod", "modular_addition", "parity", "traffic_light", "vigenere",
    }  # fmt: skip
    found = set()
    for path in sorted(EXAMPLES.glob("*.lsrl")):
        program = lsrl.load(path)
        witness = find_cycle(program)
        if witness is not None:
            found.add(path.stem)
            check(program, witness)
    assert found == known


def check(program: lsrl.Program, witness: Cycle) -> None:
    """The outputs differ at the end however many copies of w there are."""
    assert witness.period > 1 and witness.states
    for more in (0, 1, 2, 7):
        for fields, expected in zip(witness.inputs(more), witness.outputs, strict=True):
            assert last(program, fields, witness.output) == expected
    assert witness.outputs[0] != witness.outputs[1]


def last(program: lsrl.Program, fields: dict[str, list[Any]], output: str) -> Any:
    x = next(iter(fields.values())) if len(fields) == 1 else fields
    y = program.run(x, exact=True)
    value = (y[output] if isinstance(y, dict) else y)[-1]
    return [int(v) for v in value] if np.ndim(value) else float(value)


def test_a_witness_as_data() -> None:
    before, word, after = ({"bit": w} for w in ([0], [1], [0]))
    witness = Cycle(before, word, after, 2, "odd", (0, 1), ("odd",))
    assert witness.as_json() == {
        "before": {"bit": [0]}, "word": {"bit": [1]}, "after": {"bit": [0]}, "period": 2,
        "inputs": [{"bit": [0, 0]}, {"bit": [0, 1, 0]}], "output": "odd", "outputs": [0, 1],
        "states": ["odd"],
    }  # fmt: skip
    assert witness.inputs(1)[1] == {"bit": [0, 1, 1, 1, 0]}


def test_the_same_witness_each_time() -> None:
    program = lsrl.load(EXAMPLES / "traffic_light.lsrl")
    assert find_cycle(program) == find_cycle(program)


def test_the_states_that_go_round_are_named_with_their_group() -> None:
    text = BIT + "state a = 0 then (a + bit) mod 2\nstate b = 0 then max(b, bit)\n"
    text += "state c: int in 0..3 = 0 then if bit == 1 then d else c\n"
    text += "state d: int in 0..3 = 1 then (if bit == 1 then prev(c) else d)\noutput a + b + c"
    witness = find_cycle(lsrl.parse(text))
    assert witness is not None
    assert "b" not in witness.states and "a" in witness.states
    assert ("c" in witness.states) == ("d" in witness.states)


# The theorem: floating point keeps the order, so nothing goes round


def numbers() -> Any:
    """All finite float16, in order, -0 below +0."""
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    every = every[np.isfinite(every)]
    return every[np.lexsort((~np.signbit(every), every))]


def place(h: Any) -> Any:
    """An integer that has the order of float16, -0 below +0."""
    bits = h.view(np.int16).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFF) - 1, bits)


def test_a_factor_and_a_sum_keep_the_order_of_all_numbers() -> None:
    h, rng = numbers(), np.random.default_rng(0)
    assert (np.diff(place(h)) == 1).all()
    factors = [*rng.random(40).astype(np.float16), *map(np.float16, (0, 1, 2**-24, 0.5))]
    for a in factors:
        for b in [*rng.normal(size=6).astype(np.float16), *map(np.float16, (0.0, -0.0, 1e-7))]:
            assert (np.diff(place(a * h + b)) >= 0).all()  # rounded twice
            once = (np.float64(a) * h.astype(np.float64) + np.float64(b)).astype(np.float16)
            assert (np.diff(place(once)) >= 0).all()  # rounded at the end
    turned = np.float16(-1) * h + np.float16(0)
    assert (np.diff(place(turned)) < 0).any()


def test_a_stack_in_floating_point_does_not_go_round() -> None:
    """Two layers of three states, each with a window of two steps, under words over and over."""
    rng, came_round = np.random.default_rng(1), 0
    for _ in range(40):
        layers = [_Layer(rng, 1), _Layer(rng, 4)]
        word = rng.normal(size=int(rng.integers(1, 4))).astype(np.float16)
        seen: dict[bytes, int] = {}
        for copies in range(1500):
            mark = b"".join(layer.h.tobytes() + layer.before.tobytes() for layer in layers)
            earlier = seen.setdefault(mark, copies)
            if earlier != copies:
                assert copies - earlier == 1
                came_round += 1
                break
            for x in word:
                read = np.array([x])
                for layer in layers:
                    read = np.concatenate([read, layer.step(read)])
    assert came_round > 30


class _Layer:
    """h = a h + b, a = exp(-dt), all of the window; hands on whether a state is above a threshold,
    times what it reads."""

    def __init__(self, rng: np.random.Generator, reads: int) -> None:
        self.h = rng.normal(size=3).astype(np.float16)
        self.before = np.zeros(reads, np.float16)
        self.maps = [rng.normal(size=(3, 2 * reads)).astype(np.float16) for _ in range(3)]

    def step(self, read: Any) -> Any:
        window = np.concatenate([self.before, read])
        rate, added, out = (m @ window for m in self.maps)
        a = np.exp(-np.logaddexp(rate, np.float16(0))).astype(np.float16)
        self.h = a * self.h + added
        self.before = read
        return np.where(self.h > 0, out, np.tanh(self.h)).astype(np.float16)
