"""A kept integer of an RNN with tanh in two units whose start lies beyond all values."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import lsrl
from lsrl.verify import verify

LONG = 20_000
TOKENS = "input token: int in 0..7\ninput write: bool\n"
AFTER_K = "input token: int in 0..7\noutput latch(prev(token == 3), token, -1)"
OPEN = [  # the initial value first or last among the logits; hidden size and layers
    (AFTER_K, (3, 1)),
    (AFTER_K.replace("-1", "8"), (3, 1)),
    (TOKENS + "output latch(write, token, 0)", (2, 1)),
    (TOKENS + "output latch(write, token, 7)", (2, 1)),
    ("input c: int in 0..7\nstate s = 8 then if c >= 6 then c else s\noutput s", (2, 1)),
]
SHUT = [  # between the others; read by something else
    TOKENS + "output latch(write, token, 3)",
    TOKENS + "held = latch(write, token, -1)\noutput held\noutput twice = 2 * held",
]


def compiled(text: str, **options: str) -> lsrl.CompiledModel:
    program = lsrl.parse(f"length <= {LONG}\n{text}")
    return lsrl.compile(program, "rnn-tanh", encoding="onehot", verify=False, **options)


def is_handed_over(model: lsrl.CompiledModel) -> bool:
    """Whether a unit reads the sum of two others that stand for 1: its row is 1, 1 and a bias of 1
    before its switch."""
    return any(
        np.count_nonzero(row == 1) == 2
        for name, array in model.weights.items()
        if "weight_hh" in name
        for row in np.asarray(array)
    )


@pytest.mark.parametrize(("text", "size"), OPEN)
def test_one_layer_and_no_unit_for_the_start(text: str, size: tuple[int, int]) -> None:
    model = compiled(text)
    assert is_handed_over(model)
    assert (model.shape["hidden_size"], model.shape["num_layers"]) == size
    assert set(model.certificate["bound"].values()) == {0.0}
    report = verify(model, samples=60)
    assert report.passed and report.max_error == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("initial", [-1, 8])
def test_the_start_lasts(initial: int, dtype: str) -> None:
    """20,000 steps in the stock module, nothing taken before the last ten."""
    model = compiled(AFTER_K.replace("-1", str(initial)), dtype=dtype)
    sizes = (8, model.shape["hidden_size"])
    rnn = torch.nn.RNN(*sizes, batch_first=True, dtype=getattr(torch, dtype))
    own = {k.removeprefix("rnn."): torch.tensor(v) for k, v in model.weights.items()}
    rnn.load_state_dict({k: v for k, v in own.items() if "head" not in k}, strict=True)
    tokens = np.random.default_rng(0).choice([0, 1, 2, 4, 5, 6, 7], LONG)
    tokens[-10::2] = 3
    with torch.no_grad():
        x = torch.eye(8, dtype=getattr(torch, dtype))[torch.tensor(tokens)]
        logits = rnn(x[None])[0][0] @ own["head.weight"].T + own["head.bias"]
    values = [k - (initial < 0) for k in logits.argmax(1).tolist()]
    assert values[: LONG - 9] == [initial] * (LONG - 9)
    assert values[-9:] == [tokens[i] for i in (-9, -9, -7, -7, -5, -5, -3, -3, -1)]
    assert values == model.program.run({"token": tokens}).tolist()


@pytest.mark.parametrize("text", SHUT)
def test_other_readers_and_starts_hold_it_as_it_is(text: str) -> None:
    model = compiled(text)
    assert not is_handed_over(model)
    assert verify(model, samples=60).passed


def test_what_is_held_is_read_and_overwritten_from_the_start() -> None:
    model = compiled(AFTER_K)
    x = {"token": [1, 2, 3, 5, 0, 3, 4]}
    assert model.trace(x)["latch.held"].tolist() == [-1, -1, -1, 5, 5, 5, 4]
    changed = model.intervene("latch.held", 6, steps=1)
    assert changed.run(x).tolist() == [-1, 6, 6, 5, 5, 5, 4]


def test_values_that_do_not_fit_beside_a_shut_unit() -> None:
    """Sums with 64 must be exact, in any order."""
    text = "input token: int in 0..{}\ninput write: bool\noutput latch(write, token, 0)"
    assert is_handed_over(compiled(text.format(31)))
    wide = compiled(text.format(100))
    assert not is_handed_over(wide) and verify(wide, samples=40).passed
    assert is_handed_over(compiled(text.format(100), dtype="float64"))
