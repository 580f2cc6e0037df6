"""How residual models are prompted and read: token ids and joint logits, or numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..analysis.facts import Fact
from ..encoding import Columns, output_columns
from ..ir.nodes import Graph
from ..ir.types import Kind
from ..lower.atoms import AtomKind, Form, exact_in, tighten
from ..lower.residual.graph import FACTOR, VALUE, ResidualGraph
from ..tokens import (
    MOST_LOGITS,
    MOST_TOKENS,
    TOKENS,
    Vocabulary,
    input_vocabulary,
    output_vocabulary,
)


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


def no_tokens(graph: Graph, facts: Sequence[Fact]) -> str | None:
    """Why inputs and outputs of a program cannot be tokens, or None."""
    vocabulary = input_vocabulary(graph)
    if vocabulary is None:
        return "an input is real"
    if vocabulary.size > MOST_TOKENS:
        return f"its inputs have {vocabulary.size:,} values, more than {MOST_TOKENS:,}"
    nodes = [o.node for o in graph.outputs]
    if any(graph.nodes[n].type.kind is Kind.REAL for n in nodes):
        return "an output is real"
    extent = [facts[n].high - facts[n].low + 1 for n in nodes for _ in range(_size(graph, n))]
    if math.prod(extent) <= MOST_LOGITS:
        columns = output_columns(graph, facts, TOKENS)
        extent = [len(c.values or ()) for c in columns for _ in range(c.size)]
    logits = math.prod(extent)
    if logits > MOST_LOGITS:
        return (
            f"its outputs have {logits:,.0f} values, more than the {MOST_LOGITS:,} that logits tell"
        )
    return None


def _size(graph: Graph, n: int) -> int:
    return graph.nodes[n].type.size


def gathered(atoms: ResidualGraph, form: Form, values: tuple[int, ...], bits: int) -> Form:
    """An output as one atom where the multiples of it that are its logits would round."""
    most = values[-1] - values[0] + 1
    if exact_in(atoms.combine([(most, form)]), atoms.atoms, bits):
        return form
    above = tighten(atoms.combine([(1, form)], -values[0]), 0.0, values[-1] - values[0], None)
    return atoms.combine([(1, atoms.relu(above, kept=True))], values[0])


def logits(atoms: ResidualGraph, form: Form, values: tuple[int, ...]) -> list[Form]:
    """2 k v - k^2 for each value k, all centred: the largest is that of v, ahead by 1 or more."""
    middle = (values[0] + values[-1]) // 2
    centred = atoms.combine([(1, form)], -middle)
    return [atoms.combine([(2 * (k - middle), centred)], -((k - middle) ** 2)) for k in values]


def embedded_values(
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
                x, y = of(args[VALUE]), of(args[FACTOR])
                if atoms.machine.rectifies:
                    y = np.maximum(y, 0.0)
                values[a] = np.maximum(x, 0.0) * y
        return values[a]

    for a in sorted(embedded):
        value(a)
    return values
