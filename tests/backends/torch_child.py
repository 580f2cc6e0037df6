"""Runs checkpoint folders with their emitted torch code, where torch, safetensors and what these
two need are all that can be imported.

    python -I -S torch_child.py SITE_PACKAGES FOLDER...

Each folder has, beside the checkpoint, x.npy: a batch of inputs as the model reads them. Writes
into torch.npz what the model gives: `y` of the batch, and `steps`, the first 12 steps one by one.
"""

import importlib.util
import sys
from pathlib import Path

ALLOWED = (
    *("torch", "safetensors", "numpy", "torchgen", "functorch", "typing_extensions", "sympy"),
    *("mpmath", "filelock", "fsspec", "jinja2", "markupsafe", "networkx", "setuptools"),
)
STEPS = 12


def check(folder):
    import numpy as np
    import torch

    (path,) = (p for p in folder.glob("modeling_*.py") if not p.stem.endswith(("_jax", "_triton")))
    spec = importlib.util.spec_from_file_location(f"emitted_{abs(hash(folder))}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    own = [c for c in vars(module).values() if getattr(c, "__module__", "") == spec.name]
    (chosen,) = (c for c in own if hasattr(c, "from_pretrained"))
    model, x = chosen.from_pretrained(folder), torch.from_numpy(np.load(folder / "x.npy"))
    x = x.to(next(model.parameters()).dtype)
    with torch.no_grad():
        y, _ = model(x)
        steps, state = [], None
        for t in range(STEPS):
            step, state = model.step(x[:, t], state)
            steps.append(step)
    found = {"y": y, "steps": torch.stack(steps, 1)}
    np.savez(folder / "torch.npz", **{k: v.double().numpy() for k, v in found.items()})


def main(site, *folders):
    sys.path.append(str(Path(__file__).parent))
    from jax_child import Blocker

    sys.meta_path.insert(0, Blocker(site, ALLOWED))
    sys.path.append(site)
    for folder in folders:
        check(Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
