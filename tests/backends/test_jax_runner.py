"""The jax backend in this process: exactness, chunks of time, streams, and what is refused."""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest

import lsrl
from lsrl.sampling import Sampler

EXAMPLES = Path(__file__).parents[2] / "examples"
LONG = 1000
# Programs of integers and booleans that a target holds at T = 1,000: every kind of unit and state.
EXACT = {
    "linear-rnn": ["parity"],
    "lstm": ["associative_recall"],
    "gru": ["modular_addition"],
    "rnn": ["running_maximum"],
    "rnn-tanh": ["parity"],
    "mamba": ["associative_recall"],
    "hawk": ["associative_recall"],
}


@lru_cache
def compiled(name: str, target: str, length: int | None = None, **options: Any) -> Any:
    program = lsrl.load(EXAMPLES / f"{name}.lsrl", length=length)
    return lsrl.compile(program, target, verify=False, **options)


@pytest.mark.parametrize(("target", "name"), [(t, n) for t, names in EXACT.items() for n in names])
def test_integers_are_exact(target: str, name: str) -> None:
    """To the last bit what the equations give in NumPy, and what the program means."""
    model = compiled(name, target, LONG)
    data = Sampler(model.program, seed=4).draw(4, LONG)
    x, meant = model.stacked(data), model.program.interpreter.run(data).outputs
    y = model.runner("jax").run(x)
    assert y.dtype == np.float32
    assert np.array_equal(y, model.equations(x))
    for output, numbers in model.rounded(model.split(y)).items():
        assert np.array_equal(numbers, meant[output])


def test_all_steps_at_once() -> None:
    """A count of integers is exact in any order. Other targets: test_jax_emitted."""
    model = compiled("majority", "linear-rnn", LONG)
    x = model.stacked(Sampler(model.program, seed=4).draw(2, 21))
    y, state = model.jax()(x)
    z, last = model.jax(parallel=True)(x)
    assert np.array_equal(y, z)
    same = jax.tree_util.tree_map(np.array_equal, state, last)
    assert all(jax.tree_util.tree_leaves(same))


def scan_bound(a: Any, b: Any, h: Any, u: float) -> Any:
    """How far h_t = a_t h_{t-1} + b_t can be off in a scan over pairs of steps, beside underflow:
    a and b [T, ...], h [...], u the unit roundoff.

    A product of n factors and b is rounded n times, in any order (Higham, Accuracy and Stability of
    Numerical Algorithms, 2nd ed., lemma 3.1), and a term is added at most 2 ceil(log2 T) + 1 times,
    once a level up and down and once for h (Blelloch, Prefix sums and their applications, 1990).
    Step after step it is rounded n times in products and n in sums.
    """
    a, b, h = (np.abs(np.asarray(x, dtype=float)) for x in (a, b, h))
    added = 2 * np.ceil(np.log2(len(a))) + 1
    total, rounded, bounds = h, np.zeros_like(h), []  # rounded: each term times its factors
    for factor, term in zip(a, b, strict=True):
        rounded = factor * (rounded + total)
        total = factor * total + term
        bounds.append(rounded + added * total)
    return u * np.array(bounds) / (1 - (len(a) + added) * u)


@pytest.mark.parametrize("steps", [7, 1000])
def test_a_scan_of_reals_keeps_to_its_bound(steps: int) -> None:
    """As `hawk` and `mamba` do it, with decays of all sizes and both signs of what is added."""
    scan = jax.jit(compiled("majority", "hawk").runner("jax").functions["parallel_recurrence"])
    rng = np.random.default_rng(0)
    decays = rng.uniform([0, 0.9, 0.99, 0.5, 1, 0], [1, 1, 1, 0.5, 1, 0.01], (steps, 8, 6))
    a = decays.astype(np.float32)
    b = rng.uniform([[-1]] * 4 + [[0]] * 4, 1, (steps, 8, 6)).astype(np.float32)
    h = rng.uniform(-1, 1, (8, 6)).astype(np.float32)
    meant = [h.astype(float)]
    for factor, term in zip(a.astype(float), b.astype(float), strict=True):
        meant.append(factor * meant[-1] + term)
    error = np.abs(np.asarray(scan(a, b, h), dtype=float) - meant[1:])
    bound = scan_bound(a, b, h, 2.0**-24)
    assert (error <= bound + steps * 2.0**-149).all()
    assert error.max() > 2.0**-24


def test_verify() -> None:
    report = lsrl.verify(compiled("parity", "gru", LONG), samples=1, length=2, backend="jax")
    assert (report.passed, report.runners) == (True, ("numpy", "jax"))


def test_a_cell_cannot_be_run_at_once() -> None:
    with pytest.raises(lsrl.OptionError) as caught:
        compiled("parity", "gru").jax(parallel=True)
    assert caught.value.code == "E019"


def test_what_the_function_is_given_is_checked() -> None:
    model = compiled("majority", "linear-rnn", 20)
    for shape in ((3, 4), (2, 5, 3)):
        with pytest.raises(lsrl.OptionError, match=r"and the model takes \[B, T, 1\]") as caught:
            model.jax()(np.zeros(shape))
        assert caught.value.code == "E013"
    with pytest.warns(lsrl.LengthWarning, match="the sequence has 21 steps"):
        model.jax(parallel=True)(np.zeros((1, 21, 1)))


def test_float64_is_there_without_a_setting() -> None:
    """And float32 elsewhere stays what it is."""
    model = compiled("exponential_smoothing", "gru", dtype="float64")
    x = model.stacked(Sampler(model.program, seed=4).draw(2, 50))
    y, state = model.jax()(x)
    z, _ = model.jax()(x, state)
    assert y.dtype == z.dtype == state[0]["h"].dtype == np.float64
    assert np.abs(np.asarray(y) - model.equations(x)).max() < 1e-13
    assert jax.numpy.ones(1).dtype == np.float32


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_narrow_formats(dtype: str) -> None:
    model = compiled("last_k_window", "linear-rnn", dtype=dtype)
    x = model.stacked(Sampler(model.program, seed=4).draw(2, 50))
    y = model.runner("jax").run(x)
    assert y.dtype == model.dtype.numpy
    assert np.array_equal(y, model.equations(x))
    assert str(model.jax()(x)[0].dtype) == dtype


@pytest.mark.parametrize("target", ["gated-linear-rnn", "lstm", "hawk"])
def test_a_trace_reads_the_running_functions(target: str) -> None:
    model = compiled("majority", target)
    x = model.stacked(Sampler(model.program, seed=4).draw(2, 9))
    layers = model.runner("numpy").activations(x)
    for ours, found in zip(layers, model.runner("jax").activations(x), strict=True):
        assert sorted(ours) == sorted(found)
        assert all(np.array_equal(found[k], ours[k]) for k in ours)
    assert model.trace([1, 0, 1, 1], backend="jax").first_divergence() is None


def test_without_jax(monkeypatch: pytest.MonkeyPatch) -> None:
    model = compiled.__wrapped__("parity", "gru")
    backends: Any = sys.modules["lsrl.backends"]
    backends.backend.cache_clear()
    monkeypatch.setattr("lsrl.backends.find_spec", lambda name: None)
    for call in (model.jax, model.flax, lambda: model.run([1, 0], backend="jax")):
        with pytest.raises(lsrl.OptionError) as caught:
            call()
        assert caught.value.code == "E026"
        assert caught.value.diagnostics[0].help == "pip install 'lsrl[jax]'"


def test_a_device_without_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    """Metal is one; here a sum that fails as it does there."""
    model = compiled.__wrapped__("parity", "gru", dtype="float64")

    def ones(*args: Any) -> None:
        raise jax.errors.JaxRuntimeError("UNIMPLEMENTED")

    monkeypatch.setattr("jax.numpy.ones", ones)
    with pytest.raises(lsrl.OptionError, match="the device of JAX, cpu, has no float64") as caught:
        model.run([1, 0], backend="jax")
    assert caught.value.code == "E021"


def test_a_batch_is_split_among_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which must be as many as the batch has parts: the first sequence fills up."""
    model = compiled.__wrapped__("parity", "gru")
    x = model.stacked(Sampler(model.program, seed=4).draw(3, 9))
    runner, seen = model.runner("jax"), []
    y, state = runner.advance(x, runner.initial(3))
    devices = [*jax.local_devices(), SimpleNamespace()]
    monkeypatch.setattr("jax.local_devices", lambda: devices)
    keep = lambda weights, x, chosen: seen.append((len(x[0]), chosen)) or (weights, x)
    runner.functions["sharded"] = keep
    z, after = runner.advance(x, runner.initial(3))
    assert np.array_equal(z, y)
    assert after[0]["h"].shape == state[0]["h"].shape
    assert np.array_equal(after[0]["h"], state[0]["h"])
    assert seen == [(4, devices)]
