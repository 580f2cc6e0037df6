"""The equations of torch's recurrent layers and a linear head as JAX functions."""

from __future__ import annotations

from string import Template
from typing import Any

from lsrl.targets import target
from lsrl.targets.gates import Equations, names_of, render

from ..torch.stock import CLASSES

FUNCTIONS = {"sigmoid": "jax.nn.sigmoid", "tanh": "jnp.tanh", "relu": "jax.nn.relu"}
BODY = Template('''def shapes(config):
    """Names and shapes of all weights: those of torch.nn.$kind, and of the head."""
    n, h = config["input_size"], config["hidden_size"]
    found = {"head.weight": (config["output_size"], h), "head.bias": (config["output_size"],)}
    for i in range(config["num_layers"]):
        found[f"rnn.weight_ih_l{i}"] = ($rows, n if i == 0 else h)
        found[f"rnn.weight_hh_l{i}"] = ($rows, h)
        found[f"rnn.bias_ih_l{i}"] = found[f"rnn.bias_hh_l{i}"] = ($rows,)
    return found


def layers(weights):
    """weight_ih, weight_hh, bias_ih and bias_hh of each layer."""
    count = sum(name.startswith("rnn.weight_ih_l") for name in weights)
    parts = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return [{k: weights[f"rnn.{k}_l{i}"] for k in parts} for i in range(count)]


def initial_state(weights):
    """The state before the first step, zeros: $states of each layer, [H]."""
    zero = jnp.zeros(weights["head.weight"].shape[1], DTYPE)
    return [{$zeros} for _ in layers(weights)]


def cell(inputs, recurrent, state):
    """The next state of a layer, from the part of the inputs, W x + b, and of the state,
    U h + b', each [$size]: $blocks."""
    $equations
    return {$result}


def layer(w, x, state):
    """x [T, n] and the state before to h [T, H] and the state after the last step."""
    inputs = dot(x, w["weight_ih"]) + w["bias_ih"]

    def after(state, now):
        state = cell(now, dot(state["h"], w["weight_hh"]) + w["bias_hh"], state)
        return state, state["h"]

    state, h = lax.scan(after, state, inputs)
    return h, state


def sequence(weights, x, state):
    """One sequence: x [T, n] and the state before to y [T, m] and the state after the last step."""
    x, state = jnp.asarray(x, DTYPE), list(state)
    for i, w in enumerate(layers(weights)):
        x, state[i] = layer(w, x, state[i])
    return dot(x, weights["head.weight"]) + weights["head.bias"], state''')


def title(name: str) -> str:
    """What the module is."""
    return f"torch.nn.{CLASSES[name]} and a linear head in JAX"


def body(model: Any) -> str:
    """The functions of the target."""
    equations: Equations = target(model.target).equations  # type: ignore[attr-defined]
    count = len(equations.gates)
    rows = "h" if count == 1 else f"{count} * h"
    lines = [_split("x", "inputs", equations), _split("h", "recurrent", equations)]
    lines += [f'{s} = state["{s}"]' for s in _carried(equations)]
    lines += [f"{name} = {render(e, FUNCTIONS)}" for name, e in equations.values]
    blocks = f"a block for each gate of {', '.join(equations.gates)}" if count > 1 else "one block"
    return BODY.substitute(
        kind=CLASSES[model.target],
        rows=rows,
        size="H" if count == 1 else f"{count} H",
        states=" and ".join(equations.states),
        zeros=", ".join(f'"{s}": zero' for s in equations.states),
        blocks=blocks,
        equations="\n    ".join(lines),
        result=", ".join(f'"{s}": {s}' for s in equations.states),
    )


def _split(part: str, source: str, equations: Equations) -> str:
    """The blocks of the gates, x_i, x_f, ..., from one array."""
    names = ", ".join(f"{part}_{k}" for k in equations.gates)
    count = len(equations.gates)
    return f"{names} = {source}" if count == 1 else f"{names} = jnp.split({source}, {count})"


def _carried(equations: Equations) -> list[str]:
    """The states that the equations read beside the gates' arguments."""
    read, defined = [], set[str]()
    for name, e in equations.values:
        read += [n for n in names_of(e) if n in equations.states and n not in defined]
        defined.add(name)
    return list(dict.fromkeys(read))
