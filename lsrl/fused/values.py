"""Values of an emitted program: the text of an expression, and what is known about it."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..ir.types import Kind, Type

BOOL, INT, REAL = "boolean", "integer", "real"  # the functions that convert to each kind as well
_RANK = {BOOL: 0, INT: 1, REAL: 2}


@dataclass(frozen=True)
class Value:
    """An expression of an array `[B, T]`, or `[d, B, T]` if it is `wide`.

    A vector whose elements are all equal need not be wide. A constant has its elements in
    `constant` (numbers, shape `()` or `[d]`); `simple` text needs no brackets as an operand.
    """

    text: str
    kind: str
    wide: bool = False
    constant: Any = None
    simple: bool = True

    @property
    def operand(self) -> str:
        """The text as part of a larger expression."""
        return self.text if self.simple else f"({self.text})"

    def equals(self, number: float) -> bool:
        """Whether this is a constant all of whose elements are this number."""
        return self.constant is not None and bool(np.all(self.constant == number))


def kind_of(type: Type) -> str:
    """Enumerations are their codes, a literal 0 is an integer until it is converted."""
    if type.kind is Kind.BOOL:
        return BOOL
    return REAL if type.kind is Kind.REAL else INT


def constant(elements: Any, kind: str) -> Value:
    """A constant from its elements, of shape `()` or `[d]`; one number if all are equal."""
    array = np.asarray(elements, dtype=object)
    if array.ndim and all(v == array[0] for v in array):
        array = np.asarray(array[0], dtype=object)
    text = literal(array, kind)
    if array.ndim:
        text = f"constant({text})"
    return Value(text, kind, bool(array.ndim), array, not text.startswith("-"))


def literal(array: Any, kind: str) -> str:
    """Numbers as Python writes them."""
    array = np.asarray(array, dtype=object)
    if array.ndim:
        return "[" + ", ".join(literal(part, kind) for part in array) + "]"
    value = array.item()
    if kind == BOOL:
        return str(bool(value))
    return str(int(value)) if kind == INT else repr(float(value))


def converted(value: Value, kind: str) -> Value:
    """The value in another kind, a wider one (but a literal 0 is the zero of all kinds)."""
    if value.kind == kind:
        return value
    if value.constant is not None:
        return constant(value.constant, kind)
    return Value(f"{kind}({value.text})", kind, value.wide)


def widest(*kinds: str) -> str:
    """The kind that holds them all."""
    return max(kinds, key=_RANK.__getitem__)


def identifier(name: str, taken: set[str]) -> str:
    """A Python name like this one that is not taken; it is then."""
    base = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "value"
    keywords = keyword.iskeyword(base) or keyword.issoftkeyword(base)
    if base[0].isdigit() or keywords or re.fullmatch(r"C\d+", base):  # a constant of the module
        base = f"v_{base}"
    found, k = base, 2
    while found in taken:
        found, k = f"{base}_{k}", k + 1
    taken.add(found)
    return found
