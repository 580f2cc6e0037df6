"""Renders a target's equations as a readable PyTorch module."""

from __future__ import annotations

from string import Template
from typing import Any

from lsrl.targets import target
from lsrl.targets.cell import Cell, Concat, Sum, render

from .heading import columns, heading

LINEAR = "{value} @ self.{weight}.T"
RELU = "torch.relu({})"
EQUATIONS = (
    "s_t = A s_{t-1} + B x_t + b,  y_t = relu(C s_t + D x_t + d); the last layer has no relu."
)
SHAPES = "x_t [n], s_t [p], y_t [m]; A [p, p], B [p, n], b [p], C [m, p], D [m, n], d [m], s_0 [p]."
GATED_EQUATIONS = (
    "s_t = A s_{t-1} + B x_t + b,\n    "
    "y_t = [relu(C s_t + D x_t + d); (E s_t + F x_t + e) * (G s_t + H x_t + g)];\n    "
    "the last layer is C s_t + D x_t + d."
)
GATED_SHAPES = (
    "x_t [n], s_t [p], y_t [m + q]; A [p, p], B [p, n], b [p], s_0 [p]; C [m, p], D [m, n], d [m];"
    "\n    E, G [q, p], F, H [q, n], e, g [q]."
)
GATED_WEIGHTS = "".join(
    f"\n        self.{name} = nn.Parameter(torch.zeros({shape}))"
    for names in ("EFe", "GHg")
    for name, shape in zip(names, ("q, p", "q, n", "q"), strict=True)
)

MODULE = Template('''"""$title

$doc

Written by LSRL $version from program.lsrl; it needs torch and safetensors only.

    from $module import $name
    model = $name.from_pretrained(".")
    with torch.no_grad():
        y, state = model(x)        # x [B, T, $n], $dtype -> y [B, T, $m]
        y_t, state = model.step(x_t, state)

Inputs x, by column:  $inputs
Outputs y, by column: $outputs
Booleans are 0 and 1, members of enumerations their codes; round what is not real. The promise of
certificate.json holds for up to $length steps. States and inputs of each layer, as symbols.json
counts them, are the arguments of `model.layers[i].read`.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn


class Layer(nn.Module):
    """$equations

    $shapes
    """

    def __init__(self, n, p, m$products, last=False):
        super().__init__()
        self.last = last
        self.A = nn.Parameter(torch.zeros(p, p))
        self.B = nn.Parameter(torch.zeros(p, n))
        self.b = nn.Parameter(torch.zeros(p))
        self.s0 = nn.Parameter(torch.zeros(p))
        self.C = nn.Parameter(torch.zeros(m, p))
        self.D = nn.Parameter(torch.zeros(m, n))
        self.d = nn.Parameter(torch.zeros(m))$weights

    def forward(self, x, s):
        """x [B, T, n] and the state s [B, p] to y [B, T, $width] and the last state."""
        states = $added
        if states.numel():
            states = self.recurrence(states, s)
            s = states[:, -1]
        return self.read(x, states), s

    def recurrence(self, added, s):
        """B x_t + b of all steps, [B, T, p], and the state s [B, p] to all states, [B, T, p]."""
        states = []
        for t in range(added.shape[1]):
            s = $recurrent + added[:, t]
            states.append(s)
        return torch.stack(states, dim=1)

    def read(self, x, s):
        """y_t from x_t and s_t."""
        $read


class $name(nn.Module):
    """Layers one after the other; the last one is linear."""

    def __init__(self, layers):
        super().__init__()
        last = len(layers) - 1
        self.layers = nn.ModuleList(Layer(*sizes, last=i == last) for i, sizes in enumerate(layers))

    def initial_state(self, batch):
        """The state before the first step: a tensor [B, p] a layer."""
        return [layer.s0.expand(batch, -1) for layer in self.layers]

    def forward(self, x, state=None):
        """x [B, T, n] to y [B, T, m] and the state after the last step."""
        state = self.initial_state(x.shape[0]) if state is None else list(state)
        for i, layer in enumerate(self.layers):
            x, state[i] = layer(x, state[i])
        return x, state

    def step(self, x, state=None):
        """One step: x [B, n] to y [B, m] and the next state."""
        y, state = self.forward(x.unsqueeze(1), state)
        return y.squeeze(1), state

    @classmethod
    def from_pretrained(cls, folder):
        """Read config.json and model.safetensors of a checkpoint folder."""
        folder = Path(folder)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return cls.from_weights(config["layers"], load_file(folder / "model.safetensors"))

    @classmethod
    def from_weights(cls, layers, weights):
        """Weights by name; those of size 0 may be absent, no other may be missing or left over."""
        model = cls(layers)
        model.to(next(iter(weights.values())).dtype)
        empty = {k: v for k, v in model.state_dict().items() if v.numel() == 0}
        model.load_state_dict({**empty, **weights}, strict=True)
        return model.eval()
''')


def emit_module(model: Any) -> str:
    """The module's source text. The same model gives the same text."""
    cell: Any = target(model.target).cell
    gated = isinstance(cell.out, Concat)
    always = lambda name: True
    return MODULE.substitute(
        title=f"A {'gated ' * gated}linear RNN, compiled from program.lsrl.",
        **heading(model),
        **columns(model),
        equations=GATED_EQUATIONS if gated else EQUATIONS,
        shapes=GATED_SHAPES if gated else SHAPES,
        products=", q" * gated,
        weights=GATED_WEIGHTS * gated,
        width="m + q" if gated else "m",
        added=render(Sum(cell.next.terms[1:]), always, LINEAR, RELU),
        recurrent=render(cell.next.terms[0], always, LINEAR, RELU),
        read=_read(cell),
    )


def _read(cell: Cell) -> str:
    """The body of `read`: the last layer is linear."""
    always = lambda name: True
    linear = render(cell.without_activation().out, always, LINEAR, RELU)
    lines = [f"y = {linear}", "return y if self.last else torch.relu(y)"]
    if isinstance(cell.out, Concat):
        branches = [render(p, always, LINEAR, RELU) for p in cell.out.parts[1:]]
        lines[1:] = ["if self.last:", "    return y"]
        lines += [f"products = {b}" for b in branches]
        lines += ["return torch.cat((torch.relu(y), products), dim=-1)"]
    return "\n        ".join(lines)
