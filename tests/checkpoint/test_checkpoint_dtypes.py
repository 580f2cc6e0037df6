"""Checkpoints in bfloat16 and float16: really stored so, read without torch, run by the emitted
code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

import lsrl

EXAMPLES = Path(__file__).parents[2] / "examples"
STORED = {"bfloat16": "BF16", "float16": "F16", "float32": "F32", "float64": "F64"}
X = [1, 2, 3, 4, 0, 1, 1, 2, 4, 4]


def header(folder: Path) -> dict[str, dict[str, object]]:
    data = (folder / "model.safetensors").read_bytes()
    found: dict[str, dict[str, object]] = json.loads(
        data[8 : 8 + int.from_bytes(data[:8], "little")]
    )
    return found


@pytest.fixture(scope="module")
def program() -> lsrl.Program:
    return lsrl.load(EXAMPLES / "dictionary.lsrl", params={"n": 2, "vocab": 5}, length=60)


@pytest.fixture(scope="module", params=STORED)
def model(request: pytest.FixtureRequest, program: lsrl.Program) -> lsrl.CompiledModel:
    return lsrl.compile(program, dtype=request.param)


@pytest.fixture
def folder(model: lsrl.CompiledModel, tmp_path: Path) -> Path:
    model.save(tmp_path / "model")
    return tmp_path / "model"


def test_numbers_are_stored_in_the_dtype(model: lsrl.CompiledModel, folder: Path) -> None:
    name = model.options.dtype
    assert {entry["dtype"] for entry in header(folder).values()} == {STORED[name]}
    tensors = load_file(folder / "model.safetensors")
    assert set(tensors) == set(model.weights)
    for key, w in model.weights.items():
        assert str(tensors[key].dtype) == f"torch.{name}"
        assert np.array_equal(tensors[key].double().numpy(), w.astype(np.float64))


def test_the_same_model_gives_the_same_bytes(
    model: lsrl.CompiledModel, program: lsrl.Program, folder: Path, tmp_path: Path
) -> None:
    lsrl.compile(program, dtype=model.options.dtype).save(tmp_path / "again")
    lsrl.load_model(folder).save(tmp_path / "saved again")
    for file in folder.iterdir():
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes(), file.name
    stored = [(tmp_path / f / "model.safetensors").read_bytes() for f in ("again", "saved again")]
    assert stored[0] == stored[1]


def test_a_loaded_model_is_the_saved_one(model: lsrl.CompiledModel, folder: Path) -> None:
    loaded = lsrl.load_model(folder)
    assert loaded.options == model.options and loaded.certificate == model.certificate
    for backend in ("numpy", "torch"):
        assert loaded.run(X, backend=backend).tolist() == model.program.run(X).tolist()
    assert str(next(loaded.torch().parameters()).dtype) == f"torch.{model.options.dtype}"
    stream = loaded.stream()
    assert [int(stream.step(x)) for x in X] == model.program.run(X).tolist()
    assert lsrl.verify(loaded, samples=30).passed


def test_it_is_read_and_run_without_torch(model: lsrl.CompiledModel, folder: Path) -> None:
    script = f"""
import sys
sys.modules["torch"] = None
import lsrl
model = lsrl.load_model({str(folder)!r})
print(model.run({X}, backend="numpy").tolist())
"""
    assert run(script) == model.program.run(X).tolist()


def test_the_emitted_code_reads_it(model: lsrl.CompiledModel, folder: Path) -> None:
    script = f"""
import sys
sys.path.insert(0, {str(folder)!r})
import torch
from modeling_linear_rnn import LinearRNN
model = LinearRNN.from_pretrained({str(folder)!r})
x = torch.tensor([{X}], dtype=torch.{model.options.dtype}).unsqueeze(-1)
with torch.no_grad():
    y, _ = model(x)
assert y.dtype is torch.{model.options.dtype} and "lsrl" not in sys.modules
print([int(v) for v in y.flatten()])
"""
    assert run(script) == model.program.run(X).tolist()


def run(script: str) -> object:
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(("name", "other"), [("bfloat16", "float32"), ("float16", "bfloat16")])
def test_another_dtype_than_config_says_is_refused(
    program: lsrl.Program, tmp_path: Path, name: str, other: str
) -> None:
    lsrl.compile(program, dtype=name).save(tmp_path / "m")
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    (tmp_path / "m" / "config.json").write_text(json.dumps({**config, "dtype": other}))
    with pytest.raises(lsrl.CheckpointError, match=f"is not {other}"):
        lsrl.load_model(tmp_path / "m")
