"""Lanes of the residual stream that are read no more, cleared and used again.

A unit passes the lane's own number, and the block subtracts it: what was there is gone, to the last
digit, if nothing is rounded on the way. So only lanes that are exact are cleared, and a lane that
is written in the same block must lie on a lattice with it that fits the digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...analysis.lattice import gcd
from ..coefficients import fits
from ..layers import Affine
from .graph import LANE, PASS, RELU
from .layout import Block, Lane, ResidualLayout, Rows, Unit
from .schedule import START


def reused(layout: ResidualLayout, exact: Sequence[bool], digits: int) -> ResidualLayout:
    """The layout with as few channels of the stream as its lanes need; `exact` tells which lanes
    have no error."""
    slots: list[int] = [-1] * len(layout.lanes)
    last: list[int] = []  # the lane that each slot holds
    clears: list[tuple[int, int]] = []  # (block, lane)
    order = sorted(range(len(layout.lanes)), key=lambda i: (layout.lanes[i].first, i))
    for i in order:
        for slot, old in enumerate(last):
            block = clearing_block(layout, old) if exact[old] else None
            if block is not None and _fits(layout, old, i, block, exact, digits):
                clears.append((block, old))
                slots[i], last[slot] = slot, i
                break
        else:
            slots[i] = len(last)
            last.append(i)
    blocks = [Block(b.kind, list(b.units), dict(b.writes), dict(b.clears)) for b in layout.blocks]
    for number, lane in clears:
        _clear(layout, blocks[number], lane)
    return replace(layout, blocks=blocks, slots=tuple(slots))


def clearing_block(layout: ResidualLayout, lane: int) -> int | None:
    """The first block that can clear a lane: its last reader, or later, so that it can still be
    read after the layer that completes it."""
    found: Lane = layout.lanes[lane]
    period = len(layout.graph.machine.blocks)
    block = found.until
    if found.done != START:
        block = max(block, (found.done // period + 1) * period)
    return block if block < len(layout.blocks) else None


def _fits(
    layout: ResidualLayout, old: int, new: int, block: int, exact: Sequence[bool], digits: int
) -> bool:
    """Whether a lane can take the place of one that is cleared in a block."""
    first = layout.lanes[new].first
    if first != block:
        return first > block
    forms = layout.form(old), layout.form(new)
    fuzzy = any(layout.graph.is_fuzzy(f) for f in forms)
    if not exact[new] or fuzzy or any(f.step is None for f in forms):
        return False
    total = sum(max(abs(f.lo), abs(f.hi)) for f in forms)
    return fits(gcd([f.step for f in forms]), total, digits)


def _clear(layout: ResidualLayout, block: Block, lane: int) -> None:
    """Units that pass a lane's number, to be subtracted from it."""
    form = layout.form(lane)
    if PASS in layout.graph.machine_ops(block.kind):
        signs = [1]
        op = PASS
    else:
        signs = [s for s, reached in ((1, form.hi > 0), (-1, form.lo < 0)) if reached]
        op = RELU
    row: Rows = {}
    for sign in signs:
        ideal = layout.graph.combine([(sign, form)])
        row[len(block.units)] = -sign
        block.units.append(Unit(op, Affine({(LANE, lane): sign}, 0), ideal, "clear"))
    block.clears[lane] = row
