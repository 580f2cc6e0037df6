"""What `mamba` and `hawk` have in common: blocks that write to a residual stream (stream.py), and
that are prompted by tokens or numbers (interface.py).
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from ..analysis.facts import Fact
from ..dtypes import dtype as dtype_named
from ..encoding import output_columns
from ..errors import OptionError, UnsupportedError
from ..hf import ARCHITECTURES
from ..ir.nodes import Graph
from ..lower.atoms import Form
from ..lower.bounds import Bound
from ..lower.legalise import Options
from ..lower.residual.certify import Errors, certify, lane_errors
from ..lower.residual.graph import ResidualGraph, ResidualMachine
from ..lower.residual.layout import Block, ResidualLayout, Unit, lay_out
from ..lower.residual.legalise import ResidualLegaliser
from ..lower.residual.reuse import reused
from ..lower.residual.schedule import plans
from ..tokens import TOKENS
from .base import (
    Compiled,
    CompileOptions,
    Probe,
    allowed_error,
    check_dtype,
    check_padding,
    check_parameters,
    check_variants,
)
from .interface import Interface, embedded_values, gathered, logits, no_tokens
from .stream import CONSTANT, DATA, Stream

STEEP = 2.0**40  # S: activations are taken at S x, where they are ReLUs
NEVER = -(2.0**24)  # the logit of a token that is no output
BEND = 0.28 / STEEP  # by how much silu(S x) / S and gelu(S x) / S differ from relu(x), at most


class Residual(ABC):
    """A stack of residual blocks over embedded tokens or mapped numbers."""

    name: str
    published: str
    class_name: str
    transition = "positive diagonal"
    cell: Any = None
    machine: ResidualMachine
    errors: Errors
    only_powers = False  # whether the width must be a power of 4

    # Compiling

    def settled(
        self, graph: Graph, facts: Sequence[Fact], options: CompileOptions
    ) -> CompileOptions:
        """`tokens` in place of `number` where no input or output is real and they are few. Raises
        `OptionError` E022 where `tokens` is asked for and cannot be."""
        if options.encoding not in ("number", TOKENS):
            return options
        problem = no_tokens(graph, facts)
        if problem is None:
            return replace(options, encoding=TOKENS)
        if options.encoding == TOKENS:
            message = f"the program has no tokens: {problem}"
            raise OptionError.at(
                "E022", None, message, "leave --encoding out: numbers go in and out"
            )
        return options

    def compile(self, graph: Graph, facts: Sequence[Fact], options: CompileOptions) -> Compiled:
        """Legalise, plan, lay out, assemble. Raises `UnsupportedError`, `OptionError`."""
        self.check(options)
        digits = dtype_named(options.dtype).digits
        error, precision = allowed_error(options, 8)
        lowering = Options(digits, options.guard, error=error, precision=precision)
        atoms = ResidualLegaliser(graph, facts, lowering, self.machine).run()
        assert isinstance(atoms, ResidualGraph)
        tokens = options.encoding == TOKENS
        columns = output_columns(graph, facts, options.encoding)
        interface = Interface(graph, columns, tokens)
        head, outputs = self._head(atoms, interface, digits)
        reuse = partial(self._reused, length=graph.length, tokens=tokens, digits=digits)
        build = partial(
            lay_out, atoms, digits=digits, head=head, outputs=outputs,
            scale=self.readable, states=self.states, reuse=reuse,
        )  # fmt: skip
        wanted = options.hidden_size or 0
        layouts = [m for plan in plans(atoms, tokens) for m in build(plan)]
        layout = min(layouts, key=lambda m: self.parameters(self.shape(m, interface, wanted)))
        check_padding(self.name, options, self._least(layout), len(layout.layers))
        self._check_width(layout, options)
        self._fill_up(layout, options)
        layout.twins = {(k, i): own for k, b in enumerate(layout.blocks)
                        for i, own in self.twins(b).items()}  # fmt: skip
        shape = self.shape(layout, interface, wanted)
        check_parameters(self.name, self.parameters(shape), options)
        self._check_norms(layout, graph)
        bounds = self._bounds(layout, interface, digits)
        parallel = self._bounds(layout, interface, digits, scan=True)
        weights = self.assemble(layout, shape, interface)
        joint = interface.joint() if tokens else {}
        return Compiled(atoms, layout, weights, bounds, shape, joint, parallel)

    def _reused(
        self, layout: ResidualLayout, length: int, tokens: bool, digits: int
    ) -> ResidualLayout:
        """The layout in as few channels of the stream as it needs."""
        errors = lane_errors(layout, self.errors, digits, length, tokens)
        return reused(layout, [not e for e in errors], digits)

    def check(self, options: CompileOptions) -> None:
        """Raises `OptionError` for what this target does not have."""
        check_dtype(self.name, options, ("float32",), "its norms compute in float32")
        check_variants(self.name, options, (), ())
        if options.profile != "exact":
            message = f"`{self.name}` has no profile `{options.profile}`"
            raise OptionError.at("E023", None, message, "it has `exact`")
        if options.encoding not in ("number", TOKENS):
            message = f"`{self.name}` has no encoding `{options.encoding}`"
            help = "it has `number` (tokens where no value is real) and `tokens`"
            raise OptionError.at("E022", None, message, help)

    def _head(
        self, atoms: ResidualGraph, interface: Interface, bits: int
    ) -> tuple[list[Form], list[str]]:
        """The forms of the model's outputs, and whose they are."""
        columns = interface.columns
        if interface.tokens:
            for c in columns:
                assert c.values is not None
                own = [gathered(atoms, f, c.values, bits) for f in atoms.outputs[c.name]]
                atoms.outputs[c.name] = own
        forms = [f for c in columns for f in atoms.outputs[c.name]]
        names = [c.name for c in columns for _ in range(c.width)]
        if interface.tokens:
            digits = zip(interface.digits, forms, strict=True)
            forms = [logit for v, f in digits for logit in logits(atoms, f, v)]
        return forms, names

    def _check_width(self, layout: ResidualLayout, options: CompileOptions) -> None:
        """Raises `OptionError` E029 for a wanted width for which no norm is exact."""
        wanted = options.hidden_size
        if wanted is not None and (next_one := self.stream(layout, wanted).size) != wanted:
            message = f"`{self.name}` has no hidden size of {wanted}: its norms would round"
            raise OptionError.at("E029", None, message, f"ask for {next_one}, the next that it has")

    def _fill_up(self, layout: ResidualLayout, options: CompileOptions) -> None:
        """Layers that write nothing, at the end, as many as wanted."""
        while len(layout.layers) < (options.layers or 0):
            layout.blocks += [Block(kind.name) for kind in self.machine.blocks]

    def _least(self, layout: ResidualLayout) -> int:
        """The narrowest width that its blocks allow."""
        return self.stream(layout, 0).size

    @abstractmethod
    def stream(self, layout: ResidualLayout, wanted: int) -> Stream:
        """The stream of a layout, at least so wide."""

    @abstractmethod
    def scale(self, unit: Unit) -> float:
        """What a channel of the block gives is the unit's value times this."""

    @abstractmethod
    def states(self, layout: ResidualLayout, block: int, index: int) -> Mapping[int, float]:
        """The numbers of the state of which a unit's value is the sum, each times a factor."""

    def readable(self, unit: Unit) -> float | None:
        """`scale`, if one channel has the unit's value."""
        return self.scale(unit) if self.is_single(unit) else None

    def is_single(self, unit: Unit) -> bool:
        """Whether one channel has a unit's value."""
        return True

    def twins(self, block: Block) -> Mapping[int, list[int]]:
        """The channels of a block beside that of each unit, by unit."""
        return {}

    @abstractmethod
    def shape(self, layout: ResidualLayout, interface: Interface, wanted: int) -> dict[str, Any]:
        """The sizes of the model."""

    @abstractmethod
    def assemble(
        self, layout: ResidualLayout, shape: Mapping[str, Any], interface: Interface
    ) -> dict[str, Any]:
        """The weights by the stock names."""

    @abstractmethod
    def shapes(self, shape: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
        """Names and shapes of all weights."""

    def parameters(self, shape: Mapping[str, Any]) -> int:
        """All stored numbers."""
        return sum(math.prod(s) for s in self.shapes(shape).values())

    def _check_norms(self, layout: ResidualLayout, graph: Graph) -> None:
        """Refuse values beside which the constants of the norms do not outweigh everything."""
        sizes = [max(abs(f.lo), abs(f.hi)) for f in map(layout.form, range(len(layout.lanes)))]
        most = math.sqrt(sum(s * s for s in sizes))
        if most > DATA:
            message = f"the values of the residual stream can come to {most:.3g}, more than the "
            message += f"{DATA:.3g} beside which its norms are exact"
            help = "use a shorter --length or narrower bounds"
            atoms = layout.lanes[sizes.index(max(sizes))].terms
            spans = [layout.graph.atoms[a].span for a in atoms] + [o.span for o in graph.outputs]
            span = next((s for s in spans if s is not None), None)
            raise UnsupportedError.at("E805", span, message, help)

    def _bounds(
        self, layout: ResidualLayout, interface: Interface, digits: int, scan: bool = False
    ) -> list[Bound]:
        """Bounds of the outputs, step by step or in a `scan`; a joint logit is off by what each of
        its parts is."""
        length, tokens = interface.graph.length, interface.tokens
        bounds = certify(layout, self.errors, digits, length, tokens, scan)
        if not tokens or len(interface.digits) == 1:
            return bounds
        parts = _grouped(bounds, interface.digits)
        joint = max(parts[0], key=lambda b: b.error)
        for part in parts[1:]:
            worst = max(part, key=lambda b: b.error)
            joint = joint.plus(worst.error, worst.span, worst.label)
        return [joint] * len(bounds)

    # Weights

    def embedding(
        self, layout: ResidualLayout, stream: Stream, interface: Interface
    ) -> dict[str, Any]:
        """ "embeddings", the table `[V, H]` of tokens; or the map of the inputs, by its names."""
        constants = np.zeros(stream.size)
        for i, b in enumerate(stream.constants):
            constants[stream.lanes + i] = b * CONSTANT
        atoms = layout.graph
        if not interface.tokens:
            matrix = np.zeros((stream.size, atoms.input_size))
            index = {a: i for i, a in enumerate(atoms.inputs)}
            for i, lane in enumerate(layout.lanes):
                for a, c in lane.start.items():
                    matrix[stream.slots[i], index[a]] = float(c)
            return {"adapter.input.weight": matrix, "adapter.input.bias": constants}
        vocabulary = interface.vocabulary
        values = embedded_values(atoms, layout.plan.embedded, vocabulary)
        table = np.tile(constants, (interface.sizes()["vocab_size"], 1))
        for i, lane in enumerate(layout.lanes):
            for a, c in lane.start.items():
                table[: vocabulary.size, stream.slots[i]] += float(c) * values[a]
        return {"embeddings": table}

    def head(self, layout: ResidualLayout, stream: Stream, interface: Interface) -> dict[str, Any]:
        """The map of the normed stream to logits `[V, H]`, or to the outputs, with a bias."""
        rows = [stream.row(a) for a in layout.head]
        if not interface.tokens:
            matrix = np.array(rows).reshape(len(rows), stream.size)
            bias = np.array([float(a.const) for a in layout.head])
            matrix[:, stream.one] = 0.0
            return {"adapter.output.weight": matrix, "adapter.output.bias": bias}
        joint = np.zeros((1, stream.size))
        for part in _grouped(rows, interface.digits):
            joint = (joint[:, None] + np.array(part)[None]).reshape(-1, stream.size)
        unused = np.zeros((interface.sizes()["vocab_size"] - len(joint), stream.size))
        unused[:, stream.one] = NEVER
        return {"lm_head.weight": np.concatenate([joint, unused])}

    def stored(self, weights: Mapping[str, Any], shape: Mapping[str, Any]) -> dict[str, Any]:
        """The weights as they are stored, float32, in the order of `shapes`."""
        wanted = self.shapes(shape)
        assert {k: w.shape for k, w in weights.items()} == wanted
        return {k: weights[k].astype(np.float32) for k in wanted}

    # The protocol of targets

    def shape_of(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The sizes that a config.json has: the stock class's, and those of its entry "lsrl"."""
        own = {k: config["lsrl"][k] for k in ("interface", "input_size", "output_size")}
        return own | {k: config[k] for k in ARCHITECTURES[self.name].sizes}

    def rows(
        self, shape: Mapping[str, Any], layer: int, kind: str, index: int
    ) -> list[tuple[str, int]]:
        """The rows of weights that compute a unit, or an output."""
        if kind == "y":
            name = "lm_head.weight" if shape["interface"] == TOKENS else "adapter.output.weight"
            return [(name, index)]
        return self.unit_rows(shape, layer, kind, index)

    @abstractmethod
    def unit_rows(
        self, shape: Mapping[str, Any], layer: int, kind: str, index: int
    ) -> list[tuple[str, int]]:
        """The rows of weights that compute a unit of a layer."""

    @abstractmethod
    def run(
        self,
        weights: Mapping[str, Any],
        x: Any,
        state: list[Any] | None = None,
        probe: Probe | None = None,
    ) -> tuple[Any, list[Any]]: ...


def adapter_shapes(shape: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """The head, or the maps of inputs and outputs."""
    h = shape["hidden_size"]
    if shape["interface"] == TOKENS:
        return {"lm_head.weight": (shape["vocab_size"], h)}
    return {
        "adapter.input.weight": (h, shape["input_size"]),
        "adapter.input.bias": (h,),
        "adapter.output.weight": (shape["output_size"], h),
        "adapter.output.bias": (shape["output_size"],),
    }


Item = TypeVar("Item")


def _grouped(items: Sequence[Item], digits: Sequence[Sequence[int]]) -> list[list[Item]]:
    """Items, one for each value of each digit, digit by digit."""
    rest = iter(items)
    return [list(itertools.islice(rest, len(values))) for values in digits]
