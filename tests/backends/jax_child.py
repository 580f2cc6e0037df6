"""Runs checkpoint folders with their emitted JAX code on four devices, where jax, numpy,
safetensors and what these three need are all that can be imported.

    python -I -S jax_child.py SITE_PACKAGES FOLDER...

Each folder has, beside the checkpoint, x.npy: a batch of inputs as the model reads them. Writes
what the model gives into jax.npz: `y` of the batch on four devices, a part of the time after the
other; `parallel` of its first 7 steps, on one device; and `steps`, the first 12 of its first
sequence.
"""

import importlib.abc
import importlib.util
import os
import sys
from pathlib import Path

ALLOWED = ("jax", "jaxlib", "numpy", "safetensors", "ml_dtypes", "opt_einsum", "scipy")
DEVICES = 4
PARTS, STEPS, PARALLEL = 3, 12, 7


class Blocker(importlib.abc.MetaPathFinder):
    """What else is installed is not there."""

    def __init__(self, site, allowed):
        names = {p.name.split(".")[0].split("-")[0] for p in Path(site).iterdir()}
        self.blocked = {*names, "lsrl", "lsrl_backends"} - {*allowed}

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.blocked:
            raise ModuleNotFoundError(f"{name} is not here")
        return


def emitted(folder):
    """The module of a folder."""
    (path,) = folder.glob("modeling_*_jax.py")
    spec = importlib.util.spec_from_file_location(f"emitted_{abs(hash(folder))}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check(folder):
    import jax
    import numpy as np

    module, x = emitted(folder), np.load(folder / "x.npy")
    weights = module.load(folder)
    run, found = module.run, {}

    def split_run(*args):
        y, state = run(*args)
        assert len(y.sharding.device_set) == DEVICES
        assert y.sharding.shard_shape(y.shape)[0] == len(x) // DEVICES
        return y, state

    module.run = split_run
    split = module.sharded(weights, x)
    found["y"], _ = module.run_in_chunks(*split, steps=x.shape[1] // PARTS)
    if hasattr(module, "parallel_recurrence"):
        found["parallel"] = run(weights, x[:, :PARALLEL], parallel=True)[0]
    step, state, steps = jax.jit(module.step), module.initial_state(weights), []
    for t in range(STEPS):
        y_t, state = step(weights, x[0, t], state)
        steps.append(np.asarray(y_t))
    found["steps"] = np.stack(steps)
    arrays = {k: np.asarray(a) for k, a in found.items()}
    assert all(str(a.dtype) == module.DTYPE for a in arrays.values())
    np.savez(folder / "jax.npz", **{k: a.astype(np.float64) for k, a in arrays.items()})


def main(site, *folders):
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={DEVICES}"
    os.environ["JAX_PLATFORMS"] = "cpu"
    sys.meta_path.insert(0, Blocker(site, ALLOWED))
    sys.path.append(site)
    for name in ("lsrl", "lsrl_backends", "torch", "flax"):
        try:
            __import__(name)
        except ImportError:
            continue
        raise SystemExit(f"{name} can be imported")
    import jax

    assert len(jax.devices()) == DEVICES
    for folder in folders:
        if "float64" not in folder:
            check(Path(folder))
            continue
        try:
            emitted(Path(folder)).load(folder)
            raise SystemExit("float64 was loaded without x64")
        except ValueError as e:
            assert "jax_enable_x64" in str(e)
        with jax.enable_x64(True):
            check(Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
