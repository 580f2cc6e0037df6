"""`gated-linear-rnn`: the linear RNN with a multiplicative branch in its output map.

    s_t = A s_{t-1} + B x_t + b
    y_t = [relu(C s_t + D x_t + d); (E s_t + F x_t + e) * (G s_t + H x_t + g)]

with * elementwise: of the m + q units of a layer m are ReLUs, q are products of two affine forms of
state and input. The last layer is linear, C s_t + D x_t + d. (Petrov et al. 2024, arXiv:2406.01424:
linear RNNs whose output is gated elementwise, made of the blocks LinState, Linear, ReLU and
Multiplicative.)

Capabilities: constant, dense transition; ReLUs and products in the output map; sees the current
element only; no norm. So what an input-dependent transition would hold (a latch) it cannot.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..lower.gates import MODES, Gates
from ..lower.layers import Layer
from .cell import Bias, Cell, Concat, Linear, Product, Relu, Sum
from .linear_rnn import CELL, LinearRNN, MakeLogic, S, X


def _affine(of_s: str, of_x: str, bias: str) -> Sum:
    return Sum((Linear(of_s, S), Linear(of_x, X), Bias(bias)))


GATED_CELL = Cell(
    next=CELL.next,
    out=Concat((
        Relu(_affine("C", "D", "d")),
        Product(_affine("E", "F", "e"), _affine("G", "H", "g")),
    )),
)  # fmt: skip


class GatedLinearRNN(LinearRNN):
    """The equations above, layer on layer. A choice is a product or made of ReLUs, a product of
    values is a product: of the ways to compile a program the one with fewest parameters is taken.
    """

    name = "gated-linear-rnn"
    published = "the linear RNN of Petrov et al. 2024 with products: a multiplicative output branch"
    class_name = "GatedLinearRNN"
    cell = GATED_CELL
    multiplies = True

    def layer_sizes(self, layer: Layer) -> list[int]:
        """Inputs, states, units that are no products, and products of a layer."""
        return [*super().layer_sizes(layer)[:2], len(layer.units) - layer.products, layer.products]

    def own_logics(self, digits: int) -> list[MakeLogic]:
        """Choices all of products, all of ReLUs, or decided one by one."""
        return [Gates(digits, mode) for mode in MODES]

    def rows(
        self, shape: Mapping[str, Any], layer: int, kind: str, index: int
    ) -> list[tuple[str, int]]:
        """Of a state lane (s) or an output (y): a ReLU, or after them both factors of a product."""
        relus = shape["layers"][layer][2]
        if kind == "s" or index < relus:
            return super().rows(shape, layer, kind, index)
        return [(f"layers.{layer}.{name}", index - relus) for name in "EFeGHg"]
