"""`lsrl run`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

TABLE = """\
step | bit | ones  majority
   0 |   1 |    1  true
   1 |   0 |    1  false
   2 |   1 |    2  true
"""


def test_table(lsrl: Any, program: Path) -> None:
    result = lsrl("run", program, "--input", "[1, 0, 1]")
    assert (result.exit_code, result.stdout, result.stderr) == (0, TABLE, "")


def test_json(lsrl: Any, program: Path) -> None:
    result = lsrl("run", program, "--input", "[1, 0, 1]", "--json")
    outputs = {"ones": [1, 1, 2], "majority": [True, False, True]}
    assert json.loads(result.stdout) == {"steps": 3, "outputs": outputs, "margins": []}


TEXTS = [
    "[1, 0, 1]",
    '{"bit": [1, 0, 1]}',
    '[{"bit": 1}, {"bit": 0}, {"bit": 1}]',
    '{"bit": 1}\n{"bit": 0}\n{"bit": 1}\n',
    "bit\n1\n0\n1\n",
    "1\n0\n1\n",
    "1\n\n0\n1",
]


@pytest.mark.parametrize("text", TEXTS)
def test_standard_input(lsrl: Any, program: Path, text: str) -> None:
    assert lsrl("run", program, input=text).stdout == TABLE
    assert lsrl("run", program, "--input", "-", input=text).stdout == TABLE


def test_files(lsrl: Any, program: Path, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[1, 0, 1]")
    (tmp_path / "x.jsonl").write_text("1\n0\n1\n")
    (tmp_path / "x.csv").write_text("bit\n1\n0\n1\n")
    np.save(tmp_path / "x.npy", np.array([1, 0, 1]))
    np.savez(tmp_path / "x.npz", bit=np.array([1, 0, 1]))
    for path in sorted(tmp_path.glob("x.*")):
        assert lsrl("run", program, "--input", path).stdout == TABLE, path


def test_members_vectors_and_exact_numbers(lsrl: Any, mixed: Path) -> None:
    data = '{"colour": ["red", "red"], "v": [[0.1, 0.2], [1, -0.5]], "go": [false, true]}'
    lines = lsrl("run", mixed, "--input", data).stdout.splitlines()
    assert lines == [
        "step | colour  v           go    | next   total  half",
        "   0 | red     [0.1, 0.2]  false | red      0.3  [0.05, 0.1]",
        "   1 | red     [1, -0.5]   true  | green    0.5  [0.5, -0.25]",
    ]
    exact = json.loads(lsrl("run", mixed, "--input", data, "--exact", "--json").stdout)
    assert exact["outputs"] == {
        "next": ["red", "green"],
        "total": ["3/10", "1/2"],
        "half": [["1/20", "1/10"], ["1/2", "-1/4"]],
    }


def test_parameters_and_length(lsrl: Any, program: Path) -> None:
    result = lsrl("run", program, "-D", "lead=1", "--length", 2, "--input", "[1, 1]", "--json")
    assert json.loads(result.stdout)["outputs"]["majority"] == [False, True]
    assert lsrl("run", program, "--length", 2, "--input", "[1, 1, 1]").exit_code == 1


PARAMS = """\
type light = {red, green}
param n: int = 1
param x: real = 0
param b: bool = false
param c: light = red
param v: real[2] = [0, 0]
input i: int in 0..0
output a = n
output d = x
output e = b
output f = c
output g = v
"""


@pytest.mark.parametrize(
    ("setting", "output", "value"),
    [("n=-3", "a", -3), ("x=0.5", "d", 0.5), ("x=1/4", "d", 0.25),
     ("x=1e-3", "d", 0.001), ("b=true", "e", True),
     ("b=True", "e", True), ("c=green", "f", "green"), ('c="green"', "f", "green"),
     ("v=[1, 2.5]", "g", [1, 2.5]), (" n = 4 ", "a", 4)],
)  # fmt: skip
def test_values_of_parameters(
    lsrl: Any, tmp_path: Path, setting: str, output: str, value: Any
) -> None:
    path = tmp_path / "p.lsrl"
    path.write_text(PARAMS)
    result = lsrl("run", path, "-D", setting, "--input", "[0]", "--json")
    assert json.loads(result.stdout)["outputs"][output] == [value], result.stderr


def test_a_margin_that_mattered(lsrl: Any, tmp_path: Path) -> None:
    path = tmp_path / "close.lsrl"
    path.write_text("input x: real in 0..1\ninput y: real in 0..1\noutput x > y\n")
    data = '{"x": [0.5, 1], "y": [0.5001, 0]}'
    result = lsrl("run", path, "--input", data)
    assert result.exit_code == 0
    assert "warning[W701]: reals are compared here that come within 0.0001" in result.stderr
    assert f"{path}:3:8" in result.stderr
    assert lsrl("run", path, "--input", data, "--guard", "1e-5").stderr == ""
    (margin,) = json.loads(lsrl("run", path, "--input", data, "--json").stdout)["margins"]
    assert (margin["line"], margin["column"], margin["mattered"]) == (3, 8, True)
    assert margin["smallest"] == pytest.approx(1e-4)


def test_a_checkpoint_tells_what_it_promises_nothing_for(lsrl: Any, tmp_path: Path) -> None:
    path, folder = tmp_path / "close.lsrl", tmp_path / "out"
    path.write_text("input x: real in 0..1\ninput y: real in 0..1\nassume x < 0.9\noutput x > y\n")
    assert lsrl("compile", path, "-t", "lstm", "-o", folder, "--no-verify").exit_code == 0
    near = lsrl("run", folder, "--input", '{"x": [0.5, 0.1], "y": [0.5001, 0]}')
    assert near.exit_code == 0 and near.stdout.count("false") == 1
    assert "warning[W701]: reals are compared here that come within 0.0001" in near.stderr
    broken = lsrl("run", folder, "--input", '{"x": [0.5, 1], "y": [0, 0]}')
    assert broken.exit_code == 0 and "step" in broken.stdout
    assert "warning[W703]: the model promises nothing for this input: the inputs break this" in (
        broken.stderr
    )
    assert ":3:1\n" in broken.stderr
    assert lsrl("run", folder, "--input", '{"x": [0.5], "y": [0]}').stderr == ""


def test_a_checkpoint(lsrl: Any, checkpoint: Path) -> None:
    result = lsrl("run", checkpoint, "--input", "[1, 0, 1]", "--backend", "numpy")
    assert (result.exit_code, result.stdout) == (0, TABLE)
    raw = lsrl("run", checkpoint, "--raw", "--json", "--backend", "numpy", input="[1, 0, 1]")
    majority = json.loads(raw.stdout)["outputs"]["majority"]
    assert all(isinstance(v, float) for v in majority)
    assert np.allclose(majority, [1, 0, 1], atol=0.25)


def test_a_checkpoint_with_the_default_backend(lsrl: Any, checkpoint: Path) -> None:
    assert lsrl("run", checkpoint, "--input", "[1, 0, 1]").stdout == TABLE


def test_a_checkpoint_with_jax(lsrl: Any, checkpoint: Path) -> None:
    result = lsrl("run", checkpoint, "--input", "[1, 0, 1]", "--backend", "jax")
    assert (result.exit_code, result.stdout) == (0, TABLE)
