"""Tracing and overwriting named values in `mamba` and `hawk`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

import lsrl
from lsrl.patched import Trial
from lsrl.sampling import Sampler
from lsrl.symbols import symbols_of

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.lsrl"))
TARGETS = ("mamba", "hawk")
REFUSED = {"automaton", "oscillator", "traffic_light"}
HELD = [(t, p.stem) for t in TARGETS for p in EXAMPLES if p.stem not in REFUSED]
# Programs over tokens and over numbers, with every kind of state.
SOME = ("majority", "selective_copy", "exponential_smoothing", "vector", "watchdog", "token_counts")
CASES = [(t, n) for t in TARGETS for n in SOME]


@cache
def example(target: str, name: str) -> lsrl.CompiledModel:
    program = lsrl.load(EXAMPLES[0].parent / f"{name}.lsrl")
    return lsrl.compile(program, target, verify=name in SOME)


@pytest.mark.parametrize(("target", "name"), HELD)
def test_every_name_is_what_the_program_means(target: str, name: str) -> None:
    """At every step, in both backends."""
    model = example(target, name)
    drawn = Sampler(model.program, 3).draw(1, min(24, model.program.length))
    x = {field: values[0] for field, values in drawn.items()}
    for backend in ("numpy", "torch"):
        trace = model.trace(x, backend=backend)
        assert trace.first_divergence() is None
        assert set(model.program.output_names) <= set(trace.names)


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


@pytest.mark.parametrize("target", TARGETS)
def test_a_state_is_overwritten_for_this_step_and_the_next(target: str) -> None:
    text = "length <= 50\ninput b: bool\nstate n = 0 then n + b\noutput n\noutput many = n > 3"
    model = lsrl.compile(lsrl.parse(text), target)
    patched = model.intervene("n", 7, steps=1)
    x = [1, 0, 0, 1]
    assert patched.trace(x)["n"].tolist() == [1, 7, 7, 8]
    assert patched.run(x)["many"].tolist() == [False, True, True, True]
    assert model.run(x)["n"].tolist() == [1, 1, 1, 2]
    assert patched.trace(x).first_divergence() is None


@pytest.mark.parametrize("target", TARGETS)
def test_noise_shows_where_it_first_matters(target: str) -> None:
    model = example(target, "selective_copy")
    x = {field: values[0] for field, values in Sampler(model.program, 3).draw(1, 24).items()}
    found = model.with_noise(0.3, seed=1).trace(x).first_divergence()
    assert found is not None
    assert found.name in model.trace(x).names


@pytest.mark.parametrize("target", TARGETS)
def test_the_circuit_accounts_for_every_unit(target: str) -> None:
    """Each channel that computes something belongs to a name or carries one."""
    model = example(target, "token_counts")
    circuit = model.circuit()
    units = {(u.layer, u.kind, u.index) for own in circuit.units.values() for u in own}
    units |= {(c.unit.layer, c.unit.kind, c.unit.index) for c in circuit.carriers}
    for layer in range(model.report.layers):
        if target == "mamba":
            read = [("u", f"backbone.layers.{layer}.mixer.out_proj.weight")]
        else:
            at = f"model.layers.{layer}."
            read = [("u", f"{at}temporal_block.linear_out.weight"),
                    ("m", f"{at}mlp_block.down_proj.weight")]  # fmt: skip
        for kind, name in read:
            for index in np.flatnonzero(model.weights[name].any(axis=0)):
                assert (layer, kind, int(index)) in units, (layer, kind, index)


@pytest.mark.parametrize("target", TARGETS)
def test_joint_logits_belong_to_all_outputs(target: str) -> None:
    model = example(target, "dyck1_valid")
    for name in ("valid", "prefix"):
        places = {(u.layer, u.index) for u in model.circuit()[name] if u.kind == "y"}
        assert places == {(model.report.layers - 1, i) for i in range(4)}
