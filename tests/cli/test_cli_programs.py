"""`lsrl check`, `lsrl test`, `lsrl fmt` and `lsrl new`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

BAD = "input x: int in 0..9\noutput y = z\noutput w = xx\n"
UGLY = "input   x:int in 0..9 # a number\noutput y=x+1\n"
NEAT = "input x: int in 0..9  # a number\noutput y = x + 1\n"


# check


def test_check(lsrl: Any, program: Path) -> None:
    result = lsrl("check", program)
    assert result.exit_code == 0
    assert result.stdout == f"{program}: ok (bit -> ones, majority; up to 64 steps)\n"
    (record,) = json.loads(lsrl("check", program, "-D", "lead=2", "--json").stdout)["files"]
    assert (record["ok"], record["params"], record["length"]) == (True, {"lead": 2}, 64)
    assert record["inputs"] == {"bit": "int"}


def test_check_reports_every_mistake_of_every_file(
    lsrl: Any, program: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.lsrl"
    bad.write_text(BAD)
    result = lsrl("check", bad, program, tmp_path / "none.lsrl")
    assert result.exit_code == 1
    assert f"{bad}: 2 errors" in result.stdout
    assert f"{program}: ok" in result.stdout
    assert f"{bad}:2:12" in result.stderr
    assert f"{bad}:3:12" in result.stderr
    assert "did you mean `x`?" in result.stderr
    assert "none.lsrl" in result.stderr
    data = json.loads(lsrl("check", bad, program, "--json").stdout)
    assert [e["line"] for e in data["error"]] == [2, 3]
    assert [f["ok"] for f in data["files"]] == [False, True]


# test


def test_test(lsrl: Any, program: Path) -> None:
    result = lsrl("test", program)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"{program}\n  ok     two of three\n1 passed\n"


def test_test_says_what_differs(lsrl: Any, program: Path) -> None:
    program.write_text(program.read_text().replace("[1, 1, 2]", "[1, 1, 3]"))
    result = lsrl("test", program)
    assert result.exit_code == 1
    assert "FAILED two of three" in result.stdout
    assert "`ones` at step 2: expected 3, found 2" in result.stdout
    assert f"{program}:10:1" in result.stdout
    data = json.loads(lsrl("test", program, "--json").stdout)
    assert (data["ok"], data["passed"], data["failed"]) == (False, 0, 1)


def test_test_goes_on_after_a_bad_file(lsrl: Any, program: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.lsrl"
    bad.write_text(BAD)
    none = tmp_path / "none.lsrl"
    none.write_text("input x: bool\noutput x\n")
    result = lsrl("test", bad, program, none)
    assert result.exit_code == 1
    assert "1 passed" in result.stdout
    assert "no examples" in result.stdout
    assert "error[" in result.stderr


# fmt


def test_fmt_rewrites(lsrl: Any, tmp_path: Path) -> None:
    path = tmp_path / "u.lsrl"
    path.write_text(UGLY)
    path.chmod(0o640)
    result = lsrl("fmt", path)
    assert (result.exit_code, result.stdout) == (0, f"changed {path}\n")
    assert path.read_text() == NEAT
    assert path.stat().st_mode & 0o777 == 0o640
    assert lsrl("fmt", path).stdout == ""
    assert [p.name for p in tmp_path.iterdir()] == ["u.lsrl"]


def test_fmt_check_and_diff_change_nothing(lsrl: Any, tmp_path: Path) -> None:
    path = tmp_path / "u.lsrl"
    path.write_text(UGLY)
    check = lsrl("fmt", "--check", path)
    assert (check.exit_code, check.stdout) == (1, f"would change {path}\n")
    diff = lsrl("fmt", "--diff", path)
    assert diff.exit_code == 0
    assert "-output y=x+1\n" in diff.stdout
    assert "+output y = x + 1\n" in diff.stdout
    assert path.read_text() == UGLY
    data = json.loads(lsrl("fmt", "--check", "--json", path).stdout)
    assert data == {"files": [{"file": str(path), "changed": True}]}


def test_fmt_normalises_line_ends(lsrl: Any, tmp_path: Path) -> None:
    path = tmp_path / "u.lsrl"
    path.write_bytes(NEAT.replace("\n", "\r\n").encode())
    assert lsrl("fmt", "--check", path).exit_code == 1
    assert lsrl("fmt", path).exit_code == 0
    assert path.read_bytes() == NEAT.encode()


def test_fmt_keeps_a_link(lsrl: Any, tmp_path: Path) -> None:
    path, link = tmp_path / "u.lsrl", tmp_path / "link.lsrl"
    path.write_text(UGLY)
    link.symlink_to(path)
    assert lsrl("fmt", link).exit_code == 0
    assert link.is_symlink()
    assert path.read_text() == NEAT


def test_fmt_standard_input(lsrl: Any) -> None:
    assert lsrl("fmt", "-", input=UGLY).stdout == NEAT
    assert json.loads(lsrl("fmt", "-", "--json", input=UGLY).stdout)["text"] == NEAT
    assert lsrl("fmt", "-", "--check", input=UGLY).exit_code == 1
    assert lsrl("fmt", "-", "--check", input=NEAT).exit_code == 0
    assert "+output y = x + 1" in lsrl("fmt", "-", "--diff", input=UGLY).stdout
    assert lsrl("fmt", "-", "x.lsrl", input=UGLY).exit_code == 2


def test_fmt_writes_nothing_that_says_something_else(
    lsrl: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "u.lsrl"
    path.write_text(UGLY)
    monkeypatch.setattr("lsrl.syntax.format.format_program", lambda tree: "output 1\n")
    result = lsrl("fmt", path)
    assert result.exit_code == 70
    assert "nothing was written" in result.stderr
    assert path.read_text() == UGLY


def test_fmt_leaves_a_bad_file_alone(lsrl: Any, tmp_path: Path) -> None:
    bad, ugly = tmp_path / "bad.lsrl", tmp_path / "u.lsrl"
    bad.write_text("input x: (\n")
    ugly.write_text(UGLY)
    result = lsrl("fmt", bad, ugly)
    assert result.exit_code == 1
    assert bad.read_text() == "input x: (\n"
    assert ugly.read_text() == NEAT


# new


def test_new_is_a_program_that_works(
    lsrl: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = lsrl("new", "first")
    assert (result.exit_code, result.stdout) == (0, "first.lsrl: now try `lsrl test first.lsrl`\n")
    assert lsrl("test", "first.lsrl").stdout.endswith("2 passed\n")
    assert lsrl("fmt", "--check", "first.lsrl").exit_code == 0
    assert lsrl("targets", "first.lsrl").exit_code == 0
    compiled = lsrl("compile", "first.lsrl", "-t", "linear-rnn", "-o", "out")
    assert compiled.exit_code == 0, compiled.stderr


def test_new_replaces_nothing(lsrl: Any, program: Path, tmp_path: Path, unchanged: Any) -> None:
    unchanged()
    for name in (program, program.with_suffix("")):
        result = lsrl("new", name)
        assert result.exit_code == 2
        assert "exists already" in result.stderr
    assert lsrl("new", "x.txt").exit_code == 2
    assert lsrl("new", "").exit_code == 2
    assert unchanged()
    assert lsrl("new", program, "--force", "--json").exit_code == 0
    assert not unchanged()
