"""`lsrl check` and `lsrl test`: is a program right, and do its examples hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import Diagnostic, LsrlError
from . import options
from .output import Reply, progress

if TYPE_CHECKING:
    from ..examples import Outcome
    from ..program import Program


@options.command("check")
@options.program_files
@options.params
@options.length
def check_command(files: Sequence[str], params: dict[str, Any], length: int | None) -> Reply:
    """Say what is wrong in programs.

    All mistakes of all files are reported, each with its place. Nothing is run.
    """
    from .. import load

    records, lines, problems = [], [], list[Diagnostic]()
    for file in files:
        try:
            program = load(file, params, length)
            records.append({"file": file, "ok": True, **_describe(program)})
            lines.append(f"{file}: ok ({_summary(program)})")
        except LsrlError as e:
            problems += e.diagnostics
            records.append(
                {"file": file, "ok": False, "errors": [d.as_json() for d in e.diagnostics]}
            )
            lines.append(f"{file}: {_count(len(e.diagnostics), 'error')}")
    return Reply({"ok": not problems, "files": records}, lines, problems=problems)


def _describe(program: Program) -> dict[str, Any]:
    from .values import input_types, output_types

    return {
        "doc": program.doc,
        "params": program.params,
        "length": program.length,
        "inputs": {name: str(type) for name, type in input_types(program).items()},
        "outputs": {name: str(type) for name, type in output_types(program).items()},
        "states": len(program.graph.states),
    }


def _summary(program: Program) -> str:
    names = [", ".join(f.name for f in program.inputs), ", ".join(program.output_names)]
    return f"{' -> '.join(names)}; up to {program.length} steps"


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' if n != 1 else ''}"


@options.command("test")
@options.program_files
def test_command(files: Sequence[str]) -> Reply:
    """Run the examples that programs carry.

    They run with the default parameters, or with those that they set themselves.
    """
    records, lines, problems = [], [], list[Diagnostic]()
    passed = failed = 0
    with progress("testing", len(files)) as advance:
        for file in files:
            advance()
            try:
                outcomes = _outcomes(file)
            except LsrlError as e:
                problems += e.diagnostics
                records.append({"file": file, "errors": [d.as_json() for d in e.diagnostics]})
                continue
            records.append({"file": file, "examples": [_record(o) for o in outcomes]})
            lines += _report(file, outcomes)
            passed += sum(o.passed for o in outcomes)
            failed += sum(not o.passed for o in outcomes)
    ok = not failed and not problems
    lines.append(f"{passed} passed" + (f", {failed} failed" if failed else ""))
    data = {"ok": ok, "passed": passed, "failed": failed, "files": records}
    return Reply(data, lines, failed=bool(failed), problems=problems)


def _outcomes(file: str) -> list[Outcome]:
    from .. import load
    from ..examples import check_examples

    return list(check_examples(load(file).tree))


def _record(o: Outcome) -> dict[str, Any]:
    record: dict[str, Any] = {"name": o.example.name, "line": o.example.span.line}
    record |= {"passed": o.passed, "mismatches": [str(m) for m in o.mismatches]}
    return record | ({"error": [d.as_json() for d in o.error.diagnostics]} if o.error else {})


def _report(file: str, outcomes: Sequence[Outcome]) -> list[str]:
    lines = [f"{file}" + ("" if outcomes else ": no examples")]
    for o in outcomes:
        lines.append(f"  {'ok    ' if o.passed else 'FAILED'} {o.example.name}")
        if not o.passed:
            details = [str(m) for m in o.mismatches]
            details += str(o.error).split("\n") if o.error else []
            lines += [f"         {d}" for d in details]
            lines.append(f"         --> {o.example.span}")
    return lines
