"""Runs the emitted functions in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import experimental

from lsrl.checkpoint import config
from lsrl.errors import OptionError

from .emit import body_of, emit_module
from .residual import ARCHITECTURES, is_residual


class JaxRunner:
    """A model's emitted functions on JAX's default device, or on several devices with the batch
    split among them. Raises `OptionError` E021 for a dtype that the device lacks."""

    def __init__(self, model: Any) -> None:
        self.model, self.dtype = model, model.options.dtype
        self.functions = _emitted(model)
        with digits(self.dtype):
            _check_device(self.dtype)
            weights = {k: jnp.asarray(w, self.dtype) for k, w in model.weights.items()}
            self.weights = self.functions["checked"](weights, config(model))
        self.module = self.function()

    def function(self, parallel: bool = False) -> Callable[..., Any]:
        """The jitted function: x `[B, T, n]`, and the state before unless it is the first one, to
        y `[B, T, m]` and the state after the last step. Where it is `parallel`, the certificate
        is about one call without a state before. Raises `OptionError` E019."""
        run, options = self.functions["run"], {"parallel": True} if parallel else {}
        if parallel and not body_of(self.model).parallel:
            message = f"the steps of `{self.model.target}` cannot be computed at once: its state's "
            message += "transition is not linear"
            raise OptionError.at("E019", None, message, "leave `parallel` out")
        if parallel:
            _check_scan(self.model.certificate)

        def jitted(x: Any, state: Any = None) -> Any:
            with digits(self.dtype):
                return run(self.weights, x, state, **options)

        return jitted

    def _array(self, y: Any) -> Any:
        """NumPy's, in the dtype that holds the numbers."""
        return np.asarray(y).astype(self.model.dtype.numpy)

    def run(self, x: Any) -> Any:
        """NumPy x `[B, T, n]` to y `[B, T, m]`."""
        return self.advance(x, self.initial(len(x)))[0]

    def initial(self, batch: int) -> Any:
        """The state before the first step."""
        with digits(self.dtype):
            return self.functions["initial_states"](self.weights, batch)

    def advance(self, x: Any, state: Any) -> tuple[Any, Any]:
        """x `[B, T, n]` and the state before to y `[B, T, m]` and the state after."""
        devices = jax.local_devices()[: len(x)]
        if len(devices) > 1:
            return self._spread(x, state, devices)
        y, state = self.module(x, state)
        return self._array(y), state

    def _spread(self, x: Any, state: Any, devices: Any) -> tuple[Any, Any]:
        """The same on several devices; the first sequence fills the batch up."""
        batch, each = len(x), jax.tree_util.tree_map
        fill = lambda a: jnp.concatenate([a, jnp.repeat(a[:1], -batch % len(devices), axis=0)])
        with digits(self.dtype):
            rows = each(fill, (x, state))
            weights, rows = self.functions["sharded"](self.weights, rows, devices)
            y, state = self.functions["run"](weights, *rows)
            return self._array(y)[:batch], each(lambda a: a[:batch], state)

    def save_state(self, state: Any) -> list[dict[str, Any]]:
        """The state of each layer by name, NumPy arrays `[B, ...]`."""
        named = [s if isinstance(s, dict) else {"s": s} for s in state]
        return [{k: self._plain(a) for k, a in s.items()} for s in named]

    def _plain(self, a: Any) -> Any:
        return np.asarray(a) if a.dtype == bool else self._array(a)

    def load_state(self, layers: list[dict[str, Any]]) -> Any:
        """The state again."""
        with digits(self.dtype):
            state = [
                {k: jnp.asarray(a, None if a.dtype == bool else self.dtype) for k, a in s.items()}
                for s in layers
            ]
        return [s["s"] if s.keys() == {"s"} else s for s in state]

    def activations(self, x: Any) -> list[dict[str, Any]]:
        """x `[B, T, n]` to the kinds of the target's `run`, layer by layer: what functions of the
        emitted code take and give, step by step."""
        step, found = _recorded(self.model), list[list[dict[str, Any]]]()
        with digits(self.dtype):
            mapped = jax.jit(jax.vmap(step, (None, 0, 0)))
            state = self.initial(len(x))
            for t in range(x.shape[1]):
                y, state, layers = mapped(self.weights, x[:, t], state)
                layers[-1].setdefault("y", y)
                found.append(layers)
        return [
            {k: np.stack([self._array(step[i][k]) for step in found], axis=1) for k in kinds}
            for i, kinds in enumerate(found[0])
        ]


def _check_scan(certificate: Mapping[str, Any]) -> None:
    """Refuses a scan that may be off by more than the tolerance: `OptionError` E019. Checkpoints of
    before there was such a bound say nothing of it, and pass."""
    for name, bound in certificate.get("parallel", {}).items():
        allowed = certificate["tolerance"][name]
        if not bound <= allowed:
            message = (
                f"with all steps at once the error of `{name}` can reach {bound:.2g}, more than "
            )
            message += f"the tolerance {allowed:.2g}"
            help = (
                "leave `parallel` out, or compile with a larger --tolerance or a shorter --length"
            )
            raise OptionError.at("E019", None, message, help)


def digits(dtype: str) -> AbstractContextManager[Any]:
    """JAX has float64 only where it is asked for."""
    if dtype != "float64":
        return nullcontext()
    place: Any = jax if hasattr(jax, "enable_x64") else experimental  # before 0.8
    context: AbstractContextManager[Any] = place.enable_x64(True)
    return context


def _check_device(dtype: str) -> None:
    """Raises `OptionError` E021 if JAX's default device lacks a dtype, as Metal lacks float64."""
    try:
        (jnp.ones(1, dtype) + 1).block_until_ready()
    except (RuntimeError, NotImplementedError):
        message = f"the device of JAX, {jax.default_backend()}, has no {dtype}"
        help = f"set JAX_PLATFORMS=cpu, or compile with another dtype than {dtype}"
        raise OptionError.at("E021", None, message, help) from None


def _emitted(model: Any) -> dict[str, Any]:
    """The functions of the emitted code by name."""
    functions: dict[str, Any] = {"__name__": "lsrl_emitted"}
    exec(compile(emit_module(model), "<emitted>", "exec"), functions)
    return functions


def _recorded(model: Any) -> Callable[..., Any]:
    """`step` of emitted code of its own, which gives also what each layer computes."""
    functions = _emitted(model)
    layer, linear, step = (functions.get(k) for k in ("layer", "linear", "step"))
    probed = (
        {n: k for k, n in ARCHITECTURES[model.target].probed} if is_residual(model.target) else {}
    )
    found: list[dict[str, Any]] = []

    def recording_linear(w: Any, name: str, x: Any) -> Any:
        if name in probed:
            found[-1][probed[name]] = x[0]
        return linear(w, name, x)  # type: ignore[misc]

    def recording_layer(w: Any, x: Any, state: Any, *options: Any) -> Any:
        found.append({"x": x[0]})
        y, after = layer(w, x, state, *options)  # type: ignore[misc]
        if probed:
            found[-1] |= {"s": after["h"].reshape(-1), "r": y[0]}
        elif isinstance(after, dict):
            found[-1] |= {"p": state["h"], **after}
        else:
            found[-1] |= {"s": after, "y": y[0]}
        return y, after

    def recording_step(weights: Any, x: Any, state: Any) -> Any:
        found.clear()
        y, state = step(weights, x, state)  # type: ignore[misc]
        return y, state, [dict(kinds) for kinds in found]

    functions |= {"layer": recording_layer, "linear": recording_linear}
    return recording_step
