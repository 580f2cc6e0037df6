"""What no weights of an architecture compute for every length: docs/expressivity.md has the proofs.

A theorem speaks of the targets with one sort of transition, and of a program that has a witness.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from .analysis.cycles import find_cycle
from .analysis.memory import find_memory

if TYPE_CHECKING:
    from .ir.nodes import Graph
    from .program import Program
    from .source import Span


class Witness(Protocol):
    """Why a theorem applies to a program: words of inputs, and an output that they show in."""

    @property
    def output(self) -> str: ...

    @property
    def outputs(self) -> tuple[Any, Any]:
        """What the program gives, at the last step of two inputs, where the theorem wants one."""

    def concerns(self, graph: Graph, span: Span | None) -> bool:
        """Whether the state there has to do with it."""

    def inputs(self, more: int = 0) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
        """The two inputs by field, `more` times longer than need be."""

    def as_json(self) -> dict[str, Any]:
        """The words, and what they show, as plain data."""


@dataclass(frozen=True)
class Theorem:
    """`transition` is that of the targets that it speaks of, `says` what they do not do, `adds` how
    the message of a refusal goes on."""

    number: int
    transition: str
    says: str
    adds: str
    preconditions: tuple[str, ...]
    find: Callable[[Program], Witness | None]

    @property
    def name(self) -> str:
        """How a message names it."""
        return f"theorem {self.number}"

    @property
    def place(self) -> str:
        """Where its proof is."""
        return f"{self.name} of docs/expressivity.md"


FOR_EVERY_LENGTH = "for every length: up to a length it may be possible by counting"
THEOREMS = (
    Theorem(
        1,
        "constant",
        "constant transitions do not remember for ever",
        " for sequences of every length",
        (
            FOR_EVERY_LENGTH,
            "layers and weights do not depend on the length",
            "the recurrence is computed exactly, or its rounding does not matter",
            "states stay bounded, whatever the input",
            "finite precision: states that are nearer to each other than some distance are read "
            "alike",
        ),
        find_memory,
    ),
    Theorem(
        2,
        "positive diagonal",
        "positive diagonal transitions do not go round in a cycle for ever",
        "; for sequences of every length there is none",
        (
            FOR_EVERY_LENGTH,
            "depth, width and weights do not depend on the length",
            "finite precision: all numbers are of formats with finitely many values, none is a NaN",
            "each scalar state is multiplied by a factor of at least 0 and added to, both decided "
            "by what the layer reads",
            "step by step, the same way at every step, with rounding that keeps the order",
            "beside the states a layer sees a finite window of what it reads: no attention, no "
            "positions",
        ),
        find_cycle,
    ),
)


def about(transition: str) -> Theorem | None:
    """The theorem on targets with such a transition."""
    return next((t for t in THEOREMS if t.transition == transition), None)
