"""The equations of Hawk, the emitted code and the stock class give the same numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from hf_checks import (  # noqa: E402
    check_activations,
    check_equal,
    check_loading,
    check_overwriting,
    check_steps,
)
from hf_models import TOLERANCE, VOCABULARY, Model, differs, greedy, ids, kept_inputs  # noqa: E402

from lsrl.targets.hawk import equations  # noqa: E402

MEASURED = "5.24.0"  # the version that the stock class's own bugs were seen in


def sizes(H: int, heads: int, layers: int, units: int, K: int) -> dict[str, Any]:
    return {
        "hidden_size": H,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": 2 * units,
        "lru_width": H,
        "conv1d_width": K,
        "logits_soft_cap": equations.SOFT_CAP,
    }


SIZES = {
    "least": sizes(2, 1, 1, 1, 4),
    "usual": sizes(16, 1, 2, 10, 4),
    "deep": sizes(12, 3, 5, 7, 4),
    "wide": sizes(64, 8, 2, 20, 4) | {"lru_width": 96},
    "no-window": sizes(8, 2, 2, 5, 1),
}
CASES = [(name, interface) for name in SIZES for interface in ("tokens", "embeds")]


def model(name: str = "usual", interface: str = "tokens") -> Model:
    return Model("hawk", SIZES[name], interface)


@pytest.mark.parametrize(("name", "interface"), CASES)
def test_equal(name: str, interface: str) -> None:
    check_equal(equations, model(name, interface))


@pytest.mark.parametrize(("name", "interface"), CASES)
def test_step_by_step(name: str, interface: str) -> None:
    check_steps(equations, model(name, interface))


@pytest.mark.parametrize(("name", "interface"), CASES)
def test_activations(name: str, interface: str) -> None:
    check_activations(equations, model(name, interface))


@pytest.mark.parametrize("name", SIZES)
def test_overwriting(name: str) -> None:
    check_overwriting(equations, model(name))


@pytest.mark.parametrize("interface", ["tokens", "embeds"])
def test_loading(interface: str, tmp_path: Path) -> None:
    check_loading(equations, model(interface=interface), tmp_path)


def test_activations_are_the_stock_model_s() -> None:
    """Residuals before and after each layer, gated channels, units of the MLP, the last states."""
    m = model("deep")
    layers, stock = check_activations(equations, m), m.stock()
    x = model("deep").inputs()
    blocks = stock.model.layers
    modules = {f"x{i}": b.temporal_pre_norm for i, b in enumerate(blocks)}
    modules |= {f"u{i}": b.temporal_block.linear_out for i, b in enumerate(blocks)}
    modules |= {f"m{i}": b.mlp_block.down_proj for i, b in enumerate(blocks)}
    modules |= {"r": stock.model.final_norm}
    with torch.no_grad(), kept_inputs(modules) as seen:
        stock(ids(x), use_cache=False)
    for i, (layer, block) in enumerate(zip(layers, blocks, strict=True)):
        for kind in "xum":
            assert differs(layer[kind], seen[f"{kind}{i}"]) < 3 * TOLERANCE
        last = block.temporal_block.rg_lru.recurrent_states.numpy()
        assert differs(layer["s"][:, -1], last) < 3 * TOLERANCE
    assert differs(layers[-1]["r"], seen["r"]) < TOLERANCE


@pytest.mark.parametrize("size", [2, 3, 5, 12, 16, 64, 100, 2560])
def test_the_scale_of_embeddings(size: int) -> None:
    stock = torch.tensor(size**0.5, dtype=torch.bfloat16).item()
    assert equations.embedding_scale(size) == stock


def test_far_from_zero() -> None:
    """The recipes' constants on integers, where every number is exact: a residual channel of 2^40
    that fixes the norm, GELU as ReLU, decays of 1 and 0, gates shut and open. Position 0 is the
    first input whatever the gate says of decays."""
    m = Model("hawk", sizes(16, 2, 2, 10, 4), "tokens")
    norm = np.full(16, 2.0**38)
    norm[0] = -0.75
    table = m.integers(VOCABULARY, 16)
    table[:, 0] = 2**38
    gates = 512 * m.integers(2, 8, 8, share=0.2)
    for i in range(2):
        out, down = m.integers(16, 16, share=0.2), m.integers(16, 10, share=0.2)
        out[0] = down[0] = 0
        written = {
            "temporal_pre_norm.weight": norm,
            "temporal_block.linear_x.weight": m.integers(16, 16, share=0.2),
            "temporal_block.linear_x.bias": m.integers(16),
            "temporal_block.conv_1d.weight": m.integers(16, 1, 4),
            "temporal_block.conv_1d.bias": m.integers(16),
            "temporal_block.rg_lru.recurrent_param": 32,
            "temporal_block.rg_lru.recurrent_gate_weight": gates,
            "temporal_block.rg_lru.recurrent_gate_bias": -256,
            "temporal_block.rg_lru.input_gate_weight": gates,
            "temporal_block.rg_lru.input_gate_bias": -256,
            "temporal_block.linear_y.weight": 128 * m.integers(16, 16, share=0.2),
            "temporal_block.linear_y.bias": 128 * m.integers(16),
            "temporal_block.linear_out.weight": out / 128,
            "temporal_block.linear_out.bias": 0,
            "channel_pre_norm.weight": norm,
            "mlp_block.gate_proj.weight": 128 * m.integers(10, 16, share=0.2),
            "mlp_block.gate_proj.bias": 128 * m.integers(10),
            "mlp_block.up_proj.weight": m.integers(10, 16, share=0.2),
            "mlp_block.up_proj.bias": m.integers(10),
            "mlp_block.down_proj.weight": down / 128,
            "mlp_block.down_proj.bias": 0,
        }
        for name, array in written.items():
            m.weights[f"model.layers.{i}.{name}"][...] = array
    m.weights["model.embed_tokens.weight"][...] = table
    m.weights["model.final_norm.weight"][...] = norm
    m.weights["lm_head.weight"][...] = m.integers(VOCABULARY, 16) / 2**10
    x, stock = m.inputs(), m.stock()
    y, state = equations.run(m.weights, x)
    assert differs(y, m.stock_run(stock, x)) < TOLERANCE
    assert differs(m.runner.run(x), y) < TOLERANCE
    for s, layer in zip(state, stock.model.layers, strict=True):
        h = s["h"]
        assert (h == np.rint(h)).all() and (h != 0).any()
        assert (h == layer.temporal_block.rg_lru.recurrent_states.numpy()).all()


# The stock class's own cache


@pytest.mark.parametrize("length", [1, 6])
def test_generate_is_greedy(length: int) -> None:
    """As config.json has it, without a cache; also a second time."""
    m = model()
    stock = m.stock()
    for _ in range(2):
        prompt = ids(m.inputs(steps=length))
        new = stock.generate(prompt, max_new_tokens=8, do_sample=False)
        assert torch.equal(new, greedy(stock, prompt, 8))


def test_the_cache_raises() -> None:
    """A bug of 5.24.0: without an attention layer there is no length of what the cache has seen.
    When this fails the stock class is mended: let config.json use the cache."""
    if transformers.__version__ != MEASURED:
        pytest.skip(f"measured with transformers {MEASURED}")
    m = model()
    stock, x = m.stock(), m.inputs()
    want = m.stock_run(stock, x)
    with pytest.raises(ValueError, match="can only be called on Attention layers"):
        stock(ids(x), use_cache=True)
    with pytest.raises(ValueError, match="can only be called on Attention layers"):
        stock.generate(ids(x), max_new_tokens=2, do_sample=False, use_cache=True)
    assert differs(m.stock_run(stock, x), want) == 0


def test_padding_in_a_prompt() -> None:
    """Without a padding token `generate` reads the whole prompt; with one in front, positions are
    counted from the next token, and the state is reset there."""
    m = model()
    x = m.inputs(steps=6)
    x[:, 0] = 0
    want = equations.run(m.weights, x)[0][:, -1]

    def logits(stock: Any, **given: Any) -> Any:
        given |= {"max_new_tokens": 1, "do_sample": False, "output_logits": True}
        return stock.generate(ids(x), return_dict_in_generate=True, **given).logits[0].numpy()

    assert differs(logits(m.stock()), want) < TOLERANCE
    padded, everything = m.stock(pad_token_id=0), torch.ones_like(ids(x))
    assert differs(logits(padded), want) > 100 * TOLERANCE
    assert differs(logits(padded, attention_mask=everything), want) < TOLERANCE
