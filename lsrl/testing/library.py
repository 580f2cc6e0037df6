"""Rules for the standard library and for `prev`."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from ..analysis.lattice import gcd
from ..ir.types import Kind
from . import values as v
from .rules import rule
from .values import Reject, Value, integer, joint_size, number, truth
from .writer import Writer


def with_zero(a: Value, text: str, size: int | None) -> Value:
    """Values of a, or zero."""
    step = a.step if a.kind is Kind.REAL else Fraction(1)
    return replace(
        a, text=text, size=size, lo=min(a.lo, 0), hi=max(a.hi, 0), step=step, level=v.ATOM
    )


@rule(5)
def _steps(w: Writer) -> Value:
    return integer("steps()", 0, w.length - 1)


@rule(5)
def _first(w: Writer) -> Value:
    return truth("first()", v.ATOM)


@rule(5)
def _cycle(w: Writer) -> Value:
    m = w.whole(1, 5)
    return integer(f"cycle({m.text})", 0, m.lo - 1)


@rule(5)
def _accumulate(w: Writer) -> Value:
    a = w.number(w.size(), 32)
    ends = min(a.lo, w.length * a.lo), max(a.hi, w.length * a.hi)
    return number(f"accumulate({a.text})", (a,), ends, v.ATOM, a.size, a.step)


@rule(6)
def _store(w: Writer) -> Value:
    """A register that is written once, as it promises."""
    n = w.choices.integer(0, 2)
    once = f"steps() == {n}"
    c = w.choices.pick(["first()", once, f"{once} and {w.boolean().at(v.NOT)}"])
    a = w.number(w.size())
    call = f"store({c}, {a.text})"
    if a.kind is Kind.BOOL:
        return number(call, (replace(a, kind=Kind.INT),), (0, 1), v.ATOM, a.size)
    return with_zero(a, call, a.size)


@rule(5, linear=False)
def _latch(w: Writer) -> Value:
    c, a = w.boolean(), w.find(lambda n: True)
    if a is None:
        raise Reject
    if a.is_number and a.kind is not Kind.BOOL and w.choices.chance(40):
        init = w.initial(a.size, a.kind is Kind.REAL)
        ends = min(a.lo, init.lo), max(a.hi, init.hi)
        step = gcd([a.step, init.step])
        extra = f"init = {init.text}" if w.choices.chance(50) else init.text
        return number(f"latch({c.text}, {a.text}, {extra})", (a, init), ends, v.ATOM, a.size, step)
    return with_zero(a, f"latch({c.text}, {a.text})", a.size)


@rule(6)
def _delay(w: Writer) -> Value:
    a = w.find(lambda n: True)
    if a is None:
        raise Reject
    k = w.whole(0, 3)
    return with_zero(a, f"delay({a.text}, {k.text})", a.size)


@rule(5)
def _window(w: Writer) -> Value:
    a = w.find(lambda n: True)
    if a is None:
        raise Reject
    k = w.whole(1, 3)
    return with_zero(a, f"window({a.text}, {k.text})", int(k.lo) * (a.size or 1))


@rule(5)
def _ever_always(w: Writer) -> Value:
    a = w.boolean(w.size())
    return truth(f"{w.choices.pick(['ever', 'always'])}({a.text})", v.ATOM, a.size)


@rule(4)
def _always(w: Writer) -> Value:
    a = w.boolean(w.size())
    return truth(f"always({a.text})", v.ATOM, a.size)


@rule(5, linear=False)
def _since(w: Writer) -> Value:
    a = w.boolean()
    return integer(f"since({a.text})", 0, w.length)


@rule(7)
def _rising_falling(w: Writer) -> Value:
    a = w.boolean(w.size())
    return truth(f"{w.choices.pick(['rising', 'falling'])}({a.text})", v.ATOM, a.size)


@rule(8, linear=False)
def _running(w: Writer) -> Value:
    a = w.number(w.size())
    f = w.choices.pick(["running_max", "running_min"])
    return number(f"{f}({a.text})", (a,), (min(a.lo, 0), max(a.hi, 0)), v.ATOM, a.size, a.step)


@rule(5)
def _one_hot(w: Writer) -> Value:
    n = w.whole(1, 3)
    a = w.integer(None if w.choices.chance(70) else 2, -5, 20)
    return truth(f"one_hot({a.text}, {n.text})", v.ATOM, int(n.lo) * (a.size or 1))


@rule(5)
def _between(w: Writer) -> Value:
    a = w.number(w.size())
    lo, hi = w.near(a), w.near(a)
    return truth(f"between({a.text}, {lo.text}, {hi.text})", v.ATOM, a.size)


@rule(6)
def _previous(w: Writer) -> Value:
    """`prev(e)`, and `prev(e, init)`."""
    a = w.find(lambda n: True)
    if a is None:
        raise Reject
    if w.choices.chance(50) or not a.is_number:
        if a.kind is Kind.ENUM and w.choices.chance(50):
            return a.resized(f"prev({a.text}, {w.member(a).text})", a.size)
        return with_zero(a, f"prev({a.text})", a.size)
    if a.kind is Kind.BOOL:
        return truth(f"prev({a.text}, true)", v.ATOM, a.size)
    init = w.initial(a.size, a.kind is Kind.REAL)
    ends = min(a.lo, init.lo), max(a.hi, init.hi)
    step = gcd([a.step, init.step])
    return number(
        f"prev({a.text}, {init.text})", (a, init), ends, v.ATOM, joint_size(a, init), step
    )
