"""The program IR: typed dataflow over vectors, in static single assignment, frozen.

A `Graph` holds its nodes in topological order; an operand is the index of an earlier node. The one
way back in time is the `prev` node, which reads a state's value of the step before; each state
names the node of its next value. `networkx` views are derived from this (`ir/view.py`), never the
other way round: a node keeps its operands in order.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np

from ..records import record
from ..source import Span
from .types import Type

Scalar = int | float | bool | Fraction
Values = tuple[Scalar, ...]


@dataclass(frozen=True)
class OpInfo:
    """How many operands an operation takes (None: any number), its attributes, its meaning."""

    arity: int | None
    attrs: tuple[str, ...]
    doc: str


OPS: dict[str, OpInfo] = {
    "const": OpInfo(0, ("values",), "a constant, its elements in row-major order"),
    "input": OpInfo(0, ("name",), "a field of this step's element"),
    "prev": OpInfo(0, ("state",), "a state's value one step ago (its init at step 0)"),
    "bound": OpInfo(1, ("name", "lo", "hi"), "the operand, promised to lie in lo..hi"),
    "promise": OpInfo(2, ("name",), "the first, promised to lie between 0 and the second's range"),
    "number": OpInfo(1, (), "a boolean as 0 or 1"),
    "units": OpInfo(1, ("step",), "a value on the lattice of `step`, as a multiple of it"),
    "neg": OpInfo(1, (), "-a"),
    "add": OpInfo(2, (), "a + b"),
    "sub": OpInfo(2, (), "a - b"),
    "mul": OpInfo(2, (), "a * b"),
    "div": OpInfo(2, (), "a / b, b a constant or an integer that is never 0"),
    "mod": OpInfo(1, ("m",), "a mod m, in 0..m-1"),
    "floordiv": OpInfo(1, ("m",), "floor(a / m)"),
    "matvec": OpInfo(1, ("rows",), "constant matrix times vector"),
    "lt": OpInfo(2, (), "a < b"),
    "le": OpInfo(2, (), "a <= b"),
    "eq": OpInfo(2, (), "a == b"),
    "ne": OpInfo(2, (), "a != b"),
    "and": OpInfo(None, (), "conjunction"),
    "or": OpInfo(None, (), "disjunction"),
    "not": OpInfo(1, (), "negation"),
    "select": OpInfo(3, (), "b where a else c"),
    "relu": OpInfo(1, (), "max(a, 0)"),
    "abs": OpInfo(1, (), "|a|"),
    "max": OpInfo(2, (), "the larger"),
    "min": OpInfo(2, (), "the smaller"),
    "sum": OpInfo(1, (), "sum of a vector's elements"),
    "all": OpInfo(1, (), "conjunction of a vector's elements"),
    "any": OpInfo(1, (), "disjunction of a vector's elements"),
    "vmax": OpInfo(1, (), "largest element of a vector"),
    "vmin": OpInfo(1, (), "smallest element of a vector"),
    "argmax": OpInfo(1, (), "index of the first largest element of a vector"),
    "concat": OpInfo(None, (), "scalars and vectors one after the other"),
    "take": OpInfo(1, ("indices",), "the elements at constant positions"),
    "broadcast": OpInfo(1, ("n",), "a scalar, n times"),
    "index": OpInfo(2, (), "element b of vector a, b known at run time"),
    "table": OpInfo(
        1, ("values", "width", "element"), "row a of a constant table (width 0: scalars)"
    ),
}

COMPARISONS = frozenset({"lt", "le", "eq", "ne"})


@record()
class Node:
    """One operation: `args` are indices of earlier nodes, `attrs` as `OPS[op].attrs` names them."""

    op: str
    args: tuple[int, ...]
    type: Type
    attrs: tuple[Any, ...] = ()
    span: Span | None = field(default=None, compare=False, repr=False)

    @property
    def values(self) -> np.ndarray[Any, Any]:
        """A constant's elements as an object array of the node's shape."""
        array = np.empty(len(self.attrs[0]), dtype=object)
        array[:] = self.attrs[0]
        return array.reshape(self.type.shape)


@dataclass(frozen=True)
class Field:
    """An input field: its type and bounds (codes for an enumeration)."""

    name: str
    type: Type
    lo: Fraction
    hi: Fraction
    span: Span | None = field(default=None, compare=False, repr=False)


@record()
class State:
    """A state: `init` has one number an element, `next` is the node of its new value."""

    name: str
    type: Type
    init: Values
    next: int
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Output:
    name: str
    node: int
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Graph:
    """A whole program. `found`: what analyses found of it, so that each looks once."""

    nodes: tuple[Node, ...]
    states: tuple[State, ...]
    inputs: tuple[Field, ...]
    outputs: tuple[Output, ...]
    assumes: tuple[Output, ...] = ()
    names: tuple[tuple[str, int], ...] = ()
    length: int = 1024
    found: dict[str, Any] = field(default_factory=dict, init=False, compare=False, repr=False)

    def replace(self, **changes: Any) -> Graph:
        return replace(self, **changes)

    def field(self, name: str) -> Field:
        """The input field of that name."""
        return next(f for f in self.inputs if f.name == name)

    def roots(self) -> list[int]:
        """Nodes that must be kept: outputs, assumes, next values."""
        return [o.node for o in (*self.outputs, *self.assumes)] + [s.next for s in self.states]
