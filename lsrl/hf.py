"""Checkpoints of `mamba` and `hawk` as Hugging Face transformers has them.

`config.json` and `model.safetensors` are those of the stock class: of `MambaForCausalLM` and
`RecurrentGemmaForCausalLM` for programs over tokens; of `MambaModel` and `RecurrentGemmaModel` for
programs over real numbers, whose maps in and out are beside them in `adapter.safetensors`.
LSRL's own names for the weights are those of the first two classes everywhere.
Only `hf_load` imports transformers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import CheckpointError, Diagnostic, OptionError

MINIMUM = (4, 50)  # of transformers; measured with 4.50.0 and 5.24.0
ADAPTER = "adapter."
ADAPTER_FILE = "adapter.safetensors"
METADATA = {"format": "pt"}  # older versions do not load a safetensors file without it
MAMBA_SIZES = (
    "hidden_size state_size num_hidden_layers intermediate_size expand conv_kernel time_step_rank "
    "vocab_size"
).split()
HAWK_SIZES = (
    "hidden_size num_hidden_layers num_attention_heads intermediate_size lru_width conv1d_width "
    "vocab_size logits_soft_cap"
).split()


@dataclass(frozen=True)
class Architecture:
    """A model of transformers: what its classes and weights are called, and its config.json beside
    the sizes of a program. `base` is the attribute of the language model that holds the layers."""

    model_type: str
    class_name: str
    base: str
    sizes: list[str]
    settings: Mapping[str, Any]


ARCHITECTURES = {
    "mamba": Architecture(
        "mamba",
        "Mamba",
        "backbone",
        MAMBA_SIZES,
        {
            "hidden_act": "silu",
            "layer_norm_epsilon": 1e-5,
            "residual_in_fp32": True,
            "use_bias": False,
            "use_conv_bias": True,
            "use_cache": True,
        },
    ),
    "hawk": Architecture(
        "recurrent_gemma",
        "RecurrentGemma",
        "model",
        HAWK_SIZES,
        {
            "block_types": ["recurrent"],
            "hidden_activation": "gelu_pytorch_tanh",
            "rms_norm_eps": 1e-6,
            "use_cache": False,  # it raises where no layer is an attention
        },
    ),
}


def is_hf(target: str) -> bool:
    """Whether a target's checkpoints are those of a class of transformers."""
    return target in ARCHITECTURES


def hf_class(target: str, interface: str) -> str:
    """The stock class that loads a checkpoint: "MambaForCausalLM", "MambaModel", ..."""
    kind = "ForCausalLM" if interface == "tokens" else "Model"
    return ARCHITECTURES[target].class_name + kind


def hf_config(target: str, shape: Mapping[str, Any], meta: Any) -> dict[str, Any]:
    """What config.json says, with `meta` as its entry "lsrl"."""
    own = ARCHITECTURES[target]
    return {
        "architectures": [hf_class(target, shape["interface"])],
        "model_type": own.model_type,
        **{name: shape[name] for name in own.sizes},
        **own.settings,
        "tie_word_embeddings": False,
        "pad_token_id": None,  # `generate` would mask it in a prompt
        "bos_token_id": None,
        "eos_token_id": None,  # nor is there a token after which to stop
        "dtype": "float32",
        "lsrl": meta,
    }


def to_hf(weights: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The tensors of model.safetensors and those of adapter.safetensors, of which there are none
    for a program over tokens. Names are the stock class's own, and "input.weight" `[H, n]`,
    "input.bias" `[H]`, "output.weight" `[m, H]`, "output.bias" `[m]`."""
    adapter = {k[len(ADAPTER) :]: w for k, w in weights.items() if k.startswith(ADAPTER)}
    model = {k: w for k, w in weights.items() if not k.startswith(ADAPTER)}
    if adapter:
        model = {k.split(".", 1)[1]: w for k, w in model.items()}
    return model, adapter


def from_hf(
    target: str, model: Mapping[str, Any], adapter: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """LSRL's weights: what `to_hf` was given. `adapter` is None or empty for tokens."""
    if not adapter:
        return dict(model)
    prefix = ARCHITECTURES[target].base
    weights = {f"{prefix}.{k}": w for k, w in model.items()}
    return weights | {f"{ADAPTER}{k}": w for k, w in adapter.items()}


def hf_load(folder: str | Path) -> tuple[Any, Any]:
    """The stock model of a checkpoint folder, and its adapter: None for a program over tokens, else
    a `torch.nn.ModuleDict` of the linear maps "input" and "output", for

        model, adapter = hf_load(folder)
        h = model(inputs_embeds=adapter["input"](x)).last_hidden_state
        y = adapter["output"](h)

    Raises `OptionError` E026 if transformers is missing or too old, `CheckpointError` if the folder
    is not one of these checkpoints.
    """
    transformers = _transformers()
    place = Path(folder)
    chosen = getattr(transformers, _class_in(place))
    try:
        model = chosen.from_pretrained(place)
        adapter = (
            None if chosen.__name__.endswith("ForCausalLM") else _adapter(place / ADAPTER_FILE)
        )
    except OSError as e:
        message = f"cannot read the checkpoint `{place}`: {str(e).splitlines()[0]}"
        raise CheckpointError(Diagnostic("E040", message, None, "compile again")) from None
    return model.eval(), adapter


def _transformers() -> Any:
    least = ".".join(map(str, MINIMUM))
    try:
        import torch  # noqa: F401
        import transformers
    except ImportError as e:
        message = f"{e.name or 'transformers'} is not installed"
        raise OptionError.at("E026", None, message, "pip install 'lsrl[hf]'") from None
    version = transformers.__version__
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < MINIMUM:
        message = f"transformers {version} is too old: it must be {least} or later"
        raise OptionError.at("E026", None, message, f"pip install 'transformers>={least}'")
    return transformers


def _class_in(place: Path) -> str:
    """The stock class that config.json names."""
    try:
        (name,) = json.loads((place / "config.json").read_text(encoding="utf-8"))["architectures"]
    except (OSError, ValueError, KeyError, TypeError):
        name = None
    known = [hf_class(t, i) for t in ARCHITECTURES for i in ("tokens", "embeds")]
    if name not in known:
        message = (
            f"cannot read the checkpoint `{place}`: it is not one of {' or '.join(ARCHITECTURES)}"
        )
        help = "give the folder that `lsrl compile --target mamba` or `hawk` wrote"
        raise CheckpointError(Diagnostic("E040", message, None, help))
    return str(name)


def _adapter(path: Path) -> Any:
    from safetensors.torch import load_file
    from torch import nn

    maps = nn.ModuleDict()
    weights = load_file(path)
    for name in ("input", "output"):
        outputs, inputs = weights[f"{name}.weight"].shape
        maps[name] = nn.Linear(inputs, outputs)
    maps.load_state_dict(weights)
    return maps.eval()
