"""`mamba` and `hawk`: every construct at every level, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from agreement import compare
from table import CASES

import lsrl
from lsrl.sampling import Sampler
from lsrl.support import verdict

TARGETS = ["mamba", "hawk"]
TEXTS = {c.name: c.text for c in CASES} | {
    "several running maxima": "input v: int[2] in 0..3\noutput running_max(v)",
    "a Jordan block": "length <= 60\ninput x: int in 0..3\nstate s = 0 then prev(p)\n"
    "state p = 0 then p - 0.25 * prev(s) + x\noutput s",
    "two eigenvalues": "length <= 60\ninput r: real in 0..1\n"
    "state s = 0 then 0.5 * s + 0.25 * prev(p) + r\nstate p = 0 then 0.5 * p + 0.25 * prev(s)\n"
    "output p",
    "a sum since": "input c: bool\ninput x: int in -3..4\nstate s = 2 then if c then x else s + x\n"
    "output s",
    "irrational eigenvalues": "input r: real in 0..1\n"
    "state s = 0 then 0.5 * s + 0.25 * prev(p) + r\n"
    "state p = 0 then 0.25 * s + 0.5 * p\noutput p",
    # What is written at every step, which only its range tells
    "always written": "input x: int in -7..0\nv = x > -7 or x <= -1\n"
    "state s = 0 then if v then 1 else s\noutput s\noutput x",
    "a lane always written": "input b: bool[2]\n"
    "state s = [true, true] then s and [false, b[0]]\noutput s",
    "a factor that is 0": "length <= 9\ninput y: real in 0..1\n"
    "state s = -2 then clamp(y - 1, 0, 1) * s + y\noutput s",
    "a decay that is reset": "input c: bool\ninput r: real in 0..1\n"
    "state s = 0 then if c then 0 else 0.5 * s + r\noutput s",
    "a factor of two": "length <= 60\ninput b: bool\ninput r: real in -1..1\n"
    "k = if b then 0.1 else 0.5\nstate s = 1 then (1 - k) * s + k * r\noutput s",
    "kept, replaced or faded": "length <= 60\ninput k: int in 0..3\ninput r: real in -1..1\n"
    "state s = 0.3 then if k == 0 then s else if k == 1 then r else if k == 2 then 0.9 * s + 0.5 "
    "else 0.25 * s - r\noutput s",
    "fading lanes": "length <= 60\ninput b: bool[2]\ninput r: real in -1..1\n"
    "state s = [0, 2] then [0.5, 0.75] * (if b[0] then s else [0, 0]) + (if b[1] then r else 0)\n"
    "output s",
    "a real decides how it fades": "length <= 60\ninput r: real in -1..1\n"
    "state s = 0 then (if r > 0.2 then 0.5 else 0.75) * s + r\noutput s",
    "reset at every step": "input x: int in -7..0\nv = x > -7 or x <= -1\n"
    "state n = 0 then if v then 0 else n + 1\noutput n\noutput x",
    "wide integers": "input x: int in -90000..90000\noutput max(x, prev(x)) - 2",
    "wider outputs": "input x: int in 0..70\ninput y: int in 0..70\noutput 71 * x + y",
    "fewer tokens in than out": "input b: bool\noutput [b, prev(b), prev(b, 2), true]",
}
# What is refused: a code, and words of the reason.
REFUSED = {
    "mutual recursion": ("E803", "eigenvalues that are not real"),
    "table automaton": ("E803", "turn states in cycles and merge others"),
    "general": ("E803", "is finite"),
    "signed": ("E803", "is signed"),
    "a real factor": ("E803", "is gated"),
    "fades and adds": ("E803", "fades in some steps adds in none to what it keeps"),
    "growing": ("E803", "the factor 2 is not in [0, 1]"),
    "alternating decay": ("E803", "the factor -0.5 is not in [0, 1]"),
    "values beside which no norm is exact": ("E805", "beside which its norms are exact"),
}
REFUSED_TEXTS = TEXTS | {
    "signed": "input c: bool\nstate s = 1 then (if c then -1 else 1) * s\noutput s",
    "a real factor": "input g: real in 0..1\nstate s = 0 then g * s + 1\noutput s",
    "fades and adds": "input c: bool\nstate s = 0 then (if c then 0.5 else 1) * s + 1\noutput s",
    "growing": "length <= 9\ninput r: real in 0..1\nstate s = 0 then 2 * s + r\noutput s",
    "alternating decay": "input r: real in 0..1\nstate s = 0 then r - 0.5 * s\noutput s",
    "values beside which no norm is exact": "input x: int in 0..1000000000\noutput prev(x)",
}


@pytest.mark.parametrize("name", [n for n in TEXTS if n not in REFUSED])
@pytest.mark.parametrize("target", TARGETS)
def test_construct_agrees_with_the_interpreter(target: str, name: str) -> None:
    """And stream, batch and single runs with each other."""
    program = lsrl.parse(TEXTS[name])
    model = compare(program, "float32", target=target, batch=10, steps=16)
    data = Sampler(program, seed=2).draw(2, 6)
    together = model.split(model.runner("numpy").run(model.stacked(data)))
    for backend in ("numpy", "torch"):
        stream = model.stream(raw=True, backend=backend)
        steps = [stream.step({n: x[1, t] for n, x in data.items()}) for t in range(6)]
        for output in program.output_names:
            stepped = np.array([s[output] if isinstance(s, dict) else s for s in steps])
            slack = 2 * model.certificate["bound"][output] + 1e-5
            np.testing.assert_allclose(stepped, together[output][1], rtol=0, atol=slack)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_refused_with_its_line_and_reason(name: str) -> None:
    program = lsrl.parse(REFUSED_TEXTS[name])
    code, reason = REFUSED[name]
    for target in TARGETS:
        with pytest.raises(lsrl.UnsupportedError, match=reason.replace("[", r"\[")) as caught:
            lsrl.compile(program, target, verify=False)
        assert caught.value.code == code
        assert caught.value.span is not None
        assert caught.value.diagnostics[0].help
        assert verdict(program, target).verdict in ("unsupported", "impossible")


@pytest.mark.parametrize("target", ["mamba", "hawk"])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("input x: real in 0..1\noutput x > 0.5", "an input is real"),
        ("input n: int in 0..65536\noutput n > 5", "65,537 values, more than 65,536"),
        ("input n: int in 0..5000\noutput n", "5,001 values, more than the 4,096 that logits tell"),
        ("input n: int in 0..3\noutput n / 2", "an output is real"),
    ],
)
def test_what_cannot_be_tokens_is_numbers_or_refused(target: str, text: str, message: str) -> None:
    program = lsrl.parse(f"length <= 20\n{text}\n")
    assert lsrl.compile(program, target, verify=False).shape["interface"] == "embeds"
    with pytest.raises(lsrl.OptionError, match=message):
        lsrl.compile(program, target, encoding="tokens")
