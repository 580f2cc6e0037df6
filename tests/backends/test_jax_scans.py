"""The certificate of states that `lax.associative_scan` computes, held against such runs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lsrl
from lsrl.lower.scan import additions

EXAMPLES = Path(__file__).parents[2] / "examples"
STEPS, SEQUENCES = 128, 100
REAL = "input r: real in -1..1\n"
CHOSEN = REAL + "input c: bool\n"
PROGRAMS = {
    "a short decay": REAL + "state s = 0 then 0.5 * s + 0.5 * r\noutput s",
    "a long one from 3": REAL + "state s = 3 then 0.99 * s + r\noutput s",
    "a sum": REAL + "state s = 0 then s + r\noutput s",
    "a decay of a delay": REAL + "state s = 0 then 0.7 * s + delay(r, 2)\noutput s",
    "a matrix": REAL
    + "state v: real[2] = [0, 0] then [[0.6, -0.3], [0.3, 0.6]] @ v + [r, 0.5 * r]\noutput sum(v)",
    "a decay of a decay": REAL
    + "state s = 0 then 0.5 * s + r\nstate t = 0 then 0.8 * t + s\noutput t",
    "a decay now and then": CHOSEN + "state s = 0 then if c then 0.5 * s + r else s\noutput s",
    "a latch": CHOSEN + "output latch(c, r)",
}
CASES = [
    ("linear-rnn", "a short decay"),
    ("linear-rnn", "a sum"),
    ("linear-rnn", "a decay of a delay"),
    ("linear-rnn", "a matrix"),
    ("hawk", "a long one from 3"),
    ("hawk", "a decay now and then"),
    ("mamba", "a decay of a decay"),
    ("mamba", "a latch"),
]


def only(values: Any) -> Any:
    """What a program has of its one output."""
    (value,) = values.values()
    return value


def inputs(program: Any, rng: np.random.Generator) -> dict[str, Any]:
    """Numbers of both signs, of one, and at the ends of the range."""
    shape = SEQUENCES, STEPS
    kinds = [rng.uniform(-1, 1, shape), rng.uniform(0, 1, shape), rng.choice([-1.0, 1.0], shape)]
    batch: dict[str, Any] = {"r": np.concatenate(kinds)}
    if len(program.inputs) > 1:
        batch["c"] = rng.random((3 * SEQUENCES, STEPS)) < rng.random((3 * SEQUENCES, 1))
    return batch


@pytest.mark.parametrize(("target", "name"), CASES)
def test_reals_keep_to_the_certificate(target: str, name: str) -> None:
    program = lsrl.parse(PROGRAMS[name], length=STEPS)
    model = lsrl.compile(program, target, verify=False)
    batch = program.batch(inputs(program, np.random.default_rng(0)), batched=True)
    meant = only(program.interpreter.run(batch).outputs)
    y, _ = model.jax(parallel=True)(model.stacked(batch))
    found = only(model.split(np.asarray(y, dtype=float)))
    error, bound = np.abs(found - meant).max(), only(model.certificate["parallel"])
    assert error <= bound
    assert bound <= 100 * error  # it says something


def parallel(text: str, target: str = "linear-rnn", length: int = 1000, **options: Any) -> Any:
    model = lsrl.compile(lsrl.parse(text, length=length), target, verify=False, **options)
    return only(model.certificate["bound"]), only(model.certificate["parallel"])


@pytest.mark.parametrize("target", ["linear-rnn", "gated-linear-rnn"])
def test_integers_are_exact_while_parts_of_the_sum_fit(target: str) -> None:
    """float32 has all integers up to 2^24. Parts of a sum come to twice as much as the sum."""
    text = "input x: int in -50000..50000\nstate s: int in -{most}..{most} = 0 then s + x\noutput s"
    assert parallel(text.format(most=8 * 10**6), target) == (0, 0)
    bound, scan = parallel(text.format(most=16 * 10**6), target)
    assert bound == 0 and 0 < scan < math.inf


def test_a_sum_that_is_read_later_is_as_exact() -> None:
    text = "input x: int in -50000..50000\nstate s: int in -8000000..8000000 = 0 then s + x\n"
    assert parallel(text + "output delay(s, 2)") == (0, 0)


def test_the_state_itself_must_fit_too() -> None:
    """Its changes are small, but a start at 2^24 leaves no digit for an odd number."""
    text = "input x: int in 0..1\nstate s: int in {0}..{0}+50 = {0} then s + x\noutput s"
    bound, scan = parallel(text.format(2**24), length=50, tolerance=math.inf)
    assert bound > 0 and scan >= 1


@pytest.mark.parametrize(
    "text",
    [
        REAL + "state g = 0 then 2 * g + r / 1000\nstate s = 0 then 0.5 * s + r\n"
        "output s\noutput g",
        "input x: int in 0..20000\nstate s: int in -40000..40000 = -40000 then s + x\noutput s",
    ],
    ids=["powers", "parts of a sum"],
)
def test_nothing_holds_beyond_the_largest_number(text: str) -> None:
    """0 times infinity is no number, so that no lane of the layer has a bound. 65504 is the
    largest of float16."""
    program = lsrl.parse(text, length=20)
    model = lsrl.compile(program, dtype="float16", tolerance=math.inf, verify=False)
    assert model.certificate["parallel"]["s"] == math.inf


def test_what_is_only_moved_is_not_rounded() -> None:
    """Clocks, registers and what is stored once: sums with nothing but zeros."""
    assert parallel("input x: int in 0..9\noutput if cycle(3) == 1 then delay(x, 4) else 0") == (
        0,
        0,
    )
    bound, scan = parallel(REAL + "output delay(r, 3)")
    assert scan == bound > 0


def test_additions() -> None:
    """Once a level up, once a level down, and that of the start."""
    assert [additions(T) for T in (1, 2, 3, 1000)] == [1, 3, 5, 21]


def test_only_of_linear_and_gated_recurrences() -> None:
    program = lsrl.parse("input x: bool\nstate odd = false then odd != x\noutput odd")
    assert "parallel" not in lsrl.compile(program, "lstm", verify=False).certificate


def test_beyond_the_tolerance_it_is_refused() -> None:
    program = lsrl.parse(PROGRAMS["a short decay"], length=STEPS)
    model = lsrl.compile(program, tolerance=1e-6, verify=False)
    assert only(model.certificate["bound"]) < 1e-6 < only(model.certificate["parallel"])
    with pytest.raises(lsrl.OptionError, match="with all steps at once the error of `s`") as e:
        model.jax(parallel=True)
    assert e.value.code == "E019"
    assert model.jax()(np.zeros((1, 3, 1)))[0].shape == (1, 3, 1)


def test_a_long_clock_is_exact() -> None:
    """Some 180 lanes, one of which is 1, moved in a circle: no powers of them are looked at."""
    program = lsrl.load(EXAMPLES / "dictionary.lsrl", {"n": 60}, length=700)
    assert only(lsrl.compile(program, verify=False).certificate["parallel"]) == 0
