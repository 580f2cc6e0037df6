"""What `mamba` and `hawk` have in common: blocks that write to a residual stream, and its norms.

A norm is removed exactly by constant channels of the stream that outweigh all others: with channels
b_i M, M = 2^40, the mean of the squares rounds to M^2 sum(b_i^2) / H, which is a power of 4 where
the b_i are chosen so; the norm's weights then hand on the data as it is, and a constant 1 with it
(`numerics.md`).
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from ..analysis.ranges import Fact
from ..dtypes import dtype as dtype_named
from ..encoding import Columns, output_columns
from ..errors import OptionError, UnsupportedError
from ..ir.nodes import Graph
from ..ir.types import Kind
from ..lower.atoms import AtomKind, Form, exact_in, tighten
from ..lower.layers import Affine
from ..lower.legalise import Options
from ..lower.residual.certify import Errors, certify, lane_errors
from ..lower.residual.graph import ResidualGraph, ResidualMachine
from ..lower.residual.layout import Block, ResidualLayout, Unit, lay_out
from ..lower.residual.legalise import ResidualLegaliser
from ..lower.residual.reuse import reused
from ..lower.residual.schedule import plans
from ..lower.rounding import Bound
from ..tokens import (
    MOST_LOGITS,
    MOST_TOKENS,
    TOKENS,
    Vocabulary,
    input_vocabulary,
    output_vocabulary,
)
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

CONSTANT = 2.0**40  # M, the constant channels of the stream, times b_i
DATA = CONSTANT * 2.0**-13  # what the data may come to: its squares vanish beside those of M
STEEP = 2.0**40  # S: activations are taken at S x, where they are ReLUs
NEVER = -(2.0**24)  # the logit of a token that is no output
BEND = 0.28 / STEEP  # by how much silu(S x) / S and gelu(S x) / S differ from relu(x), at most


@dataclass(frozen=True)
class Interface:
    """How a model is prompted and read: token ids and joint logits, or numbers."""

    graph: Graph
    columns: Sequence[Columns]
    tokens: bool

    @property
    def vocabulary(self) -> Vocabulary:
        """That of the inputs, where they are tokens."""
        found = input_vocabulary(self.graph)
        assert found is not None
        return found

    @property
    def digits(self) -> list[tuple[int, ...]]:
        """The values of each output element, where they have logits."""
        return [c.values for c in self.columns for _ in range(c.size) if c.values is not None]

    def joint(self) -> dict[str, list[list[int]]]:
        """By output, for each element the value that each logit stands for."""
        vocabulary = output_vocabulary(self.columns)
        values = vocabulary.values(np.arange(vocabulary.size))
        found: dict[str, list[list[int]]] = {}
        for i, digit in enumerate(vocabulary.digits):
            found.setdefault(digit.field, []).append([int(v) for v in values[:, i]])
        return found

    def sizes(self) -> dict[str, Any]:
        """The entries of a shape that say so."""
        if self.tokens:
            outputs = math.prod(len(d) for d in self.digits)
            size = max(self.vocabulary.size, outputs)
            return {"interface": TOKENS, "vocab_size": size, "input_size": 1, "output_size": size}
        return {
            "interface": "embeds",
            "vocab_size": 1,
            "input_size": sum(f.type.size for f in self.graph.inputs),
            "output_size": sum(c.width for c in self.columns),
        }


@dataclass(frozen=True)
class Stream:
    """The residual stream: H channels, of which the first are for lanes (lane i in `slots[i]`), the
    next ones the `constants` (their b_i).

    `root`: the norm divides by M and multiplies by this power of two.
    """

    size: int
    slots: tuple[int, ...]
    constants: tuple[int, ...]
    root: float

    @property
    def lanes(self) -> int:
        """How many channels the lanes take."""
        return max(self.slots, default=-1) + 1

    @property
    def one(self) -> int:
        """The channel in which a norm hands on a 1."""
        return self.lanes

    @property
    def norm(self) -> Any:
        """The weights of a norm: data as it is, and 1 (or what is in no use) in the constants."""
        weight = np.zeros(self.size)
        weight[: self.lanes] = CONSTANT / self.root
        for i, b in enumerate(self.constants):
            weight[self.lanes + i] = 1 / (self.root * b)
        return weight

    def row(self, affine: Affine, scale: float = 1.0) -> Any:
        """An affine form of lanes as a row of a matrix that reads the normed stream."""
        row = np.zeros(self.size)
        for (_, lane), c in affine.row.items():
            row[self.slots[lane]] += scale * float(c)
        row[self.one] = scale * float(affine.const)
        return row


def constants_for(size: int) -> tuple[tuple[int, ...], float] | None:
    """The fewest b_i, the first a power of two, with sum(b_i^2) / H a power of 4, and its root."""
    part, root = size, 1.0
    while part % 4 == 0:
        part, root = part // 4, root * 2
    for count in range(1, 5):
        tried = itertools.combinations_with_replacement(range(1, math.isqrt(part) + 1), count)
        found = [b for b in tried if sum(c * c for c in b) == part]
        for b in found:
            first = next((c for c in b if c & (c - 1) == 0), None)
            if first is not None:
                rest = list(b)
                rest.remove(first)
                return (first, *rest), root
    return None


def stream_for(slots: tuple[int, ...], least: int, only_powers: bool) -> Stream:
    """The narrowest stream of `least` channels or more that has room for the lanes."""
    lanes = max(slots, default=-1) + 1
    for size in itertools.count(max(least, lanes + 1, 2)):
        if only_powers and (size & (size - 1) or size.bit_length() % 2 == 0):
            continue
        found = constants_for(size)
        if found is not None and lanes + len(found[0]) <= size:
            return Stream(size, slots, *found)
    raise AssertionError


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
        """`tokens` in place of `number` where no input or output is real and they are few."""
        if options.encoding != "number" or not self._has_tokens(graph, facts):
            return options
        return replace(options, encoding=TOKENS)

    def _has_tokens(self, graph: Graph, facts: Sequence[Fact]) -> bool:
        vocabulary = input_vocabulary(graph)
        if vocabulary is None or vocabulary.size > MOST_TOKENS:
            return False
        if any(graph.nodes[o.node].type.kind is Kind.REAL for o in graph.outputs):
            return False
        sizes = [o.node for o in graph.outputs]
        extent = [facts[n].high - facts[n].low + 1 for n in sizes for _ in range(_size(graph, n))]
        if not math.prod(extent) <= MOST_LOGITS:
            return False
        columns = output_columns(graph, facts, TOKENS)
        logits = math.prod(len(c.values or ()) ** c.size for c in columns)
        return bool(logits <= MOST_LOGITS)

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
        weights = self.assemble(layout, shape, interface)
        joint = interface.joint() if tokens else {}
        return Compiled(atoms, layout, weights, bounds, shape, joint)

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
            help = "it has `number`: tokens where no value is real, else numbers"
            raise OptionError.at("E022", None, message, help)

    def _head(
        self, atoms: ResidualGraph, interface: Interface, bits: int
    ) -> tuple[list[Form], list[str]]:
        """The forms of the model's outputs, and whose they are."""
        columns = interface.columns
        if interface.tokens:
            for c in columns:
                assert c.values is not None
                own = [_gathered(atoms, f, c.values, bits) for f in atoms.outputs[c.name]]
                atoms.outputs[c.name] = own
        forms = [f for c in columns for f in atoms.outputs[c.name]]
        names = [c.name for c in columns for _ in range(c.width)]
        if interface.tokens:
            digits = zip(interface.digits, forms, strict=True)
            forms = [logit for v, f in digits for logit in _logits(atoms, f, v)]
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

    def _bounds(self, layout: ResidualLayout, interface: Interface, digits: int) -> list[Bound]:
        """Bounds of the outputs; a joint logit is off by what each of its parts is."""
        length, tokens = interface.graph.length, interface.tokens
        bounds = certify(layout, self.errors, digits, length, tokens)
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
        """The table `[V, H]` of tokens, or the map of the inputs, under the name of each."""
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
        values = _embedded_values(atoms, layout.plan.embedded, vocabulary)
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
        return {"lm_head": np.concatenate([joint, unused])}

    # The protocol of targets

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
    ) -> list[tuple[str, int]]: ...

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
    if shape["interface"] == "tokens":
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


def _size(graph: Graph, n: int) -> int:
    return graph.nodes[n].type.size


def _gathered(atoms: ResidualGraph, form: Form, values: tuple[int, ...], bits: int) -> Form:
    """An output as one atom where the multiples of it that are its logits would round."""
    most = values[-1] - values[0] + 1
    if exact_in(atoms.combine([(most, form)]), atoms.atoms, bits):
        return form
    above = tighten(atoms.combine([(1, form)], -values[0]), 0.0, values[-1] - values[0], None)
    return atoms.combine([(1, atoms.relu(above, kept=True))], values[0])


def _logits(atoms: ResidualGraph, form: Form, values: tuple[int, ...]) -> list[Form]:
    """2 k v - k^2 for each value k, all centred: the largest is that of v, ahead by 1 or more."""
    middle = (values[0] + values[-1]) // 2
    centred = atoms.combine([(1, form)], -middle)
    return [atoms.combine([(2 * (k - middle), centred)], -((k - middle) ** 2)) for k in values]


def _embedded_values(
    atoms: ResidualGraph, embedded: frozenset[int], vocabulary: Vocabulary
) -> dict[int, Any]:
    """The value of each embedded atom for each token, float64."""
    columns = vocabulary.values(np.arange(vocabulary.size)).astype(np.float64)
    values: dict[int, Any] = {}

    def of(form: Form) -> Any:
        total = np.full(vocabulary.size, float(form.const))
        for b, c in form.terms.items():
            total = total + float(c) * value(b)
        return total

    def value(a: int) -> Any:
        if a not in values:
            atom = atoms.atoms[a]
            if atom.kind is AtomKind.INPUT:
                values[a] = columns[:, atom.index]
            elif atom.form is not None:
                values[a] = np.maximum(of(atom.form), 0.0)
            else:
                args = dict(atom.args)
                x, y = of(args["value"]), of(args["factor"])
                if atoms.machine.rectifies:
                    y = np.maximum(y, 0.0)
                values[a] = np.maximum(x, 0.0) * y
        return values[a]

    for a in sorted(embedded):
        value(a)
    return values
