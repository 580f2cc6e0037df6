"""How passes are run: legality after each, an end to every fixpoint, the standard pipeline."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from lsrl.analysis.ranges import analyse
from lsrl.elaborate.program import Elaborated, elaborate
from lsrl.errors import PromiseError
from lsrl.interpret.run import Interpreter
from lsrl.ir.legality import IllegalGraph
from lsrl.ir.nodes import Field, Graph
from lsrl.ir.text import from_text, to_text
from lsrl.ir.types import Kind
from lsrl.passes import STANDARD, Dce, MergeStates, Pass, Stuck, fixpoint, optimise, run
from lsrl.passes.cse import value_key
from lsrl.source import Source
from lsrl.syntax.parse import parse_source

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = sorted(p.stem for p in EXAMPLES.glob("*.lsrl"))


def load(name: str, **params: Any) -> Elaborated:
    path = EXAMPLES / f"{name}.lsrl"
    return elaborate(parse_source(Source(path.name, path.read_text("utf-8"), path)), params)


@dataclass(frozen=True)
class Rename(Pass):
    """Changes the name of the first output, for ever."""

    name = "rename"

    def apply(self, graph: Graph) -> Graph:
        first = graph.outputs[0]
        return graph.replace(outputs=(replace(first, name=first.name + "'"), *graph.outputs[1:]))


class Break(Pass):
    """Makes an illegal graph."""

    name = "break"

    def apply(self, graph: Graph) -> Graph:
        return graph.replace(length=0)


SMALL = "%0: int = const 1\noutput y = %0\n"


def test_legality_is_checked_after_every_pass() -> None:
    with pytest.raises(IllegalGraph, match="after the pass break: the length is 0"):
        run(from_text(SMALL), [Dce(), Break()])


class Mend(Pass):
    """Makes it legal again."""

    name = "mend"

    def apply(self, graph: Graph) -> Graph:
        return graph.replace(length=1)


def test_a_fixpoint_checks_after_every_pass_too() -> None:
    with pytest.raises(IllegalGraph, match="after the pass break: the length is 0"):
        fixpoint(from_text(SMALL), [Break(), Mend()])


def test_a_fixpoint_that_does_not_shrink_is_named() -> None:
    with pytest.raises(Stuck, match="rename went in circles"):
        fixpoint(from_text(SMALL), [Dce(), Rename()])


def test_a_pass_with_nothing_to_do_returns_the_same_graph() -> None:
    graph = optimise(load("dictionary").graph)
    for p in STANDARD:
        assert p.apply(graph) is graph
    assert optimise(graph) is graph


def test_spans_survive() -> None:
    program = load("dictionary")
    graph = optimise(program.graph)
    assert all(node.span is not None for node in graph.nodes if node.op != "const")
    lines = {node.span.line for node in graph.nodes if node.span and node.op == "bound"}
    assert all(program.tree.source.line(line).strip() for line in lines)


@pytest.mark.parametrize("name", NAMES)
def test_optimised_examples_are_smaller(name: str) -> None:
    before = load(name).graph
    after = optimise(before)
    assert len(after.nodes) < len(before.nodes)
    assert len(after.states) <= len(before.states)
    assert after.inputs == before.inputs
    old, new = ({o.name: g.nodes[o.node].type for o in g.outputs} for g in (before, after))
    assert {k: t.shape for k, t in old.items()} == {k: t.shape for k, t in new.items()}
    assert from_text(to_text(after)) == after


def draw(field: Field, batch: int, steps: int, rng: np.random.Generator) -> Any:
    """Random values, the extremes among them. `[batch, steps]` or `[batch, steps, d]`."""
    shape = (batch, steps, *(field.type.shape or ()))
    low, high = float(field.lo), float(field.hi)
    if field.type.kind is Kind.REAL:
        # multiples of 1/64: sums are exact, so that equal programs give equal numbers
        return np.round(rng.uniform(low, high, shape) * 64) / 64
    return rng.integers(int(low), int(high) + 1, shape).astype(np.float64)


def outputs(graph: Graph, inputs: dict[str, Any]) -> dict[str, Any] | str:
    """What a run gives; the kind of error where it breaks a promise."""
    facts = analyse(graph)
    ranges = {i: (f.lo, f.hi) for i, f in enumerate(facts)}
    try:
        return Interpreter(graph, ranges=ranges).run(inputs, undetermined=False).outputs
    except PromiseError as e:
        return e.code


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return bool(one == other)
    return set(one) == set(other) and all(
        np.allclose(one[k], other[k], rtol=1e-12, atol=1e-12) for k in one
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_meaning_of_examples_stays(name: str) -> None:
    graph = load(name).graph
    small = optimise(graph)
    rng = np.random.default_rng(0)
    for attempt in range(24):
        batch = 1 if attempt else 8  # a promise that breaks ends a whole batch
        inputs = {f.name: draw(f, batch, 1 + 2 * attempt, rng) for f in graph.inputs}
        assert equal(outputs(graph, inputs), outputs(small, inputs))


def two_delays(count: int) -> str:
    """A chain of delays, twice."""
    lines = ["input x: int in 0..9"]
    chain = [0, *range(1, count)]
    for k in (0, 1):
        states = [
            f"state s{k}_{i}: int = 0 then %{n + k * count * (i > 0)}" for i, n in enumerate(chain)
        ]
        lines += states
    lines.append("%0: int = input x")
    for k in (0, 1):
        lines += [f"%{1 + k * count + i}: int = prev s{k}_{i}" for i in range(count)]
    lines += [f"output a = %{count}", f"output b = %{2 * count}", ""]
    return "\n".join(lines)


def test_states_are_merged_in_linear_time() -> None:
    looked_at = []
    for count in (500, 2000):
        with patch("lsrl.passes.states.value_key", wraps=value_key) as numbered:
            after = run(from_text(two_delays(count)), [MergeStates()])
        assert len(after.states) == count
        looked_at.append(numbered.call_count)
    assert looked_at[1] <= 4.1 * looked_at[0]


def test_assumes_do_not_rest_on_promises() -> None:
    """The bound on `depth` holds because of the assume, which must not be proven by it."""
    graph = optimise(load("dyck1_depth").graph)
    assert graph.nodes[graph.assumes[0].node].op == "and"


def test_large_programs() -> None:
    """A key of the dictionary more is twelve nodes more; the rest of the program is 31."""
    sizes = [len(optimise(load("dictionary", n=n).graph).nodes) for n in (50, 100)]
    assert sizes == [12 * 50 + 31, 12 * 100 + 31]


class Counted(Pass):
    """Does nothing, and says how often."""

    name = "counted"

    def __init__(self) -> None:
        self.times = 0

    def apply(self, graph: Graph) -> Graph:
        self.times += 1
        return graph


def test_dead_code_gives_other_passes_nothing_to_do() -> None:
    before, after = Counted(), Counted()
    dead = "%0: int = const 1\n%1: int = const 2\noutput y = %0\n"
    graph = fixpoint(from_text(dead), [before, Dce(), after])
    assert len(graph.nodes) == 1
    assert (before.times, after.times) == (1, 1)
    assert not Dce.enables
