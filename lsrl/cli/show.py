"""`lsrl show`: any stage of the compiler."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import click

from . import options
from .output import Reply

STAGES = ("ast", "ir", "optimised", "atoms", "layers", "weights")  # as in lsrl.show, not imported


@options.command("show")
@options.program_file
@click.option("--stage", required=True, type=click.Choice(STAGES), help="What to print.")
@click.option(
    "--format",
    "form",
    type=click.Choice(("text", "dot", "json")),
    help="text (default), dot for Graphviz, or json.",
)
@options.params
@options.length
@options.target("Of the atoms, layers and weights: ", default="linear-rnn")
@options.encoding
@options.dtype
@options.guard
@options.conditional
@click.pass_context  # fmt: skip
def show_command(
    ctx: click.Context, /, file: str, stage: str, form: str | None, params: dict[str, Any],
    length: int | None, target: str, dtype: str, guard: float | None, **choices: Any,
) -> Reply:  # fmt: skip
    """Print a stage of the compiler.

    The syntax tree, the program IR before and after the passes, the atoms of a target, its layers
    or its weights.
    """
    from .. import load
    from ..program import GUARD
    from ..show import show
    from ..targets.base import CompileOptions

    form = form or ("json" if ctx.obj.json else "text")
    program = load(file, params, length)
    chosen = CompileOptions(dtype=dtype, guard=Fraction(str(guard or GUARD)), **choices)
    content = show(program, stage, form, target=target, options=chosen)
    text = json.dumps(content, ensure_ascii=False) if form == "json" else content
    return Reply({"stage": stage, "format": form, form: content}, [text.removesuffix("\n")])
