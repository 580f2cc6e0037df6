"""How much memory the prompts of a grid take."""

from __future__ import annotations

import os

from ..errors import OptionError

NUMBERS = 24  # of 8 bytes for each number of a prompt: copies of it, and what the layers compute


def check_grid(n: int, d_in: int, d_out: int, prompts: int = 1) -> None:
    """Raises `OptionError` E053 where prompts of n^d_in cells, `prompts` of them at once, need more
    than half of this machine's memory."""
    needed, there = prompts * prompt_bytes(n, d_in, d_out), memory()
    if needed > there // 2:
        together = f"{prompts:,} prompts" if prompts > 1 else "a prompt"
        verbs = ("have", "need") if prompts > 1 else ("has", "needs")
        message = f"{together} of {n}^{d_in} cells {verbs[0]} {n**d_in + 1:,} steps and "
        message += f"{verbs[1]} about {gigabytes(needed)}, of {gigabytes(there)} here"
        raise OptionError.at("E053", None, message, "choose fewer cells or dimensions")


def prompt_bytes(n: int, d_in: int, d_out: int) -> int:
    """About how much memory a prompt takes while it is run."""
    steps: int = n**d_in + 1
    return steps * (1 + d_in + d_out) * NUMBERS * 8


def memory() -> int:
    """Bytes of memory of this machine."""
    return int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))


def gigabytes(size: int) -> str:
    """Bytes as a text in GiB."""
    return f"{size / 2**30:,.1f} GiB"
