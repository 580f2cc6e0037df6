"""Passes over the program IR: one idea a file."""

from __future__ import annotations

from ..ir.nodes import Graph
from .base import Pass, Stuck, fixpoint, run
from .cse import Cse
from .dce import Dce
from .fold import Fold
from .ranges import Ranges
from .simplify import Simplify
from .states import MergeStates
from .units import Units

STANDARD: tuple[Pass, ...] = (Fold(), Simplify(), Cse(), MergeStates(), Dce(), Ranges())


def optimise(graph: Graph) -> Graph:
    """The standard passes, over and over until none finds anything to do; then `Units`."""
    graph = fixpoint(graph, STANDARD)
    in_units = run(graph, [Units()])
    return graph if in_units is graph else run(in_units, [Fold()])


__all__ = [
    "STANDARD",
    "Cse",
    "Dce",
    "Fold",
    "MergeStates",
    "Pass",
    "Ranges",
    "Simplify",
    "Stuck",
    "Units",
    "fixpoint",
    "optimise",
    "run",
]
