"""Properties of all programs: format, optimiser, text, batch and stream, ranges, exact mode."""

from __future__ import annotations

from collections.abc import Callable

import cases
import pytest
from cases import Case, case
from hypothesis import HealthCheck, given, settings

from lsrl.testing import Generated, programs

CHUNK = 100
SEEDS = range(0, 300, CHUNK)
PROPERTIES = [
    cases.format_problem,
    cases.optimiser_problem,
    cases.text_problem,
    cases.batch_problem,
    cases.range_problem,
    cases.exact_problem,
]


def _holds(holds: Callable[[Case], str | None], c: Case) -> None:
    problem = holds(c)
    assert problem is None, f"{problem}\n{c.generated}"


@pytest.mark.parametrize("first", SEEDS)
@pytest.mark.parametrize("holds", PROPERTIES, ids=lambda p: p.__name__.removesuffix("_problem"))
def test_holds(holds: Callable[[Case], str | None], first: int) -> None:
    for seed in range(first, first + CHUNK):
        _holds(holds, case(seed))


@pytest.mark.parametrize("first", SEEDS[:1])
def test_holds_for_programs_of_linear_rnn(first: int) -> None:
    for seed in range(first, first + CHUNK):
        for holds in PROPERTIES:
            _holds(holds, case(seed, linear_rnn=True))


def test_some_programs_are_rational() -> None:
    assert sum(cases.is_rational(case(seed).program.graph) for seed in range(100)) >= 30


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(programs())
def test_holds_for_what_hypothesis_draws(generated: Generated) -> None:
    for holds in PROPERTIES:
        _holds(holds, Case(generated))
