"""The emitted torch code: its text, and what it gives where torch and safetensors alone can be
imported.

`LSRL_GOLDEN=1 pytest tests/backends/test_torch_emitted.py` writes its golden texts anew: they are
what the emitted code was when somebody last looked at it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from emitted_cases import CASES, RUN, compiled, data_of, name_of
from lsrl_backends.torch import BACKEND

CHILD, GOLDEN = Path(__file__).with_name("torch_child.py"), Path(__file__).parent / "golden"
SITE = str(Path(torch.__file__).parents[1])


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_the_text(case: tuple[str, str, str]) -> None:
    ((file, text),) = BACKEND.emit(compiled(*case)).items()
    path = GOLDEN / f"torch-{name_of(case)}.txt"
    if os.environ.get("LSRL_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert file == f"modeling_{case[1].replace('-', '_')}.py"
    assert text == path.read_text(encoding="utf-8")


def test_it_needs_torch_and_safetensors_only(tmp_path: Path) -> None:
    """Every target, at once and step by step, within the certificate."""
    folders = {case: tmp_path / name_of(case) for case in RUN}
    for case, folder in folders.items():
        model = compiled(*case)
        model.save(folder)
        np.save(folder / "x.npy", data_of(model)[0].astype(float))
    command = [sys.executable, "-I", "-S", "-W", "error", str(CHILD), SITE]
    command += [str(f) for f in folders.values()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    for case, folder in folders.items():
        model = compiled(*case)
        with np.load(folder / "torch.npz") as found:
            for y in found.values():
                meant = {k: v[:, : y.shape[1]] for k, v in data_of(model)[1].items()}
                for name, error in model.errors(model.split(y), meant).items():
                    assert error.max() <= model.certificate["bound"][name], (case, name)
