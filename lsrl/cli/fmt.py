"""`lsrl fmt`: the canonical layout."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from ..errors import Diagnostic, LsrlError
from . import options
from .output import Reply


@options.command("fmt")
@options.program_files
@click.option("--check", is_flag=True, help="Change nothing; fail if something would change.")
@click.option("--diff", is_flag=True, help="Change nothing; print what would change.")
def fmt_command(files: Sequence[str], check: bool, diff: bool) -> Reply:
    """Write programs in their canonical layout.

    FILE may be - for standard input and output.
    """
    if "-" in files:
        if len(files) > 1:
            raise click.UsageError("- stands alone: standard input is formatted to standard output")
        return _standard(check, diff)
    lines, records, problems = list[str](), [], list[Diagnostic]()
    for file in files:
        try:
            before, after = _formatted_file(file)
        except LsrlError as e:
            problems += e.diagnostics
            continue
        changes = before != after
        records.append({"file": file, "changed": changes})
        if changes and diff:
            records[-1]["diff"] = _difference(before, after, file)
            lines.append(str(records[-1]["diff"]))
        if changes and not diff:
            lines.append(f"{'would change' if check else 'changed'} {file}")
        if changes and not check and not diff:
            _write(file, after)
    changed = any(r["changed"] for r in records)
    return Reply({"files": records}, lines, failed=check and changed, problems=problems)


def _formatted_file(path: str) -> tuple[str, str]:
    """The text of a file as it is, line ends and all, and as it should be."""
    from ..elaborate.modules import read_source

    source = read_source(path)
    return Path(path).read_bytes().decode("utf-8"), formatted(source.name, source.text)


def formatted(name: str, text: str) -> str:
    """The canonical layout, which says the same. Raises `SyntaxProblem`."""
    from ..source import Source
    from ..syntax.format import format_program
    from ..syntax.parse import parse_source

    tree = parse_source(Source(name, text))
    after = format_program(tree)
    again = parse_source(Source(name, after))
    comments = [sorted(c.text for c in t.comments) for t in (tree, again)]
    if again != tree or comments[0] != comments[1]:
        raise AssertionError(f"the formatter would change what {name} says; nothing was written")
    return after


def _write(file: str, text: str) -> None:
    from ..files import write_text

    write_text(Path(file).resolve(), text)  # a link keeps pointing to its file


def _difference(before: str, after: str, name: str) -> str:
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), name, f"{name} (formatted)", lineterm=""
    )
    return "\n".join(lines) or f"{name}: only line ends or a byte order mark would change"


def _standard(check: bool, diff: bool) -> Reply:
    from ..errors import ProgramError

    raw = sys.stdin.buffer.read()
    try:
        before = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        message = "standard input is not UTF-8"
        raise ProgramError.at("E002", None, message, "save it as UTF-8") from None
    after = formatted("<stdin>", before.replace("\r\n", "\n"))
    changes = after != before
    data = {"changed": changes, "text": after}
    if not check and not diff:
        return Reply(data, [after.removesuffix("\n")])
    parts = [_difference(before, after, "<stdin>")] if diff and changes else []
    return Reply(data, parts, failed=check and changes)
