"""Activation patching: overwriting a value in the model is overwriting it in the program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_trace import HELD, example

import lsrl
from lsrl.patched import Trial
from lsrl.symbols import symbols_of

X = [5, 17, 3, 1, 2, 3, 7, 8, 9, 5, 17, 3, 4, 5, 6]  # a query and two pairs


@pytest.mark.parametrize("path", HELD, ids=lambda p: p.stem)
def test_every_name_that_can_be_overwritten(path: Path) -> None:
    """On random values in the range, at all steps and at some of them; seeds that `compile` has
    not tried."""
    model = example(path.stem)
    trials = [Trial(model, seed) for seed in (1, 2, 3)]
    names = 0
    for symbol in symbols_of(model).values():
        if not symbol.patch:
            continue
        for partial in [False] if symbol.always else [False, True]:
            before = sum(t.compared for t in trials)
            assert [t.difference([symbol], partial=partial) for t in trials] == [""] * 3, (
                symbol.name
            )
            assert sum(t.compared for t in trials) > before, symbol.name
        names += 1
    assert names > 0


def test_overwritten_query() -> None:
    """The circuit of the look-up: another query finds another value."""
    model = example("dictionary")
    patched, x = model.intervene("query", [1, 2, 3]), X
    assert model.run(x)[6:].tolist() == [0, 0, 0, 0, 0, 0, 4, 5, 6]
    assert patched.run(x)[6:9].tolist() == [7, 8, 9]
    assert np.array_equal(patched.run(x), patched.meaning(x))
    assert patched.trace(x)["query"].tolist() == [[1, 2, 3]] * len(x)
    assert patched.trace(x).first_divergence() is None


def test_a_state_is_overwritten_for_this_step_and_the_next() -> None:
    model = example("majority")
    patched = model.intervene("ones", 5, steps=1)
    assert patched.trace([1, 0, 0])["ones"].tolist() == [1, 5, 5]
    assert patched.run([1, 0, 0, 0, 0]).tolist() == [True, True, True, True, True]
    assert model.run([1, 0, 0, 0, 0]).tolist() == [True, False, False, False, False]


@pytest.mark.parametrize(
    ("value", "steps", "ones"),
    [
        (3, None, [3, 3, 3, 3]),
        ([3, 4, 5, 6], None, [3, 4, 5, 6]),
        ([3, 4, 5, 6], [1, 3], [1, 4, 5, 6]),
        (7, slice(2, None), [1, 2, 7, 7]),
        (lambda t, now: now + 10 * (t == 2), None, [1, 2, 13, 14]),
        (np.int64(2), np.int64(0), [2, 3, 4, 5]),
    ],
)
def test_ways_to_give_a_value(value: Any, steps: Any, ones: list[int]) -> None:
    patched = example("majority").intervene("ones", value, steps=steps)
    assert patched.trace([1, 1, 1, 1])["ones"].tolist() == ones
    assert patched.trace([1, 1, 1, 1]).first_divergence() is None


def test_several_names_at_once() -> None:
    patched = example("majority").intervene({"ones": 4, "zeros": [3, 4, 5]})
    assert patched.run([0, 0, 0]).tolist() == [True, False, False]
    assert patched.meaning([0, 0, 0]).tolist() == [True, False, False]


def test_batches_and_raw_numbers() -> None:
    patched = example("majority").intervene("zeros", 1)
    x = [[1, 1, 1], [0, 0, 0]]
    assert patched.run_batch(x).tolist() == [[False, True, True], [False] * 3]
    raw = patched.run(x[0], raw=True)
    assert raw.dtype == np.float32
    assert raw.tolist() == [0, 1, 1]


def test_nothing_changes_where_the_value_is_its_own() -> None:
    model = example("dictionary")
    own = model.trace(X)["start"]
    assert np.array_equal(model.intervene("start", own).run(X), model.run(X))


def test_a_boolean_as_a_falsity_of_several_units() -> None:
    model = example("vector")
    assert len(model.symbols["inside"]["elements"][0]["terms"]) == 4
    x = {
        "side": [0, 0.5, 0.5],
        "corner": [[0.3, 0.8], [0, 0], [0.5, 0.5]],
        "value": [[0], [1], [2]],
    }
    assert model.run(x).tolist() == [[0], [0], [0]]
    for value in (True, False, [False, True, False], [False, False, True]):
        patched = model.intervene("inside", value)
        np.testing.assert_allclose(patched.run(x), patched.meaning(x), atol=1e-4)
        assert patched.trace(x)["inside"].tolist() == np.broadcast_to(value, 3).tolist()
    assert model.intervene("inside", True).run(x).tolist() == [[0], [1], [3]]


def test_a_combination_is_changed_by_least_squares_within_the_ranges() -> None:
    from lsrl.patching import spread
    from lsrl.symbols import Term

    terms = [Term("s", 0, 1.0, 0.0, 10.0), Term("s", 1, 2.0, 0.0, 10.0)]
    before = np.array([[1.0, 1.0], [1.0, 1.0], [0.0, 1.0]])
    after = spread(np.array([5.0, -3.0, -1.5]), before, terms)
    np.testing.assert_allclose(after, [[2.0, 3.0], [0.0, 0.0], [0.0, 0.25]], atol=1e-12)


def test_enumerations_by_name() -> None:
    text = "type c = {red, green, blue}\ninput c: c\noutput c == green"
    model = lsrl.compile(lsrl.parse(text))
    assert model.intervene("c", "green").run(["red", "blue"]).tolist() == [True, True]
    assert model.intervene("c", ["red", "green"]).run(["blue"] * 2).tolist() == [False, True]


ERRORS: list[tuple[Any, str]] = [
    (
        lambda m: m.intervene("one", 1),
        "error[E014]: the program has no value named `one`\n  help: did you mean `ones`?",
    ),
    (
        lambda m: m.intervene("ones", 2000),
        "error[E017]: `ones` is int in 0..1024 and cannot be 2000\n"
        "  help: its units are made for that range",
    ),
    (
        lambda m: m.intervene("ones", 0.5),
        "error[E017]: `ones` is int in 0..1024 and cannot be 0.5\n"
        "  help: its units are made for that range",
    ),
    (
        lambda m: m.intervene("ones", "many"),
        "error[E017]: a value must be numbers, not 'many'\n"
        "  help: or a function of the step and the value",
    ),
    (
        lambda m: m.intervene("ones", [1, 2]).run([1, 1, 1]),
        "error[E017]: the value of `ones` has shape (2,), for 3 steps\n"
        "  help: give a number or [T]",
    ),
    (
        lambda m: m.intervene("ones", 1, steps=7).run([1, 1]),
        "error[E012]: step 7 is not one of the 2 steps of the input\n  help: steps count from 0",
    ),
    (
        lambda m: m.intervene("ones", 1, steps="all").run([1, 1]),
        "error[E012]: steps are integers or a slice, not 'all'\n  help: as in `steps=[3, 4]`",
    ),
    (
        lambda m: m.intervene("ones", lambda t, now: [1, 2]).run([1, 1]),
        "error[E017]: the value of `ones` has shape (2,) at step 0\n  help: give (1,)",
    ),
]


@pytest.mark.parametrize("k", range(len(ERRORS)))
def test_errors(k: int) -> None:
    call, message = ERRORS[k]
    with pytest.raises(lsrl.OptionError) as caught:
        call(example("majority"))
    assert str(caught.value) == message


def test_names_that_cannot_be_overwritten() -> None:
    model = example("dictionary")
    with pytest.raises(lsrl.OptionError) as caught:
        model.intervene("slot", 1)
    assert str(caught.value) == (
        "error[E016]: `slot` cannot be overwritten: other values are computed from the same units\n"
        "  help: `lsrl trace DIR --symbols` says what can be overwritten"
    )
    with pytest.raises(lsrl.OptionError) as caught:
        model.intervene("query", 1, steps=[2])
    assert str(caught.value) == (
        "error[E016]: `query` can be overwritten at all steps only: its units remember it\n"
        "  help: leave `steps` out"
    )
    with pytest.raises(lsrl.OptionError) as caught:
        model.intervene("copying", True)
    assert caught.value.code == "E015"
    with pytest.raises(lsrl.OptionError) as caught:
        model.intervene({"query": 1, "store.register": 1})
    assert str(caught.value) == (
        "error[E016]: `query`, `store.register` live in the same units\n"
        "  help: overwrite one of them"
    )


def test_what_the_optimiser_bypassed_is_found_by_running() -> None:
    """`content` is read by conjunctions that were flattened; its unit is read by a sum only."""
    model = lsrl.compile(lsrl.load(HELD[0].parent / "scattered_copy.lsrl"), verify=False)
    assert model.symbols["content"]["patchable"]
    with pytest.raises(lsrl.OptionError) as caught:
        model.intervene("content", True)
    assert caught.value.code == "E016"
    assert "in the model is not what it is in the program" in str(caught.value)
    settled = example("scattered_copy").symbols["content"]
    assert settled["patchable"] is False
    assert settled["reason"] == "the compiler replaced it where it is read"


def test_values_that_drive_others_out_of_their_range() -> None:
    text = "length <= 4\ninput x: int in 0..1\nstate s = 0 then s + x\noutput s + 0"
    patched = lsrl.compile(lsrl.parse(text)).intervene("s", 4, steps=0)
    with pytest.raises(lsrl.PromiseError) as caught:
        patched.meaning([0, 1])
    assert str(caught.value).startswith(
        "error[E707]: at step 1, overwriting drives `s` out of its range 0..4, for which the model "
        "was made\n"
    )
    assert patched.meaning([0, 0]).tolist() == [4, 4]


def test_two_values_that_the_compiler_found_to_be_the_same() -> None:
    text = "input x: int in 0..9\na = abs(x - 4)\nb = abs(x - 4)\noutput 2 * a\noutput q = 3 * b"
    model = lsrl.compile(lsrl.parse(text.replace("output 2", "output p = 2")), verify=False)
    for name in ("a", "b"):
        assert not model.symbols[name]["patchable"]
        assert "found another value to be the same" in model.symbols[name]["reason"]


def test_a_loaded_model_can_be_traced_and_overwritten(tmp_path: Path) -> None:
    model = example("majority")
    model.save(tmp_path / "m")
    loaded = lsrl.load_model(tmp_path / "m")
    assert loaded.symbols == model.symbols
    assert loaded.intervene("ones", 3).run([0, 0]).tolist() == [True, True]
    assert loaded.trace([1, 0])["zeros"].tolist() == [0, 1]
