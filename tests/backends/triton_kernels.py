"""The kernels in Triton's interpreter. test_triton.py runs these tests in a process of their own,
with TRITON_INTERPRET=1 before triton is imported."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from lsrl_backends.triton import diagonal, linear, mamba

import lsrl
from lsrl.sampling import Sampler

EXAMPLES = Path(__file__).parents[2] / "examples"
DTYPES = {"float64": 1e-14, "float32": 4e-6, "bfloat16": 0.02, "float16": 2e-3}
WAYS = pytest.mark.parametrize("scan", [False, True], ids=["sequential", "scan"])


def normal(*shape: int, dtype: str = "float32", seed: int = 0) -> torch.Tensor:
    made = torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape)))
    return made.to(getattr(torch, dtype))


def check(found: torch.Tensor, meant: torch.Tensor, most: float = 4e-6) -> None:
    """Nearer than so much of the largest number."""
    assert found.shape == meant.shape
    apart = (found.double() - meant).abs().max() / meant.abs().max()
    assert apart <= most


@WAYS
@pytest.mark.parametrize(
    ("batch", "steps", "width", "dtype"),
    [(1, 1, 1, "float32"), (1, 17, 19, "float32"), (2, 16, 3, "float64"),
     (1, 5, 3, "bfloat16"), (1, 5, 3, "float16")],
)  # fmt: skip
def test_diagonal(batch: int, steps: int, width: int, dtype: str, scan: bool) -> None:
    """Ends of blocks of time and of channels are masked."""
    a = torch.sigmoid(normal(batch, steps, width, dtype=dtype))
    u, h = normal(batch, steps, width, dtype=dtype, seed=1), normal(batch, width, dtype=dtype)
    check(diagonal.diagonal(a, u, h, scan), by_steps(a, u, h), DTYPES[dtype])


def by_steps(a: torch.Tensor, u: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
    """a_t h_{t-1} + u_t in float64, for a of numbers or of matrices."""
    a, u, h, states = a.double(), u.double(), h.double(), []
    for t in range(u.shape[1]):
        h = (h @ a.T if a.ndim == 2 else a[:, t] * h) + u[:, t]
        states.append(h)
    return torch.stack(states, dim=1)


def test_wide_blocks_of_channels() -> None:
    a, u, h = normal(1, 3, 70).sigmoid(), normal(1, 3, 70, seed=1), normal(1, 70)
    check(diagonal.diagonal(a, u, h), by_steps(a, u, h))


def test_a_constant_factor_needs_no_memory() -> None:
    a, u, h = normal(5).sigmoid(), normal(2, 6, 5), normal(2, 5)
    for scan in (False, True):
        found = diagonal.diagonal(a.expand(u.shape), u, h, scan)
        check(found, by_steps(a.diag(), u, h))


@WAYS
@pytest.mark.parametrize(
    ("batch", "steps", "width", "states"), [(2, 1, 1, 1), (1, 17, 9, 3), (1, 1, 33, 2)]
)
def test_selective(batch: int, steps: int, width: int, states: int, scan: bool) -> None:
    dt = torch.nn.functional.softplus(normal(batch, steps, width))
    A, u = -normal(width, states).exp(), normal(batch, steps, width, seed=1)
    both = normal(batch, steps, 2 * states)
    B, C, h = both[..., :states], both[..., states:], normal(batch, width, states)
    y, last = mamba.selective(dt, A, B, C, u, h, scan)
    a, added = (dt[..., None] * A).double().exp(), dt[..., None] * B[:, :, None] * u[..., None]
    meant = by_steps(a.flatten(2), added.flatten(2), h.flatten(1)).unflatten(2, A.shape)
    check(y, (meant * C[:, :, None]).sum(-1))
    check(last, meant[:, -1])


MATRICES = {
    "one": torch.ones(1, 1),
    "dense": normal(11, 11) / 5,
    "sparse": (normal(13, 13) / 3).where(normal(13, 13, seed=2) > 1, torch.tensor(0.0)),
    "ring": torch.eye(5).roll(1, 0),
    "shifts": torch.eye(6).roll(1, 0).tril(-1),
    "sums": torch.eye(4).index_fill(1, torch.tensor([2]), -1.0).tril(),
    "mixed": torch.tensor(
        [[1, 0, 0, 0, 0, 0], [0.5, 0, 0, 0, 0, 0], [0, 1, 0.25, 0, 0, 0], [0, 0, 0, 0, 1, 0],
         [1, 0, 0, 1, 0, 0], [0, 0, 1, 0, 1, -1]]
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MATRICES)
def test_transition(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In registers, through memory, and stage by stage, of a shuffled matrix too."""
    A = MATRICES[name]
    order = torch.randperm(len(A), generator=torch.Generator().manual_seed(0))
    A = A[order][:, order]
    u, s = normal(1, 4, len(A)), normal(1, len(A))
    meant = by_steps(A, u, s)
    check(linear.transition(linear.entries(A), u, s), meant)
    check(linear.Stages(A)(u, s), meant)
    monkeypatch.setattr(linear, "NARROW", 0)
    check(linear.transition(linear.entries(A), u, s), meant)


def test_more_states_than_fit_registers() -> None:
    A = normal(130, 130).where(normal(130, 130, seed=1) > 2.5, torch.tensor(0.0))
    u, s = normal(1, 1, 130), normal(1, 130)
    check(linear.transition(linear.entries(A), u, s), by_steps(A, u, s))


def test_stages() -> None:
    """Each lane reads itself, lanes of its cycle, and those of earlier stages."""
    A = MATRICES["mixed"]
    found = [(lanes.tolist(), alone) for lanes, alone in linear.stages(A)]
    assert found == [([0], True), ([1], True), ([2], True), ([3, 4], False), ([5], True)]
    assert linear.stages(torch.zeros(3, 3))[0][0].tolist() == [0, 1, 2]


def test_nothing_to_compute_and_no_gradients() -> None:
    for scan in (False, True):
        assert diagonal.diagonal(*torch.zeros(2, 1, 0, 4), torch.zeros(1, 4), scan).numel() == 0
    with pytest.raises(RuntimeError, match="no gradients"):
        diagonal.diagonal(*torch.zeros(2, 1, 1, 1, requires_grad=True), torch.zeros(1, 1))


# Whole models

PROGRAMS = [  # the last column: by scans
    ("parity", "linear-rnn", "float32", True),
    ("oscillator", "gated-linear-rnn", "float64", False),
    ("last_k_window", "linear-rnn", "bfloat16", False),
    ("last_k_window", "linear-rnn", "bfloat16", True),
    ("exponential_smoothing", "mamba", "float32", False),
    ("majority", "hawk", "float32", True),
]


@lru_cache
def compiled(name: str, target: str, dtype: str) -> lsrl.CompiledModel:
    program = lsrl.load(EXAMPLES / f"{name}.lsrl")
    return lsrl.compile(program, target, dtype=dtype, verify=False)


@pytest.mark.parametrize(("name", "target", "dtype", "scan"), PROGRAMS)
def test_programs(name: str, target: str, dtype: str, scan: bool) -> None:
    """Within the certificate; where that promises exact numbers, the torch backend's."""
    model = compiled(name, target, dtype)
    data = Sampler(model.program, seed=3).draw(1, 9)
    x, meant = model.stacked(data), model.program.interpreter.run(data).outputs
    runner = model.runner("triton")
    y = runner.scan(x) if scan else runner.run(x)
    for output, error in model.errors(model.split(y), meant).items():
        assert error.max() <= model.certificate["bound"][output]
        if not model.certificate["bound"][output]:
            assert np.array_equal(y, model.runner("torch").run(x))


RANDOM = [PROGRAMS[1], *PROGRAMS[-2:]]


@pytest.mark.parametrize(("name", "target", "dtype", "scan"), RANDOM)
def test_random_weights(name: str, target: str, dtype: str, scan: bool) -> None:
    """The equations in NumPy and the torch backend give the same."""
    model, rng = compiled(name, target, dtype), np.random.default_rng(0)
    draw = lambda w: (rng.normal(size=w.shape) / max(2, w.shape[-1]) ** 0.5).astype(w.dtype)
    model = replace(model, weights={k: draw(w) for k, w in model.weights.items()})
    x = model.stacked(Sampler(model.program, seed=3).draw(1, 4))
    runner = model.runner("triton")
    y = runner.scan(x) if scan else runner.run(x)
    assert np.abs(y).max() > 0.01
    for other in (model.equations(x), model.runner("torch").run(x)):
        check(torch.tensor(y), torch.tensor(other).double(), 1e-5)


def test_the_model_runs_streams_and_is_traced() -> None:
    model = compiled("majority", "hawk", "float32")
    x = [1, 0, 1, 1, 0, 0]
    meant = model.program.run(x)
    assert np.array_equal(model.run(x, backend="triton"), meant)
    stream = model.stream(backend="triton")
    assert [stream.step(v) for v in x[:3]] == list(meant[:3])
    other = model.stream(backend="torch")
    other.load_state_dict(stream.state_dict())
    assert [other.step(v) for v in x[3:]] == list(meant[3:])
    assert model.trace(x[:3], backend="triton").first_divergence() is None
