"""Input data from files, standard input or the command line.

JSON, JSON Lines, CSV, and NumPy's .npy and .npz (without pickle). What comes out is what
`inputs.batch_of` takes.
"""

from __future__ import annotations

import csv
import io
import json
import re
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from ..errors import InputError

SUFFIXES = (".json", ".jsonl", ".csv", ".npy", ".npz")
_COLUMN = re.compile(r"(?P<name>.+?)(?:\[(?P<a>\d+)\]|\.(?P<b>\d+))")


def read_inputs(what: str | Path) -> Any:
    """Read inputs from a file, from standard input (`-`), or from JSON text itself.

    Raises `InputError` E719 that names the file and the line.
    """
    if isinstance(what, str) and what.strip() == "-":
        return parse_text(sys.stdin.read(), "standard input")
    if isinstance(what, str) and what.lstrip()[:1] in ("[", "{"):
        return parse_json(what, "the input")
    path = Path(what)
    if not path.is_file():
        known = path.suffix != "" or "/" in str(what) or isinstance(what, Path)
        help = (
            "check the path" if known else "write inputs as JSON, as in '[1, 0, 1]', or name a file"
        )
        _fail(str(what), None, "there is no such file" if known else "this is no input", help)
    return _read_file(path)


def _read_file(path: Path) -> Any:
    suffix, name = path.suffix.lower(), str(path)
    if suffix in (".npy", ".npz"):
        return _read_numpy(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        _fail(name, None, "the file is not UTF-8 text", f"use one of {', '.join(SUFFIXES)}")
    except OSError as error:
        _fail(name, None, f"the file cannot be read: {error.strerror}")
    if not text.strip():
        _fail(name, None, "the file is empty", "give every field a value at each step")
    if suffix == ".json":
        return parse_json(text, name)
    if suffix == ".jsonl":
        return parse_lines(text, name)
    return parse_csv(text, name) if suffix == ".csv" else parse_text(text, name)


def parse_text(text: str, name: str) -> Any:
    """Text of unknown format: JSON or JSON Lines if it starts like it, otherwise CSV."""
    text = text.removeprefix("\ufeff")
    if text.lstrip()[:1] not in ("[", "{"):
        return parse_csv(text, name)
    first = text.strip().splitlines()
    if len(first) > 1 and _is_json(first[0]):
        return parse_lines(text, name)
    return parse_json(text, name)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def parse_json(text: str, name: str, line: int = 1) -> Any:
    """One JSON value. `NaN` and `Infinity` are read, so that the field is named that has them."""
    try:
        return json.loads(text, object_pairs_hook=_unique(name, line))
    except json.JSONDecodeError as error:
        reason = f"this is not JSON: {error.msg.lower()} (column {error.colno})"
        help = 'write lists as [1, 0, 1], fields as {"x": [1, 0]}, and names in double quotes'
        _fail(name, line + error.lineno - 1, reason, help)
    except RecursionError:
        _fail(name, line, "the lists are nested too deeply")
    except ValueError:  # an integer of thousands of digits
        _fail(name, line, "a number is too long")


def _unique(name: str, line: int) -> Any:
    def build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        record = dict(pairs)
        if len(record) < len(pairs):
            keys = [k for k, _ in pairs]
            double = next(k for k in keys if keys.count(k) > 1)
            _fail(name, line, f"the field `{double}` is given twice")
        return record

    return build


def parse_lines(text: str, name: str) -> list[Any]:
    """JSON Lines: one record or value per step."""
    lines = enumerate(text.splitlines(), start=1)
    return [parse_json(line, name, number) for number, line in lines if line.strip()]


# CSV


def parse_csv(text: str, name: str) -> Any:
    """A header of field names (`v[0], v[1]` or `v.0, v.1` for a vector) and one row per step.

    A single column of numbers needs no header.
    """
    reader = csv.reader(io.StringIO(text), skipinitialspace=True)
    try:
        rows = [(reader.line_num, [c.strip() for c in row]) for row in reader if any(row)]
    except csv.Error as error:
        _fail(name, reader.line_num, f"this is not CSV: {error}")
    if not rows:
        return []
    header = rows[0][1]
    if len(header) == 1 and ";" in header[0]:
        _fail(name, rows[0][0], "columns are separated by commas", "write `,` in place of `;`")
    if len(header) == 1 and _cell(header[0]) != header[0]:
        _check_widths(rows, 1, name)
        return [_cell(row[0]) for _, row in rows]
    _check_widths(rows, len(header), name)
    if all(_cell(c) != c for c in header):
        _fail(name, rows[0][0], "the first row must name the fields", "as in `x,y`")
    return _by_field(header, rows, name)


def _check_widths(rows: Sequence[tuple[int, list[str]]], width: int, name: str) -> None:
    for line, row in rows:
        if len(row) != width:
            _fail(name, line, f"there are {len(row)} cells, but {width} columns")
        if not all(row):
            _fail(name, line, "a cell is empty", "give every field a value at each step")


def _by_field(header: list[str], rows: Sequence[tuple[int, list[str]]], name: str) -> Any:
    """A record with a list per field."""
    scalars: dict[str, int] = {}
    vectors: dict[str, dict[int, int]] = {}
    for column, title in enumerate(header):
        match = _COLUMN.fullmatch(title)
        field = match["name"] if match else title
        index = int(match["a"] or match["b"]) if match else -1
        if field in scalars or (not match and field in vectors) or index in vectors.get(field, ()):
            _fail(name, rows[0][0], f"the column `{title}` is given twice")
        if match:
            vectors.setdefault(field, {})[index] = column
        else:
            scalars[field] = column
    for field, places in vectors.items():
        if set(places) != set(range(len(places))):
            missing = min(set(range(len(places))) - set(places))
            _fail(name, rows[0][0], f"the column `{field}[{missing}]` is missing")
    body = [row for _, row in rows[1:]]
    record: dict[str, Any] = {f: [_cell(r[c]) for r in body] for f, c in scalars.items()}
    for field, places in vectors.items():
        order = [places[k] for k in range(len(places))]
        record[field] = [[_cell(r[c]) for c in order] for r in body]
    return record


def _cell(text: str) -> int | float | str:
    """A cell as a number where it is one; otherwise a name."""
    for convert in (int, float):
        try:
            return convert(text)
        except ValueError:
            continue
    return text


# NumPy


def _read_numpy(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return loaded
            return {key: loaded[key] for key in loaded.files}
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        pickled = "pickle" in str(error).lower()
        help = "save plain numbers, without objects" if pickled else "save it with numpy.save"
        _fail(str(path), None, "this file holds no plain NumPy arrays", help)


def _fail(name: str, line: int | None, message: str, help: str = "") -> NoReturn:
    place = f"{name}, line {line}" if line is not None else name
    raise InputError.at("E719", None, f"{place}: {message}", help)
