"""Named values, read from the running model: they are the interpreter's at every step."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lsrl
from lsrl.proposals import examples_of
from lsrl.sampling import Sampler
from lsrl.symbols import symbols_of

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.lsrl"))
# What a linear RNN cannot hold, as docs/expressivity.md says. A list, since finding out takes time.
REFUSED = set(
    """associative_recall automaton binary_addition capitals debounce delayed_match fibonacci_mod
    flip_flop induction recall_after_last_k running_maximum selective_copy thermostat traffic_light
    watchdog""".split()
)
HELD = [p for p in EXAMPLES if p.stem not in REFUSED]


@cache
def example(name: str) -> lsrl.CompiledModel:
    return lsrl.compile(lsrl.load(EXAMPLES[0].parent / f"{name}.lsrl"))


def sequences(program: lsrl.Program) -> list[dict[str, Any]]:
    """The worked examples of a program, and sampled sequences whose reals are kept apart."""
    found = [dict(e) for e in examples_of(program)]
    drawn = Sampler(program, seed=4, guard=1e-3).draw(4, min(30, program.length))
    return found + [{name: x[k] for name, x in drawn.items()} for k in range(4)]


@pytest.mark.parametrize("backend", ["numpy", "torch"])
@pytest.mark.parametrize("path", HELD, ids=lambda p: p.stem)
def test_every_name_at_every_step(path: Path, backend: str) -> None:
    model = example(path.stem)
    compared = 0
    for x in sequences(model.program):
        trace = model.trace(x, backend=backend)
        assert set(trace.names) >= set(model.program.output_names)
        assert trace.first_divergence() is None
        for name in trace:
            assert trace[name].shape == trace.expected[name].shape
            compared += int((~trace.doubtful[name]).sum())
    assert compared > 0


def test_values_and_their_types() -> None:
    trace = example("dictionary").trace([5, 17, 3, 1, 2, 3, 7, 8, 9])
    assert trace["query"].tolist() == [[5, 0, 0], [5, 17, 0], *[[5, 17, 3]] * 7]
    assert trace["query"].dtype == np.int64
    assert trace["slot"].tolist() == [0, 1, 2] * 3
    assert trace["asking"].tolist() == [True] * 3 + [False] * 6
    assert trace.raw("query").dtype == np.float64
    assert "query" in trace
    assert "copying" not in trace
    assert list(trace) == trace.names
    assert repr(trace).startswith("Trace(token, steps.n, ")


def test_enumerations_are_codes_and_spelled_by_name() -> None:
    text = "type c = {red, green}\ninput c: c\ninput b: bool\noutput b and c == green"
    trace = lsrl.compile(lsrl.parse(text)).trace({"c": ["green", "red"], "b": [True, True]})
    assert trace["c"].tolist() == [1, 0]
    assert trace.spelled("c", trace["c"]) == ["green", "red"]


def test_what_the_model_does_not_hold_is_said() -> None:
    trace = example("dictionary").trace([1, 2])
    assert trace.missing["copying"] == "the optimiser replaced it"
    assert trace.missing["matched"] == "the outputs are computed without it"
    with pytest.raises(lsrl.OptionError) as caught:
        trace["copying"]
    assert str(caught.value) == (
        "error[E015]: `copying` is not in the model: the optimiser replaced it\n"
        "  help: choose one of those that `lsrl trace` lists"
    )


def test_an_unknown_name() -> None:
    trace = example("dictionary").trace([1, 2])
    with pytest.raises(lsrl.OptionError) as caught:
        trace["quer"]
    assert str(caught.value) == (
        "error[E014]: the program has no value named `quer`\n  help: did you mean `query`?"
    )
    with pytest.raises(lsrl.OptionError, match="there are: bit, ones, zeros, output"):
        example("majority").trace([1]).raw("x7")


def test_a_disturbed_weight_shows_where_it_first_matters() -> None:
    """The unit that adds to `ones`, broken: the first wrong value is `ones`, at the first 1."""
    model = example("majority")
    (unit,) = model.circuit()["ones"]
    entry = next(w for w in unit.weights if w.name == "layers.0.B")
    weights = {name: w.copy() for name, w in model.weights.items()}
    weights[entry.name][entry.row, entry.column] = 0
    broken = lsrl.CompiledModel(
        model.program, model.target, model.options, weights, model.certificate, model.shape,
        model.symbols, model.units,
    )  # fmt: skip
    found = broken.trace([0, 0, 1, 1]).first_divergence()
    assert found is not None
    assert (found.step, found.name, found.expected, found.got) == (2, "ones", 1, 0)
    assert str(found) == "step 2, `ones`: 0, not 1"


def test_noise_is_repeatable_and_only_on_what_is_not_0() -> None:
    model = example("dictionary")
    noisy = model.with_noise(0.05, seed=3)
    for name, w in model.weights.items():
        assert ((noisy.weights[name] != 0) <= (w != 0)).all()
        assert np.array_equal(noisy.weights[name], model.with_noise(0.05, seed=3).weights[name])
    x = model.program.sample(1, 30, seed=1)[0][0]
    assert noisy.trace(x).first_divergence() is not None
    assert model.with_noise(0.0).trace(x).first_divergence() is None
    other = model.with_noise(0.05, seed=4).weights
    assert any(not np.array_equal(noisy.weights[n], w) for n, w in other.items())


def test_weights_that_are_no_numbers_diverge() -> None:
    model = example("majority")
    broken = model.with_noise(0.0)
    for w in broken.weights.values():
        w[w != 0] = np.nan
    for backend in ("numpy", "torch"):
        found = broken.trace([1, 0], backend=backend).first_divergence()
        assert found is not None
        assert (found.step, found.name) == (0, "ones")


def test_divergence_from_values_given() -> None:
    trace = example("majority").trace([1, 0, 1])
    found = trace.first_divergence({"ones": [1, 1, 3], "zeros": [0, 1, 1]})
    assert found is not None
    assert (found.step, found.name, found.expected, found.got) == (2, "ones", 3, 2)
    assert trace.first_divergence({"ones": [1, 1, 2]}) is None


def test_only_some_names() -> None:
    trace = example("majority").trace([1, 0, 1]).only(["zeros"])
    assert trace.names == ["zeros"]
    with pytest.raises(lsrl.OptionError, match="no value named `one`"):
        trace.only(["one"])


def test_places_say_scale_and_offset() -> None:
    """unit = scale * value + offset, for every element that sits in one unit."""
    model = example("dictionary")
    x = [5, 17, 3, 1, 2, 3, 7, 8, 9]
    layers = model.runner("numpy").activations(
        model.program.stacked(model.batch(x, batched=False)).astype("float32")
    )
    trace, checked = model.trace(x), 0
    for name, symbol in symbols_of(model).items():
        values = trace[name].astype(float).reshape(len(x), -1)
        for k, element in enumerate(symbol.elements):
            place = element.place()
            if "unit" in place and place["encoding"] in ("linear", "boolean"):
                kind, index = place["unit"][0], int(place["unit"][1:])
                unit = layers[place["layer"]][kind][0, :, index]
                assert np.array_equal(unit, place["scale"] * values[:, k] + place["offset"])
                checked += 1
    assert checked > 10


def test_a_boolean_that_is_only_there_as_a_falsity() -> None:
    entry = example("dictionary").symbols["found"]["elements"][0]
    assert entry["encoding"] == "falsity"
    trace = example("dictionary").trace([5, 17, 3, 1, 2, 3, 7, 8, 9, 5, 17, 3, 4, 4, 4])
    assert np.flatnonzero(trace["found"]).tolist() == [12]


def test_elements_in_layers_of_their_own() -> None:
    text = "input x: int in -4..4\nv = [x, relu(x), relu(relu(x) - 2)]\noutput dot(v, [1, 2, 3])"
    model = lsrl.compile(lsrl.parse(text))
    layers = [e.layer for e in symbols_of(model)["v"].elements] if "v" in model.symbols else []
    trace = model.trace([-4, 1, 4])
    assert trace["v"].tolist() == [[-4, 0, 0], [1, 1, 0], [4, 4, 2]]
    assert layers == [0, 1, 2]


DAMAGES: list[Any] = [
    lambda s: s["ones"].pop("elements"),
    lambda s: s["ones"].update(layer="one"),
    lambda s: s["ones"]["elements"][0]["terms"].append(["s", 0]),
    lambda s: s["ones"]["elements"][0]["terms"][0].__setitem__(1, 99),
    lambda s: s["ones"]["elements"][0]["terms"][0].__setitem__(0, "q"),
    lambda s: s["ones"]["elements"][0]["terms"][0].__setitem__(2, 0),
    lambda s: s["ones"]["elements"][0].update(encoding="roman"),
    lambda s: s["ones"]["elements"].append(s["ones"]["elements"][0]),
    lambda s: s.update(nobody=s["ones"]),
    lambda s: s["ones"].update(layer=99),
]


@pytest.mark.parametrize("damage", range(len(DAMAGES)))
def test_damaged_symbols(damage: int) -> None:
    import copy
    from dataclasses import replace

    model = example("majority")
    symbols = copy.deepcopy(model.symbols)
    DAMAGES[damage](symbols)
    with pytest.raises(lsrl.CheckpointError) as caught:
        replace(model, symbols=symbols).trace([1, 0])
    assert str(caught.value) == (
        "error[E040]: symbols.json is damaged: it does not fit the program or its weights\n"
        "  help: compile the program again"
    )


def test_values_in_doubt_are_not_compared() -> None:
    """Reals within the guard band: what follows from their comparison, and nothing else."""
    text = "input r: real in 0..1\nb = r > 0.5\nc = r > 0.7\n"
    text += "output y = if b then 2 * r else 0\noutput z = if c then 1 else r"
    trace = lsrl.compile(lsrl.parse(text)).trace([0.2, 0.5, 0.6, 0.5002])
    in_doubt = {name: np.flatnonzero(trace.doubtful[name]).tolist() for name in trace.doubtful}
    assert in_doubt == {"r": [], "b": [1, 3], "c": [], "y": [1, 3], "z": []}
    assert trace.first_divergence() is None
    found = trace.first_divergence({"r": [0.2, 0.5, 0.6, 0.1], "y": [0, 9, 1.2, 9]})
    assert found is not None
    assert (found.step, found.name) == (3, "r")


def test_input_is_checked() -> None:
    with pytest.raises(lsrl.InputError) as caught:
        example("majority").trace([2])
    assert caught.value.code == "E715"
