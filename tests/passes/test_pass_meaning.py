"""The optimised graph means the same: random programs, and each identity of the simplifier."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from lsrl.analysis.ranges import analyse
from lsrl.elaborate.program import elaborate
from lsrl.errors import LsrlError
from lsrl.interpret.run import Interpreter
from lsrl.ir.legality import check
from lsrl.ir.nodes import Graph
from lsrl.ir.text import from_text, to_text
from lsrl.passes import optimise
from lsrl.source import Source
from lsrl.syntax.parse import parse_source

LENGTH = 7
HEAD = f"""
length <= {LENGTH}
input x: int in -3..3
input y: int in 0..4
input b: bool
input c: bool
input v: int[3] in -2..2
"""

Strategy = st.SearchStrategy[str]


def programs() -> Strategy:
    """Expressions of integers, booleans and vectors that use one another, with states inside."""
    number: Strategy = st.deferred(lambda: numbers)
    truth: Strategy = st.deferred(lambda: truths)
    vector: Strategy = st.deferred(lambda: vectors)

    def of(form: str, *parts: Strategy) -> Strategy:
        return st.tuples(*parts).map(lambda p: "(" + form.format(*p) + ")")

    numbers = st.one_of(
        st.sampled_from(["x", "y", "x", "y", "0", "1", "-1", "2", "3"]),
        *(of(f, number, number) for f in ("{} + {}", "{} - {}", "max({}, {})", "min({}, {})")),
        *(of(f, number) for f in ("-{}", "relu({})", "abs({})", "{} mod 3", "{} div 2", "3 * {}")),
        of("if {} then {} else {}", truth, number, number),
        of("(if {} then 1 else 0) * (if {} then 1 else 0)", truth, truth),
        *(of(f, number) for f in ("prev({})", "accumulate({})", "delay({}, 2)", "prev({}, 1)")),
        of("latch({}, {})", truth, number),
        of("lookup({} mod 3, [2, 0, 5])", number),
        *(of(f, vector) for f in ("{}[1]", "sum({})", "max({})", "argmax({})")),
        of("{}[{} mod 3]", vector, number),
        st.just("steps()"),
        st.just("cycle(3)"),
    )
    truths = st.one_of(
        st.sampled_from(["b", "c", "b", "c", "true", "false"]),
        *(of(f, truth, truth) for f in ("{} and {}", "{} or {}", "{} == {}", "{} != {}")),
        *(of(f, truth) for f in ("not {}", "prev({})", "ever({})", "rising({})")),
        *(of(f, number, number) for f in ("{} < {}", "{} <= {}", "{} == {}", "{} != {}")),
        of("if {} then {} else {}", truth, truth, truth),
        *(of(f, vector, vector) for f in ("all({} < {})", "any({} == {})")),
        st.just("first()"),
    )
    vectors = st.one_of(
        st.just("v"),
        of("[{}, {}, {}]", number, number, number),
        *(of(f, vector, vector) for f in ("{} + {}", "[{}[1:], {}[0]]", "[{}[2], {}[:2]]")),
        of("if {} then {} else {}", truth, vector, vector),
        *(of(f, number) for f in ("window({}, 3)", "zeros(3) + {}")),
        of("[[0, 1, 0], [1, 0, 0], [0, 2, 1]] @ {}", vector),
        of("prev({})", vector),
    )
    return st.tuples(numbers, truths, vectors).map(
        lambda p: HEAD + "\n".join(f"output {n} = {e}" for n, e in zip("pqr", p, strict=True))
    )


def inputs_of(graph: Graph, rng: np.random.Generator) -> dict[str, Any]:
    found = {}
    for f in graph.inputs:
        shape = (6, LENGTH, *(f.type.shape or ()))
        found[f.name] = rng.integers(int(f.lo), int(f.hi) + 1, shape).astype(np.float64)
    return found


def outputs(graph: Graph, inputs: dict[str, Any]) -> dict[str, Any]:
    ranges = {i: (f.lo, f.hi) for i, f in enumerate(analyse(graph))}
    return Interpreter(graph, ranges=ranges).run(inputs, undetermined=False).outputs


def assert_same_meaning(graph: Graph) -> None:
    small = optimise(graph)
    check(small)
    assert from_text(to_text(small)) == small
    assert len(small.nodes) <= len(graph.nodes)
    inputs = inputs_of(graph, np.random.default_rng(0))
    before, after = outputs(graph, inputs), outputs(small, inputs)
    for name, values in before.items():
        np.testing.assert_array_equal(values, after[name], err_msg=name)


@settings(
    max_examples=40, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)  # fmt: skip
@given(programs())
def test_random_programs(program: str) -> None:
    try:
        graph = elaborate(parse_source(Source("random.lsrl", program + "\n"))).graph
    except LsrlError:
        assume(False)
    assert_same_meaning(graph)


@pytest.mark.parametrize(
    "program",
    [
        "output relu(x) + max(y, 9) + min(v[0], 5)\n",
        "state s: int in 0..9 = 0 then min(s + y, 9)\noutput s + (if s >= 0 then 1 else x)\n",
        "state s = 0 then if b then x else s\nstate t = 0 then if b then x else t\noutput s - t\n",
        "z: int in -6..6 = x + prev(x)\noutput z mod 7\noutput a = z < 7\n",
        "output store(first(), y) + store(first(), y)\n",
    ],
)
def test_programs(graph_of: Callable[[str], Graph], program: str) -> None:
    assert_same_meaning(graph_of(HEAD + program))
