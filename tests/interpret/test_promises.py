"""What a run may not break, and exact runs."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from helpers import chunked, output, program, run

from lsrl.errors import LsrlError, ProgramError, PromiseError
from lsrl.interpret.run import Interpreter

X = "input x: int in 0..9\n"

BROKEN = [
    ("output y: int in 0..5 = x", [1, 7], "E702", "`y` is 7 at step 1, outside of 0..5"),
    ("y: int in 0..5 = x\noutput 1 + 0 * y", [6], "E702", "`y` is 6 at step 0"),
    ("y: int in 0..5 = x\noutput x", [6], "E702", "`y` is 6 at step 0"),  # not used at all
    ("state s: int in 0..9 = 0 then s + x\noutput s", [4, 4, 4], "E702", "`s` is 12 at step 2"),
    ("y: int[2] in 0..5 = [0, x]\noutput y", [1, 9], "E702", r"`y\[1\]` is 9 at step 1"),
    ("y: real in 0..1 = x / 4\noutput y", [1, 9], "E702", "`y` is 2.25 at step 1"),
    ("assume x < 5\noutput x", [1, 2, 5], "E704", "break this assumption at step 2"),
    ("assume prev(x) <= x\noutput x", [1, 2, 0, 3], "E704", "at step 2"),
    ("assume x < 5\ny: int in 0..3 = x\noutput y", [4, 6], "E702", "`y` is 4 at step 0"),
    ("assume x < 5\ny: int in 0..3 = x\noutput y", [6, 6], "E704", "at step 0"),
    ("q: int in 0..2 = x\noutput [1, 2, 3][q]", [1, 9], "E702", "`q` is 9 at step 1"),
    ("q: int in 1..9 = x\noutput 1 / q", [1, 0], "E702", "`q` is 0 at step 1"),
]


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize(("text", "data", "code", "message"), BROKEN)
def test_broken(text: str, data: list[int], code: str, message: str, exact: bool) -> None:
    with pytest.raises(PromiseError, match=message) as caught:
        run(X + text, data, exact=exact)
    assert caught.value.code == code
    assert caught.value.span is not None
    assert caught.value.span.line >= 2


@pytest.mark.parametrize("elements", [2**16, 2])
def test_the_first_violation_in_any_stretch_and_its_sequence(
    elements: int, monkeypatch: Any
) -> None:
    chunked(monkeypatch, elements)
    graph = program(X + "output y: int in 0..5 = x").graph
    x = np.zeros((3, 9), int)
    x[1, 6], x[2, 4] = 7, 8
    with pytest.raises(PromiseError, match="`y` is 8 at step 4 of sequence 2"):
        Interpreter(graph).run({"x": x})
    free = Interpreter(graph).run({"x": x}, check=False)
    assert free.outputs["y"][2, 4] == 8


def test_stepper_checks_and_stays_before_the_step() -> None:
    stepper = Interpreter(
        program(X + "state s: int in 0..9 = 0 then s + x\noutput s").graph
    ).stepper()
    stepper.step({"x": np.array([5])})
    with pytest.raises(PromiseError, match="`s` is 11 at step 1"):
        stepper.step({"x": np.array([6])})
    assert stepper.step({"x": np.array([4])})["s"].tolist() == [9]
    with pytest.raises(LsrlError, match="missing"):
        stepper.step({})
    with pytest.raises(LsrlError, match="has shape"):
        stepper.step({"x": np.array([4, 4])})


def test_promise_of_store_with_ranges() -> None:
    graph = program(X + "output store(x > 3, x)").graph
    node = next(n for n in graph.nodes if n.op == "promise")
    interpreter = Interpreter(graph, ranges={node.args[1]: (0, 9)})
    good = interpreter.run({"x": np.array([[9, 0, 0]])})
    assert good.outputs["output"].tolist() == [[9, 9, 9]]
    with pytest.raises(PromiseError, match=r"`store` holds 13 at step 1, outside of 0\.\.9") as e:
        interpreter.run({"x": np.array([[9, 4, 0]])})
    assert e.value.code == "E703"


def test_bounds_of_reals_allow_for_rounding() -> None:
    text = "input x: real in 0..1\nstate s: real in 0..1 = 0 then s + x\noutput s"
    assert output(text, [0.1] * 10)[-1] == pytest.approx(1)
    with pytest.raises(PromiseError):
        run(text, [0.1] * 10 + [1e-6])


def test_integers_beyond_float64() -> None:
    text = X + "state s = 1 then s * 4\noutput s"
    try:
        graph = program(
            text,
        ).graph
    except ProgramError:
        pytest.skip("refused before it runs")
    with pytest.raises(PromiseError, match="at step 26 this value is beyond") as caught:
        Interpreter(graph).run({"x": np.zeros((1, 60), int)})
    assert caught.value.code == "E705"
    exact = Interpreter(graph).run({"x": np.zeros((1, 60), int)}, exact=True)
    assert exact.outputs["s"][0, -1] == 4**60


def test_reals_beyond_float64() -> None:
    text = "input x: real in 0..1\nstate s = 1 then s * s * 1000 + x\noutput s - s"
    graph = program(text).graph
    with pytest.raises(PromiseError, match="beyond what float64 holds") as caught:
        Interpreter(graph).run({"x": np.zeros((1, 20))})
    assert caught.value.code == "E705"
    with pytest.raises(PromiseError, match="beyond what float64 holds"):
        Interpreter(graph).run({"x": np.zeros((1, 20))}, check=False)


def test_exact_numbers() -> None:
    text = "input x: real in 0..1\noutput accumulate(x) / 3"
    assert output(text, [Fraction(1, 3), 0.1], exact=True) == [Fraction(1, 9), Fraction(13, 90)]
    assert output("input x: bool\noutput x", [1, 0], exact=True) == [True, False]
    assert output("input x: int in 0..9\noutput x div 2", [5], exact=True) == [2]
    text = "input x: real in 0..1\noutput x < 0.3"
    assert output(text, [0.1 + 0.2], exact=True) == [False]


def test_exact_refuses_irrational_constants() -> None:
    text = "input x: real in 0..9\noutput x * sqrt(2)"
    with pytest.raises(ProgramError, match="is not rational") as caught:
        run(text, [1], exact=True)
    assert caught.value.code == "E701"
    assert caught.value.span is not None
    assert caught.value.span.line == 2
    text = "input x: real[2] in 0..9\noutput rotation(1) @ x"
    with pytest.raises(ProgramError, match="is not rational"):
        run(text, [[1, 2]], exact=True)


def test_overrides_replace_values_and_what_follows() -> None:
    elaborated = program(X + "state s = 0 then s + x\ny = 2 * s\noutput y")
    graph = elaborated.graph
    s = dict(graph.names)["s"]
    arrays = {"x": np.array([[1, 2, 3]])}
    result = Interpreter(graph).run(arrays, overrides={s: np.array([[5, 0, 1]])}, watch=[s])
    assert result.outputs["y"].tolist() == [[10, 0, 2]]
    assert result.watched[s].tolist() == [[5, 0, 1]]
    increment = next(i for i, n in enumerate(graph.nodes) if n.op == "input")
    result = Interpreter(graph).run(arrays, overrides={increment: np.array([[1, 1, 1]])})
    assert result.outputs["y"].tolist() == [[2, 4, 6]]
    with pytest.raises(LsrlError, match="has shape"):
        Interpreter(graph).run(arrays, overrides={s: np.array([[5]])})


def test_kinds_of_results() -> None:
    text = "type c = {a, b}\ninput x: c\noutput p = x == a\noutput n = 1 + (x == a)\noutput x"
    text += "\noutput r = (x == a) / 2"
    result = run(text, ["a", "b"]).outputs
    assert {k: v.dtype.name for k, v in result.items()} == {
        "p": "bool", "n": "int64", "x": "int64", "r": "float64",
    }  # fmt: skip


def test_no_steps() -> None:
    graph = program(X + "output accumulate(x)").graph
    assert Interpreter(graph).run({"x": np.zeros((2, 0))}).outputs["output"].shape == (2, 0)


def test_run_checks_shapes() -> None:
    graph = program(X + "input y: int[2] in 0..1\noutput x").graph
    interpreter = Interpreter(graph)
    with pytest.raises(LsrlError, match="`y` is missing"):
        interpreter.run({"x": np.zeros((1, 3))})
    with pytest.raises(LsrlError, match="same B and T"):
        interpreter.run({"x": np.zeros((1, 3)), "y": np.zeros((1, 4, 2))})
    with pytest.raises(LsrlError, match="has shape"):
        interpreter.run(
            {"x": np.zeros((1, 3)), "y": np.zeros((1, 3, 1))},
            watch=[i for i, n in enumerate(graph.nodes) if n.op == "input"],
        )
