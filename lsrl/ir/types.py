"""Types of values: an element kind and a shape. Ranges are facts found by analyses, not types."""

from __future__ import annotations

from enum import Enum

from ..records import record


class Kind(Enum):
    """Element kinds. `ZERO` is the kind of a literal 0: the zero of any other kind."""

    ZERO = "zero"
    BOOL = "bool"
    INT = "int"
    REAL = "real"
    ENUM = "enum"

    __hash__ = object.__hash__  # each is one object; types are hashed a great deal


_ORDER = {Kind.ZERO: 0, Kind.BOOL: 1, Kind.INT: 2, Kind.REAL: 3}


@record()
class Type:
    """Kind, shape (`()` scalar, `(d,)` vector, `(n, m)` constant matrix), members of an enum.

    `shape` is None only while the type of a state is still being inferred.
    """

    kind: Kind
    shape: tuple[int, ...] | None = ()
    members: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Number of elements."""
        total = 1
        for n in self.shape or ():
            total *= n
        return total

    @property
    def is_scalar(self) -> bool:
        return self.shape == ()

    @property
    def is_number(self) -> bool:
        """True where arithmetic applies (booleans count as 0 and 1)."""
        return self.kind is not Kind.ENUM

    @property
    def is_discrete(self) -> bool:
        """True where values are integers in the machine: everything but reals."""
        return self.kind is not Kind.REAL

    def with_shape(self, shape: tuple[int, ...] | None) -> Type:
        if shape == self.shape:
            return self
        return Type(self.kind, shape, self.members) if self.members else plain(self.kind, shape)

    def with_kind(self, kind: Kind) -> Type:
        return plain(kind, self.shape)

    def __str__(self) -> str:
        base = "{" + ", ".join(self.members) + "}" if self.kind is Kind.ENUM else self.kind.value
        if self.shape is None:
            return base + "[?]"
        return base + ("[" + ", ".join(map(str, self.shape)) + "]" if self.shape else "")


BOOL = Type(Kind.BOOL)
INT = Type(Kind.INT)
REAL = Type(Kind.REAL)
ZERO = Type(Kind.ZERO)
UNKNOWN = Type(Kind.ZERO, None)
_SCALARS = {type.kind: type for type in (BOOL, INT, REAL, ZERO)}


def plain(kind: Kind, shape: tuple[int, ...] | None) -> Type:
    """A type that is no enumeration's; a scalar's is always the same object."""
    return _SCALARS[kind] if shape == () else Type(kind, shape)


def join_kinds(a: Type, b: Type) -> Type | None:
    """The smallest type (scalar) whose kind holds both, or None: zero < bool < int < real."""
    if Kind.ENUM in (a.kind, b.kind):
        if a.kind is b.kind and a.members == b.members:
            return a.with_shape(())
        if Kind.ZERO in (a.kind, b.kind):
            return (a if a.kind is Kind.ENUM else b).with_shape(())
        return None
    return _SCALARS[a.kind if _ORDER[a.kind] >= _ORDER[b.kind] else b.kind]


def join_shapes(
    a: tuple[int, ...] | None, b: tuple[int, ...] | None
) -> tuple[int, ...] | bool | None:
    """Common shape of an element-by-element operation, None if unknown yet, False if none is."""
    if a == b:
        return a
    if a is None or b is None:
        known = a if b is None else b
        return known if known else None
    if a == ():
        return b
    if b == ():
        return a
    return False
