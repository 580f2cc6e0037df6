"""Sequences that no input reaches: kept up to their first period, the same as when run in full."""

from __future__ import annotations

import numpy as np
import pytest

import lsrl
from lsrl.analysis.periods import autonomous
from lsrl.lower import clock
from lsrl.lower.atoms import AtomGraph
from lsrl.lower.autonomous import simulate
from lsrl.lower.clock import Clocks
from lsrl.lower.sequences import Course, Sequences, lasso_of, smallest

PROGRAMS = {
    "counters": "output (cycle(4) == 1 or cycle(6) < 2) and steps() > 5\n",
    "late": "t = steps()\noutput if t >= 7 then cycle(3) else t\n",
    "vector": "c = cycle(5)\noutput [c == 1, c + 1 > 2, prev(c == 3)]\n",
    "growing": "output steps() * 2\n",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_they_are_what_runs(name: str) -> None:
    text = "input x: bool\n" + PROGRAMS[name]
    graph = lsrl.parse(text, length=90).graph
    sequences = Sequences(graph)
    run = simulate(graph, [n for n in autonomous(graph) if graph.nodes[n].op != "const"], 90)
    assert run.keys() == sequences.keys()
    for n, values in run.items():
        np.testing.assert_array_equal(sequences[n], values)
        assert sequences.courses[n].lasso == lasso_of(values)


def test_the_smallest_prefix_and_period() -> None:
    values = np.array([3, 1, 2, 1, 2, 1, 2, 1])[:, None]  # 3, then 1 2 for ever
    assert smallest(values, (2, 6)) == (1, 2)
    assert Course(values[:3], 2).first(8).tolist() == values.tolist()


@pytest.mark.parametrize("prefix", [0, 1, 4])
@pytest.mark.parametrize("period", [1, 2, 3, 6])
def test_a_course_goes_on_and_is_found_again(prefix: int, period: int) -> None:
    rng = np.random.default_rng(prefix + 10 * period)
    for _ in range(20):
        values = rng.integers(0, 2, (prefix + period, 1)).astype(bool)
        steps = np.arange(50)
        place = np.where(steps < prefix, steps, prefix + (steps - prefix) % period)
        run = Course(values, period).first(50)
        np.testing.assert_array_equal(run, values[place])
        assert smallest(values, (prefix, period)) == lasso_of(run)


def test_a_long_clock_is_made_where_enough_is_read_off_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "MAX_LANES", 8)
    head = "input x: bool\n"
    few = lsrl.parse(head + "output cycle(40) == 3\n", length=200).graph
    many = lsrl.parse(head + "output [cycle(40) == i for i in range(20)]\n", length=200).graph
    assert not Clocks(few, AtomGraph()).clocks
    assert [c.size for c in Clocks(many, AtomGraph()).clocks] == [40]


@pytest.mark.parametrize(
    ("values", "lasso"),
    [([5], (0, 1)), ([1, 0], (1, 1)), ([1, 0, 0], (1, 1)), ([2, 2, 2], (0, 1)), ([0, 1, 2], None)],
)
def test_of_a_few_steps_the_last_one_stays(values: list[int], lasso: object) -> None:
    """So `first()` is a clock in a program of two steps, too."""
    assert lasso_of(np.array(values, dtype=float)[:, None]) == lasso
