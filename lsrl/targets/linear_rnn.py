"""`linear-rnn`: the linear RNN of Petrov et al. (NeurIPS 2024, arXiv:2406.01424, eq. 1), stacked.

Capabilities: constant, dense transition; ReLU output map; sees the current element only; no norm.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from ..analysis.facts import Fact
from ..dtypes import NAMES
from ..dtypes import dtype as dtype_named
from ..errors import OptionError
from ..ir.nodes import Graph
from ..lower.assemble import assemble
from ..lower.assemble import shapes as layer_shapes
from ..lower.atoms import AtomGraph
from ..lower.conditional import CONSTANTS, VARIANTS, Conditionals
from ..lower.layers import Layer
from ..lower.layout import lay_out
from ..lower.legalise import Legaliser, Options
from ..lower.logic import ReluLogic
from ..lower.robust import Robust
from ..lower.rounding import certify
from ..lower.schedule import schedule
from .base import (
    Compiled,
    CompileOptions,
    Probe,
    allowed_error,
    check_dtype,
    check_parameters,
    check_unpadded,
    check_variants,
    refined,
)
from .cell import Bias, Cell, Linear, Relu, Sum, Var, evaluate

S, X = Var("s"), Var("x")
CELL = Cell(
    next=Sum((Linear("A", S), Linear("B", X), Bias("b"))),
    out=Relu(Sum((Linear("C", S), Linear("D", X), Bias("d")))),
)


PROFILES = ("exact", "robust")
OWN_CHOICES = (None, "range")  # no variant of the paper's
MakeLogic = Callable[[AtomGraph, Fraction, int], ReluLogic]


class LinearRNN:
    """s_t = A s_{t-1} + B x_t + b, y_t = relu(C s_t + D x_t + d), layer on layer; the last is
    linear.
    """

    name = "linear-rnn"
    published = "the linear RNN of Petrov et al. 2024: a constant linear recurrence and a ReLU MLP"
    class_name = "LinearRNN"
    transition = "constant"
    cell = CELL
    multiplies = False  # whether the output map has products

    def settled(
        self, graph: Graph, facts: Sequence[Fact], options: CompileOptions
    ) -> CompileOptions:
        """The options as they are."""
        return options

    def compile(self, graph: Graph, facts: Sequence[Fact], options: CompileOptions) -> Compiled:
        """Legalise, schedule, assemble; of several ways that reach the tolerance the smallest.

        Approximations are refined while the certificate does not reach the tolerance. Raises
        `UnsupportedError`, `OptionError`.
        """
        self._check(options)
        build = lambda fineness: self._builds(graph, facts, options, fineness)
        return refined(build, graph, facts, options, lambda c: c.machine.parameters)

    def _builds(
        self, graph: Graph, facts: Sequence[Fact], options: CompileOptions, fineness: int
    ) -> list[Compiled]:
        """What each way to lower the program gives, where it is another one."""
        lowerings = self._lowerings(options, fineness)
        made = [Legaliser(graph, facts, lowering).run() for lowering in lowerings]
        if len(made) > 1:  # a signature is as long as the graph
            first: dict[tuple[Any, ...], AtomGraph] = {}
            for atoms in made:
                first.setdefault(atoms.signature, atoms)
            made = list(first.values())
        return [self._build(atoms, graph.length, options) for atoms in made]

    def _build(self, atoms: AtomGraph, length: int, options: CompileOptions) -> Compiled:
        digits = dtype_named(options.dtype).digits
        machine = lay_out(atoms, schedule(atoms), digits)
        check_parameters(self.name, machine.parameters, options)
        refuses = options.tolerance != math.inf and options.constants == "range"
        bounds = certify(atoms, machine, digits, length, refuses)
        parallel = certify(atoms, machine, digits, length, refuses=False, scan=True)
        shape = {"layers": [self.layer_sizes(layer) for layer in machine.layers]}
        weights = assemble(machine, options.dtype)
        return Compiled(atoms, machine, weights, bounds, shape, parallel=parallel)

    def layer_sizes(self, layer: Layer) -> list[int]:
        """Inputs, states and units of a layer, as config.json lists them."""
        return [len(layer.inputs), len(layer.lanes), len(layer.units)]

    def _lowerings(self, options: CompileOptions, fineness: int) -> list[Options]:
        """The ways to lower a program; an approximation may have that part of the tolerance."""
        digits = dtype_named(options.dtype).digits
        error, precision = allowed_error(options, fineness)
        return [
            Options(digits, options.guard, logic, error, precision)
            for logic in self._logics(options, digits)
        ]

    def _logics(self, options: CompileOptions, digits: int) -> list[MakeLogic]:
        if options.profile == "robust":
            return [Robust(self.multiplies)]
        if options.conditional is None and options.constants == "range":
            return self.own_logics(digits)
        variant = options.conditional or ("multiplicative_" * self.multiplies + "optimized")
        return [Conditionals(variant, options.constants, digits, self.multiplies)]

    def own_logics(self, digits: int) -> list[MakeLogic]:
        """The ways to make booleans and choices without a named variant."""
        return [ReluLogic]

    def _check(self, options: CompileOptions) -> None:
        check_dtype(self.name, options, NAMES)
        if options.encoding != "number":
            message = f"`{self.name}` has no encoding `{options.encoding}`"
            raise OptionError.at("E022", None, message, "it has `number`")
        if options.profile not in PROFILES:
            message = f"`{self.name}` has no profile `{options.profile}`"
            raise OptionError.at("E023", None, message, f"it has {' and '.join(PROFILES)}")
        if options.profile == "robust" and (options.conditional, options.constants) != OWN_CHOICES:
            message = "the profile `robust` has conditionals and constants of its own"
            help = "leave --conditional and --constants out, or use --profile exact"
            raise OptionError.at("E028", None, message, help)
        variants = [v for v in VARIANTS if self.multiplies or not v.startswith("multiplicative")]
        check_variants(self.name, options, variants, CONSTANTS)
        check_unpadded(self.name, options)

    def shape_of(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Sizes of the layers."""
        return {"layers": config["layers"]}

    def shapes(self, shape: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
        """Names and shapes of all weights that are not empty."""
        shapes: dict[str, tuple[int, ...]] = {}
        for i, sizes in enumerate(shape["layers"]):
            shapes |= {f"layers.{i}.{k}": s for k, s in layer_shapes(*sizes).items() if all(s)}
        return shapes

    def sizes(self, shape: Mapping[str, Any]) -> tuple[int, int]:
        """Layers with a ReLU, and lanes of state."""
        return len(shape["layers"]) - 1, sum(size[1] for size in shape["layers"])

    # The equations in NumPy

    def initial(self, weights: Mapping[str, Any], batch: int) -> list[Any]:
        """s0 of each layer, for a batch."""
        states = []
        for w in _by_layer(weights):
            start = w.get("s0", np.zeros(0))
            states.append(np.repeat(start[None], batch, axis=0))
        return states

    def run(
        self,
        weights: Mapping[str, Any],
        x: Any,
        state: list[Any] | None = None,
        probe: Probe | None = None,
    ) -> tuple[Any, list[Any]]:
        """x `[B, T, n]` to y `[B, T, m]`, layer by layer. Kinds for `probe`: x, s, y."""
        # BLAS kernels may raise floating-point flags for lanes that they pad; results are finite.
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            return self._run(weights, x, state, probe)

    def rows(
        self, shape: Mapping[str, Any], layer: int, kind: str, index: int
    ) -> list[tuple[str, int]]:
        """Of a state lane (s) or an output (y)."""
        names = {"s": ("A", "B", "b", "s0"), "y": ("C", "D", "d")}[kind]
        return [(f"layers.{layer}.{name}", index) for name in names]

    def _run(
        self, weights: Mapping[str, Any], x: Any, state: list[Any] | None, probe: Probe | None
    ) -> tuple[Any, list[Any]]:
        layers = _by_layer(weights)
        states = list(state or self.initial(weights, x.shape[0]))
        for i, w in enumerate(layers):
            cell = self.cell if i + 1 < len(layers) else self.cell.without_activation()
            if probe is None:
                s, states[i] = _recurrence(w, x, states[i])
            else:
                x, s, states[i] = _probed(w, x, states[i], i, probe)
            x = evaluate(cell.out, w, {"s": s, "x": x})
            if x.ndim < 3:  # a layer without inputs: the same output at every step
                x = np.broadcast_to(x, (*s.shape[:2], np.shape(x)[-1]))
            if probe is not None:
                x = np.array(x)
                for t in range(x.shape[1]):
                    probe(i, t, {"y": x[:, t]})
        return x, states


def _by_layer(weights: Mapping[str, Any]) -> list[dict[str, Any]]:
    layers: list[dict[str, Any]] = []
    for key, array in weights.items():
        _, i, name = key.split(".")
        while len(layers) <= int(i):
            layers.append({})
        layers[int(i)][name] = array
    return layers


def _recurrence(w: Mapping[str, Any], x: Any, start: Any) -> tuple[Any, Any]:
    """All states `[B, T, p]` and the last one."""
    batch, steps = x.shape[:2]
    if "A" not in w:
        return np.zeros((batch, steps, 0), dtype=x.dtype), start
    added = np.broadcast_to(
        evaluate(Sum(CELL.next.terms[1:]), w, {"x": x}), (batch, steps, len(w["A"]))
    )
    states = np.empty(added.shape, dtype=x.dtype)
    transposed = w["A"].T
    s = start
    for t in range(steps):
        s = s @ transposed + added[:, t]
        states[:, t] = s
    return states, s


def _probed(w: Mapping[str, Any], x: Any, start: Any, layer: int, probe: Probe) -> Any:
    """As `_recurrence`, step by step, with a probe; also the inputs, which it may have changed."""
    x, states, s = np.array(x), [], start
    for t in range(x.shape[1]):
        probe(layer, t, {"x": x[:, t]})
        after, s = _recurrence(w, x[:, t : t + 1], s)
        s = np.array(after[:, 0])
        probe(layer, t, {"s": s})
        states.append(s)
    return x, np.stack(states, axis=1), s
