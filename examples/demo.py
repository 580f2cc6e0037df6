"""The demonstration of `make demo`: a dictionary in the prompt, and a function in the prompt.

Compiles `dictionary.lsrl` to a linear RNN and to the weights of torch's own LSTM, `capitals.lsrl`
to a checkpoint of Hugging Face's Mamba, and `vector.lsrl` to a linear RNN, prompts them, and writes
a picture of the target function and its in-context approximation to `out/vector.png`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

import lsrl
from lsrl.experiments.prompts import CAPITALS, letters, spelled

HERE = Path(__file__).parent
OUT = Path("out")

QUERIES = ("fra", "jpn", "ken", "deu", "swe")


def prompt(query: str) -> list[int]:
    """The query, then all keys and values."""
    pairs = [letters(key) + letters(value) for key, value in CAPITALS.items()]
    return letters(query) + [t for pair in pairs for t in pair]


def dictionary() -> None:
    """Countries and capitals, looked up by a recurrent model with no training."""
    program = lsrl.load(HERE / "dictionary.lsrl", length=200)
    model = lsrl.compile(program, target="linear-rnn")
    report = model.report
    print(f"dictionary.lsrl -> {model.target}: {report.parameters:,} parameters, "
          f"{report.layers} ReLU layers, {report.dtype}")  # fmt: skip
    print(f"prompt: a country, then {len(CAPITALS)} pairs of country and capital\n")
    print("  query   model   interpreter")
    for query in QUERIES:
        x = prompt(query)
        print(f"  {query}     {spelled(model.run(x)[-3:])}     {spelled(program.run(x)[-3:])}")


def stock() -> None:
    """The same dictionary in plain torch.nn.LSTM and torch.nn.Linear."""
    import torch

    torch.set_num_threads(1)  # the layers are small
    model = lsrl.compile(lsrl.load(HERE / "dictionary.lsrl", length=200), target="lstm")
    weights = {name: torch.from_numpy(w) for name, w in model.weights.items()}
    shape, report = model.shape, model.report
    lstm = torch.nn.LSTM(
        shape["input_size"], shape["hidden_size"], shape["num_layers"], batch_first=True
    )
    head = torch.nn.Linear(shape["hidden_size"], shape["output_size"])
    for part, name in ((lstm, "rnn."), (head, "head.")):
        own = {k.removeprefix(name): w for k, w in weights.items() if k.startswith(name)}
        part.load_state_dict(own)  # strict
    print(f"\ndictionary.lsrl -> {model.target}: {report.parameters:,} parameters, "
          f"{report.layers} layers of {shape['hidden_size']} units, {report.dtype}\n"
          "  the same prompts in torch.nn.LSTM, nothing of ours running:")  # fmt: skip
    x = torch.tensor([prompt(query) for query in QUERIES], dtype=torch.float32)[..., None]
    with torch.no_grad():
        answers = head(lstm(x)[0])[:, -3:, 0].round()
    told = (f"{q} {spelled(a.numpy())}" for q, a in zip(QUERIES, answers, strict=True))
    print("  " + ", ".join(told))


def mamba() -> None:
    """Capitals once more, said aloud by `generate` of Hugging Face's Mamba; A is 1."""
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    model = lsrl.compile(lsrl.load(HERE / "capitals.lsrl", length=200), target="mamba")
    with tempfile.TemporaryDirectory() as place:
        model.save(Path(place) / "capitals")
        stock = transformers.MambaForCausalLM.from_pretrained(Path(place) / "capitals")
    report, shape = model.report, model.shape
    print(f"\ncapitals.lsrl -> {model.target}: {report.parameters:,} parameters, "
          f"{report.layers} layers of width {shape['hidden_size']}, {report.dtype}\n"
          "  MambaForCausalLM.from_pretrained(...).generate, nothing of ours running:")  # fmt: skip
    prompts = torch.tensor([[*(t + 1 for t in prompt(query)), 0] for query in QUERIES])
    said = stock.generate(
        prompts, attention_mask=torch.ones_like(prompts), max_new_tokens=3, do_sample=False
    )[:, -3:]
    told = (f"{q} {spelled(a.numpy() - 1)}" for q, a in zip(QUERIES, said, strict=True))
    print("  " + ", ".join(told))


def target(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The paper's random smooth functions on [0, 1]^2: five control points in [-0.1, 1.1]^2 with
    values in [-3, 3], weighted by exp(-distance); x `[k, 2]` to `[k]`."""
    points, values = rng.uniform(-0.1, 1.1, (5, 2)), rng.uniform(-3, 3, 5)
    distance = np.linalg.norm(x[:, None] - points, axis=-1)
    weights = np.exp(-distance)
    return np.asarray((weights * values).sum(axis=1) / weights.sum(axis=1))


def vector(cells: int = 8, queries: int = 48) -> None:
    """A function of two variables, given as a table in the prompt."""
    program = lsrl.load(HERE / "vector.lsrl", length=cells * cells + 1)
    model = lsrl.compile(program, target="linear-rnn")
    print(f"\nvector.lsrl -> {model.target}: {model.report.parameters:,} parameters, "
          f"{model.report.layers} ReLU layers, "
          f"certified error {model.certificate['bound']['y']:.1g}")  # fmt: skip
    corners = np.stack(np.meshgrid(*[np.arange(cells) / cells] * 2), axis=-1).reshape(-1, 2)
    middles = (np.arange(queries) + 0.5) / queries
    points = np.stack(np.meshgrid(middles, middles), axis=-1).reshape(-1, 2)
    everything = target(np.concatenate([corners + 0.5 / cells, points]), np.random.default_rng(1))
    table, wanted = everything[: len(corners)], everything[len(corners) :]
    batch = {
        "side": np.full((len(points), len(corners) + 1), 1 / cells),
        "corner": np.concatenate(
            [points[:, None], np.repeat(corners[None], len(points), axis=0)], axis=1
        ),
        "value": np.repeat(np.concatenate([[0], table])[None, :, None], len(points), axis=0),
    }
    got = model.run_batch(batch)[:, -1, 0]
    meant = program.run_batch(batch)[:, -1, 0]
    print(f"  {len(points):,} queries on a prompt of {cells} x {cells} cells: mean distance to the "
          f"target {np.abs(got - wanted).mean():.3f},\n  largest distance to the interpreter "
          f"{np.abs(got - meant).max():.1g}")  # fmt: skip
    picture(wanted.reshape(queries, queries), got.reshape(queries, queries))


def picture(wanted: np.ndarray, got: np.ndarray) -> None:
    """Target and approximation side by side; `[k, k]` each."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    fig, axes = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
    for ax, z, title in zip(axes, (wanted, got), ("target", "linear RNN, prompted"), strict=True):
        image = ax.imshow(z, origin="lower", extent=(0, 1, 0, 1), vmin=-3, vmax=3, cmap="RdBu_r")
        ax.set(title=title, xlabel="$x_1$", ylabel="$x_2$")
    fig.colorbar(image, ax=axes, shrink=0.85)
    OUT.mkdir(exist_ok=True)
    fig.savefig(OUT / "vector.png", dpi=150)
    plt.close(fig)
    print(f"  picture: {OUT / 'vector.png'}")


if __name__ == "__main__":
    dictionary()
    stock()
    mamba()
    vector()
