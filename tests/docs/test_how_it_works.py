"""docs/how-it-works.md says what really happens, and links lead somewhere."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import pytest
from click.testing import CliRunner

import lsrl
from lsrl.cli import main
from lsrl.lower.units.ops import OPS
from lsrl.targets.hawk.target import HAWK
from lsrl.targets.mamba.target import MAMBA
from lsrl.targets.stream import constants_for

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-it-works.md").read_text(encoding="utf-8")


def test_commands_print_what_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    shown = "".join(re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL))
    parts = re.split(r"^\$ ", shown, flags=re.MULTILINE)[1:]
    assert parts
    for part in parts:
        command, _, output = part.partition("\n")
        result = CliRunner().invoke(main, command.split()[1:])
        assert result.output.strip() == output.strip(), command


def test_the_numbers_of_the_example() -> None:
    weights = lsrl.compile(lsrl.load(ROOT / "examples" / "majority.lsrl"), "lstm").weights
    eps = float(Fraction(1, 2**22))
    assert weights["rnn.weight_ih_l0"].reshape(-1).tolist() == [0, 0, 2 * eps, 0]
    assert weights["rnn.bias_ih_l0"].tolist() == [1024, 2048, -eps, 1024]
    assert weights["rnn.weight_ih_l1"].reshape(-1).tolist() == [0, 0, 0, 2.0**33]
    assert weights["rnn.bias_ih_l1"].tolist() == [1024, -1024, 2.0**-12, -1024]
    assert weights["head.weight"].tolist() == [[2.0**12]]


def test_the_numbers_of_a_mamba() -> None:
    """What is said of `selective_copy`: lane 2 is a latch of lane 0 under a condition on lane 1."""
    program = lsrl.load(ROOT / "examples" / "selective_copy.lsrl")
    weights = lsrl.compile(program, "mamba").weights
    layer = {k.split("mixer.")[-1]: w for k, w in weights.items() if ".layers.0." in k}
    steep, constant = 2.0**40, 2.0**40
    assert weights["backbone.embeddings.weight"][2 * 7 + 1].tolist() == [7, 1, 0, constant]
    assert weights["backbone.norm_f.weight"].tolist() == [constant / 2] * 3 + [1 / 2]
    assert layer["in_proj.weight"][:2].tolist() == [[steep, 0, 0, 0], [0, steep, 0, 0]]
    assert layer["x_proj.weight"][0].tolist() == [0, 1 / steep, 0, 0]
    assert layer["x_proj.weight"][1:, 2].tolist() == [1 / (128 * 32), 1 / 32]
    assert (layer["dt_proj.weight"][0, 0], layer["dt_proj.bias"][0]) == (256, -128)
    assert layer["out_proj.weight"][2].tolist() == [1 / (32 * steep), 0, 0, 0]


def test_the_numbers_of_a_hawk() -> None:
    program = lsrl.load(ROOT / "examples" / "selective_copy.lsrl")
    weights = lsrl.compile(program, "hawk").weights
    lru = "model.layers.0.temporal_block.rg_lru."
    for gate in ("input_gate", "recurrent_gate"):
        assert weights[f"{lru}{gate}_weight"][0, :, 0].tolist() == [0, 512, 0, 0]
        assert weights[f"{lru}{gate}_bias"][0, 0] == -256
    assert weights[f"{lru}recurrent_param"][0] == 32


def test_constants_of_the_stream() -> None:
    assert constants_for(16) == ((1,), 4.0)
    assert constants_for(13) == ((2, 3), 1.0)


def test_every_operation_of_residual_machines_is_named() -> None:
    section = PAGE.split("## Residual machines")[1].split("\n## ")[0]
    ops = {op for t in (MAMBA, HAWK) for block in t.machine.blocks for op in block.ops}
    assert all(re.search(rf"`{op}\b", section) for op in ops - {"product"})
    assert "`x * y`" in section


def test_every_operation_is_named() -> None:
    text = PAGE + (ROOT / "lsrl/lower/units/ops.py").read_text().split('"""')[1]
    assert all(re.search(rf"\b{op}\b", text) for op in OPS)


@pytest.mark.parametrize("path", sorted((ROOT / "docs").rglob("*.md")), ids=lambda p: p.name)
def test_links_lead_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        assert (path.parent / link).exists(), link


def test_all_decisions_are_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"\((\d{4}-[\w-]+\.md)\)", (folder / "README.md").read_text())
    assert listed == sorted(p.name for p in folder.glob("0*.md"))
