"""Streams: a run that is cut anywhere, saved and taken up again is the run in one go."""

from __future__ import annotations

import gc
import sys
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lsrl
from lsrl.sampling import Sampler

EXAMPLES = Path(__file__).parents[2] / "examples"
BACKENDS = ["numpy", "torch", "jax"]
STEPS = 12
TARGETS = sorted(lsrl.targets())


@lru_cache
def compiled(target: str, name: str = "exponential_smoothing", **options: Any) -> Any:
    return lsrl.compile(lsrl.load(EXAMPLES / f"{name}.lsrl"), target, verify=False, **options)


@lru_cache
def whole_run(target: str, backend: str) -> tuple[Any, list[Any], list[Any], list[Any]]:
    """A model, the elements of a run, the states before them, and the model's numbers."""
    model = compiled(target, "parity" if target == "rnn" else "exponential_smoothing")
    given, states, numbers = elements(model), [], []
    stream = model.stream(raw=True, backend=backend)
    for x in given:
        states.append(stream.state_dict())
        numbers.append(stream.step(x))
    return model, given, [*states, stream.state_dict()], numbers


def elements(model: Any) -> list[Any]:
    data = Sampler(model.program, seed=4).draw(1, STEPS)
    return [{k: v[0, t] for k, v in data.items()} for t in range(STEPS)]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=8)
@given(cuts=st.sets(st.integers(0, STEPS), max_size=4))
def test_a_run_may_be_cut_anywhere(target: str, backend: str, cuts: set[int]) -> None:
    """And each part be run by another stream, which has seen other things before: to the bit."""
    model, elements, states, numbers = whole_run(target, backend)
    found, state = [], states[0]
    for begin, end in pairwise(sorted(cuts | {0, STEPS})):
        stream = model.stream(raw=True, backend=backend)
        stream.step(elements[3])
        stream.load_state_dict(state)
        assert stream.steps == begin
        found += [stream.step(x) for x in elements[begin:end]]
        state = stream.state_dict()
        assert all(np.array_equal(a, states[end][k]) for k, a in state.items())
    assert found == numbers


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_state_goes_into_a_file(backend: str, tmp_path: Path) -> None:
    model, elements, states, numbers = whole_run("hawk", backend)
    np.savez(tmp_path / "state.npz", **states[7])
    stream = model.stream(raw=True, backend=backend)
    with np.load(tmp_path / "state.npz") as state:
        stream.load_state_dict(state)
    assert [stream.step(x) for x in elements[7:]] == numbers[7:]
    assert any(not np.array_equal(states[7][k], states[0][k]) for k in states[0] if k != "steps")


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
@pytest.mark.parametrize(("target", "name"), [("gru", "parity"), ("hawk", "majority")])
def test_memory_and_work_are_constant(target: str, name: str, backend: str) -> None:
    """Step 200 leaves no more objects behind than step 20, and calls as many functions."""
    stream, objects, calls = compiled(target, name).stream(backend=backend), [], []
    for step in (20, 200):
        while stream.steps < step:
            stream.step(1)
        gc.collect()
        objects.append(len(gc.get_objects()))
        calls.append(functions_called(lambda: stream.step(1)))
    assert objects[1] - objects[0] < 20
    assert calls[1] == calls[0]


def functions_called(action: Any) -> int:
    """How many functions, of C too, an action calls."""
    events: list[str] = []
    gc.disable()
    sys.setprofile(lambda frame, event, arg: events.append(event))
    try:
        action()
    finally:
        sys.setprofile(None)
        gc.enable()
    return sum(event.endswith("call") for event in events)
