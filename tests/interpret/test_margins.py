"""Comparisons of reals near a tie, and the third truth value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers import chunked, program, run

from lsrl.interpret.run import Interpreter

# A program, one sequence, whether an undetermined comparison matters, how many elements are close.
CASES = [
    ("output if x < 0.5 then 1 else 3", [0.1, 0.9], False, 0),
    ("output if x < 0.5 then 1 else 3", [0.1, 0.5], True, 1),
    ("output if x < 0.5 then 1 else 3", [0.4995, 0.5005], True, 2),
    ("output if x < 0.5 then 2 else 2", [0.5], False, 1),  # if ? then a else a is a
    ("output if x < 0.5 then x else 0.5", [0.4999], False, 1),  # continuous at the tie
    ("output x < 0.5 and false", [0.5], False, 1),  # false and ? is false
    ("output x < 0.5 or true", [0.5], False, 1),
    ("output x < 0.5 and x > 0", [0.5], True, 1),
    ("output x < 0.5", [0.5], True, 1),
    ("output (if x < 0.5 then 1 else 1.001) * 0.1", [0.5], False, 1),
    ("output relu(x - 0.5)", [0.5], False, 0),
    ("c = x <= 0.5\noutput if c then 1 else 3", [0.5], True, 1),
    ("output accumulate(x < 0.5)", [0.1, 0.5, 0.1], True, 1),
    ("output latch(x < 0.5, 1)", [0.1, 0.5, 0.9], False, 1),  # it is 1 either way
    ("output latch(x < 0.5, 1)", [0.9, 0.5, 0.9], True, 1),
    ("output prev(x < 0.5) and false", [0.5, 0.1], True, 1),  # the state itself changes
    ("output argmax([x, 0.5])", [0.1, 0.5], True, 1),
    ("output [7, 7][argmax([x, 0.5])]", [0.1, 0.5], False, 1),
    ("output any([x < 0.5, x >= 0.5])", [0.5], True, 2),  # each hides the other's tie in truth
]


@pytest.mark.parametrize(("text", "data", "mattered", "close"), CASES)
def test_what_matters(text: str, data: list[float], mattered: bool, close: int) -> None:
    for exact in (False, True):
        result = run(f"input x: real in 0..1\n{text}", data, exact=exact)
        assert sum(m.undetermined for m in result.margins) == close
        assert result.mattered.tolist() == [mattered]
        assert any(m.mattered for m in result.margins) == mattered


def test_smallest_margin_and_place() -> None:
    result = run("input x: real in 0..1\noutput x < 0.5", [0.25, 0.375, 1])
    (margin,) = result.margins
    assert margin.smallest == 0.125
    assert margin.span is not None
    assert margin.span.line == 2
    assert not margin.undetermined


def test_margins_that_matter_only_together() -> None:
    text = "input x: real in 0..1\noutput x < 0.5 and x <= 0.5 or x < 0.5 or x <= 0.5"
    assert run(text, [0.5]).mattered.all()
    text = "input x: real in 0..1\ninput y: real in 0..1\noutput x < 0.5 and y < 0.5"
    result = run(text, {"x": [0.5004], "y": [0.5003]})
    assert [m.mattered for m in result.margins] == [True, True]
    assert result.mattered.tolist() == [True]


def test_integers_and_exact_comparisons_have_no_guard() -> None:
    result = run("input x: int in 0..9\noutput x < 5", [5, 4])
    assert result.margins == []
    graph = program("input x: real in 0..1\noutput x < 0.5").graph
    node = graph.outputs[0].node
    arrays = {"x": np.array([[0.5]])}
    assert Interpreter(graph, exact_comparisons={node}).run(arrays).margins == []
    assert not Interpreter(graph, guard=0).run(arrays).mattered.any()


def test_guard_and_tolerance_are_options() -> None:
    text = "input x: real in 0..1\noutput (if x < 0.5 then 0 else 0.01)"
    graph = program(text).graph
    arrays = {"x": np.array([[0.52]])}
    assert Interpreter(graph).run(arrays).margins[0].undetermined == 0
    assert Interpreter(graph, guard=0.1).run(arrays).mattered.all()
    assert not Interpreter(graph, guard=0.1, tolerance=0.1).run(arrays).mattered.any()


def test_only_the_sequences_concerned(monkeypatch: Any) -> None:
    graph = program("input x: real in 0..1\noutput accumulate(x < 0.5)").graph
    x = np.full((5, 40), 0.25)
    x[1, 3] = x[4, 39] = 0.5
    for elements in (2**16, 16):
        chunked(monkeypatch, elements)
        result = Interpreter(graph).run({"x": x})
        assert result.mattered.tolist() == [False, True, False, False, True]
        assert result.margins[0].undetermined == 2


def test_overridden_comparisons_are_not_undetermined() -> None:
    graph = program("input x: real in 0..1\noutput x < 0.5").graph
    node = graph.outputs[0].node
    result = Interpreter(graph).run(
        {"x": np.array([[0.5, 0.9]])}, overrides={node: np.array([[True, True]])}
    )
    assert result.outputs["output"].tolist() == [[True, True]]
    assert not result.mattered.any()


def test_in_groups_of_states() -> None:
    text = "input x: real in -1..1\nstate on = false then if x > 0.5 then true else on and x > -0.5"
    text += "\noutput on"
    assert not run(text, [0.9, 0.5, 0.9]).mattered.any()  # on already, and stays on
    assert run(text, [0.0, 0.5, 0.9]).mattered.all()
    assert run(text, [0.9, -0.5]).mattered.all()
