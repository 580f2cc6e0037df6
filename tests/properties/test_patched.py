"""Random programs: their named values in the running model, and overwritten ones."""

from __future__ import annotations

import pytest
from cases import case, compiled

import lsrl
from lsrl.patched import Trial, settled
from lsrl.symbols import symbols_of

SEEDS = range(0, 120, 30)


@pytest.mark.parametrize("first", SEEDS)
def test_traces(first: int) -> None:
    """Every name that a model holds is the interpreter's at every step."""
    names = 0
    for seed in range(first, first + 30):
        c = case(seed, linear_rnn=True)
        model = compiled(c)
        if isinstance(model, lsrl.LsrlError):
            continue
        trace = model.trace({n: x[0] for n, x in c.generated.inputs.items()}, backend="numpy")
        assert trace.first_divergence() is None, c.generated
        names += len(trace)
    assert names > 150


@pytest.mark.parametrize("first", SEEDS[:2])
def test_names_that_can_be_overwritten(first: int) -> None:
    """What is marked so is so, on random values other than those that marked it."""
    names = 0
    for seed in range(first, first + 30):
        c = case(seed, linear_rnn=True)
        model = compiled(c)
        if isinstance(model, lsrl.LsrlError):
            continue
        marked, trial = settled(model), Trial(model, seed=7)
        for name, symbol in symbols_of(model).items():
            if marked[name]["patchable"]:
                for partial in [False] if symbol.always else [False, True]:
                    found = trial.difference([symbol], partial=partial)
                    assert not found, (name, found, c.generated)
                names += 1
    assert names > 80
