"""What is printed: replies on standard output, problems and progress on standard error."""

from __future__ import annotations

import json
import math
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import click
import numpy as np

from ..errors import Diagnostic

MOST_ROWS = 2000  # of a table that is drawn; longer ones are plain


@dataclass(frozen=True)
class Table:
    """Columns in groups; `rows` have one cell a column, `right` tells which ones are numbers."""

    groups: Sequence[Sequence[str]]
    rows: Sequence[Sequence[str]]
    right: Sequence[bool]

    @property
    def header(self) -> list[str]:
        return [name for group in self.groups for name in group]


@dataclass(frozen=True)
class Reply:
    """What a command has to say: `data` with --json, else `parts`, one after the other. Those that
    take long to make are functions, called only where they are shown.

    `problems` are errors that did not stop it; they make `status` 1, or 2 if a path is all that is
    wrong.
    """

    data: Mapping[str, Any]
    parts: Sequence[str | Table | Callable[[], Table]] = ()
    failed: bool = False
    warnings: Sequence[Diagnostic] = ()
    problems: Sequence[Diagnostic] = field(default=())

    @property
    def status(self) -> int:
        unreadable = bool(self.problems) and all(p.code == "E001" for p in self.problems)
        if unreadable and not self.failed:
            return 2
        return 1 if self.failed or self.problems else 0


@dataclass(frozen=True)
class Screen:
    """Where a command prints: words, or one JSON object on standard output and nothing else."""

    json: bool

    @classmethod
    def of(cls, args: Sequence[str]) -> Screen:
        """As the arguments ask for, right or wrong."""
        options = args[: args.index("--")] if "--" in args else args
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        return cls("--json" in options)

    def show(self, reply: Reply) -> None:
        """Print a reply."""
        if self.json:
            errors = {"error": [d.as_json() for d in reply.problems]} if reply.problems else {}
            self._object({**reply.data, **errors})
        else:
            for part in reply.parts:
                shown = part() if callable(part) else part
                click.echo(_table(shown) if isinstance(shown, Table) else shown)
            _diagnostics(reply.problems, "error")
        _diagnostics(reply.warnings, "warning")

    def problems(self, diagnostics: Sequence[Diagnostic]) -> None:
        """Print what is wrong."""
        if self.json:
            self._object({"error": [d.as_json() for d in diagnostics]})
        else:
            _diagnostics(diagnostics, "error")

    def usage(self, error: click.UsageError) -> None:
        """Print what is wrong with the command line."""
        if self.json:
            help = error.ctx.get_usage() if error.ctx is not None else ""
            self.problems([Diagnostic("E000", error.format_message(), None, help)])
        else:
            error.show()

    def internal(self, error: Exception) -> None:
        """Print one line on a mistake of ours."""
        words = " ".join(f"{type(error).__name__}: {error}".split())
        help = "please report it with the program; LSRL_DEBUG=1 shows where it happened"
        if self.json:
            message = f"internal error: {words}"
            self._object({"error": [Diagnostic("E999", message, None, help).as_json()]})
        else:
            click.echo(f"internal error: {words} ({help})", err=True)

    def _object(self, data: Mapping[str, Any]) -> None:
        click.echo(json.dumps(plain(data), ensure_ascii=False, allow_nan=False))


# Problems


def _diagnostics(diagnostics: Sequence[Diagnostic], word: str) -> None:
    colour = _is_terminal(sys.stderr) and not os.environ.get("NO_COLOR")
    for k, d in enumerate(diagnostics):
        text = d.render().replace("error[", f"{word}[", 1)
        text = _coloured(text, "red" if word == "error" else "yellow") if colour else text
        click.echo(("\n" if k else "") + text, err=True, color=colour)


def _coloured(text: str, colour: str) -> str:
    first, *rest = text.split("\n")
    code, _, message = first.partition(": ")
    lines = [f"{click.style(code, fg=colour, bold=True)}: {click.style(message, bold=True)}"]
    for line in rest:
        if re.fullmatch(r" +\| +\^+", line):
            bar, _, marks = line.partition("|")
            line = click.style(f"{bar}|", fg="blue") + click.style(marks, fg=colour, bold=True)
        elif line.startswith("  help: "):
            line = click.style("  help", fg="cyan") + line.removeprefix("  help")
        lines.append(line)
    return "\n".join(lines)


# Tables


def _table(table: Table) -> str:
    if _is_terminal(sys.stdout) and len(table.rows) <= MOST_ROWS:
        return _drawn(table)
    return _aligned(table)


def _aligned(table: Table) -> str:
    """Columns aligned with spaces, a bar between groups."""
    lines = [table.header, *table.rows]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    ends = {sum(map(len, table.groups[: k + 1])) for k in range(len(table.groups) - 1)}
    text = []
    for line in lines:
        out = ""
        for i, (cell, width, right) in enumerate(zip(line, widths, table.right, strict=True)):
            out += (" | " if i in ends else "  ") if i else ""
            out += cell.rjust(width) if right else cell.ljust(width)
        text.append(out.rstrip())
    return "\n".join(text)


def _drawn(table: Table) -> str:
    """For a terminal, with rich."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as Drawing
    from rich.text import Text

    drawing = Drawing(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    inputs = len(table.header) - len(table.groups[-1])
    for i, (title, right) in enumerate(zip(table.header, table.right, strict=True)):
        style = "dim" if i == 0 and inputs else None
        drawing.add_column(Text(title), justify="right" if right else "left", style=style)
    for row in table.rows:
        drawing.add_row(*map(Text, row))
    console = Console()
    with console.capture() as capture:
        console.print(drawing)
    return capture.get().strip("\n")


# Progress


@contextmanager
def progress(label: str, total: int | None = None) -> Iterator[Callable[[], None]]:
    """A bar on standard error while something takes long, if that is a terminal.

    Yields what to call after each of `total` parts.
    """
    if not _is_terminal(sys.stderr):
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda: bar.advance(task)


def _is_terminal(stream: IO[str]) -> bool:
    return hasattr(stream, "isatty") and stream.isatty() and os.environ.get("TERM") != "dumb"


# Plain data


def plain(value: Any) -> Any:
    """A value for JSON: arrays as lists, rationals and infinities as text."""
    if type(value) in (bool, int, str):  # most are
        return value
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    if isinstance(value, Fraction):
        return value.numerator if value.denominator == 1 else str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return str(value) if isinstance(value, Path) else value
