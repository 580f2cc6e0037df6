"""What the studies measure, on cells of a fraction of a second."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import lsrl
from lsrl.errors import InputError, LsrlError, OptionError
from lsrl.experiments import functions, study
from lsrl.experiments.disturb import Undisturbed, rescaled, with_noise
from lsrl.experiments.prompts import capitals, letters, spelled
from lsrl.experiments.specs import Spec, compiled, program
from lsrl.experiments.study import Outcome
from lsrl.experiments.sweep import Cell, Sweep
from lsrl.experiments.tasks import approximated, capitals_task, dictionary
from lsrl.experiments.workers import work
from lsrl.model import NumpyRunner

RANDOM = np.random.default_rng(0)


def cells(name: str, **given: Any) -> list[Cell]:
    return Sweep.of(study(name), {"repeats": 1, **given}).cells(study(name))


def rows(name: str, **given: Any) -> list[Mapping[str, Any]]:
    """The rows of one cell or several, with their settings."""
    found: list[Mapping[str, Any]] = []
    for cell in cells(name, **given):
        outcome = work(cell)
        assert isinstance(outcome, Outcome), outcome
        found += [{**cell.settings, **row} for row in outcome.rows]
    return found


# vector


@pytest.mark.parametrize("d_out", [1, 2])
@pytest.mark.parametrize("target", ["linear-rnn", "lstm"])
def test_approximations_are_within_their_bounds(target: str, d_out: int) -> None:
    found = rows("vector", model=target, cells=[2, 4, 8], queries=40, d_out=d_out)
    assert [r["cells"] for r in found] == [2, 4, 8]
    assert all(0 < r["error"] <= r["worst"] <= r["bound"] for r in found)
    assert found[2]["error"] < found[1]["error"] < found[0]["error"]
    assert all(r["derived"] and r["certificate"] < 1e-3 for r in found)


def test_a_model_answers_with_the_value_of_the_right_cell() -> None:
    """The error of a function that is constant in each cell is the model's own."""
    steps = lambda x: np.floor(4 * x).sum(axis=1, keepdims=True) / 4
    target = functions.Target(steps, 0, True)
    points = np.array([0.5, 0.25]) + RANDOM.uniform(0.01, 0.24, (9, 2))
    task = approximated(target, points, 4, 1)
    model = compiled(task.program, "linear-rnn", "float32")
    assert task.of(model, model.equations(model.stacked(task.batch)))["worst"] < 1e-4


@pytest.mark.parametrize("d", [1, 2, 3])
def test_the_derived_constant_is_one(d: int) -> None:
    target = functions.smooth(d, 2, RANDOM)
    x, y = RANDOM.uniform(0, 1, (2, 4000, d))
    slopes = np.linalg.norm(target.call(x) - target.call(y), axis=1)
    slopes /= np.linalg.norm(x - y, axis=1)
    assert 0.05 * target.lipschitz < slopes.max() <= target.lipschitz
    assert np.abs(target.call(x)).max() <= 3
    assert slopes.max() <= 1.001 * functions.estimated(target.call, d, 4000)


def test_named_functions() -> None:
    corners = np.array([[0.0, 0.0], [1.0, 1.0], [0.5, 0.5]])
    assert functions.franke(corners)[:, 0] == pytest.approx(
        [0.7664206, 0.0358696, 0.3257584], abs=1e-5
    )
    assert functions.ackley(corners[2:])[0, 0] == pytest.approx(-3)
    everywhere = functions.ackley(RANDOM.uniform(0, 1, (1000, 2)))
    assert everywhere.max() <= 3 and everywhere.max() > 2


USER = """\
import numpy as np
def good(x): return x[:, 0] - x[:, 1]
def wrong(x): return x[:-1]
def wild(x): return 5 * x[:, 0]
def raising(x): raise RuntimeError("no such luck")
def leaving(x): raise SystemExit(3)
"""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("wrong", r"for 19881 points it returned \[19880, 2\], not \[19881, 1\] \(--d-out 1\)"),
        ("wild", r"it returned -?[\d.]+, which is not in \[-3, 3\]"),
        ("raising", "it raised RuntimeError: no such luck"),
        ("leaving", "it raised SystemExit: 3"),
        ("absent", "has no function `absent`"),
    ],
)
def test_a_users_function_that_does_not_work(tmp_path: Any, name: str, words: str) -> None:
    """It is named, and the sweep goes on."""
    path = tmp_path / "mine.py"
    path.write_text(USER)
    found = rows("vector", function=[f"{path}:{name}", f"{path}:good"], cells=2, model="linear-rnn")
    assert found[0]["refused"].startswith("E054: the function `")
    assert f"mine.py:{name}" in found[0]["refused"]
    assert re.search(words, found[0]["refused"])
    assert found[1]["error"] <= found[1]["bound"]


def test_a_table(tmp_path: Any) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x1,y1\n0.2,1\n0.8,-1\n")
    target = functions.target(str(path), 1, 1, RANDOM)
    assert target.call(np.array([[0.1], [0.9]])).tolist() == [[1], [-1]]
    (row,) = rows("vector", function=str(path), d_in=1, cells=4, model="linear-rnn")
    assert row["worst"] < 1e-3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it has no rows of numbers under a header"),
        ("x1,y1\n\n", "it has no rows of numbers under a header"),
        ("0.2,1\n0.8,-1\n", "line 1 must name the columns, as in x1,y1"),
        ("x1,y1\n0.2,one\n", "it is no table of numbers: could not convert"),
        ("x1,y1\n0.2,1\n0.3,nan\n", "line 3 has a value that is not finite"),
        ("x1,y1\n0.2,3.5\n", r"line 2 has a value that is not in [-3, 3]"),
        ("x1,y1\n0,1,2\n", "3 cells, where rows are of 1 + 1 numbers (--d-in 1, --d-out 1)"),
    ],
)
def test_a_table_that_does_not_work(tmp_path: Any, text: str, words: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=re.escape(words)) as caught:
        functions.target(str(path), 1, 1, RANDOM)
    assert caught.value.code == "E054"


def test_a_changed_file_is_another_cell(tmp_path: Any) -> None:
    path = tmp_path / "mine.py"
    path.write_text(USER)
    (before,) = cells("vector", function=f"{path}:good", cells=2, model="rnn")
    path.write_text(USER + "\n")
    (after,) = cells("vector", function=f"{path}:good", cells=2, model="rnn")
    assert before.id != after.id


@pytest.mark.parametrize("d_in", [1, 3, 16])
def test_the_steepest_slope_is_estimated(d_in: int) -> None:
    """From a grid, or random points where 2^d_in corners would be too many."""
    sizes = []
    slope = functions.estimated(lambda x: sizes.append(len(x)) or 3 * x[:, -1:] + 1, d_in)
    assert slope == pytest.approx(3)
    assert 19_000 < max(sizes) <= 20_000


LARGE = 10**12


@pytest.mark.parametrize(
    ("name", "given"),
    [
        *(("vector", {k: LARGE}) for k in ("cells", "d_in", "d_out", "queries", "repeats")),
        *(("dictionary", {k: LARGE, "data": "random"}) for k in ("pairs", "n", "queries")),
        *(("noise", {k: LARGE, "program": "dictionary"}) for k in ("pairs", "n", "queries")),
        *(("noise", {k: LARGE, "program": "vector"}) for k in ("cells", "d_in", "queries")),
        *(("noise", {k: LARGE, "program": "automaton"}) for k in ("steps", "queries")),
        *(("precision", {k: LARGE}) for k in ("steps", "sequences")),
        *(("length", {k: LARGE}) for k in ("steps", "sequences")),
        *(("finetune", {k: LARGE}) for k in ("steps", "batch")),
    ],
)
def test_what_is_too_large_for_memory(name: str, given: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=r"need(s?) about [\d,.e+]+ GiB, of [\d.]+ GiB here") as e:
        study(name).check(cells(name, **given)[0])
    assert e.value.code == "E053"


def test_states_too_large_for_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step from each of a run's states at once: what that takes is known of a compiled model."""
    loaded = program("parity", {}, 4)
    model = compiled(loaded, "rnn", "float32")
    monkeypatch.setattr("lsrl.experiments.memory.memory", lambda: 100)
    with pytest.raises(OptionError, match="the states of 2 x 4 steps need about") as e:
        Undisturbed(model, np.zeros((2, 4, model.input_size)))
    assert e.value.code == "E053"


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("vector", {}, r"a prompt of 100000\^2 cells has 10,000,000,001 steps and needs about"),
        ("noise", {"program": "vector"}, r"5 prompts of 100000\^2 cells have 10,000,000,001 steps"),
    ],
)
def test_a_grid_too_large_for_memory(name: str, given: dict[str, Any], words: str) -> None:
    (cell,) = cells(name, cells=100_000, model="linear-rnn", **given)
    with pytest.raises(OptionError, match=words + r".* [\d,.]+ GiB") as e:
        study(name).check(cell)
    assert e.value.code == "E053"


# dictionary


def test_look_ups() -> None:
    found = rows(
        "dictionary", model=["linear-rnn", "gru"], n=2, pairs=4, data=["random", "capitals"]
    )
    assert [(r["data"], r["n"], r["pairs"], r["steps"]) for r in found] == [
        *[("random", 2, 4, 18)] * 2, *[("capitals", 3, 25, 153)] * 2,
    ]  # fmt: skip
    assert {(r["wrong"], r["answers_wrong"]) for r in found} == {(0.0, 0.0)}


def test_wrong_answers_are_counted() -> None:
    """A model of the dictionary, judged by values of which one token in six is another."""
    keys, values = np.array([[1, 2], [3, 4]]), np.array([[5, 6], [7, 8]])
    asked = np.array([0, 1, 1])
    task = dictionary(keys, values, 10, asked)
    model = compiled(task.program, "linear-rnn", "float32")
    y = model.equations(model.stacked(task.batch))
    assert task.of(model, y) == {"wrong": 0, "answers_wrong": 0}
    y[2, -1] += 1
    y[0, 0] += 1  # not part of the answer
    assert task.of(model, y) == pytest.approx({"wrong": 100 / 6, "answers_wrong": 100 / 3})


def test_the_capitals() -> None:
    keys, values = capitals()
    assert dict(zip(map(spelled, keys), map(spelled, values), strict=True))["fra"] == "par"
    task = capitals_task(4)
    assert task.batch["token"][1, :3].tolist() == letters("aut")


def test_too_few_keys() -> None:
    (cell,) = cells("dictionary", data="random", n=1, vocab=3, pairs=4, model="rnn")
    with pytest.raises(OptionError, match="there are 3 keys"):
        study("dictionary").check(cell)


# noise


def test_noise() -> None:
    """Range-derived constants stand what the paper's do not."""
    found = rows(
        "noise", program="dictionary", n=2, pairs=3, sigma=[0, 1e-3], protocol="reset",
        model=["linear-rnn", "linear-rnn+optimized+paper"],
    )  # fmt: skip
    wrong = {(r["model"], r["sigma"]): r["wrong"] for r in found}
    assert wrong["linear-rnn", 0] == wrong["linear-rnn", 1e-3] == 0
    assert wrong["linear-rnn+optimized+paper", 0] == 0
    assert wrong["linear-rnn+optimized+paper", 1e-3] > 50


def test_the_first_value_that_differs() -> None:
    found = rows(
        "noise", program="parity", model="lstm", sigma=[0, 0.5], trace=True, steps=40,
        protocol=["free"],
    )  # fmt: skip
    assert (found[0]["first"], found[0]["wrong"]) == (None, 0)
    assert found[1]["first"] == "odd" and found[1]["wrong"] > 0 and found[1]["step"] < 40


MODELS = ("linear-rnn", "gated-linear-rnn+multiplicative", "lstm", "rnn", "mamba", "hawk")


@pytest.mark.parametrize("spec", MODELS)
def test_the_undisturbed_states_are_the_models_own(spec: str) -> None:
    """Without noise a run from its own states is the run itself."""
    loaded = program("vector", {}, 6)
    if spec in ("mamba", "hawk"):
        loaded = program("flip_flop", {}, 6)
    model = compiled(loaded, spec, "float32")
    x = model.stacked(loaded.batch(loaded.sample(2, 6)[0], batched=True))
    run = Undisturbed(model, x)
    assert np.allclose(run.run(model), model.equations(x), atol=1e-5)
    assert run.activations(model)[-1]["y"].shape[:2] == (2, 6)


def test_states_are_overwritten() -> None:
    """A counter whose step is too long is off by one step of it, not by all of them."""
    loaded = lsrl.parse("input x: int in 0..3\nstate s = 0 then s + x\noutput s", length=9)
    model = lsrl.compile(loaded, "linear-rnn", dtype="float64")
    x = np.full((1, 9, 1), 2.0)
    longer = with_noise(model, 0, 0, "all")
    longer.weights["layers.0.B"] = longer.weights["layers.0.B"] * 1.5
    free = longer.equations(x)[0, :, 0]
    reset = Undisturbed(model, x).run(longer)[0, :, 0]
    assert free.tolist() == [3 * (t + 1) for t in range(9)]
    assert reset.tolist() == [2 * t + 3 for t in range(9)]


def test_kinds_of_noise() -> None:
    model = compiled(program("vector", {}, 6), "linear-rnn", "float64")
    change = {
        kind: {k: w - model.weights[k] for k, w in with_noise(model, 1e-3, 5, kind).weights.items()}
        for kind in ("nonzero", "all", "relative")
    }
    for name, w in model.weights.items():
        every = change["all"][name]
        assert (every != 0).all() and np.abs(every).max() < 6e-3
        assert np.allclose(change["nonzero"][name], np.where(w != 0, every, 0), atol=1e-12)
        assert np.allclose(change["relative"][name], every * np.abs(w), atol=1e-12)
    twice = with_noise(model, 2e-3, 5, "all").weights
    assert np.allclose(
        twice["layers.0.D"] - model.weights["layers.0.D"], 2 * change["all"]["layers.0.D"]
    )


@pytest.mark.parametrize("spec", ["linear-rnn", "gated-linear-rnn+multiplicative"])
def test_rescaled_lanes_compute_the_same(spec: str) -> None:
    loaded = program("dictionary", {"n": 2, "vocab": 9}, 18)
    model = compiled(loaded, spec, "float64")
    x = model.stacked(loaded.batch(RANDOM.integers(0, 9, (3, 18)), batched=True))
    scaled = rescaled(model, x)
    assert np.allclose(scaled.equations(x), model.equations(x), atol=1e-9)
    assert any((scaled.weights[k] != w).any() for k, w in model.weights.items())
    for layer in NumpyRunner(scaled).activations(x)[:-1]:
        largest = np.abs(layer["y"]).max(axis=(0, 1))
        assert ((largest <= 1) & ((largest > 0.5) | (largest == 0))).all()
    with pytest.raises(OptionError, match="cannot be rescaled"):
        rescaled(compiled(loaded, "lstm", "float32"), x)


# precision and length


def test_formats() -> None:
    found = rows("precision", program=["majority", "moving_average"], model="linear-rnn", steps=32)
    by_name = {(r["program"], r["dtype"]): r for r in found}
    assert len(by_name) == 8
    assert all(r["off"] <= r["bound"] for r in found)
    assert all(r["wrong"] == 0 and r["first"] is None for r in found if r["program"] == "majority")
    bounds = [by_name["moving_average", d]["bound"] for d in ("float64", "float32", "float16")]
    assert bounds[0] < bounds[1] < bounds[2]
    assert by_name["moving_average", "float32"]["certified"]
    assert not by_name["moving_average", "bfloat16"]["certified"]


def test_a_format_that_breaks() -> None:
    """bfloat16 has 8 digits: a count of 400 is not among its numbers."""
    (row,) = rows(
        "precision", program="majority", model="linear-rnn", steps=700, dtype="bfloat16",
        sequences=2,
    )  # fmt: skip
    assert not row["certified"] and row["wrong"] > 0 and row["first"]


def test_lengths() -> None:
    found = rows(
        "length", program="parity", model=["linear-rnn", "lstm"], certified=100, steps=[2000, 100]
    )
    assert [(r["model"], r["steps"], r["beyond"]) for r in found] == [
        ("linear-rnn", 100, False), ("linear-rnn", 2000, True),
        ("lstm", 100, False), ("lstm", 2000, True),
    ]  # fmt: skip
    wrong = [r["wrong"] for r in found]
    assert wrong[0] == wrong[2] == wrong[3] == 0 < wrong[1]


# finetune


def test_training_from_compiled_and_from_random_weights() -> None:
    found = rows(
        "finetune", program="flip_flop", model="gru+trainable+onehot", sigma=[0.0], rate=3e-3,
        updates=[0, 15], steps=12, batch=16,
    )  # fmt: skip
    assert [(r["start"], r["updates"]) for r in found] == [
        ("compiled", 0), ("compiled", 15), ("random", 0), ("random", 15),
    ]  # fmt: skip
    compiled_rows, random_rows = found[:2], found[2:]
    assert (compiled_rows[0]["right"], compiled_rows[0]["kept"]) == (100, 100)
    assert random_rows[0]["right"] < 90 and random_rows[0]["kept"] < 90
    assert compiled_rows[1]["loss"] < compiled_rows[0]["loss"]
    assert random_rows[1]["loss"] < random_rows[0]["loss"]
    assert compiled_rows[0]["names"] > 0


def test_the_same_training_twice() -> None:
    given: dict[str, Any] = {
        "program": "parity", "model": "rnn+onehot", "sigma": 0.01, "updates": 3, "steps": 6,
        "start": "compiled", "batch": 4,
    }  # fmt: skip
    assert rows("finetune", **given) == rows("finetune", **given)


# models and programs by words


def test_models_by_words() -> None:
    spec = Spec.parse("gated-linear-rnn+direct+paper+rescaled")
    assert spec.target == "gated-linear-rnn" and spec.rescaled
    assert spec.options == {"conditional": "direct", "constants": "paper"}
    for text, code in [("lstmm", "E020"), ("lstm+robusst", "E051")]:
        with pytest.raises(LsrlError) as caught:
            Spec.parse(text)
        assert caught.value.code == code
    with pytest.raises(OptionError, match="no example `dictionry`"):
        program("dictionry", {}, 5)


def test_what_a_target_lacks_is_a_row() -> None:
    (row,) = rows("dictionary", data="random", model="lstm", dtype="bfloat16", n=2, pairs=2)
    assert row["refused"].startswith("E021: `lstm` does not carry bfloat16")
