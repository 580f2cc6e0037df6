"""`lsrl sample`: data sets drawn from a program."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np

from ..errors import OptionError
from . import options
from .output import Reply, plain

FORMATS = (".json", ".jsonl", ".csv", ".npz")
DEFAULT_STEPS = 50


@options.command("sample")
@options.program_file
@click.option(
    "-n",
    "count",
    type=click.IntRange(1, 10**7),
    default=10,
    show_default=True,
    help="How many sequences.",
)
@click.option(
    "--length",
    "steps",
    type=click.IntRange(1),
    metavar="T",
    help="Steps of each sequence (default: 50, or the program's length if shorter).",
)
@options.seed
@options.params
@click.option(
    "--output",
    "-o",
    "path",
    metavar="FILE",
    help=f"A new file: {' '.join(FORMATS)}; left out: JSON Lines on standard output.",
)
@options.force("a file")  # fmt: skip
def sample_command(
    file: str, count: int, steps: int | None, seed: int, params: dict[str, Any],
    path: str | None, force: bool,
) -> Reply:  # fmt: skip
    """Draw a data set from a program.

    Input sequences that the program admits, with its outputs.
    """
    from .. import load
    from ..files import check_file

    target = Path(path) if path is not None else None
    if target is not None:
        _check_format(target)
        check_file(target, force=force)
    program = load(file, params)
    if steps is not None and steps > program.length:
        message = f"--length {steps} is longer than the {program.length} steps of the program"
        raise OptionError.at("E012", None, message, "choose fewer steps")
    columns = _draw(program, count, steps or min(DEFAULT_STEPS, program.length), seed)
    return _write(columns, target, force) if target is not None else _print(columns)


def _check_format(path: Path) -> None:
    if path.suffix.lower() not in FORMATS:
        message = f"`{path}` names no format that is known"
        raise OptionError.at("E032", None, message, f"end it in one of {' '.join(FORMATS)}")


Columns = dict[str, dict[str, Any]]  # "inputs" and "outputs": arrays or lists by name


def _draw(program: Any, count: int, steps: int, seed: int) -> Columns:
    """Arrays `[n, T]` or `[n, T, d]` by side and name; members of enumerations by name."""
    from .values import as_data, input_types, output_types

    result = {}
    types = {"inputs": input_types(program), "outputs": output_types(program)}
    for (side, known), drawn in zip(types.items(), program.sample(count, steps, seed), strict=True):
        arrays = drawn if isinstance(drawn, Mapping) else {next(iter(known)): drawn}
        result[side] = as_data(arrays, known)
    return result


def _print(columns: Columns) -> Reply:
    return Reply(columns, ["\n".join(_json_lines(columns))])


def _write(columns: Columns, path: Path, force: bool) -> Reply:
    from ..files import write_bytes

    suffix = path.suffix.lower()
    if suffix == ".npz":
        content = _npz(columns)
    elif suffix == ".csv":
        content = _csv(columns).encode()
    elif suffix == ".jsonl":
        content = ("\n".join(_json_lines(columns)) + "\n").encode()
    else:
        content = (json.dumps(plain(columns), ensure_ascii=False) + "\n").encode()
    write_bytes(path, content)
    first = next(iter(columns["outputs"].values()))
    data = {"file": str(path), "sequences": len(first), "steps": len(first[0])}
    return Reply(data, [f"{path}: {len(first)} sequences of {len(first[0])} steps"])


def _json_lines(columns: Columns) -> Iterator[str]:
    """One sequence a line."""
    for k in range(len(next(iter(columns["outputs"].values())))):
        sequence = {
            side: {name: values[k] for name, values in by_name.items()}
            for side, by_name in columns.items()
        }
        yield json.dumps(plain(sequence), ensure_ascii=False)


def _csv(columns: Columns) -> str:
    """One step a row: `sequence`, `step`, `input.x`, `output.y`; a vector's as `.0`, `.1`, ..."""
    flat = dict(_scalars(columns))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["sequence", "step", *flat])
    first = next(iter(flat.values()))
    for k, sequence in enumerate(first):
        for t in range(len(sequence)):
            writer.writerow([k, t, *(_cell(values[k][t]) for values in flat.values())])
    return out.getvalue()


def _scalars(columns: Columns) -> Iterator[tuple[str, list[list[Any]]]]:
    for side, by_name in columns.items():
        for name, values in by_name.items():
            title = f"{side.removesuffix('s')}.{name}"
            if isinstance(values[0][0], list):
                for i in range(len(values[0][0])):
                    yield f"{title}.{i}", [[step[i] for step in s] for s in values]
            else:
                yield title, values


def _cell(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _npz(columns: Columns) -> bytes:
    """Arrays `input.x` and `output.y`, `[n, T]` or `[n, T, d]`."""
    arrays = {
        f"{side.removesuffix('s')}.{name}": np.array(values)
        for side, by_name in columns.items()
        for name, values in by_name.items()
    }
    out = io.BytesIO()
    np.savez_compressed(out, allow_pickle=False, **arrays)
    return out.getvalue()
