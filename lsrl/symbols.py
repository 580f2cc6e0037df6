"""Reading symbols.json: where named values live, and their values in what the layers compute."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .analysis.facts import Fact
from .errors import CheckpointError
from .ir.nodes import Graph
from .ir.semantics import Array
from .ir.types import Kind, Type

if TYPE_CHECKING:
    from .model import CompiledModel

Activations = Sequence[Mapping[str, Array]]  # of each layer: [B, T, n] by kind
ENCODINGS = ("linear", "boolean", "falsity", "truth", "margin", "logits")


@dataclass(frozen=True)
class Term:
    """`coefficient` times number `index` of a kind, which lies in `low..high`."""

    kind: str
    index: int
    coefficient: float
    low: float = -math.inf
    high: float = math.inf


@dataclass(frozen=True)
class Element:
    """One number of a named value: const + sum of the terms, in a layer (from 0)."""

    layer: int
    terms: tuple[Term, ...]
    const: float
    encoding: str
    values: tuple[float, ...] = ()  # of logits

    def read(self, layers: Activations) -> Array:
        """The value `[B, T]`, float64; of a boolean above 1/2 where it holds."""
        shape = next(a.shape[:2] for kinds in layers for a in kinds.values())
        if self.encoding == "logits":
            columns = [layers[self.layer][t.kind][:, :, t.index] for t in self.terms]
            return np.asarray(np.array(self.values)[np.stack(columns).argmax(axis=0)])
        total = np.full(shape, self.const)
        for t in self.terms:
            total += t.coefficient * layers[self.layer][t.kind][:, :, t.index].astype(np.float64)
        return self.decoded(total)

    def decoded(self, number: Array) -> Array:
        """The value from what const and terms add up to."""
        if self.encoding == "margin":
            return number + 0.5
        return 1.0 - number if self.encoding == "falsity" else number

    def encoded(self, value: Array, number: Array) -> Array:
        """What const and terms should add up to for a value, where they add up to `number` now."""
        if self.encoding == "margin":
            return np.where(value > 0.5, np.maximum(number, 0.5), np.minimum(number, -0.5))
        if self.encoding in ("falsity", "truth"):  # any number from 1 on says the same
            wanted = 1.0 - value if self.encoding == "falsity" else value
            return np.where(wanted > 0.5, np.maximum(number, 1), 0.0)
        return value

    def place(self) -> dict[str, Any]:
        """Where it is, if it sits in one unit: unit = scale * value + offset."""
        where: dict[str, Any] = {"layer": self.layer, "encoding": self.encoding}
        if len(self.terms) != 1:
            return where | {"terms": [[t.kind, t.index, t.coefficient] for t in self.terms]}
        (t,) = self.terms
        scale, offset = 1 / t.coefficient, -self.const / t.coefficient
        return where | {"unit": f"{t.kind}{t.index}", "scale": scale, "offset": offset + 0.0}

    def formula(self) -> str:
        """The number as a formula of the layer's own: `s4`, `2 x3 - 1`."""
        text = ""
        for c, name in [(t.coefficient, f"{t.kind}{t.index}") for t in self.terms]:
            size = "" if abs(c) == 1 else f"{abs(c):g} "
            text += f" {'-' if c < 0 else '+'} {size}{name}"
        if self.const or not text:
            text += f" {'-' if self.const < 0 else '+'} {abs(self.const):g}"
        return ("-" if text[1] == "-" else "") + text[3:]


@dataclass(frozen=True)
class Symbol:
    """Where a named value lives. `ends` is its range; `patch` is where it can be
    overwritten (`always`: only at all steps at once), or `reason` why it cannot."""

    name: str
    node: int
    type: Type
    ends: tuple[Array, Array]
    elements: tuple[Element, ...]
    patch: tuple[Element, ...] = ()
    reason: str = ""
    always: bool = False

    def read(self, layers: Activations) -> Array:
        """The value `[B, T]` or `[B, T, d]`, float64."""
        columns = [e.read(layers) for e in self.elements]
        return np.asarray(np.stack(columns, axis=-1) if self.type.shape else columns[0])

    def rounded(self, raw: Array) -> Array:
        """The value from the model's numbers."""
        return rounded(raw, self.type)

    @property
    def overwritable(self) -> str:
        """Whether it can be overwritten, in words."""
        if not self.patch:
            return f"no: {self.reason}"
        return "at all steps at once" if self.always else "yes"


def rounded(raw: Array, type: Type) -> Array:
    """Booleans, integers and codes of enumerations from a model's numbers; what is no number stays
    one that is wrong."""
    if type.kind is Kind.REAL:
        return np.asarray(raw)
    if type.kind is Kind.BOOL:
        return np.asarray(raw > 0.5)
    worst = float(-(2**53))
    finite: Array = np.clip(np.where(np.isnan(raw), worst, raw), worst, -worst)
    return np.rint(finite).astype(np.int64)


def nodes_of(graph: Graph) -> dict[str, int]:
    """The node of every named value and output, in the order of the program."""
    nodes = {**dict(graph.names), **{o.name: o.node for o in graph.outputs}}
    return dict(sorted(nodes.items(), key=lambda item: item[1]))


def symbols_of(model: CompiledModel) -> dict[str, Symbol]:
    """All symbols of a model. Raises `CheckpointError` E040 if they make no sense."""
    nodes = nodes_of(model.program.graph)
    try:
        return {n: _symbol(model, n, nodes[n], entry) for n, entry in model.symbols.items()}
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, AssertionError):
        raise damaged() from None


def damaged() -> CheckpointError:
    message = "symbols.json is damaged: it does not fit the program or its weights"
    error = CheckpointError.at("E040", None, message, "compile the program again")
    assert isinstance(error, CheckpointError)
    return error


def _symbol(model: CompiledModel, name: str, node: int, entry: Mapping[str, Any]) -> Symbol:
    type, fact = model.program.graph.nodes[node].type, model.program.facts[node]
    elements = _elements(entry)
    patch: tuple[Element, ...] = ()
    if entry["patchable"]:
        patch = _elements(entry["patch"]) if "patch" in entry else elements
        assert len(patch) == type.size
    assert len(elements) == type.size
    ends, always = _ends(fact, entry["elements"]), entry.get("steps") == "all"
    return Symbol(name, node, type, ends, elements, patch, str(entry.get("reason", "")), always)


def _ends(fact: Fact, elements: Sequence[Mapping[str, Any]]) -> tuple[Array, Array]:
    """The range of each element: what the program says of it, and what the model was made for."""
    own = [e.get("range", (-math.inf, math.inf)) for e in elements]
    shape = fact.lo.shape
    low = np.array([float(low) for low, _ in own]).reshape(shape)
    high = np.array([float(high) for _, high in own]).reshape(shape)
    return np.maximum(fact.lo, low), np.minimum(fact.hi, high)


def _elements(entry: Mapping[str, Any]) -> tuple[Element, ...]:
    return tuple(_element(e, int(entry["layer"])) for e in entry["elements"])


def _element(entry: Mapping[str, Any], layer: int) -> Element:
    ranges = entry.get("ranges") or [(-math.inf, math.inf)] * len(entry["terms"])
    terms = tuple(
        Term(str(kind), int(i), float(c), float(low), float(high))
        for (kind, i, c), (low, high) in zip(entry["terms"], ranges, strict=True)
    )
    assert entry["encoding"] in ENCODINGS
    assert all(t.coefficient and t.index >= 0 for t in terms)
    values = tuple(float(v) for v in entry.get("values", ()))
    assert entry["encoding"] != "logits" or len(values) == len(terms)
    at = int(entry.get("layer", layer))
    return Element(at, terms, float(entry["const"]), entry["encoding"], values)
