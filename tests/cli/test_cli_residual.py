"""The commands on `mamba` and `hawk`: tokens (majority) and numbers (level)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from lsrl import LengthWarning, LsrlError, compile, load_model, parse

TARGETS = ("mamba", "hawk")
LEVEL = """\
length <= 64
input x: real in 0..1
input reset: bool
state level = 0 then 0.5 * level + x
output level
output high = latch(reset, x) > 0.5
"""
EDITED = {"mamba": "backbone.layers.0.mixer.out_proj.weight",
          "hawk": "model.layers.0.temporal_block.linear_out.weight"}  # fmt: skip


@pytest.fixture
def level(tmp_path: Path) -> Path:
    path = tmp_path / "level.lsrl"
    path.write_text(LEVEL)
    return path


def edit(path: Path, name: str, by: float) -> None:
    """Adds to the largest entry of a weight."""
    weights = load_file(path)
    array = weights[name].copy()
    array.flat[np.abs(array).argmax()] += np.float32(by)
    save_file({**weights, name: array}, path, {"format": "pt"})


@pytest.mark.parametrize("target", TARGETS)
def test_compile_verify_run_trace(lsrl: Any, program: Path, target: str) -> None:
    out = program.parent / "out"
    assert f"as {target}, float32" in lsrl("compile", program, "-t", target, "-o", out).stdout
    assert lsrl("verify", out, "--samples", 20).exit_code == 0
    result = json.loads(lsrl("run", out, "--input", "[1, 0, 1]", "--json").stdout)
    assert result["outputs"] == {"ones": [1, 1, 2], "majority": [True, False, True]}
    table = lsrl("trace", out, "--input", "[1, 0, 1]").stdout
    assert "every value is the interpreter's at every step" in table
    names = {p.name for p in out.iterdir()}
    assert {"model.safetensors", "config.json", f"modeling_{target}.py"} <= names
    assert "adapter.safetensors" not in names


@pytest.mark.parametrize("target", TARGETS)
def test_numbers(lsrl: Any, level: Path, target: str) -> None:
    out = level.parent / "out"
    assert lsrl("compile", level, "-t", target, "-o", out).exit_code == 0
    assert (out / "adapter.safetensors").is_file()
    given = '{"x": [0.25, 1, 0], "reset": [false, true, false]}'
    outputs = json.loads(lsrl("run", out, "--input", given, "--json").stdout)["outputs"]
    assert np.allclose(outputs["level"], [0.25, 1.125, 0.5625], atol=1e-4)
    assert outputs["high"] == [False, True, True]
    assert lsrl("verify", out, "--samples", 20).exit_code == 0
    edit(out / "adapter.safetensors", "output.weight", 0.5)
    result = lsrl("verify", out, "--samples", 20)
    assert (result.exit_code, "adapter.output.weight: 1 of" in result.stdout) == (1, True)


@pytest.mark.parametrize("target", TARGETS)
def test_verify_says_by_how_much_a_weight_was_edited(lsrl: Any, program: Path, target: str) -> None:
    out = program.parent / "out"
    lsrl("compile", program, "-t", target, "-o", out)
    weights = load_file(out / "model.safetensors")[EDITED[target]]
    edit(out / "model.safetensors", EDITED[target], float(np.abs(weights).max()))
    result = lsrl("verify", out, "--samples", 20)
    assert result.exit_code == 1
    assert f"{EDITED[target]}: 1 of {weights.size} entries, by up to" in result.stdout
    failure = json.loads(lsrl("verify", out, "--samples", 20, "--json").stdout)["failure"]
    assert failure["error"] > failure["bound"]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("text", ["tokens", "numbers"])
def test_a_loaded_model_is_the_saved_one(
    program: Path, level: Path, target: str, text: str
) -> None:
    path = program if text == "tokens" else level
    model = compile(parse(path.read_text()), target)
    model.save(program.parent / "out")
    loaded = load_model(program.parent / "out")
    assert model.weights.keys() == loaded.weights.keys()
    assert all(np.array_equal(model.weights[k], loaded.weights[k]) for k in model.weights)
    assert loaded.symbols == json.loads(json.dumps(model.symbols))
    assert (loaded.options, loaded.certificate) == (model.options, model.certificate)
    model.save(program.parent / "again")
    for file in (program.parent / "out").iterdir():
        assert file.read_bytes() == (program.parent / "again" / file.name).read_bytes()


@pytest.mark.parametrize("target", TARGETS)
def test_config_says_which_digit_of_a_token_a_field_is(target: str, tmp_path: Path) -> None:
    text = "type k = {a, b, c}\ninput m: k\ninput v: int[2] in -1..2\noutput v\noutput o = m == a"
    compile(parse(text), target, verify=False).save(tmp_path / "m")
    said = json.loads((tmp_path / "m" / "config.json").read_text())["lsrl"]
    common = {"encoding": "tokens", "vector": False, "size": 1}
    vector = common | {"type": "int", "size": 2, "vector": True, "lo": -1, "hi": 2}
    assert said["encoding"] == said["interface"] == "tokens"
    assert said["inputs"] == [
        common | {"name": "m", "type": "enum", "members": ["a", "b", "c"]},
        vector | {"name": "v"},
    ]
    assert said["outputs"] == [
        vector | {"name": "v"},
        common | {"name": "o", "type": "bool", "lo": 0, "hi": 1},
    ]


@pytest.mark.parametrize("target", TARGETS)
def test_sizes(lsrl: Any, program: Path, target: str) -> None:
    """More channels and layers than needed change nothing; fewer are refused."""
    out = program.parent / "out"
    args = ["compile", program, "-t", target, "-o", out]
    assert lsrl(*args, "--hidden-size", 64, "--layers", 4, "--json").exit_code == 0
    config = json.loads((out / "config.json").read_text())
    assert (config["hidden_size"], config["num_hidden_layers"]) == (64, 4)
    assert lsrl("verify", out, "--samples", 20).exit_code == 0
    program.write_text("length <= 64\ninput b: bool\nstate n = 0 then (n + b) mod 5\noutput n")
    for option, value, code in (
        ("--hidden-size", 2, "E807"),
        ("--layers", 1, "E807"),
        ("--max-parameters", 100, "E806"),
    ):
        assert f"error[{code}]" in lsrl(*args, "--force", option, value).stderr, option


def test_a_width_for_which_no_norm_is_exact(lsrl: Any, program: Path) -> None:
    args = ["compile", program, "-t", "hawk", "-o", program.parent / "out"]
    result = lsrl(*args, "--hidden-size", 65)
    assert result.exit_code == 2
    assert "error[E029]: `hawk` has no hidden size of 65" in result.stderr
    assert "ask for 256" in result.stderr


@pytest.mark.parametrize("target", TARGETS)
def test_a_longer_sequence_is_run_with_a_warning(target: str) -> None:
    model = compile(parse("length <= 4\ninput x: int in 0..9\noutput prev(x)"), target)
    with pytest.warns(LengthWarning):
        assert model.run([1, 2, 3, 4, 5, 6]).tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("input r: real in 0..1\noutput r > 0.5", "real"),
        ("input x: int in 0..99999\noutput x > 5", "65,536"),
        ("input x: int in 0..9999\noutput x", "4,096"),
        ("input x: int in 0..9\noutput x / 4", "real"),
    ],
)
def test_tokens_for_programs_that_have_none(target: str, text: str, said: str) -> None:
    """They have numbers, and tokens are refused."""
    assert compile(parse(text), target).options.encoding == "number"
    with pytest.raises(LsrlError, match=said) as caught:
        compile(parse(text), target, encoding="tokens")
    assert caught.value.code == "E022"


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"dtype": "float64"}, "E021"), ({"dtype": "bfloat16"}, "E021"),
        ({"encoding": "onehot"}, "E022"), ({"profile": "robust"}, "E023"),
        ({"conditional": "direct"}, "E028"),
    ],
)  # fmt: skip
def test_options_that_they_do_not_have(target: str, options: dict[str, Any], code: str) -> None:
    with pytest.raises(LsrlError) as caught:
        compile(parse("input b: bool\noutput prev(b)"), target, **options)
    assert caught.value.code == code
    assert caught.value.diagnostics[0].help


def test_targets(lsrl: Any, program: Path, level: Path) -> None:
    data = json.loads(lsrl("targets", program, "--json").stdout)["targets"]
    assert all(data[t]["verdict"] == "up_to_length" for t in TARGETS)
    data = json.loads(lsrl("targets", level, "--json").stdout)["targets"]
    assert all(data[t]["verdict"] == "approximate" for t in TARGETS)
