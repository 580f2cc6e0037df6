"""What the generator found: the smallest program of each, kept."""

from __future__ import annotations

import cases
import numpy as np
import pytest
from cases import Case

import lsrl
from lsrl.ir.types import Kind
from lsrl.testing import Generated

COMPILED = {
    "at_least off the lattice": "input x: real in 3..5\noutput (if x > 4 then 2 else -3) div 3",
    "a carried combination with irrational coefficients": (
        "input x: int in 0..9\nstate s = 4 then (x + s) mod 6\noutput -(sin(1) * s)"
    ),
    "an irrational entry of a table": (
        "input x: int in 0..3\nv = lookup(x, [4, 0.5, -2, log(3)])\noutput [v, step(0.3 - v)]"
    ),
    "a gate of fifths leaks": (
        "input x: int in 0..1\ninput y: bool\noutput x / (if y then 8 else 5)"
    ),
    "an initial value is rounded": "input x: real in 0..1\noutput prev(x, sin(1))",
    "the initial value is outside of the range": (
        "input x: bool\nstate s = -1 then 0.1 * s + x\noutput s"
    ),
    "a constant real output": "input x: bool\noutput 0 * x + 0.1",
}
SIZES = {
    "window(prev(x), 3)": 6,
    "delay(prev(x, 0), 2)": 2,
    "delay(1 <= prev(x), 3)": 2,
    "one_hot(prev(x), 3)": 6,
    "running_min(one_hot([first(), first()], 2))": 4,
    "window(delay(prev(delay(x, 1)), 2), 2)": 4,
}


def _case(text: str, length: int = 8) -> Case:
    source = f"length <= {length}\n{text}\n"
    rng = np.random.default_rng(0)
    inputs = {}
    for f in lsrl.parse(source).inputs:
        shape = (8, length, *(f.type.shape or ()))
        x = rng.uniform(float(f.lo), float(f.hi), shape)
        inputs[f.name] = x if f.type.kind is Kind.REAL else np.rint(x)
    return Case(Generated(source, inputs, length))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", COMPILED)
def test_compiled(name: str, dtype: str) -> None:
    c = _case(COMPILED[name])
    model = cases.compiled(c, dtype)
    assert isinstance(model, lsrl.CompiledModel), model
    assert cases.model_problem(c, model) is None


@pytest.mark.parametrize("expression", SIZES)
def test_sizes_that_follow_from_a_later_round(expression: str) -> None:
    program = lsrl.parse(f"input x: int[2] in 0..3\noutput y = {expression}\n")
    assert program.graph.nodes[program.graph.outputs[0].node].type.size == SIZES[expression]


def test_the_range_of_a_signed_state() -> None:
    text = "input x: int in -7..0\nstate s = 3 then (if x > -6 then -s else s) + x div 3\noutput s"
    assert cases.range_problem(_case(text, 2)) is None


def test_a_matrix_and_a_scalar_initial_value() -> None:
    program = lsrl.parse("input x: bool\nstate s = 2 then shift(3) @ s + x\noutput s\n")
    assert program.run([1, 0]).tolist() == [[1, 3, 3], [0, 1, 3]]


def test_a_state_that_stays_zero() -> None:
    assert lsrl.parse("input x: bool\noutput since(4 <= 4)\n").run([1, 0]).tolist() == [0, 0]


def test_a_promise_of_a_real_in_exact_mode() -> None:
    text = "input x: bool\nv = 1 / length\noutput store(first(), latch(true, v, -1))"
    assert cases.exact_problem(_case(text, 24)) is None


@pytest.mark.parametrize("target", ["lstm", "gru", "mamba", "hawk"])
def test_an_automaton_over_values_whose_ends_are_rounded(target: str) -> None:
    """1 / 12 in floats is less than the end of its lattice: the value was left out."""
    c = _case("input x: bool\noutput running_max(x / 12)")
    model = cases.compiled(c, target=target)
    assert isinstance(model, lsrl.CompiledModel), model
    assert cases.model_problem(c, model) is None
