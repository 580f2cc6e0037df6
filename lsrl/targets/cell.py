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
    """A weight that is added as it is."""

    name: str


@dataclass(frozen=True)
class Sum:
    """The sum of its terms."""

    terms: tuple[Expr, ...]


@dataclass(frozen=True)
class Relu:
    """max(value, 0)."""

    value: Expr


@dataclass(frozen=True)
class Product:
    """Elementwise."""

    left: Expr
    right: Expr


@dataclass(frozen=True)
class Concat:
    """One after the other, along the last axis."""

    parts: tuple[Expr, ...]


Expr = Linear | Bias | Sum | Relu | Product | Concat


@dataclass(frozen=True)
class Cell:
    """The equations of one layer. `next` is linear in s, so that the part that reads x only can be
    computed for all steps at once."""

    next: Sum
    out: Expr

    def without_activation(self) -> Cell:
        """The same layer as a read-out: its ReLU branch without the ReLU, and no other branch."""
        out = self.out.parts[0] if isinstance(self.out, Concat) else self.out
        return Cell(self.next, out.value if isinstance(out, Relu) else out)


def weights_of(e: Expr) -> list[str]:
    """Names of the weights in an expression."""
    if isinstance(e, Linear):
        return [e.weight]
    if isinstance(e, Bias):
        return [e.name]
    if isinstance(e, Relu):
        return weights_of(e.value)
    return [w for t in _terms(e) for w in weights_of(t)]


def _terms(e: Sum | Product | Concat) -> tuple[Expr, ...]:
    if isinstance(e, Product):
        return e.left, e.right
    return e.terms if isinstance(e, Sum) else e.parts


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
    if isinstance(e, Product):
        return evaluate(e.left, weights, values) * evaluate(e.right, weights, values)
    if isinstance(e, Concat):
        parts = [p for p in e.parts if any(w in weights for w in weights_of(p))]
        arrays = [evaluate(p, weights, values) for p in parts]
        axes = np.broadcast_shapes(*(a.shape[:-1] for a in arrays))
        return np.concatenate([np.broadcast_to(a, (*axes, a.shape[-1])) for a in arrays], axis=-1)
    return sum(evaluate(t, weights, values) for t in e.terms)


def render(
    e: Expr, has: Callable[[str], bool], linear: str, relu: str, bias: str = "self.{}"
) -> str:
    """An expression as source text, parts of a `Concat` separated by commas; `linear`, `relu` and
    `bias` are formats of the framework's calls and names."""
    if isinstance(e, Linear):
        return linear.format(value=e.value.name, weight=e.weight)
    if isinstance(e, Bias):
        return bias.format(e.name)
    if isinstance(e, Relu):
        return relu.format(render(e.value, has, linear, relu, bias))
    texts = [render(t, has, linear, relu, bias) for t in _terms(e) if all(map(has, weights_of(t)))]
    if isinstance(e, Product):
        return " * ".join(f"({t})" for t in texts)
    return (", " if isinstance(e, Concat) else " + ").join(texts)
