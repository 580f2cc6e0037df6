"""Certificates at the edges of the digits: programs that once broke theirs, or were refused."""

from __future__ import annotations

import numpy as np
import pytest

import lsrl

PROGRAMS = {
    "an odd multiple": "input x: int in 0..5000000\noutput 9 * x",
    "a wide product": "input x: int in 0..9\ninput y: int in 0..200000\noutput x * y",
    "a gate on a wide inequality": "input x: int in 0..1000000\ninput y: int in 0..1000\n"
    "output if x != 5 then y else 0",
    "a gate on a wide equality": "input x: int in 0..1000000\ninput y: int in 0..1000\n"
    "output if x == 5 then y else 0",
    "an integer beyond the digits": "input x: int in 0..100000000\noutput x / 2",
    "a gate that opens once": "length <= 1000\ninput x: int in 0..7\na = 3 * prev(x / 3)\n"
    "state s: real = 0 then s + (if steps() == 1 then a else 0) / 4\noutput s",
    "a conjunction with thirds": "length <= 100\ninput x: int in 0..10\ninput b: bool\n"
    "state s = 0 then s + x / 3\noutput s >= 5 and b",
    "a count of thirds": "length <= 100\ninput x: int in 0..10\nstate s = 0 then s + x / 3\n"
    "output s == 5",
    "mod of 22 digits": "input x: int in 0..2**22-1\noutput x mod 7",
    "a rotation": "length <= 500\ninput x: real in -1..1\n"
    "state p = [1, 0] then [[0.6, -0.8], [0.8, 0.6]] @ p + [x, 0] / 64\noutput p",
}


def inputs(program: lsrl.Program, rng: np.random.Generator, steps: int) -> dict[str, np.ndarray]:
    """Extremes, small values and anything between."""
    batch = {}
    for f in program.inputs:
        low, high = float(f.lo), float(f.hi)
        x = rng.uniform(low, high, (40, steps))
        x[:10] = rng.choice([low, high, low + 5 if high >= low + 5 else high], (10, steps))
        batch[f.name] = x if f.type.kind.value == "real" else np.rint(x)
    return batch


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_no_run_exceeds_the_certificate(name: str, dtype: str) -> None:
    program = lsrl.parse(PROGRAMS[name])
    try:
        model = lsrl.compile(program, dtype=dtype, verify=False)
    except lsrl.UnsupportedError as e:
        assert dtype == "float32" and e.code == "E804", e
        return
    data = inputs(program, np.random.default_rng(0), min(program.length, 500))
    batch = program.batch(data, batched=True)
    meant = program.interpreter.run(batch)
    got = program.split(model.equations(program.stacked(batch)))
    for output, y in got.items():
        error = np.abs(y.astype(np.float64) - meant.outputs[output])[~meant.mattered]
        assert error.max(initial=0.0) <= model.certificate["bound"][output]


@pytest.mark.parametrize(
    "name", ["a gate on a wide inequality", "a gate on a wide equality", "mod of 22 digits"]
)
def test_float32_holds_what_its_digits_hold(name: str) -> None:
    model = lsrl.compile(lsrl.parse(PROGRAMS[name]), dtype="float32")
    assert max(model.certificate["bound"].values()) == 0


def test_thirds_compare_exactly_in_every_domain() -> None:
    program = lsrl.parse("input x: int in 0..10\nstate s = 0 then s + x / 3\noutput s >= 5")
    x = [0, 8, 6, 1]
    assert program.run(x).tolist() == program.run(x, exact=True).tolist() == [0, 0, 0, 1]
    tenths = lsrl.parse("input x: int in 0..10\nstate s = 0 then s + x / 10\noutput s == 1")
    assert tenths.run([1] * 11).tolist() == [False] * 9 + [True, False]
    model = lsrl.compile(tenths, dtype="float64")
    assert model.run([1] * 11).tolist() == [False] * 9 + [True, False]
