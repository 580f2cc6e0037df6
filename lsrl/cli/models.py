"""`lsrl compile`, `lsrl verify` and `lsrl targets`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import options
from .output import Reply, Table, progress

if TYPE_CHECKING:
    from ..edited import Comparison
    from ..errors import Diagnostic
    from ..model import CompiledModel
    from ..verify import Report

LARGER = 20  # times the parameters of the default profile, from which on a model is warned of


@options.command("compile")
@options.program_file
@options.target()
@click.option("--output", "-o", "folder", required=True, metavar="DIR", help="The new checkpoint.")
@options.params
@options.length
@options.dtype
@options.guard
@click.option(
    "--tolerance",
    type=options.Tolerance(0, min_open=True),
    metavar="E",
    help="The error allowed in real outputs (default: 1e-3 of their range); inf: any.",
)
@options.encoding
@click.option(
    "--profile",
    default="exact",
    show_default=True,
    metavar="NAME",
    help="Of the weights: exact; robust (lstm, gru, rnn-tanh and the linear RNNs); "
    "trainable (lstm, gru, rnn-tanh).",
)
@click.option(
    "--hidden-size",
    type=click.IntRange(1),
    metavar="N",
    help="Fill up all but the linear RNNs to that width.",
)
@click.option(
    "--layers",
    type=click.IntRange(1),
    metavar="N",
    help="Fill up all but the linear RNNs to that many layers.",
)
@click.option(
    "--max-parameters",
    type=click.IntRange(1),
    metavar="N",
    help="Refuse a model of more parameters, before it takes up memory.",
)
@click.option("--no-verify", is_flag=True, help="Do not check the model before writing it.")
@options.conditional
@options.force("a checkpoint")  # fmt: skip
def compile_command(
    file: str, target: str, folder: str, params: dict[str, Any], length: int | None,
    guard: float | None, no_verify: bool, force: bool, **chosen: Any,
) -> Reply:  # fmt: skip
    """Compile a program to a target's weights.

    They are checked against the program, and saved as a new folder, a checkpoint.
    """
    from .. import compile, load
    from ..files import check_folder
    from ..program import GUARD

    program = load(file, params, length)
    check_folder(Path(folder), force=force)  # before the work, not after it
    with progress(f"compiling {file}"):
        chosen |= {"guard": guard or GUARD, "verify": not no_verify}
        model = compile(program, target, **chosen)
    model.save(folder, force=force)
    data = {"folder": folder, "verified": not no_verify, **model.report.as_json()}
    if "hidden_size" in model.shape:
        data["hidden_size"] = model.shape["hidden_size"]
    return Reply(data, [_summary(model, file, folder)], warnings=_larger(model))


def _larger(model: CompiledModel) -> list[Diagnostic]:
    """That a profile costs much more than the default, which is compiled again for that: it takes
    a fraction of the time that such a model took."""
    from .. import LsrlError, compile
    from ..errors import Diagnostic

    options = vars(model.options) | {"profile": "exact", "guard": float(model.options.guard)}
    if model.options.profile == "exact":
        return []
    try:
        default = compile(model.program, model.target, verify=False, **options)
    except LsrlError:
        return []
    ours, least = model.report.parameters, default.report.parameters
    if ours <= LARGER * least:
        return []
    message = f"the profile `{model.options.profile}` takes {ours:,} parameters, and the default "
    message += f"{least:,}: {ours / least:,.0f} times fewer"
    help = "use --profile exact, or --max-parameters to have such models refused"
    return [Diagnostic("W704", message, None, help)]


def _summary(model: CompiledModel, file: str, folder: str) -> str:
    report = model.report
    bounds = ", ".join(f"{e:.2g} (`{name}`)" for name, e in model.certificate["bound"].items())
    kind = [report.target, report.dtype]
    kind += [model.options.encoding] if model.options.encoding != "number" else []
    hidden = model.shape.get("hidden_size")
    return "\n".join([
        f"{file} as {', '.join(kind)}: {folder}",
        f"  layers         {report.layers}",
        *([] if hidden is None else [f"  hidden size    {hidden:,}"]),
        f"  parameters     {report.parameters:,}, {report.nonzeros:,} of them not 0",
        f"  state size     {report.state_size}",
        f"  longest input  {model.program.length:,} steps",
        f"  largest error  {bounds}",
    ])  # fmt: skip


@options.command("verify")
@click.argument("folder", metavar="DIR")
@click.option(
    "--samples",
    type=click.IntRange(1),
    default=1000,
    show_default=True,
    help="How many sequences to run.",
)
@options.seed
@click.option(
    "--backend",
    metavar="NAME",
    help="What runs the model beside numpy, the target's equations: torch (default where it is "
    "installed), jax or triton; numpy for these alone.",
)
def verify_command(folder: str, samples: int, seed: int, backend: str | None) -> Reply:
    """Compare a checkpoint with its program.

    Inputs are random ones, mutated examples, extremes, and what a search finds that makes every
    condition of the program both true and false. The program is also compiled again: weights that
    are not the compiler's are named.
    """
    from .. import load_model, verify
    from ..checkpoint import check_emitted, written_by
    from ..edited import compare
    from ..version import __version__

    check_is_folder(folder)
    model = load_model(folder)
    with progress(f"verifying {folder}"):
        version = written_by(folder)
        if version == __version__:
            check_emitted(model, folder)
        compared = compare(model, version)
        report = verify(model, samples, seed, backend=backend)
    passed = report.passed and not compared.differs
    data = {**report.as_json(), "passed": passed, "weights": compared.as_json()}
    return Reply(data, [_verdict(folder, report, compared)], failed=not passed)


def check_is_folder(folder: str) -> None:
    """Raises `CheckpointError` E040 for a file."""
    from ..errors import CheckpointError

    if Path(folder).is_file():
        program = Path(folder).suffix == ".lsrl"
        message = f"`{folder}` is a {'program' if program else 'file'}, not a checkpoint"
        help = "this is a program; compile it first" if program else "give a checkpoint's folder"
        raise CheckpointError.at("E040", None, message, help)


def _verdict(folder: str, report: Report, compared: Comparison) -> str:
    passed = report.passed and not compared.differs
    undetermined = f", {report.undetermined:,} of them undetermined" * bool(report.undetermined)
    lines = [
        f"{folder}: {'passed' if passed else 'FAILED'}",
        f"  sequences      {report.checked:,}{undetermined}",
        f"  backends       {', '.join(report.runners)}",
        "  largest error  of the model's own numbers, and what its certificate allows",
        *(f"    {name}: {e:.3g} of {report.bounds[name]:.3g}" for name, e in report.errors.items()),
    ]
    if report.unexercised:
        lines += ["  never seen", *(f"    {u}" for u in report.unexercised)]
    f = report.failure
    if f is not None:
        lines.append(f"  `{f.output}` is {f.got}, not {f.expected}, at step {f.step} ({f.runner})")
        lines.append(f"  it is off by {f.error:.3g}, and may be by {f.bound:.3g}")
        lines.append(f"  for the input {json.dumps(f.input, ensure_ascii=False)}")
    return "\n".join(lines + _edits(compared))


def _edits(compared: Comparison) -> list[str]:
    """Weights that are not the compiler's."""
    if compared.reason:
        return [f"  the weights are not compared with the compiler's: {compared.reason}"]
    lines = [f"    {name}: {edit}" for name, edit in compared.edits.items()]
    if lines:
        lines.insert(
            0, "  weights that the compiler does not give for program.lsrl (either was edited)"
        )
    if compared.certificate:
        lines.append("  certificate.json is not the one that the compiler gives")
    return lines


@options.command("targets")
@click.argument("file", metavar="[FILE]", required=False)
@options.params
@options.length
@options.dtype
def targets_command(
    file: str | None, params: dict[str, Any], length: int | None, dtype: str
) -> Reply:
    """List the targets, or say which of them can hold a program.

    For FILE: exactly, exactly up to a length, within an error bound, not (unsupported), or not by
    any weights (impossible). --json has the whole explanation.
    """
    from ..targets import TARGETS

    if file is None:
        if params or length or dtype != "float32":
            raise click.UsageError("-D, --length and --dtype need a program, and none is given")
        records = {name: {"published": t.published} for name, t in TARGETS.items()}
        rows = [[name, t.published] for name, t in TARGETS.items()]
        return Reply({"targets": records}, [Table([["target", "what it is"]], rows, [False] * 2)])
    return _support(file, params, length, dtype)


def _support(file: str, params: dict[str, Any], length: int | None, dtype: str) -> Reply:
    from .. import load, support
    from ..show.words import place, place_data

    program = load(file, params, length)
    with progress(f"compiling {file}"):
        found = support(program, dtype=dtype)
    records = {name: {**s.as_json(), **place_data(s.span)} for name, s in found.items()}
    rows = [[name, s.words, s.reason, place(s.span)] for name, s in found.items()]
    table = Table([["target", "verdict", "reason", "line"]], rows, [False] * 4)
    return Reply({"file": file, "dtype": dtype, "targets": records}, [table])
