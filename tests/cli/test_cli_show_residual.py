"""`lsrl show` of the residual machines, word for word, and as data and as a graph.

`LSRL_GOLDEN=1 pytest tests/cli/test_cli_show_residual.py` writes tests/cli/golden anew: it is what
the compiler does today, so read the difference.
"""

from __future__ import annotations

import itertools
import json
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lsrl as compiler

GOLDEN = Path(__file__).parent / "golden"
TARGETS = ("mamba", "hawk")
PROGRAMS = {
    "tokens": """\
length <= 100
input token: int in 0..2
state kept = 0 then if token == 2 then delay(token, 2) else kept
state count = 0 then if token == 0 then 0 else count + 1
output kept
output many = count > 3
""",
    "numbers": """\
length <= 50
input x: real in -1..1
input y: real in 0..2
input go: bool
state mean = 0 then 0.9 * mean + 0.1 * x
state level = 0 then level + x
output mean
output area = x * y
output back = delay(x, 3)
output chosen = if go then level else y
""",
}
CASES = list(itertools.product(TARGETS, PROGRAMS))


@pytest.fixture(autouse=True)
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in PROGRAMS.items():
        (tmp_path / f"{name}.lsrl").write_text(text)
    monkeypatch.chdir(tmp_path)


def shown(lsrl: Any, target: str, name: str, stage: str) -> Any:
    args = ("show", f"{name}.lsrl", "--stage", stage, "-t", target, "--json")
    return json.loads(lsrl(*args).stdout)["json"]


@pytest.mark.parametrize("stage", ["atoms", "layers"])
@pytest.mark.parametrize(("target", "name"), CASES)
def test_text(lsrl: Any, target: str, name: str, stage: str) -> None:
    result = lsrl("show", f"{name}.lsrl", "--stage", stage, "--target", target)
    assert result.exit_code == 0, result.stderr
    path = GOLDEN / f"{target}_{name}_{stage}.txt"
    if os.environ.get("LSRL_GOLDEN"):
        path.write_text(result.stdout)
    assert result.stdout == path.read_text()


@pytest.mark.parametrize("target", TARGETS)
def test_weights(lsrl: Any, target: str) -> None:
    text = lsrl("show", "tokens.lsrl", "--stage", "weights", "-t", target).stdout
    weights = compiler.compile(compiler.load("tokens.lsrl"), target).weights
    for name, array in weights.items():
        assert f"{name}  {' x '.join(map(str, array.shape))}  float32" in text
    data = shown(lsrl, target, "tokens", "weights")
    assert all((np.array(data[n]["values"]) == w).all() for n, w in weights.items())


@pytest.mark.parametrize("stage", ["atoms", "layers"])
@pytest.mark.parametrize(("target", "name"), CASES)
def test_graphs(lsrl: Any, target: str, name: str, stage: str) -> None:
    args = ("show", f"{name}.lsrl", "--stage", stage, "-t", target, "--format", "dot")
    dot = lsrl(*args).stdout
    assert dot.startswith("digraph") and dot.endswith("}\n")
    assert dot.count("{") == dot.count("}")
    assert "style=dashed" in dot  # what is read from steps before
    defined = {line.split()[0] for line in dot.splitlines() if "[label=" in line}
    for line in dot.splitlines():
        if " -> " in line:
            ends = line.strip().split(" [")[0].rstrip(";").split(" -> ")
            assert set(ends) <= defined, line


@pytest.mark.parametrize(("target", "name"), CASES)
def test_blocks_are_made_of_the_atoms_shown(lsrl: Any, target: str, name: str) -> None:
    found = {a["id"]: a for a in shown(lsrl, target, name, "atoms")["atoms"]}
    layers = shown(lsrl, target, name, "layers")
    units = [u for b in layers["blocks"] for u in b["units"] if u["for"].startswith("a")]
    for unit in units:
        atom = found[unit["for"].split()[0]]
        assert atom["used"]
        assert unit["op"] == atom.get("op", atom["kind"])
        assert list(unit["args"]) == list(atom.get("args", ["value"]))
        assert (unit.get("lag"), unit.get("rate")) == (atom.get("lag"), atom.get("rate"))
    made = {u["for"].split()[0] for u in units}
    embedded = {a for e in layers["embedding"] for a in e["form"]["terms"]}
    assert made <= {a["id"] for a in found.values() if a["used"]} <= made | embedded | {"a0"}


@pytest.mark.parametrize("target", TARGETS)
def test_the_head_as_data_is_the_weights(lsrl: Any, target: str) -> None:
    """Logits, computed from what `layers` says, are those of the weights."""
    data = shown(lsrl, target, "tokens", "layers")
    weights = compiler.compile(compiler.load("tokens.lsrl"), target).weights
    assert data["parameters"] == sum(w.size for w in weights.values())
    one = int(next(iter(data["constants"]))[1:])  # the norm hands on a 1 in the first constant
    for i, token in enumerate(itertools.product(*(h["values"] for h in data["head"]))):
        row = np.zeros(data["hidden_size"])
        for k, h in zip(token, data["head"], strict=True):
            middle = (h["values"][0] + h["values"][-1]) // 2
            for channel, c in h["terms"].items():
                row[int(channel[1:])] += 2 * (k - middle) * float(Fraction(c))
            row[one] += 2 * (k - middle) * (float(Fraction(h["const"])) - middle)
            row[one] -= (k - middle) ** 2
        assert weights["lm_head.weight"][i].tolist() == row.tolist()


@pytest.mark.parametrize(("target", "name"), CASES)
def test_names_as_data_are_read_there(lsrl: Any, target: str, name: str) -> None:
    """Every name of the symbols is in one place; outputs are read from the head as well."""
    data = shown(lsrl, target, name, "layers")
    symbols = compiler.compile(compiler.load(f"{name}.lsrl"), target).symbols
    read = {n: b["layer"] for b in data["blocks"] for n in b["names"]}
    assert not set(read) & set(data["names"])
    assert read.keys() | data["names"].keys() == symbols.keys()
    assert all(
        read[n] == s["layer"] or n in data["outputs"] for n, s in symbols.items() if n in read
    )


def test_a_model_without_units(lsrl: Any) -> None:
    Path("next.lsrl").write_text("input token: int in 0..2\noutput y = token == 1\n")
    for target in TARGETS:
        text = lsrl("show", "next.lsrl", "--stage", "layers", "-t", target).stdout
        assert "num_hidden_layers 1" in text
        assert "0 units" in text and "logits of 0..1" in text
        data = shown(lsrl, target, "next", "layers")
        assert data["embedding"] and not any(b["units"] for b in data["blocks"])


@pytest.mark.parametrize(
    "name", ["dictionary", "capitals", "vector", "dyck1_valid", "traffic_light"]
)
def test_examples(lsrl: Any, name: str) -> None:
    path = Path(__file__).parents[2] / "examples" / f"{name}.lsrl"
    for target, form in zip(TARGETS, ("dot", "text"), strict=True):
        result = lsrl("show", path, "-t", target, "--stage", "layers", "--format", form)
        assert result.exit_code == 0 or "error[E80" in result.stderr, result.output
