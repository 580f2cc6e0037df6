"""Calls: the program's functions, the library's, and the operations that are built in."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from ..errors import suggest
from ..ir.nodes import Output
from ..ir.types import BOOL, UNKNOWN, Kind, Type, join_kinds, join_shapes
from ..source import Span
from ..syntax import ast
from .core import MAX_MATRIX, Elaborator, Ref
from .expressions import comparison, constant_index, expression, run_time_index
from .scope import Lazy, Routine, Scope, Value


def call(e: Elaborator, x: ast.Call, scope: Scope) -> Ref:
    """`name(arguments)`."""
    binding = scope.find(x.name)
    if isinstance(binding, Routine):
        return _function(e, x, binding, scope)
    if binding is not None:
        help = f"`{x.name}` hides any function of that name; rename one of them"
        e.error("E203", x.span, f"`{x.name}` is a value, not a function", help)
        return None
    builtin = BUILTINS.get(x.name)
    if builtin is None or (x.name.startswith("_") and not scope.is_library):
        known = [*scope.all_names(), *(b for b in BUILTINS if not b.startswith("_"))]
        help = suggest(x.name, known) or "define it with `def`"
        e.error("E201", x.span, f"the function `{x.name}` is not defined", help)
        return None
    return _builtin(e, x, builtin, scope)


def _builtin(e: Elaborator, x: ast.Call, builtin: Callable[..., Ref], scope: Scope) -> Ref:
    if x.name == "prev":
        return _prev(e, x, scope)
    parameters = list(inspect.signature(builtin).parameters.values())[2:]
    least = sum(p.default is p.empty for p in parameters)
    if x.keywords or not least <= len(x.args) <= len(parameters):
        names = [p.name for p in parameters]
        message = f"`{x.name}` takes {_count(least, len(parameters))}, not {len(x.args)}"
        if x.keywords:
            message = f"`{x.name}` is built in and takes no arguments by name"
        forms = [f"`{x.name}({', '.join(names[:n])})`" for n in range(least, len(names) + 1)]
        e.error("E205", x.span, message, f"write {' or '.join(forms)}")
        return None
    args = [expression(e, a, scope) for a in x.args]
    return None if any(a is None for a in args) else builtin(e, x, *args)


def _count(least: int, most: int) -> str:
    number = str(least) if least == most else f"{least} to {most}"
    return f"{number} argument{'' if most == 1 else 's'}"


def _function(e: Elaborator, x: ast.Call, routine: Routine, scope: Scope) -> Ref:
    function = routine.syntax
    names = [n for n, _, _ in e.calls]
    if function.name in names:
        recursive(e, x, [*names[names.index(function.name) :], function.name])
        return None
    bound = _bind(e, x, function, scope, routine)
    if bound is None:
        return None
    inner = Scope(routine.scope, dict(bound), is_library=routine.scope.is_library)
    path = e.fresh(function.name)
    with e.calling(function.name, x.span, routine.scope.is_library):
        for line in function.body:
            if isinstance(line, ast.Definition | ast.State):
                inner.names[line.name] = Lazy(line, inner, f"{path}.{line.name}")
        for line in function.body:
            if isinstance(line, ast.Definition | ast.State):
                expression(e, ast.Name(line.name, span=line.span), inner)
            else:
                assume(e, line, inner)
        return expression(e, function.result, inner)


def assume(e: Elaborator, x: ast.Assume, scope: Scope) -> None:
    """`assume condition`; in a function, at each of its calls."""
    node = e.as_bool(expression(e, x.condition, scope), x.condition.span, "`assume`")
    if node is not None and e.type(node).shape:
        node = reduce(e, "all", node, "`assume`", x.condition.span)
    if node is not None:
        e.assumes.append(Output(f"assume in line {x.span.line}", node, x.span))


def recursive(e: Elaborator, x: ast.Call, path: Sequence[str]) -> None:
    """Report a call that closes a circle of functions."""
    message = f"`{x.name}` calls itself: {' -> '.join(path)}"
    e.error("E402", x.span, message, "functions cannot be recursive; use a `state`")


def _bind(
    e: Elaborator, x: ast.Call, function: ast.Function, scope: Scope, routine: Routine
) -> dict[str, Value] | None:
    """Arguments by name, defaults filled in."""
    names = [f.name for f in function.formals]
    given: dict[str, tuple[ast.Expr, Scope]] = {}
    problem = ""
    for name, value in zip(names, x.args, strict=False):
        given[name] = (value, scope)
    if len(x.args) > len(names):
        problem = f"takes {_count(len(names), len(names))}, not {len(x.args)}"
    for name, value in x.keywords:
        if name in given or name not in names:
            twice = f"is given `{name}` twice"
            problem = problem or (twice if name in given else f"has no argument `{name}`")
        given[name] = (value, scope)
    for formal in function.formals:
        if formal.name not in given and formal.default is not None:
            given[formal.name] = (formal.default, routine.scope)
        elif formal.name not in given:
            problem = problem or f"needs the argument `{formal.name}`"
    if problem:
        signature = f"{function.name}({', '.join(names)})"
        e.error("E205", x.span, f"`{function.name}` {problem}", f"write `{signature}`")
        return None
    result = {}
    for name in names:
        node = expression(e, *given[name])
        if node is None:
            return None
        result[name] = Value(node)
    return result


def _prev(e: Elaborator, x: ast.Call, scope: Scope) -> Ref:
    """`prev(e, init)`: a state of its own whose next value is e, elaborated when all else is."""
    if x.keywords or not 1 <= len(x.args) <= 2:
        message = f"`prev` takes 1 to 2 arguments, not {len(x.args)}"
        if x.keywords:
            message = "`prev` is built in and takes no arguments by name"
        e.error("E205", x.span, message, "write `prev(e)` or `prev(e, init)`")
        return None
    if isinstance(x.args[0], ast.Name) and scope.find(x.args[0].name) is None:
        name = x.args[0].name
        help = suggest(name, scope.all_names()) or f"write `state {name} = init then expression`"
        e.error("E201", x.args[0].span, f"the state `{name}` is never defined", help)
        return None
    init = e.build.const(0, Type(Kind.ZERO), x.span)
    if len(x.args) == 2:
        given = initial(e, x.args[1], scope, "the initial value")
        if given is None:
            return None
        init = given
    key = e.fresh("prev()")
    type = e.assumed.get(key, e.type(init) if e.type(init).shape else UNKNOWN)
    type = type.with_shape(e.type(init).shape or type.shape)
    position, node = e.new_state(key, type, x.span)
    calls = list(e.calls)

    def later() -> None:
        outer, e.calls = e.calls, calls
        value = expression(e, x.args[0], scope)
        if value is not None:
            settle_state(e, key, position, init, value, x.span)
        e.calls = outer

    e.deferred.append(later)
    return node


def constant(e: Elaborator, x: ast.Expr, scope: Scope, what: str) -> Ref:
    """An expression that must be constant."""
    node = expression(e, x, scope)
    if node is not None and not e.is_const(node):
        if e.node(node).op != "unknown":
            help = "it must be known when the program is compiled"
            e.error("E302", x.span, f"{what} must be a constant", help)
        return None
    return node


def initial(e: Elaborator, x: ast.Expr, scope: Scope, what: str) -> Ref:
    """The constant that a state starts from."""
    node = constant(e, x, scope, what)
    return node if node is not None and no_matrix(e, node, x.span) else None


def no_matrix(e: Elaborator, node: int, span: Span) -> bool:
    """False, with an error, where a state would be a matrix."""
    if len(e.type(node).shape or ()) > 1:
        help = "keep its rows in states of their own"
        e.error("E306", span, "a state is a scalar or a vector, not a matrix", help)
    return len(e.type(node).shape or ()) < 2


def settle_state(e: Elaborator, key: str, position: int, init: int, next: int, span: Span) -> None:
    """Compare what a state's next value turned out to be with what was assumed of its type."""
    if not no_matrix(e, next, span):
        return
    joined = e.join([init, next], [span, span], f"state `{key.split('.')[-1]}`")
    if joined is None:
        return
    init, next = joined
    assumed = e.build.states[position].type
    shape: Any = join_shapes(e.type(init).shape, e.type(next).shape)
    if e.type(init).shape == () and e.type(next).shape is None:
        shape = None
    if e.revise and shape and assumed.shape and assumed.shape != shape:
        e.found[key], e.guessed = e.type(next).with_shape(shape), True
        return
    if shape is False or (assumed.shape and shape and assumed.shape != shape):
        a, b = (e.type(init), e.type(next)) if shape is False else (assumed, e.type(next))
        message = f"the state has size {a.size}, but its next value has size {b.size}"
        e.error("E301", span, message, "a state keeps its size")
        return
    assert not isinstance(shape, bool)
    kind = join_kinds(e.type(init), e.type(next))
    assert kind is not None
    e.found[key] = kind.with_shape(shape)
    e.close_state(position, init, e.widen(next, assumed.shape, span))


# Built-in operations. Each takes the elaborator, the call, and the elaborated arguments.


def _spans(x: ast.Call) -> list[Span]:
    return [a.span for a in x.args]


def _unary_number(op: str) -> Callable[..., Ref]:
    def build(e: Elaborator, x: ast.Call, a: int) -> Ref:
        ref = e.as_number(a, x.args[0].span, f"`{x.name}`")
        return None if ref is None else e.operate(op, [ref], x.span)

    return build


def _extremum(op: str) -> Callable[..., Ref]:
    def build(e: Elaborator, x: ast.Call, a: int, b: Ref = None) -> Ref:
        left = e.as_number(a, x.args[0].span, f"`{x.name}`")
        if left is None:
            return None
        if b is None:
            return _reduce(e, x, "v" + op, left)
        right = e.as_number(b, x.args[1].span, f"`{x.name}`")
        refs = e.align([left, right], _spans(x), f"`{x.name}`")
        joined = e.join(refs, _spans(x), f"`{x.name}`") if refs else None
        return None if joined is None else e.operate(op, joined, x.span)

    return build


def _reduce(e: Elaborator, x: ast.Call, op: str, a: int) -> Ref:
    return reduce(e, op, a, f"`{x.name}`", x.span)


def reduce(e: Elaborator, op: str, a: int, what: str, span: Span) -> Ref:
    """A vector's elements made one; a scalar is a vector of one."""
    shape = e.type(a).shape
    if shape == ():
        a = e.emit("concat", [a], (), span)
    elif shape is not None and len(shape) == 2:
        e.error("E306", span, f"{what} takes a vector, not a matrix", "take one row of it")
        return None
    return e.emit(op, [a], (), span)


def _number_reduction(op: str) -> Callable[..., Ref]:
    def build(e: Elaborator, x: ast.Call, v: int) -> Ref:
        ref = e.as_number(v, x.args[0].span, f"`{x.name}`")
        return None if ref is None else _reduce(e, x, op, ref)

    return build


def _truth_reduction(op: str) -> Callable[..., Ref]:
    def build(e: Elaborator, x: ast.Call, v: int) -> Ref:
        ref = e.as_bool(v, x.args[0].span, f"`{x.name}`")
        return None if ref is None else _reduce(e, x, op, ref)

    return build


def _clamp(e: Elaborator, x: ast.Call, value: int, lo: int, hi: int) -> Ref:
    refs = [e.as_number(r, s, "`clamp`") for r, s in zip((value, lo, hi), _spans(x), strict=True)]
    aligned = e.align(refs, _spans(x), "`clamp`")
    joined = e.join(aligned, _spans(x), "`clamp`") if aligned else None
    if joined is None:
        return None
    return e.operate("min", [e.operate("max", joined[:2], x.span), joined[2]], x.span)


def _step(e: Elaborator, x: ast.Call, a: int) -> Ref:
    zero = e.number(0, x.span)
    return comparison(e, ">", (a, zero), (x.args[0].span, x.span), x.span)


def _bump(e: Elaborator, x: ast.Call, a: int, lo: int, hi: int) -> Ref:
    spans = _spans(x)
    low = comparison(e, "<=", (lo, a), (spans[1], spans[0]), x.span)
    high = comparison(e, "<", (a, hi), (spans[0], spans[2]), x.span)
    refs = e.align([low, high], [x.span, x.span], "`bump`")
    return None if refs is None else e.emit("and", refs, (), x.span)


def _dot(e: Elaborator, x: ast.Call, a: int, b: int) -> Ref:
    refs = [e.as_number(r, s, "`dot`") for r, s in zip((a, b), _spans(x), strict=True)]
    aligned = e.align(refs, _spans(x), "`dot`")
    if aligned is None:
        return None
    return _reduce(e, x, "sum", e.operate("mul", aligned, x.span))


def _size(e: Elaborator, x: ast.Call, v: int) -> Ref:
    shape = e.type(v).shape
    e.guessed |= shape is None
    return e.number(shape[0] if shape else 1, x.span)


def _is_scalar(e: Elaborator, x: ast.Call, v: int) -> Ref:
    e.guessed |= e.type(v).shape is None
    return e.build.const(e.type(v).shape in ((), None), BOOL, x.span)


def _promise(e: Elaborator, x: ast.Call, value: int, like: int) -> Ref:
    name = e.calls[-1][0] if e.calls else "promise"
    like = e.widen(like, e.type(value).shape, x.span)
    return e.emit("promise", [value, like], (name,), x.span)


def _lookup(e: Elaborator, x: ast.Call, position: int, table: int) -> Ref:
    shape = e.type(table).shape
    if shape is None:
        return e.unknown(e.type(table), ())
    if shape == ():
        e.error("E312", x.args[1].span, "a scalar has no elements", "look up in a vector")
        return None
    if e.is_const(position) and e.is_const(table):
        bracket = ast.Index(x.args[1], x.args[0], span=x.span)
        return constant_index(e, table, position, bracket)
    return run_time_index(e, table, position, x.args[0].span, x.span)


def _range(e: Elaborator, x: ast.Call, a: int, b: Ref = None) -> Ref:
    help = "write `[e for i in range(n)]`"
    e.error("E314", x.span, "`range` stands only in a list comprehension", help)
    return None


def _filled(value: int) -> Callable[..., Ref]:
    def build(e: Elaborator, x: ast.Call, n: int, m: Ref = None) -> Ref:
        refs = [(n, x.args[0].span)] + ([(m, x.args[1].span)] if m is not None else [])
        shape = []
        for ref, span in refs:
            size = e.const_int(ref, span, f"a size of `{x.name}`")
            if size is None or not e.check_size(size, span, f"the size of `{x.name}`"):
                return None
            shape.append(size)
        if not _matrix_fits(e, x, shape):
            return None
        kind = Kind.INT if value else Kind.ZERO
        return e.build.const(np.full(shape, value, dtype=object), Type(kind, tuple(shape)), x.span)

    return build


def _matrix_fits(e: Elaborator, x: ast.Call, shape: list[int]) -> bool:
    if math.prod(shape) > MAX_MATRIX:
        help = f"the largest matrix has {MAX_MATRIX:,} entries"
        e.error("E310", x.span, f"a matrix of {' x '.join(map(str, shape))} is too large", help)
        return False
    return True


def _square(fill: Callable[[int], Any]) -> Callable[..., Ref]:
    def build(e: Elaborator, x: ast.Call, n: int) -> Ref:
        size = e.const_int(n, x.args[0].span, f"the size of `{x.name}`")
        if size is None or not e.check_size(size, x.args[0].span, f"the size of `{x.name}`"):
            return None
        return e.constant(fill(size), x.span) if _matrix_fits(e, x, [size, size]) else None

    return build


def _eye(n: int) -> Any:
    return np.eye(n, dtype=int).astype(object)


def _shift(n: int) -> Any:
    return np.eye(n, k=-1, dtype=int).astype(object)


def _diag(e: Elaborator, x: ast.Call, v: int) -> Ref:
    if not e.is_const(v) or len(e.type(v).shape or ()) != 1:
        e.error("E302", x.args[0].span, "`diag` takes a constant vector", "write `diag([1, 2])`")
        return None
    values = e.node(v).values
    if not _matrix_fits(e, x, [len(values)] * 2):
        return None
    matrix = np.full((len(values), len(values)), 0, dtype=object)
    matrix[np.diag_indices(len(values))] = values
    return e.constant(matrix, x.span)


def _rotation(e: Elaborator, x: ast.Call, angle: int) -> Ref:
    ref = e.as_number(angle, x.args[0].span, "`rotation`")
    if ref is None:
        return None
    node = e.node(ref)
    if node.op != "const" or node.type.shape != ():
        help = "write it in radians, as in `rotation(pi / 3)`"
        e.error("E302", x.args[0].span, "`rotation` takes a constant angle", help)
        return None
    c, s = math.cos(node.attrs[0][0]), math.sin(node.attrs[0][0])
    return e.constant(np.array([[c, -s], [s, c]], dtype=object), x.span)


def _constant_function(f: Callable[[Any], Any]) -> Callable[..., Ref]:
    def build(e: Elaborator, x: ast.Call, a: int) -> Ref:
        ref, span = e.as_number(a, x.args[0].span, f"`{x.name}`"), x.args[0].span
        if ref is None:
            return None
        if not e.is_const(ref):
            help = "compute it outside, or tabulate it and use `lookup`"
            message = f"`{x.name}` is for constants, but this is known only at run time"
            e.error("E302", span, message, help)
            return None
        values = []
        for value in e.node(ref).attrs[0]:
            try:
                values.append(f(value))
            except (ValueError, OverflowError):
                message = f"`{x.name}` has no value at {float(value):g}"
                e.error("E308", span, message, "choose another constant")
                return None
        result = np.empty(len(values), dtype=object)
        result[:] = values
        return e.constant(result.reshape(e.type(ref).shape or ()), x.span)

    return build


def _root(v: Any) -> Any:
    if not isinstance(v, float) and v >= 0:
        v = Fraction(v)
        n, d = math.isqrt(v.numerator), math.isqrt(v.denominator)
        if n * n == v.numerator and d * d == v.denominator:
            return Fraction(n, d)
    return math.sqrt(v)


BUILTINS: dict[str, Callable[..., Ref]] = {
    "prev": _prev,
    "relu": _unary_number("relu"),
    "abs": _unary_number("abs"),
    "clamp": _clamp,
    "step": _step,
    "sum": _number_reduction("sum"),
    "dot": _dot,
    "argmax": _number_reduction("argmax"),
    "size": _size,
    "max": _extremum("max"),
    "min": _extremum("min"),
    "bump": _bump,
    "all": _truth_reduction("all"),
    "any": _truth_reduction("any"),
    "lookup": _lookup,
    "range": _range,
    "zeros": _filled(0),
    "ones": _filled(1),
    "eye": _square(_eye),
    "shift": _square(_shift),
    "diag": _diag,
    "rotation": _rotation,
    "sqrt": _constant_function(_root),
    "sin": _constant_function(lambda v: math.sin(v)),
    "cos": _constant_function(lambda v: math.cos(v)),
    "exp": _constant_function(lambda v: math.exp(v)),
    "log": _constant_function(lambda v: math.log(v)),
    "floor": _constant_function(lambda v: math.floor(v)),
    "ceil": _constant_function(lambda v: math.ceil(v)),
    "_is_scalar": _is_scalar,
    "_promise": _promise,
}
