"""`lsrl trace`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


def test_a_table_of_all_names(lsrl: Any, checkpoint: Path) -> None:
    result = lsrl("trace", checkpoint, "--input", "[1, 0, 1]")
    assert result.exit_code == 0
    assert result.stdout == (
        "step | bit  ones  steps.n  majority\n"
        "   0 |   1     1        0      true\n"
        "   1 |   0     1        1     false\n"
        "   2 |   1     2        2      true\n"
        "every value is the interpreter's at every step (4 names)\n"
    )


def test_noise_shows_both_values_and_fails(lsrl: Any, checkpoint: Path) -> None:
    args = ["trace", checkpoint, "--input", "[1, 1, 1, 1, 1]", "--noise", 0.2, "--seed", 1]
    result = lsrl(*args)
    assert result.exit_code == 1
    last = result.stdout.splitlines()[-1]
    assert last.startswith("first divergence: step ")
    step, name = int(last.split()[3].rstrip(",")), last.split("`")[1]
    row = result.stdout.splitlines()[1 + step]
    assert " not " in row
    assert all(" not " not in line for line in result.stdout.splitlines()[1 : 1 + step])
    data = json.loads(lsrl(*args, "--json").stdout)
    found = data["divergence"]
    assert (found["step"], found["name"]) == (step, name)
    assert data["values"][name][step] != data["expected"][name][step]
    assert lsrl(*args).stdout == result.stdout


def test_names_backend_and_standard_input(lsrl: Any, checkpoint: Path) -> None:
    args = ["trace", checkpoint, "--names", "majority, ones", "--backend", "numpy", "--json"]
    data = json.loads(lsrl(*args, input="[1, 1]").stdout)
    assert data["values"] == {"ones": [1, 2], "majority": [True, True]}
    assert data["expected"] == data["values"]
    assert data["divergence"] is None
    assert data["steps"] == 2


def test_what_is_not_in_the_model_is_listed(lsrl: Any, tmp_path: Path) -> None:
    path = tmp_path / "p.lsrl"
    path.write_text(
        "input a: int in 0..9\ninput b: bool\nboth = a > 4 and b\noutput both and a < 8\n"
    )
    lsrl("compile", path, "-t", "linear-rnn", "-o", tmp_path / "out")
    given = '{"a": [5, 9], "b": [true, true]}'
    result = lsrl("trace", tmp_path / "out", "--input", given)
    assert "not in the model: `both` (the optimiser replaced it)\n" in result.stdout
    result = lsrl("trace", tmp_path / "out", "--input", given, "--names", "both")
    assert result.exit_code == 2
    assert "error[E015]: `both` is not in the model: the optimiser replaced it" in result.stderr


def test_enumerations_and_vectors(lsrl: Any, mixed: Path, tmp_path: Path) -> None:
    lsrl("compile", mixed, "-t", "linear-rnn", "-o", tmp_path / "out")
    given = '{"colour": ["red", "green"], "v": [[0, 1], [0.5, -1]], "go": [0, 1]}'
    result = lsrl("trace", tmp_path / "out", "--input", given)
    assert result.exit_code == 0
    assert "   1 | green   [0.5, -1]   true  green   -0.5  [0.25, -0.5]\n" in result.stdout
    data = json.loads(lsrl("trace", tmp_path / "out", "--input", given, "--json").stdout)
    assert data["values"]["colour"] == ["red", "green"]
    assert data["values"]["half"] == [[0, 0.5], [0.25, -0.5]]


def test_values_in_doubt_are_named(lsrl: Any, tmp_path: Path) -> None:
    path = tmp_path / "p.lsrl"
    path.write_text("input r: real in 0..1\noutput r > 0.5\n")
    lsrl("compile", path, "-t", "linear-rnn", "-o", tmp_path / "out")
    result = lsrl("trace", tmp_path / "out", "--input", "[0.5, 0.7]")
    assert result.exit_code == 0
    assert "warning[W701]" in result.stderr
    assert "some values of `output` are not determined" in result.stderr


def test_symbols(lsrl: Any, checkpoint: Path) -> None:
    result = lsrl("trace", checkpoint, "--symbols")
    assert result.exit_code == 0
    assert result.stdout == (
        "name      layer  value  encoding  can be overwritten\n"
        "bit           0  x0     linear    yes\n"
        "ones          1  y0     linear    yes\n"
        "steps.n       0  s0     linear    yes\n"
        "majority      1  y1     boolean   yes\n"
    )
    data = json.loads(lsrl("trace", checkpoint, "--symbols", "--json").stdout)
    assert data["symbols"]["bit"] == [
        {"layer": 0, "encoding": "linear", "unit": "x0", "scale": 1.0, "offset": 0.0}
    ]
    assert data["overwritable"]["bit"] == "yes"
    only = json.loads(lsrl("trace", checkpoint, "--symbols", "--names", "bit", "--json").stdout)
    assert list(only["symbols"]) == ["bit"]


def test_circuit(lsrl: Any, checkpoint: Path) -> None:
    result = lsrl("trace", checkpoint, "--circuit")
    assert result.exit_code == 0
    assert result.stdout == (
        "name          unit             weights\n"
        "ones          layer 0 state 1  A[1, 1]=1 B[1, 0]=1\n"
        "ones          layer 1 unit 0   D[0, 2]=1\n"
        "steps.n       layer 0 state 0  A[0, 0]=1 b[0]=1 s0[0]=-1\n"
        "majority      layer 0 unit 0   C[0, 0]=-1 C[0, 1]=2 d[0]=-1\n"
        "majority      layer 0 unit 1   C[1, 0]=-1 C[1, 1]=2 d[1]=-2\n"
        "majority      layer 1 unit 1   D[1, 0]=1 D[1, 1]=-1\n"
        "carries ones  layer 0 unit 2\n"
        "no units: `bit` (it is an input)\n"
    )
    data = json.loads(lsrl("trace", checkpoint, "--circuit", "--json").stdout)["circuit"]
    assert {"steps.n", "ones", "majority"} <= set(data["units"])
    one = lsrl("trace", checkpoint, "--circuit", "--names", "steps.n").stdout
    assert one.splitlines()[1:] == ["steps.n  layer 0 state 0  A[0, 0]=1 b[0]=1 s0[0]=-1"]


@pytest.mark.parametrize(
    ("args", "status", "message"),
    [
        (["--names", "one"], 2, "error[E014]: the program has no value named `one`\n"
         "  help: did you mean `ones`?"),
        (["--noise", -1], 2, "-1.0 is not in the range x>=0"),
        (["--noise", "nan"], 2, "'nan' is not"),
        (["--circuit", "--noise", 1], 2, "--circuit takes neither --input nor --noise"),
        (["--symbols", "--noise", 1], 2, "--symbols takes neither --input nor --noise"),
        (["--backend", "numpi"], 2, "error[E025]: there is no backend `numpi`"),
    ],
)  # fmt: skip
def test_bad_options(
    lsrl: Any, checkpoint: Path, args: list[Any], status: int, message: str
) -> None:
    given = [] if set(args) & {"--circuit", "--symbols"} else ["--input", "[1]"]
    result = lsrl("trace", checkpoint, *given, *args)
    assert result.exit_code == status
    assert message in result.stderr


def test_bad_folders_and_inputs(lsrl: Any, checkpoint: Path, program: Path, tmp_path: Path) -> None:
    result = lsrl("trace", program, "--input", "[1]")
    assert (result.exit_code, result.stderr) == (1, (
        f"error[E040]: `{program}` is a program, not a checkpoint\n"
        "  help: this is a program; compile it first\n"
    ))  # fmt: skip
    result = lsrl("trace", tmp_path / "none", "--input", "[1]")
    assert (result.exit_code, "there is no such folder" in result.stderr) == (1, True)
    result = lsrl("trace", checkpoint, "--input", "[2]")
    assert (result.exit_code, "error[E715]" in result.stderr) == (1, True)
    (checkpoint / "circuit.json").write_text("{}")
    result = lsrl("trace", checkpoint, "--circuit")
    assert (result.exit_code, "circuit.json is damaged" in result.stderr) == (1, True)
    symbols = json.loads((checkpoint / "symbols.json").read_text())
    symbols["bit"]["elements"][0]["terms"][0][1] = 7
    (checkpoint / "symbols.json").write_text(json.dumps(symbols))
    result = lsrl("trace", checkpoint, "--input", "[1]")
    assert (result.exit_code, "symbols.json is damaged" in result.stderr) == (1, True)
