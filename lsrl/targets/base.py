"""What every target says of itself, and what compiling for it gives."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Protocol

from ..analysis.facts import Fact
from ..dtypes import DTYPES
from ..encoding import output_columns
from ..errors import LsrlError, OptionError, UnsupportedError
from ..ir.nodes import Graph
from ..ir.types import Kind
from ..lower.atoms import AtomGraph
from ..lower.bounds import Bound
from ..source import Span
from ..theorems import Theorem, Witness
from .cell import Cell

INTEGER_TOLERANCE = 0.25
REAL_TOLERANCE = 1e-3
# Called as probe(layer, t, {kind: array [B, n]}) with the numbers of a layer (from 0) at a step,
# each kind once, as soon as they are there: "x" the layer's input (before its update), "s" or "h"
# its state after the update, "y" its output. The arrays may be changed in place: the rest of the
# step, the next step and the layers above see it.
Probe = Callable[[int, int, dict[str, Any]], None]


@dataclass(frozen=True)
class CompileOptions:
    """Options that every target understands."""

    dtype: str = "float32"
    guard: Fraction = Fraction(1, 1000)
    tolerance: float | None = None
    encoding: str = "number"
    profile: str = "exact"
    conditional: str | None = None  # a variant of the paper's; None: the best for the target
    constants: str = "range"
    hidden_size: int | None = None
    layers: int | None = None
    max_parameters: int | None = None


@dataclass(frozen=True)
class Compiled:
    """What a target makes of a program: its stages, its weights, its certificate.

    `joint`: by output, for each element the value that each logit of a joint vocabulary stands for.
    `parallel`: the bounds where an associative scan computes the states; None: it cannot.
    """

    atoms: AtomGraph
    machine: Any  # Layered, or a UnitMachine
    weights: Mapping[str, Any]
    bounds: list[Bound]
    shape: dict[str, Any]
    joint: Mapping[str, Sequence[Sequence[int]]] = field(default_factory=dict)
    parallel: list[Bound] | None = None


@dataclass(frozen=True)
class Support:
    """Whether a target can hold a program. `verdict`: "exact", "up_to_length", "approximate",
    "unsupported" or "impossible".

    `span` is the state that stands in the way, `error` what `compile` raises. Where a theorem of
    docs/expressivity.md says that no weights do for every length, it is `theorem`, and `witness` is
    what makes it apply. `bound` is the certified error of the outputs, where there is one.
    """

    verdict: str
    reason: str
    span: Span | None = None
    error: LsrlError | None = None
    theorem: Theorem | None = None
    witness: Witness | None = None
    bound: float | None = None

    @property
    def preconditions(self) -> tuple[str, ...]:
        """Those of the theorem."""
        return () if self.theorem is None else self.theorem.preconditions

    @property
    def words(self) -> str:
        """The verdict as it is written: "up to length"."""
        return self.verdict.replace("_", " ")

    def as_json(self) -> dict[str, Any]:
        """All but the place as plain data."""
        data: dict[str, Any] = {"verdict": self.verdict, "reason": self.reason}
        if self.bound is not None:
            data["bound"] = self.bound
        if self.error is not None:
            data["explanation"] = [d.as_json() for d in self.error.diagnostics]
        if self.theorem is not None and self.witness is not None:
            data["theorem"] = {
                "name": self.theorem.place, "preconditions": list(self.preconditions)
            }  # fmt: skip
            data["witness"] = self.witness.as_json()
        return data


def tolerances(
    graph: Graph, facts: Sequence[Fact], tolerance: float | None, encoding: str = "number"
) -> list[float]:
    """The error allowed in each column of the output: 0.25 for what is rounded and for logits, else
    `tolerance`, by default 1e-3 of the output's range. An infinite one allows any error."""
    result = []
    columns = output_columns(graph, facts, encoding)
    for output, of_output in zip(graph.outputs, columns, strict=True):
        fact, allowed = facts[output.node], INTEGER_TOLERANCE
        if of_output.kind is Kind.REAL:
            extent = fact.high - fact.low or abs(fact.high)  # of a constant, its magnitude
            allowed = tolerance if tolerance is not None else REAL_TOLERANCE * extent
        result += [math.inf if tolerance == math.inf else allowed] * of_output.width
    return result


# The parts of the tolerance that one approximation may use up, as denominators, tried in turn.
FINENESS = (8, 64, 512, 4096)


def allowed_error(options: CompileOptions, fineness: int) -> tuple[float | None, float]:
    """The error that one approximation may have, if the tolerance says; else what part of its
    range."""
    tolerance = options.tolerance
    own = tolerance / fineness if tolerance and tolerance < math.inf else None
    return own, REAL_TOLERANCE / fineness


def refined(
    build: Callable[[int], list[Compiled]],
    graph: Graph,
    facts: Sequence[Fact],
    options: CompileOptions,
    size: Callable[[Compiled], int],
) -> Compiled:
    """Of several ways to build a model the smallest that reaches the tolerance; approximations are
    refined while none does. Raises `UnsupportedError`."""
    allowed = tolerances(graph, facts, options.tolerance, options.encoding)
    best: Compiled | None = None
    for fineness in FINENESS:
        try:
            found = build(fineness)
        except UnsupportedError:
            if best is None:
                raise
            break  # it cannot be finer
        best = min(found, key=lambda c: (not reaches(c, allowed), size(c)))
        if reaches(best, allowed) or not any(a.approximation for a in best.atoms.atoms):
            break
    assert best is not None
    return best


def reaches(compiled: Compiled, allowed: Sequence[float]) -> bool:
    """Whether the certificate is within what is allowed."""
    return all(b.error <= most for b, most in zip(compiled.bounds, allowed, strict=True))


class Target(Protocol):
    """One architecture: how programs are compiled for it and how its equations run."""

    @property
    def name(self) -> str: ...

    @property
    def published(self) -> str:
        """The published thing that it is."""
        ...

    @property
    def transition(self) -> str:
        """What its state's transition can be: "constant" (linear, the same at every step) or
        "non-linear"."""
        ...

    @property
    def class_name(self) -> str:
        """The class in emitted code."""
        ...

    @property
    def cell(self) -> Cell | None:
        """The equations of a layer, of the targets whose code is emitted from them."""
        ...

    def settled(
        self, graph: Graph, facts: Sequence[Fact], options: CompileOptions
    ) -> CompileOptions:
        """The options as this target takes them for a program: its own encoding in place of the
        default."""
        ...

    def compile(self, graph: Graph, facts: Sequence[Fact], options: CompileOptions) -> Compiled: ...

    def sizes(self, shape: Mapping[str, Any]) -> tuple[int, int]:
        """Layers, and numbers of the state."""
        ...

    def initial(self, weights: Mapping[str, Any], batch: int) -> list[Any]:
        """The state before the first step, an array `[batch, p]` a layer."""
        ...

    def run(
        self,
        weights: Mapping[str, Any],
        x: Any,
        state: list[Any] | None = None,
        probe: Probe | None = None,
    ) -> tuple[Any, list[Any]]:
        """The equations in NumPy: x `[B, T, n]` to y `[B, T, m]` and the state after the last
        step. `probe` sees, and may change, what the layers compute.
        """
        ...

    def rows(
        self, shape: Mapping[str, Any], layer: int, kind: str, index: int
    ) -> list[tuple[str, int]]:
        """The rows of weights, as (name, row), that compute a number of a layer."""
        ...

    def shape_of(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The sizes that a config.json has."""
        ...

    def shapes(self, shape: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
        """Names and shapes of all weights."""
        ...


# Checks for every target


def check_dtype(
    target: str,
    options: CompileOptions,
    carried: Sequence[str],
    reason: str = "its values need more digits",
) -> None:
    """Raises `OptionError` E021 for a dtype that there is not, or that the target's encoding does
    not carry, for that `reason`."""
    if options.dtype in carried:
        return
    message = f"`{target}` has no dtype `{options.dtype}`"
    if options.dtype in DTYPES:
        message = f"`{target}` does not carry {options.dtype}: {reason}"
    *most, last = carried
    help = f"it has {', '.join(most)} and {last}" if most else f"it has {last}"
    raise OptionError.at("E021", None, message, help)


def check_parameters(target: str, estimate: int, options: CompileOptions) -> None:
    """Raises `UnsupportedError` E806 if a model would have more than `options.max_parameters`.
    To be called with the number of entries of all weights, before they are made."""
    most = options.max_parameters
    if most is not None and estimate > most:
        message = f"as `{target}` the program takes {estimate:,} parameters, more than the limit "
        message += f"of {most:,}"
        help = "raise --max-parameters, choose smaller ranges, or use another target"
        raise UnsupportedError.at("E806", None, message, help)


def check_variants(
    target: str, options: CompileOptions, variants: Sequence[str], constants: Sequence[str]
) -> None:
    """Raises `OptionError` E028 for a variant of the paper's conditionals, or constants, that a
    target does not have. Without variants it makes choices with its own gates."""
    if not variants:
        if options.conditional is not None or options.constants != "range":
            message = f"`{target}` has no conditionals of the paper's: it has gates of its own"
            help = "leave --conditional and --constants out, or use a target of ReLUs"
            raise OptionError.at("E028", None, message, help)
        return
    for what, chosen, all in (
        ("conditional", options.conditional or variants[0], variants),
        ("constants", options.constants, constants),
    ):
        if chosen not in all:
            help = f"it has {', '.join(f'`{v}`' for v in all)}"
            message = f"`{target}` has no {what} `{chosen}`"
            raise OptionError.at("E028", None, message, help)


def check_padding(target: str, options: CompileOptions, hidden_size: int, layers: int) -> None:
    """Raises `UnsupportedError` E807 for a wanted size that is too small."""
    for what, wanted, least in (
        ("hidden size", options.hidden_size, hidden_size),
        ("number of layers", options.layers, layers),
    ):
        if wanted is not None and wanted < least:
            message = f"as `{target}` the program takes a {what} of {least}, more than {wanted}"
            help = f"ask for {least} or more; what is not needed is filled up with zeros"
            raise UnsupportedError.at("E807", None, message, help)


def check_unpadded(target: str, options: CompileOptions) -> None:
    """Raises `OptionError` E029 for a target whose sizes follow from the program."""
    if options.hidden_size is not None or options.layers is not None:
        message = f"`{target}` has no hidden size or number of layers to choose"
        raise OptionError.at("E029", None, message, "they are for lstm, gru, rnn, mamba and hawk")
