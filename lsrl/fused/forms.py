"""How the next value of one state depends on its previous value p, element by element.

A form is a leaf, `min(max(factor p + rest, low), high)` or `(factor p + rest) mod modulus`, or a
choice between forms by a condition that does not depend on p.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from ..ir.nodes import Graph, Node
from .operations import arithmetic, choice, extremum, negative
from .values import BOOL, Value, constant, converted, kind_of


@dataclass(frozen=True)
class Leaf:
    """See the module. No `low` or `high`: no limit."""

    factor: Value
    rest: Value
    low: Value | None = None
    high: Value | None = None
    modulus: int | None = None

    @property
    def is_plain(self) -> bool:
        """Neither limited nor taken modulo a number."""
        return self.low is None and self.high is None and self.modulus is None

    @property
    def is_limited(self) -> bool:
        return self.low is not None or self.high is not None


@dataclass(frozen=True)
class Choice:
    condition: Value
    a: Form
    b: Form


Form = Leaf | Choice
Rule = Callable[[Leaf], Leaf | None]


def leaves(form: Form) -> Iterator[Leaf]:
    """All leaves, from left to right."""
    if isinstance(form, Leaf):
        yield form
    else:
        yield from leaves(form.a)
        yield from leaves(form.b)


def merged(form: Form, value: Callable[[Leaf], Value | None], kind: str) -> Value | None:
    """The value that depends on the leaf which is chosen; None where it does not matter."""
    if isinstance(form, Leaf):
        found = value(form)
        return None if found is None else converted(found, kind)
    a, b = merged(form.a, value, kind), merged(form.b, value, kind)
    if a is None or b is None:
        return b if a is None else a
    return choice(form.condition, a, b, kind)


def form_of(
    graph: Graph, nodes: Sequence[int], state: int, outside: Callable[[int], Value]
) -> Form | None:
    """The form of a group's one state; `outside` gives the values of nodes outside of it."""
    kind = kind_of(graph.states[state].type)
    found: dict[int, Form | None] = {}
    for n in nodes:
        node = graph.nodes[n]
        if node.op == "prev":
            found[n] = Leaf(constant(1, kind), constant(0, kind))
        elif kind_of(node.type) != kind or node.op not in _RULES:
            found[n] = None
        else:
            args = [found[a] if a in found else outside(a) for a in node.args]
            unknown = any(a is None for a in args[: 1 if node.op == "promise" else None])
            found[n] = None if unknown else _RULES[node.op](node, args, kind)
    return found[graph.states[state].next]


def _each(form: Form, rule: Rule) -> Form | None:
    if isinstance(form, Leaf):
        return rule(form)
    a, b = _each(form.a, rule), _each(form.b, rule)
    return None if a is None or b is None else Choice(form.condition, a, b)


Args = Sequence[Form | Value | None]


def _same(node: Node, args: Args, kind: str) -> Form | None:
    return args[0] if isinstance(args[0], Form) else None


def _sum(node: Node, args: Args, kind: str) -> Form | None:
    a, b = args
    if isinstance(a, Form) and isinstance(b, Value):
        return _each(a, lambda leaf: _added(leaf, node.op, b, kind))
    if isinstance(a, Value) and isinstance(b, Form):
        form = (
            b
            if node.op == "add"
            else _each(b, lambda leaf: _scaled(leaf, "mul", constant(-1, kind), kind))
        )
        return form and _each(form, lambda leaf: _added(leaf, "add", a, kind))
    return None


def _added(leaf: Leaf, op: str, x: Value, kind: str) -> Leaf | None:
    if leaf.modulus is not None:
        return None
    low, high = (e and arithmetic(op, e, x, kind) for e in (leaf.low, leaf.high))
    return Leaf(leaf.factor, arithmetic(op, leaf.rest, x, kind), low, high)


def _negated(node: Node, args: Args, kind: str) -> Form | None:
    (a,) = args
    if not isinstance(a, Form):
        return None
    return _each(a, lambda leaf: _scaled(leaf, "mul", constant(-1, kind), kind))


def _product(node: Node, args: Args, kind: str) -> Form | None:
    a, b = args
    if isinstance(a, Form) and isinstance(b, Value):
        return _each(a, lambda leaf: _scaled(leaf, node.op, b, kind))
    if isinstance(a, Value) and isinstance(b, Form) and node.op == "mul":
        return _each(b, lambda leaf: _scaled(leaf, "mul", a, kind))
    return None


def _scaled(leaf: Leaf, op: str, x: Value, kind: str) -> Leaf | None:
    if not leaf.is_plain:
        return None
    if op == "mul" and x.equals(-1):
        return Leaf(negative(leaf.factor), negative(leaf.rest))
    return Leaf(arithmetic(op, leaf.factor, x, kind), arithmetic(op, leaf.rest, x, kind))


def _select(node: Node, args: Args, kind: str) -> Form | None:
    condition, *branches = args
    if not isinstance(condition, Value):
        return None
    a, b = (
        Leaf(constant(0, kind), converted(x, kind)) if isinstance(x, Value) else x for x in branches
    )
    assert a is not None and b is not None
    return Choice(converted(condition, BOOL), a, b)


def _limit(node: Node, args: Args, kind: str) -> Form | None:
    form = next((a for a in args if isinstance(a, Form)), None)
    values = [a for a in args if isinstance(a, Value)] or [constant(0, kind)] * (node.op == "relu")
    if form is None or len(values) != 1 or kind == BOOL:
        return None
    op = "min" if node.op == "min" else "max"
    return _each(form, lambda leaf: _limited(leaf, op, values[0], kind))


def _limited(leaf: Leaf, op: str, x: Value, kind: str) -> Leaf | None:
    if leaf.modulus is not None:
        return None
    if leaf.factor.equals(0) and leaf.is_plain:
        return Leaf(leaf.factor, extremum(op, leaf.rest, x, kind))
    low, high = (e and extremum(op, e, x, kind) for e in (leaf.low, leaf.high))
    x = converted(x, kind)
    return replace(
        leaf, low=low or x if op == "max" else low, high=high or x if op == "min" else high
    )


def _modulo(node: Node, args: Args, kind: str) -> Form | None:
    (a,) = args
    if not isinstance(a, Form):
        return None
    m = int(node.attrs[0])
    rule: Rule = lambda leaf: replace(leaf, modulus=m) if leaf.is_plain else None
    return _each(a, rule)


_RULES: dict[str, Callable[[Node, Args, str], Form | None]] = {
    "bound": _same,
    "promise": _same,
    "add": _sum,
    "sub": _sum,
    "neg": _negated,
    "mul": _product,
    "div": _product,
    "select": _select,
    "max": _limit,
    "min": _limit,
    "relu": _limit,
    "mod": _modulo,
}
