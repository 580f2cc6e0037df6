"""The ground-truth circuit: which units and state lanes implement which definition, as plain data.

A unit implements the named value for which it was made: the one that its node of the program is
part of. What is between two names, in the direction of the data, belongs to the later one.
"""

from __future__ import annotations

from collections import deque
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..collect import collector_paused
from ..ir.nodes import Graph
from .atoms import AtomGraph, AtomKind
from .paths import readers

if TYPE_CHECKING:
    from ..targets.base import Compiled


@collector_paused()
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
        self.readers = readers(graph)
        self._of_atoms: dict[int, list[str]] = {}
        self._of_nodes: dict[int, list[str]] = {}

    def of_atom(self, a: int) -> list[str]:
        """The input's name, or those of the nodes that it was made for."""
        if a not in self._of_atoms:
            self._of_atoms[a] = self._of_atom(a)
        return self._of_atoms[a]

    def _of_atom(self, a: int) -> list[str]:
        atom = self.atoms.atoms[a]
        if atom.kind is AtomKind.INPUT:
            return [atom.label.split("[")[0]]
        found = dict.fromkeys(n for m in self.atoms.makers[a] for n in self.of_node(m))
        return list(found | dict.fromkeys(self._driven.get(self._clocks.get(a, -1), ())))

    @cached_property
    def _clocks(self) -> dict[int, int]:
        """By atom the number of the clock that it is part of; equal lanes are one clock, and are
        compared once for all of their atoms."""
        numbers: dict[tuple[int, ...], int] = {}
        known: dict[int, int] = {}  # by `id` of the lanes
        for lanes, _ in self.atoms.positions.values():
            if id(lanes) not in known:
                known[id(lanes)] = numbers.setdefault(lanes, len(numbers))
        return {a: known[id(lanes)] for a, (lanes, _) in self.atoms.positions.items()}

    @cached_property
    def _driven(self) -> dict[int, list[str]]:
        """The names that each clock drives, which read what it shares with others."""
        found: dict[int, list[str]] = {}
        for name, forms in self.atoms.names.items():
            read = {a for f in forms for a in f.terms} & self._clocks.keys()
            for clock in {self._clocks[a] for a in read}:
                found.setdefault(clock, []).append(name)
        return found

    def of_node(self, n: int) -> list[str]:
        """Its own names, or those of the next named nodes that follow from it, near ones first."""
        passed: dict[int, None] = {}  # nodes from which the same follows
        while n not in passed and n not in self._of_nodes:
            passed[n] = None
            after = self.readers.get(n, ())
            if n in self.names or len(after) != 1:
                self._of_nodes[n] = self._next_names(n)
            else:
                n = after[0]
        found = self._of_nodes.get(n, [])  # nothing follows from a cycle without names
        self._of_nodes |= dict.fromkeys(passed, found)
        return found

    def _next_names(self, start: int) -> list[str]:
        if start in self.names:
            return self.names[start]
        found: dict[str, None] = {}
        seen = {start}
        work = deque(seen)
        while work:
            for r in self.readers.get(work.popleft(), ()):
                if r in seen:
                    continue
                seen.add(r)
                if r in self.names:
                    found |= dict.fromkeys(self.names[r])
                else:
                    work.append(r)
        return list(found)
