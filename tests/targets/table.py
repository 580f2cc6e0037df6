"""The table of programs that drives the tests of every target: `cases.txt`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Case:
    """A program; `linear_rnn` tells whether that target has it."""

    name: str
    text: str
    linear_rnn: bool


def _case(block: str) -> Case:
    name, _, text = block.partition("\n")
    return Case(name.removesuffix(" [refused]"), text, "[refused]" not in name)


_FILE = Path(__file__).with_name("cases.txt")
CASES = [_case(b) for b in _FILE.read_text(encoding="utf-8").split("\n## ")[1:]]
