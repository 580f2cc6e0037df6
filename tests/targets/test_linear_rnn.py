"""Every construct, at every level: interpreter, equations in NumPy, torch, one step at a time."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from agreement import compare
from table import CASES, Case

import lsrl
from lsrl.sampling import Sampler
from lsrl.support import verdict

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.lsrl"))
HELD = [c for c in CASES if c.linear_rnn]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", HELD, ids=lambda c: c.name)
def test_construct_agrees_with_the_interpreter(case: Case, dtype: str) -> None:
    compare(lsrl.parse(case.text), dtype)


@pytest.mark.parametrize("case", [c for c in CASES if not c.linear_rnn], ids=lambda c: c.name)
def test_what_needs_a_gate_is_refused_with_its_line(case: Case) -> None:
    with pytest.raises(lsrl.UnsupportedError) as caught:
        lsrl.compile(lsrl.parse(case.text))
    assert caught.value.code == "E803"
    assert caught.value.span is not None


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_examples_compile_or_say_why_not(path: Path) -> None:
    program = lsrl.load(path)
    if verdict(program, "linear-rnn").error is not None:
        with pytest.raises(lsrl.UnsupportedError):
            lsrl.compile(program)
    else:
        compare(program, "float32", steps=50)


@pytest.mark.parametrize("case", HELD, ids=lambda c: c.name)
def test_stream_and_batch_and_single_runs_agree(case: Case) -> None:
    program = lsrl.parse(case.text)
    model = lsrl.compile(program, verify=False)
    data = Sampler(program, seed=2).draw(2, 8)
    together = model.run_batch(data)
    single = model.run({name: x[1] for name, x in data.items()})
    stream = model.stream()
    steps = [stream.step({n: x[1, t] for n, x in data.items()}) for t in range(8)]
    for name in program.output_names:
        batch_y = together[name] if isinstance(together, dict) else together
        single_y = single[name] if isinstance(single, dict) else single
        step_y = np.array([s[name] if isinstance(s, dict) else s for s in steps])
        np.testing.assert_allclose(single_y, batch_y[1], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(step_y, single_y, rtol=1e-5, atol=1e-5)


LONGER = r"has 3 steps, but the certificate holds for 2: compile again with `--length N`$"


def counter() -> lsrl.CompiledModel:
    text = "length <= 2\ninput x: int in 0..1\nstate n = 0 then n + x\noutput n"
    return lsrl.compile(lsrl.parse(text))


def test_a_stream_warns_once_past_the_length_and_goes_on() -> None:
    stream = counter().stream()
    assert [stream.step(1), stream.step(0)] == [1, 1]
    with pytest.warns(lsrl.LengthWarning, match=LONGER) as warned:
        assert stream.step(1) == 2
        assert [stream.step(x) for x in (1, 0)] == [3, 3]
    assert [Path(w.filename).name for w in warned] == ["test_linear_rnn.py"]


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_a_model_warns_once_a_call_past_the_length_and_goes_on(backend: str) -> None:
    model = counter()
    assert model.run([1, 1], backend=backend).tolist() == [1, 2]
    with pytest.warns(lsrl.LengthWarning, match=LONGER) as warned:
        assert model.run([1, 1, 1], backend=backend).tolist() == [1, 2, 3]
        assert model.run_batch([[1, 0, 1], [0, 0, 1]], backend=backend)[:, -1].tolist() == [2, 1]
    assert [Path(w.filename).name for w in warned] == ["test_linear_rnn.py"] * 2
    assert issubclass(lsrl.LengthWarning, UserWarning)


def test_a_program_ends_at_its_length() -> None:
    with pytest.raises(lsrl.InputError) as caught:
        counter().program.run([1, 1, 1])
    assert caught.value.code == "E716"


REALS = "input r: real in -2..3\ninput q: real in 0..1\noutput y = r * q"


def test_a_product_of_reals_is_approximated_as_closely_as_asked() -> None:
    sizes = []
    for tolerance in (1e-1, 1e-2, 1e-3):
        model = compare(lsrl.parse(REALS), "float64", tolerance=tolerance)
        assert tolerance / 100 < model.certificate["bound"]["y"] <= tolerance
        sizes.append(model.report.parameters)
    assert sizes == sorted(set(sizes))


def test_approximations_are_refined_until_their_sum_reaches_the_tolerance() -> None:
    text = "length <= 40\n" + REALS.replace("r * q", "accumulate(r * q)")
    model = compare(lsrl.parse(text), "float64", tolerance=0.1)
    assert model.certificate["bound"]["y"] <= 0.1


def test_approximations_are_refined_until_a_comparison_can_be_sure() -> None:
    text = (
        "input r: real in 10..12\ninput q: real in 0..50\noutput y = if r * q > 0.1 then r else q"
    )
    program = lsrl.parse(text)
    compare(program, "float64")
    with pytest.raises(lsrl.UnsupportedError, match="nothing bounds the error"):
        lsrl.compile(program)  # too many terms for float32
    model = compare(program, "float32", tolerance=math.inf)
    assert model.certificate["bound"] == {"y": math.inf}


def test_the_error_of_an_approximation_is_certified_where_it_is_largest() -> None:
    """Halfway between two nodes of both squares the certificate is nearly reached."""
    model = lsrl.compile(lsrl.parse(REALS), dtype="float64", tolerance=0.5, verify=False)
    grid = np.meshgrid(np.linspace(-2, 3, 401), np.linspace(0, 1, 401))
    r, q = (x.reshape(-1, 1) for x in grid)
    error = np.abs(model.run_batch({"r": r, "q": q}, raw=True) - r * q).max()
    bound = model.certificate["bound"]["y"]
    assert 0.8 * bound < error <= bound


def test_a_square_of_a_real_is_one_table() -> None:
    square = "input r: real in -2..3\noutput y = r * r"
    other = "input r: real in -2..3\ninput q: real in -2..3\noutput y = r * q"
    sizes = [lsrl.compile(lsrl.parse(t)).shape["layers"][0][2] for t in (square, other)]
    assert sizes[0] < sizes[1]


def test_too_fine_a_product_of_reals_is_refused() -> None:
    with pytest.raises(lsrl.UnsupportedError) as caught:
        lsrl.compile(lsrl.parse(REALS), dtype="float64", tolerance=1e-8)
    assert caught.value.code == "E802"
    assert "segments" in caught.value.diagnostics[0].message
    assert (caught.value.span.line, caught.value.span.column) == (3, 12)


def test_all_refusals_are_reported_at_once() -> None:
    text = "input x: int in 0..9\noutput p = latch(x > 1, x)\noutput q = running_max(x)"
    with pytest.raises(lsrl.UnsupportedError) as caught:
        lsrl.compile(lsrl.parse(text))
    assert len(caught.value.diagnostics) == 2


def test_what_float32_cannot_hold_is_refused_with_the_operation() -> None:
    text = "length <= 100000\ninput r: real in 0..1\noutput y = accumulate(r) - accumulate(r / 2)"
    program = lsrl.parse(text)
    with pytest.raises(lsrl.UnsupportedError) as caught:
        lsrl.compile(program, tolerance=1e-6)
    assert caught.value.code == "E804"
    lsrl.compile(program, dtype="float64", tolerance=1e-3)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"target": "linear-rn"}, "E020"),
        ({"dtype": "float8"}, "E021"),
        ({"encoding": "onehot"}, "E022"),
        ({"profile": "trainable"}, "E023"),
        ({"guard": 0.0}, "E024"),
        ({"conditional": "fastest"}, "E028"),
        ({"conditional": "multiplicative"}, "E028"),
        ({"constants": "large"}, "E028"),
    ],
)
def test_unknown_options_are_refused(options: dict[str, object], code: str) -> None:
    program = lsrl.parse("input x: int in 0..1\noutput x")
    with pytest.raises(lsrl.OptionError) as caught:
        lsrl.compile(program, **options)  # type: ignore[arg-type]
    assert caught.value.code == code


SIZES = {  # parameters, non-zeros, ReLU layers: ceilings, as reached on 2026-11-22
    "dictionary": (1250, 160, 8),
    "vector": (180, 60, 3),
    "majority": (21, 12, 1),
    "parity": (230, 220, 5),
    "modular_addition": (260, 250, 5),
}


@pytest.mark.parametrize("name", SIZES)
def test_models_stay_small(name: str) -> None:
    report = lsrl.compile(lsrl.load(EXAMPLES[0].parent / f"{name}.lsrl")).report
    for found, most in zip(
        (report.parameters, report.nonzeros, report.layers), SIZES[name], strict=True
    ):
        assert found <= most
