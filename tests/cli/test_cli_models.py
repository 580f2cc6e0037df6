"""`lsrl compile`, `lsrl verify`, `lsrl targets` and `lsrl sample`."""

from __future__ import annotations

import csv
import json
import math
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lsrl import OptionError, UnsupportedError, load
from lsrl.cli import options
from lsrl.targets import TARGETS
from lsrl.targets.base import CompileOptions

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_compile(lsrl: Any, program: Path, tmp_path: Path) -> None:
    out = tmp_path / "new"
    result = lsrl("compile", program, "--target", "linear-rnn", "-o", out)
    assert result.exit_code == 0
    assert "as linear-rnn, float32" in result.stdout
    assert (out / "model.safetensors").is_file()
    assert (out / "config.json").is_file()
    assert {p.name for p in tmp_path.iterdir()} == {"new", "majority.lsrl"}


def test_compile_json_and_options(lsrl: Any, program: Path, tmp_path: Path) -> None:
    args = ["compile", program, "-t", "linear-rnn", "-o", tmp_path / "new", "-D", "lead=1"]
    args += ["--length", 32, "--dtype", "float64", "--guard", 0.01, "--tolerance", 0.1]
    data = json.loads(lsrl(*args, "--no-verify", "--json").stdout)
    assert (data["target"], data["dtype"], data["verified"]) == ("linear-rnn", "float64", False)
    assert data["parameters"] > data["nonzeros"] > 0
    config = json.loads((tmp_path / "new" / "config.json").read_text())
    assert (config["length"], config["guard"]) == (32, 0.01)


def test_compile_with_a_conditional_of_the_paper(lsrl: Any, tmp_path: Path) -> None:
    path = tmp_path / "choice.lsrl"
    path.write_text("input b: bool\ninput x: int in -7..8\noutput if b then x else 2 * x - 3\n")
    args = ["compile", path, "-t", "linear-rnn", "-o", tmp_path / "new", "--constants", "paper"]
    refused = lsrl(*args)
    assert (refused.exit_code, "error[E804]" in refused.stderr) == (1, True)
    assert (
        lsrl(*args, "--conditional", "direct", "--tolerance", "inf", "--no-verify").exit_code == 0
    )
    config = json.loads((tmp_path / "new" / "config.json").read_text())
    assert (config["conditional"], config["constants"]) == ("direct", "paper")
    assert config["tolerance"] == "inf"
    failed = lsrl("verify", tmp_path / "new", "--samples", 5)  # 1e10 + x has no digits for x
    assert (failed.exit_code, "FAILED" in failed.stdout) == (1, True)
    wrong = lsrl(*args, "--conditional", "multiplicative", "--force")
    assert (wrong.exit_code, "error[E028]" in wrong.stderr) == (2, True)


def test_a_profile_that_costs_much_is_warned_of(lsrl: Any, tmp_path: Path) -> None:
    text = "input x: int in 0..4\nstate s: int in 0..4 = 0 then (s + x) mod 5\noutput s\n"
    for name, source, times in (
        ("mod", text, "times fewer"),
        ("or", "input b: bool\noutput ever(b)\n", None),
    ):
        path = tmp_path / f"{name}.lsrl"
        path.write_text(source)
        result = lsrl("compile", path, "-t", "lstm", "--profile", "robust", "-o", tmp_path / name)
        assert result.exit_code == 0
        assert ("warning[W704]: the profile `robust` takes" in result.stderr) == (times is not None)
        assert times is None or times in result.stderr


def test_compile_replaces_a_checkpoint_only_with_force(
    lsrl: Any, program: Path, checkpoint: Path, unchanged: Any
) -> None:
    unchanged()
    args = ["compile", program, "-t", "linear-rnn", "-o", checkpoint, "-D", "lead=2"]
    result = lsrl(*args)
    assert (result.exit_code, "--force" in result.stderr) == (2, True)
    assert unchanged()
    assert lsrl(*args, "--force").exit_code == 0
    assert "param lead: int = 2" in (checkpoint / "program.lsrl").read_text()


def test_what_a_target_cannot_hold(lsrl: Any, tmp_path: Path, unchanged: Any) -> None:
    path = tmp_path / "latch.lsrl"
    path.write_text("input c: bool\ninput x: int in 0..9\noutput latch(c, x)\n")
    unchanged()
    result = lsrl("compile", path, "-t", "linear-rnn", "-o", tmp_path / "new")
    assert result.exit_code == 1
    assert "error[E80" in result.stderr
    assert unchanged()


def test_verify(lsrl: Any, checkpoint: Path) -> None:
    result = lsrl("verify", checkpoint, "--samples", 5, "--seed", 3)
    assert result.exit_code == 0, result.stderr
    assert f"{checkpoint}: passed" in result.stdout
    data = json.loads(lsrl("verify", checkpoint, "--samples", 5, "--json").stdout)
    assert data["passed"] is True
    assert set(data["errors"]) == {"ones", "majority"}
    assert data["runners"] == ["numpy", "torch"]


def test_verify_with_a_backend(lsrl: Any, checkpoint: Path) -> None:
    args = ["verify", checkpoint, "--samples", 1, "--json", "--backend"]
    assert json.loads(lsrl(*args, "numpy").stdout)["runners"] == ["numpy"]
    wrong = lsrl(*args, "jaxx")
    assert wrong.exit_code == 2
    assert "did you mean `jax`?" in wrong.stderr + wrong.stdout


def test_verify_finds_a_wrong_weight(lsrl: Any, checkpoint: Path) -> None:
    from safetensors.numpy import load_file, save_file

    weights = load_file(checkpoint / "model.safetensors")
    name = next(n for n in weights if n.endswith(".B"))
    weights[name] = weights[name] * np.float32(1.5)
    save_file(weights, checkpoint / "model.safetensors")
    result = lsrl("verify", checkpoint, "--samples", 5)
    assert result.exit_code == 1
    assert "FAILED" in result.stdout
    assert "for the input" in result.stdout
    assert json.loads(lsrl("verify", checkpoint, "--samples", 5, "--json").stdout)["failure"]


def test_targets(lsrl: Any, program: Path) -> None:
    assert "linear-rnn" in lsrl("targets").stdout
    assert "linear-rnn  up to length" in lsrl("targets", program).stdout
    data = json.loads(lsrl("targets", program, "--json").stdout)
    assert data["targets"]["linear-rnn"]["verdict"] == "up_to_length"
    assert set(json.loads(lsrl("targets", "--json").stdout)["targets"]) >= {"linear-rnn"}
    assert lsrl("targets", "-D", "n=1").exit_code == 2


def test_help_offers_only_what_there_is(lsrl: Any) -> None:
    shown = lsrl("run", "--help").stdout
    found = {e.name for e in entry_points(group="lsrl.backends")}
    assert all(name in shown for name in found)


def test_options_name_the_targets_that_have_what_they_say() -> None:
    assert tuple(TARGETS) == options.TARGETS
    graph = load(EXAMPLES / "majority.lsrl")

    def carries(name: str, chosen: CompileOptions) -> bool:
        try:
            TARGETS[name].compile(graph.graph, graph.facts, chosen)
        except (OptionError, UnsupportedError) as e:
            return isinstance(e, UnsupportedError)
        return True

    narrow = [
        n for n in TARGETS if carries(n, CompileOptions(dtype="bfloat16", tolerance=math.inf))
    ]
    assert tuple(narrow) == options.NARROW
    assert (
        tuple(n for n in TARGETS if carries(n, CompileOptions(encoding="onehot")))
        == options.ENCODED
    )


@pytest.mark.parametrize("target", ["lstm", "gru", "rnn", "rnn-tanh"])
def test_compile_says_how_many_hidden_units(lsrl: Any, program: Path, target: str) -> None:
    folder = program.parent / "model"
    args = ["compile", program, "-t", target, "-o", folder, "--encoding", "onehot"]
    lines = lsrl(*args).stdout.splitlines()
    assert lines[0] == f"{program} as {target}, float32, onehot: {folder}"
    config = json.loads((folder / "config.json").read_text())
    assert f"  hidden size    {config['hidden_size']}" in lines
    assert "`bit`, `ones`, `majority` have one column a value" in (folder / "README.md").read_text()
    data = json.loads(lsrl(*args, "--force", "--json").stdout)
    assert (data["hidden_size"], data["layers"]) == (config["hidden_size"], config["num_layers"])


# sample


def test_sample_prints_lines(lsrl: Any, program: Path) -> None:
    args = ["sample", program, "-n", 3, "--length", 4, "--seed", 1]
    result = lsrl(*args)
    sequences = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(sequences) == 3
    for s in sequences:
        assert s["outputs"]["ones"] == np.cumsum(s["inputs"]["bit"]).tolist()
        assert len(s["inputs"]["bit"]) == 4
    assert lsrl(*args).stdout == result.stdout
    data = json.loads(lsrl(*args, "--json").stdout)
    assert data["inputs"]["bit"] == [s["inputs"]["bit"] for s in sequences]


def test_sample_files_say_the_same(lsrl: Any, mixed: Path, tmp_path: Path) -> None:
    for suffix in ("json", "jsonl", "csv", "npz"):
        path = tmp_path / f"d.{suffix}"
        result = lsrl("sample", mixed, "-n", 2, "--length", 3, "-o", path)
        assert (result.exit_code, result.stdout) == (0, f"{path}: 2 sequences of 3 steps\n")
    whole = json.loads((tmp_path / "d.json").read_text())
    lines = [json.loads(line) for line in (tmp_path / "d.jsonl").read_text().splitlines()]
    assert [s["inputs"]["v"] for s in lines] == whole["inputs"]["v"]
    with (tmp_path / "d.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    assert float(rows[4]["input.v.1"]) == whole["inputs"]["v"][1][1][1]
    assert rows[5]["output.next"] == whole["outputs"]["next"][1][2]
    with np.load(tmp_path / "d.npz") as arrays:
        assert arrays["output.half"].tolist() == whole["outputs"]["half"]
        assert arrays["input.v"].shape == (2, 3, 2)
        assert arrays["input.colour"].tolist() == whole["inputs"]["colour"]


def test_a_sample_runs(lsrl: Any, mixed: Path) -> None:
    (line,) = lsrl("sample", mixed, "-n", 1, "--length", 3).stdout.splitlines()
    sequence = json.loads(line)
    result = lsrl("run", mixed, "--input", json.dumps(sequence["inputs"]), "--json")
    assert json.loads(result.stdout)["outputs"] == sequence["outputs"]


@pytest.mark.parametrize(
    ("args", "message"),
    [(["--length", 65], "longer than the 64 steps"), (["-n", 0], "-n"), (["--seed", "x"], "--seed"),
     (["-o", "data.txt"], "no format"), (["-o", "data"], "no format")],
)  # fmt: skip
def test_sample_options(lsrl: Any, program: Path, args: list[Any], message: str) -> None:
    result = lsrl("sample", program, *args)
    assert result.exit_code == 2
    assert message in result.stderr


def test_sample_replaces_a_file_only_with_force(lsrl: Any, program: Path, tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    path.write_text("mine")
    args = ["sample", program, "-n", 1, "--length", 2, "-o", path]
    assert lsrl(*args).exit_code == 2
    assert path.read_text() == "mine"
    assert lsrl(*args, "--force").exit_code == 0
    assert json.loads(path.read_text())["inputs"]
