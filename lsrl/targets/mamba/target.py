"""`mamba`: Mamba (Gu and Dao 2023, arXiv:2312.00752), for `transformers.MambaForCausalLM`.

A layer computes, for each channel, one of: a ReLU of a form of the stream (SiLU at S x, S = 2^40);
that value one to three steps ago (the convolution); a product of two ReLUs (the gate); a state with
the selective scan: a = exp(dt A), with dt = softplus(256 c - 128) a latch, 0 or 128, and otherwise
dt = 128 always, A = 0 for a sum and ln(a) / 128 for a decay. B = 1/128 and C = 1 come from a
channel that is constant. See `numerics.md`, "Mamba and Hawk", and docs/how-it-works.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from ...lower.layers import Affine
from ...lower.residual.certify import Errors
from ...lower.residual.graph import (
    DECAY,
    DELAY,
    FADE,
    LANE,
    LATCH,
    PRODUCT,
    RELU,
    SIGNED,
    STATES,
    SUM,
    BlockKind,
    Fade,
    ResidualMachine,
)
from ...lower.residual.layout import Block, ResidualLayout, Unit
from ..base import Probe
from ..interface import Interface
from ..residual import BEND, STEEP, Residual, adapter_shapes
from ..stream import Stream, stream_for
from . import equations

KERNEL = 4  # taps of the convolution: three steps back
OPEN = 32.0  # silu(32) = 32: a gate that is open, the value of the constant channel
STEP = 128.0  # dt where a state is written; a state is erased by exp(-128), 0 in float32
KEPT = -2  # of dt, in 128: softplus(-256) is 0 in float32
NO_STEP = -200.0  # softplus of it is 0 in float32
ROUNDOFF = 2.0**-24


def fade(rate: Fraction, slowest: Fraction) -> Fade:
    """A case of a state whose A is that of a decay by `slowest` in dt = 128: dt is 128 times as
    large as the rate wants, and 0 where it is 1; what is written is multiplied by it as well."""
    if rate == 1:
        return Fade(rate, Fraction(KEPT), Fraction(1))
    least = -math.log(slowest)
    steps = 2.0 ** math.ceil(math.log2(STEP / least)) if not rate else -math.log(rate) / least
    return Fade(rate, Fraction(steps), Fraction(steps))


MACHINE = ResidualMachine(
    "mamba",
    (BlockKind("mixer", frozenset({RELU, PRODUCT, DELAY}) | STATES, frozenset({RELU, DELAY})),),
    rectifies=True,
    margins=False,
    window=KERNEL - 1,
    fade=fade,
    first_is_whole=False,
    apart=frozenset({SIGNED}),
)


def log_rate(rate: Fraction) -> float:
    """A_log of a decay: exp(-exp(A_log) * 128) is the rate; of a sum, A is 0 in float32."""
    if rate == 1:
        return -200.0
    return float(np.float32(math.log(-math.log(rate) / STEP)))


def rate_error(rate: Fraction) -> float:
    """How far the factor of a decay can be off: by its A_log as it is stored, and by the two
    exponentials, each within a unit in the last place (two roundings) of what it should be."""
    exponent = -math.exp(log_rate(rate)) * STEP
    stored = abs(math.exp(exponent) - float(rate))
    return stored + float(rate) * ROUNDOFF * (2 * abs(exponent) + 2)


def fade_error(case: Fade, slowest: Fade) -> tuple[float, float]:
    """How far the factor of a case can be off, and, relatively, what is written.

    dt is off by the roundings of the control, a sum of its least value (-3 at least), that of the
    slowest case (1) and what this case adds, stored coefficients; exp(dt A) by that, by A_log as it
    is stored, by two exponentials and a product."""
    steps = float(case.control)
    step = 8 * ROUNDOFF * (abs(steps - 1) + 4) / steps
    if not case.rate:
        return 0.0, step + 4 * ROUNDOFF
    exponent = math.exp(log_rate(slowest.rate)) * STEP
    stored = abs(exponent / -math.log(slowest.rate) - 1)
    relative = -math.log(case.rate) * (stored + step + 4 * ROUNDOFF)
    return float(case.rate) * (math.expm1(relative) + 2 * ROUNDOFF), step + 4 * ROUNDOFF


def channel_scale(unit: Unit) -> float:
    """What a channel gives, S y or S x times its gate, is the unit's value times this."""
    return STEEP * (STEEP if unit.op == PRODUCT else OPEN)


class Mamba(Residual):
    """The stock model, for tokens or numbers."""

    name = "mamba"
    published = "Mamba (Gu and Dao 2023), loads into transformers.MambaForCausalLM"
    class_name = "CompiledMamba"
    machine = MACHINE
    errors = Errors(BEND, rate_error, 2.0 + 2**-20, lambda rate: 0.0, False, fade_error)

    def scale(self, unit: Unit) -> float:
        return channel_scale(unit)

    def is_single(self, unit: Unit) -> bool:
        return unit.op != SIGNED

    def states(self, layout: ResidualLayout, block: int, index: int) -> Mapping[int, float]:
        signed, size = _signed(layout.blocks[block]), _state_size(layout)
        if index in signed:
            return {index * size + signed.index(index): 1.0}
        return {index * size: 1 / STEEP}

    def stream(self, layout: ResidualLayout, wanted: int) -> Stream:
        return stream_for(layout.slots, wanted, self.only_powers)

    def shape(self, layout: ResidualLayout, interface: Interface, wanted: int) -> dict[str, Any]:
        least = self.stream(layout, wanted).size
        sizes = range(least, least + 1 if wanted else least + 8)
        shapes = (self._shape(layout, interface, self.stream(layout, n).size) for n in sizes)
        return min(shapes, key=self.parameters)

    def _shape(self, layout: ResidualLayout, interface: Interface, size: int) -> dict[str, Any]:
        channels = max([1, *(len(b.units) + b.has_states for b in layout.blocks)])
        expand = -(-channels // size)
        return {
            **interface.sizes(),
            "hidden_size": size,
            "state_size": _state_size(layout),
            "num_hidden_layers": len(layout.layers),
            "intermediate_size": expand * size,
            "expand": expand,
            "conv_kernel": KERNEL,
            "time_step_rank": max([1, *(len(_steps(b)) for b in layout.blocks)]),
        }

    def shapes(self, shape: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
        h, i, n = (shape[k] for k in ("hidden_size", "intermediate_size", "state_size"))
        r, k, v = (shape[k] for k in ("time_step_rank", "conv_kernel", "vocab_size"))
        found: dict[str, tuple[int, ...]] = {"backbone.embeddings.weight": (v, h)}
        for layer in range(shape["num_hidden_layers"]):
            at = f"backbone.layers.{layer}."
            found[f"{at}norm.weight"] = (h,)
            mixer = {
                "A_log": (i, n), "D": (i,), "in_proj.weight": (2 * i, h),
                "conv1d.weight": (i, 1, k), "conv1d.bias": (i,), "x_proj.weight": (r + 2 * n, i),
                "dt_proj.weight": (i, r), "dt_proj.bias": (i,), "out_proj.weight": (h, i),
            }  # fmt: skip
            found |= {f"{at}mixer.{name}": s for name, s in mixer.items()}
        found["backbone.norm_f.weight"] = (h,)
        return found | adapter_shapes(shape)

    def sizes(self, shape: Mapping[str, Any]) -> tuple[int, int]:
        """Layers, and numbers of all states and windows."""
        each = shape["state_size"] + shape["conv_kernel"] - 1
        layers: int = shape["num_hidden_layers"]
        return layers, layers * shape["intermediate_size"] * each

    # Weights

    def assemble(
        self, layout: ResidualLayout, shape: Mapping[str, Any], interface: Interface
    ) -> dict[str, Any]:
        stream = self.stream(layout, shape["hidden_size"])
        parts = self.embedding(layout, stream, interface) | self.head(layout, stream, interface)
        table = parts.pop("embeddings", np.zeros((1, stream.size)))
        weights: dict[str, Any] = {"backbone.embeddings.weight": table}
        blocks = layout.blocks or [Block("mixer")]
        for layer, block in enumerate(blocks):
            at = f"backbone.layers.{layer}."
            weights[f"{at}norm.weight"] = stream.norm
            mixer = _Mixer(block, stream, shape).weights
            weights |= {f"{at}mixer.{name}": array for name, array in mixer.items()}
        weights["backbone.norm_f.weight"] = stream.norm
        return self.stored(weights | parts, shape)

    def unit_rows(
        self, shape: Mapping[str, Any], layer: int, kind: str, index: int
    ) -> list[tuple[str, int]]:
        at = f"backbone.layers.{layer}.mixer."
        gate = shape["intermediate_size"] + index
        rows = [("in_proj.weight", index), ("in_proj.weight", gate), ("conv1d.weight", index),
                ("conv1d.bias", index), ("dt_proj.weight", index), ("dt_proj.bias", index),
                ("A_log", index), ("D", index)]  # fmt: skip
        return [(at + name, row) for name, row in rows]

    # The equations

    def initial(self, weights: Mapping[str, Any], batch: int) -> list[Any]:
        return equations.initial(weights, batch)

    def run(
        self,
        weights: Mapping[str, Any],
        x: Any,
        state: list[Any] | None = None,
        probe: Probe | None = None,
    ) -> tuple[Any, list[Any]]:
        """x, ids `[B, T, 1]` or numbers `[B, T, n]`, to y `[B, T, m]`. Kinds for `probe`: x, s, u,
        r, y."""
        return equations.run(weights, x, state, probe)


def _signed(block: Block) -> list[int]:
    """The units of a block that are sums of both signs."""
    return [i for i, unit in enumerate(block.units) if unit.op == SIGNED]


def _state_size(layout: ResidualLayout) -> int:
    """States of each channel: one, or one for each sum of both signs of a layer."""
    return max([1, *(len(_signed(b)) for b in layout.blocks)])


def _steps(block: Block) -> list[Affine]:
    """The different conditions of a block's states."""
    found = {_key(u.when): u.when for u in block.units if u.when is not None}
    return list(found.values())


def _key(affine: Affine) -> tuple[Any, ...]:
    return (*sorted(affine.row.items()), affine.const)


class _Mixer:
    """The weights of one layer: a channel a unit, then (where there are states) a constant one."""

    def __init__(self, block: Block, stream: Stream, shape: Mapping[str, Any]) -> None:
        self.block, self.stream, self.shape = block, stream, shape
        i, h, r = (shape[k] for k in ("intermediate_size", "hidden_size", "time_step_rank"))
        self.channels, self.size = i, shape["state_size"]
        self.weights: dict[str, Any] = {
            "A_log": np.zeros((i, self.size)), "D": np.ones(i),
            "in_proj.weight": np.zeros((2 * i, h)),
            "conv1d.weight": np.zeros((i, 1, KERNEL)), "conv1d.bias": np.zeros(i),
            "x_proj.weight": np.zeros((r + 2 * self.size, i)), "dt_proj.weight": np.zeros((i, r)),
            "dt_proj.bias": np.full(i, NO_STEP), "out_proj.weight": np.zeros((h, i)),
        }  # fmt: skip
        self.steps = {_key(a): k for k, a in enumerate(_steps(block))}
        for index, unit in enumerate(block.units):
            self._channel(index, unit)
            if unit.op in STATES - {SIGNED}:
                self._state(index, unit)
        for lane, index, c in block.outputs:
            if block.units[index].op != SIGNED:
                out = self.weights["out_proj.weight"]
                out[stream.slots[lane], index] += float(c) / channel_scale(block.units[index])
        if _signed(block):
            self._signed_sums(_signed(block))
        elif block.has_states:
            self._constant(len(block.units))

    def _channel(self, index: int, unit: Unit) -> None:
        """silu(S x) of a step of the window, times silu of the gate."""
        w = self.weights
        w["in_proj.weight"][index] = self.stream.row(unit.affine, STEEP)
        w["conv1d.weight"][index, 0, KERNEL - 1 - unit.lag] = 1.0
        gate = Affine({}, int(OPEN)) if unit.factor is None else unit.factor
        scale = 1.0 if unit.factor is None else STEEP
        w["in_proj.weight"][self.channels + index] = self.stream.row(gate, scale)

    def _state(self, index: int, unit: Unit) -> None:
        """A state in place of the value: D = 0, and the step dt."""
        w = self.weights
        w["D"][index] = 0.0
        w["dt_proj.bias"][index] = STEP
        if unit.op in (SUM, DECAY, FADE):
            w["A_log"][index] = log_rate(unit.rate)
        if unit.when is not None:
            latches = unit.op == LATCH  # by 0 or 1; a fade has dt / 128 there
            w["dt_proj.bias"][index] = -STEP if latches else 0.0
            w["dt_proj.weight"][index, self.steps[_key(unit.when)]] = STEP * (1 + latches)

    def _constant(self, index: int) -> None:
        """The channel that is always 32: from it come B = 1/128, C = 1 and the constants of dt."""
        w = self.weights
        rank = self.shape["time_step_rank"]
        w["conv1d.bias"][index] = OPEN
        w["x_proj.weight"][rank, index] = 1 / (STEP * OPEN)
        w["x_proj.weight"][rank + self.size, index] = 1 / OPEN
        for affine in _steps(self.block):
            row = w["x_proj.weight"][self.steps[_key(affine)]]
            for (kind, unit), c in affine.row.items():
                assert kind != LANE
                row[unit] = float(c) / STEEP
            row[index] = float(affine.const) / OPEN

    def _signed_sums(self, units: list[int]) -> None:
        """Sums and decays of both signs: the channel of each is constant, B_n what is added to
        state n.

        All states n of a channel take in theirs, and C = 1 reads them all; those that are not its
        own forget at once (A = -1), and what they take in is subtracted in the output.
        """
        w, rank = self.weights, self.shape["time_step_rank"]
        for n, index in enumerate(units):
            w["in_proj.weight"][index] = 0.0
            w["conv1d.bias"][index] = OPEN
            w["D"][index], w["dt_proj.bias"][index] = 0.0, STEP
            w["A_log"][index, n] = log_rate(self.block.units[index].rate)
            w["x_proj.weight"][rank + self.size + n, index] = 1 / OPEN
            for sign, half in zip((1, -1), self.block.units[index].halves, strict=True):
                w["x_proj.weight"][rank + n, half] = sign / (STEEP * STEP * OPEN)
        for lane, row in self.block.writes.items():
            for index in units:
                slot = self.stream.slots[lane]
                self._write_sum(units, slot, index, float(row.get(index, 0)))

    def _write_sum(self, units: list[int], slot: int, index: int, c: float) -> None:
        """c times a sum, added to a channel of the stream."""
        out = self.weights["out_proj.weight"]
        out[slot, index] += c / OPEN
        for other in units:
            for sign, half in zip((1, -1), self.block.units[other].halves, strict=True):
                if other != index:
                    out[slot, half] -= sign * c / (STEEP * OPEN)


MAMBA = Mamba()
