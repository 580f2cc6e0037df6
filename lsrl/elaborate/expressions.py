"""Expressions: from syntax to typed nodes."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from ..errors import suggest
from ..ir.types import BOOL, REAL, Kind, Type
from ..source import Span
from ..syntax import ast
from ..syntax.hints import of_name
from .core import Elaborator, Ref, article, sized
from .scope import Imported, Lazy, Routine, Scope, Value


def expression(e: Elaborator, x: ast.Expr, scope: Scope) -> Ref:
    """Elaborate any expression; None if it has an error (already reported)."""
    return _DISPATCH[type(x)](e, x, scope)


def _number(e: Elaborator, x: ast.Number, scope: Scope) -> Ref:
    if x.is_integer:
        return e.number(x.value, x.span)
    return e.build.const(x.value, REAL, x.span)


def _boolean(e: Elaborator, x: ast.Boolean, scope: Scope) -> Ref:
    return e.build.const(x.value, BOOL, x.span)


def _name(e: Elaborator, x: ast.Name, scope: Scope) -> Ref:
    return lookup(e, x.name, x.span, scope)


def lookup(e: Elaborator, name: str, span: Span, scope: Scope) -> Ref:
    """The node that a name stands for."""
    binding = scope.find(name)
    if isinstance(binding, Value):
        return binding.node
    if isinstance(binding, Lazy):
        return force(e, binding, span)
    if isinstance(binding, Routine):
        help = f"call it: `{name}(...)`"
        e.error("E203", span, f"`{name}` is a function", help)
    elif isinstance(binding, Imported):
        return _imported(e, name, binding, span)
    else:
        help = of_name(name) or suggest(name, scope.all_names())
        help = help or "define it, or declare it as an `input`"
        e.error("E201", span, f"the name `{name}` is not defined", help)
    return None


def _imported(e: Elaborator, name: str, binding: Imported, span: Span) -> Ref:
    """A constant of another file."""
    before = dict(e.problems)
    if isinstance(binding.original.syntax, ast.Definition | ast.Param):
        node = force(e, binding.original, span)
        if node is not None and e.is_const(node):
            return node
    e.problems = before
    help = "only types, constants and functions can be imported"
    e.error("E204", span, f"`{name}` belongs to an imported file and is no constant there", help)
    return None


def force(e: Elaborator, binding: Lazy, span: Span) -> Ref:
    """The value of a definition or a state, elaborated now if it was not yet."""
    if binding.status == "done":
        return binding.node
    if binding.status == "busy":
        names = [n for n, _ in e.busy]
        path = " -> ".join([*names[names.index(binding.key) :], binding.key])
        name = binding.key.split(".")[-1]
        if binding.make is None:
            help = "break the cycle with `prev(...)` or a `state`"
            e.error("E401", span, f"`{name}` needs itself within one step: {path}", help)
        else:
            help = "give one of them a value that does not need the others"
            e.error("E401", span, f"`{name}` is defined by itself: {path}", help)
        return None
    binding.status = "busy"
    e.busy.append((binding.key, binding.span))
    try:
        from .declarations import define, define_state

        if binding.make is not None:
            binding.node = binding.make()
        elif isinstance(binding.syntax, ast.State):
            binding.node = define_state(e, binding.syntax, binding.scope, binding.key)
        elif isinstance(binding.syntax, ast.Definition):
            binding.node = define(e, binding.syntax, binding.scope, binding.key)
    finally:
        e.busy.pop()
        binding.status = "done"
    if binding.node is not None and not isinstance(binding.syntax, ast.Param | ast.Length):
        e.names.append((binding.key, binding.node))
    return binding.node


def _unary(e: Elaborator, x: ast.Unary, scope: Scope) -> Ref:
    operand = expression(e, x.operand, scope)
    if x.op == "not":
        operand = e.as_bool(operand, x.operand.span, "`not`")
        return None if operand is None else e.emit("not", [operand], (), x.span)
    operand = e.as_number(operand, x.operand.span, "`-`")
    return None if operand is None else e.operate("neg", [operand], x.span)


_ARITHMETIC = {"+": "add", "-": "sub", "*": "mul"}


def _binary(e: Elaborator, x: ast.Binary, scope: Scope) -> Ref:
    if x.op in ("and", "or"):
        return _logic(e, x, scope)
    left, right = expression(e, x.left, scope), expression(e, x.right, scope)
    what = f"`{x.op}`"
    if x.op == "@":
        return product(e, left, right, x)
    left = e.as_number(left, x.left.span, what)
    right = e.as_number(right, x.right.span, what)
    if left is None or right is None:
        return None
    if x.op in ("mod", "div"):
        return integer_division(e, x.op, left, right, x)
    if x.op == "**":
        return _power(e, left, right, x)
    if x.op == "*" and _mixes_matrix(e, left, right):
        help = "a constant matrix times a vector is written `A @ v`"
        e.error("E306", x.span, "`*` does not multiply a matrix with a vector", help)
        return None
    refs = e.align([left, right], [x.left.span, x.right.span], what)
    if refs is None:
        return None
    if x.op == "/":
        return _division(e, refs, x)
    return e.operate(_ARITHMETIC[x.op], refs, x.span)


def _mixes_matrix(e: Elaborator, left: int, right: int) -> bool:
    ranks = {len(e.type(r).shape or ()) for r in (left, right)}
    return ranks == {1, 2}


def _logic(e: Elaborator, x: ast.Binary, scope: Scope) -> Ref:
    sides = []
    for side in (x.left, x.right):
        sides.append(e.as_bool(expression(e, side, scope), side.span, f"`{x.op}`"))
    refs = e.align(sides, [x.left.span, x.right.span], f"`{x.op}`")
    return None if refs is None else e.emit(x.op, refs, (), x.span)


def product(e: Elaborator, left: Ref, right: Ref, x: ast.Binary) -> Ref:
    """`A @ v`: A a constant matrix, v a vector (or another constant matrix)."""
    if left is None or right is None:
        return None
    a, b = e.node(left), e.node(right)
    if a.op == "unknown":
        return e.unknown()
    if b.type.shape is None and a.op == "const" and a.type.shape and len(a.type.shape) == 2:
        kind = max(a.type.kind, b.type.kind, key=lambda k: k is Kind.REAL)
        return e.unknown(Type(kind), a.type.shape[:1])
    if b.type.shape is None:
        return e.unknown()
    if a.op != "const" or a.type.shape is None or len(a.type.shape) != 2:
        help = "write it as rows of constants; for two vectors there is `dot(a, b)`"
        message = f"the left side of `@` must be a constant matrix, not {article(a.type)}"
        e.error("E307", x.left.span, message, help)
        return None
    right = e.as_number(right, x.right.span, "`@`")
    if right is None:
        return None
    shape = b.type.shape
    if not shape or shape[0] != a.type.shape[1]:
        message = f"`@`: a {sized(a.type.shape)} matrix and a value of size {sized(shape)}"
        help = f"the right side must be a vector of {a.type.shape[1]} elements"
        e.error("E301", x.span, message, help)
        return None
    if e.is_const(right):
        return e.constant(a.values @ e.node(right).values, x.span)
    rows = tuple(tuple(row) for row in a.values)
    return e.emit("matvec", [right], (rows,), x.span)


def integer_division(e: Elaborator, op: str, left: int, right: int, x: ast.Binary) -> Ref:
    """`x mod m` and `x div m`."""
    m = e.const_int(right, x.right.span, f"the right side of `{op}`")
    if m is None:
        return None
    if m < 1:
        help = "it must be a positive constant"
        e.error("E308", x.right.span, f"`{op}` by {m}", help)
        return None
    if e.type(left).kind is Kind.REAL:
        help = "use integers; a real value of the run cannot be rounded"
        e.error("E305", x.left.span, f"`{op}` is for integers, but this is a real number", help)
        return None
    return e.emit("mod" if op == "mod" else "floordiv", [left], (m,), x.span)


def _power(e: Elaborator, left: int, right: int, x: ast.Binary) -> Ref:
    if not (e.is_const(left) and e.is_const(right)):
        span = x.left.span if not e.is_const(left) else x.right.span
        e.error("E302", span, "`**` is for constants", "write the product out, as in `x * x`")
        return None
    exponent = e.const_int(right, x.right.span, "the exponent")
    if exponent is None:
        return None
    values = e.node(left).values
    bits = max(abs(getattr(v, "numerator", 2)).bit_length() for v in values.reshape(-1))
    if abs(exponent) * bits > 4096:
        e.error("E311", x.span, "this power has too many digits", "use a smaller exponent")
        return None
    if exponent < 0 and any(v == 0 for v in values.reshape(-1)):
        e.error("E308", x.span, "division by zero", "a power of 0 needs a positive exponent")
        return None
    base = values if exponent >= 0 else values * Fraction(1)
    try:
        return e.constant(base**exponent, x.span)
    except OverflowError:
        help = "use a smaller exponent"
        e.error("E311", x.span, "this power is beyond what float64 can hold", help)
        return None


def _division(e: Elaborator, refs: list[int], x: ast.Binary) -> Ref:
    divisor = e.node(refs[1])
    if divisor.op == "const":
        if any(v == 0 for v in divisor.attrs[0]):
            e.error("E308", x.right.span, "division by zero", "divide by something else")
            return None
    elif divisor.type.kind is Kind.REAL:
        e.error(
            "E309", x.right.span, "division by a real number that is not constant",
            "divide by a constant, or by a bounded integer whose range excludes 0",
        )  # fmt: skip
        return None
    return e.operate("div", refs, x.span)


_COMPARE: dict[str, tuple[str, bool]] = {
    "<": ("lt", False), "<=": ("le", False), ">": ("lt", True), ">=": ("le", True),
    "==": ("eq", False), "!=": ("ne", False),
}  # fmt: skip


def _compare(e: Elaborator, x: ast.Compare, scope: Scope) -> Ref:
    refs = [expression(e, o, scope) for o in x.operands]
    parts: list[Ref] = []
    for i, op in enumerate(x.ops):
        a, b = x.operands[i], x.operands[i + 1]
        whole = x.span if len(x.ops) == 1 else a.span.to(b.span)
        parts.append(comparison(e, op, (refs[i], refs[i + 1]), (a.span, b.span), whole))
    if len(parts) == 1:
        return parts[0]
    aligned = e.align(parts, [x.span] * len(parts), "this chain of comparisons")
    return None if aligned is None else e.emit("and", aligned, (), x.span)


def comparison(
    e: Elaborator, op: str, refs: tuple[Ref, Ref], spans: tuple[Span, Span], span: Span
) -> Ref:
    """One comparison, element by element."""
    name, swapped = _COMPARE[op]
    aligned = e.align(refs, spans, f"`{op}`")
    if aligned is None:
        return None
    joined = e.join(aligned, spans, f"`{op}`")
    if joined is None:
        return None
    if e.type(joined[0]).kind is Kind.ENUM and name in ("lt", "le"):
        help = "compare its values with `==` and `!=`"
        e.error("E304", span, "an enumeration has no order", help)
        return None
    if e.type(joined[0]).kind is Kind.BOOL and name in ("lt", "le"):
        joined = [e.emit("number", [r]) for r in joined]
    return e.operate(name, joined[::-1] if swapped else joined, span)


def _if(e: Elaborator, x: ast.If, scope: Scope) -> Ref:
    condition = e.as_bool(expression(e, x.condition, scope), x.condition.span, "`if`")
    if condition is not None and e.is_const(condition) and e.type(condition).is_scalar:
        chosen = x.then if e.node(condition).attrs[0][0] else x.other
        return expression(e, chosen, scope)
    then, other = expression(e, x.then, scope), expression(e, x.other, scope)
    if condition is None or then is None or other is None:
        return None
    return choose(e, condition, then, other, x)


def choose(e: Elaborator, condition: int, then: int, other: int, x: ast.If) -> Ref:
    """Element by element: `then` where the condition holds."""
    branches = e.join([then, other], [x.then.span, x.other.span], "the branches of `if`")
    if branches is None:
        return None
    spans = [x.then.span, x.other.span, x.condition.span]
    aligned = e.align([*branches, condition], spans, "`if`")
    if aligned is None:
        return None
    return e.emit("select", [aligned[2], aligned[0], aligned[1]], (), x.span)


def _call(e: Elaborator, x: ast.Call, scope: Scope) -> Ref:
    from .calls import call

    return call(e, x, scope)


def _of_vectors(e: Elaborator, x: ast.Expr, scope: Scope) -> Ref:
    from .vectors import VECTORS

    return VECTORS[type(x)](e, x, scope)


_DISPATCH: dict[type, Callable[[Elaborator, Any, Scope], Ref]] = {
    ast.Number: _number,
    ast.Boolean: _boolean,
    ast.Name: _name,
    ast.Unary: _unary,
    ast.Binary: _binary,
    ast.Compare: _compare,
    ast.If: _if,
    ast.Call: _call,
    ast.Index: _of_vectors,
    ast.Slice: _of_vectors,
    ast.Bracket: _of_vectors,
    ast.Comprehension: _of_vectors,
}
