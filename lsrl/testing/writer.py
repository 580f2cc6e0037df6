"""A program as it is being written: its lines, its names, and operands for the next expression."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction

from ..ir.types import Kind
from . import values as v
from .choices import Choices
from .values import Matrix, Reject, Value, integer, literal, truth

LIMIT = 2.0**20  # the largest magnitude of a value
LINEAR_LIMIT = 2.0**10  # for `linear-rnn`, so that products and tables stay small
MAX_DEPTH = 2
MAX_SIZE = 6

Test = Callable[[Value], bool]
FUNCTIONS = (
    ("sqrt(2)", 1.42), ("sin(1)", 0.85), ("cos(pi)", -1.0), ("exp(0.5)", 1.65), ("log(3)", 1.1),
    ("floor(2.7)", 2.0), ("ceil(-1.2)", -1.0), ("pi", 3.15),
)  # fmt: skip
DECIMALS = ("0.5", "0.25", "1.5", "-0.75", "0.1", "2.5", "-1.25", "0.3", "0.125", "-0.6")


@dataclass
class Settings:
    """What all parts of a program share."""

    linear: bool
    length: int
    functions: bool = True
    counter: int = 0
    used: set[str] = field(default_factory=set)
    types: dict[tuple[str, ...], str] = field(default_factory=dict)

    @property
    def limit(self) -> float:
        return LINEAR_LIMIT if self.linear else LIMIT


class Writer:
    """One scope: the program, or a function's body."""

    def __init__(self, choices: Choices, settings: Settings) -> None:
        self.choices, self.settings = choices, settings
        self.lines: list[str] = []
        self.functions: list[str] = []
        self.names: list[Value] = []
        self.constants: list[Value] = []
        self.vectors: list[Value] = []
        self.matrices: list[Matrix] = []
        self.unused: list[Value] = []
        self.depth = 0

    @property
    def length(self) -> int:
        return self.settings.length

    @property
    def linear(self) -> bool:
        return self.settings.linear

    # Names

    def fresh(self, prefix: str) -> str:
        self.settings.counter += 1
        return f"{prefix}{self.settings.counter}"

    def add(self, value: Value) -> Value:
        """A new name for other expressions to use."""
        self.names.append(value)
        self.unused.append(value)
        return value

    def take(self, value: Value) -> Value:
        self.unused = [u for u in self.unused if u.text != value.text]
        return value

    def checked(self, value: Value) -> Value:
        """The value, if its range and size are within bounds."""
        if not (math.isfinite(value.most) and value.most <= self.settings.limit):
            raise Reject
        if value.size is not None and not 1 <= value.size <= MAX_SIZE:
            raise Reject
        return value

    def expression(self) -> Value:
        """Any expression, made by one rule."""
        from .rules import any_rule

        return any_rule(self)

    def write(self) -> Value:
        """One more definition or state."""
        value = self.expression()
        if value.text.isidentifier():  # a state, which has its line already
            return self.add(value)
        name = self.fresh("v")
        type = self.annotation(value) if self.choices.chance(15) else ""
        self.lines.append(f"{name}{type} = {value.text}")
        return self.add(value.renamed(name))

    def annotation(self, value: Value) -> str:
        """A type that the value surely has, as `: int[2] in 0..9`."""
        size = "" if value.size is None else f"[{value.size}]"
        if value.kind is Kind.ENUM:
            return f": {self.settings.types[value.members]}{size}"
        if value.kind is Kind.BOOL:
            return f": bool{size}"
        lo, hi = math.floor(value.lo), math.ceil(value.hi)
        if value.kind is Kind.INT and self.choices.chance(70):
            return f": int{size} in {lo}..{hi}"
        return f": real{size} in {lo - 1}..{hi + 1}"

    # Operands

    def find(self, test: Test, nested: bool = True) -> Value | None:
        """A name that passes the test (an element of a vector may), or a nested expression."""
        if nested and self.depth < MAX_DEPTH and self.choices.chance(15):
            self.depth += 1
            try:
                value = self.expression()
                if test(value):
                    return value
            except Reject:
                pass
            finally:
                self.depth -= 1
        found = [n for n in self.names if test(n)]
        if found:
            # The latest names and those that nothing uses are preferred: programs hang together.
            fresh = [n for n in found if n in self.unused]
            pool = fresh if fresh and self.choices.chance(60) else found
            return self.take(self.choices.pick(pool))
        return self._element(test)

    def _element(self, test: Test) -> Value | None:
        vectors = [n for n in self.names if n.size is not None and test(n.resized(n.text, None))]
        if not vectors:
            return None
        vector = self.take(self.choices.pick(vectors))
        assert vector.size is not None
        k = self.choices.integer(-1, vector.size - 1)
        return vector.resized(f"{vector.at(v.ATOM)}[{k}]", None)

    def size(self) -> int | None:
        """A size for an expression: that of a name there is, mostly."""
        sizes = [n.size for n in self.names]
        if sizes and not self.choices.chance(25):
            return self.choices.pick(sizes)
        return None if not self.choices.chance(60) else self.choices.integer(1, 3)

    def filled(self, size: int | None, make: Callable[[], Value]) -> Value:
        """A vector of scalars, one by one."""
        if size is None:
            return make()
        items = [make() for _ in range(size)]
        text = "[" + ", ".join(i.text for i in items) + "]"
        steps = [i.step for i in items]
        real = any(i.kind is Kind.REAL for i in items)
        kind = Kind.REAL if real else max((i.kind for i in items), key=_rank)
        return Value(
            text, kind, size, min(i.lo for i in items), max(i.hi for i in items),
            steps[0] if len(set(steps)) == 1 else None if real else Fraction(1), v.ATOM,
        )  # fmt: skip

    def boolean(self, size: int | None = None) -> Value:
        found = self.find(lambda n: n.kind is Kind.BOOL and n.size == size)
        if found is not None:
            return found
        return self.filled(size, self._scalar_bool) if size is not None else self._scalar_bool()

    def _scalar_bool(self) -> Value:
        x = self.find(lambda n: n.is_number and n.size is None, nested=False)
        if x is not None and x.kind is Kind.BOOL:
            return x
        if x is not None:
            op = self.choices.pick(["<", ">=", ">", "<="])
            return truth(f"{x.at(v.SUM)} {op} {self.near(x).text}", v.COMPARE)
        e = self.find(lambda n: n.kind is Kind.ENUM and n.size is None, nested=False)
        if e is None:
            raise Reject
        return truth(f"{e.at(v.SUM)} == {self.choices.pick(e.members)}", v.COMPARE)

    def near(self, x: Value) -> Value:
        """A constant within the range of x."""
        if x.kind is Kind.REAL:
            low, high = math.ceil(x.lo * 8), math.floor(x.hi * 8)
            return literal(Fraction(self.choices.integer(low, max(low, high)), 8))
        return literal(self.choices.integer(math.floor(x.lo), math.ceil(x.hi)))

    def integer(
        self,
        size: int | None = None,
        lo: float = -math.inf,
        hi: float = math.inf,
        width: float = math.inf,
    ) -> Value:
        """An integer (or a boolean) within a range."""
        inside: Test = lambda n: (
            n.is_integer and n.size == size and lo <= n.lo and n.hi <= hi and n.width <= width
        )
        found = self.find(inside)
        if found is not None:
            return found
        if size is not None:
            return self.filled(size, lambda: self.integer(None, lo, hi, width))
        x = self.find(lambda n: n.kind is Kind.INT and n.size is None, nested=False)
        if x is None:
            return self._switched(lo, hi, width)
        low = max(lo, -8.0) if lo > -math.inf else min(max(hi - 3, -3), 0)
        high = min(hi, low + min(width, 9))
        if self.choices.chance(50):
            text, level = f"{x.at(v.PRODUCT)} mod {int(high - low) + 1}", v.PRODUCT
            if low:
                text, level = f"{text} {'+' if low > 0 else '-'} {abs(int(low))}", v.SUM
            return integer(text, low, high, level)
        return integer(f"clamp({x.text}, {int(low)}, {int(high)})", low, high)

    def _switched(self, lo: float, hi: float, width: float) -> Value:
        c = self.boolean()
        low = int(max(lo, -3 if hi == math.inf else hi - 3))
        high = int(min(hi, low + 5, low + width))
        return integer(f"if {c.text} then {high} else {low}", low, high, v.IF)

    def number(self, size: int | None = None, most: float = math.inf) -> Value:
        """Any number of a magnitude."""
        found = self.find(lambda n: n.is_number and n.size == size and n.most <= most)
        if found is not None:
            return found
        if size is not None:
            return self.filled(size, lambda: self.number(None, most))
        return self.integer(None, -min(most, 8), min(most, 8))

    def real(self, size: int | None = None, most: float = math.inf) -> Value:
        """A real number, or an integer made one."""
        found = self.find(lambda n: n.kind is Kind.REAL and n.size == size and n.most <= most)
        if found is not None:
            return found
        x = self.number(size, most)
        if x.kind is Kind.REAL:
            return x
        ends = x.lo / 2, x.hi / 2
        return Value(f"{x.at(v.PRODUCT)} / 2", Kind.REAL, size, *ends, Fraction(1, 2), v.PRODUCT)

    def like(self, size: int | None) -> Value:
        """A number of that size, or a scalar that broadcasts."""
        return self.number(size if self.choices.chance(75) else None)

    def enum(self, size: int | None = None) -> Value:
        found = self.find(lambda n: n.kind is Kind.ENUM and n.size == size)
        if found is None:
            raise Reject
        return found

    def member(self, enum: Value) -> Value:
        """One member of an enumeration."""
        name = self.choices.pick(enum.members)
        return replace(enum, text=name, size=None, level=v.ATOM)

    # Constants

    def constant(self) -> Value:
        """A constant number: a literal or a parameter."""
        scalars = [c for c in self.constants if c.kind in (Kind.INT, Kind.REAL)]
        if scalars and self.choices.chance(40):
            return self.choices.pick(scalars)
        return self.decimal() if self.choices.chance(40) else self.whole()

    def whole(self, lo: int = -3, hi: int = 5) -> Value:
        """A constant integer."""
        found = [c for c in self.constants if c.kind is Kind.INT and lo <= c.lo <= hi]
        if found and self.choices.chance(50):
            return self.choices.pick(found)
        return literal(self.choices.integer(lo, hi))

    def decimal(self) -> Value:
        """A constant that is no integer."""
        if self.choices.chance(45):
            text, near = self.choices.pick(FUNCTIONS)
            return Value(text, Kind.REAL, None, near, near, None)
        text = self.choices.pick(DECIMALS)
        return replace(literal(Fraction(text)), text=text)

    def initial(self, size: int | None, real: bool) -> Value:
        """An initial value: a scalar that fills, or one constant an element."""

        def make() -> Value:
            return self.decimal() if real and self.choices.chance(40) else self.whole(-2, 3)

        if size is None or self.choices.chance(50):
            return make()
        return self.filled(size, make)


def _rank(kind: Kind) -> int:
    return [Kind.BOOL, Kind.INT, Kind.REAL, Kind.ENUM].index(kind)
