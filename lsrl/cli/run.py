"""`lsrl run`: a program through the interpreter, or a checkpoint through a backend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from warnings import catch_warnings, simplefilter

import click

from ..errors import Diagnostic, LengthWarning, PromiseError
from . import options
from .output import Reply

if TYPE_CHECKING:
    from ..interpret.margins import Margin
    from ..interpret.run import Result
    from ..model import CompiledModel
    from ..program import Program


@options.command("run")
@click.argument("path", metavar="FILE|DIR")
@click.option(
    "--input", "given", metavar="DATA",
    help="JSON text, or a file (.json .jsonl .csv .npy .npz), or - for standard input, which is "
    "also read when this is left out.",
)  # fmt: skip
@options.params
@options.length
@options.guard
@click.option("--exact", is_flag=True, help="Compute with exact rationals.")
@click.option(
    "--backend", metavar="NAME", help="A checkpoint's backend: numpy, torch, jax or triton."
)
@click.option("--raw", is_flag=True, help="A checkpoint's own numbers, not rounded.")
@click.pass_context
def run_command(ctx: click.Context, /, path: str, given: str | None, **chosen: Any) -> Reply:
    """Run a program or a checkpoint on a sequence.

    \b
    lsrl run majority.lsrl --input '[1, 0, 1]'
    lsrl run majority.lsrl --input bits.csv --json
    echo '[1, 0, 1]' | lsrl run out/
    """
    if Path(path).is_dir():
        _refuse(ctx, chosen, ("params", "length", "guard", "exact"), "is for programs")
        return _run_checkpoint(path, given, chosen["backend"], chosen["raw"])
    _refuse(ctx, chosen, ("backend", "raw"), "is for checkpoints")
    return _run_program(path, given, chosen)


def _refuse(ctx: click.Context, chosen: Mapping[str, Any], names: Sequence[str], why: str) -> None:
    for name in names:
        if chosen[name]:
            flag = "-D" if name == "params" else f"--{name}"
            raise click.UsageError(f"{flag} {why}, which `{ctx.params['path']}` is not", ctx)


def _run_program(path: str, given: str | None, chosen: Mapping[str, Any]) -> Reply:
    from .. import load
    from ..program import GUARD
    from .values import as_data, input_types, output_types, steps_table

    program = load(path, chosen["params"], chosen["length"])
    exact, guard = chosen["exact"], chosen["guard"] or GUARD
    inputs = program.batch(options.read_data(given), batched=False, exact=exact)
    result = _result(program, inputs, guard, exact)
    ins, outs = input_types(program), output_types(program)
    before = {name: a[0] for name, a in inputs.items()}
    after = {name: a[0] for name, a in result.outputs.items()}
    data = {
        "steps": len(next(iter(after.values()))),
        "outputs": as_data(after, outs),
        "margins": [_margin(m) for m in result.margins],
    }
    table = partial(steps_table, before, ins, after, outs)
    return Reply(data, [table], warnings=_warnings(result.margins, guard))


def _result(program: Program, inputs: Any, guard: float, exact: bool) -> Result:
    """The run, long input by the fused executor where it comes to the same."""
    from ..fused.checked import LONG, checked_run

    if not exact and sum(x.size for x in inputs.values()) >= LONG:
        found = checked_run(program, inputs, guard)
        if found is not None:
            return found
    return program.interpreter_with(guard).run(inputs, exact=exact)


def _margin(m: Margin) -> dict[str, Any]:
    from ..show.words import place_data

    smallest = float(m.smallest) if m.smallest != float("inf") else None
    record = {"smallest": smallest, "undetermined": m.undetermined, "mattered": m.mattered}
    return place_data(m.span) | record


def _warnings(margins: Sequence[Margin], guard: float) -> list[Diagnostic]:
    """One for each place where an undetermined comparison mattered."""
    closest: dict[str, Margin] = {}
    for m in margins:
        if m.mattered and m.smallest <= closest.get(str(m.span), m).smallest:
            closest[str(m.span)] = m
    help = "a compiled model promises nothing for such an input; --guard sets the guard band"
    return [
        Diagnostic(
            "W701",
            f"reals are compared here that come within {float(m.smallest):.2g} of each other, "
            f"closer than the guard band {guard:g}, and it can change the result",
            m.span,
            help,
        )
        for m in closest.values()
    ]


def _run_checkpoint(path: str, given: str | None, backend: str | None, raw: bool) -> Reply:
    from .. import load_model
    from .values import as_data, input_types, output_types, steps_table

    model = load_model(path)
    program = model.program
    inputs = model.batch(options.read_data(given), batched=False)
    with catch_warnings():
        simplefilter("ignore", LengthWarning)  # said in our own words
        result = model.run_batch(inputs, raw=raw, backend=backend)
    outs = output_types(program, raw=raw)
    by_name = result if len(outs) > 1 else {next(iter(outs)): result}
    before = {name: a[0] for name, a in inputs.items()}
    after = {name: a[0] for name, a in by_name.items()}
    steps = len(next(iter(after.values())))
    data = {"steps": steps, "outputs": as_data(after, outs)}
    table = partial(steps_table, before, input_types(program), after, outs)
    return Reply(data, [table], warnings=_outside(model, inputs, steps))


def _outside(model: CompiledModel, inputs: Any, steps: int) -> list[Diagnostic]:
    """What of a run the model's certificate is not about: its length, an assumption or a bound that
    the input breaks, undetermined comparisons that matter."""
    from ..stream import LONGER

    program, guard = model.program, model.certificate["guard"]
    if steps > program.length:
        return [Diagnostic("W702", LONGER.format(steps, program.length))]
    try:
        return _warnings(_result(program, inputs, guard, False).margins, guard)
    except PromiseError as e:
        first, *_ = e.diagnostics
        message = f"the model promises nothing for this input: {first.message}"
        help = "its outputs may be anything; give an input that the program admits"
        return [Diagnostic("W703", message, first.span, help)]
