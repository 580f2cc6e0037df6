"""Which block each atom is computed in.

A block reads what earlier blocks have written to the residual stream; a condition of its states may
also read some of its own atoms. What only the current token decides is in the embedding already.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..atoms import AtomKind
from ..homes import live_atoms
from .graph import PRODUCT, STATES, WHEN, ResidualGraph

START = -1  # the position of what the embedding holds


@dataclass(frozen=True)
class Plan:
    """Blocks, counted from 0, of the live atoms; `embedded` ones stand in the embedding."""

    at: dict[int, int]
    embedded: frozenset[int]
    depth: int  # how many blocks there are


def embedded(graph: ResidualGraph) -> set[int]:
    """The atoms that follow from the input of the step alone."""
    found: set[int] = set()
    for a, atom in enumerate(graph.atoms):
        memoryless = atom.kind is AtomKind.RELU or atom.op == PRODUCT
        if atom.kind is AtomKind.INPUT or (memoryless and graph.reads(a) <= found):
            found.add(a)
    return found


def plans(graph: ResidualGraph, tokens: bool) -> list[Plan]:
    """Everything as early as it can be, as late, and a mixture. `tokens`: the input is embedded."""
    live = live_atoms(graph)
    start = embedded(graph) if tokens else set(graph.inputs)
    order = [a for a in sorted(live) if a not in start]
    apart = any(graph.op(a) in graph.machine.apart for a in order)
    early = _apart(graph, order) if apart else _early(graph, order)
    depth = max([0, *(p + 1 for p in early.values())])
    kept = frozenset(start & live)
    period = len(graph.machine.blocks)
    depth = -(-depth // period) * period
    if apart:
        return [Plan(early, kept, depth)]
    late = _late(graph, order, depth)
    return [Plan(at, kept, depth) for at in (early, late, _mixed(graph, order, late))]


def edges(graph: ResidualGraph, a: int) -> Iterator[tuple[int, bool]]:
    """What an atom reads, and whether in the role of a condition."""
    atom = graph.atoms[a]
    for form in atom.operands:
        yield from ((b, False) for b in form.terms)
    for role, form in atom.args:
        yield from ((b, role == WHEN) for b in form.terms)


def _same_block(graph: ResidualGraph, b: int, condition: bool, position: int) -> bool:
    """Whether an atom can be read by a condition in its own block."""
    return condition and graph.op(b) in graph.machine.block(position).conditions


def _first(graph: ResidualGraph, a: int, position: int) -> int:
    """The first block from a position on that can compute an atom."""
    assert any(graph.op(a) in block.ops for block in graph.machine.blocks), graph.atoms[a]
    while graph.op(a) not in graph.machine.block(position).ops:
        position += 1
    return position


def _last(graph: ResidualGraph, a: int, position: int) -> int:
    while graph.op(a) not in graph.machine.block(position).ops:
        position -= 1
    return position


def _earliest(graph: ResidualGraph, a: int, at: dict[int, int]) -> int:
    position = 0
    for b, condition in edges(graph, a):
        if b in at:
            same = _same_block(graph, b, condition, at[b]) and (
                graph.op(a) in graph.machine.block(at[b]).ops
            )
            position = max(position, at[b] + (not same))
    return _first(graph, a, position)


def _early(graph: ResidualGraph, order: list[int]) -> dict[int, int]:
    at: dict[int, int] = {}
    for a in order:
        at[a] = _earliest(graph, a, at)
    return at


def _apart(graph: ResidualGraph, order: list[int]) -> dict[int, int]:
    """As early as can be, but states that share a block with no others in blocks of their own."""
    at: dict[int, int] = {}
    held: dict[int, bool] = {}  # of a block with states: whether they are such
    for a in order:
        at[a] = _earliest(graph, a, at)
        if graph.op(a) in STATES:
            own = graph.op(a) in graph.machine.apart
            while held.setdefault(at[a], own) != own:
                at[a] = _first(graph, a, at[a] + 1)
    return at


def _late(graph: ResidualGraph, order: list[int], depth: int) -> dict[int, int]:
    kept = set(order)
    limit = dict.fromkeys(order, depth - 1)
    at: dict[int, int] = {}
    for a in reversed(order):
        at[a] = _last(graph, a, limit[a])
        for b, condition in edges(graph, a):
            if b in kept:
                same = _same_block(graph, b, condition, at[a])
                limit[b] = min(limit[b], at[a] - (not same))
    return at


def _mixed(graph: ResidualGraph, order: list[int], late: dict[int, int]) -> dict[int, int]:
    """Late, but for what uses up more values than it makes."""
    at: dict[int, int] = {}
    readers: dict[int, int] = {}
    for a in order:
        for b in {b for b, _ in edges(graph, a)}:
            readers[b] = readers.get(b, 0) + 1
    for a in order:
        used_up = sum(readers.get(b, 0) == 1 for b in {b for b, _ in edges(graph, a)})
        earliest = _earliest(graph, a, at)
        at[a] = earliest if used_up >= 1 else max(earliest, late[a])
    return at
