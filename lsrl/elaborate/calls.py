"""Calls: the program's functions, the library's, `prev`, and the operations that are built in."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from ..errors import suggest
from ..ir.nodes import Output
from ..ir.types import UNKNOWN, ZERO, join_kinds, join_shapes
from ..source import Span
from ..syntax import ast
from .builtins import OPERATIONS, reduce
from .core import Elaborator, Ref
from .expressions import expression
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
    parameters = _parameters(builtin)
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


@cache
def _parameters(builtin: Callable[..., Ref]) -> list[inspect.Parameter]:
    """What a built-in function takes in a program."""
    return list(inspect.signature(builtin).parameters.values())[2:]


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
    if e.expected is not None and routine.scope.is_library:
        _expect(e, x, routine, bound)
    return _body(e, x, routine, bound)


def _expect(e: Elaborator, x: ast.Call, routine: Routine, bound: dict[str, Value]) -> None:
    """In the first round: assume for the states of a library function what a trial finds, once for
    all calls with arguments of the same types. It saves most programs the second round: bodies of
    the library depend on nothing but their arguments."""
    function = routine.syntax
    assert e.expected is not None
    names = [line.name for line in function.body if isinstance(line, ast.State)]
    if not names:
        return
    nodes = [e.node(v.node) for v in bound.values() if v.node is not None]
    key = function.name, *((n.op, n.type, n.attrs) if n.op == "const" else n.type for n in nodes)
    path = e.upcoming(function.name)
    if key not in e.expected:
        with e.trial():
            _body(e, x, routine, bound)
            e.expected[key] = [e.found.get(f"{path}.{name}") for name in names]
    for name, type in zip(names, e.expected[key], strict=True):
        if type is not None:
            e.assumed[f"{path}.{name}"] = type


def _body(e: Elaborator, x: ast.Call, routine: Routine, bound: dict[str, Value]) -> Ref:
    """What a call is worth, with these arguments."""
    function = routine.syntax
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
    init = e.build.const(0, ZERO, x.span)
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


BUILTINS: dict[str, Callable[..., Ref]] = {"prev": _prev, **OPERATIONS}
