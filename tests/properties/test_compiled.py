"""Properties of compiled models: they equal the interpreter, in both dtypes and streamed."""

from __future__ import annotations

import math
from typing import Any

import cases
import pytest
from cases import Case, case, compiled, model_problem, stream_problem
from hypothesis import HealthCheck, given, settings

import lsrl
from lsrl.errors import LsrlError
from lsrl.lower.conditional import VARIANTS
from lsrl.testing import Generated, programs

CHUNK = 100
SEEDS = range(0, 1000, CHUNK)
TORCH = 40


def _agrees(c: Case, dtype: str, backend: str = "numpy", **options: Any) -> bool:
    """Whether the program compiles; then it must agree."""
    model = compiled(c, dtype, **options)
    if isinstance(model, LsrlError):
        return False
    for problem in (model_problem(c, model, backend), stream_problem(c, model, backend)):
        assert problem is None, f"{problem}\n{c.generated}\n{model.certificate}"
    return True


@pytest.mark.parametrize("first", SEEDS)
def test_float32(first: int) -> None:
    """Exact for integers and booleans, within the certificate for reals; four in five compile."""
    held = [_agrees(case(seed, linear_rnn=True), "float32") for seed in range(first, first + CHUNK)]
    assert sum(held) >= 0.8 * CHUNK


@pytest.mark.parametrize("first", SEEDS[:3])
def test_float64(first: int) -> None:
    held = [_agrees(case(seed, linear_rnn=True), "float64") for seed in range(first, first + CHUNK)]
    assert sum(held) >= 0.8 * CHUNK


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_low_precision(dtype: str, backend: str) -> None:
    """Refused, or exact for integers and booleans and within the certificate for reals."""
    for seed in range(CHUNK):
        _agrees(case(seed, linear_rnn=True), dtype, backend)
    loose = [
        _agrees(case(s, linear_rnn=True), dtype, backend, tolerance=1e30) for s in range(CHUNK)
    ]
    assert 0.5 * CHUNK <= sum(loose) < CHUNK


def test_programs_of_all_kinds() -> None:
    """Not made for this target: refused, or right."""
    held = [_agrees(case(seed), "float32") for seed in range(CHUNK)]
    assert any(held)
    assert not all(held)


def test_gated_linear_rnn() -> None:
    """Whatever `linear-rnn` holds, and products."""
    kinds = [case(seed, linear_rnn=True) for seed in range(CHUNK)]
    held = [_agrees(c, "float32", target="gated-linear-rnn") for c in kinds]
    assert sum(held) >= 0.8 * CHUNK
    assert any(_agrees(case(s), "float64", target="gated-linear-rnn") for s in range(CHUNK))


@pytest.mark.parametrize("constants", ["range", "paper"])
def test_conditionals_of_the_paper(constants: str) -> None:
    """Each variant on programs of its own, on the target that has them all."""
    for seed in range(60):
        chosen = {"conditional": VARIANTS[seed % len(VARIANTS)], "constants": constants}
        chosen |= {"target": "gated-linear-rnn", "tolerance": math.inf}
        assert _agrees(case(seed, linear_rnn=True), "float64", **chosen)


def test_torch() -> None:
    pytest.importorskip("torch")
    for seed in range(TORCH):
        _agrees(case(seed, linear_rnn=True), "float32", "torch")


def test_what_is_refused_is_refused_with_a_reason() -> None:
    for seed in range(CHUNK):
        model = compiled(case(seed))
        if isinstance(model, LsrlError):
            assert isinstance(model, lsrl.UnsupportedError)
            assert all(d.code.startswith("E80") and d.message for d in model.diagnostics)


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(programs(linear_rnn=True))
def test_what_hypothesis_draws(generated: Generated) -> None:
    _agrees(Case(generated), "float32")


def test_comparison_sees_differences() -> None:
    """The comparison itself: a wrong output is found."""
    c = next(case(s) for s in range(50) if case(s).optimised.mattered.sum() == 0)
    wrong = {name: y + 1.0 for name, y in c.optimised.outputs.items()}
    assert cases.difference(c.optimised, wrong, 1e-3, c.program.graph) is not None
