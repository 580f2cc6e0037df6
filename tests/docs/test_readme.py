"""README.md says what really happens: its commands are run and their output compared."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import lsrl
from lsrl.cli import main
from lsrl.targets import TARGETS

ROOT = Path(__file__).parents[2]
SHOWN = {  # some programs of the table of sizes
    name: lambda name=name: lsrl.load(ROOT / "examples" / f"{name}.lsrl", length=10_000)
    for name in ("majority", "parity")
}
REFUSED = ("unsupported", "impossible")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", README, re.DOTALL)


def commands() -> list[tuple[str, str]]:
    """`lsrl` commands of console blocks with the output that follows each."""
    found = []
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            if command.startswith("lsrl "):
                found.append((command, output.strip()))
    return found


def verdicts() -> dict[str, dict[str, str]]:
    """By example and target, from docs/expressivity.md; test_expressivity.py compiles them all."""
    page = (ROOT / "docs" / "expressivity.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip(" `") for cell in line.split("|")[1:-1]] for line in page.splitlines()
        if line.startswith(("| program | states |", "| ["))
    ]  # fmt: skip
    head, *body = rows
    names = [re.match(r"\[(\w+)\]", row[0]) for row in body]
    return {
        name[1]: dict(zip(head[2:], row[2:], strict=True))
        for name, row in zip(names, body, strict=True)
        if name is not None
    }


def test_the_program_shown_is_the_example() -> None:
    shown = next(b for b in blocks("python") if "In-context dictionary" in b)
    source = (ROOT / "examples" / "dictionary.lsrl").read_text(encoding="utf-8")
    assert source.startswith(shown.rstrip())


def test_commands_print_what_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    assert len(commands()) >= 4
    for command, output in commands():
        words = [w.strip("'") for w in re.findall(r"'[^']*'|\S+", command)][1:]
        result = CliRunner().invoke(main, words)
        assert result.output.strip() == output, command


def test_the_python_shown_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    shown = next(b for b in blocks("python") if "import lsrl" in b)
    names: dict[str, object] = {}
    exec(shown, names)
    assert names["program"].run(names["x"])[-2:].tolist() == [8, 9]  # type: ignore[attr-defined]


def test_the_error_shown_is_the_error_printed() -> None:
    shown = next(b for b in blocks("text") if "error[" in b).strip()
    lines = re.findall(r"^\d+ \| (.*)$", shown, re.MULTILINE)
    text = f"input bit: int in 0..1\n\n{lines[0]}\n{lines[1]}\n"
    with pytest.raises(lsrl.ProgramError) as caught:
        lsrl.parse(text, name="majority.lsrl")
    assert str(caught.value) == shown


def test_sizes_shown_are_the_sizes_compiled() -> None:
    row = re.search(
        r"^\| dictionary, n = 3 \| ([\d,]+).*?\| (\d+).*?\| (\d+)", README, re.MULTILINE
    )
    assert row is not None
    program = lsrl.load(ROOT / "examples" / "dictionary.lsrl", length=303)
    report = lsrl.compile(program, verify=False).report
    assert int(row[1].replace(",", "")) == report.parameters
    assert int(row[2]) == report.nonzeros
    assert int(row[3]) == report.layers


def test_the_number_of_examples_that_compile() -> None:
    said = re.search(r"(\d+) of\s+the (\d+) programs", README)
    assert said is not None
    paths = sorted((ROOT / "examples").glob("*.lsrl"))
    found = verdicts()
    assert found.keys() == {p.stem for p in paths}
    held = [name for name, said in found.items() if said["linear-rnn"] not in REFUSED]
    assert (len(held), len(paths)) == (int(said[1]), int(said[2]))
    everything = re.search(r"all (\d+) programs in `examples/` compile for\s+each of them", README)
    assert everything is not None and int(everything[1]) == len(paths)
    for target in ("lstm", "gru", "rnn", "rnn-tanh"):
        assert not [name for name, said in found.items() if said[target] in REFUSED], target


def test_every_target_is_named() -> None:
    section = README.split("## What it can and cannot do")[1].split("\n## ")[0]
    assert all(f"`{name}`" in section for name in TARGETS)


def test_sizes_of_gated_targets_shown_are_those_compiled() -> None:
    head = re.search(r"^\| program \| encoding \| (.*) \| compile time \| wrong \|$", README, re.M)
    assert head is not None
    names = [cell.strip("`") for cell in head[1].split(" | ")]
    for title, load in SHOWN.items():
        rows = re.findall(rf"^\| {title} \| (number|onehot) \| (.*) \| .* \| 0 of ", README, re.M)
        assert len(rows) == 2, title
        for encoding, cells in rows:
            for name, cell in zip(names, cells.split(" | "), strict=True):
                model = lsrl.compile(load(), name, encoding=encoding, verify=False)
                sizes = model.shape["num_layers"], model.shape["hidden_size"]
                assert cell == f"{sizes[0]} / {sizes[1]} / {model.report.parameters:,}", title
