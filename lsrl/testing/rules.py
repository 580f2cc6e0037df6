"""Rules: each makes one expression out of what is there. Plain arithmetic, comparisons, logic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from ..analysis.lattice import gcd
from ..ir.types import Kind
from . import values as v
from .values import Reject, Value, integer, joint_size, number, truth
from .writer import Writer

Build = Callable[[Writer], Value]
TRIES = 12


@dataclass(frozen=True)
class Rule:
    """One way to make an expression; `linear`: the target `linear-rnn` is meant to hold it."""

    name: str
    build: Build
    weight: int
    linear: bool
    states: bool  # may write lines of its own, so it never stands inside of another expression


RULES: list[Rule] = []


def rule(weight: int = 4, *, linear: bool = True, states: bool = False) -> Callable[[Build], Build]:
    """Enter a function into the rules."""

    def enter(build: Build) -> Build:
        RULES.append(Rule(build.__name__.strip("_"), build, weight, linear, states))
        return build

    return enter


def any_rule(w: Writer) -> Value:
    """An expression by any rule that can be applied. Raises `Reject` after some tries."""
    possible = [
        r for r in RULES
        if (r.linear or not w.linear) and not (r.states and w.depth)
        and (w.settings.functions or r.name != "call")
    ]  # fmt: skip
    ends, total = [], 0
    for r in possible:
        total += r.weight
        ends.append(total)
    for _ in range(TRIES):
        k = w.choices.integer(0, total - 1)
        chosen = next(r for r, end in zip(possible, ends, strict=True) if k < end)
        saved = len(w.lines), len(w.functions), list(w.names), list(w.unused)
        try:
            return w.checked(chosen.build(w))
        except Reject:
            del w.lines[saved[0] :], w.functions[saved[1] :]
            w.names[:], w.unused = saved[2], saved[3]
    raise Reject


# Arithmetic


def _sum(w: Writer, a: Value, b: Value, op: str) -> Value:
    size = joint_size(a, b)
    ends = (a.lo + b.lo, a.hi + b.hi) if op == "+" else (a.lo - b.hi, a.hi - b.lo)
    text = f"{a.at(v.SUM)} {op} {b.at(v.PRODUCT)}"
    return number(text, (a, b), ends, v.SUM, size, gcd([a.step, b.step]))


def _pair(w: Writer) -> tuple[Value, Value]:
    size = w.size()
    return w.number(size), w.like(size) if w.choices.chance(75) else w.constant()


@rule()
def _add(w: Writer) -> Value:
    a, b = _pair(w)
    return _sum(w, a, b, "+")


@rule()
def _subtract(w: Writer) -> Value:
    a, b = _pair(w)
    return _sum(w, a, b, "-")


@rule()
def _negate(w: Writer) -> Value:
    a = w.number(w.size())
    return number(f"-{a.at(v.NEGATE)}", (a,), (-a.hi, -a.lo), v.NEGATE, a.size, a.step)


def times(a: Value, b: Value) -> Value:
    """a * b."""
    products = [x * y for x in (a.lo, a.hi) for y in (b.lo, b.hi)]
    text = f"{a.at(v.PRODUCT)} * {b.at(v.NEGATE)}"
    step = None if a.step is None or b.step is None else a.step * b.step
    return number(text, (a, b), (min(products), max(products)), v.PRODUCT, joint_size(a, b), step)


@rule()
def _scale(w: Writer) -> Value:
    c, a = w.constant(), w.number(w.size())
    return times(c, a) if w.choices.chance(60) else times(a, c)


@rule(2)
def _power(w: Writer) -> Value:
    base, power = w.choices.pick(["2", "(-2)", "0.5", "3"]), w.choices.integer(0, 3)
    value = Fraction(base.strip("()")) ** power
    kind = Kind.INT if value.denominator == 1 else Kind.REAL
    ends = float(value), float(value)
    c = Value(f"{base} ** {power}", kind, None, *ends, abs(value), v.POWER)
    return times(c, w.number(w.size()))


@rule()
def _switch_by_product(w: Writer) -> Value:
    """A boolean times a value."""
    size = w.size()
    return times(w.boolean(size if w.choices.chance(50) else None), w.number(size))


@rule()
def _product(w: Writer) -> Value:
    size = w.size()
    width = 8 if w.linear else 64
    other = size if w.choices.chance(50) else None
    return times(w.integer(size, width=width), w.integer(other, width=width))


@rule(2)
def _mixed_product(w: Writer) -> Value:
    size = w.size()
    return times(w.integer(size, width=6), w.real(size if w.choices.chance(50) else None))


@rule(3, linear=False)
def _real_product(w: Writer) -> Value:
    size = w.size()
    return times(w.real(size, 100), w.real(size, 100))


@rule()
def _modulo(w: Writer) -> Value:
    a, m = w.integer(w.size()), w.whole(1, 9)
    return integer(f"{a.at(v.PRODUCT)} mod {m.at(v.NEGATE)}", 0, m.lo - 1, v.PRODUCT, a.size)


@rule()
def _integer_division(w: Writer) -> Value:
    a, m = w.integer(w.size()), w.whole(1, 9)
    ends = a.lo // m.lo, a.hi // m.lo
    return integer(f"{a.at(v.PRODUCT)} div {m.at(v.NEGATE)}", *ends, v.PRODUCT, a.size)


@rule()
def _divide(w: Writer) -> Value:
    a = w.number(w.size())
    c = w.choices.pick(["2", "4", "0.5", "3", "-5", "10"])
    value = Fraction(c)
    ends = sorted((a.lo / float(value), a.hi / float(value)))
    step = None if a.step is None else a.step / abs(value)
    real = Value("", Kind.REAL)
    divisor = c if value > 0 else f"({c})"
    text = f"{a.at(v.PRODUCT)} / {divisor}"
    return number(text, (a, real), (ends[0], ends[1]), v.PRODUCT, a.size, step)


@rule()
def _divide_by_integer(w: Writer) -> Value:
    a = w.number(w.size(), 200)
    b = w.integer(a.size if w.choices.chance(50) else None, 1, 8)
    text = f"{a.at(v.PRODUCT)} / {b.at(v.NEGATE)}"
    ends = min(a.lo, a.lo / b.lo, a.lo / b.hi), max(a.hi, a.hi / b.lo, a.hi / b.hi)
    size = joint_size(a, b)
    return number(text, (a, Value("", Kind.REAL)), ends, v.PRODUCT, size, None)


@rule(2)
def _by_length(w: Writer) -> Value:
    a = w.number(w.size())
    ends = min(a.lo, a.lo / w.length), max(a.hi, a.hi / w.length)
    real = Value("", Kind.REAL)
    return number(f"{a.at(v.PRODUCT)} / length", (a, real), ends, v.PRODUCT, a.size, None)


# Comparisons


def comparable(w: Writer, size: int | None) -> tuple[Value, Value]:
    """Two numbers whose ranges overlap."""
    a = w.number(size)
    if w.choices.chance(50):
        return a, w.near(a)
    b = w.find(lambda n: n.is_number and n.size in (size, None) and n.lo < a.hi and a.lo < n.hi)
    return a, b if b is not None else w.near(a)


@rule(10)
def _compare(w: Writer) -> Value:
    a, b = comparable(w, w.size())
    if w.choices.chance(30):
        a, b = b, a
    op = w.choices.pick(["<", "<=", ">", ">="])
    return truth(f"{a.at(v.SUM)} {op} {b.at(v.SUM)}", v.COMPARE, joint_size(a, b))


@rule(8)
def _equal(w: Writer) -> Value:
    a, b = comparable(w, w.size())
    if a.step is None or b.step is None:
        raise Reject
    op = w.choices.pick(["==", "!="])
    return truth(f"{a.at(v.SUM)} {op} {b.at(v.SUM)}", v.COMPARE, joint_size(a, b))


@rule(3)
def _chain(w: Writer) -> Value:
    a, b = comparable(w, w.size())
    c = w.near(a)
    ops = w.choices.pick([("<", "<"), ("<=", "<"), (">", ">="), ("<", ">="), ("<=", "<=")])
    text = f"{c.at(v.SUM)} {ops[0]} {a.at(v.SUM)} {ops[1]} {b.at(v.SUM)}"
    return truth(text, v.COMPARE, joint_size(a, b))


@rule()
def _same_truth(w: Writer) -> Value:
    size = w.size()
    op = w.choices.pick(["==", "!=", "<", "<="])
    a, b = w.boolean(size), w.boolean(size)
    return truth(f"{a.at(v.SUM)} {op} {b.at(v.SUM)}", v.COMPARE, size)


@rule(6)
def _compare_members(w: Writer) -> Value:
    a = w.enum(w.size())
    op = w.choices.pick(["==", "!="])
    same = w.find(lambda n: n.members == a.members and n.kind is Kind.ENUM and n.size == a.size)
    b = same if same is not None and w.choices.chance(40) else w.member(a)
    return truth(f"{a.at(v.SUM)} {op} {b.at(v.SUM)}", v.COMPARE, a.size)


# Logic


@rule(6)
def _both(w: Writer) -> Value:
    size = w.size()
    a, b = w.boolean(size), w.boolean(size if w.choices.chance(70) else None)
    return truth(f"{a.at(v.AND)} and {b.at(v.NOT)}", v.AND, joint_size(a, b))


@rule(6)
def _either(w: Writer) -> Value:
    size = w.size()
    a, b = w.boolean(size), w.boolean(size if w.choices.chance(70) else None)
    return truth(f"{a.at(v.OR)} or {b.at(v.AND)}", v.OR, joint_size(a, b))


@rule(2)
def _with_parameter(w: Writer) -> Value:
    on = [c for c in w.constants if c.kind is Kind.BOOL]
    if not on:
        raise Reject
    a = w.boolean(w.size())
    if w.choices.chance(50):
        return truth(f"{a.at(v.AND)} and {on[0].text}", v.AND, a.size)
    return truth(f"{a.at(v.OR)} or {on[0].text}", v.OR, a.size)


@rule(5)
def _not(w: Writer) -> Value:
    a = w.boolean(w.size())
    return truth(f"not {a.at(v.NOT)}", v.NOT, a.size)


@rule(8)
def _choose(w: Writer) -> Value:
    size = w.size()
    c = w.boolean(size if w.choices.chance(40) else None)
    a, b = w.number(size), w.like(size)
    size = joint_size(a, b, c)
    text = f"if {c.text} then {a.text} else {b.text}"
    ends = min(a.lo, b.lo), max(a.hi, b.hi)
    if a.kind is b.kind is Kind.BOOL:
        return truth(text, v.IF, size)
    return number(text, (a, b), ends, v.IF, size, gcd([a.step, b.step]))


@rule(4)
def _choose_truth(w: Writer) -> Value:
    size = w.size()
    c, a, b = w.boolean(), w.boolean(size), w.boolean(size)
    return truth(f"if {c.text} then {a.text} else {b.text}", v.IF, size)


@rule(5)
def _choose_member(w: Writer) -> Value:
    e = w.enum(w.size())
    c = w.boolean(e.size if w.choices.chance(50) else None)
    text = f"if {c.text} then {w.member(e).text} else {e.text}"
    return e.resized(text, joint_size(e, c), v.IF)


@rule(4)
def _choose_zero(w: Writer) -> Value:
    """`if c then x else 0`, and the other way round."""
    c, a = w.boolean(), w.number(w.size())
    branches = (a.text, "0") if w.choices.chance(60) else ("0", a.text)
    text = f"if {c.text} then {branches[0]} else {branches[1]}"
    if a.kind is Kind.BOOL:
        return truth(text, v.IF, a.size)
    return number(text, (a,), (min(a.lo, 0), max(a.hi, 0)), v.IF, a.size, a.step)
