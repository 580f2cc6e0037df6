"""The equations of torch's recurrent layers in a small IR: written once, run by NumPy.

A layer has gates, blocks of H rows of its weights. The equations see, for each gate k, `x.k` (the
part of the input, W_ih x + b_ih) and `h.k` (the part of the state, W_hh h + b_hh), and the state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Name:
    """A part of the step: "x.i", "h.i", a state, or a value defined before."""

    name: str


@dataclass(frozen=True)
class Apply:
    """A function of `FUNCTIONS` of the terms."""

    function: str
    args: tuple[Expr, ...]


Expr = Name | Apply


def sigmoid(a: Expr) -> Expr:
    """1 / (1 + exp(-a))."""
    return Apply("sigmoid", (a,))


def tanh(a: Expr) -> Expr:
    """The hyperbolic tangent."""
    return Apply("tanh", (a,))


def relu(a: Expr) -> Expr:
    """max(a, 0)."""
    return Apply("relu", (a,))


def total(*args: Expr) -> Expr:
    """The sum, from left to right: its order decides what is rounded."""
    return Apply("sum", args)


def times(*args: Expr) -> Expr:
    """The product, element by element."""
    return Apply("product", args)


def gate(k: str) -> Expr:
    """The argument of gate k."""
    return total(Name(f"x.{k}"), Name(f"h.{k}"))


@dataclass(frozen=True)
class Equations:
    """Gates in the order of torch's blocks; values in order of definition, those of the states
    among them (h is the output)."""

    gates: tuple[str, ...]
    states: tuple[str, ...]
    values: tuple[tuple[str, Expr], ...]


def _sigmoid(a: Any) -> Any:
    return 1 / (1 + np.exp(-a))


FUNCTIONS: dict[str, Any] = {
    "sum": lambda *args: sum(args[1:], args[0]),
    "product": lambda *args: np.multiply.reduce(args) if len(args) > 2 else args[0] * args[1],
    "difference": lambda a, b: a - b,
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "relu": lambda a: np.maximum(a, 0),
}


def evaluate(e: Expr, values: Mapping[str, Any]) -> Any:
    """An expression on arrays `[B, H]`."""
    if isinstance(e, Name):
        return values[e.name]
    return FUNCTIONS[e.function](*(evaluate(a, values) for a in e.args))


def names_of(e: Expr) -> list[str]:
    """What an expression reads."""
    return [e.name] if isinstance(e, Name) else [n for a in e.args for n in names_of(a)]


OPERATORS = {"sum": " + ", "product": " * ", "difference": " - "}


def render(e: Expr, functions: Mapping[str, str]) -> str:
    """An expression as source text: x.i as x_i, functions by what the framework calls them."""
    if isinstance(e, Name):
        return e.name.replace(".", "_")
    args = [render(a, functions) for a in e.args]
    if e.function in functions:
        return f"{functions[e.function]}({', '.join(args)})"
    if e.function != "sum":
        pairs = zip(e.args, args, strict=True)
        args = [f"({t})" if _is_sum(a) else t for a, t in pairs]
    return OPERATORS[e.function].join(args)


def _is_sum(e: Expr) -> bool:
    return isinstance(e, Apply) and e.function in ("sum", "difference")


def _show(probe: Any, t: int, name: str, values: dict[str, Any]) -> None:
    """Let a probe see, and change, a part of the state; a cell follows its h = tanh(c)."""
    before = values[name]
    values[name] = np.array(before)
    probe(t, {name: values[name]})
    if name == "h" and "c" in values:
        changed = values["h"] != before
        values["c"] = np.where(changed, np.arctanh(values["h"]), values["c"])


def run_layer(
    equations: Equations, weights: Mapping[str, Any], x: Any, state: dict[str, Any], probe: Any
) -> Any:
    """x `[B, T, n]` to all outputs `[B, T, H]`; `state` (arrays `[B, H]`) becomes that after the
    last step. `probe(t, kinds)`, if there is one, sees and may change x and p (h one step back)
    before a step, and c and h after it."""
    size = state["h"].shape[-1]
    x = np.array(x) if probe is not None else x
    inputs = None if probe is not None else x @ weights["weight_ih"].T + weights["bias_ih"]
    out = np.empty((*x.shape[:2], size), dtype=x.dtype).view(type(x))
    blocks = {k: slice(i * size, (i + 1) * size) for i, k in enumerate(equations.gates)}
    into, recurrent = weights["weight_ih"].T, weights["weight_hh"].T
    for t in range(x.shape[1]):
        if inputs is not None:
            part = inputs[:, t]
        else:
            state["h"] = state["h"].copy()
            probe(t, {"x": x[:, t], "p": state["h"]})
            part = x[:, t] @ into + weights["bias_ih"]
        own = state["h"] @ recurrent + weights["bias_hh"]
        values = dict(state)
        for k, block in blocks.items():
            values[f"x.{k}"], values[f"h.{k}"] = part[:, block], own[:, block]
        for name, e in equations.values:
            values[name] = evaluate(e, values)
            if probe is not None and name in equations.states:
                _show(probe, t, name, values)
        state |= {name: values[name] for name in equations.states}
        out[:, t] = state["h"]
    return out
