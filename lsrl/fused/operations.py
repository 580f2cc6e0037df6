"""The expression of each operation of the program IR, with constants folded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..ir.nodes import Graph, Node
from ..ir.semantics import apply
from .values import BOOL, INT, REAL, Value, constant, converted, kind_of, literal, widest

_SYMBOLS = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
_COMPARISONS = {"lt": "<", "le": "<=", "eq": "==", "ne": "!="}

Pool = Callable[[str], str]  # from the text of a table or a matrix to a name for it


def render(graph: Graph, node: Node, args: Sequence[Value], pool: Pool) -> Value:
    """The value of an operation on values, one for each operand."""
    if args and all(a.constant is not None for a in args):
        folded = _folded(graph, node, args)
        if folded is not None:
            return folded
    return _Rule(graph, node, list(args), pool).render()


def _folded(graph: Graph, node: Node, args: Sequence[Value]) -> Value | None:
    """An operation on constants; None where it has no value (an index outside of its vector)."""
    shapes = [graph.nodes[a].type.shape or () for a in node.args]
    full = [np.broadcast_to(a.constant, s) for a, s in zip(args, shapes, strict=True)]
    try:
        found = apply(node.op, node.attrs, full, [bool(s) for s in shapes])
    except (IndexError, ZeroDivisionError):
        return None
    return constant(found, kind_of(node.type))


class _Rule:
    def __init__(self, graph: Graph, node: Node, args: list[Value], pool: Pool) -> None:
        self.graph, self.node, self.args, self.pool = graph, node, args, pool
        self.kind, self.op = kind_of(node.type), node.op
        self.size = node.type.size

    def render(self) -> Value:
        for names, rule in _RULES.items():
            if self.op in names.split():
                return rule(self)
        raise AssertionError(f"no rule for {self.op}")

    def new(self, text: str, *, wide: bool | None = None, simple: bool = True) -> Value:
        wide = any(a.wide for a in self.args) if wide is None else wide
        return Value(text, self.kind, wide, None, simple)

    def same(self) -> Value:
        return converted(self.args[0], self.kind)

    def sizes(self) -> list[int]:
        return [self.graph.nodes[a].type.size for a in self.node.args]

    # Element by element

    def arithmetic(self) -> Value:
        return arithmetic(self.op, self.args[0], self.args[1], self.kind)

    def negative(self) -> Value:
        return negative(self.same())

    def comparison(self) -> Value:
        kind = widest(*(a.kind for a in self.args))
        if kind == BOOL and self.op in ("lt", "le"):
            kind = INT
        a, b = (converted(x, kind) for x in self.args)
        if kind == BOOL and self.op in ("eq", "ne"):
            for x, y in ((a, b), (b, a)):
                if x.constant is not None and not x.wide:
                    return y if x.equals(self.op == "eq") else inverse(y)
        return self.new(f"{a.operand} {_COMPARISONS[self.op]} {b.operand}", simple=False)

    def negation(self) -> Value:
        return inverse(converted(self.args[0], BOOL))

    def logic(self) -> Value:
        return _logic(self.op, *self.args)

    def select(self) -> Value:
        condition, a, b = self.args
        return choice(condition, a, b, self.kind)

    def relu(self) -> Value:
        return self.new(f"maximum({self.same().text}, {'0.0' if self.kind == REAL else '0'})")

    def magnitude(self) -> Value:
        return self.new(f"abs({self.same().text})")

    def extremum(self) -> Value:
        return extremum(self.op, self.args[0], self.args[1], self.kind)

    def modulo(self) -> Value:
        a, m = self.same(), int(self.node.attrs[0])
        if self.op == "mod":
            return self.new(f"modulo({a.text}, {m})")
        return self.new(f"{a.operand} // {m}", simple=False)

    def units(self) -> Value:
        (step,) = self.node.attrs
        a = converted(self.args[0], REAL)
        return self.new(f"nearest({a.operand} / {float(step)!r})")

    # Vectors

    def reduction(self) -> Value:
        a = converted(self.args[0], self.kind)
        if a.wide and self.op in ("sum", "all", "any"):
            return self.new(f"{a.operand}.{self.op}(0)", wide=False)
        if a.wide:
            name = "largest" if self.op == "vmax" else "smallest"
            return self.new(f"{name}({a.text})", wide=False)
        n = self.sizes()[0]
        if self.op == "sum" and n > 1:
            return self.new(f"{n} * {a.operand}", wide=False, simple=False)
        return a

    def argmax(self) -> Value:
        (a,) = self.args
        return self.new(f"first_largest({a.text})", wide=False) if a.wide else constant(0, INT)

    def concat(self) -> Value:
        parts = [converted(a, self.kind) for a in self.args]
        if len(parts) == 1 and parts[0].wide:
            return parts[0]
        texts = [widened(p, n).text for p, n in zip(parts, self.sizes(), strict=True)]
        return self.new(f"joined({', '.join(texts)})", wide=True)

    def take(self) -> Value:
        (a,), where = self.args, self.node.attrs[0]
        if not a.wide:
            return a
        if isinstance(where, int):
            return self.new(f"{a.operand}[{where}]", wide=False)
        if where == tuple(range(self.sizes()[0])):
            return a
        if where == tuple(range(where[0], where[-1] + 1)):
            return self.new(f"{a.operand}[{where[0]}:{where[-1] + 1}]", wide=True)
        return self.new(f"picked({a.text}, {list(where)})", wide=True)

    def element(self) -> Value:
        a, i = self.args
        if not a.wide:
            return a
        if i.constant is not None:
            where = min(max(int(i.constant), 0), self.sizes()[0] - 1)
            return self.new(f"{a.operand}[{where}]", wide=False)
        return self.new(f"element({a.text}, {i.text})", wide=False)

    def table(self) -> Value:
        values, width, _ = self.node.attrs
        array: Any = np.empty(len(values), dtype=object)
        array[:] = values
        if width:
            array = array.reshape(-1, width).T
        (i,) = self.args
        table = self.pool(f"array({literal(array, self.kind)})")
        return self.new(f"row({table}, {converted(i, INT).text})", wide=bool(width))

    def product(self) -> Value:
        rows = np.array(self.node.attrs[0], dtype=object)
        a = converted(self.args[0], self.kind)
        if a.equals(0):
            return constant(0, self.kind)
        matrix = self.pool(f"array({literal(rows, self.kind)})")
        return self.new(f"product({matrix}, {widened(a, rows.shape[1]).text})", wide=True)


def widened(value: Value, d: int) -> Value:
    """The vector with all its elements."""
    if value.wide:
        return value
    if value.constant is not None:
        text = f"constant({literal(np.full(d, value.constant, dtype=object), value.kind)})"
        return Value(text, value.kind, True, np.full(d, value.constant, dtype=object))
    return Value(f"lanes({value.text}, {d})", value.kind, True)


def arithmetic(op: str, a: Value, b: Value, kind: str) -> Value:
    """`add`, `sub`, `mul` or `div` of two values of that kind."""
    a, b = converted(a, kind), converted(b, kind)
    if a.constant is not None and b.constant is not None:
        return constant(apply(op, (), [a.constant, b.constant], [False] * 2), kind)
    same = {
        "add": b if a.equals(0) else a if b.equals(0) else None,
        "sub": a if b.equals(0) else negative(b) if a.equals(0) else None,
        "mul": b if a.equals(1) or b.equals(0) else a if b.equals(1) or a.equals(0) else None,
        "div": a if b.equals(1) or a.equals(0) else None,
    }[op]
    if same is not None:
        return same
    text = f"{a.operand} {_SYMBOLS[op]} {b.operand}"
    return Value(text, kind, a.wide or b.wide, None, simple=False)


def negative(a: Value) -> Value:
    """-a."""
    if a.constant is not None:
        return constant(-a.constant, a.kind)
    return Value(f"-{a.operand}", a.kind, a.wide, None, simple=False)


def inverse(a: Value) -> Value:
    """not a."""
    if a.constant is not None:
        return constant(~np.asarray(a.constant, dtype=bool), BOOL)
    return Value(f"~{a.operand}", BOOL, a.wide, None, simple=False)


def _logic(op: str, *args: Value) -> Value:
    """`and` or `or` of any number of values."""
    neutral = op == "and"
    parts = [converted(a, BOOL) for a in args]
    if any(p.equals(not neutral) for p in parts):
        return constant(not neutral, BOOL)
    parts = [p for p in parts if not p.equals(neutral)] or parts[:1]
    if len(parts) == 1:
        return parts[0]
    if all(p.constant is not None for p in parts):
        return constant(apply(op, (), [p.constant for p in parts], [False] * len(parts)), BOOL)
    text = (" & " if neutral else " | ").join(p.operand for p in parts)
    return Value(text, BOOL, any(p.wide for p in parts), None, simple=False)


def extremum(op: str, a: Value, b: Value, kind: str) -> Value:
    """`max` or `min` of two values of that kind."""
    a, b = converted(a, kind), converted(b, kind)
    if a.constant is not None and b.constant is not None:
        return constant(apply(op, (), [a.constant, b.constant], [False] * 2), kind)
    wide = a.wide or b.wide
    if kind == BOOL:
        symbol = "|" if op == "max" else "&"
        return Value(f"{a.operand} {symbol} {b.operand}", BOOL, wide, None, simple=False)
    return Value(f"{op}imum({a.text}, {b.text})", kind, wide)


def choice(condition: Value, a: Value, b: Value, kind: str) -> Value:
    """a where the condition holds, else b."""
    condition = converted(condition, BOOL)
    a, b = converted(a, kind), converted(b, kind)
    if condition.constant is not None and not condition.wide:
        return a if condition.constant else b
    if a.text == b.text:
        return a
    if all(v.constant is not None for v in (condition, a, b)):
        return constant(np.where(condition.constant, a.constant, b.constant), kind)
    if kind == BOOL and a.constant is not None and not a.wide:
        return _logic(
            "or" if a.constant else "and", condition if a.constant else inverse(condition), b
        )
    if kind == BOOL and b.constant is not None and not b.wide:
        return _logic(
            "or" if b.constant else "and", inverse(condition) if b.constant else condition, a
        )
    wide = condition.wide or a.wide or b.wide
    return Value(f"where({condition.text}, {a.text}, {b.text})", kind, wide)


_RULES: dict[str, Callable[[_Rule], Value]] = {
    "bound promise number broadcast": _Rule.same,
    "add sub mul div": _Rule.arithmetic,
    "neg": _Rule.negative,
    "lt le eq ne": _Rule.comparison,
    "and or": _Rule.logic,
    "not": _Rule.negation,
    "select": _Rule.select,
    "relu": _Rule.relu,
    "abs": _Rule.magnitude,
    "max min": _Rule.extremum,
    "mod floordiv": _Rule.modulo,
    "units": _Rule.units,
    "sum all any vmax vmin": _Rule.reduction,
    "argmax": _Rule.argmax,
    "concat": _Rule.concat,
    "take": _Rule.take,
    "index": _Rule.element,
    "table": _Rule.table,
    "matvec": _Rule.product,
}
