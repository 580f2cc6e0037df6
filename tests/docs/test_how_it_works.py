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
