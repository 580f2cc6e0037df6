"""From what users pass to arrays, and what they are told when it does not fit."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import program

from lsrl.errors import InputError
from lsrl.interpret.files import parse_csv, parse_text, read_inputs
from lsrl.interpret.inputs import batch_of

ONE = "input x: int in 0..9\noutput x"
REAL = "input x: real in 0..1\noutput x"
BOOL = "input x: bool\noutput x"
VECTOR = "input v: real[2] in 0..1\noutput v"
SINGLE = "input v: real[1] in 0..1\noutput v"
COLOUR = "type colour = {red, green}\ntype size = {small, big}\ninput c: colour\ninput s: size\n"
COLOUR += "output c == red and s == big"
ENUM = "type colour = {red, green}\ninput c: colour\noutput c"
MANY = "input x: int in 0..9\ninput flag: bool\ninput v: real[2] in 0..1\noutput x"


def read(text: str, data: Any, batched: bool = False, **options: Any) -> dict[str, Any]:
    e = program(text)
    options = {"length": e.graph.length, **options}
    return batch_of(e.graph.inputs, e.members, data, batched=batched, **options)


GOOD = [
    (ONE, [1, 2], {"x": [[1, 2]]}),
    (ONE, (1.0, True), {"x": [[1, 1]]}),
    (ONE, range(3), {"x": [[0, 1, 2]]}),
    (ONE, np.array([3, 4], np.uint8), {"x": [[3, 4]]}),
    (ONE, np.array([3, 4], object), {"x": [[3, 4]]}),
    (ONE, {"x": [3]}, {"x": [[3]]}),
    (ONE, [{"x": 3}, {"x": 4}], {"x": [[3, 4]]}),
    (ONE, [Fraction(4, 2), np.int64(1), np.float32(2)], {"x": [[2, 1, 2]]}),
    (REAL, [0, 0.5, Fraction(1, 4)], {"x": [[0, 0.5, 0.25]]}),
    (BOOL, [True, 0, 1.0, "false", np.bool_(True)], {"x": [[True, False, True, False, True]]}),
    (VECTOR, [[0, 1], [0.5, 1]], {"v": [[[0, 1], [0.5, 1]]]}),
    (VECTOR, np.ones((3, 2)), {"v": np.ones((1, 3, 2)).tolist()}),
    (SINGLE, [0.5, 1], {"v": [[[0.5], [1]]]}),
    (SINGLE, [[0.5], 1], {"v": [[[0.5], [1]]]}),
    (ENUM, ["red", 1, "green"], {"c": [[0, 1, 1]]}),
    (COLOUR, {"c": ["red", "green"], "s": [1, "small"]}, {"c": [[0, 1]], "s": [[1, 0]]}),
    (
        MANY,
        [{"x": 1, "flag": True, "v": [0, 1]}, {"v": (1, 1), "x": 2, "flag": 0}],
        {"x": [[1, 2]], "flag": [[True, False]], "v": [[[0, 1], [1, 1]]]},
    ),
]


@pytest.mark.parametrize(("text", "data", "expected"), GOOD)
def test_good(text: str, data: Any, expected: Any) -> None:
    got = read(text, data)
    assert {k: v.tolist() for k, v in got.items()} == expected
    for name, array in got.items():
        wanted = bool if name in ("flag",) or text is BOOL else np.float64
        assert array.dtype == wanted


BATCHES = [
    (ONE, [[1, 2], [3, 4]], {"x": [[1, 2], [3, 4]]}),
    (ONE, np.ones((2, 3)), {"x": np.ones((2, 3)).tolist()}),
    (ONE, {"x": [[1], [2]]}, {"x": [[1], [2]]}),
    (ONE, [{"x": [1]}, {"x": [2]}], {"x": [[1], [2]]}),
    (ONE, [[{"x": 1}], [{"x": 2}]], {"x": [[1], [2]]}),
    (ENUM, [["red"], ["green"]], {"c": [[0], [1]]}),
]


@pytest.mark.parametrize(("text", "data", "expected"), BATCHES)
def test_batches(text: str, data: Any, expected: Any) -> None:
    assert {k: v.tolist() for k, v in read(text, data, batched=True).items()} == expected


BAD = [
    (ONE, {"y": [1]}, "E710", "no input `y`"),
    (MANY, {"x": [1], "flg": [1], "v": [[1, 1]]}, "E710", "did you mean `flag`"),
    (MANY, {"x": [1], "v": [[1, 1]]}, "E711", "`flag` is missing"),
    (MANY, [1, 2], "E711", "3 inputs"),
    (
        MANY,
        [{"x": 1, "flag": 1, "v": [1, 1]}, {"x": 1, "flag": 1}],
        "E711",
        "`v` is missing at step 1",
    ),
    (MANY, [{"x": 1, "flag": 1, "v": [1, 1]}, 3], "E718", "step 1 is 3, not a record"),
    (ONE, [{"x": 1}, {"x": 1, "z": 2}], "E710", "no input `z`, given at step 1"),
    (ONE, [], "E712", "`x`: the sequence is empty"),
    (ONE, {"x": []}, "E712", "the sequence is empty"),
    (REAL, [0.5, float("nan")], "E713", "`x`: the value is nan at step 1"),
    (REAL, [float("inf")], "E713", "inf at step 0"),
    (REAL, np.array([0.1, np.nan]), "E713", "nan at step 1"),
    (ONE, [1, 2.5], "E714", "2.5 is not an integer at step 1"),
    (ONE, [1, "two"], "E714", "'two' is not an integer at step 1"),
    (ONE, [1, "3"], "E714", "'3' is not an integer at step 1"),
    (ONE, [1, None], "E714", "null (None) is not an integer at step 1"),
    (ONE, [1, 2j], "E714", "is not an integer at step 1"),
    (ONE, [object()], "E714", "is not an integer at step 0"),
    (BOOL, [1, 2], "E715", "2 is outside of 0..1 at step 1"),
    (BOOL, [0.5], "E714", "0.5 is not a boolean"),
    (BOOL, ["yes"], "E714", "'yes' is not a boolean"),
    (ENUM, ["rde"], "E714", "did you mean `red`"),
    (ENUM, ["small"], "E714", "it is one of `red`, `green`"),
    (COLOUR, {"c": ["small"], "s": ["big"]}, "E714", "member of another enumeration"),
    (ENUM, [2], "E715", "2 is no member's code at step 0"),
    (ENUM, [0.5], "E714", "0.5 is no member"),
    (ONE, [1, 10], "E715", "`x`: 10 is outside of 0..9 at step 1"),
    (ONE, [1, 10**400], "E715", "is outside of 0..9 at step 1"),
    (ONE, np.array([1, -1]), "E715", "-1 is outside of 0..9 at step 1"),
    (VECTOR, [[0, 1], [0, 2]], "E715", "2 is outside of 0..1[1] at step 1"),
    (VECTOR, [[0, 1], [0]], "E718", "there is 1 value at step 1, not 2"),
    (VECTOR, [0, 1], "E718", "a list of 2 values is needed at step 0, not 0"),
    (VECTOR, np.ones((3, 3)), "E718", "there are 3 values at step 0, not 2"),
    (ONE, [[1, 2], [3]], "E718", "a single value is needed at step 0, not [1, 2]"),
    (ONE, np.ones((2, 3)), "E718", "use `run_batch` in Python"),
    (ONE, np.ones((3, 1)), "E718", "drop the last axis: shape (T,)"),
    (ONE, [1, "1/2"], "E714", "only by exact runs (--exact)"),
    (ONE, {"input.x": [[1]], "output.x": [[1]]}, "E718", "a data set of `lsrl sample`"),
    (ONE, 3, "E718", "a list of steps is needed, not 3"),
    (ONE, "12", "E718", "a list of steps is needed, not '12'"),
    (ONE, None, "E718", "a list of steps is needed"),
    (ONE, np.array(3), "E718", "a list of steps is needed"),
    (ONE, [{1, 2}], "E718", "a single value is needed"),
    (MANY, {"x": [1, 2], "flag": [1], "v": [[1, 1]]}, "E717", "`flag` has 1 steps, but `x` has 2"),
]


@pytest.mark.parametrize(("text", "data", "code", "message"), BAD)
def test_bad(text: str, data: Any, code: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read(text, data)
    assert caught.value.code == code
    assert message.replace("0..1[1]", "0..1") in str(caught.value).replace("[1] at", " at")
    assert "sequence 0" not in str(caught.value)


BAD_BATCHES = [
    (ONE, [[1, 2], [3]], "E718", "sequence 1 has 1 steps, but sequence 0 has 2"),
    (ONE, [[1, 2], [3, 12]], "E715", "12 is outside of 0..9 at step 1 of sequence 1"),
    (ONE, np.array([[1, 2], [3, 12]]), "E715", "at step 1 of sequence 1"),
    (ONE, [], "E712", "the batch is empty"),
    (ONE, [[], []], "E712", "the sequence 0 is empty"),
    (ONE, [1, 2], "E718", "a list of steps is needed for sequence 0, not 1"),
    (ONE, [{"x": [1]}, {"y": [1]}], "E710", "given of sequence 1"),
    (MANY, {"x": [[1], [2]], "flag": [[1]], "v": [[[1, 1]]]}, "E717", "`flag` has 1 sequences"),
]


@pytest.mark.parametrize(("text", "data", "code", "message"), BAD_BATCHES)
def test_bad_batches(text: str, data: Any, code: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read(text, data, batched=True)
    assert caught.value.code == code
    assert message in str(caught.value)


def test_too_long() -> None:
    with pytest.raises(InputError, match="has 5 steps, but the program promises 4") as caught:
        read(ONE, [1] * 5, length=4)
    assert caught.value.code == "E716"
    help = "declare `length <= 5`, or set it: --length 5, in Python `length=5`"
    assert caught.value.diagnostics[0].help == help


def test_exact_values() -> None:
    got = read(REAL, [0.1, Fraction(1, 3), 1, "1/7"], exact=True)["x"]
    assert got.dtype == object
    assert got[0].tolist() == [Fraction(1, 10), Fraction(1, 3), 1, Fraction(1, 7)]
    assert read(BOOL, [1], exact=True)["x"].dtype == bool
    with pytest.raises(InputError, match="not a number"):
        read(REAL, ["1/0"], exact=True)


# Files


def test_files(tmp_path: Path) -> None:
    x = [1, 0, 1]
    for name, text in [
        ("a.json", "[1, 0, 1]"),
        ("b.jsonl", "1\n0\n\n1\n"),
        ("c.csv", "1\n0\n1\n"),
        ("d.txt", "[1,\n0, 1]"),
        ("e.txt", "1\n0\n1"),
    ]:
        (tmp_path / name).write_text(text)
        assert read_inputs(tmp_path / name) == x
    records = tmp_path / "r.jsonl"
    records.write_text('{"x": 1, "y": 2}\n{"x": 3, "y": 4}\n')
    assert read_inputs(str(records)) == [{"x": 1, "y": 2}, {"x": 3, "y": 4}]
    assert parse_text(records.read_text(), "stdin") == read_inputs(records)
    np.save(tmp_path / "n.npy", np.array(x))
    assert read_inputs(tmp_path / "n.npy").tolist() == x
    np.savez(tmp_path / "n.npz", x=np.array(x))
    assert read_inputs(tmp_path / "n.npz")["x"].tolist() == x
    assert read_inputs('{"x": [1]}') == {"x": [1]}


def test_csv() -> None:
    text = "\ufeffx,flag,v[0],v[1]\n1,true,0.5,0\n2,false,1,1e-3\n"
    assert parse_text(text, "t") == {
        "x": [1, 2], "flag": ["true", "false"], "v": [[0.5, 0], [1, 1e-3]],
    }  # fmt: skip
    assert parse_csv("v.1, v.0\n1, 2\n", "t") == {"v": [[2, 1]]}
    assert parse_csv("c\nred\ngreen\n", "t") == {"c": ["red", "green"]}
    assert parse_csv("", "t") == []


BAD_FILES = [
    ("a.json", "[1,\n2", "line 2: this is not JSON"),
    ("a.json", " \n", "the file is empty"),
    ("a.csv", "", "the file is empty"),
    ("a.json", '{"x": [1], "x": [2]}', "`x` is given twice"),
    ("a.json", "[" * 100_000, "nested too deeply"),
    ("a.json", "1" * 5000, "a number is too long"),
    ("a.jsonl", '{"x": 1}\n{"x": \n', "line 2: this is not JSON"),
    ("a.csv", "x,y\n1,2\n3\n", "line 3: there are 1 cells, but 2 columns"),
    ("a.csv", "x,y\n1,\n", "line 2: a cell is empty"),
    ("a.json", "[1,\n2 3]", "line 2: this is not JSON: expecting ',' delimiter (column 3)"),
    ("a.csv", "x;y\n1;2\n", "columns are separated by commas"),
    ("a.csv", "x,x\n1,2\n", "`x` is given twice"),
    ("a.csv", "v[0],v[2]\n1,2\n", "line 1: the column `v[1]` is missing"),
    ("a.csv", "1,2\n3,4\n", "the first row must name the fields"),
    ("a.npy", "nonsense", "no plain NumPy arrays"),
    ("a.npz", "PK", "no plain NumPy arrays"),
]


@pytest.mark.parametrize(("name", "text", "message"), BAD_FILES)
def test_bad_files(name: str, text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_inputs(path)
    assert caught.value.code == "E719"
    assert str(path) in str(caught.value)
    assert message in str(caught.value)


def test_unreadable(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        read_inputs(tmp_path / "none.json")
    with pytest.raises(InputError, match="this is no input"):
        read_inputs("1 0 1")
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        read_inputs(tmp_path / "b.json")
    np.save(tmp_path / "o.npy", np.array([{}], object))
    with pytest.raises(InputError, match="no plain NumPy arrays"):
        read_inputs(tmp_path / "o.npy")
