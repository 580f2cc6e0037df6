"""Drawn inputs keep every promise, and are of many manners."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lsrl.errors import OptionError, ProgramError
from lsrl.program import Program, load, parse
from lsrl.proposals import examples_of
from lsrl.sampling import Sampler

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.lsrl"))


def example(name: str, **params: int) -> Program:
    return load(Path(__file__).parents[2] / "examples" / f"{name}.lsrl", params)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_every_promise_of_every_example_is_kept(path: Path) -> None:
    program = load(path)
    sampler = Sampler(program, 1)
    for n, length in ((40, 1), (64, min(60, program.length)), (1, 30)):
        batch = sampler.draw(n, length)
        checked = program.batch(batch, batched=True)  # in the declared types, and of their shapes
        for field, array in batch.items():
            assert array.shape[:2] == (n, length)
            assert array.dtype == checked[field].dtype
        program.interpreter.run(batch, undetermined=False)  # or `PromiseError`


def test_the_longest_sequences_are_reached() -> None:
    for name in ("dyck1_depth", "scattered_copy"):
        program = example(name)
        program.interpreter.run(Sampler(program, 0).draw(32, program.length), undetermined=False)


@pytest.mark.parametrize("name", ["dictionary", "vector", "scattered_copy", "delayed_match"])
def test_a_seed_gives_the_same_inputs(name: str) -> None:
    program = example(name)
    draws = []
    for seed in (3, 3, 4):
        sampler = Sampler(program, seed)
        draws.append([sampler.draw(20, 12), sampler.draw(9, 30)])
    for first, again in zip(draws[0], draws[1], strict=True):
        assert all((first[f] == again[f]).all() for f in first)
    assert any((draws[0][0][f] != draws[2][0][f]).any() for f in draws[0][0])
    assert any((draws[0][0][f][0] != draws[0][1][f][0, :12]).any() for f in draws[0][0])


def test_extremes_occur() -> None:
    batch = Sampler(example("vector"), 0).draw(200, 20)
    assert batch["side"].min() == 0 and batch["side"].max() == 1
    assert batch["value"].min() == -3 and batch["value"].max() == 3
    x = Sampler(example("running_maximum"), 0).draw(200, 20)["x"]
    assert (x == 9).all(axis=1).any() and (x == -9).all(axis=1).any()


def test_few_values_runs_and_uniform_ones_occur() -> None:
    token = Sampler(example("last_k_window"), 0).draw(200, 64)["token"]
    distinct = np.array([len(set(row)) for row in token.tolist()])
    changes = (token[:, 1:] != token[:, :-1]).sum(axis=1)
    assert (distinct == 2).any() and (distinct == token.max() + 1).any()
    assert ((changes > 0) & (changes < 6)).any()


def test_examples_and_their_mutations_occur() -> None:
    program = example("dictionary")
    batch = Sampler(program, 0).draw(400, 30)["token"]
    shortest = 1.0
    same = 0
    for row in examples_of(program):
        known = row["token"][:30]
        differs = (batch[:, : len(known)] != known).mean(axis=1)
        same += int((differs == 0).sum())
        shortest = min(shortest, differs[differs > 0].min())
    assert same > 0
    assert 0 < shortest < 0.2


def test_parameters_that_the_examples_do_not_admit() -> None:
    program = example("dictionary", vocab=2, n=1)
    assert Sampler(program, 0).draw(50, 20)["token"].max() == 1


def test_comparisons_of_reals_are_mostly_determined_but_edges_occur() -> None:
    program = example("thermostat")
    result = program.interpreter.run(Sampler(program, 0).draw(256, 60))
    assert result.mattered.mean() < 0.2
    assert min(m.smallest for m in result.margins) < 1e-3
    near = [b for b in Sampler(program, 1).draw(256, 60)["temperature"].ravel() if 19 < b < 19.01]
    assert near


HARD = {
    "counting": "input x: int in 0..999\nassume x == (prev(x, 999) + 1) mod 1000\noutput x",
    "smooth": "input x: real in 0..1\nassume abs(x - prev(x)) < 0.01\noutput x",
    "one hot": "input v: bool[6]\n"
    "assume sum([if v[i] then 1 else 0 for i in range(6)]) == 1\noutput v",
    "trap": "input x: int in 0..9\nstate lost = false then lost or x == 3\n"
    "assume not (lost and steps() > 20)\noutput x",
    "pair": "input x: int in 0..9\ninput y: int in 0..9\nassume x + y == 9\noutput x + y",
    "decimal": "input x: real in -0.1..0.1\noutput x",
}


@pytest.mark.parametrize("text", HARD.values(), ids=HARD)
def test_narrow_assumes(text: str) -> None:
    program = parse(text)
    program.run_batch(Sampler(program, 0).draw(64, 40))


IMPOSSIBLE = {
    "input x: int in 0..9\n\nassume x > 20 - accumulate(1)\noutput x": ("assume of line 3", 3),
    "input x: real in 0..9\nassume x * 0.5 > 7\noutput x": ("assume of line 2", 2),
    "input x: int in 1..2\nstate s: int in 0..20 = 0 then s + x\noutput s": ("bound of line 2", 2),
}


@pytest.mark.parametrize("text", IMPOSSIBLE)
def test_what_cannot_be_met_is_named(text: str) -> None:
    words, line = IMPOSSIBLE[text]
    with pytest.raises(ProgramError, match=words) as e:
        Sampler(parse(text), 0).draw(8, 30)
    assert e.value.code == "E721"
    assert e.value.span is not None and e.value.span.line == line


@pytest.mark.parametrize(("n", "length"), [(0, 5), (3, 0), (3, 1025)])
def test_sizes_that_cannot_be(n: int, length: int) -> None:
    with pytest.raises(OptionError):
        Sampler(example("majority"), 0).draw(n, length)


def test_mending_keeps_what_is_good() -> None:
    program = parse("input x: int in 0..9\nassume accumulate(x) <= 20\noutput x")
    good, bad = np.full((1, 10), 2.0), np.full((1, 10), 5.0)
    mended = Sampler(program, 0).mend({"x": np.concatenate([good, bad])})["x"]
    assert (mended[0] == 2).all()
    assert (mended[1, :4] == 5).all() and mended[1].sum() <= 20


def test_sample_gives_inputs_and_outputs() -> None:
    program = example("dyck1_depth")
    inputs, outputs = program.sample(5, length=20, seed=1)
    assert inputs.shape == outputs.shape == (5, 20)
    assert (program.run_batch(inputs) == outputs).all()


@pytest.mark.parametrize("name", ["dictionary", "vector", "dyck1_depth", "last_k_window"])
def test_drawing_runs_the_program_few_times(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """256 sequences that meet their promises take a few times the steps of one run."""
    sampler = Sampler(example(name), 0)
    run, steps = sampler.screen.run, []
    monkeypatch.setattr(sampler.screen, "run", lambda *args: steps.append(args[3]) or run(*args))
    sampler.draw(256, 100)
    assert sum(steps) <= 6 * 100
