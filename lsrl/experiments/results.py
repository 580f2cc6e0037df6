"""The folder of a sweep: `sweep.json`, `rows.jsonl`, `results.parquet` and `arrays/`.

`rows.jsonl` is the file that counts: one row a line, only ever appended to, whole lines that are on
the disk before the next cell counts as done. `results.parquet` is made from it (docs/decisions).
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import Diagnostic, OptionError
from ..files import write_bytes, write_text
from ..version import __version__
from .study import Outcome
from .sweep import Cell, Sweep

FORMAT = 1
ROWS, SWEEP, PARQUET, ARRAYS = "rows.jsonl", "sweep.json", "results.parquet", "arrays"

Row = dict[str, Any]


class Results:
    """The rows of one study, open for appending by one process at a time.

    Raises `OptionError` E052 for a folder of another study or format, or in use.
    """

    def __init__(self, folder: Path, sweep: Sweep, versions: str) -> None:
        self.folder, self.versions = folder, versions
        self.warnings: list[Diagnostic] = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _check(folder, sweep.study)
            self._file = _locked(folder / ROWS)
        except OSError as e:
            message = f"cannot write `{folder}`: {e.strerror or e}"
            raise OptionError.at("E031", None, message, "choose another folder") from None
        self.rows = self._repaired()
        self._there = {(r["cell"], r["part"]) for r in self.rows}
        content = {"format": FORMAT, "lsrl": __version__, **sweep.as_json()}
        write_text(folder / SWEEP, json.dumps(content, indent=2) + "\n")

    def __enter__(self) -> Results:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _repaired(self) -> list[Row]:
        """The whole rows. What is damaged is taken out of the file, with a warning."""
        rows, damaged = parsed((self.folder / ROWS).read_bytes())
        if damaged:
            whole = "".join(_line(row) for row in rows).encode()
            self._file.close()
            write_bytes(self.folder / ROWS, whole)
            self._file = _locked(self.folder / ROWS)
            message = f"`{self.folder / ROWS}` is damaged: {damaged} bytes are no whole rows"
            help = f"{len(rows)} rows are kept, and the rest is done again"
            self.warnings.append(Diagnostic("E057", message, None, help))
        other = sorted({str(r["versions"]) for r in rows} - {self.versions})
        if other:
            message = f"`{self.folder}` has rows of other versions ({'; '.join(other)})"
            help = "they are kept; choose another folder to measure all with this one"
            self.warnings.append(Diagnostic("E058", message, None, help))
        return rows

    def pending(self, cells: Iterable[Cell]) -> list[Cell]:
        """The cells that are still to be done."""
        done = complete(self.rows)
        return [c for c in cells if c.id not in done]

    def append(self, cell: Cell, outcome: Outcome) -> None:
        """Write the rows of a cell that are not there yet, and its arrays before them."""
        if outcome.arrays:
            self._keep(cell.id, outcome.arrays)
        head = {"cell": cell.id, "parts": len(outcome.rows), "seed": cell.seed}
        head |= {"repeat": cell.repeat, "versions": self.versions}
        single = {k: v for k, v in cell.settings.items() if not isinstance(v, list)}
        new = [
            {**head, "part": part, **single, **measured}
            for part, measured in enumerate(outcome.rows)
            if (cell.id, part) not in self._there
        ]
        self._file.write("".join(_line(row) for row in new).encode())
        self._file.flush()
        os.fsync(self._file.fileno())
        self.rows += new
        self._there |= {(cell.id, row["part"]) for row in new}

    def _keep(self, name: str, arrays: Mapping[str, Any]) -> None:
        import numpy as np

        out = io.BytesIO()
        np.savez_compressed(out, allow_pickle=False, **arrays)
        (self.folder / ARRAYS).mkdir(exist_ok=True)
        write_bytes(self.folder / ARRAYS / f"{name}.npz", out.getvalue())

    def export(self) -> None:
        """Write `results.parquet` whole: the rows in order of their cells' ids."""
        out = io.BytesIO()
        frame(self.rows).to_parquet(out, index=False)
        write_bytes(self.folder / PARQUET, out.getvalue())


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def _locked(path: Path) -> Any:
    """The file for appending, by this process alone. Raises `OptionError` E052."""
    file = path.open("ab")
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:  # Windows has no such lock
        return file
    except OSError:
        file.close()
        message = f"`{path.parent}` is in use by another run"
        raise OptionError.at(
            "E052", None, message, "wait for it, or choose another folder"
        ) from None
    return file


def _check(folder: Path, study: str) -> None:
    """Raises `OptionError` E052 where a folder holds something else than rows of that study."""
    found = description(folder)
    if found is None:
        if any(folder.iterdir()) and not (folder / ROWS).exists():
            message = f"`{folder}` holds other files than results"
            raise OptionError.at("E052", None, message, "choose a new folder")
    elif found["study"] != study:
        message = f"`{folder}` holds results of `{found['study']}`, not of `{study}`"
        raise OptionError.at("E052", None, message, "choose another folder")


def description(folder: Path) -> dict[str, Any] | None:
    """What `sweep.json` says; None where there is none. Raises `OptionError` E052."""
    if not (folder / SWEEP).exists():
        return None
    found = None
    with suppress(ValueError, OSError):
        found = json.loads((folder / SWEEP).read_text(encoding="utf-8"))
    if not isinstance(found, dict) or found.get("format") != FORMAT or "study" not in found:
        message = f"`{folder / SWEEP}` is damaged, or of another format than {FORMAT}"
        raise OptionError.at("E052", None, message, "choose another folder")
    return found


def parsed(data: bytes) -> tuple[list[Row], int]:
    """The whole rows of a `rows.jsonl`, each once, and how many bytes are none."""
    rows: dict[tuple[str, int], Row] = {}
    damaged = 0
    for line in data.splitlines(keepends=True):
        row = None
        with suppress(ValueError):
            row = json.loads(line)
        if line.endswith(b"\n") and isinstance(row, dict) and row.keys() >= HEAD:
            rows.setdefault((row["cell"], row["part"]), row)
        else:
            damaged += len(line)
    return list(rows.values()), damaged


HEAD = {"cell", "part", "parts", "seed", "repeat", "versions"}


def complete(rows: Iterable[Row]) -> set[str]:
    """Ids of the cells all of whose rows are there."""
    left: dict[str, int] = {}
    for row in rows:
        cell: str = row["cell"]
        left.setdefault(cell, row["parts"])
        left[cell] -= 1
    return {cell for cell, missing in left.items() if missing == 0}


def read_rows(folder: Path) -> list[Row]:
    """The whole rows of a folder. Raises `OptionError` E052 where there are none."""
    try:
        return parsed((folder / ROWS).read_bytes())[0]
    except OSError as e:
        message = f"cannot read `{folder / ROWS}`: {e.strerror or e}"
        raise OptionError.at("E052", None, message, "give the folder of a sweep") from None


def newest(rows: Iterable[Row], settings: Iterable[str]) -> list[Row]:
    """Of what was measured more than once with the same seed, repetition and settings (a file has
    changed since, or a wider sweep has measured it again) what was written last. `rows` in the
    order of their writing."""
    names = list(settings)
    what = [(r, (r["seed"], r["repeat"], *(r.get(n) for n in names))) for r in rows]
    last = {key: row["cell"] for row, key in what}
    return [row for row, key in what if row["cell"] == last[key]]


def frame(rows: Iterable[Row]) -> Any:
    """A pandas `DataFrame` of the rows in an order that does not depend on when they were done."""
    import pandas as pd

    return pd.DataFrame(sorted(rows, key=lambda r: (r["repeat"], r["cell"], r["part"])))
