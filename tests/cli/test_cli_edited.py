"""`lsrl verify` on checkpoints that were edited: by how much, and what."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file


def edit(folder: Path, name: str, place: int, by: float) -> None:
    """Adds to one entry of one weight."""
    weights = load_file(folder / "model.safetensors")
    array = weights[name].copy()
    array.flat[place] += np.float32(by)
    save_file({**weights, name: array}, folder / "model.safetensors")


def change(folder: Path, file: str, **values: Any) -> None:
    """Sets entries of a JSON file."""
    path = folder / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_an_edited_weight_is_named_with_its_change(lsrl: Any, checkpoint: Path) -> None:
    edit(checkpoint, "layers.0.B", 0, 0.75)
    result = lsrl("verify", checkpoint, "--samples", 20)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    size = load_file(checkpoint / "model.safetensors")["layers.0.B"].size
    assert lines[0] == f"{checkpoint}: FAILED"
    assert lines[-2:] == [
        "  weights that the compiler does not give for program.lsrl (either was edited)",
        f"    layers.0.B: 1 of {size} entries, by up to 0.75",
    ]
    assert any(
        line.startswith("  it is off by ") and line.endswith("may be by 0") for line in lines
    )
    data = json.loads(lsrl("verify", checkpoint, "--samples", 20, "--json").stdout)
    assert data["passed"] is False
    assert data["failure"]["error"] > data["failure"]["bound"] == 0
    assert data["weights"]["edited"] == {
        "layers.0.B": {"entries": 1, "size": size, "largest": 0.75}
    }


def test_an_edit_that_no_input_shows_fails_too(lsrl: Any, checkpoint: Path) -> None:
    """The certificate is about the compiler's weights. One unit in the last place is seen."""
    weights = load_file(checkpoint / "model.safetensors")
    name = next(n for n in sorted(weights) if (weights[n] == 0).any())
    edit(checkpoint, name, int(np.flatnonzero(weights[name] == 0)[0]), 2.0**-149)
    result = lsrl("verify", checkpoint, "--samples", 20)
    assert result.exit_code == 1
    assert f"{name}: 1 of {weights[name].size} entries, by up to 1.4e-45" in result.stdout


def test_a_weight_that_is_no_number(lsrl: Any, checkpoint: Path) -> None:
    edit(checkpoint, "layers.0.B", 0, np.nan)
    result = lsrl("verify", checkpoint, "--samples", 5)
    assert (result.exit_code, "entries, by up to inf" in result.stdout) == (1, True)
    data = json.loads(lsrl("verify", checkpoint, "--samples", 5, "--json").stdout)
    assert data["weights"]["edited"]["layers.0.B"]["largest"] is None


def test_an_edited_certificate(lsrl: Any, checkpoint: Path) -> None:
    change(checkpoint, "certificate.json", bound={"ones": 0.0, "majority": 0.125})
    result = lsrl("verify", checkpoint, "--samples", 5)
    assert result.exit_code == 1
    assert "certificate.json is not the one that the compiler gives" in result.stdout


def test_an_edited_program_that_does_not_compile(lsrl: Any, checkpoint: Path) -> None:
    path = checkpoint / "program.lsrl"
    gated = path.read_text().replace("ones + bit", "if bit == 1 then ones + 1 else 0")
    path.write_text(gated)
    result = lsrl("verify", checkpoint, "--samples", 5)
    assert result.exit_code == 1
    assert "not compared with the compiler's: its program does not compile" in result.stdout


def test_an_untouched_checkpoint_has_no_edits(lsrl: Any, checkpoint: Path) -> None:
    data = json.loads(lsrl("verify", checkpoint, "--samples", 5, "--json").stdout)
    assert data["passed"] is True
    assert data["weights"] == {
        "compared": True, "reason": "", "edited": {}, "certificate_differs": False
    }  # fmt: skip


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_the_options_of_the_checkpoint_are_used(
    lsrl: Any, program: Path, tmp_path: Path, dtype: str
) -> None:
    args = ["compile", program, "-t", "linear-rnn", "-o", tmp_path / "new", "--dtype", dtype]
    assert lsrl(*args, "--guard", 0.25, "--tolerance", 0.5, "-D", "lead=1").exit_code == 0
    result = lsrl("verify", tmp_path / "new", "--samples", 5)
    assert result.exit_code == 0, result.stdout


def test_another_compiler_is_not_compared_with(lsrl: Any, checkpoint: Path) -> None:
    from lsrl import __version__

    change(checkpoint, "config.json", lsrl_version="0.0.1")
    code = checkpoint / "modeling_linear_rnn.py"
    code.write_text(code.read_text().replace(f"LSRL {__version__}", "LSRL 0.0.1"))
    result = lsrl("verify", checkpoint, "--samples", 5)
    assert result.exit_code == 0, result.stdout
    reason = f"it was compiled by LSRL 0.0.1, and this is {__version__}"
    note = f"  the weights are not compared with the compiler's: {reason}"
    assert result.stdout.splitlines()[-1] == note
    edit(checkpoint, "layers.0.B", 0, 0.75)  # the runs are compared all the same
    result = lsrl("verify", checkpoint, "--samples", 5)
    assert (result.exit_code, note in result.stdout) == (1, True)
