"""Profiles, padding and other options of the gated targets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from table import CASES

import lsrl
from lsrl.sampling import Sampler

EXAMPLES = Path(__file__).parents[2] / "examples"
TARGETS = ("lstm", "gru", "rnn-tanh")
TEXTS = {c.name: c.text for c in CASES}
HELD = (
    "parity", "boolean times integer", "product of integers", "and, or, not", "decay",
    "table automaton", "if of integers", "argmax",
)  # fmt: skip


def largest_error(model: lsrl.CompiledModel, backend: str) -> dict[str, float]:
    """Of each output, on sequences of which something is promised."""
    program = model.program
    data = Sampler(program, 5).draw(30, min(40, program.length))
    meant = program.interpreter.run(data)
    raw = model.split(model.runner(backend).run(model.stacked(data)))
    found = model.errors(raw, meant.outputs)
    return {n: float(e[~meant.mattered].max(initial=0.0)) for n, e in found.items()}


@pytest.mark.parametrize("profile", ["robust", "trainable"])
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", HELD)
def test_within_the_certificate(target: str, profile: str, name: str) -> None:
    model = lsrl.compile(lsrl.parse(TEXTS[name]), target, profile=profile, verify=False)
    for backend in ("numpy", "torch"):
        for output, error in largest_error(model, backend).items():
            assert error <= model.certificate["bound"][output]


@pytest.mark.parametrize("target", TARGETS)
def test_robust_stands_more_noise(target: str) -> None:
    """Noise of 1e-5 on all weights: a value held at a larger scale drowns later."""
    text = "input b: bool\ninput x: int in 0..9\noutput y = latch(b, x)"
    program = lsrl.parse(text)
    data = Sampler(program, 0).draw(20, 30)
    wrong = {}
    for profile in ("exact", "robust"):
        model = lsrl.compile(program, target, profile=profile)
        meant = program.run_batch(data)
        runs = [model.with_noise(1e-5, seed=s).run_batch(data, backend="numpy") for s in range(10)]
        wrong[profile] = np.mean([(y != meant).mean() for y in runs])
    assert wrong["robust"] < wrong["exact"]


@pytest.mark.parametrize("target", TARGETS)
def test_trainable_has_no_gradient_that_is_exactly_zero(target: str) -> None:
    torch = pytest.importorskip("torch")
    model = lsrl.compile(lsrl.parse(TEXTS["parity"]), target, profile="trainable")
    module = model.torch()
    x = torch.from_numpy(model.stacked({"b": np.random.default_rng(0).integers(0, 2, (8, 12))}))
    with torch.enable_grad():
        y, _ = module(x)
        y.square().sum().backward()
    used = [p for n, p in module.named_parameters() if "weight_hh" in n or "bias_ih" in n]
    rows = torch.cat([p.grad.reshape(p.shape[0], -1).abs().sum(dim=1) for p in used])
    stated = torch.cat([p.detach().reshape(p.shape[0], -1).abs().sum(dim=1) for p in used])
    assert (rows[stated > 0] > 0).all()


def test_gates_that_leak_make_finite_states_automata() -> None:
    """A counter that leaks would lose count; an automaton erases its errors at each step."""
    text = "input x: int in 0..4\nstate s = 0 then (s + x) mod 5\noutput s"
    program = lsrl.parse(text)
    exact, trainable = (
        lsrl.compile(program, "lstm", profile=p, verify=False) for p in ("exact", "trainable")
    )
    assert exact.shape["hidden_size"] == 2
    assert trainable.shape["hidden_size"] == 20
    assert trainable.certificate["bound"]["s"] < 0.25


def test_what_leaks_too_much_is_refused() -> None:
    program = lsrl.load(EXAMPLES / "majority.lsrl")
    with pytest.raises(lsrl.UnsupportedError) as caught:
        lsrl.compile(program, "gru", profile="trainable")
    assert caught.value.code == "E804"
    assert "--profile exact" in str(caught.value.diagnostics[0].help)


@pytest.mark.parametrize("target", ["lstm", "gru", "rnn", "rnn-tanh"])
def test_padding(target: str) -> None:
    program = lsrl.load(EXAMPLES / "majority.lsrl")
    model = lsrl.compile(program, target, hidden_size=7, layers=3)
    assert (model.shape["hidden_size"], model.shape["num_layers"]) == (7, 3)
    x = np.random.default_rng(0).integers(0, 2, (20, 50))
    assert np.array_equal(model.run_batch(x), program.run_batch(x))
    assert model.certificate["bound"] == {"output": 0.0}


def test_padding_survives_a_checkpoint(tmp_path: Path) -> None:
    model = lsrl.compile(lsrl.load(EXAMPLES / "parity.lsrl"), "gru", hidden_size=5, layers=2)
    model.save(tmp_path / "m")
    again = lsrl.load_model(tmp_path / "m")
    assert again.shape == model.shape
    assert again.options.hidden_size == 5
    assert lsrl.verify(again, 50).passed


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ({"target": "lstm", "hidden_size": 2}, "E807", "takes a hidden size of"),
        ({"target": "gru", "layers": 1}, "E807", "takes a number of layers of"),
        ({"target": "linear-rnn", "hidden_size": 9}, "E029", "no hidden size"),
        ({"target": "lstm", "hidden_size": 0}, "E024", "not a positive integer"),
        ({"target": "lstm", "profile": "tall"}, "E023", "no profile `tall`"),
        ({"target": "rnn", "profile": "robust"}, "E023", "it has `exact`"),
        ({"target": "gru", "encoding": "morse"}, "E022", "no encoding `morse`"),
        ({"target": "lstm", "dtype": "bfloat16"}, "E021", "does not carry bfloat16"),
        ({"target": "lstm", "conditional": "direct"}, "E028", "gates of its own"),
        ({"target": "rnn", "conditional": "multiplicative"}, "E028", "no conditional"),
        ({"target": "lsmt"}, "E020", "did you mean `lstm`"),
        ({"target": "lstm", "max_parameters": 50}, "E806", "more than the limit"),
    ],
)
def test_options_that_cannot_be(options: dict[str, object], code: str, words: str) -> None:
    program = lsrl.load(EXAMPLES / "dictionary.lsrl")
    with pytest.raises(lsrl.LsrlError) as caught:
        lsrl.compile(program, **options)  # type: ignore[arg-type]
    assert caught.value.code == code
    assert words in str(caught.value)


@pytest.mark.parametrize("variant", ["direct", "optimized", "step_optimized"])
def test_the_papers_conditionals_on_an_rnn(variant: str) -> None:
    program = lsrl.parse(TEXTS["if of integers"])
    model = lsrl.compile(program, "rnn", conditional=variant, verify=False)
    for output, error in largest_error(model, "torch").items():
        assert error <= model.certificate["bound"][output] < 0.25


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_low_precision_on_an_rnn(dtype: str) -> None:
    program = lsrl.parse("length <= 60\n" + TEXTS["if under and"])
    model = lsrl.compile(program, "rnn", dtype=dtype, verify=False)
    for backend in ("numpy", "torch"):
        for output, error in largest_error(model, backend).items():
            assert error <= model.certificate["bound"][output]
