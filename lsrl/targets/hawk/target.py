"""`hawk`: Hawk (De et al. 2024, arXiv:2402.19427), for `transformers.RecurrentGemmaForCausalLM`.

A layer has two blocks. The temporal one passes forms of the stream, up to three steps back, and
keeps states: the RG-LRU with r = i = sigmoid(512 c) and Lambda = 32 is a latch, with r = 1 a sum or
a decay. The MLP computes ReLUs (GELU at S x, S = 2^40) and products with them. At the first step of
a sequence the RG-LRU neither keeps nor scales; so a sum and a decay take two channels, one for the
first step's value, one for all later ones (the gates read a channel that is 0 at the first step).
See `numerics.md`, "Mamba and Hawk", and docs/how-it-works.md.
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
    OWN,
    PASS,
    PRODUCT,
    RELU,
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
OPEN = 32.0  # gelu(32) = 32: a gate that is open
GAIN = 512.0  # of the margins of conditions in the gates
ERASING = 32.0  # Lambda: with r = 1 the state becomes exp(-256) of itself, 0 in float32
C = 8.0
ROUNDOFF = 2.0**-24


def fade(rate: Fraction, slowest: Fraction) -> Fade:
    """A case of a state with Lambda = 32: the argument of r, a saturated sigmoid for 0 and 1; what
    is written is multiplied by sqrt(1 - a^2)."""
    if rate in (0, 1):
        return Fade(rate, Fraction(GAIN if not rate else -GAIN), Fraction(1))
    share = -math.log(rate) / (C * ERASING)
    return Fade(rate, Fraction(math.log(share) - math.log1p(-share)), Fraction(written(rate)))


MACHINE = ResidualMachine(
    "hawk",
    (
        BlockKind("recurrent", frozenset({DELAY, PASS}) | STATES, frozenset({DELAY})),
        BlockKind("mlp", frozenset({RELU, PRODUCT})),
    ),
    rectifies=False,
    margins=True,
    window=KERNEL - 1,
    fade=fade,
    first_is_whole=True,
)
HOLDING = 0.75 * 2.0**-25  # -log a of a sum: a rounds to 1, and 1 - a^2 to 2^-24


def parameter(rate: Fraction) -> float:
    """Lambda of a sum or a decay: exp(-8 softplus(Lambda)) is the rate."""
    exponent = HOLDING if rate == 1 else -math.log(rate)
    return float(np.float32(math.log(math.expm1(exponent / C))))


def written(rate: Fraction) -> float:
    """What the RG-LRU multiplies an input by after the first step: sqrt(1 - a^2)."""
    return 2.0**-12 if rate == 1 else math.sqrt(1 - float(rate) ** 2)


def rate_error(rate: Fraction) -> float:
    """How far the factor of a decay can be off: by its Lambda as it is stored, by a softplus of
    five roundings (exp, log1p, each within a unit in the last place, a product), and by an exp."""
    stored, exponent = _stored(rate)
    return stored + float(rate) * ROUNDOFF * (5 * exponent + 2)


def written_error(rate: Fraction) -> float:
    """How far, relatively, what is written can be off: by half of what 1 - a^2 is, a square root,
    two products, and the weight that undoes the factor."""
    if rate == 1:
        return 0.0
    stored, exponent = _stored(rate)
    square = float(rate) ** 2
    off = 2 * float(rate) * stored + ROUNDOFF * (square * (10 * exponent + 2) + 1)
    return off / (2 * (1 - square)) + 5 * ROUNDOFF


def fade_error(case: Fade, slowest: Fade) -> tuple[float, float]:
    """How far the factor of a case can be off, and, relatively, what is written.

    r is off by the roundings of its argument, a sum of that of the slowest case and what this case
    adds, stored coefficients, and by a sigmoid of five roundings; the exponent by two products."""
    if not case.rate:
        return 0.0, 3 * ROUNDOFF
    own, base = float(case.control), float(slowest.control)
    argument = 4 * ROUNDOFF * (abs(base) + abs(own - base))
    rate, exponent = float(case.rate), -math.log(case.rate)
    off = rate * (math.expm1(exponent * (argument + 8 * ROUNDOFF)) + 2 * ROUNDOFF)
    square = rate**2
    relative = (2 * rate * off + ROUNDOFF * (2 * square + 1)) / (2 * (1 - square))
    return off, relative + 5 * ROUNDOFF


def _stored(rate: Fraction) -> tuple[float, float]:
    """How far the factor is off by the rounding of Lambda, and -log of the factor."""
    exponent = C * math.log1p(math.exp(parameter(rate)))
    return abs(math.exp(-exponent) - float(rate)), exponent


class Hawk(Residual):
    """The stock model, all of its blocks recurrent, for tokens or numbers."""

    name = "hawk"
    published = "Hawk (De et al. 2024), loads into transformers.RecurrentGemmaForCausalLM"
    class_name = "CompiledHawk"
    machine = MACHINE
    errors = Errors(BEND, rate_error, 0.0, written_error, True, fade_error)
    only_powers = True  # the embedding is multiplied by sqrt(H), and norms keep w - 1

    def scale(self, unit: Unit) -> float:
        return STEEP if unit.op in (RELU, PRODUCT) else OPEN

    def is_single(self, unit: Unit) -> bool:
        """Whether one channel has a unit's value."""
        return unit.op not in (SUM, DECAY)

    def states(self, layout: ResidualLayout, block: int, index: int) -> Mapping[int, float]:
        units, twice = layout.blocks[block].units, _twice(layout.blocks[block])
        if index not in twice:
            return {index: 1.0}
        return {index: 1 / written(units[index].rate), len(units) + twice.index(index): 1.0}

    def twins(self, block: Block) -> Mapping[int, list[int]]:
        return {i: [len(block.units) + k] for k, i in enumerate(_twice(block))}

    def stream(self, layout: ResidualLayout, wanted: int) -> Stream:
        channels = [_channels(b) for b in layout.blocks if b.kind == "recurrent"]
        return stream_for(layout.slots, max([wanted, *channels]), self.only_powers)

    def shape(self, layout: ResidualLayout, interface: Interface, wanted: int) -> dict[str, Any]:
        size = self.stream(layout, wanted).size
        hidden = max([1, *(len(b.units) for b in layout.blocks if b.kind == "mlp")])
        return {
            **interface.sizes(),
            "hidden_size": size,
            "num_hidden_layers": len(layout.layers),
            "num_attention_heads": 1,
            "intermediate_size": 2 * hidden,
            "lru_width": size,
            "conv1d_width": KERNEL,
            "logits_soft_cap": equations.SOFT_CAP,
        }

    def shapes(self, shape: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
        h, heads, v = (shape[k] for k in ("hidden_size", "num_attention_heads", "vocab_size"))
        m, b = shape["intermediate_size"] // 2, h // heads
        found: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (v, h)}
        own: dict[str, tuple[int, ...]] = {
            "temporal_pre_norm.weight": (h,), "channel_pre_norm.weight": (h,),
            "temporal_block.conv_1d.weight": (h, 1, shape["conv1d_width"]),
            "temporal_block.conv_1d.bias": (h,),
            "temporal_block.rg_lru.recurrent_param": (h,),
            "mlp_block.gate_proj.weight": (m, h), "mlp_block.gate_proj.bias": (m,),
            "mlp_block.up_proj.weight": (m, h), "mlp_block.up_proj.bias": (m,),
            "mlp_block.down_proj.weight": (h, m), "mlp_block.down_proj.bias": (h,),
        }  # fmt: skip
        for name in ("linear_x", "linear_y", "linear_out"):
            own |= {f"temporal_block.{name}.weight": (h, h), f"temporal_block.{name}.bias": (h,)}
        for gate in ("input_gate", "recurrent_gate"):
            own[f"temporal_block.rg_lru.{gate}_weight"] = (heads, b, b)
            own[f"temporal_block.rg_lru.{gate}_bias"] = (heads, b)
        for layer in range(shape["num_hidden_layers"]):
            found |= {f"model.layers.{layer}.{name}": s for name, s in own.items()}
        found["model.final_norm.weight"] = (h,)
        return found | adapter_shapes(shape)

    def sizes(self, shape: Mapping[str, Any]) -> tuple[int, int]:
        """Decoder layers, and numbers of all states and windows."""
        layers: int = shape["num_hidden_layers"]
        return layers, layers * shape["lru_width"] * shape["conv1d_width"]

    # Weights

    def assemble(
        self, layout: ResidualLayout, shape: Mapping[str, Any], interface: Interface
    ) -> dict[str, Any]:
        stream = self.stream(layout, shape["hidden_size"])
        factor = equations.embedding_scale(stream.size)
        parts = self.embedding(layout, stream, interface)
        parts = {k: w / factor for k, w in parts.items()} | self.head(layout, stream, interface)
        table = parts.pop("embeddings", np.zeros((1, stream.size)))
        weights: dict[str, Any] = {"model.embed_tokens.weight": table}
        blocks = layout.blocks or [Block("recurrent"), Block("mlp")]
        for layer in range(len(blocks) // 2):
            at = f"model.layers.{layer}."
            weights[f"{at}temporal_pre_norm.weight"] = stream.norm - 1
            weights[f"{at}channel_pre_norm.weight"] = stream.norm - 1
            temporal = _Temporal(blocks[2 * layer], stream).weights
            weights |= {f"{at}temporal_block.{k}": w for k, w in temporal.items()}
            mlp = _mlp(blocks[2 * layer + 1], stream, shape["intermediate_size"] // 2)
            weights |= {f"{at}mlp_block.{k}": w for k, w in mlp.items()}
        weights["model.final_norm.weight"] = stream.norm - 1
        return self.stored(weights | parts, shape)

    def unit_rows(
        self, shape: Mapping[str, Any], layer: int, kind: str, index: int
    ) -> list[tuple[str, int]]:
        at = f"model.layers.{layer}."
        if kind == "m":
            names = [f"{p}.{w}" for p in ("gate_proj", "up_proj") for w in ("weight", "bias")]
            return [(f"{at}mlp_block.{name}", index) for name in names]
        names = ["linear_x.weight", "linear_x.bias", "linear_y.weight", "linear_y.bias",
                 "conv_1d.weight", "conv_1d.bias", "rg_lru.recurrent_param"]  # fmt: skip
        return [(f"{at}temporal_block.{name}", index) for name in names]

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
        m, r, y."""
        return equations.run(weights, x, state, probe)


def _twice(block: Block) -> list[int]:
    """The units that take a second channel for the first step."""
    return [i for i, unit in enumerate(block.units) if unit.op in (SUM, DECAY)]


def _channels(block: Block) -> int:
    """Channels of a temporal block: units, those for the first step, and one that tells it."""
    twice = _twice(block)
    return len(block.units) + len(twice) + bool(twice)


class _Temporal:
    """The weights of a temporal block, a channel a unit and a few more (see `_channels`)."""

    def __init__(self, block: Block, stream: Stream) -> None:
        self.block, self.stream = block, stream
        h = stream.size
        self.weights: dict[str, Any] = {
            "conv_1d.weight": np.zeros((h, 1, KERNEL)), "conv_1d.bias": np.zeros(h),
            "rg_lru.recurrent_param": np.full(h, ERASING),
            "rg_lru.input_gate_weight": np.zeros((1, h, h)),
            "rg_lru.input_gate_bias": np.full((1, h), GAIN),
            "rg_lru.recurrent_gate_weight": np.zeros((1, h, h)),
            "rg_lru.recurrent_gate_bias": np.full((1, h), GAIN),
        }  # fmt: skip
        for name in ("linear_x", "linear_y", "linear_out"):
            self.weights |= {f"{name}.weight": np.zeros((h, h)), f"{name}.bias": np.zeros(h)}
        self.weights["linear_y.bias"][:] = OPEN
        first = {i: len(block.units) + k for k, i in enumerate(_twice(block))}
        self.later = len(block.units) + len(first)  # 0 at the first step, then 1
        for i, unit in enumerate(block.units):
            self._channel(i, unit)
            if i in first:
                self._channel(first[i], unit)
                self._split(i, first[i], unit)
        if first:
            self._tell()
        for lane, i, c in block.outputs:
            out, slot = self.weights["linear_out.weight"], stream.slots[lane]
            factor = written(block.units[i].rate) if i in first else 1.0
            out[slot, i] += float(c) / (OPEN * factor)
            if i in first:
                out[slot, first[i]] += float(c) / OPEN

    def _channel(self, i: int, unit: Unit) -> None:
        w = self.weights
        w["linear_x.weight"][i] = self.stream.row(unit.affine)
        w["conv_1d.weight"][i, 0, KERNEL - 1 - unit.lag] = 1.0
        if unit.op in (SUM, DECAY):
            w["rg_lru.recurrent_param"][i] = parameter(unit.rate)
        if unit.when is not None:
            latches = unit.op != FADE  # by margins, whether it takes something in as well
            gain = GAIN if latches else 1.0
            for gate in ("input_gate", "recurrent_gate") if latches else ("recurrent_gate",):
                w[f"rg_lru.{gate}_bias"][0, i] = gain * float(unit.when.const)
                for (kind, j), c in unit.when.row.items():
                    assert kind in (OWN, LANE)
                    w[f"rg_lru.{gate}_weight"][0, j, i] = gain * float(c)

    def _split(self, i: int, first: int, unit: Unit) -> None:
        """Channel i takes in nothing at the first step, channel `first` nothing afterwards."""
        w = self.weights
        weight, bias = w["rg_lru.input_gate_weight"], w["rg_lru.input_gate_bias"]
        outweighs = GAIN * (2 + 2 * _most(self.block, unit))
        weight[0, self.later, i] += outweighs
        bias[0, i] -= outweighs if unit.when is not None else outweighs / 2 + GAIN
        weight[0, self.later, first] -= outweighs
        if unit.when is None:
            bias[0, first] = outweighs / 2

    def _tell(self) -> None:
        """A constant, one step late."""
        w = self.weights
        w["linear_x.weight"][self.later] = self.stream.row(Affine({}, 1))
        w["conv_1d.weight"][self.later, 0, KERNEL - 2] = 1.0


def _most(block: Block, unit: Unit) -> float:
    """How large a unit's condition can become."""
    if unit.when is None:
        return 1.0
    return abs(float(unit.when.const)) + sum(
        abs(float(c)) * max(abs(block.units[j].form.lo), abs(block.units[j].form.hi))
        for (_, j), c in unit.when.row.items()
    )


def _mlp(block: Block, stream: Stream, size: int) -> dict[str, Any]:
    """The weights of an MLP: gelu(S x) times 1, or times another form."""
    h = stream.size
    w: dict[str, Any] = {
        "gate_proj.weight": np.zeros((size, h)), "gate_proj.bias": np.zeros(size),
        "up_proj.weight": np.zeros((size, h)), "up_proj.bias": np.zeros(size),
        "down_proj.weight": np.zeros((h, size)), "down_proj.bias": np.zeros(h),
    }  # fmt: skip
    for i, unit in enumerate(block.units):
        w["gate_proj.weight"][i] = stream.row(unit.affine, STEEP)
        if unit.factor is None:
            w["up_proj.bias"][i] = 1.0
        else:
            w["up_proj.weight"][i] = stream.row(unit.factor)
    for lane, i, c in block.outputs:
        w["down_proj.weight"][stream.slots[lane], i] += float(c) / STEEP
    return w


HAWK = Hawk()
