"""What a run must not do: break a declared bound, a promise or an `assume`, or leave float64.

Each check is a watcher of one node: a cheap reduction, and words only if it fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from ..errors import Diagnostic, PromiseError
from ..ir.nodes import Graph, Node
from ..ir.semantics import Array
from ..ir.types import Kind
from .machine import Action, Frame, Violation, Watcher, too_large

Ranges = Mapping[int, tuple[Any, Any]]  # node: (lo, hi), numbers or one per element
SLACK = 1e-9  # of a bound of reals, relative
EXACT_INTEGERS = 2.0**53


def checked_nodes(graph: Graph) -> list[int]:
    """Nodes that are computed for their promises alone."""
    return [i for i, n in enumerate(graph.nodes) if n.op in ("bound", "promise")]


def checks(graph: Graph, ranges: Ranges, exact: bool) -> Iterator[Watcher]:
    """All checks of a graph."""
    for assume in graph.assumes:
        yield Watcher(assume.node, _assume(assume.node))
    for i, node in enumerate(graph.nodes):
        if node.op == "bound":
            name, lo, hi = node.attrs
            yield Watcher(i, _bound(node, i, name, lo, hi, exact))
        elif node.op == "promise" and node.args[1] in ranges:
            yield Watcher(i, _promise(node, i, ranges[node.args[1]], exact))
        elif node.op in ("index", "table"):
            yield Watcher(i, _position(graph, i), (node.args[-1],))
        elif node.op == "div" and graph.nodes[node.args[1]].op != "const":
            yield Watcher(i, _divisor(i, node.args[1]), (node.args[1],))
    if not exact:
        for i in sorted({*(s.next for s in graph.states), *(o.node for o in graph.outputs)}):
            if graph.nodes[i].type.kind in (Kind.INT, Kind.ENUM, Kind.ZERO):
                yield Watcher(i, _representable(i))


def raise_first(graph: Graph, frame: Frame) -> None:
    """Raise the earliest of a frame's violations, if there is one."""
    if frame.violations:
        first = min(frame.violations, key=lambda v: (v.step, v.rank, v.node))
        span = graph.nodes[first.node].span
        if first.code == "E704":
            span = next(a.span for a in graph.assumes if a.node == first.node)
        raise PromiseError(Diagnostic(first.code, first.message, span, first.help))


def _where(frame: Frame, bad: Array) -> tuple[int, tuple[int, ...], str]:
    """Step, position in the array and 'at step 3 of sequence 5' for the first true element."""
    t = int(np.argmax(bad.reshape(len(bad), -1).any(axis=1)))
    inside = np.unravel_index(int(np.argmax(bad[t])), bad[t].shape)
    place = (t, *(int(k) for k in inside))
    text = f"at step {frame.start + t}"
    if frame.batch > 1:
        text += f" of sequence {place[1]}"
    return frame.start + t, place, text


def show(value: Any) -> str:
    """A number for a message."""
    number = float(value)
    if isinstance(value, Fraction) and Fraction(f"{number:.10g}") != value:
        return str(value)
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else f"{number:.10g}"


def _assume(i: int) -> Action:
    def act(frame: Frame) -> None:
        value = frame.at(i)
        if not value.all():
            step, _, text = _where(frame, ~value)
            message = f"the inputs break this assumption {text}"
            help = "the program promises nothing for such inputs"
            frame.violations.append(Violation(step, 0, "E704", i, message, help))

    return act


def _outside(value: Array, lo: Array, hi: Array) -> Array | None:
    """Where a value lies outside of its range (NaN does), or None."""
    if lo.ndim == 0 and value.size and value.min() >= lo and value.max() <= hi:
        return None
    bad = ~((value >= lo) & (value <= hi)).astype(bool)
    return bad if bad.any() else None


def limits(lo: Any, hi: Any, node: Node, exact: bool) -> tuple[Array, Array]:
    """What a value is compared with, for a range that it is to lie in: that of reals has slack."""
    low, high = np.asarray(lo, dtype=object), np.asarray(hi, dtype=object)
    if exact:
        return low, high
    low, high = low.astype(np.float64), high.astype(np.float64)
    slack = SLACK if node.type.kind is Kind.REAL else 0.0
    return low - slack * np.maximum(1, abs(low)), high + slack * np.maximum(1, abs(high))


def _in_range(
    node: Node, i: int, lo: Any, hi: Any, exact: bool, code: str, words: Any, help: str
) -> Action:
    low, high = limits(lo, hi, node, exact)

    def act(frame: Frame) -> None:
        value = frame.at(i)
        bad = _outside(value, low, high)
        if bad is None:
            return
        step, place, text = _where(frame, bad)
        element = "".join(f"[{k}]" for k in place[2:])
        found = show(value[place])
        frame.violations.append(
            Violation(step, 1, code, i, words(element, found, text, place[2:]), help)
        )

    return act


def _bound(node: Node, i: int, name: str, lo: Any, hi: Any, exact: bool) -> Action:
    def words(element: str, found: str, text: str, _: Any) -> str:
        return f"`{name}{element}` is {found} {text}, outside of {show(lo)}..{show(hi)}"

    help = "declare a range that holds it, or an `assume` that excludes such inputs"
    return _in_range(node, i, lo, hi, exact, "E702", words, help)


def promised_range(lo: Any, hi: Any) -> tuple[Any, Any]:
    """The range of a register that holds 0 or a value of lo..hi: numbers, or one per element."""
    lo, hi = np.minimum(lo, 0), np.maximum(hi, 0)
    if lo.size and (lo == lo.flat[0]).all() and (hi == hi.flat[0]).all():
        return lo.flat[0], hi.flat[0]
    return lo, hi


def _promise(node: Node, i: int, range: tuple[Any, Any], exact: bool) -> Action:
    lo, hi = promised_range(*range)
    if exact and node.type.kind is Kind.REAL:  # the analysis rounds its ends to floats
        lo, hi = lo - SLACK * np.maximum(1, -lo), hi + SLACK * np.maximum(1, hi)

    def words(element: str, found: str, text: str, place: tuple[int, ...]) -> str:
        low, high = (np.asarray(end)[place] if np.ndim(end) else end for end in (lo, hi))
        limits = f"{show(low)}..{show(high)}"
        return f"`{node.attrs[0]}{element}` holds {found} {text}, outside of {limits}"

    help = "it adds up what it is given, so its condition may hold only once; see `latch`"
    return _in_range(node, i, lo, hi, exact, "E703", words, help)


def _position(graph: Graph, i: int) -> Action:
    node = graph.nodes[i]
    at = node.args[-1]
    if node.op == "index":
        size = graph.nodes[node.args[0]].type.size
    else:
        size = len(node.attrs[0]) // (node.attrs[1] or 1)

    def act(frame: Frame) -> None:
        bad = _outside(frame.at(at), np.asarray(0), np.asarray(size - 1))
        if bad is not None:
            step, place, text = _where(frame, bad)
            found = show(frame.at(at)[place])
            message = f"the index is {found} {text}, but the vector has size {size}"
            frame.violations.append(Violation(step, 2, "E706", i, message, "check its range"))

    return act


def _divisor(i: int, divisor: int) -> Action:
    def act(frame: Frame) -> None:
        zero = frame.at(divisor) == 0
        if zero.any():
            step, _, text = _where(frame, zero.astype(bool))
            message = f"the divisor is 0 {text}"
            frame.violations.append(Violation(step, 2, "E706", i, message, "check its range"))

    return act


def _representable(i: int) -> Action:
    def act(frame: Frame) -> None:
        value = frame.at(i)
        bad = _outside(value, np.asarray(-EXACT_INTEGERS), np.asarray(EXACT_INTEGERS))
        if bad is not None:
            step, _, _ = _where(frame, bad)
            frame.violations.append(too_large(step, i))

    return act
