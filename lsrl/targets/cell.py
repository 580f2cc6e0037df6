"""A small IR for the equations of a target: written once, run by NumPy, rendered by each backend.

A layer is a recurrence `s_t = next(s_{t-1}, x_t)` from `s0`, and an output `y_t = out(s_t, x_t)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Var:
    """A value of the step: "x" or "s"."""

    name: str


@dataclass(frozen=True)
class Linear:
    """weight @ value."""

    weight: str
    value: Var


@dataclass(frozen=True)
class Bias:
    name: str


@dataclass(frozen=True)
class Sum:
    terms: tuple[Expr, ...]


@dataclass(frozen=True)
class Relu:
    value: Expr


Expr = Linear | Bias | Sum | Relu


@dataclass(frozen=True)
class Cell:
    """The equations of one layer. `next` is linear in s, so that the part that reads x only can be
    computed for all steps at once."""

    next: Sum
    out: Expr

    def without_activation(self) -> Cell:
        """The same layer as a read-out."""
        return Cell(self.next, self.out.value if isinstance(self.out, Relu) else self.out)


def weights_of(e: Expr) -> list[str]:
    """Names of the weights in an expression."""
    if isinstance(e, Linear):
        return [e.weight]
    if isinstance(e, Bias):
        return [e.name]
    if isinstance(e, Sum):
        return [w for t in e.terms for w in weights_of(t)]
    return weights_of(e.value)


def evaluate(e: Expr, weights: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    """An expression on arrays `[..., n]`; terms whose weight is absent (empty) are zero."""
    if isinstance(e, Linear):
        if e.weight not in weights:
            return 0.0
        return values[e.value.name] @ weights[e.weight].T
    if isinstance(e, Bias):
        return weights.get(e.name, 0.0)
    if isinstance(e, Relu):
        return np.maximum(evaluate(e.value, weights, values), 0)
    return sum(evaluate(t, weights, values) for t in e.terms)


def render(e: Expr, has: Callable[[str], bool], linear: str, relu: str) -> str:
    """An expression as source text; `linear` and `relu` are formats of the framework's calls."""
    if isinstance(e, Linear):
        return linear.format(value=e.value.name, weight=e.weight)
    if isinstance(e, Bias):
        return f"self.{e.name}"
    if isinstance(e, Relu):
        return relu.format(render(e.value, has, linear, relu))
    return " + ".join(render(t, has, linear, relu) for t in e.terms if all(map(has, weights_of(t))))
