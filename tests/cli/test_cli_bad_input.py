"""Everything that can be typed wrongly is answered in words and changes nothing on disk."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

# Command lines: {p} is a program, {m} one with several fields, {c} a checkpoint, {d} a folder.
COMMANDS = [
    ("rnu {p}", "did you mean `run`?"),
    ("frobnicate", "the commands are: run, check"),
    ("run {p} --inptu x", "--input"),
    ("run", "Missing argument"),
    ("run {p} {p}", "unexpected extra argument"),
    ("run {d}/none.lsrl --input [1]", "No such file"),
    ("run {p} --input [1] --length 0", "--length"),
    ("run {p} --input [1] --length ten", "--length"),
    ("run {p} --input [1] --guard 5", "--guard"),
    ("run {p} --input [1] --guard nan", "--guard"),
    ("run {p} --input [1] -D lead", "name=value"),
    ("run {p} --input [1] -D =1", "name=value"),
    ("run {p} --input [1] -D lead=1 -D lead=2", "given twice"),
    ("run {p} --input [1] -D leed=1", "did you mean `lead`?"),
    ("run {p} --input [1] -D lead=many", "is int, but 'many' was given"),
    ("run {p} --input [1] -D lead=1.5", "is int, but 1.5 was given"),
    ("run {p} --input [1] -D lead=[1,2]", "shape"),
    ("run {p} --input [1] -D lead=NaN", "is int"),
    ("run {p} --input [1] --raw", "--raw is for checkpoints"),
    ("run {p} --input [1] --backend torch", "--backend is for checkpoints"),
    ("run {c} --input [1] -D lead=1", "-D is for programs"),
    ("run {c} --input [1] --length 4", "--length is for programs"),
    ("run {c} --input [1] --exact", "--exact is for programs"),
    ("run {c} --input [1] --backend tensorflow", "there is no backend `tensorflow`"),
    ("check", "Missing argument"),
    ("compile {p} -o {d}/new", "--target"),
    ("compile {p} -t linear-rnn", "-o"),
    ("compile {p} -t linear-rrn -o {d}/new", "did you mean `linear-rnn`?"),
    ("compile {p} -t linear-rnn -o {d}/new --dtype float8", "no dtype `float8`"),
    ("compile {p} -t linear-rnn -o {d}/new --encoding morse", "no encoding `morse`"),
    ("compile {p} -t linear-rnn -o {d}/new --profile tall", "no profile `tall`"),
    ("compile {p} -t linear-rnn -o {d}/new --tolerance 0", "--tolerance"),
    ("compile {p} -t linear-rnn -o {d}/new --tolerance nan", "--tolerance"),
    ("compile {p} -t linear-rnn -o {d}/new --max-parameters 0", "--max-parameters"),
    ("compile {p} -t linear-rnn -o {d}", "exists already"),
    ("compile {p} -t linear-rnn -o {d} --force", "holds other files"),
    ("compile {p} -t linear-rnn -o {p} --force", "is not a folder"),
    ("compile {p} -t linear-rnn -o {p}/new", "is not a folder"),
    ("compile {p} -t linear-rnn -o {d}/no/new", "does not exist"),
    ("compile {p} -t linear-rnn -o {d}/" + "x" * 300, "File name too long"),
    ("sample {p} -n 1 -o {p}/x.json", "is not a folder"),
    ("sample {p} -n 1 -o {d}/no/x.json", "does not exist"),
    ("sample {p} -n 1 -o {d}/folder.json --force", "is not a file"),
    ("new {p}/x", "is not a folder"),
    ("new {d}/no/x", "does not exist"),
    ("fmt {d}/none.lsrl", "No such file"),
    ("show {c} --stage ir", "this is a checkpoint; its program is `{c}/program.lsrl`"),
    ("sample {c}", "this is a checkpoint; its program is `{c}/program.lsrl`"),
    ("verify {c} --samples 0", "--samples"),
    ("show {p} --stage soup", "--stage"),
]

# Inputs of {p} (`bit`) and {m} (`colour`, `v`, `go`), and what is said.
INPUTS = [
    ("p", "[1, 0", "line 1: this is not JSON"),
    ("p", "[1, 2]", "2 is outside of 0..1 at step 1"),
    ("p", "[1, 0.5]", "0.5 is not an integer at step 1"),
    ("p", "[1, NaN]", "the value is nan at step 1"),
    ("p", "[Infinity]", "the value is inf at step 0"),
    ("p", '[1, "x"]', "'x' is not an integer at step 1"),
    ("p", "[]", "the sequence is empty"),
    ("p", '{"bit": []}', "the sequence is empty"),
    ("p", '{"bti": [1]}', "did you mean `bit`?"),
    ("p", '{"bit": [1], "bit": [0]}', "given twice"),
    ("p", "[[1], [0]]", "a single value is needed at step 0"),
    ("p", "{}", "the input `bit` is missing"),
    ("p", "[" + "1, " * 64 + "1]", "the sequence has 65 steps, but the program promises 64"),
    ("p", "none.json", "there is no such file"),
    ("p", "missing.txt", "there is no such file"),
    ("p", "[1, 0 1]", "expecting ',' delimiter (column 7)"),
    ("p", '["1/2"]', "only by exact runs (--exact)"),
    ("p", "[[1, 0], [0, 1]]", "`run` takes one sequence; use `run_batch` in Python"),
    ("p", '{"inputs": {"bit": [[1]]}, "outputs": {}}', "this is a data set of `lsrl sample`"),
    ("p", "nonsense", "this is no input"),
    ("p", "", "this is no input"),
    ("m", '{"colour": ["red"], "v": [[1, 0]]}', "the input `go` is missing"),
    ("m", '{"colour": ["rad"], "v": [[1, 0]], "go": [1]}', "did you mean `red`?"),
    ("m", '{"colour": ["red"], "v": [[1]], "go": [1]}', "there is 1 value at step 0, not 2"),
    (
        "m",
        '{"colour": ["red", "red"], "v": [[1, 0]], "go": [1]}',
        "has 1 steps, but `colour` has 2",
    ),
    ("m", '{"colour": ["red"], "v": [[1, null]], "go": [1]}', "null (None) is not a number"),
    ("m", "[1, 0]", "the program has 3 inputs"),
]

FILES: dict[str, tuple[bytes, str]] = {
    "bad.json": (b"[1,\n0,\n", "bad.json, line 3: this is not JSON"),
    "empty.json": (b"", "the file is empty"),
    "binary.json": (b"\xff\xfe\x00", "not UTF-8"),
    "ragged.csv": (b"bit\n1\n0,1\n", "line 3: there are 2 cells, but 1 columns"),
    "blank.csv": (b"bit,x\n1,\n", "a cell is empty"),
    "semicolon.csv": (b"bit;x\n1;2\n", "columns are separated by commas"),
    "empty.csv": (b"", "empty"),
    "header.csv": (b"bit\n", "the sequence is empty"),
    "lines.jsonl": (b"1\n{\n", "lines.jsonl, line 2: this is not JSON"),
    "short.npy": (b"\x93NUMPY", "no plain NumPy arrays"),
    "not.npz": (b"hello", "no plain NumPy arrays"),
}


@pytest.fixture
def places(program: Path, mixed: Path, checkpoint: Path, tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "folder.json").mkdir()
    return {"p": program, "m": mixed, "c": checkpoint, "d": tmp_path}


@pytest.mark.parametrize(("line", "message"), COMMANDS, ids=lambda v: v[:50])
def test_command_lines(
    lsrl: Any, places: dict[str, Path], unchanged: Any, line: str, message: str
) -> None:
    unchanged()
    args = [a.format(**places) for a in line.split()]
    result = lsrl(*args)
    assert message.format(**places) in result.stderr.replace("\n", " ")
    assert result.stdout == ""
    assert result.exit_code == 2
    as_json = lsrl(*args, "--json")
    assert as_json.exit_code == result.exit_code
    assert json.loads(as_json.stdout)["error"][0]["code"].startswith("E0")
    assert unchanged()


@pytest.mark.parametrize(("which", "text", "message"), INPUTS)
def test_inputs(
    lsrl: Any, places: dict[str, Path], unchanged: Any, which: str, text: str, message: str
) -> None:
    unchanged()
    result = lsrl("run", places[which], "--input", text)
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr
    error = json.loads(lsrl("run", places[which], "--input", text, "--json").stdout)["error"][0]
    assert message in error["message"] + error["help"]
    longer = "the program promises" in message  # of that a checkpoint warns only
    if which == "p" and text.startswith(("[", "{")) and not longer:  # a checkpoint says the same
        assert message in lsrl("run", places["c"], "--input", text).stderr
    assert unchanged()


@pytest.mark.parametrize("name", FILES)
def test_input_files(
    lsrl: Any, places: dict[str, Path], tmp_path: Path, unchanged: Any, name: str
) -> None:
    content, message = FILES[name]
    (tmp_path / name).write_bytes(content)
    unchanged()
    result = lsrl("run", places["p"], "--input", tmp_path / name)
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr
    assert unchanged()


def test_arrays_of_objects_are_not_unpickled(lsrl: Any, program: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([1, None], dtype=object), allow_pickle=True)
    result = lsrl("run", program, "--input", tmp_path / "x.npy")
    assert result.exit_code == 1
    assert "without objects" in result.stderr


@pytest.mark.parametrize(
    ("given", "message"),
    [(b"", "it is empty"), (b" \n", "it is empty"), (b"\xff\xfe", "not UTF-8")],
)
def test_standard_input(lsrl: Any, program: Path, given: bytes, message: str) -> None:
    result = lsrl("run", program, input=given)
    assert (result.exit_code, message in result.stderr) == (1, True)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "the file is empty"), (b"\xff", "not UTF-8"), (b"input x: (\n", ":1:"),
     (b"input x: int\noutput x\n", ":1:"), (b"a\0b", "not a text file")],
)  # fmt: skip
@pytest.mark.parametrize("command", ["run", "check", "test", "fmt", "compile", "sample", "show"])
def test_programs(
    lsrl: Any, tmp_path: Path, unchanged: Any, command: str, content: bytes, message: str
) -> None:
    if command == "fmt" and content.startswith(b"input x: int"):
        return  # what it means is not the formatter's business
    path = tmp_path / "bad.lsrl"
    path.write_bytes(content)
    unchanged()
    extra: dict[str, list[Any]] = {
        "run": ["--input", "[1]"],
        "compile": ["-t", "linear-rnn", "-o", tmp_path / "new"],
        "sample": ["-o", tmp_path / "new.json"],
        "show": ["--stage", "ir"],
    }
    result = lsrl(command, path, *extra.get(command, []))
    assert result.exit_code in (1, 2)
    assert message in result.stderr
    assert unchanged()


# Checkpoints


def _edit(name: str, change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        data = json.loads((folder / name).read_text())
        change(data)
        (folder / name).write_text(json.dumps(data))

    return damage


def _replace(name: str, content: bytes) -> Callable[[Path], Any]:
    return lambda folder: (folder / name).write_bytes(content)


def _truncate(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-5])


def _drop_weight(folder: Path) -> None:
    from safetensors.numpy import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    weights.pop("layers.0.B")
    save_file(weights, folder / "model.safetensors")


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


DAMAGE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "empty": (_empty, "config.json is missing"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "model.safetensors is missing"),
    "no program": (lambda f: (f / "program.lsrl").unlink(), "program.lsrl cannot be read"),
    "no certificate": (lambda f: (f / "certificate.json").unlink(), "certificate.json is missing"),
    "no symbols": (lambda f: (f / "symbols.json").unlink(), "symbols.json is missing"),
    "half the weights": (_truncate, "model.safetensors is damaged"),
    "a weight less": (_drop_weight, "the weight `layers.0.B` is missing"),
    "not json": (_replace("config.json", b"{"), "config.json is damaged"),
    "a list": (_replace("config.json", b"[]"), "config.json is not a checkpoint's"),
    "not text": (_replace("config.json", b"\xff"), "config.json is damaged"),
    "other version": (_edit("config.json", lambda c: c.update(format_version=99)), "version is 99"),
    "other target": (_edit("config.json", lambda c: c.update(target="x")), "target `x` is unknown"),
    "other dtype": (_edit("config.json", lambda c: c.update(dtype="int8")), "its dtype is 'int8'"),
    "other sizes": (_edit("config.json", lambda c: c.update(layers=[[9, 9, 9]])), "layers.0."),
    "no sizes": (_edit("config.json", lambda c: c.pop("layers")), "config.json is damaged"),
    "bad sizes": (_edit("config.json", lambda c: c.update(layers="x")), "config.json is damaged"),
    "bad length": (_edit("config.json", lambda c: c.update(length="x")), "cannot be read"),
    "other program": (_replace("program.lsrl", b"input x: bool\noutput x\n"), "belong together"),
    "bad program": (_replace("program.lsrl", b"input\n"), "program.lsrl cannot be read"),
    "bad bound": (_edit("certificate.json", lambda c: c.update(bound=None)), "belong together"),
    "bad guard": (_edit("certificate.json", lambda c: c.update(guard="x")), "belong together"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_checkpoints(lsrl: Any, checkpoint: Path, unchanged: Any, name: str) -> None:
    damage, message = DAMAGE[name]
    damage(checkpoint)
    unchanged()
    for args in (["run", checkpoint, "--input", "[1]"], ["verify", checkpoint, "--samples", 1]):
        result = lsrl(*args)
        assert (result.exit_code, result.stdout) == (1, "")
        assert message in result.stderr
        (error,) = json.loads(lsrl(*args, "--json").stdout)["error"]
        assert error["code"] == "E040"
    assert unchanged()


def test_no_checkpoint(lsrl: Any, program: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    for path, message in [
        (tmp_path / "none", "there is no such folder"),
        (program, "this is a program; compile it first"),
        (tmp_path / "notes.txt", "is a file, not a checkpoint"),
    ]:
        result = lsrl("verify", path)
        assert result.exit_code == 1
        assert message in result.stderr


@pytest.mark.parametrize("command", ["check", "test"])
def test_programs_that_are_not_there(
    lsrl: Any, program: Path, checkpoint: Path, tmp_path: Path, command: str
) -> None:
    result = lsrl(command, tmp_path / "none.lsrl", program)
    assert (result.exit_code, "No such file" in result.stderr) == (2, True)
    assert f"its program is `{checkpoint / 'program.lsrl'}`" in lsrl(command, checkpoint).stderr
    program.write_text("output")
    assert lsrl(command, tmp_path / "none.lsrl", program).exit_code == 1


@pytest.mark.parametrize("suffix", ["json", "jsonl", "csv", "npz"])
def test_a_data_set_is_no_input(lsrl: Any, program: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"d.{suffix}"
    assert lsrl("sample", program, "-n", 2, "--length", 3, "-o", path).exit_code == 0
    result = lsrl("run", program, "--input", path)
    assert result.exit_code == 1
    assert "this is a data set of `lsrl sample`; `run` takes one sequence" in result.stderr


@pytest.mark.parametrize("more", [[], ["--json"], ["--backend", "numpy"]])
def test_a_checkpoint_runs_past_its_length_with_a_warning(
    lsrl: Any, checkpoint: Path, more: list[str]
) -> None:
    result = lsrl("run", checkpoint, "--input", str([1] * 65), *more)
    assert result.exit_code == 0
    assert result.stderr == (
        "warning[W702]: the sequence has 65 steps, but the certificate holds for 64: compile again "
        "with `--length N`\n"
    )
    assert lsrl("run", checkpoint, "--input", str([1] * 64), *more).stderr == ""


COMPILE_MESSAGES = {
    ("-t", "linear-rrn"): (
        2, "error[E020]: there is no target `linear-rrn`\n  help: did you mean `linear-rnn`?\n",
    ),
    ("-t", "toaster"): (
        2, "error[E020]: there is no target `toaster`\n  help: the targets are: {targets}\n",
    ),
    ("-t", "linear-rnn", "--dtype", "flaot32"): (
        2, "error[E021]: `linear-rnn` has no dtype `flaot32`\n"
        "  help: it has float64, float32, bfloat16 and float16\n",
    ),
    ("-t", "linear-rnn", "--max-parameters", "10"): (
        1, "error[E806]: as `linear-rnn` the program takes 30 parameters, more than the limit of 10"
        "\n  help: raise --max-parameters, choose smaller ranges, or use another target\n",
    ),
    ("-t", "linear-rnn", "--dtype", "bfloat16", "--length", "1000"): (
        1, "error[E804]: in bfloat16 nothing bounds the error of `ones`; most of it arises here\n"
        " --> majority.lsrl:6:1\n  |\n6 | state ones = 0 then ones + bit\n"
        "  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"
        "  help: use --dtype float32, a shorter --length, narrower bounds or a larger --guard\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("args", COMPILE_MESSAGES)
def test_what_compile_says(
    lsrl: Any, program: Path, tmp_path: Path, unchanged: Any, args: tuple[str, ...]
) -> None:
    from lsrl import targets

    unchanged()
    status, text = COMPILE_MESSAGES[args]
    result = lsrl("compile", program, "-o", tmp_path / "new", *args)
    said = result.stderr.replace(str(program), program.name)
    assert said == text.format(targets=", ".join(targets()))
    assert (result.exit_code, result.stdout) == (status, "")
    assert unchanged()


def test_a_dtype_that_the_target_cannot_carry(
    lsrl: Any, program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules["lsrl.targets.linear_rnn"]  # `lsrl.targets` is a function
    monkeypatch.setattr(module, "NAMES", ("float64", "float32"))
    args = ["-t", "linear-rnn", "-o", tmp_path / "new", "--dtype", "bfloat16"]
    result = lsrl("compile", program, *args)
    assert (result.exit_code, result.stderr) == (
        2,
        "error[E021]: `linear-rnn` does not carry bfloat16: its values need more digits\n"
        "  help: it has float64 and float32\n",
    )


def test_a_full_disk_leaves_nothing(
    lsrl: Any, program: Path, tmp_path: Path, unchanged: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(28, "No space left on device")

    unchanged()
    monkeypatch.setattr("lsrl.checkpoint.write_all", full)
    monkeypatch.setattr(Path, "replace", full)
    result = lsrl("compile", program, "-t", "linear-rnn", "-o", tmp_path / "new")
    assert "No space left on device" in result.stderr
    result = lsrl("sample", program, "-n", 1, "--length", 2, "-o", tmp_path / "new.json")
    assert "No space left on device" in result.stderr
    assert unchanged()
