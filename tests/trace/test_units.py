"""Tracing and overwriting named values in the stock modules: lstm, gru and rnn."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

import lsrl
from lsrl.patched import Trial
from lsrl.sampling import Sampler
from lsrl.symbols import symbols_of

EXAMPLES = Path(__file__).parents[2] / "examples"
TARGETS = ("lstm", "gru", "rnn", "rnn-tanh")
NAMES = ("dictionary", "selective_copy", "exponential_smoothing", "scattered_copy", "watchdog")
CASES = [(t, n) for t in TARGETS for n in NAMES]


@cache
def example(target: str, name: str) -> lsrl.CompiledModel:
    return lsrl.compile(lsrl.load(EXAMPLES / f"{name}.lsrl"), target)


def sequence(model: lsrl.CompiledModel) -> dict[str, np.ndarray]:
    drawn = Sampler(model.program, 3).draw(1, min(40, model.program.length))
    return {name: x[0] for name, x in drawn.items()}


@pytest.mark.parametrize(("target", "name"), CASES)
def test_what_the_stock_module_holds_is_what_the_program_means(target: str, name: str) -> None:
    model = example(target, name)
    for backend in ("numpy", "torch"):
        trace = model.trace(sequence(model), backend=backend)
        assert trace.first_divergence() is None
        assert len(trace.names) >= 2


@pytest.mark.parametrize(("target", "name"), CASES)
def test_overwriting_is_what_the_program_says_of_it(target: str, name: str) -> None:
    """With a seed that `compile` has not tried."""
    model = example(target, name)
    trial = Trial(model, 11)
    patchable = [s for s in symbols_of(model).values() if s.patch]
    assert patchable
    for symbol in patchable:
        for partial in [False] if symbol.always else [False, True]:
            assert trial.difference([symbol], partial=partial) == "", symbol.name
    assert trial.compared > 0


X = [5, 17, 3, 1, 2, 3, 7, 8, 9, 5, 17, 3, 4, 5, 6]  # a query and two pairs


@pytest.mark.parametrize("target", ["lstm", "gru"])
def test_another_query_finds_another_value(target: str) -> None:
    model = example(target, "dictionary")
    patched = model.intervene("query", [1, 2, 3])
    assert model.run(X)[6:].tolist() == [0, 0, 0, 0, 0, 0, 4, 5, 6]
    assert patched.run(X)[6:9].tolist() == [7, 8, 9]
    assert np.array_equal(patched.run(X), patched.meaning(X))
    assert patched.trace(X)["query"].tolist() == [[1, 2, 3]] * len(X)


def test_a_register_behind_an_output_gate_is_read_from_its_cell() -> None:
    model = example("lstm", "dictionary")
    kinds = {t[0] for e in model.symbols["query"]["elements"] for t in e["terms"]}
    assert kinds == {"c"}
    assert model.trace(X, backend="torch")["query"][-1].tolist() == [5, 17, 3]


@pytest.mark.parametrize("target", TARGETS)
def test_noise_shows_where_it_first_matters(target: str) -> None:
    model = example(target, "dictionary")
    found = model.with_noise(0.3, seed=1).trace(X).first_divergence()
    assert found is not None
    assert found.name in model.trace(X).names


@pytest.mark.parametrize("target", TARGETS)
def test_the_circuit_accounts_for_every_unit(target: str) -> None:
    model = example(target, "dictionary")
    circuit = model.circuit()
    units = {(u.layer, u.index) for own in circuit.units.values() for u in own if u.kind == "h"}
    units |= {(c.unit.layer, c.unit.index) for c in circuit.carriers}
    rows: set[tuple[int, int]] = set()
    size = model.shape["hidden_size"]
    for layer in range(model.shape["num_layers"]):
        for part in ("weight_ih", "weight_hh"):
            gates = model.weights[f"rnn.{part}_l{layer}"]
            rows |= {(layer, int(r) % size) for r in np.flatnonzero(gates.any(axis=1))}
    assert rows <= units
