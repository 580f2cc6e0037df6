"""Rules for the built-in functions, vectors, tables and matrices."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from ..analysis.lattice import gcd
from ..ir.types import Kind
from . import values as v
from .rules import comparable, rule
from .values import Matrix, Reject, Value, integer, joint_size, number, truth
from .writer import DECIMALS, Writer


@rule()
def _relu(w: Writer) -> Value:
    a = w.number(w.size())
    return number(f"relu({a.text})", (a,), (max(a.lo, 0), max(a.hi, 0)), v.ATOM, a.size, a.step)


@rule()
def _abs(w: Writer) -> Value:
    a = w.number(w.size())
    least = 0 if a.lo <= 0 <= a.hi else min(abs(a.lo), abs(a.hi))
    return number(f"abs({a.text})", (a,), (least, a.most), v.ATOM, a.size, a.step)


@rule()
def _clamp(w: Writer) -> Value:
    a = w.number(w.size())
    lo, hi = sorted((w.near(a), w.near(a)), key=lambda c: c.lo)
    parts = (a, lo, hi)
    ends = min(max(a.lo, lo.lo), hi.lo), min(max(a.hi, lo.lo), hi.lo)
    step = gcd([p.step for p in parts])
    return number(f"clamp({a.text}, {lo.text}, {hi.text})", parts, ends, v.ATOM, a.size, step)


@rule()
def _step(w: Writer) -> Value:
    a, b = comparable(w, w.size())
    return truth(f"step({a.at(v.SUM)} - {b.at(v.PRODUCT)})", v.ATOM, joint_size(a, b))


@rule()
def _bump(w: Writer) -> Value:
    a, hi = comparable(w, w.size())
    lo = w.near(a)
    return truth(f"bump({a.text}, {lo.text}, {hi.text})", v.ATOM, joint_size(a, hi))


@rule(6)
def _extremum(w: Writer) -> Value:
    a, b = comparable(w, w.size())
    f, best = w.choices.pick([("max", max), ("min", min)])
    ends = best(a.lo, b.lo), best(a.hi, b.hi)
    step = gcd([a.step, b.step])
    return number(f"{f}({a.text}, {b.text})", (a, b), ends, v.ATOM, joint_size(a, b), step)


# Reductions


def some_vector(w: Writer) -> Value:
    """A vector of numbers."""
    return w.number(w.size() or w.choices.integer(2, 3))


@rule()
def _sum(w: Writer) -> Value:
    a = some_vector(w)
    assert a.size is not None
    ends = a.size * a.lo, a.size * a.hi
    return number(f"sum({a.text})", (a,), ends, v.ATOM, None, a.step)


@rule(8)
def _vector_extremum(w: Writer) -> Value:
    a = some_vector(w)
    f = w.choices.pick(["max", "min"])
    return number(f"{f}({a.text})", (a,), (a.lo, a.hi), v.ATOM, None, a.step)


@rule(6)
def _argmax(w: Writer) -> Value:
    a = some_vector(w)
    assert a.size is not None
    return integer(f"argmax({a.text})", 0, a.size - 1)


@rule()
def _dot(w: Writer) -> Value:
    size = w.choices.integer(2, 3)
    a = w.integer(size, width=8)
    constant = w.choices.chance(50)
    b = w.filled(size, lambda: w.whole(-2, 3)) if constant else w.integer(size, width=8)
    products = [size * x * y for x in (a.lo, a.hi) for y in (b.lo, b.hi)]
    ends = min(products), max(products)
    return number(f"dot({a.text}, {b.text})", (a, b), ends, v.ATOM, None)


@rule(3)
def _weighted(w: Writer) -> Value:
    """A vector parameter and a value."""
    if not w.vectors:
        raise Reject
    c = w.choices.pick(w.vectors)
    a = w.number(c.size if w.choices.chance(60) else None, 64)
    most = c.most * a.most
    if a.size is not None and w.choices.chance(60):
        most *= a.size
        return number(f"dot({c.text}, {a.text})", (c, a), (-most, most), v.ATOM, None, None)
    return number(f"{c.text} * {a.at(v.NEGATE)}", (c, a), (-most, most), v.PRODUCT, c.size, None)


@rule(6)
def _all_any(w: Writer) -> Value:
    a = w.boolean(w.size() or w.choices.integer(2, 3))
    return truth(f"{w.choices.pick(['all', 'any'])}({a.text})", v.ATOM)


@rule(4)
def _size(w: Writer) -> Value:
    a, b = w.number(w.size()), w.number(w.size(), 64)
    n = float(a.size or 1)
    ends = min(n * b.lo, n * b.hi), max(n * b.lo, n * b.hi)
    return number(f"size({a.text}) * {b.at(v.NEGATE)}", (b,), ends, v.PRODUCT, b.size, b.step)


# Making vectors


@rule(6)
def _concatenate(w: Writer) -> Value:
    items = [w.number(w.size() if k else None) for k in range(w.choices.integer(2, 3))]
    size = sum(i.size or 1 for i in items)
    text = "[" + ", ".join(i.text for i in items) + "]"
    ends = min(i.lo for i in items), max(i.hi for i in items)
    if all(i.kind is Kind.BOOL for i in items):
        return truth(text, v.ATOM, size)
    return number(text, tuple(items), ends, v.ATOM, size, gcd([i.step for i in items]))


@rule(5)
def _comprehend(w: Writer) -> Value:
    a = some_vector(w)
    assert a.size is not None
    first = w.choices.integer(0, a.size - 1)
    i = w.fresh("i")
    over = f"range({a.size})" if first == 0 else f"range({first}, {a.size})"
    element = a.resized(f"{a.at(v.ATOM)}[{i}]", None)
    most = a.size - 1
    body = w.choices.pick([
        number(f"{element.text} + {i}", (a,), (a.lo, a.hi + most), v.SUM, None, _with_one(a)),
        truth(f"{element.text} <= {i}", v.COMPARE),
        number(f"max({element.text}, {i} - 1)", (a,), (max(a.lo, -1), max(a.hi, most - 1)), v.ATOM, None, _with_one(a)),  # noqa: E501
        number(f"{i} * {element.text}", (a,), (min(0, most * a.lo), max(0, most * a.hi)), v.PRODUCT, None, a.step),  # noqa: E501
    ])  # fmt: skip
    return body.resized(f"[{body.text} for {i} in {over}]", a.size - first)


def _with_one(a: Value) -> Fraction | None:
    return gcd([a.step, Fraction(1)])


@rule(4)
def _ones_zeros(w: Writer) -> Value:
    n = w.choices.integer(1, 3)
    a = w.number(n if w.choices.chance(50) else None)
    f, k = w.choices.pick([("ones", 1), ("zeros", 0)])
    text, ends = f"{f}({n}) + {a.at(v.PRODUCT)}", (a.lo + k, a.hi + k)
    return number(text, (a,), ends, v.SUM, n, _with_one(a))


# Parts of vectors


def any_vector(w: Writer) -> Value:
    """A vector of anything."""
    found = w.find(lambda n: n.size is not None, nested=False)
    return found if found is not None else some_vector(w)


@rule(4)
def _element(w: Writer) -> Value:
    a = any_vector(w)
    assert a.size is not None
    k = w.choices.integer(-a.size, a.size - 1)
    return a.resized(f"{a.at(v.ATOM)}[{k}]", None)


@rule(5)
def _slice(w: Writer) -> Value:
    a = any_vector(w)
    assert a.size is not None
    start = w.choices.integer(0, a.size - 1)
    stop = w.choices.integer(start + 1, a.size)
    texts = [f"{start}:{stop}"]
    if start == 0:
        texts.append(f":{stop}")
    if stop == a.size:
        texts.append(f"{start - a.size}:")
    return a.resized(f"{a.at(v.ATOM)}[{w.choices.pick(texts)}]", stop - start)


@rule(6)
def _run_time_element(w: Writer) -> Value:
    a = any_vector(w)
    assert a.size is not None
    k = w.integer(None, 0, a.size - 1)
    if w.choices.chance(30):
        return a.resized(f"lookup({k.text}, {a.text})", None)
    return a.resized(f"{a.at(v.ATOM)}[{k.text}]", None)


# Tables


@rule(8)
def _table(w: Writer) -> Value:
    """A constant table, looked up by an integer or by a member."""
    k, n = _position(w)
    if w.choices.chance(25):
        values = [w.choices.integer(0, 1) for _ in range(n)]
        table = "[" + ", ".join("true" if x else "false" for x in values) + "]"
        return truth(_look(w, k, table), v.ATOM)
    table_value = w.filled(n, w.constant if w.choices.chance(40) else w.whole)
    return table_value.resized(_look(w, k, table_value.text), None)


def _position(w: Writer) -> tuple[Value, int]:
    if w.choices.chance(30):
        e = w.find(lambda x: x.kind is Kind.ENUM and x.size is None)
        if e is not None:
            return e, len(e.members)
    n = w.choices.integer(2, 6)
    return w.integer(None, 0, n - 1), n


def _look(w: Writer, k: Value, table: str) -> str:
    return f"lookup({k.text}, {table})" if w.choices.chance(50) else f"{table}[{k.text}]"


@rule(4)
def _table_of_members(w: Writer) -> Value:
    e = w.enum(w.size())
    k, n = _position(w)
    table = "[" + ", ".join(w.member(e).text for _ in range(n)) + "]"
    return replace(e, text=_look(w, k, table), size=None, level=v.ATOM)


@rule(4)
def _row(w: Writer) -> Value:
    """A row of a constant matrix, picked at run time."""
    k, n = _position(w)
    m = w.choices.integer(2, 3)
    matrix = w.filled(n, lambda: w.filled(m, lambda: w.whole()))
    return integer(f"{matrix.text}[{k.text}]", matrix.lo, matrix.hi, size=m)


# Matrices


def matrix(w: Writer, n: int, columns: int) -> Matrix:
    """A constant matrix."""
    one = Fraction(1)
    wide = Matrix(f"ones({n}, {columns})", n, columns, columns, one)
    diagonal = w.filled(n, lambda: w.whole(-1, 2))
    square = [
        Matrix(f"eye({n})", n, n, 1, one), Matrix(f"shift({n})", n, n, 1, one),
        Matrix(f"diag({diagonal.text})", n, n, diagonal.most, one),
        Matrix(f"({w.choices.pick(DECIMALS)} * eye({n}))", n, n, 2.5, None),
    ]  # fmt: skip
    if n == 2:
        square.append(Matrix("rotation(pi / 3)", 2, 2, 1.5, None))
    if w.choices.chance(75):
        return w.choices.pick(square if n == columns else [wide])
    rows = [w.filled(columns, lambda: w.whole(-1, 2)) for _ in range(n)]
    text = "[" + ", ".join(r.text for r in rows) + "]"
    return Matrix(text, n, columns, columns * max(r.most for r in rows), one)


def product(m: Matrix, a: Value) -> Value:
    """m @ a."""
    parts = (a,) if m.step is not None else (a, Value("", Kind.REAL))
    ends = -m.most * a.most, m.most * a.most
    step = None if m.step is None else a.step
    return number(f"{m.text} @ {a.at(v.NEGATE)}", parts, ends, v.PRODUCT, m.rows, step)


@rule(16)
def _matrix_product(w: Writer) -> Value:
    a = w.number(w.size() or 2)
    assert a.size is not None
    found = [m for m in w.matrices if m.columns == a.size]
    if found and w.choices.chance(70):
        return product(w.choices.pick(found), a)
    return product(matrix(w, w.choices.pick([a.size, a.size, 1, 2]), a.size), a)
