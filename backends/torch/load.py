"""Runs the emitted module in this process."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from lsrl.hf import ARCHITECTURES, is_hf
from lsrl.targets import target

from .emit import emit_module
from .hf import EMITTED, emit_hf
from .stock import emit_stock, is_stock


def runner(model: Any) -> Any:
    """A model's emitted module, loaded."""
    if is_hf(model.target):
        return HFRunner(model)
    return StockRunner(model) if is_stock(model.target) else TorchRunner(model)


class _Runner:
    """An emitted module, without gradients: numbers of the model's dtype, from NumPy and back."""

    device = "cpu"

    def __init__(self, model: Any, source: str, sizes: Any) -> None:
        """The target's class in an emitted source, with the model's weights."""
        namespace: dict[str, Any] = {"__name__": "lsrl_emitted"}
        exec(compile(source, "<emitted>", "exec"), namespace)
        self.dtype = getattr(torch, model.options.dtype)
        weights = {name: self._tensor(w) for name, w in model.weights.items()}
        emitted = namespace[target(model.target).class_name]
        self.module = emitted.from_weights(sizes, weights)

    def _tensor(self, a: Any) -> Any:
        """A NumPy array of numbers of the model's dtype."""
        return torch.from_numpy(a).to(self.device, self.dtype)

    def _array(self, y: Any) -> Any:
        """The same back; NumPy has no bfloat16."""
        return (y.float() if y.dtype is torch.bfloat16 else y).cpu().numpy()

    def _saved(self, a: Any) -> Any:
        """A part of a state as a NumPy array of its own."""
        return np.array(self._array(a.detach()))

    def _restored(self, a: Any) -> Any:
        """A part of a state again."""
        tensor = torch.from_numpy(np.array(a)).to(self.device)
        return tensor if tensor.dtype is torch.bool else tensor.to(self.dtype)

    def run(self, x: Any) -> Any:
        """NumPy x `[B, T, n]` to y `[B, T, m]`."""
        return self.advance(x, None)[0]

    @torch.no_grad()
    def advance(self, x: Any, state: Any) -> tuple[Any, Any]:
        """x `[B, T, n]` and the state before to y `[B, T, m]` and the state after."""
        y, state = self.module(self._tensor(x), state)
        return self._array(y), state


class StockRunner(_Runner):
    """torch's own recurrent module and a head."""

    def __init__(self, model: Any) -> None:
        super().__init__(model, emit_stock(model), model.shape)

    def initial(self, batch: int) -> Any:
        """The module's own default, zeros: h, or h and c, `[layers, B, H]`."""
        rnn = self.module.rnn
        zero = torch.zeros(rnn.num_layers, batch, rnn.hidden_size, dtype=self.dtype)
        return (zero, zero) if isinstance(rnn, torch.nn.LSTM) else zero

    def save_state(self, state: Any) -> list[dict[str, Any]]:
        """The state of each layer by name, NumPy arrays `[B, H]`."""
        parts = zip("hc", state if isinstance(state, tuple) else (state,), strict=False)
        arrays = {k: self._saved(a) for k, a in parts}
        return [{k: a[i] for k, a in arrays.items()} for i in range(self.module.rnn.num_layers)]

    def load_state(self, layers: list[dict[str, Any]]) -> Any:
        """The state again."""
        h, *c = (self._restored(np.stack([s[k] for s in layers])) for k in layers[0])
        return (h, *c) if c else h

    @torch.no_grad()
    def activations(self, x: Any) -> list[dict[str, Any]]:
        """x `[B, T, n]` to inputs x, hidden units h and those of the step before p of each layer,
        and of the last one the outputs y. Each layer runs as a module of torch's own."""
        found, values = [], self._tensor(x)
        for layer in map(self._single, range(self.module.rnn.num_layers)):
            h, kept = self._stepped(layer, values)
            before = torch.cat([torch.zeros_like(h[:, :1]), h[:, :-1]], dim=1)
            kinds = {"x": values, "p": before, **kept, "h": h}
            found.append({k: self._array(v) for k, v in kinds.items()})
            values = h
        found[-1]["y"] = self._array(self.module.head(values))
        return found

    def _stepped(self, layer: Any, values: Any) -> tuple[Any, dict[str, Any]]:
        """h of all steps, and of an LSTM its cells c, for which it is run step by step."""
        if not isinstance(layer, torch.nn.LSTM):
            return layer(values)[0], {}
        state, hs, cs = None, [], []
        for t in range(values.shape[1]):
            h, state = layer(values[:, t : t + 1], state)
            hs.append(h)
            cs.append(state[1][0][:, None])
        return torch.cat(hs, dim=1), {"c": torch.cat(cs, dim=1)}

    def _single(self, k: int) -> Any:
        """Layer k alone."""
        rnn = self.module.rnn
        settings = {"nonlinearity": rnn.nonlinearity} if isinstance(rnn, torch.nn.RNN) else {}
        size = rnn.input_size if k == 0 else rnn.hidden_size
        layer = type(rnn)(size, rnn.hidden_size, 1, batch_first=True, **settings)
        names = {n: n.replace("_l0", f"_l{k}") for n in layer.state_dict()}
        layer.to(rnn.weight_ih_l0.dtype)
        layer.load_state_dict({n: rnn.state_dict()[m] for n, m in names.items()})
        return layer.eval()


class TorchRunner(_Runner):
    """A linear RNN's module."""

    def __init__(self, model: Any) -> None:
        super().__init__(model, emit_module(model), model.shape["layers"])

    def initial(self, batch: int) -> Any:
        """The states before the first step: a tensor `[B, p]` a layer."""
        return self.module.initial_state(batch)

    def save_state(self, state: Any) -> list[dict[str, Any]]:
        """The state s of each layer, a NumPy array `[B, p]`."""
        return [{"s": self._saved(s)} for s in state]

    def load_state(self, layers: list[dict[str, Any]]) -> Any:
        """The state again."""
        return [self._restored(layer["s"]) for layer in layers]

    @torch.no_grad()
    def activations(self, x: Any) -> list[dict[str, Any]]:
        """x `[B, T, n]` to inputs x, states s and outputs y of each of the module's layers."""
        found, states = [], self.module.initial_state(x.shape[0])
        values = self._tensor(x)
        for layer, s in zip(self.module.layers, states, strict=True):
            steps = []
            for t in range(values.shape[1]):
                y, s = layer(values[:, t : t + 1], s)
                steps.append((s, y[:, 0]))
            after, out = (torch.stack(part, dim=1) for part in zip(*steps, strict=True))
            kinds = {"x": values, "s": after, "y": out}
            found.append({k: self._array(v) for k, v in kinds.items()})
            values = out
        return found


class HFRunner(_Runner):
    """The emitted code of a model of transformers."""

    def __init__(self, model: Any) -> None:
        super().__init__(model, emit_hf(model), model.shape)
        self.base = ARCHITECTURES[model.target].base
        self.probed = EMITTED[model.target].probed

    def initial(self, batch: int) -> Any:
        """The state before the first step: what the module keeps of each layer."""
        return self.module.initial_state(batch)

    def save_state(self, state: Any) -> list[dict[str, Any]]:
        """The window `[B, K-1, n]`, h, and of Hawk `first` of each layer, NumPy arrays."""
        named = [dict(zip(("window", "h", "first"), s, strict=False)) for s in state]
        turned = [s | {"window": s["window"].transpose(1, 2)} for s in named]
        return [{k: self._saved(a) for k, a in s.items()} for s in turned]

    def load_state(self, layers: list[dict[str, Any]]) -> Any:
        """The state again."""
        named = [{k: self._restored(a) for k, a in s.items()} for s in layers]
        return [tuple((s | {"window": s["window"].transpose(1, 2)}).values()) for s in named]

    @torch.no_grad()
    def activations(self, x: Any) -> list[dict[str, Any]]:
        """x `[B, T, n]` to the kinds of the target's `run`, layer by layer: what modules of the
        emitted code take and give, step by step."""
        layers = getattr(self.module, self.base).layers
        found: list[dict[str, list[Any]]] = [{} for _ in layers]
        hooks = [h for i, layer in enumerate(layers) for h in self._hooks(layer, found[i])]
        state = self.module.initial_state(len(x))
        try:
            for t in range(x.shape[1]):
                y, state = self.module.step(self._tensor(x[:, t]), state)
                found[-1].setdefault("y", []).append(y)
        finally:
            for hook in hooks:
                hook.remove()
        return [{k: self._array(torch.stack(v, 1)) for k, v in kinds.items()} for kinds in found]

    def _hooks(self, layer: Any, found: dict[str, list[Any]]) -> list[Any]:
        """Hooks on a layer that keep what it computes at a step."""

        def keep(kind: str, values: Any) -> None:
            found.setdefault(kind, []).append(values.reshape(len(values), -1))

        def around(module: Any, args: Any, result: Any) -> None:
            (x, _), (r, state) = args, result
            for kind, values in (("x", x), ("s", state[1]), ("r", r)):
                keep(kind, values)

        hooks = [layer.register_forward_hook(around)]
        for kind, name in self.probed:
            before = lambda module, args, kind=kind: keep(kind, args[0])
            hooks.append(layer.get_submodule(name).register_forward_pre_hook(before))
        return hooks
