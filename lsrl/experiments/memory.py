"""How much memory prompts, sequences and sweeps take, before they are made."""

from __future__ import annotations

import os
from decimal import MAX_EMAX, Context, Decimal, localcontext
from typing import TypeVar

from ..errors import OptionError
from ..program import Program

NUMBERS = 24  # of 8 bytes for each number of a prompt: copies of it, and what the layers compute
CELL_BYTES = 4096  # of a cell of a sweep, about
WIDE = Context(prec=28, Emax=MAX_EMAX, traps=[])  # powers of any size are numbers in it
Number = TypeVar("Number", int, Decimal)


def check_grid(n: int, d_in: int, d_out: int, prompts: int = 1) -> None:
    """Raises `OptionError` E053 where prompts of n^d_in cells, `prompts` of them at once, need more
    than half of this machine's memory."""
    with localcontext(WIDE):
        steps = Decimal(n) ** d_in + 1
        needed = prompts * prompt_bytes(Decimal(n), d_in, d_out)
        together = f"{prompts:,} prompts" if prompts > 1 else "a prompt"
        verbs = ("have", "need") if prompts > 1 else ("has", "needs")
        message = (
            f"{together} of {n}^{d_in} cells {verbs[0]} {_written(steps)} steps and {verbs[1]}"
        )
        check_bytes(message, needed, "choose fewer cells or dimensions")


def check_prompts(prompts: int, steps: int, width: int) -> None:
    """Raises `OptionError` E053 where prompts with `width` numbers a step need more than half of
    this machine's memory."""
    message = f"{prompts:,} x {steps:,} steps with {width:,} numbers each need"
    needed = prompts * steps * width * NUMBERS * 8
    check_bytes(message, needed, "choose fewer or shorter sequences")


def check_sequences(program: Program, sequences: int, steps: int) -> None:
    """As `check_prompts`, for sequences of what a program reads and writes at a step."""
    graph = program.graph
    types = [f.type for f in graph.inputs] + [graph.nodes[o.node].type for o in graph.outputs]
    width = sum(t.size for t in types)
    check_prompts(sequences, steps, width)


def check_cells(cells: int) -> None:
    """Raises `OptionError` E053 where the cells of a sweep need more than half of this machine's
    memory."""
    check_bytes(f"{cells:,} cells need", cells * CELL_BYTES, "choose fewer values or repeats")


def check_bytes(what: str, needed: int | Decimal, help: str) -> None:
    """Raises `OptionError` E053 where so many bytes are more than half of this machine's memory.
    `what`: the beginning of the message."""
    there = memory()
    if needed > there // 2:
        message = f"{what} about {gigabytes(needed)}, of {gigabytes(there)} here"
        raise OptionError.at("E053", None, message, help)


def prompt_bytes(n: Number, d_in: int, d_out: int) -> Number:
    """About how many bytes a prompt of n^d_in cells takes while it is run."""
    steps: Number = n**d_in + 1
    return steps * (1 + d_in + d_out) * NUMBERS * 8


def memory() -> int:
    """Bytes of memory of this machine."""
    return int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))


def gigabytes(size: int | Decimal) -> str:
    """Bytes as a text in GiB."""
    with localcontext(WIDE):
        return f"{_written(Decimal(size) / 2**30, digits=1)} GiB"


def _written(number: Decimal, digits: int = 0) -> str:
    """In full where it is not too long to read."""
    return f"{number:,.{digits}f}" if number < 10**15 else f"{number:.1e}"
