"""Pieces of program text with what the generator knows of them: type, size, range, lattice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from ..ir.types import Kind

# How tightly an expression binds, from loosest to tightest (language.md, "Expressions").
IF, OR, AND, NOT, COMPARE, SUM, PRODUCT, NEGATE, POWER, ATOM = range(10)

MAX_DENOMINATOR = 64  # of lattices that are compared with `==`


class Reject(Exception):
    """This rule cannot be applied here; another one is tried."""


@dataclass(frozen=True)
class Value:
    """An expression. `size` is None for a scalar; `lo..hi` surely holds every element; `step` is a
    lattice that surely does (None: not known)."""

    text: str
    kind: Kind
    size: int | None = None
    lo: float = 0.0
    hi: float = 1.0
    step: Fraction | None = Fraction(1)
    level: int = ATOM
    members: tuple[str, ...] = ()

    def at(self, level: int) -> str:
        """The text as an operand of something that binds at this level."""
        return self.text if self.level >= level else f"({self.text})"

    @property
    def is_number(self) -> bool:
        return self.kind is not Kind.ENUM

    @property
    def is_integer(self) -> bool:
        """An integer, or a boolean as one."""
        return self.kind in (Kind.INT, Kind.BOOL)

    @property
    def width(self) -> float:
        return self.hi - self.lo

    @property
    def most(self) -> float:
        """The largest magnitude."""
        return max(abs(self.lo), abs(self.hi))

    def renamed(self, name: str) -> Value:
        return replace(self, text=name, level=ATOM)

    def resized(self, text: str, size: int | None, level: int = ATOM) -> Value:
        """The same kind of elements in another arrangement."""
        return replace(self, text=text, size=size, level=level)

    def fits(self, other: Value) -> bool:
        """Whether it can stand wherever `other` stands."""
        return (
            (self.kind, self.size, self.members) == (other.kind, other.size, other.members)
            and other.lo <= self.lo
            and self.hi <= other.hi
            and (other.step is None or self.step == other.step)
        )


@dataclass(frozen=True)
class Matrix:
    """A constant matrix. No row's magnitudes add up to more than `most`; `step` is None where it
    has entries that are no integers."""

    text: str
    rows: int
    columns: int
    most: float
    step: Fraction | None


def truth(text: str, level: int, size: int | None = None) -> Value:
    """A boolean expression."""
    return Value(text, Kind.BOOL, size, level=level)


def integer(text: str, lo: float, hi: float, level: int = ATOM, size: int | None = None) -> Value:
    """An integer expression."""
    return Value(text, Kind.INT, size, lo, hi, Fraction(1), level)


def number(
    text: str, parts: tuple[Value, ...], ends: tuple[float, float], level: int,
    size: int | None, step: Fraction | None = Fraction(1),
) -> Value:  # fmt: skip
    """A number made of others: real if one of them is."""
    kind = Kind.REAL if any(p.kind is Kind.REAL for p in parts) else Kind.INT
    if step is not None and step.denominator > MAX_DENOMINATOR:
        step = None
    return Value(text, kind, size, *ends, Fraction(1) if kind is Kind.INT else step, level)


def literal(value: int | Fraction) -> Value:
    """A constant as it is written: integers plain, others as decimals."""
    if isinstance(value, int):
        text = str(value)
        kind = Kind.INT
    else:
        text, kind = repr(float(value)), Kind.REAL
    level = NEGATE if value < 0 else ATOM
    step = abs(Fraction(value))
    return Value(text, kind, None, float(value), float(value), step, level)


def joint_size(*values: Value) -> int | None:
    """The size of an operation element by element; scalars broadcast."""
    sizes = {v.size for v in values if v.size is not None}
    if len(sizes) > 1:
        raise Reject
    return sizes.pop() if sizes else None
