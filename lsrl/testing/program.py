"""Whole programs: inputs, parameters and types, then definitions, assumptions and outputs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from ..ir.types import Kind
from . import builtins, functions, library, states  # noqa: F401  (their rules)
from . import values as v
from .choices import Choices, Seeded
from .inputs import Array, Column, Repair, sample
from .values import Matrix, Reject, Value, integer
from .writer import Settings, Writer

MEMBERS = (("red", "green", "blue"), ("left", "right"), ("low", "mid", "high", "top"))
TYPES = ("colour", "side", "level")
LENGTHS = (8, 4, 12, 1, 2, 24, 40)


@dataclass(frozen=True)
class Generated:
    """A well-typed program and a batch of inputs for it.

    `inputs` has an array `[B, T]` or `[B, T, d]` for each field (bool, else float64), of the
    declared types, meeting the program's assumptions, and T at most `length`.
    """

    source: str
    inputs: dict[str, Array]
    length: int

    def __str__(self) -> str:
        arrays = "".join(f"{k}: {a.astype(float).tolist()}\n" for k, a in self.inputs.items())
        return f"{self.source}\n{arrays}"


@dataclass
class _Draft:
    """The sections of a program."""

    writer: Writer
    head: list[str] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)
    repairs: list[Repair] = field(default_factory=list)
    assumes: list[str] = field(default_factory=list)


def generate(choices: Choices | int, *, linear_rnn: bool = False, most: int = 9) -> Generated:
    """A program of at most `most` definitions from a source of choices, or from a seed.

    `linear_rnn`: only what the target `linear-rnn` is meant to hold.
    """
    choices = Seeded(choices) if isinstance(choices, int) else choices
    length = choices.pick(LENGTHS)
    draft = _Draft(Writer(choices, Settings(linear_rnn, length)))
    _types(draft)
    _params(draft)
    _inputs(draft)
    _assume(draft)
    _definitions(draft, most)
    w = draft.writer
    outputs = _outputs(w)
    lines = choices.shuffled(w.lines) if choices.chance(15) else w.lines
    head = ['"""A generated program."""'] if choices.chance(10) else []
    parts = [*head, f"length <= {length}", *draft.head, *w.functions, *lines, *draft.assumes]
    source = "\n".join([*parts, *outputs]) + "\n"
    steps = length if choices.chance(40) else choices.integer(1, length)
    rng = np.random.default_rng(choices.integer(0, 2**16))
    batch = sample(rng, draft.columns, draft.repairs, batch=choices.integer(2, 6), steps=steps)
    return Generated(source, batch, length)


# Declarations


def _types(draft: _Draft) -> None:
    w = draft.writer
    for members, name in zip(MEMBERS, TYPES, strict=True):
        if w.choices.chance(25):
            inline = "{" + ", ".join(members) + "}"
            if w.choices.chance(60):
                draft.head.append(f"type {name} = {inline}")
                w.settings.types[members] = name
            else:
                w.settings.types[members] = inline


def _params(draft: _Draft) -> None:
    w = draft.writer
    if w.choices.chance(30):
        n = w.choices.integer(1, 4)
        bounds = " in 1..9" if w.choices.chance(30) else ""
        _constant(draft, "n", "int", integer(str(n), n, n), bounds)
    if w.choices.chance(15):
        _constant(draft, "gain", "real", w.decimal())
    if w.choices.chance(10):
        w.constants.append(Value("on", Kind.BOOL))
        draft.head.append(f"param on: bool = {w.choices.pick(['true', 'false'])}")
    if w.choices.chance(15):
        n = w.choices.integer(1, 3)
        weights = w.filled(n, lambda: w.choices.pick([w.decimal, w.whole])())
        draft.head.append(f"param weights: real[{n}] = {weights.text}")
        w.vectors.append(replace(weights.renamed("weights"), kind=Kind.REAL, step=None))
    if w.choices.chance(15):
        rows, n = w.choices.integer(1, 3), w.choices.integer(1, 3)
        matrix = w.filled(rows, lambda: w.filled(n, lambda: w.whole(-1, 2)))
        draft.head.append(f"param mixing: int[{rows}, {n}] = {matrix.text}")
        w.matrices.append(Matrix("mixing", rows, n, n * matrix.most, Fraction(1)))


def _constant(draft: _Draft, name: str, type: str, value: Value, bounds: str = "") -> None:
    draft.head.append(f"param {name}: {type}{bounds} = {value.text}")
    draft.writer.constants.append(replace(value.renamed(name), level=v.ATOM))


def _inputs(draft: _Draft) -> None:
    w = draft.writer
    for k in range(w.choices.pick([1, 2, 2, 3])):
        name = f"x{k + 1}"
        size = w.choices.integer(1, 3) if w.choices.chance(25) else None
        kinds = [Kind.BOOL, Kind.INT, Kind.REAL, Kind.INT]
        kinds += [Kind.ENUM] * 2 if w.settings.types else []
        value, bounds = _field(w, name, size, w.choices.pick(kinds))
        sized = "" if size is None else f"[{size}]"
        draft.head.append(f"input {name}: {bounds[0]}{sized}{bounds[1]}")
        draft.columns.append(Column(name, value.kind, size, value.lo, value.hi))
        w.add(value)


def _field(w: Writer, name: str, size: int | None, kind: Kind) -> tuple[Value, tuple[str, str]]:
    """An input, and its type as it stands before and after the size."""
    if kind is Kind.BOOL:
        return Value(name, kind, size), ("bool", "")
    if kind is Kind.ENUM:
        members = w.choices.pick(list(w.settings.types))
        value = Value(name, kind, size, 0, len(members) - 1, members=members)
        return value, (w.settings.types[members], "")
    lo, hi = w.choices.pick([(0, 1), (0, 3), (-2, 2), (0, 9), (-7, 0), (3, 5), (1, 2), (-1, 1)])
    if kind is Kind.INT:
        if not w.linear and w.choices.chance(10):
            lo, hi = -100, 1000
        return integer(name, lo, hi, size=size), ("int", f" in {lo}..{hi}")
    if w.choices.chance(30):
        value = Value(name, kind, size, lo - 0.5, hi + 0.25, None)
        return value, ("real", f" in {lo - 0.5}..{hi + 0.25}")
    return Value(name, kind, size, lo, hi, None), ("real", f" in {lo}..{hi}")


def _assume(draft: _Draft) -> None:
    w = draft.writer
    if not w.choices.chance(25):
        return
    for c in draft.columns:
        if c.size is not None or c.kind is Kind.ENUM:
            continue
        if c.kind is Kind.BOOL:
            text, repair = w.choices.pick([
                (f"not ({c.name} and prev({c.name}))", Repair(c.name, "sparse")),
                (f"accumulate({c.name}) <= 2", Repair(c.name, "few", 2)),
                (f"first() or not {c.name}", Repair(c.name, "at start")),
            ])  # fmt: skip
        elif c.hi - c.lo >= 2:
            top = int(c.hi) - 1
            text, repair = f"{c.name} <= {top}", Repair(c.name, "at most", top)
        else:
            continue
        draft.assumes.append(f"assume {text}")
        draft.repairs.append(repair)
        return


# Definitions and outputs


def _definitions(draft: _Draft, most: int) -> None:
    w = draft.writer
    for _ in range(w.choices.integer(2, most)):
        try:
            w.write()
        except Reject:
            continue


def _outputs(w: Writer) -> list[str]:
    """What nothing else uses, up to four of them; the last without a name now and then."""
    inputs = [n for n in w.names if n.text[0] == "x"]
    found = [n for n in w.unused if n not in inputs][-4:] or w.names[-1:]
    lines = []
    for k, value in enumerate(reversed(found)):
        name = w.fresh("y")
        plain, typed = f"output {value.text}", f"output {name}{w.annotation(value)} = {value.text}"
        named = f"output {name} = {value.text}"
        lines.append(w.choices.pick([plain, named, named, typed]))
        if k == 0 and w.choices.chance(20):
            negated = {Kind.BOOL: f"not {value.text}", Kind.ENUM: value.text}
            lines[-1] = f"output {negated.get(value.kind, f'-{value.text}')}"
    return lines
