"""Renders a model as readable JAX functions.

A module is the same for all targets around a body, which has `shapes(config)`, `stored(folder)`
where the weights are in more than one file, `initial_state(weights)`, and
`sequence(weights, x, state)` for one sequence.
"""

from __future__ import annotations

from dataclasses import dataclass
from string import Template
from typing import Any

from ..torch.heading import columns, heading
from ..torch.stock import READINGS, is_stock
from . import linear, residual, stock

MODULE = Template('''"""$title, compiled from program.lsrl.

$doc

Written by LSRL $version from program.lsrl; it needs jax and safetensors only.

    from $module import initial_state, load, run, step
    weights = load(".")                       # arrays by name
    y, state = run(weights, x)                # $signature
    y, state = run(weights, more, state)      # what follows
    y_1, state = step(weights, x_1, initial_state(weights))    # one sequence, step by step
    y_2, state = step(weights, x_2, state)

$reading
The promise of certificate.json holds for up to $length steps.$note$parallel_note
"""

import json$partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from safetensors.flax import load_file

DTYPE = "$dtype"


def dot(x, weight):
    """weight x_t at every step: x [..., n], weight [m, n]. Accelerators too are to use all digits
    of the dtype."""
    return jnp.matmul(x, weight.T, precision=lax.Precision.HIGHEST)


$body


def step(weights, x, state):
    """One step of one sequence: x $x_step to y [$m] and the next state."""
    y, state = sequence(weights, x[None], state)
    return y[0], state


def initial_states(weights, batch):
    """`initial_state` of each sequence of a batch: its arrays with an axis B in front."""
    repeat = lambda a: jnp.broadcast_to(a, (batch, *a.shape))
    return jax.tree_util.tree_map(repeat, initial_state(weights))


@$jit
def run(weights, x, state=None$parallel):
    """A batch: x $x_batch to y [B, T, $m] and the
    states after the last step."""
    state = initial_states(weights, len(x)) if state is None else state
    return jax.vmap(lambda x, s: sequence(weights, x, s$passed))(x, state)


def run_in_chunks(weights, x, state=None, *, steps, **options):
    """As `run`, so many steps at a time, so that only their activations are in memory. x and y are
    NumPy's."""
    state, parts = initial_states(weights, len(x)) if state is None else state, []
    for t in range(0, max(1, x.shape[1]), steps):
        y, state = run(weights, x[:, t : t + steps], state, **options)
        parts.append(np.asarray(y))
    return np.concatenate(parts, axis=1), state


def sharded(weights, x, devices=None):
    """The weights on all devices, and the batch x [B, ...] split among them, where B is a multiple
    of their number: `run(*sharded(weights, x))` runs on all of them. x may be (x, state) too."""
    mesh = Mesh(np.array(jax.devices() if devices is None else devices), ("batch",))
    everywhere = jax.device_put(weights, NamedSharding(mesh, PartitionSpec()))
    return everywhere, jax.device_put(x, NamedSharding(mesh, PartitionSpec("batch")))


def load(folder):
    """The weights of a checkpoint folder by name. Raises ValueError if they are not as config.json
    says."""
    folder = Path(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return checked(stored(folder), config)


def checked(weights, config):
    """Weights by name, those that are empty among them; none may be missing or left over."""
    if any(w.dtype != DTYPE for w in weights.values()):
        raise ValueError($not_dtype)
    wanted = shapes(config)
    empty = {k: jnp.zeros(shape, DTYPE) for k, shape in wanted.items() if 0 in shape}
    weights = {**empty, **weights}
    wrong = {k for k in {*wanted, *weights} if k not in weights or k not in wanted}
    wrong |= {k for k in {*wanted} - wrong if tuple(weights[k].shape) != tuple(wanted[k])}
    if wrong:
        raise ValueError(f"missing, left over or of another shape: {', '.join(sorted(wrong))}")
    return weights
''')

PARALLEL = """
`run(weights, x, parallel=True)` computes the states of all steps at once by `lax.associative_scan`,
in a number of passes that grows with log T. It rounds in another order than step after step."""
X64 = """
float64 needs x64: `jax.config.update("jax_enable_x64", True)` before anything else, or all calls
within `with jax.enable_x64(True):`."""
NOT_DTYPE = '"the weights are not {}"'
NOT_FLOAT64 = """
            'the weights are not float64: call `jax.config.update("jax_enable_x64", True)` first'
        """
STORED = '''def stored(folder):
    """The arrays of model.safetensors by name."""
    return load_file(folder / "model.safetensors")'''


@dataclass(frozen=True)
class Body:
    """What differs between targets. `parallel`: the states can be computed by an associative scan;
    `ids`: x are token ids."""

    title: str
    text: str
    parallel: bool
    reading: str
    ids: bool = False


def module_name(target: str) -> str:
    """The emitted file without its ending."""
    return f"modeling_{target.replace('-', '_')}_jax"


def emit_module(model: Any) -> str:
    """The module's source text. The same model gives the same text."""
    body, dtype = body_of(model), model.options.dtype
    n, m = model.input_size, model.output_size
    if body.ids:
        n, m = 1, model.shape["vocab_size"]
    own = "" if "def stored" in body.text else f"{STORED}\n\n\n"
    names = heading(model) | {"module": module_name(model.target), "m": m}
    return MODULE.substitute(
        names,
        title=body.title,
        signature=f"x {_shape('B, T', n, body.ids)} -> y [B, T, {m}]",
        reading=body.reading if body.ids else _columns(model) + body.reading,
        note=X64 if dtype == "float64" else "",
        parallel_note=PARALLEL if body.parallel else "",
        body=own + body.text,
        x_step=_shape("", n, body.ids),
        x_batch=_shape("B, T", n, body.ids),
        partial="\nfrom functools import partial" if body.parallel else "",
        jit='partial(jax.jit, static_argnames="parallel")' if body.parallel else "jax.jit",
        parallel=", *, parallel=False" if body.parallel else "",
        passed=", parallel" if body.parallel else "",
        not_dtype=NOT_FLOAT64 if dtype == "float64" else NOT_DTYPE.format(dtype),
    )


def _columns(model: Any) -> str:
    """What the columns of x and y are."""
    named = columns(model)
    return f"Inputs x, by column:  {named['inputs']}\nOutputs y, by column: {named['outputs']}\n"


def _shape(axes: str, n: int, ids: bool) -> str:
    """How x is described: token ids may have an axis of their own or not."""
    full = ", ".join(filter(None, (axes, str(n))))
    return f"[{axes}] or [{full}] (token ids)" if ids else f"[{full}]"


def body_of(model: Any) -> Body:
    """The part of a module that is the target's own."""
    if residual.is_residual(model.target):
        ids = model.shape["interface"] == "tokens"
        reading = residual.TOKENS if ids else READINGS["number"]
        title = residual.ARCHITECTURES[model.target].title
        return Body(title, residual.body(model), True, reading, ids)
    reading = READINGS[model.options.encoding]
    if is_stock(model.target):
        return Body(stock.title(model.target), stock.body(model), False, reading)
    return Body(linear.title(model.target), linear.body(model), True, reading)
