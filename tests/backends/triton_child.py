"""Runs checkpoint folders with their emitted Triton code in the interpreter, where torch, triton,
numpy, safetensors and what these need are all that can be imported.

    TRITON_INTERPRET=1 python -S triton_child.py SITE_PACKAGES FOLDER...

Each folder has, beside the checkpoint, x.npy: a batch of inputs as the model reads them. Writes
y.npy and scan.npy.
"""

import importlib.abc
import sys
from pathlib import Path

BLOCKED = ("lsrl", "lsrl_backends", "jax", "flax", "transformers")


class Blocker(importlib.abc.MetaPathFinder):
    """What else is installed is not there."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"{name} is not here")


def check(folder):
    import numpy as np
    import torch

    sys.path.insert(0, str(folder))
    (path,) = folder.glob("modeling_*_triton.py")
    name = path.stem.removesuffix("_triton")
    module = __import__(name)
    chosen = next(c for c in vars(module).values() if hasattr(c, "from_pretrained"))
    with_kernels = __import__(path.stem).with_kernels
    x = torch.from_numpy(np.load(folder / "x.npy"))
    model = chosen.from_pretrained(folder)
    with torch.no_grad():
        for file, scan in (("y", False), ("scan", True)):
            y, _ = with_kernels(model, scan=scan)(x)
            np.save(folder / f"{file}.npy", y.numpy())


def main(site, *folders):
    sys.meta_path.insert(0, Blocker())
    sys.path.append(site)
    for folder in folders:
        check(Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
