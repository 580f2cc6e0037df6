"""Runs an emitted module where nothing but its framework, and what that needs, can be imported.

    python -I -S fused_child.py SITE_PACKAGES FRAMEWORK MODULE.py

Reads x.npz and writes y.npz, the outputs of the batch in two parts; both beside the module.
"""

import importlib.abc
import importlib.util
import sys
from pathlib import Path

ALLOWED = {
    "numpy": {"numpy"},
    "torch": {
        *("numpy", "torch", "torchgen", "functorch", "typing_extensions", "sympy", "mpmath"),
        *("filelock", "fsspec", "jinja2", "markupsafe", "networkx", "setuptools"),
    },
    "jax": {"numpy", "jax", "jaxlib", "ml_dtypes", "opt_einsum", "scipy"},
}


class Blocker(importlib.abc.MetaPathFinder):
    """What else is installed is not there."""

    def __init__(self, site, framework):
        names = {p.name.split(".")[0].split("-")[0] for p in Path(site).iterdir()}
        self.blocked = {*names, "lsrl", "lsrl_backends"} - ALLOWED[framework]

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.blocked:
            raise ModuleNotFoundError(f"{name} is not here", name=name)
        return


def main(site, framework, path):
    sys.path.append(site)
    sys.meta_path.insert(0, Blocker(site, framework))
    import numpy as np

    if framework == "jax":
        import jax

        jax.config.update("jax_enable_x64", True)
    spec = importlib.util.spec_from_file_location("emitted", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with np.load(Path(path).with_name("x.npz")) as found:
        inputs = dict(found)
    half = next(iter(inputs.values())).shape[1] // 2
    first, state = module.run({name: x[:, :half] for name, x in inputs.items()})
    second, _ = module.run({name: x[:, half:] for name, x in inputs.items()}, state)
    joined = {
        k: np.concatenate([np.asarray(y), np.asarray(second[k])], 1) for k, y in first.items()
    }
    np.savez(Path(path).with_name("y.npz"), **joined)


if __name__ == "__main__":
    main(*sys.argv[1:])
