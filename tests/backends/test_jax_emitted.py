"""The emitted JAX code: its text, and what it gives where nothing but jax can be imported.

`LSRL_GOLDEN=1 pytest tests/backends/test_jax_emitted.py` writes tests/backends/golden anew: it is
what the emitted code was when somebody last looked at it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from emitted_cases import CASES, ROOT, RUN, compiled, data_of, name_of
from lsrl_backends.jax import BACKEND

import lsrl

CHILD, GOLDEN = Path(__file__).with_name("jax_child.py"), Path(__file__).parent / "golden"
SITE = str(Path(jax.__file__).parents[1])


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_the_text(case: tuple[str, str, str]) -> None:
    ((file, text),) = BACKEND.emit(compiled(*case)).items()
    path = GOLDEN / f"{name_of(case)}.txt"
    if os.environ.get("LSRL_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert file == f"modeling_{case[1].replace('-', '_')}_jax.py"
    assert text == path.read_text(encoding="utf-8")


def test_both_frameworks_run_the_same_folder(tmp_path: Path) -> None:
    """Each within the certificate, so that they differ by at most twice as much. In parts, step by
    step and on several devices the numbers are those of one run; of reals, but for rounding."""
    folders = {case: tmp_path / name_of(case) for case in RUN}
    for case, folder in folders.items():
        model = compiled(*case)
        model.save(folder)
        np.save(folder / "x.npy", data_of(model)[0])
    command = [sys.executable, "-I", "-S", "-W", "error", str(CHILD), SITE]
    command += [str(f) for f in folders.values()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    for case, folder in folders.items():
        model = lsrl.load_model(folder)
        with np.load(folder / "jax.npz") as found:
            arrays = dict(found)
        check_certificate(model, arrays)
        scale = {"float64": 1e-14, "float32": 1e-5, "bfloat16": 0.02}[case[2]]
        check_ways(case, arrays, scale * (case[0] == "mean"))


def check_certificate(model: lsrl.CompiledModel, found: dict[str, Any]) -> None:
    """What the child gave, and torch's numbers, against what the program means."""
    x, meant = data_of(model)
    bounds, ours = model.certificate["bound"], found["y"]
    theirs = model.runner("torch").run(x).astype(np.float64)
    for numbers in (ours, theirs):
        for name, error in model.errors(model.split(numbers), meant).items():
            assert error.max() <= bounds[name], name
    apart = model.split(np.abs(ours - theirs))
    assert all(part.max() <= 2 * bounds[name] for name, part in apart.items())


def check_ways(case: tuple[str, str, str], found: dict[str, Any], most: float) -> None:
    """One run against what was computed in other ways."""
    whole = found["y"]
    assert np.abs(found["steps"] - whole[0, :12]).max() <= most
    assert ("parallel" in found) == (case[1] not in ("lstm", "gru", "rnn", "rnn-tanh"))
    if "parallel" in found:
        assert np.abs(found["parallel"] - whole[:, :7]).max() <= most


def test_emitting_imports_no_framework(tmp_path: Path) -> None:
    code = "import lsrl, sys\n"
    code += f"m = lsrl.load({str(ROOT / 'examples' / 'parity.lsrl')!r})\n"
    code += "lsrl.compile(m, 'gru', verify=False).save('model')\n"
    code += "print([n for n in ('jax', 'torch', 'flax') if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
    assert (tmp_path / "model" / "modeling_gru_jax.py").is_file()


def test_weights_that_do_not_fit_are_named(tmp_path: Path) -> None:
    model = compiled("parity", "linear-rnn", "float32")
    functions: dict[str, Any] = {"__name__": "emitted"}
    exec(next(iter(BACKEND.emit(model).values())), functions)
    shape = {"layers": model.shape["layers"]}
    name = next(iter(model.weights))
    weights: dict[str, Any] = dict(model.weights)
    for wrong in (weights | {"other": weights[name]}, weights | {name: weights[name][None]}):
        with pytest.raises(ValueError, match="other" if "other" in wrong else name):
            functions["checked"](wrong, shape)
    with pytest.raises(ValueError, match=name):
        functions["checked"]({k: w for k, w in weights.items() if k != name}, shape)
    with pytest.raises(ValueError, match="not float32"):
        functions["checked"](weights | {name: weights[name].astype("float16")}, shape)
