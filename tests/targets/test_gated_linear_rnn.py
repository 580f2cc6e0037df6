"""`gated-linear-rnn`: every construct at every level, and what its products are good for."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from agreement import compare
from table import CASES, Case

import lsrl
from lsrl.support import verdict

TARGET = "gated-linear-rnn"
EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.lsrl"))
HELD = [c for c in CASES if c.linear_rnn]


def products(model: lsrl.CompiledModel) -> int:
    return sum(sizes[3] for sizes in model.shape["layers"])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", HELD, ids=lambda c: c.name)
def test_construct_agrees_with_the_interpreter(case: Case, dtype: str) -> None:
    compare(lsrl.parse(case.text), dtype, target=TARGET)


@pytest.mark.parametrize("case", [c for c in CASES if not c.linear_rnn], ids=lambda c: c.name)
def test_what_needs_another_transition_is_refused_with_its_line(case: Case) -> None:
    with pytest.raises(lsrl.UnsupportedError) as caught:
        lsrl.compile(lsrl.parse(case.text), TARGET)
    assert caught.value.code == "E803"
    assert caught.value.span is not None


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_examples_are_not_larger_than_without_products(path: Path) -> None:
    program = lsrl.load(path)
    held = verdict(program, TARGET)
    assert held.verdict == verdict(program, "linear-rnn").verdict
    if held.error is None:
        model = compare(program, "float32", steps=50, target=TARGET)
        plain = lsrl.compile(program, verify=False)
        assert model.report.parameters <= plain.report.parameters


# Products


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("input b: bool\ninput r: real in -2..3\noutput b * r", 8),
        ("input b: bool\ninput x: int in -7..8\noutput b * x", 8),
        ("input r: real in -2..3\ninput q: real in 0..1\noutput r * q", 8),
        ("input x: int in 0..999\ninput y: int in -9..9\noutput x * y", 8),
        ("input r: real in -2..3\noutput r * r", 6),
    ],
)
def test_a_product_is_one_unit(text: str, most: int) -> None:
    """2 (n + 1) parameters of the product, 2 of the read-out; without products it takes more."""
    program = lsrl.parse(text)
    model = compare(program, "float32", target=TARGET)
    assert (products(model), model.report.parameters) == (1, most)
    assert lsrl.compile(program, verify=False).report.parameters > most


def test_a_relu_is_a_gate_where_it_is_smaller() -> None:
    program = lsrl.parse("input b: bool\ninput x: int in 0..9\noutput if b then x else 0")
    assert products(compare(program, "float32", target=TARGET)) == 0


def test_products_of_integers_are_exact_while_they_fit_the_digits() -> None:
    text = "input x: int in 0..4096\ninput y: int in -4096..4096\noutput y = x * y"
    text = text.replace("output y", "output z")
    model = compare(lsrl.parse(text), "float32", target=TARGET)
    assert model.certificate["bound"]["z"] == 0
    wider = lsrl.parse(text.replace("4096", "5000"))
    with pytest.raises(lsrl.UnsupportedError) as caught:
        lsrl.compile(wider, TARGET)
    assert caught.value.code == "E804"
    assert compare(wider, "float64", target=TARGET).certificate["bound"]["z"] == 0


def test_the_bound_of_a_product_grows_with_its_factors() -> None:
    """|a| f + |b| e: a factor that is off by e makes a product off by the other one times e."""
    text = "length <= 64\ninput r: real in 0..1\ninput q: real in 0..{}\n"
    text += "output y = accumulate(r) * q\noutput s = accumulate(r)"
    bounds = [compare(lsrl.parse(text.format(k)), "float32", target=TARGET) for k in (1, 100)]
    small, large = (m.certificate["bound"] for m in bounds)
    assert small["y"] >= small["s"]
    assert large["y"] == pytest.approx(100 * small["y"], rel=0.05)


def test_sampled_errors_reach_a_good_part_of_the_bound() -> None:
    text = "input r: real in 1..2\ninput q: real in 1..2\noutput y = r * q"
    model = lsrl.compile(lsrl.parse(text), TARGET, verify=False)
    rng = np.random.default_rng(0)
    r, q = rng.uniform(1, 2, (2, 2000, 1))
    error = np.abs(model.run_batch({"r": r, "q": q}, raw=True) - r * q).max()
    assert error <= model.certificate["bound"]["y"] <= 4 * error


# Files


def test_a_checkpoint_round_trip(tmp_path: Path) -> None:
    text = "input b: bool\ninput r: real in -2..3\noutput y = (if b then r else 1 - r) * r"
    model = compare(lsrl.parse(text), "float32", target=TARGET)
    assert products(model) == 2
    model.save(tmp_path / "model")
    loaded = lsrl.load_model(tmp_path / "model")
    assert (loaded.target, loaded.shape) == (TARGET, model.shape)
    assert loaded.certificate == model.certificate
    data = {"b": [[0, 1, 1]], "r": [[0.5, -1.25, 3]]}
    assert np.array_equal(loaded.run_batch(data), model.run_batch(data))
    path = tmp_path / "model" / "modeling_gated_linear_rnn.py"
    spec = importlib.util.spec_from_file_location("emitted", path)
    assert spec is not None and spec.loader is not None
    emitted = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(emitted)
    module = emitted.GatedLinearRNN.from_pretrained(path.parent)
    x = emitted.torch.tensor([[[0, 0.5], [1, -1.25], [1, 3]]], dtype=emitted.torch.float32)
    with emitted.torch.no_grad():
        y, _ = module(x)
    np.testing.assert_allclose(y.numpy(), model.equations(x.numpy()), rtol=1e-6)
    np.testing.assert_allclose(y.numpy()[0, :, 0], [0.25, 1.5625, 9], rtol=1e-6)
