"""The paper's five conditionals and its constants, on both of its architectures."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from agreement import compare

import lsrl
from lsrl.lower.conditional import CONSTANTS, VARIANTS
from lsrl.targets import target as target_named
from lsrl.targets.base import CompileOptions

EXAMPLES = Path(__file__).parents[2] / "examples"
HELD = [("linear-rnn", v) for v in VARIANTS[:3]] + [("gated-linear-rnn", v) for v in VARIANTS]
PROGRAMS = {
    "integers": "input b: bool\ninput x: int in -7..8\noutput y = if b then x else 2 * x - 3",
    "two tests": "input x: int in -7..8\ninput v: int in 0..9\n"
    "output y = if x > 2 and v != 4 then v else if x == -3 or v < 2 then x else 0",
    "reals": "input b: bool\ninput r: real in -2..3\noutput y = if b then r else 1 - r / 2",
    "a product": "input b: bool\ninput r: real in -2..3\noutput y = (not b) * r",
    "a comparison of reals": "input r: real in -2..3\noutput y = if r > 0.5 then 2 * r else -r",
    "store": "length <= 30\ninput x: int in 0..9\noutput y = store(steps() == 2, x)",
    "a vector": "input v: int[3] in 0..5\ninput k: int in 0..2\noutput y = v[k]",
}


@pytest.mark.parametrize("constants", CONSTANTS)
@pytest.mark.parametrize(("target", "variant"), HELD)
@pytest.mark.parametrize("name", PROGRAMS)
def test_every_variant_keeps_its_certificate(
    name: str, target: str, variant: str, constants: str
) -> None:
    program = lsrl.parse(PROGRAMS[name])
    chosen: dict[str, Any] = {"target": target, "conditional": variant, "constants": constants}
    for dtype in ("float32", "float64"):
        compare(program, dtype, tolerance=math.inf, **chosen)
        if constants == "range":  # good enough for the usual tolerance
            lsrl.compile(program, dtype=dtype, **chosen)


def units(text: str, variant: str, target: str = "gated-linear-rnn") -> tuple[int, int]:
    """ReLUs and products of the first layer."""
    model = lsrl.compile(lsrl.parse(text), target, conditional=variant)
    return tuple(model.shape["layers"][0][2:])  # type: ignore[return-value]


def test_variants_have_their_shapes() -> None:
    """The four halves, those that can be other than 0, products of both branches, one product."""
    inputs = "input b: bool\ninput x: int in 0..8\ninput y: int in -3..5\noutput z = "
    both, one = inputs + "if b then x else y", inputs + "if b then x else 0"
    assert units(both, "direct") == (4, 0)
    assert units(both, "optimized") == (3, 0)
    assert units(both, "multiplicative") == (0, 2)
    assert units(one, "direct") == (2, 0)
    assert units(one, "optimized") == (1, 0)
    assert units(one, "multiplicative_optimized") == (0, 1)
    layers = lsrl.compile(lsrl.parse(one), conditional="step_optimized").shape["layers"]
    assert [m for _, _, m in layers] == [3, 2, 1]  # the step and x, the halves, the output


def test_the_constants_are_the_papers() -> None:
    program = lsrl.parse(
        "input k: int in 0..9\ninput x: int in 0..8\noutput if k > 4 then x else 0"
    )
    paper = lsrl.compile(
        program, dtype="float64", conditional="direct", constants="paper", tolerance=1
    )
    assert 1000 in paper.weights["layers.0.D"]
    assert 1e10 in np.abs(np.concatenate([w.ravel() for w in paper.weights.values()]))
    ranges = lsrl.compile(program, conditional="direct")
    assert max(np.abs(w).max() for w in ranges.weights.values()) < 20


def test_without_a_variant_the_papers_constants_are_those_of_its_best() -> None:
    program = lsrl.parse(PROGRAMS["integers"])
    for target, variant in (
        ("linear-rnn", "optimized"),
        ("gated-linear-rnn", "multiplicative_optimized"),
    ):
        implied, named = (
            lsrl.compile(program, target, dtype="float64", constants="paper", conditional=v)
            for v in (None, variant)
        )
        assert implied.weights.keys() == named.weights.keys()
        assert all(np.array_equal(w, named.weights[k]) for k, w in implied.weights.items())


def test_what_the_papers_constants_break_is_refused_and_says_so() -> None:
    program = lsrl.load(EXAMPLES / "dictionary.lsrl")
    with pytest.raises(lsrl.UnsupportedError) as caught:
        lsrl.compile(program, conditional="direct", constants="paper")
    assert caught.value.code == "E804"
    assert "--constants range" in str(caught.value.diagnostics[0].help)


def test_states_that_the_papers_constants_exclude() -> None:
    """Of relu RNNs, whose states have to close within one layer; the constants are the reason."""
    program = lsrl.load(EXAMPLES / "traffic_light.lsrl")
    for variant in VARIANTS[:3]:
        lsrl.compile(program, "rnn", conditional=variant, verify=False)
        with pytest.raises(lsrl.UnsupportedError, match="the paper's constants") as caught:
            lsrl.compile(program, "rnn", conditional=variant, constants="paper")
        assert caught.value.diagnostics[0].help == "use --constants range"
    both = lsrl.load(EXAMPLES / "selective_copy.lsrl")  # which no constants help
    with pytest.raises(lsrl.UnsupportedError, match="theorem 1"):
        lsrl.compile(both, "linear-rnn", constants="paper")


def test_the_papers_finding() -> None:
    """Petrov et al. 2024, section 5: conditionals by multiplication are the stabler ones. In
    float64 the dictionary program fails with `direct` and works with `multiplicative`."""
    program = lsrl.load(EXAMPLES / "dictionary.lsrl")
    worst = {}
    for variant in ("direct", "multiplicative"):
        model = lsrl.compile(
            program, "gated-linear-rnn", dtype="float64", conditional=variant, constants="paper",
            tolerance=math.inf, verify=False,
        )  # fmt: skip
        assert model.certificate["tolerance"] == {"output": math.inf}
        worst[variant] = lsrl.verify(model, 60).errors["output"]
    assert worst["direct"] > 1
    assert worst["multiplicative"] < 1e-3


@pytest.mark.parametrize("constants", CONSTANTS)
@pytest.mark.parametrize(("target", "variant"), HELD)
def test_a_choice_stays_between_its_branches(target: str, variant: str, constants: str) -> None:
    """A comparison within the guard band does not matter where both branches are close."""
    program = lsrl.parse("input r: real in 0..1\noutput y = if r > 0.5 then r else 0.5")
    model = lsrl.compile(
        program, target, dtype="float64", conditional=variant, constants=constants,
        tolerance=math.inf,
    )  # fmt: skip
    r = np.linspace(0.499, 0.501, 41)[None]
    assert np.abs(model.run_batch({"r": r}) - 0.5).max() <= 1.1e-3


def test_no_two_units_of_a_step_of_the_papers_are_exclusive() -> None:
    """Its two halves are open together, so the certificate must add up their errors and ranges."""
    text = "input k: int in 1..30\ninput r: real in -2..3\noutput r / k"
    program = lsrl.parse(text)
    for constants, some in (("range", True), ("paper", False)):
        options = CompileOptions("float64", conditional="direct", constants=constants)
        compiled = target_named("linear-rnn").compile(program.graph, program.facts, options)
        assert bool(compiled.atoms.families) == some


def test_options_are_saved_with_the_model(tmp_path: Path) -> None:
    program = lsrl.parse(PROGRAMS["integers"])
    model = lsrl.compile(
        program, conditional="direct", constants="paper", tolerance=math.inf, verify=False
    )
    model.save(tmp_path / "model")
    loaded = lsrl.load_model(tmp_path / "model")
    assert loaded.options == model.options
    assert loaded.certificate == model.certificate
    config = tmp_path / "model" / "config.json"
    text = config.read_text()
    config.write_text(text.replace('"constants": "paper"', '"constants": "large"'))
    with pytest.raises(lsrl.CheckpointError, match="'large' constants"):
        lsrl.load_model(tmp_path / "model")
    assert "Infinity" not in text
    assert "Infinity" not in (tmp_path / "model" / "certificate.json").read_text()
