"""Checkpoint folders: what is in them, that they are whole, and what is said of damaged ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import lsrl
from lsrl.checkpoint import check_emitted

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = {
    "model.safetensors", "config.json", "symbols.json", "circuit.json", "certificate.json",
    "program.lsrl", "README.md",
}  # fmt: skip
EMITTED = {f"modeling_linear_rnn{name}.py" for name in ("", "_jax", "_triton")}
FILES |= EMITTED
UNREAD = {"README.md", *EMITTED}


@pytest.fixture(scope="module")
def model() -> lsrl.CompiledModel:
    program = lsrl.load(EXAMPLES / "dictionary.lsrl", params={"n": 2, "vocab": 5}, length=60)
    return lsrl.compile(program)


@pytest.fixture
def folder(model: lsrl.CompiledModel, tmp_path: Path) -> Path:
    model.save(tmp_path / "model")
    return tmp_path / "model"


def test_a_folder_has_its_files_and_nothing_else(folder: Path) -> None:
    assert {p.name for p in folder.iterdir()} == FILES
    assert [p.name for p in folder.parent.iterdir()] == ["model"]


def test_the_same_model_gives_the_same_bytes(model: lsrl.CompiledModel, folder: Path) -> None:
    program = lsrl.load(EXAMPLES / "dictionary.lsrl", params={"n": 2, "vocab": 5}, length=60)
    lsrl.compile(program).save(folder.parent / "again")
    for name in FILES:
        assert (folder / name).read_bytes() == (folder.parent / "again" / name).read_bytes(), name


def test_a_loaded_model_is_the_saved_one(model: lsrl.CompiledModel, folder: Path) -> None:
    loaded = lsrl.load_model(folder)
    x = [1, 2, 3, 4, 0, 1, 1, 2, 4, 4]
    assert loaded.program.params == {"n": 2, "vocab": 5}
    assert loaded.program.length == 60
    assert np.array_equal(loaded.run(x), model.run(x))
    assert loaded.certificate == model.certificate
    assert loaded.report.parameters == model.report.parameters


def test_imports_are_kept(tmp_path: Path) -> None:
    program = lsrl.load(EXAMPLES / "macd.lsrl", length=40)
    lsrl.compile(program).save(tmp_path / "macd")
    loaded = lsrl.load_model(tmp_path / "macd")
    x, _ = program.sample(3, 20)
    meant = program.run_batch(x)
    for name, y in loaded.run_batch(x, raw=True).items():
        assert np.abs(y - meant[name]).max() <= loaded.certificate["bound"][name]


def test_settings_are_written_into_the_source(tmp_path: Path) -> None:
    text = """\
type c = {red, green}
param k: c = red
param w: real[2] = [1, 2]   # weights
param t: bool = false
input x: int in 0..3
output if t and k == green then x * w[0] else w[1]
"""
    source = tmp_path / "p.lsrl"
    source.write_text(text)
    program = lsrl.load(source, params={"k": "green", "w": [-0.5, 0.25], "t": True}, length=7)
    lsrl.compile(program).save(tmp_path / "out")
    loaded = lsrl.load_model(tmp_path / "out").program
    assert loaded.length == 7
    assert loaded.run([2, 3]).tolist() == [-1.0, -1.5]
    assert "# weights" in (tmp_path / "out" / "program.lsrl").read_text()


# What can be wrong


def test_an_existing_folder_is_refused_and_kept(model: lsrl.CompiledModel, folder: Path) -> None:
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    with pytest.raises(lsrl.OptionError, match="exists already"):
        model.save(folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    model.save(folder, force=True)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_force_does_not_erase_other_folders(model: lsrl.CompiledModel, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("years of work")
    with pytest.raises(lsrl.OptionError, match="other files"):
        model.save(tmp_path / "thesis", force=True)
    assert (tmp_path / "thesis" / "chapter1.tex").read_text() == "years of work"


def test_a_folder_that_cannot_be_written(model: lsrl.CompiledModel, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(lsrl.OptionError, match="cannot write"):
        model.save(tmp_path / "file" / "model")
    with pytest.raises(lsrl.OptionError, match="cannot write"):
        model.save(tmp_path / "no" / "such" / "parent")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("name", sorted(FILES - UNREAD))
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(lsrl.CheckpointError, match=name.split(".")[0]):
        lsrl.load_model(folder)


@pytest.mark.parametrize("name", sorted(FILES - UNREAD))
def test_a_damaged_file_is_named(folder: Path, name: str) -> None:
    path = folder / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(lsrl.CheckpointError, match=name.split(".")[0]):
        lsrl.load_model(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 99}, "format version is 99"),
        ({"dtype": "float64"}, "is not float64"),
        ({"dtype": "int3"}, "dtype"),
        ({"layers": [[1, 1, 1]]}, "missing or has another shape"),
        ({"layers": "none"}, "damaged"),
        ({"inputs": []}, "do not belong together"),
        ({"target": "toaster"}, "toaster"),
    ],
)
def test_a_config_that_does_not_fit(folder: Path, change: dict[str, object], message: str) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(lsrl.CheckpointError, match=message):
        lsrl.load_model(folder).run([1, 2, 3])


def test_emitted_code_that_was_changed_is_found(folder: Path) -> None:
    model = lsrl.load_model(folder)
    check_emitted(model, folder)
    for name in EMITTED:
        text = (folder / name).read_text()
        (folder / name).write_text(text.replace("return", "return -", 1))
        with pytest.raises(lsrl.CheckpointError, match=f"{name} .* not what LSRL wrote"):
            check_emitted(model, folder)
        (folder / name).write_text(text)


@pytest.mark.parametrize(
    "call",
    [
        lambda program: lsrl.compile("majority.lsrl"),
        lambda program: lsrl.verify(program),
        lambda program: lsrl.compile(program, guard="a"),
        lambda program: lsrl.compile(program, tolerance=-1),
        lambda program: lsrl.compile(program, tolerance="x"),
        lambda program: lsrl.parse(program.source.text, params=[3]),
        lambda program: lsrl.parse(program.source.text, length="long"),
    ],
)
def test_wrong_arguments_in_python_are_answered_in_words(
    model: lsrl.CompiledModel, call: Callable[[lsrl.Program], object]
) -> None:
    with pytest.raises(lsrl.OptionError):
        call(model.program)


def test_there_is_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(lsrl.CheckpointError, match="no such folder"):
        lsrl.load_model(tmp_path / "nothing")


def test_named_values_can_be_read_where_the_symbols_say(model: lsrl.CompiledModel) -> None:
    """Each symbol is an affine form over a layer's inputs and states: read it, and compare."""
    program = model.program
    batch = program.batch([[1, 2, 3, 4, 0, 1, 1, 2, 4, 4]], batched=True)
    nodes = dict(program.graph.names)
    outputs = {o.name: o.node for o in program.graph.outputs}
    nodes |= outputs
    run = program.interpreter.run(batch, watch=[nodes[n] for n in model.symbols])
    layers = trace(model, program.stacked(batch).astype("float32"))
    assert {"query", "slot", "start", "token", "answer"} <= set(model.symbols)
    for name, symbol in model.symbols.items():
        wanted = np.asarray(run.watched[nodes[name]][0], dtype=float).reshape(10, -1)
        for k, element in enumerate(symbol["elements"]):
            value = np.full(10, element["const"])
            for kind, i, c in element["terms"]:
                value = value + c * layers[symbol["layer"]][kind][0, :, i]
            if element["encoding"] == "falsity":
                value = (value < 0.5).astype(float)
            np.testing.assert_array_equal(value, wanted[:, k], err_msg=name)


def trace(model: lsrl.CompiledModel, x: np.ndarray) -> list[dict[str, np.ndarray]]:
    """Inputs, states and outputs of each layer, from the equations written out."""
    found = []
    for i, (n, p, m) in enumerate(model.shape["layers"]):
        w = {
            k: model.weights.get(f"layers.{i}.{k}", np.zeros(shape, "float32"))
            for k, shape in {
                "A": (p, p), "B": (p, n), "b": (p,), "s0": (p,), "C": (m, p), "D": (m, n), "d": (m,)
            }.items()
        }  # fmt: skip
        s, states = w["s0"][None], []
        for t in range(x.shape[1]):
            s = s @ w["A"].T + x[:, t] @ w["B"].T + w["b"]
            states.append(s)
        found.append({"x": x, "s": np.stack(states, axis=1)})
        found[-1]["y"] = found[-1]["s"] @ w["C"].T + x @ w["D"].T + w["d"]
        x = np.maximum(found[-1]["y"], 0)
    return found
