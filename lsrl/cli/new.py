"""`lsrl new`: a program to start from."""

from __future__ import annotations

from pathlib import Path

import click

from . import options
from .output import Reply

STARTER = '''\
"""At every step: the number of ones so far, and whether they are the majority.

Say here what the program does. Try it with
    lsrl test {path}
    lsrl run {path} --input '[1, 0, 1, 1]'
    lsrl compile {path} --target linear-rnn -o out
"""

# The program reads one element per step. Inputs have a type with bounds: `bool`, `int in 0..9`,
# `real in -1..1`, an enumeration `{{red, green}}`, or vectors of these such as `real[3] in 0..1`.
input bit: int in 0..1

# It works for sequences of up to so many steps.
length <= 256

# A constant that can be set from outside, with `-D lead=2`.
param lead: int = 0

# A state has the value that it starts from, and its next value; in it the state's own name means
# the value before, every other name the value at this step.
state ones = 0 then ones + bit

# The standard library has `steps`, `delay`, `window`, `latch`, `cycle`, `accumulate` and others.
zeros = accumulate(1 - bit)

# What is emitted at each step.
output ones
output majority = ones > zeros + lead

# `lsrl test` runs these.
example "a majority, lost again": [1, 1, 0, 0, 0] -> {{
    ones: [1, 2, 2, 2, 2],
    majority: [true, true, true, false, false],
}}
example "by two" with lead = 1: [1, 1] -> {{ones: _, majority: [false, true]}}
'''


@options.command("new")
@click.argument("name", metavar="NAME")
@options.force("a file")
def new_command(name: str, force: bool) -> Reply:
    """Write a program to start from.

    It is NAME.lsrl, with comments.
    """
    from ..files import check_file, write_bytes

    path = Path(name)
    if path.suffix not in ("", ".lsrl") or not path.stem:
        raise click.UsageError(f"`{name}` is no name for a program; it ends in .lsrl or in nothing")
    path = path.with_suffix(".lsrl")
    check_file(path, force=force)
    write_bytes(path, STARTER.format(path=path).encode())
    return Reply({"file": str(path)}, [f"{path}: now try `lsrl test {path}`"])
