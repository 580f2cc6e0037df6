"""Arithmetic that is not linear: products, quotients, remainders, tables, choices among values."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ..analysis.lattice import gcd
from ..ir.nodes import Node
from ..source import Span
from . import squares
from .atoms import Form, constant, exact_in, tighten
from .read_outs import equals_on_clock, on_clock
from .unsupported import Unsupported

if TYPE_CHECKING:
    from .legalise import Legaliser

MAX_TABLE = 1 << 16
MAX_STEPS = 16  # digits of a remainder that are found in one layer
MAX_CASES = 4096
SHORT_TABLE = 8  # up to which hinges that are no binary numbers lose no digits to speak of


def larger(lg: Legaliser, a: Form, b: Form, sign: int) -> Form:
    """max(a, b) = b + r(a - b); min with sign -1: b - r(b - a)."""
    g = lg.atoms
    difference = g.combine([(sign, a), (-sign, b)])
    result = g.combine([(1, b), (sign, lg.logic.relu(difference))])
    best = max if sign > 0 else min
    return tighten(result, best(a.lo, b.lo), best(a.hi, b.hi), None)


def argmax(lg: Legaliser, forms: Sequence[Form]) -> Form:
    """Index of the first largest: element i is it where all before are smaller, none later
    larger.
    """
    g = lg.atoms
    parts = []
    for i in range(1, len(forms)):
        wins = []
        for j, other in enumerate(forms):
            if j == i:
                continue
            d = lg.difference(forms[i], other)
            if d.step is None:
                wins.append(lg.logic.above(d))
            else:
                wins.append(lg.logic.at_least(d, (d.step or 1) if j < i else 0))
        parts.append((i, lg.logic.conjunction(wins).value))
    return g.combine(parts)


def integers(form: Form) -> range:
    """The integers that a form can take."""
    return range(math.ceil(form.lo), math.floor(form.hi) + 1)


def tabulate(
    lg: Legaliser, k: Form, values: Sequence[Fraction], first: int, span: Span | None
) -> Form:
    """values[k - first] for an integer k: piecewise-linear interpolation, hinges at integers; or a
    staircase, where steps are cheap.

    One layer and at most an atom an entry. Where the hinges' coefficients cancel beyond the digits
    of the dtype, a sum over indicators [k == i] is used instead: two layers, every part small.
    """
    g = lg.atoms
    read = on_clock(g, k, lambda v: values[int(v) - first])
    if read is not None:
        return read
    span_of_k = range(max(integers(k).start, first), min(integers(k).stop, first + len(values)))
    if len(span_of_k) > MAX_TABLE:
        message = f"a table of {len(span_of_k):,} entries is too long for one lookup"
        raise Unsupported(message, "bound the index, or look up digit by digit", span)
    wanted = [values[i - first] for i in span_of_k]
    if len(wanted) == 1:
        return constant(wanted[0])
    low = span_of_k[0]
    result = (_staircase if lg.logic.has_steps else _interpolated)(lg, k, wanted, low)
    lattice = math.gcd(*(int(w) for w in wanted)) if all(w.denominator == 1 for w in wanted) else 0
    step = Fraction(lattice) if lattice and not g.is_fuzzy(result) else None
    return tighten(result, float(min(wanted)), float(max(wanted)), step)


def _interpolated(lg: Legaliser, k: Form, wanted: Sequence[Fraction], low: int) -> Form:
    """A slope, and a hinge where it changes."""
    g = lg.atoms
    slope = wanted[1] - wanted[0]
    parts: list[tuple[int | Fraction, Form]] = [(slope, k)]
    for i in range(1, len(wanted) - 1):
        turn = wanted[i + 1] - 2 * wanted[i] + wanted[i - 1]
        if turn:
            parts.append((turn, lg.logic.relu(g.combine([(1, k)], -(low + i)))))
    result = g.combine(parts, wanted[0] - slope * low)
    whole = all(w.denominator & (w.denominator - 1) == 0 for w in wanted)
    if len(wanted) > 2 and whole and not exact_in(result, g.atoms, lg.options.digits):
        result = _by_indicators(lg, k, wanted, low)
    return result


def _staircase(lg: Legaliser, k: Form, wanted: Sequence[Fraction], low: int) -> Form:
    """The first value, and a step [k >= i] where it changes; k itself where all steps are equal."""
    g = lg.atoms
    rises = [b - a for a, b in itertools.pairwise(wanted)]
    if len(set(rises)) == 1:
        return g.combine([(rises[0], k)], wanted[0] - rises[0] * low)
    steps = [(r, lg.logic.at_least(k, low + i + 1).value) for i, r in enumerate(rises) if r]
    return g.combine(steps, wanted[0])


def _by_indicators(lg: Legaliser, k: Form, wanted: Sequence[Fraction], low: int) -> Form:
    g = lg.atoms
    base = wanted[0]
    parts = []
    for i, value in enumerate(wanted):
        if value != base:
            parts.append((value - base, lg.logic.exact(is_value(lg, k, low + i))))
    lg.logic.exclude(f for _, f in parts)
    return g.combine(parts, base)


def modulo(lg: Legaliser, x: Form, m: int) -> Form:
    """x mod m for an integer x: conditional subtraction of multiples of m, from large to small."""
    g = lg.atoms
    base = math.floor(x.lo / m) * m
    rest = g.combine([(1, x)], -base)
    while (top := math.floor(rest.hi)) >= m:
        unit, saturated = _subtrahend(top, m, lg)
        steps = []
        for j in range(1, top // unit + 1):
            reached = lg.logic.at_least(rest, j * unit)
            steps.append(lg.logic.exact(reached) if saturated else reached.value)
        rest = g.combine([(1, rest), *((-unit, s) for s in steps)])
        rest = g.note(tighten(rest, 0.0, float(unit - 1), rest.step))
    return lg.settled(rest)


def _subtrahend(top: int, m: int, lg: Legaliser) -> tuple[int, bool]:
    """What to subtract a multiple of next, and whether its digits need a layer of their own.

    A digit r(x - j u + 1) - r(x - j u) is weighted by u, and both terms grow to x: the sum of all
    of them must stay within the digits of the dtype, or each digit is saturated first. A level
    costs about its width squared in weights, so few levels of few digits are best.
    """
    if lg.logic.has_steps:  # a digit is one unit
        return m * MAX_STEPS ** (_levels(top // m, MAX_STEPS) - 1), False
    for radix in sorted((2, 4, 8), key=lambda b: _levels(top // m, b) * (2 * (b - 1) + 16) ** 2):
        unit = m * radix ** (_levels(top // m, radix) - 1)
        total = top + sum(2 * unit * (top - j * unit + 1) for j in range(1, top // unit + 1))
        if total < 2**lg.options.digits:
            return unit, False
    return m * 2 ** (_levels(top // m, 2) - 1), True


def _levels(quotient: int, b: int) -> int:
    levels = 1
    while b**levels <= quotient:
        levels += 1
    return levels


def product(lg: Legaliser, a: Form, b: Form, node: Node) -> Form:
    """a * b: by a constant, a gate where one is 0 or 1, the target's own product, by cases or by
    squares for integers, by approximated squares for reals."""
    g = lg.atoms
    if a.is_const or b.is_const:
        (c, x) = (a, b) if a.is_const else (b, a)
        return g.combine([(c.const, x)])
    for c, x in ((a, b), (b, a)):
        if c.is_integral and c.lo >= 0 and c.hi <= 1:
            return lg.logic.gate(lg.logic.from_value(c), x, node.span)
    narrow = min((f for f in (a, b) if f.is_integral), key=lambda f: f.width, default=None)
    if lg.logic.has_steps and narrow is not None and len(integers(narrow)) <= 4096:
        return _by_steps(lg, narrow, b if narrow is a else a, node.span)
    if lg.logic.multiplies:
        return g.product(a, b, node.span)
    if a.is_integral and b.is_integral:
        cases = min(len(integers(a)), len(integers(b)))
        entries = len(integers(g.combine([(1, a), (1, b)])))
        entries += len(integers(g.combine([(1, a), (-1, b)])))
        if entries <= 4 * cases:
            return _by_squares(lg, a, b, node.span)
    for c, x in sorted(((a, b), (b, a)), key=lambda p: p[0].width):
        if c.is_integral and len(integers(c)) <= MAX_CASES:
            return _by_cases(lg, c, {i: g.combine([(i, x)]) for i in integers(c)}, node.span)
    return squares.product(lg, a, b, node.span)


def _by_steps(lg: Legaliser, c: Form, x: Form, span: Span | None) -> Form:
    """low x, and x once more for each integer above low that c has reached."""
    g = lg.atoms
    low, *above = integers(c)
    parts = [(1, lg.logic.gate(lg.logic.at_least(c, i), x, span)) for i in above]
    result = g.combine([(low, x), *parts])
    ends = [i * e for i in (c.lo, c.hi) for e in (x.lo, x.hi)]
    return tighten(result, min(ends), max(ends), None)


def _by_squares(lg: Legaliser, a: Form, b: Form, span: Span | None) -> Form:
    """((a + b)^2 - (a - b)^2) / 4, each square a table."""
    g = lg.atoms
    parts = []
    for sign in (1, -1):
        s = g.combine([(1, a), (sign, b)])
        values = [Fraction(i * i) for i in integers(s)]
        parts.append((Fraction(sign, 4), tabulate(lg, s, values, integers(s)[0], span)))
    return g.combine(parts)


def _by_cases(lg: Legaliser, c: Form, cases: dict[int, Form], span: Span | None) -> Form:
    """The form that belongs to the integer c: a sum of one gated form a case."""
    g = lg.atoms
    parts = []
    for i, form in cases.items():
        if not (form.is_const and form.const == 0):
            parts.append((1, lg.logic.gate(is_value(lg, c, i), form, span)))
    lg.logic.exclude(f for _, f in parts)
    result = g.combine(parts)
    lows, highs = [f.lo for f in cases.values()], [f.hi for f in cases.values()]
    return tighten(result, min(lows), max(highs), None)


def is_value(lg: Legaliser, c: Form, i: int) -> Any:
    """c == i for an integer c."""
    read = equals_on_clock(lg.atoms, c, i)
    if read is not None:
        return lg.logic.from_value(read)
    return lg.logic.equals_zero(lg.atoms.combine([(1, c)], -i))


def pick(lg: Legaliser, forms: Sequence[Form], k: Form, node: Node) -> Form:
    """Element k of a vector, k an integer known at run time."""
    if all(f.is_const for f in forms):
        return tabulate(lg, k, [Fraction(f.const) for f in forms], 0, node.span)
    consts = {f.const for f in forms}
    base = consts.pop() if len(consts) == 1 else 0  # one of the cases always holds
    shifted = [lg.atoms.combine([(1, f)], -base) for f in forms]
    cases = {i: shifted[i] for i in integers(k) if 0 <= i < len(forms)}
    return lg.atoms.combine([(1, _by_cases(lg, k, cases, node.span))], base)


def quotient(lg: Legaliser, a: Form, b: Form, node: Node) -> Form:
    """a / b: b a constant, or a bounded integer that is never 0."""
    g = lg.atoms
    if b.is_const:
        return g.combine([(1 / Fraction(b.const), a)])
    values = integers(b)
    if a.is_const:
        table = [Fraction(a.const) / i if i else Fraction(0) for i in values]
        return tabulate(lg, b, table, values[0], node.span)
    if lg.logic.multiplies and 2 < len(values) <= MAX_CASES:
        return g.product(a, _inverse(lg, b, node.span), node.span)
    if len(values) > MAX_CASES:
        message = f"a division by an integer of {len(values):,} values"
        raise Unsupported(message, "declare a smaller range for the divisor", node.span, "E802")
    return _by_cases(lg, b, {i: g.combine([(Fraction(1, i), a)]) for i in values if i}, node.span)


def _inverse(lg: Legaliser, b: Form, span: Span | None) -> Form:
    """1 / b for an integer b that is not 0 (where 0 lies in its range: 0)."""
    values = integers(b)
    table = [Fraction(1, i) if i else Fraction(0) for i in values]
    if len(values) <= SHORT_TABLE:
        return tabulate(lg, b, table, values[0], span)
    return tighten(_by_indicators(lg, b, table, values[0]), -1.0, 1.0, None)


def common_step(step: Fraction | None, value: int | Fraction) -> Fraction | None:
    """The lattice of a value that is now and then another constant."""
    return gcd([step, value])
