"""What the emitters of groups of states share: the group, and how its values enter a scope."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..analysis.facts import Fact
from ..analysis.kinds import Group as Kinds
from ..analysis.kinds import classify
from ..ir.components import Component
from .scope import Scope
from .values import Value, constant, kind_of


@dataclass(frozen=True)
class Found:
    """What became of a group: its states' names, how they are computed, and whether that takes a
    loop over the steps; `grows` where powers of a matrix may leave float64 on long input."""

    states: tuple[str, ...]
    how: str
    loop: bool = False
    grows: bool = False


class Emitter:
    """Emits one group into a scope. `state_text` has the text of each state's value before."""

    def __init__(
        self,
        scope: Scope,
        component: Component,
        facts: Sequence[Fact],
        lasting: Sequence[Fact],
        state_text: dict[int, str],
    ) -> None:
        self.scope, self.graph = scope, scope.graph
        self.nodes = component.nodes
        self.kinds: Kinds = classify(self.graph, facts, component)
        self.states = self.kinds.states
        self.lasting, self.before = lasting, state_text
        self.component = component

    # Entering results

    def _found(self, how: str, **flags: bool) -> Found:
        return Found(tuple(self.graph.states[s].name for s in self.states), how, **flags)

    def _enter(self, state: int, text: str) -> None:
        """The state's new values are this text."""
        s = self.graph.states[state]
        value = Value(text, kind_of(s.type), bool(s.type.shape))
        name = self.scope.names.get(s.next, s.name)
        if not text.isidentifier():
            value = self.scope.assign(value, name)
        n = s.next
        while n in self.nodes:
            self.scope.values[n] = value
            if self.graph.nodes[n].op not in ("bound", "promise"):
                break
            n = self.graph.nodes[n].args[0]

    def _outside(self, n: int) -> Value:
        """The value of a node outside of the group, short enough to be written several times."""
        value = self.scope.values[n]
        if value.constant is None and not value.text.isidentifier():
            value = self.scope.values[n] = self.scope.assign(value, f"v{n}")
        return value

    def _with(self, elements: dict[int, Any]) -> list[Value]:
        """The states' next values where the previous ones are these constants."""
        replaced = {
            n: constant(elements[self.graph.nodes[n].attrs[0]], kind_of(self.graph.nodes[n].type))
            for n in self.nodes
            if self.graph.nodes[n].op == "prev"
        }
        wanted = [self.graph.states[s].next for s in self.states]
        return self.scope.under(replaced, self.nodes, wanted)

    def _lasting(self, value: Value) -> str:
        """The text of a value with its time axis, which constants have not."""
        return value.text if value.constant is None else f"lasting({value.text}, steps)"

    def _range(self, s: int) -> tuple[Any, Any]:
        """The smallest and the largest value of each element, initial ones included."""
        state = self.graph.states[s]
        init = np.array([float(v) for v in state.init])
        fact = self.lasting[state.next]
        low = np.broadcast_to(fact.lo, state.type.shape or ()).reshape(-1)
        high = np.broadcast_to(fact.hi, state.type.shape or ()).reshape(-1)
        return np.minimum(low, init), np.maximum(high, init)
