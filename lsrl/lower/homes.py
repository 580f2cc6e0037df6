"""Where named values live among the atoms: a form of atoms that the outputs need anyway.

A boolean may be there as 0/1, as its falsity (0 where it holds, at least 1 where it does not), or
as its truth (the other way round); whichever the outputs use is its home.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

from .atoms import AtomGraph, AtomKind, Form
from .logic import Value

_FIELDS: dict[type, tuple[str, ...]] = {}  # by class: its fields that may hold forms
_PLAIN = frozenset(
    ("AtomKind", "bool", "Coefficient", "float", "Fraction", "Fraction | None", "int", "str",
     "Span | None", "dict[int, Coefficient]")
)  # fmt: skip
ENCODINGS = {"value": "boolean", "falsity": "falsity", "truth": "truth", "margin": "margin"}


def made(value: Value) -> dict[str, Form]:
    """The forms of a lowered element that were made, by what they say."""
    if isinstance(value, Form):
        return {"value": value}
    return value.forms


def home(value: Value, live: set[int]) -> tuple[Form, str] | None:
    """A form over atoms that are there, and how it says the value."""
    for says, form in made(value).items():
        if form.terms.keys() <= live:
            return form, "linear" if isinstance(value, Form) else ENCODINGS[says]
    return None


def homes(values: Sequence[Value], live: set[int]) -> tuple[list[Form], list[str]] | None:
    """Homes of all elements, or None."""
    found = [home(v, live) for v in values]
    kept = [h for h in found if h is not None]
    if len(kept) < len(found):
        return None
    return [form for form, _ in kept], [encoding for _, encoding in kept]


def forms_of(thing: Any) -> Iterator[Form]:
    """The forms that an atom or a lane holds: what it reads."""
    kind = type(thing)
    if kind not in _FIELDS:
        _FIELDS[kind] = tuple(f.name for f in fields(thing) if f.type not in _PLAIN)
    for name in _FIELDS[kind]:
        held = getattr(thing, name)
        if type(held) is Form:
            yield held
        elif held and (type(held) is tuple or type(held) is list):
            yield from (f for f in held if isinstance(f, Form))
            yield from (f[1] for f in held if isinstance(f, tuple) and isinstance(f[1], Form))


def live_atoms(graph: AtomGraph) -> set[int]:
    """The atoms that the outputs need, and the inputs."""
    live = {a for a, atom in enumerate(graph.atoms) if atom.kind is AtomKind.INPUT}
    work = [a for forms in graph.outputs.values() for f in forms for a in f.terms]
    while work:
        a = work.pop()
        if a not in live:
            live.add(a)
            work += needs(graph, a)
    return live


def needs(graph: AtomGraph, a: int) -> Iterator[int]:
    """The atoms that an atom reads, in this step or of the last."""
    atom = graph.atoms[a]
    for form in forms_of(atom):
        yield from form.terms
    if atom.of >= 0:
        yield atom.of
    if atom.kind is AtomKind.STATE:
        lanes = graph.groups[atom.group].lanes
        for form in forms_of(lanes[atom.lane]):
            yield from form.terms
        yield from (lanes[i].atom for i in lanes[atom.lane].row if lanes[i].atom >= 0)
