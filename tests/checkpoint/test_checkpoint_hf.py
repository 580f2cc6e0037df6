"""What LSRL and transformers call a checkpoint's weights and sizes, and what `hf_load` refuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import lsrl
from lsrl.dtypes import FLOAT32
from lsrl.hf import METADATA, from_hf, hf_config, hf_load, to_hf
from lsrl.targets.hawk.equations import SOFT_CAP
from lsrl.tensors import dump, read

HAWK = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "intermediate_size": 8,
    "lru_width": 16,
    "conv1d_width": 4,
    "logits_soft_cap": SOFT_CAP,
    "vocab_size": 5,
    "input_size": 1,
    "output_size": 5,
}


def test_names_for_tokens() -> None:
    weights = {"model.final_norm.weight": np.ones(2), "lm_head.weight": np.ones((3, 2))}
    assert to_hf(weights) == (weights, {})
    assert from_hf("hawk", *to_hf(weights)) == weights


@pytest.mark.parametrize(("target", "base"), [("mamba", "backbone"), ("hawk", "model")])
def test_names_for_reals(target: str, base: str) -> None:
    weights = {f"{base}.layers.0.a.weight": 1, "adapter.input.weight": 2, "adapter.output.bias": 3}
    model, adapter = to_hf(weights)
    assert model == {"layers.0.a.weight": 1}
    assert adapter == {"input.weight": 2, "output.bias": 3}
    assert from_hf(target, model, adapter) == weights


def test_config() -> None:
    meta = {"inputs": ["a"]}
    tokens = hf_config("hawk", HAWK | {"interface": "tokens"}, meta)
    reals = hf_config("hawk", HAWK | {"interface": "embeds"}, meta)
    assert tokens["architectures"] == ["RecurrentGemmaForCausalLM"]
    assert reals["architectures"] == ["RecurrentGemmaModel"]
    assert tokens["lsrl"] == meta
    assert tokens["lru_width"] == 16
    assert not {"interface", "input_size", "output_size"} & set(tokens)
    json.dumps(tokens)


def test_metadata(tmp_path: Path) -> None:
    from safetensors import safe_open

    weights = {"a": np.arange(3, dtype=np.float32)}
    path = tmp_path / "model.safetensors"
    path.write_bytes(dump(weights, FLOAT32, METADATA))
    with safe_open(path, "numpy") as file:  # type: ignore[no-untyped-call]
        assert file.metadata() == METADATA
    assert (read(path)["a"][1] == weights["a"]).all()


def fails(code: str, folder: Path) -> str:
    with pytest.raises(lsrl.LsrlError) as caught:
        hf_load(folder)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == code
    assert diagnostic.help
    return diagnostic.message


def test_without_transformers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert fails("E026", tmp_path) == "transformers is not installed"


@pytest.mark.parametrize("version", ["4.49.0", "4.9.2", "3.5.1", "4.5.0.dev0"])
def test_old_transformers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str) -> None:
    pytest.importorskip("torch")
    old: Any = ModuleType("transformers")
    old.__version__ = version
    monkeypatch.setitem(sys.modules, "transformers", old)
    message = f"transformers {version} is too old: it must be 4.50 or later"
    assert fails("E026", tmp_path) == message


CONFIGS = ["", "[]", "{}", '{"architectures": ["LlamaModel"]}', '{"architectures": [["x"]]}']


@pytest.mark.parametrize("config", [None, *CONFIGS])
def test_other_folders(tmp_path: Path, config: str | None) -> None:
    pytest.importorskip("transformers")
    if config is not None:
        (tmp_path / "config.json").write_text(config, encoding="utf-8")
    assert "it is not one of mamba or hawk" in fails("E040", tmp_path)


@pytest.mark.parametrize("interface", ["tokens", "embeds"])
def test_missing_weights(tmp_path: Path, interface: str) -> None:
    pytest.importorskip("transformers")
    config = hf_config("hawk", HAWK | {"interface": interface}, {})
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert "cannot read the checkpoint" in fails("E040", tmp_path)
