"""torch's own modules with weights written by hand, and numbers to run them on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from lsrl.lower.units.scale import GAIN

GATES = {"LSTM": "ifgo", "GRU": "rzn", "relu": "h", "tanh": "h"}
DIGITS = {torch.float32: 24, torch.float64: 53}
DTYPES = [torch.float32, torch.float64]
OPEN, CLOSED = GAIN / 2, -GAIN / 2
EPS = 2.0**-32  # 2^-12 at most with values to 2^20
KINDS = list(GATES)
LONG = 10_000


class Hand:
    """One of torch's modules, its weights 0 until they are set."""

    def __init__(self, kind: str, inputs: int, hidden: int, layers: int = 1, dtype: Any = None):
        settings = {"nonlinearity": kind} if kind in ("relu", "tanh") else {}
        module = getattr(torch.nn, kind if kind.isupper() else "RNN")
        self.module = module(inputs, hidden, layers, batch_first=True, **settings)
        self.module.to(dtype or torch.float32)
        self.kind, self.hidden = kind, hidden
        with torch.no_grad():
            for p in self.module.parameters():
                p.zero_()

    @torch.no_grad()
    def set(
        self,
        gate: str,
        unit: int,
        x: Mapping[int, float] | None = None,
        h: Mapping[int, float] | None = None,
        b: float = 0.0,
        bh: float = 0.0,
        layer: int = 0,
    ) -> None:
        """The argument of a unit's gate: sums over inputs x and previous units h, and constants."""
        row = GATES[self.kind].index(gate) * self.hidden + unit
        for name, weights in (("weight_ih", x), ("weight_hh", h)):
            for column, w in (weights or {}).items():
                getattr(self.module, f"{name}_l{layer}")[row, column] = w
        getattr(self.module, f"bias_ih_l{layer}")[row] = b
        getattr(self.module, f"bias_hh_l{layer}")[row] = bh

    def gates(self, unit: int, layer: int = 0, **arguments: float) -> None:
        """Constant arguments."""
        for gate, b in arguments.items():
            self.set(gate, unit, b=b, layer=layer)

    @torch.no_grad()
    def run(self, *columns: Any) -> np.ndarray:
        """Columns `[B, T]` to the last layer's units `[B, T, H]`, in float64."""
        x = np.stack([np.asarray(c, dtype=np.float64) for c in columns], axis=-1)
        y, _ = self.module(torch.from_numpy(x).to(self.module.weight_ih_l0.dtype))
        return y.double().numpy()  # type: ignore[no-any-return]


def linear(net: Hand, unit: int, scale: float, x: dict[int, float], layer: int = 0) -> None:
    """A unit that hands on scale times a sum of inputs."""
    weights = {k: scale * w for k, w in x.items()}
    if net.kind == "LSTM":
        net.gates(unit, layer, i=OPEN, f=CLOSED, o=OPEN)
    elif net.kind == "GRU":
        net.gates(unit, layer, z=CLOSED, r=OPEN)
    net.set({"LSTM": "g", "GRU": "n"}.get(net.kind, "h"), unit, x=weights, layer=layer)


def reals(dtype: Any, shape: tuple[int, int], most: float = 1.0, seed: int = 0) -> np.ndarray:
    """Numbers of a dtype in -most..most, as float64."""
    x = np.random.default_rng(seed).uniform(-most, most, shape)
    return torch.from_numpy(x).to(dtype).double().numpy()  # type: ignore[no-any-return]


def integers(lo: int, hi: int, shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(lo, hi, shape, endpoint=True).astype(float)
