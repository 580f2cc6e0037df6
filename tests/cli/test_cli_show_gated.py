"""`lsrl show` of the gated machines, word for word, and as data and as a graph.

`LSRL_GOLDEN=1 pytest tests/cli/test_cli_show_gated.py` writes tests/cli/golden anew: it is what the
compiler does today, so read the difference.
"""

from __future__ import annotations

import json
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lsrl as compiler

GOLDEN = Path(__file__).parent / "golden"
TARGETS = ("lstm", "gru", "rnn", "rnn-tanh")
STAGES = ("atoms", "layers", "weights")
LATEST = """\
length <= 100
input token: int in 0..2
state total = 0 then total + token
state kept = 0 then if total > 5 then token else kept
output total
output kept
"""


@pytest.fixture
def latest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "latest.lsrl").write_text(LATEST)
    monkeypatch.chdir(tmp_path)
    return "latest.lsrl"


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("target", TARGETS)
def test_text(lsrl: Any, latest: str, target: str, stage: str) -> None:
    result = lsrl("show", latest, "--stage", stage, "--target", target)
    assert result.exit_code == 0, result.stderr
    path = GOLDEN / f"{target}_{stage}.txt"
    if os.environ.get("LSRL_GOLDEN"):
        path.write_text(result.stdout)
    assert result.stdout == path.read_text()


@pytest.mark.parametrize("stage", ["atoms", "layers"])
@pytest.mark.parametrize("target", TARGETS)
def test_graphs(lsrl: Any, latest: str, target: str, stage: str) -> None:
    dot = lsrl("show", latest, "--stage", stage, "-t", target, "--format", "dot").stdout
    assert dot.startswith("digraph") and dot.endswith("}\n")
    assert dot.count("{") == dot.count("}")
    assert "style=dashed" in dot  # what is read one step back
    defined = {line.split()[0] for line in dot.splitlines() if "[label=" in line}
    for line in dot.splitlines():
        if " -> " in line:
            ends = line.strip().split(" [")[0].rstrip(";").split(" -> ")
            assert set(ends) <= defined, line


@pytest.mark.parametrize("target", TARGETS)
def test_layers_as_data_are_the_weights(lsrl: Any, latest: str, target: str) -> None:
    """The head, computed from what `layers` says, is that of the weights."""
    data = json.loads(lsrl("show", latest, "--stage", "layers", "-t", target, "--json").stdout)
    layers, head = data["json"]["layers"], data["json"]["head"]
    weights = compiler.compile(compiler.load(latest), target).weights
    assert data["json"]["parameters"] == sum(w.size for w in weights.values())
    assert [c["output"] for c in head] == ["total", "kept"]
    scales = [u["scale"] for u in layers[-1]["units"]]
    for i, column in enumerate(head):
        row = np.zeros(data["json"]["hidden_size"])
        for name, c in column["terms"].items():
            row[int(name[1:])] = float(Fraction(c)) / scales[int(name[1:])]
        assert weights["head.weight"][i].tolist() == row.tolist()
        assert weights["head.bias"][i] == float(Fraction(column["const"]))


@pytest.mark.parametrize("target", TARGETS)
def test_layers_are_made_of_the_atoms_shown(lsrl: Any, latest: str, target: str) -> None:
    args = ["show", latest, "-t", target, "--json", "--stage"]
    atoms = json.loads(lsrl(*args, "atoms").stdout)["json"]["atoms"]
    layers = json.loads(lsrl(*args, "layers").stdout)["json"]["layers"]
    found = {a["id"]: a for a in atoms}
    units = [u for layer in layers for u in layer["units"] if u["for"].startswith("a")]
    for unit in units:
        atom = found[unit["for"].split()[0]]
        assert (atom["op"], atom["used"]) == (unit["op"], True)
        assert list(atom["args"]) == list(unit["args"])
    made = {u["for"].split()[0] for u in units}
    assert made == {a["id"] for a in atoms if a["kind"] == "unit" and a["used"]}


def test_one_hot_columns(lsrl: Any, latest: str) -> None:
    args = ["show", latest, "-t", "gru", "--encoding", "onehot", "--stage"]
    layers = lsrl(*args, "layers").stdout
    assert "x2  holds a2 token == 2  0..1 integer" in layers
    assert "kept[2]" in layers.split("head\n")[1]
    assert "token == 1" in lsrl(*args, "atoms").stdout
    assert "rnn.weight_ih_l0  " in lsrl(*args, "weights").stdout
    refused = lsrl("show", latest, "--encoding", "onehot", "--stage", "atoms")
    assert refused.exit_code == 2
    assert "error[E022]" in refused.stderr


def test_atoms_are_those_that_were_laid_out(lsrl: Any) -> None:
    """Of majority two layouts are tried: with the step reading the sum, and with it inlined."""
    path = Path(__file__).parents[2] / "examples" / "majority.lsrl"
    for encoding, parts in {"number": ["o: a7 - 0.5"], "onehot": ["ones - zeros"]}.items():
        args = ["show", path, "-t", "lstm", "--encoding", encoding, "--stage"]
        atoms, layers = lsrl(*args, "atoms").stdout, lsrl(*args, "layers").stdout
        assert all(part in atoms for part in parts)
        assert "ones - zeros" in atoms and "ones - zeros" in layers
        assert ("o: x0 - 0.5" in layers) == (encoding == "number")
