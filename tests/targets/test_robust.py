"""The profile `robust` of the linear RNNs: what it stands, and what it costs."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from table import CASES

import lsrl
from lsrl.experiments.disturb import Undisturbed
from lsrl.experiments.prompts import look_ups, random_pairs
from lsrl.model import NumpyRunner

EXAMPLES = Path(__file__).parents[2] / "examples"
TARGETS = ("linear-rnn", "gated-linear-rnn")
TEXTS = {c.name: c.text for c in CASES}
HELD = (
    "compare", "equal booleans", "if of booleans", "if under and", "mod and div",
    "table of booleans", "ever and always", "parity", "agreement", "sum modulo",
    "real conjunction", "switched real", "store", "run-time index",
)  # fmt: skip
N, PAIRS, VOCAB = 10, 20, 10


@cache
def look_up(profile: str) -> lsrl.CompiledModel:
    """The dictionary of the stability study, n = 10 and 20 pairs: 410 steps."""
    params = {"n": N, "vocab": VOCAB}
    program = lsrl.load(EXAMPLES / "dictionary.lsrl", params=params, length=N * (2 * PAIRS + 1))
    return lsrl.compile(program, dtype="float64", profile=profile, verify=False)


def wrong(profile: str, sigma: float, *, resets: bool = False) -> list[float]:
    """The share of wrong answers in models with noise on their non-zeros, one a seed."""
    model, random = look_up(profile), np.random.default_rng(0)
    keys, values = random_pairs(N, PAIRS, VOCAB, random)
    asked = random.integers(0, PAIRS, 5)
    x = model.stacked({"token": look_ups(keys, values, asked)})
    found = []
    for seed in range(5):
        disturbed = model.with_noise(sigma, seed=seed)
        run = Undisturbed(model, x).run if resets else lambda m: NumpyRunner(m).run(x)
        answers = model.rounded(model.split(run(disturbed)))["output"][:, -N:]
        found.append(float((answers != values[asked]).mean()))
    return found


def test_dictionary_stands_noise_that_runs_freely() -> None:
    """Though counts of steps are off by 1 in the end: what compares them was decided before."""
    assert wrong("robust", 1e-5) == wrong("robust", 3e-5) == [0.0] * 5
    assert np.median(wrong("exact", 1e-7)) == 0.0
    assert min(wrong("exact", 1e-4)) > 0.2


def test_dictionary_stands_more_noise_from_undisturbed_states() -> None:
    assert wrong("robust", 1e-3, resets=True) == [0.0] * 5


def test_it_takes_a_layer_more() -> None:
    exact, robust = (look_up(p).report for p in ("exact", "robust"))
    assert (exact.parameters, exact.layers) == (8934, 8)
    assert (robust.parameters, robust.layers) == (9400, 9)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", HELD)
def test_within_the_certificate(target: str, name: str) -> None:
    model = lsrl.compile(lsrl.parse(TEXTS[name]), target, profile="robust", verify=False)
    report = lsrl.verify(model, samples=20)
    assert report.passed, report


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "condition", ["x == 3", "x != 3", "x >= 3", "x < 3", "2 < x < 5", "x == 2 or x == 6"]
)
def test_errors_below_a_quarter_do_not_show(target: str, condition: str) -> None:
    """In what a comparison says, in what follows from it, and in what it switches."""
    text = f"input x: int in 0..7\ninput y: int in 0..9\nc = {condition}\n"
    text += "output b = c\noutput n = not c\noutput z = if c then y else 0"
    model = lsrl.compile(lsrl.parse(text), target, profile="robust", verify=False)
    x = np.stack(np.meshgrid(np.arange(8.0), np.arange(10.0)), axis=-1).reshape(1, -1, 2)
    meant = NumpyRunner(model).run(x)
    for error in (-0.24, 0.24):
        assert np.array_equal(NumpyRunner(model).run(x + np.array([error, 0.0])), meant)


@pytest.mark.parametrize("target", TARGETS)
def test_closed_gates_stay_closed(target: str) -> None:
    """Where what they switch, and the 0 or 1 that switches it, are off by a tenth."""
    text = "input c: bool\ninput y: int in 0..9\noutput z = if c then y else 0"
    model = lsrl.compile(lsrl.parse(text), target, profile="robust", verify=False)
    assert np.array_equal(NumpyRunner(model).run(np.array([[[0.1, 9.9]]])), [[[0.0]]])


@pytest.mark.parametrize("options", [{"conditional": "direct"}, {"constants": "paper"}])
def test_it_has_conditionals_of_its_own(options: dict[str, str]) -> None:
    with pytest.raises(lsrl.OptionError) as caught:
        lsrl.compile(lsrl.parse("input x: bool\noutput x"), profile="robust", **options)
    assert caught.value.code == "E028"
