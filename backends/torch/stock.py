"""Renders the module of the targets that are torch's own recurrent layers and a linear head."""

from __future__ import annotations

from string import Template
from typing import Any

from .heading import columns, heading

CLASSES = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN", "rnn-tanh": "RNN"}

MODULE = Template('''"""torch.nn.$kind and a linear head, compiled from program.lsrl.

$doc

Written by LSRL $version from program.lsrl; it needs torch and safetensors only.

    from $module import $name
    model = $name.from_pretrained(".")
    with torch.no_grad():
        y, state = model(x)        # x [B, T, $n], $dtype -> y [B, T, $m]
        y_t, state = model.step(x_t, state)

Inputs x, by column:  $inputs
Outputs y, by column: $outputs
$reading The promise of certificate.json holds for up to $length steps.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn


class $name(nn.Module):
    """`rnn` is torch's own $kind ($layers layers of $hidden units), from its default state, zeros;
    `head` reads the last layer."""

    def __init__(self, config):
        super().__init__()
        self.rnn = nn.$kind(
            config["input_size"],
            config["hidden_size"],
            config["num_layers"],
            batch_first=True,$extra
        )
        self.head = nn.Linear(config["hidden_size"], config["output_size"])

    def forward(self, x, state=None):
        """x [B, T, $n] to y [B, T, $m] and the state after the last step."""
        h, state = self.rnn(x, state)
        return self.head(h), state

    def step(self, x, state=None):
        """One step: x [B, $n] to y [B, $m] and the next state."""
        y, state = self.forward(x.unsqueeze(1), state)
        return y.squeeze(1), state

    @classmethod
    def from_pretrained(cls, folder):
        """Read config.json and model.safetensors of a checkpoint folder."""
        folder = Path(folder)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return cls.from_weights(config, load_file(folder / "model.safetensors"))

    @classmethod
    def from_weights(cls, config, weights):
        """Weights by name; none may be missing or left over."""
        model = cls(config)
        model.to(next(iter(weights.values())).dtype)
        model.load_state_dict(weights, strict=True)
        return model.eval()
''')

READINGS = {
    "number": "Booleans are 0 and 1, members of enumerations their codes; round what is not real.",
    "onehot": "One column a value, in order; the largest of a field's logits is its value.",
}


def is_stock(target: str) -> bool:
    """Whether a target is one of torch's recurrent modules."""
    return target in CLASSES


def emit_stock(model: Any) -> str:
    """The module's source text. The same model gives the same text."""
    shape = model.shape
    kind = CLASSES[model.target]
    extra = ""
    if "nonlinearity" in shape:
        extra = '\n            nonlinearity=config["nonlinearity"],'
    return MODULE.substitute(
        kind=kind,
        **heading(model),
        **columns(model),
        layers=shape["num_layers"],
        hidden=shape["hidden_size"],
        reading=READINGS[model.options.encoding],
        extra=extra,
    )
