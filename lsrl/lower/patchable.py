"""Which named values can be overwritten in a running model, so that it does what the program would.

A name's home is a form over some atoms. Changing these changes every reader of the name, and
nothing else, if

1. whatever reads one of the atoms reads a multiple of the whole form,
2. no state of the same layer takes in the update of one of them,
3. nodes that share the atoms and do not follow from the name are read by nothing but the name, and
4. all that reads the name in the program depends on the atoms, and
5. no other value of the program as it is written was found to be the same.

These are necessary, cheap and nearly sufficient: what a rewrite of the program or a read-out of a
clock bypasses is found by running (`lsrl/patched.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from fractions import Fraction

from ..ir.nodes import Graph
from .atoms import AtomGraph, AtomKind, Form
from .coefficients import Coefficient
from .homes import forms_of, live_atoms, made

CONSTANT = "it is constant, or part of it is"
ENTANGLED = "other values are computed from the same units"
MERGED = "another state of its layer is updated together with it"
SHARED = "its units hold other values as well, which are read for themselves"
BYPASSED = "what reads it in the program reads other units"
TWIN = "the compiler found another value to be the same, which is read for itself"
UNREAD = "nothing reads it"


def twins(graph: Graph, written: Graph) -> set[str]:
    """Names whose node in the optimised graph stands for other values of the program as well, which
    do not follow from theirs."""
    before, after = (
        {**dict(g.names), **{o.name: o.node for o in g.outputs}} for g in (written, graph)
    )
    same: dict[int, set[int]] = {}
    for name, n in after.items():
        same.setdefault(n, set()).add(before[name])
    found = set()
    for name, n in after.items():
        if len(same[n]) > 1 and not same[n] <= within_step(written, before[name]):
            found.add(name)
    return found


def within_step(graph: Graph, start: int) -> set[int]:
    """A node and those that follow from it within a step."""
    found = {start}
    for n in range(start + 1, len(graph.nodes)):
        if not found.isdisjoint(graph.nodes[n].args):
            found.add(n)
    return found


class Sharing:
    """What reads what, among the atoms of a program and among its nodes."""

    def __init__(
        self, atoms: AtomGraph, graph: Graph, merged: Collection[int], twins: Collection[str]
    ) -> None:
        self.atoms, self.graph, self.merged = atoms, graph, frozenset(merged)
        self.twins = frozenset(twins)
        self.live = live_atoms(atoms)
        self.reads = list(self._reads())
        self.readers: dict[int, list[int]] = {}
        for n, node in enumerate(graph.nodes):
            for a in (graph.states[node.attrs[0]].next,) if node.op == "prev" else node.args:
                self.readers.setdefault(a, []).append(n)
        self.roots = {o.node for o in graph.outputs}
        self.mentions = {
            n: {a for v in values for f in made(v).values() for a in f.terms}
            for n, values in atoms.lowered.items()
        }

    def problem(
        self, name: str, node: int, forms: list[Form], *, always: bool = False
    ) -> str | None:
        """Why a name that lives in these forms cannot be overwritten, or None; `always`: why not
        even at all steps."""
        if name in self.twins:
            return TWIN
        shared = {a for form in forms for a in form.terms}
        if not all(form.terms for form in forms):
            return CONSTANT
        if sum(len(f.terms) for f in forms) > len(shared):
            return ENTANGLED
        if not all(self._whole(terms, forms, shared) for _, terms in self.reads):
            return ENTANGLED
        if shared & self.merged:
            return MERGED
        if not self._is_private(node, shared, always):
            return SHARED
        if node not in self.readers and node not in self.roots:
            return UNREAD
        if self.atoms.machine_of_units:  # a unit keeps its own value: found by running
            return None
        return None if self._is_read(node, shared) else BYPASSED

    def is_read(self, node: int) -> bool:
        """Whether anything but outputs reads a node."""
        return node in self.readers

    # Atoms

    def _reads(self) -> Iterator[tuple[int, Mapping[int, Coefficient]]]:
        """Who reads (an atom, or -1 for an output) which atoms, with which coefficients."""
        for a in self.live:
            atom = self.atoms.atoms[a]
            yield from ((a, form.terms) for form in forms_of(atom))
            if atom.kind is AtomKind.STATE:
                lanes = self.atoms.groups[atom.group].lanes
                lane = lanes[atom.lane]
                yield from ((a, form.terms) for form in forms_of(lane))
                yield a, {lanes[i].atom: c for i, c in lane.row.items() if lanes[i].atom >= 0}
        for forms in self.atoms.outputs.values():
            yield from ((-1, form.terms) for form in forms)

    def _whole(self, terms: Mapping[int, Coefficient], forms: list[Form], shared: set[int]) -> bool:
        """Whether a reader of the shared atoms reads multiples of the forms."""
        if not shared & terms.keys():
            return True
        for form in forms:
            ratios = {Fraction(terms.get(a, 0)) / Fraction(c) for a, c in form.terms.items()}
            if len(ratios) > 1:
                return False
        return True

    def _followers(self, shared: set[int], *, later: bool) -> set[int]:
        """Atoms that read some, directly or not, within a step or (`later`) also of the last."""
        found: set[int] = set()
        grown = True
        while grown:
            grown = False
            for a, terms in self._edges(later):
                if a < 0 or a in found:
                    continue
                if not shared.isdisjoint(terms) or not found.isdisjoint(terms):
                    found.add(a)
                    grown = True
        return found

    def _edges(self, later: bool) -> Iterator[tuple[int, Collection[int]]]:
        if later:
            yield from ((a, terms.keys()) for a, terms in self.reads)
            return
        for a in self.live:
            atom = self.atoms.atoms[a]
            held = [*forms_of(atom)]
            if atom.kind is AtomKind.STATE:
                held += forms_of(self.atoms.groups[atom.group].lanes[atom.lane])
            yield a, {b for form in held for b in form.terms}

    # Nodes

    def _is_private(self, node: int, shared: set[int], always: bool) -> bool:
        """Whether other nodes that hold the atoms are read by the node alone. A state that only
        updates itself does not count where it is overwritten at every step."""
        follows = within_step(self.graph, node)
        own = {n for n, m in self.mentions.items() if m & shared and n not in follows} | {node}
        others = own - {node}
        if others & self.roots:
            return False
        skipped = always and all(a in shared for a in self._remembers(shared))
        readers = {r for n in others for r in self.readers.get(n, ())} - own
        return not {r for r in readers if not (skipped and self.graph.nodes[r].op == "prev")}

    def _remembers(self, shared: set[int]) -> Iterator[int]:
        """State lanes that read the previous value of one of some."""
        for a in self.live:
            atom = self.atoms.atoms[a]
            if atom.kind is AtomKind.STATE:
                lanes = self.atoms.groups[atom.group].lanes
                if any(lanes[i].atom in shared for i in lanes[atom.lane].row):
                    yield a

    def _is_read(self, node: int, shared: set[int]) -> bool:
        now = self._followers(shared, later=False) | shared
        ever = self._followers(shared, later=True)
        for r, later in self._lowered_readers(node):
            reached = ever if later and r == node else ever | shared if later else now
            if not self.mentions[r] & reached:
                return False
        return True

    def _lowered_readers(self, node: int) -> set[tuple[int, bool]]:
        """Readers of a node, and in place of those that were lowered with others their readers;
        whether through time."""
        found: set[tuple[int, bool]] = set()
        seen: set[tuple[int, bool]] = set()
        work = [(node, False)]
        while work:
            n, later = work.pop()
            for r in self.readers.get(n, ()):
                item = (r, later or self.graph.nodes[r].op == "prev")
                if item in seen:
                    continue
                seen.add(item)
                if r in self.mentions:
                    found.add(item)
                else:
                    work.append(item)
        return found
