"""What the emitted code of Mamba and Hawk has in common: token ids or numbers into a residual
stream, and back."""

from __future__ import annotations

from dataclasses import dataclass
from string import Template
from typing import Any

from . import hawk, mamba


@dataclass(frozen=True)
class Architecture:
    """What the emitted code of a target is made of.

    `base` begins the names of the layers' weights; `probed` are the weights whose inputs are kinds
    of activations. `entering` and `logits` are expressions of x and y.
    """

    title: str
    text: str
    base: str
    table: str
    last: str  # the weight of the last norm
    probed: tuple[tuple[str, str], ...]
    entering: str = ""
    logits: str = "y"


ARCHITECTURES = {
    "mamba": Architecture(
        "A Mamba model (Gu and Dao 2023, arXiv:2312.00752) in JAX",
        mamba.TEXT,
        "backbone",
        "embeddings.weight",
        "norm_f.weight",
        (("u", "mixer.out_proj"),),
    ),
    "hawk": Architecture(
        "A Hawk model (De et al. 2024, arXiv:2402.19427) in JAX",
        hawk.TEXT,
        "model",
        "embed_tokens.weight",
        "final_norm.weight",
        (("u", "temporal_block.linear_out"), ("m", "mlp_block.down_proj")),
        "\n    x = x * jnp.asarray(x.shape[-1] ** 0.5, jnp.bfloat16).astype(DTYPE)",
        "SOFT_CAP * jnp.tanh(y / SOFT_CAP)",
    ),
}

TOKENS = """\
x are ids of tokens, y logits, of which the largest is that of the outputs. Which token stands for
which values is in config.json, in its entry `lsrl`."""
BODY = Template('''${constants}def shapes(config):
    """Names and shapes of all weights."""
    $shapes
    found = {f"$base.layers.{i}.{name}": own[name] for i in range(layer_count) for name in own}
    found["$base.$table"] = (config["vocab_size"], h)
    found["$base.$last"] = (h,)
    return found | $outer


${stored}def linear(w, name, x):
    """The linear map of that name, x [..., n] to [..., m]."""
    y = dot(x, w[f"{name}.weight"])
    return y + w[f"{name}.bias"] if f"{name}.bias" in w else y


def convolved(w, name, x, window):
    """A causal convolution of each channel with K taps, the last one for the current input:
    x [T, n] after the window [K - 1, n] to [T, n], and the next window."""
    taps, seen = w[f"{name}.weight"][:, 0], jnp.concatenate([window, x])
    terms = [taps[:, k] * seen[k : k + len(x)] for k in range(taps.shape[-1])]
    return sum(terms, w[f"{name}.bias"]), seen[len(x) :]


def parallel_recurrence(a, b, h):
    """h_t = a_t h_{t-1} + b_t, elementwise, for all steps at once: a and b [T, ...], h [...]."""

    def then(first, second):
        (a, b), (c, d) = first, second
        return a * c, c * b + d

    a, b = lax.associative_scan(then, (a, b))
    return a * h + b


$layer


def layers(weights):
    """The weights of each layer by name."""
    own = {}
    for key, w in weights.items():
        if key.startswith("$base.layers."):
            i, name = key.removeprefix("$base.layers.").split(".", 1)
            own.setdefault(int(i), {})[name] = w
    return [own[i] for i in sorted(own)]


def initial_state(weights):
    """The state before the first step, layer by layer."""
    return [initial_layer_state(w) for w in layers(weights)]


def sequence(weights, x, state, parallel=False):
    """One sequence: x $x and the state before to y [T, $m] and the
    state after the last step."""
    $embed$entering
    state = list(state)
    for i, w in enumerate(layers(weights)):
        x, state[i] = layer(w, x, state[i], parallel)
    y = norm(x, weights["$base.$last"])
    $read
    return $logits, state''')

INNER = {
    "outer": '{"lm_head.weight": (config["vocab_size"], h)}',
    "stored": "",
    "embed": 'x = weights["$base.$table"][jnp.asarray(x).reshape(len(x)).astype(int)]',
    "read": 'y = dot(y, weights["lm_head.weight"])',
    "x": "[T] or [T, 1] (token ids)",
}
ADAPTED = {
    "outer": """{
        "adapter.input.weight": (h, $n),
        "adapter.input.bias": (h,),
        "adapter.output.weight": ($m, h),
        "adapter.output.bias": ($m,),
    }""",
    "stored": '''def stored(folder):
    """The arrays of model.safetensors and adapter.safetensors by name."""
    weights = load_file(folder / "model.safetensors")
    adapter = load_file(folder / "adapter.safetensors")
    weights = {f"$base.{name}": w for name, w in weights.items()}
    return weights | {f"adapter.{name}": w for name, w in adapter.items()}


''',
    "embed": 'x = linear(weights, "adapter.input", jnp.asarray(x, DTYPE))',
    "read": 'y = linear(weights, "adapter.output", y)',
    "x": "[T, $n]",
}


def is_residual(name: str) -> bool:
    """Whether a target is one of these."""
    return name in ARCHITECTURES


def body(model: Any) -> str:
    """The functions of the target."""
    own, shape = ARCHITECTURES[model.target], model.shape
    ids = shape["interface"] == "tokens"
    names = {
        "base": own.base,
        "table": own.table,
        "last": own.last,
        "n": shape["input_size"],
        "m": shape["vocab_size"] if ids else shape["output_size"],
    }
    parts = {k: Template(v).substitute(names) for k, v in (INNER if ids else ADAPTED).items()}
    shapes, layer = own.text.split("# ---\n")
    cap = f"SOFT_CAP = {shape['logits_soft_cap']!r}\n\n\n" if ids and own.logits != "y" else ""
    return BODY.substitute(
        names | parts,
        constants=cap,
        shapes=shapes.strip().replace("\n", "\n    "),
        layer=layer.strip(),
        entering=own.entering,
        logits=own.logits if ids else "y",
    )
