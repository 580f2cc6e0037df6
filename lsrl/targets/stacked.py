"""What `lstm`, `gru` and `rnn` have in common: stacked layers of units, and a linear head."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..analysis.ranges import Fact
from ..dtypes import dtype as dtype_named
from ..errors import OptionError, UnsupportedError
from ..ir.nodes import Graph
from ..lower.atoms import AtomKind, Form
from ..lower.layers import Affine
from ..lower.legalise import Options
from ..lower.units.certify import certify
from ..lower.units.graph import UnitGraph
from ..lower.units.layout import LayerUnit, UnitLayer, UnitMachine, lay_out
from ..lower.units.legalise import UnitLegaliser
from ..lower.units.machine import Machine
from ..lower.units.rewrites import rewrites
from ..lower.units.schedule import live, placements
from .base import (
    FINENESS,
    Compiled,
    CompileOptions,
    Probe,
    Support,
    allowed_error,
    check_dtype,
    check_parameters,
    refined,
)
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


class Stacked(ABC):
    """One of torch's recurrent modules."""

    name: str
    published: str
    equations: Equations
    machine: Machine
    cell: Any = None
    class_name: str
    own_settings: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ("float64", "float32")

    @abstractmethod
    def scale(self, unit: LayerUnit, digits: int) -> float:
        """h = scale times the unit's value."""

    @abstractmethod
    def write(self, unit: LayerUnit, rows: Rows, scale: float) -> None:
        """Write a unit's weights."""

    @abstractmethod
    def approximation(self, unit: LayerUnit, digits: int) -> float:
        """What the operation of a unit is off by itself."""

    def carriers(self, form: Form) -> tuple[int, ...]:
        """Signs of the units that hold a form."""
        return (1,)

    # Compiling

    def lower(
        self,
        graph: Graph,
        facts: Sequence[Fact],
        options: CompileOptions,
        fineness: int = FINENESS[0],
    ) -> UnitGraph:
        """Units of this machine. Raises `UnsupportedError`."""
        digits = dtype_named(options.dtype).digits
        error, precision = allowed_error(options, fineness)
        lowering = Options(digits, options.guard, error=error, precision=precision)
        lg = UnitLegaliser(graph, facts, lowering, self.machine, options.encoding == "onehot")
        lg.run()
        return lg.graph_of_units

    def compile(self, graph: Graph, facts: Sequence[Fact], options: CompileOptions) -> Compiled:
        """Legalise, place, lay out, assemble. Raises `UnsupportedError`, `OptionError`."""
        self.check(options)
        build = lambda fineness: [self._build(graph, facts, options, fineness)]
        return refined(build, graph, facts, options, lambda c: self.parameters(c.machine))

    def _build(
        self, graph: Graph, facts: Sequence[Fact], options: CompileOptions, fineness: int
    ) -> Compiled:
        digits = dtype_named(options.dtype).digits
        atoms = self.lower(graph, facts, options, fineness)
        machines = [
            (lay_out(atoms, plan, digits, self.carriers), atoms.stage())
            for _ in rewrites(atoms, self.machine)
            for plan in placements(atoms)
        ]
        machine, stage = min(machines, key=lambda m: self.parameters(m[0]))
        atoms.restore(stage)
        check_parameters(self.name, self.parameters(machine), options)
        bounds = certify(atoms, machine, digits, graph.length, self.approximation)
        weights = self.assemble(machine, digits, options.dtype)
        return Compiled(atoms, machine, weights, bounds, self.shape(machine))

    def check(self, options: CompileOptions) -> None:
        """Raises `OptionError` for what this target does not have."""
        check_dtype(self.name, options, self.dtypes, "tanh is exact for few of its digits")
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

    def assemble(self, machine: UnitMachine, digits: int, dtype: str) -> dict[str, Any]:
        """Weights by torch's names, `rnn.*` and `head.*`."""
        size = machine.width
        below = np.ones(len(machine.layers[0].inputs))
        weights: dict[str, Any] = {}
        for number, layer in enumerate(machine.layers):
            arrays, below = self._layer(layer, below, size, digits)
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
        self, layer: UnitLayer, below: Any, size: int, digits: int
    ) -> tuple[dict[str, Any], Any]:
        gates = self.equations.gates
        own = np.ones(size)
        for j, unit in enumerate(layer.units):
            own[j] = self.scale(unit, digits)
        arrays = {
            "weight_ih": np.zeros((len(gates) * size, len(below))),
            "weight_hh": np.zeros((len(gates) * size, size)),
            "bias_ih": np.zeros(len(gates) * size),
            "bias_hh": np.zeros(len(gates) * size),
        }
        for j, unit in enumerate(layer.units):
            place = {k: i * size + j for i, k in enumerate(gates)}
            self.write(unit, Rows(arrays, place, below, own), own[j])
        return arrays, own

    # Support

    def support(self, graph: Graph, facts: Sequence[Fact], options: CompileOptions) -> Support:
        """Whether this target can hold the program."""
        try:
            atoms = self.lower(graph, facts, options)
        except UnsupportedError as e:
            return Support("unsupported", e.diagnostics[0].message, e.span, e)
        units = live(atoms)
        read = {a for u in units for _, f in atoms.atoms[u].args for a in f.terms}
        read |= {a for forms in atoms.outputs.values() for f in forms for a in f.terms}
        if any(atoms.atoms[a].step is None for a in read):
            return Support("approximate", "real values, within the certified bound")
        if any(atoms.atoms[u].kind is AtomKind.UNIT and _grows(atoms, u) for u in units):
            reason = f"counts and sums are exact for up to {graph.length} steps"
            return Support("up_to_length", reason)
        return Support("exact", "all values are integers that stay bounded")

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
        with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
            for i, own in enumerate(states):
                of_layer = {k: weights[f"rnn.{k}_l{i}"] for k in PARTS}
                x = run_layer(self.equations, of_layer, x, own, probe and partial(probe, i))
            y = x @ weights["head.weight"].T + weights["head.bias"]
            if probe is not None:
                for t in range(x.shape[1]):
                    probe(len(states) - 1, t, {"y": y[:, t]})
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


def _grows(atoms: Any, u: int) -> bool:
    """Whether a unit adds to what it held: a sum, bounded by the length alone."""
    atom = atoms.atoms[u]
    own = {a for a in range(len(atoms.atoms)) if atoms.atoms[a].of == u}
    args = dict(atom.args)
    if atom.op == "pass":
        form = args["a"]
        return any(form.terms.get(a, 0) for a in own) and len(form.terms) > 1
    if atom.op == "cell":
        return "f" in args and ("i" not in args or args["f"].is_const)
    return any(args[r].terms.keys() & own for r in ("n", "l") if r in args)


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
