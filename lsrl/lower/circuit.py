"""The ground-truth circuit: which units and state lanes implement which definition, as plain data.

A unit implements the named value for which it was made: the one that its node of the program is
part of. What is between two names, in the direction of the data, belongs to the later one.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..ir.nodes import Graph
from .atoms import AtomGraph, AtomKind

if TYPE_CHECKING:
    from ..targets.base import Compiled


def circuit(compiled: Compiled, graph: Graph) -> dict[str, Any]:
    """`units` `[layer, kind, index]` of each named value, and `carriers`, which pass values on to
    later layers, each with the names that it carries."""
    owners = Owners(compiled.atoms, graph)
    names = list(dict.fromkeys([n for n, _ in graph.names] + [o.name for o in graph.outputs]))
    units: dict[str, list[list[Any]]] = {name: [] for name in names}
    carriers, last = [], 0
    for place in compiled.machine.places():
        at = [place.layer, place.kind, place.index]
        if place.output and compiled.joint:
            last = place.layer  # each logit is one of all outputs together
            continue
        if place.output:
            found = [place.output]
        elif place.atom >= 0:
            found = owners.of_atom(place.atom)
        else:
            carried = dict.fromkeys(n for a in sorted(place.terms) for n in owners.of_atom(a))
            carriers.append([*at, list(carried)])
            continue
        for name in found:
            units[name].append(at)
    for name, elements in compiled.joint.items():
        units[name] += [[last, "y", i] for i in range(len(elements[0]))]
    return {"units": {n: found for n, found in units.items() if found}, "carriers": carriers}


class Owners:
    """To which names the nodes of a graph, and the atoms made for them, belong."""

    def __init__(self, atoms: AtomGraph, graph: Graph) -> None:
        self.atoms, self.graph = atoms, graph
        self.names: dict[int, list[str]] = {}
        for name, n in [*graph.names, *((o.name, o.node) for o in graph.outputs)]:
            if name not in self.names.setdefault(n, []):
                self.names[n].append(name)
        self._found: dict[int, list[str]] = {}

    def of_atom(self, a: int) -> list[str]:
        """The input's name, or those of the nodes that it was made for."""
        atom = self.atoms.atoms[a]
        if atom.kind is AtomKind.INPUT:
            return [atom.label.split("[")[0]]
        found = dict.fromkeys(n for m in self.atoms.makers[a] for n in self.of_node(m))
        return list(found | dict.fromkeys(self._driven.get(self._clock(a), ())))

    def _clock(self, a: int) -> tuple[int, ...]:
        """The lanes of the clock that an atom is part of, if it is."""
        found = self.atoms.positions.get(a)
        return () if found is None else found[0]

    @cached_property
    def _driven(self) -> dict[tuple[int, ...], list[str]]:
        """The names that each clock drives, which read what it shares with others."""
        found: dict[tuple[int, ...], list[str]] = {}
        for name, forms in self.atoms.names.items():
            for clock in {self._clock(a) for f in forms for a in f.terms} - {()}:
                found.setdefault(clock, []).append(name)
        return found

    def of_node(self, n: int) -> list[str]:
        """Its own names, or those of the next named nodes that follow from it."""
        if n not in self._found:
            self._found[n] = self._next_names(n)
        return self._found[n]

    def _next_names(self, start: int) -> list[str]:
        found: dict[str, None] = {}
        seen, work = {start}, [start]
        while work:
            n = work.pop(0)
            if n in self.names:
                found |= dict.fromkeys(self.names[n])
                continue
            for r in self._readers.get(n, ()):
                if r not in seen:
                    seen.add(r)
                    work.append(r)
        return list(found)

    @cached_property
    def _readers(self) -> dict[int, list[int]]:
        """What reads each node; of a state's next value the `prev` nodes."""
        readers: dict[int, list[int]] = {}
        for n, node in enumerate(self.graph.nodes):
            for a in (self.graph.states[node.attrs[0]].next,) if node.op == "prev" else node.args:
                readers.setdefault(a, []).append(n)
        return readers
