"""Runs checkpoint folders in the stock classes of transformers, where LSRL cannot be imported.

    python -I -S hf_child.py SITE_PACKAGES FOLDER...

Each folder has, beside the checkpoint, data.npz: inputs `in.*` and expected outputs `out.*`, by
field. Prints one JSON object: by folder what was said while loading, how many positions there are,
how many of them are wrong and the largest error, by output; and whether the emitted module and the
stock class with its cache, step by step, say the same.
"""

import json
import logging
import sys
from pathlib import Path

STEPPED = 24


def loaded(folder, config):
    """The stock model that config.json names, and all that transformers has to say of weights."""
    import transformers

    said = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: said.append(record.getMessage())
    logging.getLogger("transformers").addHandler(handler)
    (name,) = config["architectures"]
    model, info = getattr(transformers, name).from_pretrained(folder, output_loading_info=True)
    logging.getLogger("transformers").removeHandler(handler)
    said += [f"{kind}: {sorted(keys)}" for kind, keys in info.items() if keys]
    assert type(model).__name__ == name
    return model.eval(), [s for s in said if "fast path" not in s]


def digits(fields):
    """Of each element its field, its lowest value and how many there are: a digit of an id."""
    for f in fields:
        lo, hi = (0, len(f["members"]) - 1) if "members" in f else (f["lo"], f["hi"])
        yield from [(f["name"], int(lo), int(hi) - int(lo) + 1)] * f["size"]


def columns(fields, data, kind):
    """`[B, T, elements]` of all fields."""
    import numpy as np

    parts = [np.asarray(data[f"{kind}.{f['name']}"], dtype=np.float64) for f in fields]
    parts = [x if f["vector"] else x[..., None] for x, f in zip(parts, fields, strict=True)]
    return np.concatenate(parts, axis=-1)


def token_ids(fields, values):
    """The mixed-radix number of `[..., elements]`, the first slowest."""
    total = 0
    for i, (_, lo, size) in enumerate(digits(fields)):
        total = total * size + (values[..., i].astype(int) - lo)
    return total


class Tokens:
    """A causal language model: ids in, the largest logit out."""

    def __init__(self, model, folder, said):
        self.model, self.said = model, said

    def inputs(self, data):
        import torch

        return torch.from_numpy(
            token_ids(self.said["inputs"], columns(self.said["inputs"], data, "in"))
        )

    def run(self, x, **options):
        out = self.model(input_ids=x, **options)
        return out.logits, out

    def report(self, y, data, bounds):
        """A logit is off by at most half of what the right one falls short of being ahead by 1."""
        import numpy as np

        fields = self.said["outputs"]
        right = token_ids(fields, columns(fields, data, "out"))[..., None]
        own = np.take_along_axis(y, right, -1)[..., 0]
        others = y.copy()
        np.put_along_axis(others, right, -np.inf, -1)
        ahead = own - others.max(axis=-1)
        wrong = y.argmax(axis=-1) != right[..., 0]
        error = np.maximum(0.0, 1 - ahead) / 2
        return [entry("tokens", False, wrong, error, max(bounds.values()))]


class Numbers:
    """A model without a head, between two linear maps."""

    def __init__(self, model, folder, said):
        from safetensors.torch import load_file

        self.model, self.said = model, said
        self.adapter = load_file(folder / "adapter.safetensors")

    def inputs(self, data):
        import torch

        return torch.from_numpy(columns(self.said["inputs"], data, "in")).float()

    def run(self, x, **options):
        a = self.adapter
        embedded = x @ a["input.weight"].T + a["input.bias"]
        out = self.model(inputs_embeds=embedded, **options)
        return out.last_hidden_state @ a["output.weight"].T + a["output.bias"], out

    def report(self, y, data, bounds):
        import numpy as np

        at = 0
        for f in self.said["outputs"]:
            part = y[..., at : at + f["size"]]
            at += f["size"]
            meant = columns([f], data, "out")
            error, real = np.abs(part - meant), f["type"] == "real"
            wrong = error > bounds[f["name"]] if real else np.rint(part) != meant
            yield entry(f["name"], real, wrong, error, bounds[f["name"]])
        assert at == y.shape[-1]


def entry(name, real, wrong, error, bound):
    import numpy as np

    largest = float(error.max(initial=0.0)) if np.isfinite(error).all() else 1e300
    return {
        "name": name,
        "real": real,
        "wrong": int(wrong.sum()),
        "largest": largest,
        "bound": bound,
    }


def check(folder):
    import numpy as np
    import torch

    config = json.loads((folder / "config.json").read_text())
    bounds = json.loads((folder / "certificate.json").read_text())["bound"]
    model, warned = loaded(folder, config)
    said = config["lsrl"]
    own = (Tokens if said["interface"] == "tokens" else Numbers)(model, folder, said)
    data = np.load(folder / "data.npz")
    x = own.inputs(data)
    with torch.no_grad():
        y = own.run(x, use_cache=False)[0]
        few, first = x[:, :STEPPED], y[:, :STEPPED]
        return {
            "warned": warned,
            "positions": x.shape[0] * x.shape[1],
            "outputs": list(own.report(y.double().numpy(), data, bounds)),
            "emitted": emitted(folder, few, first),
            "cached": cached(own, few, first),
        }


def emitted(folder, x, y):
    """Whether the emitted module, imported from its file, gives the same, at once and by step."""
    import torch

    (path,) = (p for p in folder.glob("modeling_*.py") if p.stem.count("_") == 1)
    namespace = {"__name__": path.stem}
    exec(compile(path.read_text(), str(path), "exec"), namespace)
    (name,) = (n for n in namespace if n.startswith("Compiled"))
    model, steps, state = namespace[name].from_pretrained(folder), [], None
    whole, _ = model(x)
    for t in range(x.shape[1]):
        step, state = model.step(x[:, t], state)
        steps.append(step)
    return same(whole, y) and same(torch.stack(steps, dim=1), y)


def cached(own, x, y):
    """Whether the stock class gives the same with its cache, step by step; or what it raises."""
    import torch

    cache, steps = {}, []
    try:
        for t in range(x.shape[1]):
            step, out = own.run(x[:, t : t + 1], use_cache=True, **cache)
            name = "cache" if "cache" in out else "cache_params"  # as before version 5.24
            cache = {name: out[name]}
            steps.append(step)
    except ValueError as e:
        return str(e)
    return same(torch.cat(steps, dim=1), y)


def same(a, b):
    import torch

    return bool(torch.allclose(a, b, rtol=1e-5, atol=1e-5))


def main(site, *folders):
    sys.path.append(str(Path(__file__).parent))
    from stock_child import BLOCKED, Blocker

    sys.meta_path.insert(0, Blocker())
    sys.path.append(site)
    import torch

    torch.set_num_threads(1)
    print(json.dumps({f: check(Path(f)) for f in folders}))
    assert not any(name.split(".")[0] in BLOCKED for name in sys.modules)


if __name__ == "__main__":
    main(*sys.argv[1:])
