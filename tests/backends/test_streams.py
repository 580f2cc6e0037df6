"""Streams: a run that is cut anywhere, saved and taken up again is the run in one go."""

from __future__ import annotations

import gc
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lsrl
from lsrl.sampling import Sampler

EXAMPLES = Path(__file__).parents[2] / "examples"
BACKENDS = ["numpy", "torch", "jax"]
CUTS = [0, 1, 7]
STEPS = 12


@lru_cache
def compiled(target: str, name: str = "exponential_smoothing", **options: Any) -> Any:
    return lsrl.compile(lsrl.load(EXAMPLES / f"{name}.lsrl"), target, verify=False, **options)


def elements(model: Any) -> list[Any]:
    data = Sampler(model.program, seed=4).draw(1, STEPS)
    return [{k: v[0, t] for k, v in data.items()} for t in range(STEPS)]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("target", ["gated-linear-rnn", "lstm", "gru", "rnn-tanh", "mamba", "hawk"])
def test_a_run_may_be_cut_anywhere(target: str, backend: str, tmp_path: Path) -> None:
    model = compiled(target)
    given, stream, states = elements(model), model.stream(raw=True, backend=backend), []
    whole = []
    for x in given:
        states.append(stream.state_dict())
        whole.append(stream.step(x))
    for cut in CUTS:
        np.savez(tmp_path / "state.npz", **states[cut])
        other = model.stream(raw=True, backend=backend)
        other.step(given[3])
        with np.load(tmp_path / "state.npz") as state:
            other.load_state_dict(state)
        assert other.steps == cut
        assert [other.step(x) for x in given[cut:]] == whole[cut:]
    assert states[5].keys() == states[0].keys()
    assert any(not np.array_equal(states[5][k], states[0][k]) for k in states[0] if k != "steps")


@pytest.mark.parametrize("target", ["linear-rnn", "lstm", "rnn", "mamba", "hawk"])
def test_another_backend_goes_on(target: str) -> None:
    model = compiled(target, "parity" if target == "rnn" else "majority")
    given = elements(model)
    meant = model.program.run({k: [x[k] for x in given] for k in given[0]})
    state: Any = None
    for i in range(0, STEPS, 2):
        stream = model.stream(backend=BACKENDS[i // 2 % 3])
        if state is not None:
            stream.load_state_dict(state)
        assert [stream.step(x) for x in given[i : i + 2]] == list(meant[i : i + 2])
        state = stream.state_dict()
    assert int(state["steps"]) == STEPS


def test_bfloat16_is_restored_to_the_bit() -> None:
    model = compiled("linear-rnn", dtype="bfloat16", tolerance=float("inf"))
    for backend in BACKENDS:
        stream = model.stream(backend=backend)
        stream.step(elements(model)[3])
        saved = stream.state_dict()
        stream.load_state_dict(saved)
        assert saved["layers.0.s"].dtype == np.float32
        assert all(np.array_equal(a, saved[k]) for k, a in stream.state_dict().items())


def test_a_saved_state_stays_as_it_was() -> None:
    for backend in BACKENDS:
        stream = compiled("hawk", "majority").stream(backend=backend)
        stream.step(1)
        saved = stream.state_dict()
        before = {k: a.copy() for k, a in saved.items()}
        stream.step(1)
        stream.load_state_dict(saved)
        stream.step(0)
        assert all(np.array_equal(saved[k], a) for k, a in before.items())


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": None}, "no `steps`"),
        ({"layers.0.h": None}, "no `layers.0.h`"),
        ({"other": np.zeros(2)}, "a part `other`"),
        ({"layers.0.h": np.zeros((1, 1), "float32")}, "the shape"),
        ({"layers.0.h": [[1], [2, 3]]}, "not an array"),
        ({"layers.0.h": "0"}, "the shape"),
        ({"steps": np.array(-1)}, "-1 steps"),
        ({"steps": np.array(1.5)}, "the dtype float64"),
        ({"steps": np.array(True)}, "the dtype bool"),
    ],
)
def test_what_is_no_state(backend: str, change: dict[str, Any], message: str) -> None:
    stream = compiled("gru", "parity").stream(backend=backend)
    stream.step(1)
    before = stream.state_dict()
    state = {k: v for k, v in (before | change).items() if v is not None}
    with pytest.raises(lsrl.OptionError) as caught:
        stream.load_state_dict(state)
    assert caught.value.code == "E018"
    assert message in caught.value.diagnostics[0].message
    assert all(np.array_equal(a, before[k]) for k, a in stream.state_dict().items())


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.1])
def test_numbers_that_the_dtype_does_not_have(value: float) -> None:
    stream = compiled("gru", "parity").stream(backend="numpy")
    state = stream.state_dict()
    state["layers.0.h"] = np.full(state["layers.0.h"].shape, value)
    with pytest.raises(lsrl.OptionError, match=r"not finite|does not have"):
        stream.load_state_dict(state)
    with pytest.raises(lsrl.OptionError, match="it is list"):
        stream.load_state_dict([])  # type: ignore[arg-type]


@pytest.mark.parametrize("backend", BACKENDS)
def test_memory_is_constant(backend: str) -> None:
    """200 steps leave no object behind."""
    stream, counts = compiled("gru", "parity").stream(backend=backend), []
    for steps in (20, 200):
        for _ in range(steps):
            stream.step(1)
        gc.collect()
        counts.append(len(gc.get_objects()))
    assert counts[1] - counts[0] < 20
