"""Renders the module of the targets that are models of Hugging Face transformers.

The code needs torch and safetensors only; the same folder loads into the stock class.
"""

from __future__ import annotations

from dataclasses import dataclass
from string import Template
from typing import Any

from lsrl.hf import ARCHITECTURES

from . import hawk, mamba
from .heading import columns, heading
from .stock import READINGS


@dataclass(frozen=True)
class Emitted:
    """What the emitted code of a target is made of: its `layers` as source, the name of the
    embedding's `table`, what to know of the stock class's `cache`. `probed` has kinds of
    activations, each with the module in a layer whose input it is; `logits` is an expression of
    `y`."""

    title: str
    layers: str
    table: str
    cache: str
    probed: tuple[tuple[str, str], ...]
    logits: str = "y"
    settings: str = ""  # statements of the constructor, for `logits`


MAMBA_CACHE = """\
With transformers 5.24, decoding with its cache gives the numbers of a full pass as long as each
call after the first has one step; a later call of several steps starts from h = 0."""
HAWK_CACHE = """\
With transformers 5.24, `use_cache=True` raises a ValueError, as there is no attention layer.
config.json turns it off: `generate` then computes the whole sequence anew for each token."""
PADDING = """
A token of the prompt that is `pad_token_id` would be masked by `generate`: config.json has none.
"""

EMITTED = {
    "mamba": Emitted(
        "A Mamba model (Gu and Dao 2023, arXiv:2312.00752)",
        mamba.LAYERS,
        "embeddings",
        MAMBA_CACHE,
        (("u", "mixer.out_proj"),),
    ),
    "hawk": Emitted(
        "A Hawk model (De et al. 2024, arXiv:2402.19427)",
        hawk.LAYERS,
        "embed_tokens",
        HAWK_CACHE,
        (("u", "temporal_block.linear_out"), ("m", "mlp_block.down_proj")),
        "self.soft_cap * torch.tanh(y / self.soft_cap)",
        '\n        self.soft_cap = config["logits_soft_cap"]',
    ),
}

MODULE = Template('''"""$title, compiled from program.lsrl.

$doc

Written by LSRL $version from program.lsrl; it needs torch and safetensors only.

    from $module import $name
    model = $name.from_pretrained(".")
    with torch.no_grad():
        y, state = model(x)        # $signature
        y_t, state = model.step(x_t, state)

$reading
The promise of certificate.json holds for up to $length steps.

The stock class of transformers loads the same folder:

    $loading

$cache$padding
"""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F


$layers

class $name(nn.Module):
    """$summary"""

    def __init__(self, config):
        super().__init__()
        self.$base = Backbone(config)
        $head$settings

    def initial_state(self, batch):
        """The state before the first step, layer by layer."""
        return [layer.initial_state(batch) for layer in self.$base.layers]

    def forward(self, x, state=None):
        """$forward"""
        state = self.initial_state(len(x)) if state is None else state
        $embed
        y, state = self.$base(x, state)
        $read
        return $logits, state

    def step(self, x, state=None):
        """One step: x $x_step to y [B, $m] and the next state."""
        y, state = self.forward(x.unsqueeze(1), state)
        return y.squeeze(1), state

    @classmethod
    def from_pretrained(cls, folder):
        """Read $files of a checkpoint folder."""
        folder = Path(folder)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        weights = load_file(folder / "model.safetensors")$adapter
        return cls.from_weights(config, weights)

    @classmethod
    def from_weights(cls, config, weights):
        """Weights by name; none may be missing or left over."""
        model = cls(config)
        model.load_state_dict(weights, strict=True)
        return model.eval()
''')

TOKENS = {
    "signature": "x [B, T] token ids, or [B, T, 1] -> y [B, T, $m], logits",
    "reading": "Which token stands for which values is in config.json, in its entry `lsrl`.",
    "loading": """from transformers import ${stock}ForCausalLM
    stock = ${stock}ForCausalLM.from_pretrained(".")
    logits = stock(ids).logits""",
    "summary": "Token ids to logits.",
    "head": 'self.lm_head = nn.Linear(config["hidden_size"], config["vocab_size"], bias=False)',
    "forward": "x, token ids [B, T] or [B, T, 1], to logits y [B, T, $m] and the next state.",
    "embed": "x = self.$base.$table((x.squeeze(-1) if x.ndim == 3 else x).long())",
    "read": "y = self.lm_head(y)",
    "x_step": "[B] or [B, 1]",
    "files": "config.json and model.safetensors",
    "adapter": "",
}
EMBEDS = {
    "signature": "x [B, T, $n] -> y [B, T, $m], float32",
    "reading": """Inputs x, by column:  $inputs
Outputs y, by column: $outputs
$reading""",
    "loading": """from safetensors.torch import load_file
    from transformers import ${stock}Model
    stock, adapter = ${stock}Model.from_pretrained("."), load_file("adapter.safetensors")
    e = x @ adapter["input.weight"].T + adapter["input.bias"]
    h = stock(inputs_embeds=e).last_hidden_state
    y = h @ adapter["output.weight"].T + adapter["output.bias"]""",
    "summary": "Real numbers to real numbers: `adapter` maps them into the model and out of it.",
    "head": """size = config["hidden_size"]
        maps = {"input": nn.Linear($n, size), "output": nn.Linear(size, $m)}
        self.adapter = nn.ModuleDict(maps)""",
    "forward": "x [B, T, $n] to y [B, T, $m] and the state after the last step.",
    "embed": """if not x.is_floating_point():
            raise TypeError("the model reads real numbers x [B, T, $n], not token ids")
        x = self.adapter["input"](x)""",
    "read": 'y = self.adapter["output"](y)',
    "x_step": "[B, $n]",
    "files": "config.json, model.safetensors and adapter.safetensors",
    "adapter": """
        weights = {f"$base.{name}": w for name, w in weights.items()}
        adapter = load_file(folder / "adapter.safetensors")
        weights |= {f"adapter.{name}": w for name, w in adapter.items()}""",
}


def emit_hf(model: Any) -> str:
    """The module's source text. The same model gives the same text."""
    shape, own, stock = model.shape, EMITTED[model.target], ARCHITECTURES[model.target]
    tokens = shape["interface"] == "tokens"
    names: dict[str, Any] = {
        **heading(model),
        "stock": stock.class_name,
        "base": stock.base,
        "table": own.table,
        "n": shape["input_size"],
        "m": shape["vocab_size"] if tokens else shape["output_size"],
        "reading": READINGS["number"],
        **({} if tokens else columns(model)),
    }
    parts = {k: Template(v).substitute(names) for k, v in (TOKENS if tokens else EMBEDS).items()}
    return MODULE.substitute(
        names
        | parts
        | {
            "title": own.title,
            "layers": own.layers,
            "logits": own.logits if tokens else "y",
            "settings": own.settings if tokens else "",
            "cache": own.cache,
            "padding": PADDING.rstrip() if tokens else "",
        }
    )
