"""Verification passes for models that are right, and finds those that are not."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lsrl
from lsrl.coverage import Search
from lsrl.sampling import Sampler
from lsrl.verify import Report, quick, verify

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.lsrl"))


def compiled(path: Path, **options: Any) -> lsrl.CompiledModel:
    program = lsrl.load(path)
    try:
        return lsrl.compile(program, verify=False, **options)
    except lsrl.UnsupportedError as e:
        pytest.skip(str(e.diagnostics[0].message))


def example(name: str, **options: Any) -> lsrl.CompiledModel:
    return compiled(Path(__file__).parents[2] / "examples" / f"{name}.lsrl", **options)


def disturbed(model: lsrl.CompiledModel, key: str, place: int, by: float) -> lsrl.CompiledModel:
    array = model.weights[key].copy()
    array.flat[place] += by
    return dataclasses.replace(model, weights={**model.weights, key: array})


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_every_example_that_compiles_is_right(path: Path) -> None:
    model = compiled(path)
    quick(model)
    report = verify(model, samples=60)
    assert report.passed, report.failure
    assert report.checked >= 60 and report.undetermined < report.checked / 2
    assert report.runners[0] == "numpy"
    assert all(report.errors[n] <= report.bounds[n] for n in report.errors)
    assert report.unexercised == ()


def test_float64_is_right_too() -> None:
    for name in ("vector", "macd", "dyck1_valid"):
        report = verify(example(name, dtype="float64"), samples=40)
        assert report.passed, report.failure


@pytest.mark.parametrize("name", ["dictionary", "vector", "dyck1_valid", "exponential_smoothing"])
def test_a_disturbed_weight_is_caught(name: str) -> None:
    """0.5 more in the bias of the output, in what feeds it, and in the first layer's input."""
    model = example(name)
    last = max(int(k.split(".")[1]) for k in model.weights)
    for key in (f"layers.{last}.d", f"layers.{last}.D", "layers.0.B"):
        if key not in model.weights:
            continue
        place = int(np.abs(model.weights[key]).argmax())
        wrong = disturbed(model, key, place, 0.5)
        report = verify(wrong, samples=60)
        assert not report.passed, key
        assert report.failure is not None and report.failure.error > report.failure.bound
        assert report.max_error > report.bound
        with pytest.raises(lsrl.VerificationError):
            quick(wrong)


def test_the_failure_tells_where_and_on_what() -> None:
    model = example("majority")
    last = max(int(k.split(".")[1]) for k in model.weights)
    wrong = disturbed(model, f"layers.{last}.d", 0, 0.75)
    failure = verify(wrong, samples=30).failure
    assert failure is not None
    steps = len(next(iter(failure.input.values())))
    assert steps == failure.step + 1
    expected = model.program.run(failure.input)[failure.step]
    assert failure.expected == bool(expected)
    assert failure.got == wrong.run(failure.input, raw=True)[failure.step]
    with pytest.raises(lsrl.VerificationError) as e:
        quick(wrong)
    assert e.value.code == "E901"
    assert e.value.span is not None and e.value.span.text.startswith("output")
    for words in ("`output`", "at step 0", "off by", "the input was {"):
        assert words in str(e.value)


def test_what_was_asked_for_is_no_bug() -> None:
    """A model without a bound is compiled where any error is allowed, and still fails `verify`."""
    program = lsrl.load(EXAMPLES[0].parent / "dictionary.lsrl", params={"n": 2}, length=60)
    options: Any = {"conditional": "direct", "constants": "paper", "tolerance": np.inf}
    model = lsrl.compile(program, "linear-rnn", **options)
    assert model.certificate["bound"]["output"] == np.inf
    assert not verify(model, samples=20).passed


def test_a_number_that_is_not_one_is_an_infinite_error() -> None:
    model = example("parity")
    key = next(k for k in model.weights if k.endswith(".D"))
    report = verify(disturbed(model, key, 0, np.nan), samples=20)
    assert not report.passed and report.max_error == np.inf
    assert report.as_json()["max_error"] is None


def test_the_report_is_plain_data() -> None:
    model = example("vector")
    report = verify(model, samples=30, length=20)
    again = json.loads(json.dumps(report.as_json()))
    assert again["passed"] is True and again["failure"] is None
    assert 0 < again["max_error"] <= again["bound"]
    assert isinstance(report, Report)
    model.program.run(report.worst_input)
    assert len(report.worst_input["side"]) <= 20


def test_a_seed_gives_the_same_report() -> None:
    model = example("sort_window")
    reports = [verify(model, samples=30, seed=s) for s in (1, 1, 2)]
    assert reports[0] == reports[1]
    assert reports[0].worst_input != reports[2].worst_input


def test_undetermined_sequences_are_left_out() -> None:
    text = "input x: real in 0..1\noutput b = x > 0.5\noutput y = 2 * x"
    report = verify(lsrl.compile(lsrl.parse(text)), samples=200)
    assert report.passed, report.failure
    assert 0 < report.undetermined < report.checked


@pytest.mark.parametrize("samples", [0, -3])
def test_no_samples(samples: int) -> None:
    with pytest.raises(lsrl.OptionError):
        verify(example("parity"), samples=samples)


@pytest.mark.parametrize("length", [0, 2000])
def test_lengths_that_cannot_be(length: int) -> None:
    with pytest.raises(lsrl.OptionError):
        verify(example("parity"), length=length)


def test_sequences_get_shorter_where_no_long_ones_exist() -> None:
    text = "input x: int in 0..9\nassume steps() < 5\noutput x + 1"
    report = verify(lsrl.compile(lsrl.parse(text)), samples=20)
    assert report.passed and report.checked >= 20


def test_no_inputs_at_all() -> None:
    text = "input x: int in 0..9\nassume 2 * x == 7 + prev(1)\noutput x"
    model = lsrl.compile(lsrl.parse(text))  # nothing is promised
    with pytest.raises(lsrl.ProgramError, match="assume of line 2"):
        verify(model, samples=10)


# Coverage


def search(text: str, budget: int = 60_000, **params: int) -> Search:
    program = lsrl.parse(text, params)
    found = Search(program.interpreter, Sampler(program, 0), budget, min(program.length, 512))
    for _ in found.run():
        pass
    return found


def test_a_branch_that_is_out_of_reach_is_listed() -> None:
    text = "input x: int in 0..9\n\nlate = steps() >= 1000\noutput if late then 9 - x else x\n"
    model = lsrl.compile(lsrl.parse(text, name="late.lsrl"))
    (missing,) = verify(model, samples=40).unexercised
    assert str(missing) == "late.lsrl:3:8: `steps() >= 1000` was never true"


def test_matching_keys_are_found() -> None:
    program = lsrl.load(EXAMPLES[0].parent / "dictionary.lsrl", {"n": 6})
    found = Search(program.interpreter, Sampler(program, 0), 200_000, 512)
    kept = list(found.run())
    assert found.coverage.complete, [str(u) for u in found.coverage.missing()]
    assert sum(len(batch["token"]) for batch in kept) > 0


GUIDED = {
    "far apart": "input x: int in 0..99999\ninput y: int in 0..99999\noutput x == 3 * y + 17",
    "chain": "input x: int in 0..999\nok = x == 517 and prev(x) == 2 * 199 and prev(prev(x)) == 9"
    "\noutput ok",
    "vector": "input v: int[4] in 0..99\noutput all(v == prev(prev(v)) + 1)",
    "real": "input x: real in 0..1\noutput 0.7 < accumulate(x) and accumulate(x) < 0.705",
}


@pytest.mark.parametrize("text", GUIDED.values(), ids=GUIDED)
def test_the_search_is_guided(text: str) -> None:
    found = search(text, 400_000)
    assert found.coverage.complete, [str(u) for u in found.coverage.missing()]


def test_what_the_ranges_decide_does_not_count() -> None:
    found = search("input x: int in 0..9\noutput relu(x - 20) > 0 or x > 3")
    assert found.coverage.complete


def test_what_is_assumed_does_not_count() -> None:
    text = "input x: int in 0..9\nlow = x < 5\nassume low and not (x == 2)\n"
    found = search(text + "output if low and x != 2 then x else 0")
    assert found.coverage.complete
