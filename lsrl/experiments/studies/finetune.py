"""Training from compiled weights: does the circuit survive, and is it found from random ones?

A compiled model whose weights were disturbed, or a model of the same shape with random weights, is
trained on the program's own data with AdamW. Whether the circuit is there is measured by
interventions: a named value is overwritten where the compiler put it, and the model's outputs are
compared with those of the program in which that value is overwritten.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...errors import OptionError
from ...intervene import Intervened
from ...ir.types import Kind
from ...model import CompiledModel
from ...patched import meaning_of
from ...patching import Patcher
from ...symbols import Symbol, symbols_of
from ..disturb import with_noise
from ..figures import lines
from ..sections import Figure, Section, has, pivot
from ..settings import Setting
from ..specs import Spec, files_of, models, program
from ..study import Arrays, Outcome, Study
from ..sweep import Cell
from ..tasks import Sample, check_sampled, differences, sampled

STARTS = ("compiled", "random")
TRAINABLE = ("lstm", "gru", "rnn", "rnn-tanh")
HELD_OUT = 64  # sequences that are judged
DRAWN = 8  # batches drawn at once


class Finetune(Study):
    name = "finetune"
    title = "Training from compiled weights"
    question = "Do compiled weights train, and does their circuit survive?"
    settings = (
        Setting("program", str, ("flip_flop", "parity"), "Examples by name, or files."),
        models("lstm+trainable+onehot", "gru+trainable+onehot"),
        Setting("start", str, STARTS, "Where training begins.", choices=STARTS),
        Setting("sigma", float, (0.0, 0.01, 0.1), "Deviation of the noise on compiled weights.",
                low=0),
        Setting("rate", float, (1e-3,), "AdamW's learning rate.", low=0),
        Setting("decay", float, (0.01,), "AdamW's weight decay.", low=0),
        Setting("updates", int, (0, 30, 100, 300), "After how many updates to look.", inner=True,
                low=0),
        Setting("batch", int, (32,), "Sequences of an update.", low=1),
        Setting("steps", int, (24,), "Steps of a sequence, and the certified length.", low=1),
    )  # fmt: skip

    def files(self, settings: Mapping[str, Any]) -> list[str]:
        return files_of(settings)

    def settle(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Random weights are not disturbed."""
        return settings if settings["start"] == "compiled" else {**settings, "sigma": 0.0}

    def check(self, cell: Cell) -> None:
        """Raises `OptionError` E051 for a model that is not trained here."""
        if Spec.parse(cell["model"]).target not in TRAINABLE:
            message = f"`{cell['model']}` is not trained here"
            raise OptionError.at("E051", None, message, f"take one of {', '.join(TRAINABLE)}")
        check_sampled(cell["program"], max(HELD_OUT, DRAWN * cell["batch"]), cell["steps"])

    def run(self, cell: Cell) -> Outcome:
        loaded = program(cell["program"], {}, cell["steps"])
        model = Spec.parse(cell["model"]).compile(loaded, "float32", verify=True)
        held_out = sampled(cell["program"], HELD_OUT, cell["steps"], cell.random("held out"))
        tests = list(interventions(model, held_out, cell.random("interventions")))
        rows = []
        for updates, trained, loss in _trained(cell, model, held_out):
            found = {"updates": updates, "loss": loss, **_accuracy(trained, held_out)}
            kept = [t.agreement(trained) for t in tests]
            found |= {"names": len(kept), "kept": float(np.mean(kept)) if kept else None}
            rows.append(found)
        return Outcome(rows)

    def sections(self, rows: Any, arrays: Arrays) -> list[Section]:
        index = ["program", "model", "start", "sigma"]
        found = []
        for value, words in (
            ("loss", "Loss on sequences held out"), ("right", "Right outputs in per cent"),
            ("kept", "Interventions with the program's effect, in per cent"),
        ):  # fmt: skip
            if not has(rows, value):
                continue
            sheet = pivot(rows, index, "updates", value, f"{words}, quartiles")
            figures = [
                _figure(f"{words}: {' '.join(key)}", group, value)
                for key, group in rows.groupby(["program", "model"], sort=False)
            ]
            found.append(Section(words, "", [sheet], figures))
        return found


def _figure(title: str, rows: Any, value: str) -> Figure:
    curves = {f"{k[0]}, {k[1]:g}": g for k, g in rows.groupby(["start", "sigma"])}
    log = "y" if value == "loss" else ""
    return Figure(title, lines(curves, "updates", value, "updates", value, log=log), (5.0, 2.6))


def _accuracy(model: CompiledModel, sample: Sample) -> dict[str, Any]:
    y = model.split(model.equations(model.stacked(sample.batch)))
    found = differences(model, y, sample.outputs)
    return {"off": found["off"], "right": 100 - found["wrong"] if "wrong" in found else None}


# Training


def _trained(
    cell: Cell, model: CompiledModel, held_out: Sample
) -> Iterator[tuple[int, CompiledModel, float]]:
    """The model after each number of updates that is asked for, and its loss."""
    import torch

    torch.set_num_threads(1)  # sums in one order: the same cell gives the same rows
    torch.manual_seed(int(cell.random("start").integers(2**31)))
    module = _module(cell, model)
    module.train()
    parameters = list(module.parameters())
    for p in parameters:
        p.requires_grad_(True)
    optimiser = AdamW(parameters, cell["rate"], cell["decay"])
    marks, batches = sorted(cell["updates"]), _batches(cell)
    for update in range(marks[-1] + 1):
        if update in marks:
            with torch.no_grad():
                loss = _loss(model, module, held_out.batch, held_out.outputs)
            yield update, _weights_of(model, module), float(loss)
        if update < marks[-1]:
            optimiser.step(_loss(model, module, *next(batches)))


class AdamW:
    """torch's AdamW (Loshchilov and Hutter 2019) by its functional form, with gradients clipped to
    norm 1. The class `torch.optim.AdamW` imports torch's compiler, which takes seconds."""

    def __init__(self, parameters: list[Any], rate: float, decay: float) -> None:
        import torch

        self.parameters, self.rate, self.decay = parameters, rate, decay
        self.means = [torch.zeros_like(p) for p in parameters]
        self.squares = [torch.zeros_like(p) for p in parameters]
        self.steps = [torch.tensor(0.0) for _ in parameters]

    def step(self, loss: Any) -> None:
        """One update."""
        import torch
        from torch.optim.adamw import adamw

        gradients = list(torch.autograd.grad(loss, self.parameters))
        norm = torch.stack([g.norm() for g in gradients]).norm()
        gradients = [g / norm.clamp(min=1.0) for g in gradients]
        with torch.no_grad():
            adamw(
                self.parameters, gradients, self.means, self.squares, [], self.steps,
                foreach=False, amsgrad=False, beta1=0.9, beta2=0.999, lr=self.rate,
                weight_decay=self.decay, eps=1e-8, maximize=False,
            )  # fmt: skip


def _module(cell: Cell, model: CompiledModel) -> Any:
    """A torch module of its own: of the disturbed model, or with torch's random weights."""
    seed = int(cell.random("noise").integers(2**31))
    module = with_noise(model, cell["sigma"], seed, "nonzero").runner("torch").module
    if cell["start"] == "random":
        for part in module.modules():
            if hasattr(part, "reset_parameters"):
                part.reset_parameters()
    return module


def _batches(cell: Cell) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Inputs and outputs of the program, new ones for ever."""
    random = cell.random("training")
    while True:
        drawn = sampled(cell["program"], DRAWN * cell["batch"], cell["steps"], random)
        for start in range(0, DRAWN * cell["batch"], cell["batch"]):
            rows = slice(start, start + cell["batch"])
            inputs = {k: v[rows] for k, v in drawn.batch.items()}
            if len(next(iter(inputs.values()))):
                yield inputs, {k: v[rows] for k, v in drawn.outputs.items()}


def _loss(model: CompiledModel, module: Any, batch: Any, outputs: Mapping[str, Any]) -> Any:
    """Cross-entropy of one-hot outputs, squared error of numbers; summed over the outputs."""
    import torch

    y, _ = module(torch.from_numpy(model.stacked(batch)))
    total: Any = 0.0
    for column in model.output_columns:
        raw = model.split(y)[column.name]
        wanted = torch.from_numpy(outputs[column.name].astype(np.float32))
        if column.values is None:
            total = total + torch.nn.functional.mse_loss(raw, wanted)
        else:
            target = (wanted - column.values[0]).long().reshape(-1)
            logits = raw.reshape(-1, len(column.values))
            total = total + torch.nn.functional.cross_entropy(logits, target)
    return total


def _weights_of(model: CompiledModel, module: Any) -> CompiledModel:
    """The model with the weights that the module has now."""
    state = {k: v.detach().numpy().copy() for k, v in module.state_dict().items()}
    return replace(model, weights={name: state[name] for name in model.weights})


# Interventions


@dataclass(frozen=True)
class Intervention:
    """A named value overwritten at one step by `values`, and what the program then gives;
    `changed` is where that is not what it gives otherwise, `[B, T]` or `[B, T, d]` by output."""

    symbol: Symbol
    x: Any
    values: Any
    active: Any
    meant: Mapping[str, Any]
    changed: Mapping[str, Any]

    def agreement(self, model: CompiledModel) -> float:
        """In how many per cent of those places the model's outputs are the program's."""
        patcher = Patcher(
            [self.symbol], {self.symbol.name: self.values}, self.active, self.x.shape[:2]
        )
        with np.errstate(all="ignore"):
            got = model.rounded(model.split(patcher.run(model, self.x)))
        same = [
            np.isclose(got[k], self.meant[k], atol=1e-2)[where] for k, where in self.changed.items()
        ]
        return 100 * float(np.concatenate(same).mean())


def interventions(
    model: CompiledModel, sample: Sample, random: np.random.Generator
) -> Iterator[Intervention]:
    """One for each named value that can be overwritten at a step in the middle, where that changes
    an output of the program."""
    x = model.stacked(sample.batch)
    middle = x.shape[1] // 2
    for name, symbol in symbols_of(model).items():
        values = _random_values(symbol, x.shape[:2], random)
        try:
            patched = model.intervene(name, values[0], steps=middle)
        except OptionError:
            continue
        found = _intervention(patched, sample, x, values)
        if found is not None:
            yield found


def _intervention(patched: Intervened, sample: Sample, x: Any, values: Any) -> Intervention | None:
    (symbol,) = patched.symbols
    active = np.zeros(x.shape[1], dtype=bool)
    active[patched.steps] = True
    meaning = meaning_of(patched.model, patched.symbols)
    result = meaning.run(sample.batch, {symbol.name: values}, active)
    changed = {k: y != sample.outputs[k] for k, y in result.outputs.items()}
    if not any(c.any() for c in changed.values()):
        return None
    return Intervention(symbol, x, values, active, result.outputs, changed)


def _random_values(symbol: Symbol, shape: tuple[int, ...], random: np.random.Generator) -> Any:
    """Values in the range of a name, `[B, T]` or `[B, T, d]`."""
    low, high = symbol.ends
    drawn = random.uniform(low, high, (*shape, *(symbol.type.shape or ())))
    return drawn if symbol.type.kind is Kind.REAL else np.rint(drawn)


STUDY = Finetune()
