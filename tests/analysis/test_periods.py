"""Sequences that are periodic for ever, and those that only look so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lsrl
from lsrl.analysis.periods import FOR_EVER, autonomous, periodic_for_ever
from lsrl.lower.atoms import AtomGraph
from lsrl.lower.autonomous import simulate
from lsrl.lower.clock import Clocks

X = "input x: bool\n"
PERIODIC = {  # the output's smallest prefix and period
    "cycle(5)": (0, 5),
    "first()": (1, 1),
    "steps() >= 9": (9, 1),
    "prev(steps() >= 9)": (10, 1),
    "steps() >= 4 and cycle(3) == 1": (3, 3),
    "cycle(4) * 3 + cycle(6)": (0, 12),
    "if first() then 7 else cycle(2)": (1, 2),
}


def lassos(expression: str, steps: int = 200) -> tuple[Any, Any]:
    """What is proved of the output `y`, and its values."""
    graph = lsrl.parse(f"{X}output y = {expression}\noutput x").graph
    values = simulate(graph, autonomous(graph), steps)
    node = graph.outputs[0].node
    return periodic_for_ever(graph, values).get(node), simulate(graph, [node], 2000)[node][:, 0]


@pytest.mark.parametrize("expression", PERIODIC)
def test_periodic_sequences_are_proved_to_be(expression: str) -> None:
    found, values = lassos(expression)
    prefix, period = PERIODIC[expression]
    assert found is not None
    assert found[0] >= prefix and found[1] % period == 0
    assert np.array_equal(values[found[0] : -found[1]], values[found[0] + found[1] :])


@pytest.mark.parametrize("expression", ["steps()", "steps() mod 3", "accumulate(cycle(2)) mod 4"])
def test_what_grows_is_not_proved(expression: str) -> None:
    assert lassos(expression)[0] is None


def test_a_threshold_beyond_what_was_run_is_no_constant() -> None:
    assert lassos("steps() >= 500", steps=200)[0] is None
    assert lassos("steps() >= 500", steps=600)[0] == (500, 1)


def test_a_repetition_that_ends_is_no_period() -> None:
    """It looks constant, and is false from step 150 on."""
    assert lassos("steps() < 150", steps=100)[0] is None


def test_what_an_input_reaches_is_not_autonomous() -> None:
    graph = lsrl.parse(X + "output ever(x)").graph
    assert all(graph.nodes[n].op == "const" for n in autonomous(graph))


def test_clocks_without_end_are_those_that_are_proved() -> None:
    text = "length <= 1099511627776\n" + X
    text += "output a = cycle(6) == 2\noutput b = steps() mod 5 == 1\noutput x"
    graph = lsrl.parse(text).graph
    assert graph.length < FOR_EVER
    a, b, _ = (o.node for o in graph.outputs)
    clocks = Clocks(graph, AtomGraph())
    assert clocks.lassos[a] == (0, 6)
    assert not clocks.drives(b)


def test_a_long_program_still_has_its_clocks() -> None:
    """Beyond 65,536 steps clocks used to be given up."""
    program = lsrl.parse("length <= 1000000\n" + X + "output cycle(3) == 1 and x")
    model = lsrl.compile(program, verify=False)
    assert model.certificate["bound"] == {"output": 0.0}
    assert model.report.state_size <= 4
