"""The triton backend: kernels in Triton's interpreter, what a GPU would be given, emitted code.

`LSRL_GOLDEN=1 pytest tests/backends/test_triton.py` writes the golden texts anew: they are what the
emitted code was when somebody last looked at it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lsrl_backends.triton import BACKEND

import lsrl
from lsrl.sampling import Sampler

torch = pytest.importorskip("torch")
triton = pytest.importorskip("triton")

HERE = Path(__file__).parent
EXAMPLES, GOLDEN = HERE.parents[1] / "examples", HERE / "golden"
INTERPRETED = {**os.environ, "TRITON_INTERPRET": "1"}
RUN = [("parity", "linear-rnn"), ("exponential_smoothing", "mamba"), ("majority", "hawk")]


@lru_cache
def compiled(name: str, target: str) -> lsrl.CompiledModel:
    return lsrl.compile(lsrl.load(EXAMPLES / f"{name}.lsrl"), target, verify=False)


def test_kernels_in_the_interpreter() -> None:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-x"]
    command += [str(HERE / "triton_kernels.py")]
    done = subprocess.run(command, env=INTERPRETED, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-1000:]


def test_emitted_code_needs_torch_and_triton_only(tmp_path: Path) -> None:
    """And gives numbers within the certificate, those of the torch backend where it promises exact
    ones."""
    folders = {case: tmp_path / case[1] for case in RUN}
    data = {}
    for case, folder in folders.items():
        model = compiled(*case)
        data[case] = Sampler(model.program, seed=2).draw(1, 8)
        model.save(folder)
        np.save(folder / "x.npy", model.stacked(data[case]))
    site = str(Path(triton.__file__).parents[1])
    command = [sys.executable, "-S", "-W", "error", str(HERE / "triton_child.py"), site]
    command += [str(f) for f in folders.values()]
    done = subprocess.run(command, env=INTERPRETED, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    for case, folder in folders.items():
        model = compiled(*case)
        meant = model.program.interpreter.run(data[case]).outputs
        for file in ("y", "scan"):
            numbers = np.load(folder / f"{file}.npy")
            for name, error in model.errors(model.split(numbers), meant).items():
                assert error.max() <= model.certificate["bound"][name]


@pytest.mark.parametrize(("name", "target"), RUN)
def test_the_text(name: str, target: str) -> None:
    ((file, text),) = BACKEND.emit(compiled(name, target)).items()
    path = GOLDEN / f"triton-{target}.txt"
    if os.environ.get("LSRL_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert file == f"modeling_{target.replace('-', '_')}_triton.py"
    assert text == path.read_text(encoding="utf-8")


def kernels() -> list[tuple[Any, dict[str, Any]]]:
    """Each kernel and sizes of its blocks."""
    from lsrl_backends.triton import diagonal, linear, mamba

    return [
        (diagonal.diagonal_sequential, {"BLOCK_W": 64}),
        (diagonal.diagonal_scan, {"BLOCK_T": 64, "BLOCK_W": 16}),
        (mamba.selective_sequential, {"BLOCK_W": 16, "N_PADDED": 4}),
        (mamba.selective_scan, {"BLOCK_T": 32, "BLOCK_W": 4, "N_PADDED": 4}),
        (linear.transition_sequential, {"P_PADDED": 32, "BLOCK_K": 2}),
        (linear.transition_wide, {"BLOCK_P": 64, "BLOCK_K": 2}),
    ]


def test_kernels_are_compiled_for_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None is needed for that. They round each operation: but for exp, none is fused."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    for tuned, sizes in kernels():
        constants = {**sizes, "NUMBERS": triton.language.float32}
        kernel = tuned.fn
        source = ASTSource(kernel, signature(kernel.arg_names, constants), constants)
        made = triton.compile(source, GPUTarget("cuda", 80, 32), {"enable_fp_fusion": False})
        assert ("fma" in made.asm["ptx"]) == ("selective" in kernel.__name__)
        assert ("bar.sync" in made.asm["ptx"]) or "sequential" in kernel.__name__


def signature(names: list[str], constants: dict[str, Any]) -> dict[str, str]:
    """The types of a kernel's arguments."""
    found = {n: "*fp32" if n.endswith("_ptr") else "i32" for n in names}
    found |= {n: "*i32" for n in names if n == "column_ptr"}
    return found | dict.fromkeys(constants, "constexpr")


# Sums and decays of reals, whose rounding depends on the order.
REALS = {
    "mean": "state s = 0.25 then 0.5 * s + 0.5 * r",
    "leak": "state s = 0 then 0.99 * s + r",
    "sum": "state s = 0 then s + r",
}


@pytest.mark.parametrize("name", REALS)
@pytest.mark.parametrize("target", ["mamba", "hawk"])
def test_a_tree_of_steps_rounds_within_the_certificate(name: str, target: str) -> None:
    """A GPU scans in a tree, the interpreter from left to right: the tree is measured here. Inputs
    are random, constant and at the ends of their range."""
    text = f"input r: real in -1..1\n{REALS[name]}\noutput s\n"
    model = lsrl.compile(lsrl.parse(text, length=300), target, verify=False, tolerance=1)
    r = np.random.default_rng(0).uniform(-1, 1, (24, 300))
    r[:8], r[8:12] = np.sign(r[:8]), 1 - np.abs(r[8:12]) / 1000
    r[12:14] = [[1 / 3], [2 / 3]]
    meant = model.program.run_batch(r)
    module, x = model.torch(), torch.from_numpy(model.stacked({"r": r}))
    use_tree(module, target)
    with torch.no_grad():
        error = np.abs(module(x)[0].numpy()[..., 0] - meant).max()
    print(f"{name} {target}: {error:.2g} of {model.certificate['bound']['s']:.2g}")
    assert 0 < error <= model.certificate["bound"]["s"]


def use_tree(module: Any, target: str) -> None:
    """Recurrences of blocks of time at once, in a module of torch."""

    def selective(dt: Any, A: Any, B: Any, C: Any, u: Any, h: Any) -> tuple[Any, Any]:
        a, added = torch.exp(dt[..., None] * A), dt[..., None] * B[:, :, None] * u[..., None]
        hs = tree(a.flatten(2), added.flatten(2), h.flatten(1)).unflatten(2, A.shape)
        return (hs * C[:, :, None]).sum(-1), hs[:, -1]

    for layer in module.backbone.layers if target == "mamba" else module.model.layers:
        if target == "mamba":
            layer.mixer.recurrence = selective
        else:
            layer.temporal_block.rg_lru.recurrence = tree


def tree(a: Any, u: Any, h: Any, block: int = 64) -> Any:
    """`diagonal` in blocks of time; in each, pairs of steps, of pairs, ... (Kogge and Stone)."""
    states = []
    for b, v in zip(a.split(block, dim=1), u.split(block, dim=1), strict=True):
        for k in range(block.bit_length() - 1):
            d = 2**k
            later = b[:, d:] * v[:, :-d] + v[:, d:]
            b, v = torch.cat([b[:, :d], b[:, :-d] * b[:, d:]], 1), torch.cat([v[:, :d], later], 1)
        states.append(b * h[:, None] + v)
        h = states[-1][:, -1]
    return torch.cat(states, dim=1)


def test_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    diagnostic = refused("majority", "hawk")
    assert diagnostic.code == "E035"
    assert "TRITON_INTERPRET=1" in diagnostic.help
    assert "`torch`" in diagnostic.help


def test_a_target_without_kernels() -> None:
    diagnostic = refused("parity", "gru")
    assert diagnostic.code == "E034"
    assert "`gru`" in diagnostic.message
    assert BACKEND.emit(compiled("parity", "gru")) == {}


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    backends: Any = sys.modules["lsrl.backends"]
    for missing, place in (("triton", "lsrl.backends"), ("torch", "lsrl_backends.triton")):
        backends.backend.cache_clear()
        with monkeypatch.context() as patch:
            patch.setattr(f"{place}.find_spec", lambda name, missing=missing: None)
            diagnostic = refused("majority", "hawk")
        assert diagnostic.code == "E026"
        assert missing in diagnostic.message
        assert diagnostic.help == "pip install 'lsrl[triton]'"


def refused(name: str, target: str) -> Any:
    """What a run of the model says."""
    with pytest.raises(lsrl.OptionError) as caught:
        compiled(name, target).run([1, 0], backend="triton")
    return caught.value.diagnostics[0]
