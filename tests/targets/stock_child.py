"""Runs checkpoint folders in torch's own classes, where LSRL cannot be imported.

    python -I -S stock_child.py SITE_PACKAGES FOLDER...

Each folder has, beside the checkpoint, data.npz: inputs `in.*` and expected outputs `out.*`, by
field. Prints one JSON object: by folder how many positions and how many of them are wrong, the
largest error of reals, and whether the emitted module says the same.
"""

import importlib.abc
import importlib.util
import json
import sys
from pathlib import Path

BLOCKED = ("lsrl", "lsrl_backends")
CLASSES = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN", "rnn-tanh": "RNN"}


class Blocker(importlib.abc.MetaPathFinder):
    """Nothing of ours is there."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"{name} is not here")
        return


def stock(config, weights):
    """torch's module and head, every weight in its place and none left over."""
    import torch

    settings = {"nonlinearity": config["nonlinearity"]} if "nonlinearity" in config else {}
    rnn = getattr(torch.nn, CLASSES[config["target"]])(
        config["input_size"],
        config["hidden_size"],
        config["num_layers"],
        batch_first=True,
        **settings,
    )
    head = torch.nn.Linear(config["hidden_size"], config["output_size"])
    dtype = getattr(torch, config["dtype"])
    for prefix, module in (("rnn.", rnn), ("head.", head)):
        own = {k.removeprefix(prefix): w for k, w in weights.items() if k.startswith(prefix)}
        module.to(dtype).load_state_dict(own, strict=True)
    assert all(k.startswith(("rnn.", "head.")) for k in weights)
    assert all(w.dtype is dtype for w in weights.values())
    return rnn.eval(), head.eval()


def encoded(fields, data):
    """Inputs as config.json says: `[B, T, input size]`."""
    import numpy as np

    parts = []
    for f in fields:
        x = np.asarray(data[f"in.{f['name']}"], dtype=np.float64)
        x = x if f["vector"] else x[..., None]
        if f["encoding"] == "onehot":
            x = (x[..., None] == np.array(f["values"])).astype(float)
            x = x.reshape(*x.shape[:2], -1)
        parts.append(x)
    return np.concatenate(parts, axis=-1)


def decoded(fields, y):
    """Outputs by name, rounded unless they are real."""
    import numpy as np

    result, at = {}, 0
    for f in fields:
        width = f["size"] * len(f.get("values", [0]))
        part = y[..., at : at + width]
        at += width
        if f["encoding"] == "onehot":
            logits = part.reshape(*part.shape[:-1], f["size"], -1)
            part = np.array(f["values"])[logits.argmax(axis=-1)]
        elif f["type"] != "real":
            part = np.rint(part)
        result[f["name"]] = part if f["vector"] else part[..., 0]
    assert at == y.shape[-1]
    return result


def check(folder):
    import numpy as np
    import torch
    from safetensors.torch import load_file

    config = json.loads((folder / "config.json").read_text())
    bounds = json.loads((folder / "certificate.json").read_text())["bound"]
    weights = load_file(folder / "model.safetensors")
    rnn, head = stock(config, weights)
    data = np.load(folder / "data.npz")
    x = torch.from_numpy(encoded(config["inputs"], data)).to(rnn.weight_ih_l0.dtype)
    with torch.no_grad():
        y = head(rnn(x)[0])
    got, report = decoded(config["outputs"], y.double().numpy()), {}
    for f in config["outputs"]:
        error = np.abs(got[f["name"]] - data[f"out.{f['name']}"].astype(float))
        largest = float(error.max(initial=0.0)) if np.isfinite(error).all() else 1e300
        wrong = error > bounds[f["name"]] if f["type"] == "real" else error != 0
        report[f["name"]] = {
            "real": f["type"] == "real",
            "wrong": int(wrong.sum()),
            "largest": largest,
            "bound": bounds[f["name"]],
        }
    same = emitted(folder, x[:, :16], y[:, :16])
    return {"positions": x.shape[0] * x.shape[1], "outputs": report, "emitted": same}


def emitted(folder, x, y):
    """Whether the emitted module, imported from its file, gives the same, at once and by step."""
    import torch

    (path,) = (p for p in folder.glob("modeling_*.py") if not p.stem.endswith("_jax"))
    spec = importlib.util.spec_from_file_location(f"emitted_{abs(hash(folder))}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (name,) = (n for n in vars(module) if n.startswith("Compiled"))
    model = getattr(module, name).from_pretrained(folder)
    with torch.no_grad():
        whole, _ = model(x)
        steps, state = [], None
        for t in range(x.shape[1]):
            step, state = model.step(x[:, t], state)
            steps.append(step)
    slack = {"rtol": 1e-5, "atol": 1e-5}
    stepped = torch.stack(steps, dim=1)
    return bool(torch.allclose(whole, y, **slack) and torch.allclose(stepped, y, **slack))


def main(site, *folders):
    sys.meta_path.insert(0, Blocker())
    sys.path.append(site)
    for name in BLOCKED:
        try:
            __import__(name)
        except ImportError:
            continue
        raise SystemExit(f"{name} can be imported")
    import torch

    torch.set_num_threads(1)
    print(json.dumps({f: check(Path(f)) for f in folders}))
    assert not any(name.split(".")[0] in BLOCKED for name in sys.modules)


if __name__ == "__main__":
    main(*sys.argv[1:])
