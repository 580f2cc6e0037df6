"""The fused executor against the interpreter: examples, random programs, every form of state."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fused_cases import FORMS, SOURCE, difference, inputs
from hypothesis import HealthCheck, given, settings

import lsrl
from lsrl.errors import OptionError
from lsrl.fused import executor
from lsrl.sampling import Sampler
from lsrl.testing import Generated, generate, programs

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.lsrl"))


@cache
def every_form() -> lsrl.Program:
    return lsrl.parse(SOURCE)


def check(generated: Generated, framework: str) -> None:
    program = lsrl.parse(generated.source)
    want = program.interpreter.run(generated.inputs)
    problem = difference(program, want, program.fused(framework).run(generated.inputs))
    assert problem is None, f"{problem}\n{generated}\n{program.fused(framework).text}"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_examples(path: Path) -> None:
    program = lsrl.load(path)
    data = Sampler(program, seed=1).draw(4, min(60, program.length))
    want = program.interpreter.run(data)
    for framework in ("numpy", "torch"):
        assert difference(program, want, program.fused(framework).run(data)) is None, framework


@pytest.mark.parametrize(("framework", "seeds"), [("numpy", 60), ("torch", 20)])
def test_random_programs(framework: str, seeds: int) -> None:
    for seed in range(seeds):
        check(generate(seed), framework)


@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(programs())
def test_what_hypothesis_draws(generated: Generated) -> None:
    check(generated, "numpy")


def test_every_state_takes_the_form_that_it_should() -> None:
    groups = every_form().fused().fusion.groups
    found = {name: group.how for group in groups for name in group.states}
    for name, how in FORMS.items():
        assert how in found[name], name
    (table, chaos) = every_form().fused().fusion.loops
    assert chaos.states == ("chaos",)
    assert "a" in table.states
    assert "chaos: step by step: the next value is a non-linear" in every_form().fused().text


@pytest.mark.parametrize(
    "states",
    [
        "state s = 0 then (s + x) + (if first() then 5 else 0)\nstate t = 0 then t",
        "state s = 0 then (s + x) + y\nstate t = 0 then t + (3 - y)",
        "state s = 0 then s + y\nstate t = 0 then (t + x) + (3 - y)",
    ],
)
def test_sums_of_more_than_one_thing(states: str) -> None:
    """They are not the rest of another sum, nor what the first step adds alone."""
    program = lsrl.parse(f"input x: int in 0..3\ninput y: int in 0..3\n{states}\noutput [s, t]")
    data = Sampler(program, seed=1).draw(2, 9)
    want = program.interpreter.run(data)
    for framework in ("numpy", "torch"):
        assert difference(program, want, program.fused(framework).run(data)) is None, framework


@pytest.mark.parametrize("framework", ["numpy", "torch"])
def test_in_parts(framework: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut over time and over the batch, the states carried on: the same as the interpreter."""
    program, data = every_form(), inputs(3, 67)
    monkeypatch.setitem(executor.PART, framework, 60)
    fused = program.fused(framework)
    (times, *_) = [times for _, times in fused._parts(3, 67)]
    assert len(times) > 2
    assert difference(program, program.interpreter.run(data), fused.run(data)) is None


def test_steps_one_after_the_other_are_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """In PyTorch, once for each shape of the batch, and never in a loop of Python's."""
    program, made = lsrl.parse(SOURCE), []
    fused, unit = program.fused("torch"), torch.jit.CompilationUnit
    monkeypatch.setattr(torch.jit, "CompilationUnit", lambda: made.append(unit()) or made[-1])
    for batch, steps, loops in ((2, 1, 2), (2, 40, 2), (2, 300, 2), (5, 9, 4), (2, 9, 4)):
        data = inputs(batch, steps)
        assert difference(program, program.interpreter.run(data), fused.run(data)) is None
        assert len(made) == loops
    assert len(fused.fusion.loops) == 2


def test_jax_compiles_for_one_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last part is made as long as the others."""
    program = lsrl.load(EXAMPLES[0].parent / "parity.lsrl")
    data = Sampler(program, seed=1).draw(2, 50)
    monkeypatch.setitem(executor.PART, "jax", 40)
    fused = program.fused("jax")
    shapes = set()
    run = fused._run

    def watched(part: Any, state: Any) -> Any:
        shapes.update(x.shape for x in part.values())
        return run(part, state)

    monkeypatch.setattr(fused, "_run", watched)
    assert difference(program, program.interpreter.run(data), fused.run(data)) is None
    assert len(shapes) == 1


def test_names_that_the_module_has_too() -> None:
    """A constant's, a function's, and those of the emitted frame."""
    program = lsrl.parse(
        "input C1: int in 0..2\ninput where: int in 0..2\n"
        "state next_s: int in 0..2 = 0 then [0, 2, 1, 1, 0, 2, 2, 2, 0][3 * C1 + next_s]\n"
        "state s: int in 0..2 = 0 then [1, 2, 1, 1, 0, 2, 2, 2, 0][3 * where + s]\n"
        "output run = next_s + s\noutput C2 = [5, 6, 7][C1]\n"
    )
    data = Sampler(program, seed=1).draw(2, 9)
    got = program.fused().run(data)
    assert difference(program, program.interpreter.run(data), got) is None


def test_a_long_decay_is_stable() -> None:
    """No power of the factor is divided by: 0.5^T is 0 long before the end."""
    program = lsrl.parse(
        "length <= 99999\ninput x: real in -1..1\nstate s = 0 then s / 2 + x\noutput s"
    )
    x = np.random.default_rng(0).uniform(-1, 1, (1, 20000))
    with np.errstate(all="raise"):
        got = program.fused().run({"x": x})["s"]
    assert (
        np.abs(got[0, 64:] - sum(x[0, 64 - k : 20000 - k] / 2**k for k in range(60))).max() < 1e-14
    )


def test_a_growing_state_is_cut_at_the_length() -> None:
    program = lsrl.parse(
        "length <= 50\ninput x: int in 0..1\nstate s = 0.5 then 2.5 * s + x\noutput s"
    )
    fused = program.fused()
    assert fused.fusion.grows
    assert max(t.stop - t.start for _, times in fused._parts(1, 500) for t in times) == 50


def test_models_run_fused() -> None:
    program = lsrl.load(EXAMPLES[0].parent / "parity.lsrl", length=20)
    model = lsrl.compile(program, "gru", verify=False)
    x: Any = np.random.default_rng(0).integers(0, 2, (3, 20))
    for backend in (None, "torch"):
        got = model.run_batch(x, fused=True, backend=backend)
        assert got.dtype == np.int64
        assert np.array_equal(got, program.run_batch(x))
    assert np.array_equal(model.run(x[0], fused=True), got[0])
    with pytest.warns(lsrl.errors.LengthWarning):
        model.run([1] * 21, fused=True)
    with pytest.raises(OptionError, match="no fused executor for the backend `triton`"):
        model.run(x[0], fused=True, backend="triton")


def test_what_it_cannot_run_is_said() -> None:
    program = lsrl.load(EXAMPLES[0].parent / "majority.lsrl")
    for data in ([True, False], {"bit": [[True, False]]}):
        with pytest.raises(OptionError, match="takes an array of all sequences by field"):
            program.fused().run(data)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="was given `x`, and the program reads `bit`"):
        program.fused().run({"x": np.zeros((1, 2))})
    for shape in ((2,), (1, 2, 1)):
        with pytest.raises(OptionError, match=r"`bit` has the shape \[.*\], not \[B, T\]"):
            program.fused().run({"bit": np.zeros(shape, dtype=bool)})
    for shape in ((1, 0), (0, 1)):
        with pytest.raises(OptionError, match="sequences without an element, or none"):
            program.fused().run({"bit": np.zeros(shape, dtype=bool)})
    model = lsrl.compile(program, verify=False)
    with pytest.raises(OptionError, match="runs no weights, so there are no raw numbers"):
        model.run([True, False], fused=True, raw=True)
