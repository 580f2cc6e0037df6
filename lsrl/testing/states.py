"""Rules that write states of each kind: lines of their own, then the state's name."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from ..analysis.lattice import gcd
from ..ir.types import Kind
from . import values as v
from .builtins import matrix
from .rules import rule
from .values import Reject, Value, integer, number, truth
from .writer import Writer


def declared(w: Writer, name: str, init: str, next: str, value: Value, *, typed: int = 15) -> Value:
    """Write `state name = init then next`; `value` has what is known of it."""
    type = ""
    if value.kind is Kind.INT and w.choices.chance(typed):
        type = f": int{_sized(value)} in {int(value.lo)}..{int(value.hi)}"
    elif value.kind is Kind.BOOL and w.choices.chance(typed):
        type = f": bool{_sized(value)}"
    elif value.kind is Kind.ENUM and (value.size is not None or w.choices.chance(typed)):
        type = f": {w.settings.types[value.members]}{_sized(value)}"
    w.checked(value)
    w.lines.append(f"state {name}{type} = {init} then {next}")
    return value.renamed(name)


def _sized(value: Value) -> str:
    return "" if value.size is None else f"[{value.size}]"


def _growing(w: Writer, init: Value, a: Value, factor: Fraction, name: str) -> Value:
    """What init, multiplied by a factor and added to at each step, may become."""
    most, low, high = init.most, init.lo, init.hi
    for _ in range(w.length):
        most = abs(float(factor)) * most + a.most
        low, high = low + min(a.lo, 0), high + max(a.hi, 0)
    ends = (low, high) if factor == 1 else (-most, most)
    step = gcd([init.step, a.step]) if factor.denominator == 1 else None
    real = Value("", Kind.REAL) if factor.denominator > 1 else a
    return number(name, (a, init, real), ends, v.ATOM, a.size, step)


# Linear


@rule(8, states=True)
def _accumulator(w: Writer) -> Value:
    a, name = w.number(w.size(), 64), w.fresh("s")
    init = w.initial(a.size, a.kind is Kind.REAL)
    next = w.choices.pick([f"{name} + {a.at(v.PRODUCT)}", f"{a.at(v.SUM)} + {name}"])
    return declared(w, name, init.text, next, _growing(w, init, a, Fraction(1), name))


@rule(8, states=True)
def _decay(w: Writer) -> Value:
    a, name = w.number(w.size(), 64), w.fresh("s")
    init = w.initial(a.size, True)
    c = w.choices.pick(["0.5", "0.25", "0.9", "-0.5", "0.75", "0.1"])
    value = _growing(w, init, a, Fraction(c), name)
    term = w.choices.pick([f"{c} * {name}", f"{name} * {c}"])
    next = w.choices.pick([f"{term} + {a.at(v.PRODUCT)}", f"{a.at(v.SUM)} + {term}"])
    if c == "0.5" and w.choices.chance(50):
        next = f"{name} - {name} / 2 + {a.at(v.PRODUCT)}"
    return declared(w, name, init.text, next, replace(value, kind=Kind.REAL))


@rule(6, states=True)
def _dense(w: Writer) -> Value:
    """A vector state with a constant matrix."""
    n, name = w.choices.integer(2, 3), w.fresh("s")
    a = w.number(n if w.choices.chance(60) else None, 16)
    init = w.initial(n, False)
    m = matrix(w, n, n)
    c = w.choices.pick(["", "0.5 * ", "0.25 * "])
    factor = m.most * {"": 1.0, "0.5 * ": 0.5, "0.25 * ": 0.25}[c]
    most = init.most
    for _ in range(w.length):
        most = factor * most + a.most
    parts = (a, Value("", Kind.REAL)) if c or m.step is None else (a,)
    step = gcd([init.step, a.step]) if not c and m.step is not None else None
    value = number(name, parts, (-most, most), v.ATOM, n, step)
    left = f"({c}{m.text}) @ {name}" if c else f"{m.text} @ {name}"
    return declared(w, name, init.text, f"{left} + {a.at(v.PRODUCT)}", value)


@rule(8, states=True)
def _mutual(w: Writer) -> Value:
    """Two states that need each other, through `prev`."""
    a, p, q = w.number(w.size(), 16), w.fresh("s"), w.fresh("s")
    factors = [Fraction(c) for c in ("0.5", "0.25", "-0.5", "1", "-1")]
    c, d, e = (w.choices.pick(factors[:3] if k < 2 else factors) for k in range(3))
    init_p, init_q = w.initial(None, True), w.initial(None, True)
    most_p, most_q = init_p.most, init_q.most
    for _ in range(w.length):
        most_p = most_p / 2 + abs(float(c)) * most_q + a.most
        most_q = abs(float(d)) * most_q + abs(float(e)) * most_p
    real = Value("", Kind.REAL)
    one = number(p, (real,), (-most_p, most_p), v.ATOM, a.size, None)
    two = number(q, (real,), (-most_q, most_q), v.ATOM, a.size, None)
    first = f"{p} / 2 + {_by(c)} * prev({q}, {init_q.text}) + {a.at(v.PRODUCT)}"
    w.checked(two)
    result = declared(w, p, init_p.text, first, one)
    w.lines.append(f"state {q} = {init_q.text} then {_by(d)} * {q} + {_by(e)} * {p}")
    w.add(two)
    return result


def _by(c: Fraction) -> str:
    return str(c) if c.denominator == 1 and c >= 0 else f"({float(c)!r})"


@rule(5, states=True)
def _register(w: Writer) -> Value:
    """A shift register."""
    a, name, n = w.number(), w.fresh("s"), w.choices.integer(2, 4)
    value = number(name, (a,), (min(a.lo, 0), max(a.hi, 0)), v.ATOM, n, a.step)
    return declared(w, name, f"zeros({n})", f"[{name}[1:], {a.text}]", value)


@rule(6, states=True)
def _clock(w: Writer) -> Value:
    """What no input reaches."""
    name, m = w.fresh("s"), w.choices.integer(2, 5)
    k = w.choices.integer(0, 4)
    if k == 0:
        init = w.choices.pick(["true", "false"])
        return declared(w, name, init, f"not {name}", truth(name, v.ATOM))
    if k == 1:
        value = integer(name, 0, m - 1)
        return declared(w, name, str(w.choices.integer(0, m - 1)), f"({name} + 1) mod {m}", value)
    if k == 2:
        value = integer(name, 0, m - 1, size=2)
        next = f"[{name}[1], ({name}[0] + {name}[1]) mod {m}]"
        w.lines.append(f"state {name}: int[2] in 0..{m - 1} = [0, 1] then {next}")
        return value
    if k == 3:
        return declared(w, name, "0", f"min({name} + 1, {m})", integer(name, 0, m))
    return declared(w, name, "1", f"1 - {name}", integer(name, 0, 1))


# Held by rewriting them, up to the length


@rule(6, states=True)
def _ever_state(w: Writer) -> Value:
    c, name = w.boolean(w.size()), w.fresh("s")
    init, op = w.choices.pick([("false", "or"), ("true", "and")])
    next = w.choices.pick([f"{name} {op} {c.at(v.NOT)}", f"{c.at(v.AND)} {op} {name}"])
    if c.size is not None:
        init = "[" + ", ".join([init] * c.size) + "]"
    return declared(w, name, init, next, truth(name, v.ATOM, c.size))


@rule(7, states=True)
def _parity(w: Writer) -> Value:
    c, name = w.boolean(), w.fresh("s")
    init, op = w.choices.pick(["true", "false"]), w.choices.pick(["!=", "=="])
    return declared(w, name, init, f"{name} {op} {c.at(v.SUM)}", truth(name, v.ATOM))


@rule(7, states=True)
def _modular(w: Writer) -> Value:
    a, name, m = w.integer(width=64), w.fresh("s"), w.choices.integer(2, 6)
    init = w.choices.integer(0, m - 1)
    sign = w.choices.pick(["+", "+", "-"])
    next = f"({name} {sign} {a.at(v.PRODUCT)}) mod {m}"
    if sign == "+" and w.choices.chance(50):
        next = f"({a.at(v.SUM)} + {name}) mod {m}"
    return declared(w, name, str(init), next, integer(name, 0, m - 1))


# Gated and signed


@rule(6, linear=False, states=True)
def _held(w: Writer) -> Value:
    c, a, name = w.boolean(), w.find(lambda n: True), w.fresh("s")
    if a is None:
        raise Reject
    zero = {Kind.BOOL: "false", Kind.ENUM: (a.members or ("",))[0]}.get(a.kind, "0")
    value = replace(a, text=name, lo=min(a.lo, 0), hi=max(a.hi, 0), level=v.ATOM)
    branches = w.choices.pick([(a.text, name), (name, a.text)])
    next = f"if {c.text} then {branches[0]} else {branches[1]}"
    return declared(w, name, zero, next, value)


@rule(5, linear=False, states=True)
def _leaky(w: Writer) -> Value:
    """A real factor in [0, 1] that depends on the input."""
    g, a, name = w.real(), w.number(None, 64), w.fresh("s")
    factor = f"clamp({g.text}, 0, {w.choices.pick(['1', '0.5'])})"
    init = w.initial(None, True)
    value = replace(_growing(w, init, a, Fraction(1), name), kind=Kind.REAL, step=None)
    ends = min(value.lo, 0), max(value.hi, 0)
    next = f"{factor} * {name} + {a.at(v.PRODUCT)}"
    return declared(w, name, init.text, next, replace(value, lo=ends[0], hi=ends[1]))


@rule(5, linear=False, states=True)
def _signed(w: Writer) -> Value:
    c, a, name = w.boolean(), w.number(None, 64), w.fresh("s")
    init = w.initial(None, a.kind is Kind.REAL)
    grown = _growing(w, init, a, Fraction(-1), name)
    next = w.choices.pick([
        f"(if {c.text} then -{name} else {name}) + {a.at(v.PRODUCT)}",
        f"(1 - 2 * {c.at(v.NEGATE)}) * {name} + {a.at(v.PRODUCT)}",
    ])  # fmt: skip
    return declared(w, name, init.text, next, grown)


# Finite


@rule(5, linear=False, states=True)
def _automaton(w: Writer) -> Value:
    """A table over the state and an input class."""
    n, name = w.choices.integer(2, 4), w.fresh("s")
    k = w.integer(None, 0, 2)
    entry = lambda: integer(str(w.choices.integer(0, n - 1)), 0, n - 1)
    table = w.filled(n * (int(k.hi) + 1), entry)
    position = f"{n} * {k.at(v.NEGATE)} + {name}"
    next = w.choices.pick([f"{table.text}[{position}]", f"lookup({position}, {table.text})"])
    w.lines.append(f"state {name}: int in 0..{n - 1} = {w.choices.integer(0, n - 1)} then {next}")
    return integer(name, 0, n - 1)


@rule(5, linear=False, states=True)
def _phases(w: Writer) -> Value:
    """A state machine over the members of an enumeration."""
    if not w.settings.types:
        raise Reject
    members = w.choices.pick(list(w.settings.types))
    name, c = w.fresh("s"), w.boolean()
    e = Value(name, Kind.ENUM, None, 0, len(members) - 1, Fraction(1), members=members)
    init, at, a, b, other = (w.choices.pick(members) for _ in range(5))
    next = f"if {name} == {at} then (if {c.text} then {a} else {b}) else {other}"
    inline = w.settings.types[members].startswith("{")
    return declared(w, name, init, next, e, typed=100 if inline else 15)


# General


@rule(10, linear=False, states=True)
def _general(w: Writer) -> Value:
    a, name = w.number(None, 64), w.fresh("s")
    hi = w.choices.integer(1, 9)
    lo = w.choices.integer(-3, 0)
    zero = replace(a, lo=0, hi=0)
    grown = _growing(w, zero, a, Fraction(-1), name)
    plus = a.at(v.PRODUCT)
    forms = [
        (f"relu({name} - {plus})", (0.0, grown.hi)),
        (f"clamp({name} + {plus}, {lo}, {hi})", (lo, hi)),
        (f"max({name} - 1, {a.text})", (min(a.lo, -1) - w.length, max(a.hi, 0))),
        (f"abs({name} - {plus})", (0.0, grown.hi)),
        (f"if {name} > {hi} then 0 else {name} + {plus}", (grown.lo, hi + max(a.hi, 0))),
    ]  # fmt: skip
    next, ends = w.choices.pick(forms)
    step = None if a.kind is Kind.REAL else Fraction(1)
    return declared(w, name, "0", next, number(name, (a,), ends, v.ATOM, None, step), typed=40)
