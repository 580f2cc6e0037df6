"""What `lstm`, `gru` and `rnn` have in common: stacked layers of units, and a linear head."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ..analysis.facts import Fact
from ..dtypes import dtype as dtype_named
from ..errors import OptionError, UnsupportedError
from ..ir.nodes import Graph
from ..lower.atoms import Form
from ..lower.conditional import CONSTANTS
from ..lower.layers import Affine
from ..lower.legalise import Options
from ..lower.logic import ReluLogic
from ..lower.units.certify import Reach, certify
from ..lower.units.graph import UnitGraph
from ..lower.units.layout import LayerUnit, UnitLayer, UnitMachine, lay_out
from ..lower.units.legalise import UnitLegaliser
from ..lower.units.machine import Machine, saturated
from ..lower.units.rewrites import rewrites
from ..lower.units.scale import Regime, regimes
from ..lower.units.schedule import Placement, placements
from ..lower.units.soft import SOFT
from .base import (
    FINENESS,
    Compiled,
    CompileOptions,
    Probe,
    allowed_error,
    check_dtype,
    check_padding,
    check_parameters,
    check_variants,
    reaches,
    refined,
    tolerances,
)
from .functions import quietly, show_outputs
from .gates import Equations, run_layer

ENCODINGS = ("number", "onehot")
PARTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class Rows:
    """The rows of one unit: what it adds to each gate's blocks of weight_ih, weight_hh and both
    biases. `scales` are those of the layer below and of the layer itself."""

    def __init__(
        self, arrays: dict[str, Any], place: Mapping[str, int], below: Any, own: Any
    ) -> None:
        self.arrays, self.place, self.below, self.own = arrays, place, below, own
        self.unit = min(place.values())

    def add(self, gate: str, affine: Affine, scale: float, *, recurrent: bool = False) -> None:
        """scale times an affine form; its constant goes to bias_hh if `recurrent`."""
        row = self.place[gate]
        for (kind, j), c in affine.row.items():
            if kind == "x":
                self.arrays["weight_ih"][row, j] += scale * float(c) / self.below[j]
            else:
                self.arrays["weight_hh"][row, j] += scale * float(c) / self.own[j]
        bias = "bias_hh" if recurrent else "bias_ih"
        self.arrays[bias][row] += scale * float(affine.const)

    def constant(self, gate: str, value: float, *, recurrent: bool = False) -> None:
        """A constant argument."""
        self.arrays["bias_hh" if recurrent else "bias_ih"][self.place[gate]] += value

    def back(self, gate: str, weight: float) -> None:
        """A weight of what the unit itself was one step ago."""
        self.arrays["weight_hh"][self.place[gate], self.unit] += weight


class Stacked(ABC):
    """One of torch's recurrent modules."""

    name: str
    published: str
    equations: Equations
    machine: Machine
    transition = "non-linear"
    cell: Any = None
    class_name: str
    own_settings: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()  # of the paper's conditionals
    profiles: tuple[str, ...] = ("exact", "robust", "trainable")
    dtypes: tuple[str, ...] = ("float64", "float32")

    @abstractmethod
    def scale(self, unit: LayerUnit, regime: Regime) -> float:
        """h = scale times the unit's value."""

    @abstractmethod
    def write(self, unit: LayerUnit, rows: Rows, scale: float, regime: Regime) -> None:
        """Write a unit's weights."""

    @abstractmethod
    def approximation(self, unit: LayerUnit, regime: Regime, reach: Reach) -> float:
        """What the operation of a unit is off by itself: where tanh bends, where gates leak."""

    def soft_error(self, unit: LayerUnit, regime: Regime) -> float:
        """How far sigma(s) y is off in parts of its largest value, by rounding."""
        return SOFT * regime.unit_roundoff

    def carriers(self, form: Form) -> tuple[int, ...]:
        """Signs of the units that hold a form."""
        return (1,)

    # Compiling

    def settled(
        self, graph: Graph, facts: Sequence[Fact], options: CompileOptions
    ) -> CompileOptions:
        """The options as they are."""
        return options

    def lower(
        self,
        graph: Graph,
        facts: Sequence[Fact],
        options: CompileOptions,
        fineness: int = FINENESS[0],
        regime: Regime | None = None,
        machine: Machine | None = None,
    ) -> UnitGraph:
        """Units of this machine. Raises `UnsupportedError`."""
        digits = dtype_named(options.dtype).digits
        error, precision = allowed_error(options, fineness)
        logic = self.logic(options)
        lowering = Options(digits, options.guard, logic, error, precision)
        onehot = options.encoding == "onehot"
        regime = regime or next(self.regimes(options))
        lg = UnitLegaliser(graph, facts, lowering, machine or self.machine, onehot, regime)
        lg.run()
        return lg.graph_of_units

    def compile(self, graph: Graph, facts: Sequence[Fact], options: CompileOptions) -> Compiled:
        """Legalise, place, lay out, assemble. Raises `UnsupportedError`, `OptionError`."""
        self.check(options)
        allowed = tolerances(graph, facts, options.tolerance, options.encoding)
        for regime in self.regimes(options):
            build = partial(self._builds, graph, facts, options, regime)
            found = refined(build, graph, facts, options, lambda c: self.parameters(c.machine))
            if reaches(found, allowed):
                break
        return found

    def logic(self, options: CompileOptions) -> Any:
        """How a machine of ReLUs makes booleans and choices."""
        return ReluLogic

    def regimes(self, options: CompileOptions) -> Iterator[Regime]:
        """How large values are held and how steep gates are, the most robust first."""
        return regimes(options.profile, dtype_named(options.dtype).digits)

    def _builds(
        self,
        graph: Graph,
        facts: Sequence[Fact],
        options: CompileOptions,
        regime: Regime,
        fineness: int,
    ) -> list[Compiled]:
        machines = [self.machine]
        if options.profile != "exact":
            machines.append(saturated(self.machine))
        found, problem = [], None
        for machine in machines:
            try:
                found.append(self._built(graph, facts, options, regime, fineness, machine))
            except UnsupportedError as e:
                problem = problem or e
        if problem is not None and not found:
            raise problem
        return found

    def _built(
        self, graph: Graph, facts: Sequence[Fact], options: CompileOptions, regime: Regime,
        fineness: int, machine: Machine,
    ) -> Compiled:  # fmt: skip
        atoms = self.lower(graph, facts, options, fineness, regime, machine)
        layouts = [
            (self._laid_out(atoms, plan, options), atoms.stage())
            for _ in rewrites(atoms, self.machine)
            for plan in placements(atoms)
        ]
        layout, stage = min(layouts, key=lambda m: self.parameters(m[0]))
        atoms.restore(stage)
        check_padding(self.name, options, layout.width, len(layout.layers))
        layout.padded = options.hidden_size or 0
        check_parameters(self.name, self.parameters(layout), options)
        bounds = certify(atoms, layout, regime, graph.length, self.approximation, self.soft_error)
        weights = self.assemble(layout, regime, options.dtype)
        return Compiled(atoms, layout, weights, bounds, self.shape(layout))

    def _laid_out(self, atoms: UnitGraph, plan: Placement, options: CompileOptions) -> UnitMachine:
        """Layers by a plan, with as many above as were asked for."""
        digits = dtype_named(options.dtype).digits
        deep = replace(plan, depth=max(plan.depth, options.layers or 1))
        return lay_out(atoms, deep, digits, self.carriers)

    def check(self, options: CompileOptions) -> None:
        """Raises `OptionError` for what this target does not have."""
        check_dtype(self.name, options, self.dtypes, "tanh is exact for few of its digits")
        check_variants(self.name, options, self.variants, CONSTANTS)
        if options.profile not in self.profiles:
            message = f"`{self.name}` has no profile `{options.profile}`"
            help = f"it has {' and '.join(f'`{p}`' for p in self.profiles)}"
            raise OptionError.at("E023", None, message, help)
        if options.encoding not in ENCODINGS:
            message = f"`{self.name}` has no encoding `{options.encoding}`"
            raise OptionError.at("E022", None, message, f"it has {' and '.join(ENCODINGS)}")

    def shape(self, machine: UnitMachine) -> dict[str, Any]:
        """input_size, hidden_size, num_layers, output_size."""
        return {
            "input_size": len(machine.layers[0].inputs),
            "hidden_size": machine.width,
            "num_layers": len(machine.layers),
            "output_size": len(machine.head),
        }

    def parameters(self, machine: UnitMachine) -> int:
        """All stored numbers, head included."""
        sizes = expected_shapes(self.equations, self.shape(machine)).values()
        return sum(int(np.prod(s)) for s in sizes)

    # Assembling

    def assemble(self, machine: UnitMachine, regime: Regime, dtype: str) -> dict[str, Any]:
        """Weights by torch's names, `rnn.*` and `head.*`."""
        size = machine.width
        below = np.ones(len(machine.layers[0].inputs))
        weights: dict[str, Any] = {}
        for number, layer in enumerate(machine.layers):
            arrays, below = self._layer(layer, below, size, regime)
            machine.scales.append([float(v) for v in below])
            weights |= {f"rnn.{k}_l{number}": a for k, a in arrays.items()}
        head = np.zeros((len(machine.head), size))
        bias = np.zeros(len(machine.head))
        for i, affine in enumerate(machine.head):
            for (_, j), c in affine.row.items():
                head[i, j] = float(c) / below[j]
            bias[i] = float(affine.const)
        weights |= {"head.weight": head, "head.bias": bias}
        return {k: dtype_named(dtype).round(a) for k, a in weights.items()}

    def _layer(
        self, layer: UnitLayer, below: Any, size: int, regime: Regime
    ) -> tuple[dict[str, Any], Any]:
        gates = self.equations.gates
        own = np.ones(size)
        for j, unit in enumerate(layer.units):
            own[j] = self.scale(unit, regime)
        arrays = {
            "weight_ih": np.zeros((len(gates) * size, len(below))),
            "weight_hh": np.zeros((len(gates) * size, size)),
            "bias_ih": np.zeros(len(gates) * size),
            "bias_hh": np.zeros(len(gates) * size),
        }
        for j, unit in enumerate(layer.units):
            place = {k: i * size + j for i, k in enumerate(gates)}
            self.write(unit, Rows(arrays, place, below, own), own[j], regime)
        return arrays, own

    def sizes(self, shape: Mapping[str, Any]) -> tuple[int, int]:
        """Layers, and numbers of all states."""
        layers: int = shape["num_layers"]
        return layers, layers * shape["hidden_size"] * len(self.equations.states)

    # The equations in NumPy

    def initial(self, weights: Mapping[str, Any], batch: int) -> list[Any]:
        """Zeros: a dictionary of states `[B, H]` a layer."""
        zero = weights["rnn.weight_hh_l0"]
        return [
            {s: np.zeros((batch, zero.shape[1]), zero.dtype) for s in self.equations.states}
            for _ in range(_layers(weights))
        ]

    def run(
        self,
        weights: Mapping[str, Any],
        x: Any,
        state: list[Any] | None = None,
        probe: Probe | None = None,
    ) -> tuple[Any, list[Any]]:
        """x `[B, T, n]` to y `[B, T, m]`, layer by layer. Kinds for `probe`: x, p, h, y."""
        states = [dict(s) for s in state or self.initial(weights, x.shape[0])]
        with quietly():
            for i, own in enumerate(states):
                of_layer = {k: weights[f"rnn.{k}_l{i}"] for k in PARTS}
                x = run_layer(self.equations, of_layer, x, own, probe and partial(probe, i))
            y = x @ weights["head.weight"].T + weights["head.bias"]
            show_outputs(probe, len(states) - 1, y)
            return y, states

    def rows(
        self, shape: Mapping[str, Any], layer: int, kind: str, index: int
    ) -> list[tuple[str, int]]:
        """Of a hidden unit (h) its row of each gate, of an output (y) that of the head."""
        if kind == "y":
            return [("head.weight", index), ("head.bias", index)]
        size = shape["hidden_size"]
        rows = [i * size + index for i in range(len(self.equations.gates))]
        return [(f"rnn.{k}_l{layer}", row) for k in PARTS for row in rows]

    def shape_of(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The sizes that a config.json has."""
        names = ["input_size", "hidden_size", "num_layers", "output_size"]
        return {k: config[k] for k in [*names, *self.own_settings]}

    def shapes(self, shape: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
        """Names and shapes of all weights."""
        return expected_shapes(self.equations, shape)


def _layers(weights: Mapping[str, Any]) -> int:
    return sum(k.startswith("rnn.weight_ih_l") for k in weights)


def expected_shapes(equations: Equations, shape: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all weights."""
    gates, h = len(equations.gates), shape["hidden_size"]
    result: dict[str, tuple[int, ...]] = {}
    for i in range(shape["num_layers"]):
        n = shape["input_size"] if i == 0 else h
        result[f"rnn.weight_ih_l{i}"] = gates * h, n
        result[f"rnn.weight_hh_l{i}"] = gates * h, h
        result[f"rnn.bias_ih_l{i}"] = (gates * h,)
        result[f"rnn.bias_hh_l{i}"] = (gates * h,)
    result["head.weight"] = shape["output_size"], h
    result["head.bias"] = (shape["output_size"],)
    return result
