"""The equations of the linear RNNs as JAX functions."""

from __future__ import annotations

from string import Template
from typing import Any

from lsrl.targets import target
from lsrl.targets.cell import Cell, Concat, Expr, Product, Sum, render

from ..torch.emit import EQUATIONS, GATED_EQUATIONS, GATED_SHAPES, SHAPES

GATED = {"width": ", q", "rows": "".join(
    f', "{name}": ({shape})'
    for names in ("EFe", "GHg")
    for name, shape in zip(names, ("q, p", "q, n", "q,"), strict=True)
)}  # fmt: skip
BODY = Template('''def shapes(config):
    """Names and shapes of all weights; those that are empty are not stored."""
    found = {}
    for i, (n, p, m$width) in enumerate(config["layers"]):
        own = {"A": (p, p), "B": (p, n), "b": (p,), "s0": (p,)}
        own |= {"C": (m, p), "D": (m, n), "d": (m,)}$products
        found |= {f"layers.{i}.{name}": shape for name, shape in own.items()}
    return found


def layers(weights):
    """The weights of each layer by name."""
    count = sum(name.endswith(".s0") for name in weights)
    own = [{} for _ in range(count)]
    for key, w in weights.items():
        _, i, name = key.split(".")
        own[int(i)][name] = w
    return own


def initial_state(weights):
    """The state before the first step: s_0 of each layer, [p]."""
    return [w["s0"] for w in layers(weights)]


def recurrence(A, added, s):
    """s_t = A s_{t-1} + added_t, step by step: added [T, p] and s [p] to all states [T, p]."""

    def after(s, now):
        s = $recurrent + now
        return s, s

    return lax.scan(after, s, added)[1]


def parallel_recurrence(A, added, s):
    """The same at once: s -> P s + v and then s -> Q s + w are s -> Q P s + Q v + w."""
    times = partial(jnp.matmul, precision=lax.Precision.HIGHEST)

    def then(first, second):
        (P, v), (Q, w) = first, second
        return times(Q, P), times(Q, v[..., None])[..., 0] + w

    powers = jnp.broadcast_to(A, (len(added), *A.shape))
    P, v = lax.associative_scan(then, (powers, added))
    return times(P, s) + v


def layer(w, x, s, last, parallel):
    """$equations

    $shapes
    x [T, n] and the state before to y [T, ...] and the state after the last step. The last layer is
    linear.
    """
    states = jnp.broadcast_to($added, (len(x), len(s)))
    if len(s) and len(x):
        states = (parallel_recurrence if parallel else recurrence)(w["A"], states, s)
        s = states[-1]
    return read(w, x, states, last), s


def read(w, x, s, last):
    """y_t from x_t and s_t."""
    $read


def sequence(weights, x, state, parallel=False):
    """One sequence: x [T, n] and the state before to y [T, m] and the state after the last step."""
    x, state, own = jnp.asarray(x, DTYPE), list(state), layers(weights)
    for i, w in enumerate(own):
        x, state[i] = layer(w, x, state[i], i + 1 == len(own), parallel)
    return x, state''')


def title(name: str) -> str:
    """What the module is."""
    return f"A {'gated ' * (name != 'linear-rnn')}linear RNN in JAX"


def body(model: Any) -> str:
    """The functions of the target."""
    cell = target(model.target).cell
    assert cell is not None
    gated = isinstance(cell.out, Concat)
    return BODY.substitute(
        width=GATED["width"] * gated,
        products=f"\n        own |= {{{GATED['rows'][2:]}}}" * gated,
        recurrent=_text(cell.next.terms[0]).replace('w["A"]', "A"),
        added=_text(Sum(cell.next.terms[1:])),
        equations=GATED_EQUATIONS if gated else EQUATIONS,
        shapes=GATED_SHAPES if gated else SHAPES,
        read=_read(cell),
    )


def _text(e: Expr) -> str:
    linear, relu, bias = 'dot({value}, w["{weight}"])', "jax.nn.relu({})", 'w["{}"]'
    return render(e, lambda name: True, linear, relu, bias)


def _read(cell: Cell) -> str:
    """The body of `read`."""
    lines = [f"y = {_text(cell.without_activation().out)}"]
    if isinstance(cell.out, Concat):
        lines += ["if last:", "    return y"]
        for part in cell.out.parts[1:]:
            assert isinstance(part, Product)
            lines += [f"left, right = {_text(part.left)}, {_text(part.right)}"]
        lines += ["return jnp.concatenate([jax.nn.relu(y), left * right], axis=-1)"]
    else:
        lines += ["return y if last else jax.nn.relu(y)"]
    return "\n    ".join(lines)
