"""Rules of vectors: taking apart, putting together, reducing."""

from __future__ import annotations

from bisect import bisect_right

from ..ir.builder import tidy
from ..ir.nodes import Node
from .rules import Rule, Simplifier

MAX_FLAT = 64  # parts up to which nested concatenations become one


# take


def _everything(s: Simplifier, n: Node) -> int | None:
    size = s.nodes[n.args[0]].type.size
    return n.args[0] if n.attrs[0] == tuple(range(size)) else None


def _of_take(s: Simplifier, n: Node) -> int | None:
    source = s.nodes[n.args[0]]
    if source.op != "take":
        return None
    inner, outer = source.attrs[0], n.attrs[0]
    indices = inner[outer] if isinstance(outer, int) else tuple(inner[i] for i in outer)
    return s.make("take", source.args[0], attrs=(indices,))


def _of_broadcast(s: Simplifier, n: Node) -> int | None:
    x = s.inside(n, "broadcast")
    if x is None or isinstance(n.attrs[0], int):
        return x
    return s.make("broadcast", x, attrs=(len(n.attrs[0]),))


def _of_concat(s: Simplifier, n: Node) -> int | None:
    """One part of a concatenation, or a piece of one, or several whole parts."""
    if s.op(n.args[0]) != "concat":
        return None
    parts = s.args(n.args[0])
    starts = [0]
    for p in parts:
        starts.append(starts[-1] + s.nodes[p].type.size)
    wanted = [n.attrs[0]] if isinstance(n.attrs[0], int) else list(n.attrs[0])
    first = _part(starts, wanted[0])
    low, high = starts[first], starts[first + 1]
    if all(low <= i < high for i in wanted):
        return _piece(s, n, parts[first], [i - low for i in wanted])
    whole: list[int] = []
    at = 0
    while at < len(wanted):
        part = _part(starts, wanted[at])
        span = list(range(starts[part], starts[part + 1]))
        if wanted[at : at + len(span)] != span:
            return None
        whole.append(parts[part])
        at += len(span)
    return s.make("concat", *whole)


def _part(starts: list[int], position: int) -> int:
    return bisect_right(starts, position) - 1


def _piece(s: Simplifier, n: Node, part: int, indices: list[int]) -> int:
    scalar = isinstance(n.attrs[0], int)
    if s.nodes[part].type.is_scalar:
        return part if scalar else s.make("broadcast", part, attrs=(len(indices),))
    return s.make("take", part, attrs=(indices[0] if scalar else tuple(indices),))


# concat


def _equal_parts(s: Simplifier, n: Node) -> int | None:
    x = n.args[0]
    if any(a != x for a in n.args) or not s.nodes[x].type.is_scalar:
        return x if len(n.args) == 1 else None
    return s.make("broadcast", x, attrs=(len(n.args),))


def _of_concats(s: Simplifier, n: Node) -> int | None:
    items: list[int] = []
    for a in n.args:
        items += s.args(a) if s.op(a) == "concat" else (a,)
    if all(s.op(a) != "concat" for a in n.args) or len(items) > MAX_FLAT:
        return None
    return s.make("concat", *items)


def _neighbours(s: Simplifier, n: Node) -> int | None:
    """Join neighbours that are taken from one vector, and neighbours that are constant."""
    parts: list[int] = []
    for run in _runs(s, n):
        parts.append(run[0] if len(run) == 1 else _joined(s, n, run))
    if len(parts) == len(n.args):
        return None
    return parts[0] if len(parts) == 1 else s.make("concat", *parts)


def _runs(s: Simplifier, n: Node) -> list[list[int]]:
    runs: list[list[int]] = []
    before: object = None
    for a in n.args:
        op = s.op(a)
        source = s.args(a)[0] if op == "take" else ("const" if op == "const" else None)
        if runs and source is not None and source == before:
            runs[-1].append(a)
        else:
            runs.append([a])
        before = source
    return runs


def _joined(s: Simplifier, n: Node, run: list[int]) -> int:
    values = [s.nodes[a].attrs[0] for a in run]
    if s.is_const(run[0]):
        flat = [tidy(v, n.type) for vs in values for v in vs]
        return s.const(flat, n.type.with_shape((len(flat),)))
    indices = tuple(i for v in values for i in ((v,) if isinstance(v, int) else v))
    return s.make("take", s.args(run[0])[0], attrs=(indices,))


# Reductions and run-time positions


def _of_equal(s: Simplifier, n: Node) -> int | None:
    """x, where the vector is x over and over."""
    return s.inside(n, "broadcast")


def _only_element(s: Simplifier, n: Node) -> int | None:
    if s.nodes[n.args[0]].type.size != 1:
        return None
    return s.make("take", n.args[0], attrs=(0,))


def _of_scalars(op: str) -> Rule:
    def apply(s: Simplifier, n: Node) -> int | None:
        parts = s.args(n.args[0])
        if s.op(n.args[0]) != "concat" or not all(s.nodes[p].type.is_scalar for p in parts):
            return None
        return s.make(op, *parts)

    name = {"and": "all", "or": "any"}[op]
    return Rule(f"{name}([a, b, ...]) = a {op} b {op} ...", name, apply)


def _first_position(s: Simplifier, n: Node) -> int | None:
    vector = s.nodes[n.args[0]]
    same = vector.type.size == 1 or vector.op == "broadcast"
    return s.constant(0, n.type) if same else None


def _constant_position(s: Simplifier, n: Node) -> int | None:
    k = s.value(n.args[1])
    if not isinstance(k, int) or not 0 <= k < s.nodes[n.args[0]].type.size:
        return None
    return s.make("take", n.args[0], attrs=(int(k),))


RULES = (
    Rule("v[0:size(v)] = v", "take", _everything),
    Rule("(v[I])[J] = v[I[J]]", "take", _of_take),
    Rule("[x, x, x][I] = [x, x]", "take", _of_broadcast),
    Rule("[u, v, w][I] = v[J], or [u, v]", "take", _of_concat),
    Rule("[x, x, x] = broadcast(x); [v] = v", "concat", _equal_parts),
    Rule("[[a, b], c] = [a, b, c]", "concat", _of_concats),
    Rule("[v[I], v[J]] = v[I J]; constants likewise", "concat", _neighbours),
    *(Rule(f"{op}([x, x, x]) = x", op, _of_equal) for op in ("all", "any", "vmax", "vmin")),
    *(Rule(f"{op}([x]) = x", op, _only_element) for op in ("sum", "all", "any", "vmax", "vmin")),
    _of_scalars("and"),
    _of_scalars("or"),
    Rule("argmax([x, x, x]) = 0", "argmax", _first_position),
    Rule("v[k] = v[k], k constant", "index", _constant_position),
    Rule("[x, x, x][k] = x", "index", _of_equal),
)
