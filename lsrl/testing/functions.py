"""Rules that write a function, short or long, and call it."""

from __future__ import annotations

from dataclasses import replace

from ..ir.types import Kind
from .rules import rule
from .values import Reject, Value
from .writer import Settings, Writer


@rule(10, states=True)
def _call(w: Writer) -> Value:
    """`f(a, b)`, or, with a second copy of its states, `[f(a), f(b)]`."""
    args = _arguments(w)
    if not args:
        raise Reject
    name = w.fresh("f")
    inner = _body(w, args)
    formals = [n.text for n in inner.names]
    extra = ""
    if w.choices.chance(50):
        k = w.whole(1, 4)
        formals.append(f"k = {k.text}")
        inner.constants.append(replace(k, text="k"))
        extra = w.choices.pick(["", f", k = {k.text}", f", {k.text}"])
    result, body = _result(w, inner)
    head = f"def {name}({', '.join(formals)})"
    if body:
        lines = [*inner.lines, f"return {result.text}"]
        w.functions.append(head + " {\n" + "".join(f"    {line}\n" for line in lines) + "}")
    else:
        w.functions.append(f"{head} = {result.text}")
    call = _written(name, args, extra)
    again = _again(w, args)
    if again and result.size is None and w.choices.chance(60):
        return result.resized(f"[{call}, {_written(name, again, extra)}]", 2)
    return result.renamed(call)


def _written(name: str, args: list[Value], extra: str) -> str:
    return f"{name}({', '.join(a.text for a in args)}{extra})"


def _arguments(w: Writer) -> list[Value]:
    found = [w.find(lambda n: True, nested=False) for _ in range(w.choices.integer(1, 2))]
    return [a for a in found if a is not None]


def _body(w: Writer, args: list[Value]) -> Writer:
    """A scope that sees the arguments and the constants of the file."""
    settings = Settings(
        w.settings.linear, w.settings.length, functions=False,
        counter=w.settings.counter, types=w.settings.types,
    )  # fmt: skip
    inner = Writer(w.choices, settings)
    inner.constants, inner.matrices = list(w.constants), list(w.matrices)
    inner.vectors = list(w.vectors)
    for k, a in enumerate(args):
        inner.add(a.renamed(f"{'abc'[k]}"))
    return inner


def _result(w: Writer, inner: Writer) -> tuple[Value, bool]:
    """The value that the function returns, and whether it needs the long form."""
    if w.choices.chance(50):
        inner.depth = 1  # no states: one expression
        result, long = inner.expression(), False
    else:
        for _ in range(w.choices.integer(1, 2)):
            inner.write()
        last, long = inner.names[-1], True
        result = inner.take(last)
    w.settings.counter = inner.settings.counter
    if result.kind is Kind.ENUM and result.size is not None and result.size > 4:
        raise Reject
    return result, long or bool(inner.lines)


def _again(w: Writer, args: list[Value]) -> list[Value] | None:
    """Other arguments that fit where these did."""
    others = [w.find(lambda n, a=a: n.fits(a), nested=False) for a in args]  # type: ignore[misc]
    return [o for o in others if o is not None] if None not in others else None
