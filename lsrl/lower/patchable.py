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
from functools import cached_property

from ..ir.nodes import Graph
from .atoms import AtomGraph, AtomKind, Form
from .coefficients import Coefficient
from .homes import forms_of, live_atoms, made
from .paths import Edges, edges_within_step, readers

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
    edges = edges_within_step(written)
    first: dict[int, int] = {}  # by node the value from which all others that it stands for follow
    for n, values in same.items():
        start = min(values)
        if all(edges.lead({start}, {v}) for v in values - {start}):
            first[n] = start
    return {name for name, n in after.items() if first.get(n) != before[name]}


def _is_whole(form: Form, read: Mapping[int, Coefficient]) -> bool:
    """Whether what is read of a form is a multiple of it."""
    (first, c), *others = form.terms.items()
    there = read.get(first, 0)
    return all(read.get(a, 0) * c == there * k for a, k in others)


class Sharing:
    """What reads what, among the atoms of a program and among its nodes."""

    def __init__(
        self, atoms: AtomGraph, graph: Graph, merged: Collection[int], twins: Collection[str]
    ) -> None:
        self.atoms, self.graph, self.merged = atoms, graph, frozenset(merged)
        self.twins = frozenset(twins)
        self.live = live_atoms(atoms)
        self.reads = list(self._reads())
        self.reads_of: dict[int, list[int]] = {}  # of each atom, places in `reads`
        for i, (_, terms) in enumerate(self.reads):
            for a in terms:
                self.reads_of.setdefault(a, []).append(i)
        self.readers, self.within_step = readers(graph), edges_within_step(graph)
        self.roots = {o.node for o in graph.outputs}
        self.mentions = {
            n: {a for v in values for f in made(v).values() for a in f.terms}
            for n, values in atoms.lowered.items()
        }
        self.mentioned: dict[int, list[int]] = {}  # of each atom, the nodes that mention it
        for n, mentions in self.mentions.items():
            for a in mentions:
                self.mentioned.setdefault(a, []).append(n)

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
        if not all(self._is_whole(form) for form in forms if len(form.terms) > 1):
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

    def _is_whole(self, form: Form) -> bool:
        """Whether all that is read of a form are multiples of it."""
        touched = {i for a in form.terms for i in self.reads_of.get(a, ())}
        return all(_is_whole(form, self.reads[i][1]) for i in touched)

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

    @cached_property
    def _ever(self) -> Edges:
        """From atoms to those that read them, in this step or the next."""
        edges = Edges()
        for a, terms in self.reads:
            if a >= 0:
                edges.add(a, terms)
        return edges

    @cached_property
    def _now(self) -> Edges:
        """From atoms to those that read them within a step."""
        edges = Edges()
        for a in self.live:
            atom = self.atoms.atoms[a]
            held = [*forms_of(atom)]
            if atom.kind is AtomKind.STATE:
                held += forms_of(self.atoms.groups[atom.group].lanes[atom.lane])
            edges.add(a, {b for form in held for b in form.terms})
        return edges

    # Nodes

    def _is_private(self, node: int, shared: set[int], always: bool) -> bool:
        """Whether other nodes that hold the atoms are read by the node alone. A state that only
        updates itself does not count where it is overwritten at every step."""
        holding = {n for a in shared for n in self.mentioned.get(a, ())}
        own = holding - self.within_step.following(node, holding) | {node}
        others = own - {node}
        if others & self.roots:
            return False
        skipped = always and all(r in shared for a in shared for r in self._rememberers.get(a, ()))
        readers = {r for n in others for r in self.readers.get(n, ())} - own
        return not {r for r in readers if not (skipped and self.graph.nodes[r].op == "prev")}

    @cached_property
    def _rememberers(self) -> dict[int, list[int]]:
        """The state lanes that read the previous value of an atom."""
        found: dict[int, list[int]] = {}
        for a in self.live:
            atom = self.atoms.atoms[a]
            if atom.kind is AtomKind.STATE:
                lanes = self.atoms.groups[atom.group].lanes
                for i in lanes[atom.lane].row:
                    found.setdefault(lanes[i].atom, []).append(a)
        return found

    def _is_read(self, node: int, shared: set[int]) -> bool:
        for r, later in self._lowered_readers(node):
            mentions = self.mentions[r]
            if not (later and r == node) and not mentions.isdisjoint(shared):
                continue
            edges = self._ever if later else self._now
            if not edges.lead(shared, mentions):
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
