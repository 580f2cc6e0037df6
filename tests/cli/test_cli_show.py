"""`lsrl show`: every stage in every form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lsrl.ir.text import from_text

DOT = ("ast", "ir", "optimised", "atoms", "layers")
STAGES = (*DOT, "weights")
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("stage", STAGES)
def test_text_and_json(lsrl: Any, program: Path, stage: str) -> None:
    text = lsrl("show", program, "--stage", stage)
    assert text.exit_code == 0, text.stderr
    assert text.stdout.strip()
    data = json.loads(lsrl("show", program, "--stage", stage, "--json").stdout)
    assert (data["stage"], data["format"]) == (stage, "json")
    assert data["json"]
    bare = lsrl("show", program, "--stage", stage, "--format", "json").stdout
    assert json.loads(bare) == data["json"]


@pytest.mark.parametrize("stage", DOT)
def test_dot(lsrl: Any, program: Path, stage: str) -> None:
    result = lsrl("show", program, "--stage", stage, "--format", "dot")
    assert result.stdout.startswith("digraph")
    assert result.stdout.endswith("}\n")
    assert result.stdout.count("{") == result.stdout.count("}")
    data = json.loads(lsrl("show", program, "--stage", stage, "--format", "dot", "--json").stdout)
    assert data["dot"] == result.stdout


def test_products_and_conditionals(lsrl: Any, tmp_path: Path) -> None:
    path = tmp_path / "choice.lsrl"
    path.write_text("input b: bool\ninput r: real in -7..8\noutput if b then r else 0\n")
    args = ["show", path, "--target", "gated-linear-rnn", "--stage"]
    for stage, product in (("atoms", "(a0) * (a1)"), ("layers", "(x0) * (x1)")):
        assert product in lsrl(*args, stage).stdout
        assert "*" not in lsrl(*args, stage, "--conditional", "direct").stdout
        data = json.loads(lsrl(*args, stage, "--format", "json").stdout)
        assert "factor" in json.dumps(data)
        assert lsrl(*args, stage, "--format", "dot").stdout.count("->") >= 2
    assert (
        "10000000000"
        in lsrl(*args, "atoms", "--constants", "paper", "--conditional", "direct").stdout
    )


def test_the_ir_reads_back(lsrl: Any, program: Path) -> None:
    graph = from_text(lsrl("show", program, "--stage", "optimised").stdout)
    assert [o.name for o in graph.outputs] == ["ones", "majority"]


def test_the_tree(lsrl: Any, program: Path) -> None:
    lines = lsrl("show", program, "--stage", "ast").stdout.splitlines()
    assert 'Param name="lead" @3:1' in lines
    assert "  value: Number value=0 @3:19" in lines
    assert 'State name="ones" @6:1' in lines
    assert '  next: Binary op="+" @6:21' in lines


def test_atoms_and_layers_say_what_they_are_for(lsrl: Any, program: Path) -> None:
    atoms = lsrl("show", program, "--stage", "atoms").stdout
    assert "a0  input" in atoms
    assert "0..1 integer" in atoms
    assert "relu(" in atoms
    layers = lsrl("show", program, "--stage", "layers").stdout
    assert "layer 0: 1 inputs" in layers
    assert "the read-out" in layers
    assert "majority" in layers


def test_parameters_reach_the_stages(lsrl: Any, program: Path) -> None:
    args = ["show", program, "--stage", "ir"]
    assert lsrl(*args).stdout != lsrl(*args, "-D", "lead=5").stdout
    assert "length 7\n" in lsrl(*args, "--length", 7).stdout
    double = lsrl("show", program, "--stage", "weights", "--dtype", "float64").stdout
    assert "float64" in double
    brain = lsrl("show", program, "--stage", "weights", "--dtype", "bfloat16").stdout
    assert "bfloat16" in brain and "float32" not in brain


@pytest.mark.parametrize("name", ["dictionary", "vector", "traffic_light", "dyck1_valid"])
def test_examples(lsrl: Any, name: str) -> None:
    for stage in ("ast", "atoms", "layers"):
        result = lsrl("show", EXAMPLES / f"{name}.lsrl", "--stage", stage)
        assert result.exit_code in (0, 1), result.stderr
        assert result.stdout or "error[E80" in result.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [(["--stage", "weights", "--format", "dot"], "has no dot form"),
     (["--stage", "wieghts"], "wieghts"), ([], "--stage"),
     (["--stage", "atoms", "--target", "linear-rrn"], "did you mean `linear-rnn`?"),
     (["--stage", "atoms", "--dtype", "float3"], "no dtype")],
)  # fmt: skip
def test_what_there_is_not(lsrl: Any, program: Path, args: list[str], message: str) -> None:
    result = lsrl("show", program, *args)
    assert result.exit_code == 2
    assert message in result.stderr
