"""What a gated machine says of itself: the patterns that its units realise.

A pattern answers one kind of request with units. The selector tries all patterns of a kind and
keeps the realisation that costs least; adding a pattern to a machine changes nothing else.

| request | arguments | result |
| --- | --- | --- |
| indicator | margins (at most `machine.margins`) | 1 where all are positive, else 0 |
| select | condition, form, span | the form where the condition holds, else 0 |
| relu | form, span | max(form, 0) |
| product | form, form, span | their product, both real |
| hold | form | the form as units, all of them 0 where it is 0 |
| group | component | states closed within one layer: their next values, by node |
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Pattern:
    """`build(lg, *arguments)` gives the result of a request, or None where it does not match."""

    name: str
    request: str
    build: Callable[..., Any]
    doc: str = ""


@dataclass(frozen=True)
class Machine:
    """`margins`: how many conditions one unit can be switched by. `has_steps`: a comparison costs
    one unit (otherwise the ReLU logic is used, and units are ReLUs). `now_only` names the roles of
    an operation, given its roles, that cannot read previous values."""

    name: str
    margins: int
    patterns: tuple[Pattern, ...]
    has_steps: bool = True
    now_only: Callable[[str, Collection[str]], tuple[str, ...]] = lambda op, roles: ()

    def of(self, request: str) -> list[Pattern]:
        """The patterns of a request."""
        return [p for p in self.patterns if p.request == request]

    def without(self, name: str) -> Machine:
        """The machine with one pattern less."""
        kept = tuple(p for p in self.patterns if p.name != name)
        return replace(self, patterns=kept)


def saturated(machine: Machine) -> Machine:
    """The machine with automata alone for groups of states: their errors are erased at each step,
    which gates that leak need."""
    kept = tuple(p for p in machine.patterns if p.request != "group" or p.name == "automaton")
    return replace(machine, patterns=kept)
