"""What a compilation is not allowed: too many parameters, dtypes that a target does not carry."""

from __future__ import annotations

import tracemalloc
from fractions import Fraction

import pytest

import lsrl
from lsrl.lower.coefficients import primitive
from lsrl.targets.base import CompileOptions, check_dtype, check_parameters

LONG_TABLE = "input x: int in 0..2999\noutput [{}][x]".format(
    ", ".join(str(k * k % 1009) for k in range(3000))
)


def test_the_limit_is_kept_to_the_parameter() -> None:
    program = lsrl.load("examples/majority.lsrl")
    size = lsrl.compile(program).report.parameters
    assert lsrl.compile(program, max_parameters=size).report.parameters == size
    with pytest.raises(lsrl.UnsupportedError) as caught:
        lsrl.compile(program, max_parameters=size - 1)
    (problem,) = caught.value.diagnostics
    assert problem.render() == (
        f"error[E806]: as `linear-rnn` the program takes {size} parameters, more than the limit of "
        f"{size - 1}\n  help: raise --max-parameters, choose smaller ranges, or use another target"
    )


def test_fractions_without_a_small_common_denominator() -> None:
    """That of 1/1, ..., 1/800 is beyond the largest float: no coefficients are made integers."""
    fractions = ", ".join(f"1/{k + 1}" for k in range(800))
    terms = {k: Fraction(1, k + 1) for k in range(800)}
    assert primitive(terms) == (tuple(terms.items()), 1)
    program = lsrl.parse(f"length <= 9\ninput x: int in 0..799\noutput [{fractions}][x]")
    with pytest.raises(lsrl.UnsupportedError, match="parameters, more than the limit of 1,000"):
        lsrl.compile(program, "mamba", max_parameters=1000)


def test_it_is_refused_before_the_weights_take_memory() -> None:
    program = lsrl.parse(LONG_TABLE)
    program.graph, program.facts  # noqa: B018
    tracemalloc.start()
    try:
        with pytest.raises(lsrl.UnsupportedError, match=r"takes [\d,]{9,} parameters"):
            lsrl.compile(program, max_parameters=1000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    weights = lsrl.compile(program, verify=False).weights
    assert peak < sum(w.nbytes for w in weights.values())


@pytest.mark.parametrize("most", [0, -3, 1.5, True, "many"])
def test_a_limit_that_is_none(most: object) -> None:
    with pytest.raises(lsrl.OptionError) as caught:
        lsrl.compile(lsrl.parse("input x: bool\noutput x"), max_parameters=most)  # type: ignore[arg-type]
    assert caught.value.code == "E024"
    assert f"parameters {most!r} is not a positive integer" in str(caught.value)


def test_any_target_can_ask() -> None:
    check_parameters("lstm", 10**9, CompileOptions())
    check_parameters("lstm", 7, CompileOptions(max_parameters=7))
    with pytest.raises(lsrl.UnsupportedError, match=r"as `lstm` the program takes 1,000,000 param"):
        check_parameters("lstm", 10**6, CompileOptions(max_parameters=7))


@pytest.mark.parametrize(
    ("dtype", "wanted"),
    [
        (
            "bfloat16",
            "`lstm` does not carry bfloat16: tanh is the identity for 2^-12 and less only",
        ),
        ("float8", "`lstm` has no dtype `float8`"),
    ],
)
def test_a_dtype_that_a_target_does_not_carry(dtype: str, wanted: str) -> None:
    carried = ("float64", "float32")
    check_dtype("lstm", CompileOptions(dtype="float32"), carried)
    with pytest.raises(lsrl.OptionError) as caught:
        reason = "tanh is the identity for 2^-12 and less only"
        check_dtype("lstm", CompileOptions(dtype=dtype), carried, reason)
    (problem,) = caught.value.diagnostics
    assert (problem.code, problem.message) == ("E021", wanted)
    assert problem.help == "it has float64 and float32"
