"""Words that several views share: numbers, affine forms, places, aligned columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from ..lower.atoms import Form
from ..lower.coefficients import Coefficient
from ..lower.residual import graph as residual
from ..lower.units.ops import OPS
from ..source import Span

MOST_TERMS = 6  # of a form that is cut short
LONG = 200  # characters of a cell up to which what is after it is aligned


def number(value: Any) -> str:
    """`3`, `1/3`, `0.25`."""
    if isinstance(value, Fraction) and value.denominator & (value.denominator - 1) == 0:
        value = float(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.7g}" if isinstance(value, float) else str(value)


def affine(terms: Iterable[tuple[str, Coefficient]], const: Coefficient) -> str:
    """`a1 - 26 a2 + 3`."""
    out = ""
    for name, c in [*terms, ("", const)]:
        if c == 0:
            continue
        size = number(abs(c)) + " " if abs(c) != 1 or not name else ""
        sign = ("-" if c < 0 else "") if not out else (" - " if c < 0 else " + ")
        out += f"{sign}{size}{name}".rstrip()
    return out or "0"


def form(f: Form, name: Callable[[int], str] = "a{}".format) -> str:
    """An affine form over atoms, `a7 + 2 a9 - 1`."""
    return affine([(name(a), c) for a, c in sorted(f.terms.items())], f.const)


def short(f: Form) -> str:
    """A form as `form` has it; of many terms the first ones and the last."""
    terms = sorted(f.terms.items())
    if len(terms) <= MOST_TERMS:
        return form(f)
    named = [(f"a{a}", c) for a, c in terms]
    first, last = affine(named[: MOST_TERMS - 2], 0), affine(named[-1:], f.const)
    sign = "- " if last.startswith("-") else "+ "
    return f"{first} + ... {sign}{last.removeprefix('-')}"


ROLES = ("z", "f", "i", "g", "n", "r", "l", "a", "o", "m", "s", "closed",  # as in ops.py's formulas
         residual.VALUE, residual.FACTOR, residual.WHEN)  # fmt: skip


def in_order(args: Iterable[str]) -> list[str]:
    """The roles of an operation's arguments as people read them."""
    return sorted(args, key=ROLES.index)


def applied(op: str, args: Mapping[str, str], constants: Mapping[str, Coefficient]) -> str:
    """An operation of a gated machine: `cell(f: open, g: x0 - 0.5)`. Of the `constants` those of
    gates are open or shut."""
    words = []
    for role in in_order(args):
        is_gate = role in constants and role in OPS[op].gates and role != "closed"
        state = "open" if is_gate and constants[role] > 0 else "shut"
        words.append(f"{role}: {state if is_gate else args[role]}")
    return f"{op}({', '.join(words)})"


def channel(op: str, args: Mapping[str, str], lag: int, rate: Fraction, margins: bool) -> str:
    """An operation of a residual machine: `decay(r0, 0.9)`, `latch(r0 when u1 > 0)`.

    `margins`: a condition is the sign of a number, else a number that is 0 or 1.
    """
    value, factor, when = (args.get(r) for r in (residual.VALUE, residual.FACTOR, residual.WHEN))
    if op == residual.PASS:
        return str(value)
    if factor is not None:
        return f"{value} * {factor}"
    words = str(value)
    if op == residual.DELAY:
        words += f", {lag}"
    if rate != 1 and op != residual.FADE:
        words += f", {number(float(rate))}"
    if op == residual.FADE:
        words += f", as {when}"
    elif when is not None:
        words += f" when {when}{' > 0' if margins else ''}"
    if op == residual.SIGNED:
        op = "signed sum" if rate == 1 else "signed decay"
    return f"{op}({words})"


def operand(text: str, rectified: bool, low: float, product: bool = False) -> str:
    """What a channel takes in; as a ReLU of it where that is not the same."""
    if rectified and low < 0:
        return f"relu({text})"
    return f"({text})" if product else text


def form_data(f: Form) -> dict[str, Any]:
    """The same as plain data; coefficients exact, as text where they are no integers."""
    terms = {f"a{a}": exact(c) for a, c in sorted(f.terms.items())}
    return {"terms": terms, "const": exact(f.const)}


def exact(value: Coefficient) -> int | str:
    """A rational for JSON."""
    return int(value) if value == int(value) else str(value)


def place(span: Span | None) -> str:
    """`file:line`, or nothing."""
    return f"{span.source.name}:{span.line}" if span is not None else ""


def place_data(span: Span | None) -> dict[str, Any]:
    """File, line and column for JSON; nothing where there is no place."""
    if span is None:
        return {}
    return {"file": span.source.name, "line": span.line, "column": span.column}


def extent(lo: float, hi: float, step: Fraction | None) -> str:
    """`0..26 integer`, `0..1 real`, `0..2 by 1/2`."""
    kind = "real" if step is None else "integer" if step.denominator == 1 else f"by {step}"
    return f"{number(lo)}..{number(hi)} {kind}"


def columns(rows: Sequence[Sequence[str]], indent: str = "  ") -> list[str]:
    """Rows as lines with their cells aligned to the left. What is after a long cell is not: lines
    of a large program would be as long as its longest."""
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    widths = [min(w, LONG) for w in widths]
    return [
        (indent + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True))).rstrip()
        for row in rows
    ]
