"""The generator: its programs are legal, and have everything that the language has."""

from __future__ import annotations

from collections import Counter

import numpy as np
from cases import case
from hypothesis import HealthCheck, given, settings

import lsrl
from lsrl.analysis.kinds import StateKind
from lsrl.testing import EVERYTHING, Generated, features, generate, programs
from lsrl.testing.choices import Drawn

PROGRAMS = 1000
ONE_PERCENT = PROGRAMS // 100


def test_every_program_is_legal_and_everything_occurs() -> None:
    """1,000 programs; each feature in at least 1 % of them."""
    found: Counter[str] = Counter()
    for seed in range(PROGRAMS):
        c = case(seed)
        found.update(features(c.program.tree, c.raw))
    rare = {f: found[f] for f in EVERYTHING if found[f] < ONE_PERCENT}
    assert not rare


def test_programs_for_linear_rnn_have_what_it_holds() -> None:
    found: Counter[str] = Counter()
    for seed in range(PROGRAMS):
        c = case(seed, linear_rnn=True)
        found.update(features(c.program.tree, c.raw))
    beyond = {f"function {f}" for f in ("latch", "since", "running_max", "running_min")}
    beyond.add(f"state {StateKind.GENERAL.value}")
    rare = {f: found[f] for f in EVERYTHING - beyond if found[f] < ONE_PERCENT}
    assert not rare


def test_inputs_are_in_domain_and_meet_the_assumptions() -> None:
    assuming = 0
    for seed in range(200):
        c = case(seed)
        for field in c.program.inputs:
            x = np.asarray(c.inputs[field.name], dtype=float)
            assert x.shape[2:] == (field.type.shape or ())
            assert x.min() >= field.lo
            assert x.max() <= field.hi
            assert 1 <= x.shape[1] <= c.program.length == c.generated.length
        assuming += bool(c.raw.assumes)
        c.meaning  # noqa: B018  (raises where an assumption or a bound is broken)
    assert assuming >= 10


def test_a_seed_gives_the_same_program() -> None:
    a, b = generate(7), generate(7)
    assert a.source == b.source
    assert all(np.array_equal(x, b.inputs[name]) for name, x in a.inputs.items())
    assert generate(8).source != a.source


def test_functions_are_written_and_called_twice() -> None:
    sources = [generate(seed).source for seed in range(200)]
    assert any("[f" in s and "def f" in s for s in sources)


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(programs())
def test_the_strategy_draws_legal_programs(generated: Generated) -> None:
    program = lsrl.parse(generated.source)
    program.interpreter.run(generated.inputs)


def test_the_simplest_choices_give_the_simplest_program() -> None:
    """What Hypothesis shrinks towards."""
    simplest = generate(Drawn(lambda lo, hi: lo))
    assert len(simplest.source.splitlines()) <= 6
    lsrl.parse(simplest.source)
