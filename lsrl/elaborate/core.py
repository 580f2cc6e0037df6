"""The state of an elaboration, and the typed building blocks that expressions are made of.

A value that could not be built is `None`; whatever uses it is `None` too, without a further
message, so that one mistake is reported once and the rest of the program is still checked.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import numpy as np

from ..errors import Diagnostic
from ..ir.builder import Builder, fold
from ..ir.nodes import Node, Output, State
from ..ir.types import BOOL, REAL, UNKNOWN, ZERO, Kind, Type, join_kinds, join_shapes, plain
from ..source import Span

MAX_SIZE = 1 << 18  # elements of a vector
MAX_MATRIX = 1 << 20  # entries of a matrix
MAX_NODES = 250_000
MAX_DIGITS = 4096  # bits of a constant
MIN_FLOAT, MAX_FLOAT = sys.float_info.min, sys.float_info.max

Ref = int | None


class TooLarge(Exception):
    """The program grew past what one machine should be asked to hold; already reported."""


class Elaborator:
    """One round of elaboration: the graph so far, the problems so far, where we are."""

    def __init__(self, assumed: dict[str, Type], length: int) -> None:
        self.build = Builder()
        self.assumed = dict(assumed)
        self.expected: dict[Hashable, list[Type | None]] | None = None if assumed else {}
        self.found: dict[str, Type] = {}
        self.length = length
        self.problems: dict[tuple[str, int, str], Diagnostic] = {}
        self.deferred: list[Callable[[], None]] = []
        self.calls: list[tuple[str, Span, bool]] = []  # name, place, whether of the library
        self.busy: list[tuple[str, Span]] = []
        self.counters: dict[str, int] = {}
        self.names: list[tuple[str, int]] = []
        self.assumes: list[Output] = []
        self.members: dict[str, Type] = {}
        self.guessed = False  # a size that is not known yet was taken as a scalar's
        self.revise = False  # the round before guessed: a state's size may change once more

    # Problems

    def error(self, code: str, span: Span | None, message: str, help: str = "") -> None:
        """Report a problem; inside the library, at the user's call."""
        name, span = self._user_call(span)
        message = f"in `{name}`: {message}" if name else message
        key = (code, span.start if span else -1, message)
        self.problems.setdefault(key, Diagnostic(code, message, span, help))

    def _user_call(self, span: Span | None) -> tuple[str, Span | None]:
        """For a place in the library: the call in the user's program, and the function's name."""
        if span is not None and span.source.name == "<std>":
            for name, place, _ in reversed(self.calls):
                if place.source.name != "<std>":
                    return name, place
        return "", span

    @contextmanager
    def calling(self, name: str, span: Span, library: bool) -> Iterator[None]:
        self.calls.append((name, span, library))
        try:
            yield
        finally:
            self.calls.pop()

    @contextmanager
    def trial(self) -> Iterator[None]:
        """Whatever is made, found or reported inside is dropped at the end, but for what is too
        large."""
        lists: list[list[Any]] = [self.build.states, self.deferred, self.names, self.assumes]
        sizes = [len(x) for x in lists]
        nodes, asked = len(self.build.nodes), self.build.asked
        kept = dict(self.found), dict(self.counters), self.guessed
        problems = dict(self.problems)
        try:
            yield
        except TooLarge:  # it ends the round, and its message is why
            problems = self.problems
            raise
        finally:
            self.build.drop_from(nodes, asked)
            for x, size in zip(lists, sizes, strict=True):
                del x[size:]
            self.found, self.counters, self.guessed = kept
            self.problems = problems

    # Names of states and of values inside functions

    def fresh(self, name: str) -> str:
        """`name`, `name#2`, `name#3`: the same in each round."""
        found = self.upcoming(name)
        self.counters[name] = self.counters.get(name, 0) + 1
        return found

    def upcoming(self, name: str) -> str:
        """What `fresh` gives next."""
        count = self.counters.get(name, 0) + 1
        return name if count == 1 else f"{name}#{count}"

    # Nodes

    def type(self, node: int) -> Type:
        return self.build.nodes[node].type

    def node(self, ref: int) -> Node:
        return self.build.nodes[ref]

    def is_const(self, ref: int) -> bool:
        return self.build.nodes[ref].op == "const"

    def emit(
        self, op: str, args: Sequence[int], attrs: tuple[Any, ...] = (), span: Span | None = None
    ) -> int:
        """Append an operation, or its value where all operands are constant."""
        self.check_growth(span)
        span = self._user_call(span)[1]
        result = self.build.emit(op, args, attrs, span)
        if result == len(self.build.nodes) - 1 and self.is_const(result):
            self.check_constant(self.node(result).attrs[0], span)
        return result

    def check_growth(self, span: Span | None) -> None:
        if self.build.asked > MAX_NODES:
            message = f"the program has more than {MAX_NODES:,} operations"
            self.error("E310", span, message, "use smaller sizes")
            raise TooLarge

    def unknown(self, type: Type = UNKNOWN, shape: tuple[int, ...] | None = None) -> int:
        """A stand-in for a value that a later round will know."""
        return self.build.add(Node("unknown", (), type.with_shape(shape)))

    def number(self, value: int | Fraction | float, span: Span | None = None) -> int:
        """A constant number; the literal 0 is the zero of any type."""
        if isinstance(value, float):
            return self.build.const(value, REAL, span)
        if value == 0:
            return self.build.const(0, ZERO, span)
        kind = Kind.INT if Fraction(value).denominator == 1 else Kind.REAL
        return self.build.const(value, plain(kind, ()), span)

    def constant(self, array: Any, span: Span | None, kind: Kind | None = None) -> int:
        """A constant from an object array; its kind follows from its elements."""
        values = np.asarray(array, dtype=object)
        flat: list[Any] = list(values.reshape(-1))
        kind = kind or kind_of(flat)
        self.check_constant(flat, span)
        return self.build.const(values, Type(kind, values.shape), span)

    # Conversions

    def widen(self, ref: int, shape: tuple[int, ...] | None, span: Span | None) -> int:
        """A scalar as a vector of that shape."""
        have = self.type(ref).shape
        if shape is None or have is None or have == shape or have != ():
            return ref
        if len(shape) == 2:
            values = np.broadcast_to(self.node(ref).values, shape)
            return self.build.const(values, self.type(ref).with_shape(shape), span)
        return self.emit("broadcast", [ref], (shape[0],), span)

    def as_number(self, ref: Ref, span: Span | None, what: str) -> Ref:
        """A boolean becomes 0 or 1; an enumeration is an error."""
        if ref is None:
            return None
        type = self.type(ref)
        if type.kind is Kind.ENUM:
            self.error(
                "E304", span, f"{what} needs numbers, but this is one of {type.with_shape(())}",
                "compare it with `==`, or use it as an index",
            )  # fmt: skip
            return None
        if type.kind is Kind.BOOL:
            return self.emit("number", [ref], (), span)
        return ref

    def as_bool(self, ref: Ref, span: Span | None, what: str) -> Ref:
        if ref is None:
            return None
        type = self.type(ref)
        if type.kind is Kind.BOOL:
            return ref
        if type.kind is Kind.ZERO:
            return self.convert(ref, BOOL, span)
        self.error(
            "E305", span, f"{what} needs a boolean, but this is {article(type)}",
            "compare it with something, as in `x == 1` or `x > 0`",
        )  # fmt: skip
        return None

    def convert(self, ref: int, kind: Type, span: Span | None) -> int:
        """The same value as an element of a wider kind (see `join_kinds`)."""
        type = self.type(ref)
        if type.kind is kind.kind:
            return ref
        target = kind.with_shape(type.shape)
        if self.is_const(ref):
            node = self.node(ref)
            values = node.attrs[0][0] if type.shape == () else node.values
            return self.build.const(values, target, span)
        if type.kind is Kind.BOOL:
            return self.emit("number", [ref], (), span)
        return ref

    def align(self, refs: Sequence[Ref], spans: Sequence[Span], what: str) -> list[int] | None:
        """Operands of one element-by-element operation, widened to one shape."""
        if None in refs:
            return None
        known = [r for r in refs if r is not None]
        shapes = [self.type(r).shape for r in known]
        shape: Any = shapes[0]
        if shape is not None and len(shape) < 2 and shapes.count(shape) == len(shapes):
            return known
        for ref, span in zip(known[1:], spans[1:], strict=True):
            shape_of = self.type(ref).shape
            joined = join_shapes(shape, shape_of)
            if joined is False:
                self._mismatch(shape, shape_of, span, what)
                return None
            shape = joined
        self.guessed |= shape is None
        if shape is not None and len(shape) == 2 and not all(self.is_const(r) for r in known):
            self.error(
                "E306", spans[0], f"{what} cannot take a matrix and a value of the run",
                "`A @ v` multiplies a constant matrix with a vector",
            )  # fmt: skip
            return None
        return [self.widen(r, shape, s) for r, s in zip(known, spans, strict=True)]

    def _mismatch(self, a: Any, b: Any, span: Span, what: str) -> None:
        self.error(
            "E301", span, f"{what}: sizes {sized(a)} and {sized(b)} do not match",
            "operands must have equal sizes, or one of them must be a scalar",
        )  # fmt: skip

    def operate(self, op: str, refs: list[int], span: Span) -> int:
        """Emit an operation on aligned operands, folding matrices at once."""
        shape = self.type(refs[0]).shape
        if shape is not None and len(shape) == 2:
            return self.constant(fold(op, (), [self.node(r) for r in refs]), span)
        return self.emit(op, refs, (), span)

    def check_constant(self, values: Sequence[Any], span: Span | None) -> None:
        """Report a computed constant that float64 cannot hold, or that has too many digits."""
        for value in values:
            if isinstance(value, int) and -(1 << 64) < value < 1 << 64:
                continue
            size = abs(value)
            if not (size == 0 or MIN_FLOAT <= size <= MAX_FLOAT):
                message = "this constant is outside of what float64 can hold"
                self.error("E311", span, message, "keep it between 1e-307 and 1e308")
                raise TooLarge
            if isinstance(value, Fraction) and value.denominator.bit_length() > MAX_DIGITS:
                self.error("E311", span, "this constant has too many digits", "use a simpler one")
                raise TooLarge

    def join(self, refs: Sequence[int], spans: Sequence[Span], what: str) -> list[int] | None:
        """Operands converted to their common kind."""
        types = [self.type(r) for r in refs]
        if all(t.kind is types[0].kind and t.members == types[0].members for t in types):
            return list(refs)
        kind: Type | None = types[0].with_shape(())
        for type, span in zip(types[1:], spans[1:], strict=True):
            before = kind
            kind = join_kinds(before, type) if before else None
            if kind is None:
                a, b = before, type.with_shape(())
                help = "both must be numbers, or of one enumeration"
                self.error("E304", span, f"{what}: {a} and {b} have nothing in common", help)
                return None
        assert kind is not None
        return [self.convert(r, kind, s) for r, s in zip(refs, spans, strict=True)]

    # Constants

    def const_int(self, ref: Ref, span: Span, what: str) -> int | None:
        """The value of a constant integer (a size, an index, a modulus), or None with an error."""
        if ref is None:
            return None
        node = self.node(ref)
        if node.op != "const" or node.type.shape != ():
            help = "it must be known when the program is compiled: a number or a `param`"
            self.error("E302", span, f"{what} must be a constant scalar", help)
            return None
        value = node.attrs[0][0]
        if node.type.kind is Kind.ENUM:
            message = f"{what} must be an integer, but this is one of {node.type}"
            self.error("E304", span, message, "write an integer")
            return None
        if isinstance(value, float) or value != int(value):
            message = f"{what} must be an integer, not {show(value)}"
            self.error("E302", span, message, "write an integer")
            return None
        return int(value)

    def check_size(self, size: int, span: Span, what: str) -> bool:
        """False, with an error, for a size that no vector can have."""
        if size < 1:
            self.error("E303", span, f"{what} is {size}", "sizes start at 1")
        elif size > MAX_SIZE:
            help = f"the largest vector has {MAX_SIZE:,} elements"
            self.error("E310", span, f"{what} is {size:,}", help)
        return 1 <= size <= MAX_SIZE

    # States

    def new_state(self, key: str, type: Type, span: Span) -> tuple[int, int]:
        """Register a state; returns its position and the node that reads its previous value."""
        position = len(self.build.states)
        span = self._user_call(span)[1] or span
        self.build.states.append(State(key, type, (), -1, span))
        prev = self.build.add(Node("prev", (), type, (position,), span))
        return position, prev

    def close_state(self, position: int, init: int, next: int) -> None:
        """Set a state's initial value and the node of its next one."""
        state = self.build.states[position]
        values = self.node(init).attrs[0] if self.type(init).shape is not None else ()
        if len(values) == 1 and state.type.size > 1:
            values = values * state.type.size
        self.build.states[position] = State(state.name, state.type, values, next, state.span)


def kind_of(values: Any) -> Kind:
    """The smallest kind that holds these constants."""
    if all(isinstance(v, bool | np.bool_) for v in values):
        return Kind.BOOL
    others = [v for v in values if not isinstance(v, int)]
    if any(isinstance(v, float) or Fraction(v).denominator != 1 for v in others):
        return Kind.REAL
    return Kind.INT if any(values) else Kind.ZERO


def sized(shape: tuple[int, ...] | None) -> str:
    """A shape in words."""
    if not shape:
        return "1 (a scalar)"
    return " x ".join(map(str, shape))


def show(value: int | Fraction | float) -> str:
    """A number for a message."""
    number = float(value)
    return str(int(value)) if number.is_integer() and abs(number) < 1e15 else f"{number:.10g}"


def article(type: Type) -> str:
    """A type in words, for messages."""
    words = {Kind.ZERO: "an integer", Kind.INT: "an integer", Kind.REAL: "a real number"}
    words |= {Kind.BOOL: "a boolean"}
    word = words.get(type.kind, f"one of {type.with_shape(())}")
    if type.shape and len(type.shape) == 2:
        return f"a matrix ({sized(type.shape)})"
    if not type.shape:
        return word
    one, _, noun = word.partition(" ")
    return f"a vector of {type.with_shape(())}" if one == "one" else f"a vector of {noun}s"
