"""`lstm`, `gru`, `rnn`, `rnn-tanh`: every construct and every example, at every level."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from agreement import compare
from table import CASES

import lsrl
from lsrl.sampling import Sampler
from lsrl.support import verdict

TARGETS = ["lstm", "gru", "rnn", "rnn-tanh"]
EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.lsrl"))
TEXTS = {c.name: c.text for c in CASES}
CONSTRUCTS = [(t, n) for t in TARGETS for n in TEXTS]
BOTH = "number", "onehot"
FORMATS = [("float32", "number"), ("float32", "onehot"), ("float64", "number")]
# Takes 20 s; the construct of this name is tested with one column a value.
LARGE = ("rnn-tanh", "running_maximum", "onehot")
ON_EXAMPLES = [
    (t, p.stem, e) for t in TARGETS for p in EXAMPLES for e in BOTH if (t, p.stem, e) != LARGE
]

# What is refused: by name, for which encodings and why. What is not here must compile.
REFUSED: dict[str, dict[str, tuple[tuple[str, ...], str]]] = {
    "lstm": {},
    "gru": {},
    "rnn": {},
    "rnn-tanh": {"general": (BOTH, "E803"), "reset decay": (BOTH, "E803")},
}


def program_of(name: str) -> lsrl.Program:
    if name in TEXTS:
        return lsrl.parse(TEXTS[name])
    return lsrl.load(EXAMPLES[0].parent / f"{name}.lsrl")


def held(target: str, name: str, encoding: str) -> bool:
    encodings, _ = REFUSED[target].get(name, ((), ""))
    return encoding not in encodings


def runs_agree(program: lsrl.Program, model: lsrl.CompiledModel) -> None:
    """Stream, batch and single runs."""
    data = Sampler(program, seed=2).draw(2, 8)
    for backend in ("numpy", "torch"):
        together = model.split(model.runner(backend).run(model.stacked(data)))
        single = model.run({n: x[1] for n, x in data.items()}, raw=True, backend=backend)
        stream = model.stream(raw=True, backend=backend)
        steps = [stream.step({n: x[1, t] for n, x in data.items()}) for t in range(8)]
        for output in program.output_names:
            alone = single[output] if isinstance(single, dict) else single
            stepped = np.array([s[output] if isinstance(s, dict) else s for s in steps])
            slack = 2 * model.certificate["bound"][output] + 1e-5
            np.testing.assert_allclose(alone, together[output][1], rtol=0, atol=slack)
            np.testing.assert_allclose(stepped, together[output][1], rtol=0, atol=slack)


@pytest.mark.parametrize(("dtype", "encoding"), FORMATS)
@pytest.mark.parametrize(("target", "name"), CONSTRUCTS)
def test_construct_agrees_with_the_interpreter(
    target: str, name: str, encoding: str, dtype: str
) -> None:
    """And stream, batch and single runs with each other."""
    if not held(target, name, encoding):
        pytest.skip("refused, see below")
    program = program_of(name)
    model = compare(program, dtype, target=target, encoding=encoding)
    if dtype == "float32":
        runs_agree(program, model)


CUT_AT_ZERO = {
    "a start and a half": "input x: int in -9..9\nstate s = 4 then max(s + x / 2 - 1, 0)\noutput s",
    "no way down": "input x: int in 2..9\nstate s = 4 then max(s + x, 0)\noutput s",
    "one reads the other": "input x: int in -9..9\ninput b: bool\n"
    "state s = 4 then max(s + (if b then x else -3), 0)\n"
    "state q = 0 then relu(q + s - 20)\noutput q\noutput m = prev(s, 2)",
}


@pytest.mark.parametrize("name", CUT_AT_ZERO)
def test_gru_holds_what_a_sum_was_before_it_was_cut(name: str) -> None:
    program = lsrl.parse("length <= 200\n" + CUT_AT_ZERO[name])
    compare(program, "float64", steps=200, batch=16, target="gru")


@pytest.mark.parametrize(("target", "name", "encoding"), ON_EXAMPLES)
def test_example_agrees_with_the_interpreter(target: str, name: str, encoding: str) -> None:
    if not held(target, name, encoding):
        pytest.skip("refused, see below")
    compare(program_of(name), "float32", steps=60, batch=12, target=target, encoding=encoding)


@pytest.mark.parametrize(
    ("target", "name", "encoding", "code"),
    [(t, n, e, code) for t in REFUSED for n, (es, code) in REFUSED[t].items() for e in es],
)
def test_what_is_refused_is_refused_with_its_line_and_reason(
    target: str, name: str, encoding: str, code: str
) -> None:
    with pytest.raises(lsrl.UnsupportedError) as caught:
        lsrl.compile(program_of(name), target, encoding=encoding, verify=False)
    assert caught.value.code == code
    assert caught.value.span is not None
    problem = caught.value.diagnostics[0]
    assert problem.message
    assert problem.help


@pytest.mark.parametrize("target", TARGETS)
def test_support_says_the_same(target: str) -> None:
    """`unsupported` for what no layer of a target holds; what only spoils the tolerance is not.
    Each target is asked about what it refuses and a quarter of the others. What is said of the
    examples is in docs/expressivity.md, and tested with it."""
    others = [name for name in TEXTS if name not in REFUSED[target]]
    for name in [*REFUSED[target], *others[TARGETS.index(target) :: len(TARGETS)]]:
        found = verdict(program_of(name), target)
        encodings, code = REFUSED[target].get(name, ((), ""))
        refused = "number" in encodings and code != "E804"
        assert (found.verdict == "unsupported") == refused, name
