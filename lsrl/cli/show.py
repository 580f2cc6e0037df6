"""`lsrl show`: any stage of the compiler."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import click

from . import options
from .output import Reply

STAGES = ("ast", "ir", "optimised", "atoms", "layers", "weights")  # as in lsrl.show, not imported


@options.command("show")
@options.program_file
@click.option("--stage", required=True, type=click.Choice(STAGES), help="What to print.")
@click.option("--format", "form", type=click.Choice(("text", "dot", "json")),
              help="text (default), dot for Graphviz, or json.")
@options.params
@options.length
@click.option("--target", "-t", default="linear-rnn", show_default=True, metavar="T",
              help="Of the atoms, layers and weights.")
@options.dtype
@options.guard
@click.pass_context  # fmt: skip
def show_command(
    ctx: click.Context, file: str, stage: str, form: str | None, params: dict[str, Any],
    length: int | None, target: str, dtype: str, guard: float | None,
) -> Reply:  # fmt: skip
    """Print a stage of the compiler: the syntax tree, the program IR before and after the passes,
    the atoms, the layers or the weights."""
    from .. import load
    from ..program import GUARD
    from ..show import show
    from ..targets.base import CompileOptions

    as_object = "json" if form is None else form  # with --json, a stage is data unless asked for
    program = load(file, params, length)
    chosen = CompileOptions(dtype=dtype, guard=Fraction(str(guard or GUARD)))

    def made(form: str) -> Any:
        return show(program, stage, form, target=target, options=chosen)

    if form == "json" or wants_json(ctx):
        content = made(as_object)
        import json

        data = {"stage": stage, "format": as_object, as_object: content}
        return Reply(data, [json.dumps(content, ensure_ascii=False)])
    text = made(form or "text")
    return Reply({}, [text.removesuffix("\n")])
