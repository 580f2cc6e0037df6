"""Ranges of counters are counted in plain numbers: the same as those of the general rounds."""

from __future__ import annotations

import numpy as np
import pytest

import lsrl
from lsrl.analysis.ranges import _facts, _Ranges

COUNTERS = [
    "0 then (s + 1) mod 7",
    "5 then (s + 3) mod 10",
    "0 then (s + x) mod 12",
    "3 then (2 + s) mod 500",
    "1 then (s + 6) mod 1000",
    "0 then (s + 1 - x) mod 9",
    "0 then (s + y) mod 8",
]


@pytest.mark.parametrize("counter", COUNTERS)
@pytest.mark.parametrize("length", [1, 2, 5, 60, 3000])
def test_they_are_those_of_the_rounds(
    counter: str, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"input x: int in 0..2\ninput y: int in -1..3\nstate s = {counter}\noutput s\n"
    graph = lsrl.parse(text, length=length).elaborated.graph
    counted = _facts(graph)
    monkeypatch.setattr(_Ranges, "_counted", lambda self, nodes, before, rounds: (before, rounds))
    for fact, other in zip(counted, _facts(graph), strict=True):
        np.testing.assert_array_equal((fact.lo, fact.hi), (other.lo, other.hi))
        assert fact.step == other.step


def test_a_graph_is_analysed_once() -> None:
    program = lsrl.parse("input x: bool\noutput cycle(3) == 1 and x\n")
    assert program.facts is lsrl.analysis.ranges.analyse(program.graph)
