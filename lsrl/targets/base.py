"""What every target says of itself, and what compiling for it gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

from ..analysis.ranges import Fact
from ..errors import LsrlError
from ..ir.nodes import Graph
from ..lower.atoms import AtomGraph
from ..lower.layers import Layered
from ..lower.rounding import Bound
from ..source import Span
from .cell import Cell

# Called as probe(layer, t, {kind: array [B, n]}) with the numbers of a layer (from 0) at a step,
# each kind once, as soon as they are there: "x" the layer's input (before its update), "s" or "h"
# its state after the update, "y" its output. The arrays may be changed in place: the rest of the
# step, the next step and the layers above see it.
Probe = Callable[[int, int, dict[str, Any]], None]


@dataclass(frozen=True)
class CompileOptions:
    """Options that every target understands."""

    dtype: str = "float32"
    guard: Fraction = Fraction(1, 1000)
    tolerance: float | None = None
    encoding: str = "number"
    profile: str = "exact"
    conditional: str | None = None  # a variant of the paper's; None: the best for the target
    constants: str = "range"
    hidden_size: int | None = None
    layers: int | None = None
    max_parameters: int | None = None


@dataclass(frozen=True)
class Compiled:
    """What a target makes of a program: its stages, its weights, its certificate."""

    atoms: AtomGraph
    machine: Layered
    weights: dict[str, Any]
    bounds: list[Bound]
    shape: dict[str, Any]


@dataclass(frozen=True)
class Support:
    """Whether a target can hold a program. `verdict`: "exact", "up_to_length", "approximate",
    "unsupported" or "impossible"."""

    verdict: str
    reason: str
    span: Span | None = None
    error: LsrlError | None = None


class Target(Protocol):
    """One architecture: how programs are compiled for it and how its equations run."""

    @property
    def name(self) -> str: ...

    @property
    def published(self) -> str:
        """The published thing that it is."""
        ...

    @property
    def cell(self) -> Cell:
        """The equations of a layer."""
        ...

    def compile(self, graph: Graph, facts: Sequence[Fact], options: CompileOptions) -> Compiled: ...

    def support(self, graph: Graph, facts: Sequence[Fact], options: CompileOptions) -> Support: ...

    def initial(self, weights: Mapping[str, Any], batch: int) -> list[Any]:
        """The state before the first step, an array `[batch, p]` a layer."""
        ...

    def run(
        self,
        weights: Mapping[str, Any],
        x: Any,
        state: list[Any] | None = None,
        probe: Probe | None = None,
    ) -> tuple[Any, list[Any]]:
        """The equations in NumPy: x `[B, T, n]` to y `[B, T, m]` and the state after the last
        step. `probe` sees, and may change, what the layers compute.
        """
        ...

    def rows(self, layer: int, kind: str, index: int) -> list[tuple[str, int]]:
        """The rows of weights, as (name, row), that compute a number of a layer."""
        ...
