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
