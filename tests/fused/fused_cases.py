"""A program with every form of state, and comparing a fused run with the interpreter."""

from __future__ import annotations

from typing import Any

import numpy as np

import lsrl

# By the state: how it is to be computed, a part of the words in `Found.how`.
FORMS = {
    "count": "a cumulative sum",
    "rest": "index arithmetic, less another sum",
    "origin": "the value of the first step",
    "store.register": "the value of the first step",
    "steps.n": "index arithmetic",
    "cycle.c": "index arithmetic modulo 5",
    "wheel": "a cumulative sum modulo 7",
    "level": "a decay",
    "levels": "a decay",
    "point": "a linear recurrence",
    "pair": "a linear recurrence",
    "_register.last": "a window",
    "held": "the value last set",
    "since.n": "a cumulative sum since",
    "ring": "a cumulative sum since",
    "leak": "a scan of linear maps",
    "most": "a running extreme",
    "least": "a running extreme",
    "queue": "a scan of sums within limits",
    "tank": "a scan of sums within limits",
    "ever.seen": "whether something has ever held",
    "always.held": "whether something has always held",
    "odd": "a parity",
    "heating": "set, reset or toggled",
    "machine": "compositions of maps of 4 values",
    "a": "step by step",
    "chaos": "step by step",
}
SOURCE = """\
length <= 400
type lamp = {off, dim, bright, broken}
input x: int in -2..3
input p: bool
input r: real in -1..1
input v: real[2] in 0..1

state count = 0 then count + x
state rest = 7 then rest + (3 - x)
state origin = 9 then if first() then x else origin
state wheel = 3 then (wheel + x) mod 7
state level = 0.5 then 0.75 * level + r
state levels = [1, -1] then diag([0.5, -0.25]) @ levels + v
state point = [1, 0] then rotation(0.1) @ point + 0.01 * v
state pair: int[2] in -9999..9999 = [1, 2] then [x - pair[1], pair[0]]
state held = 0 then if p and x > 1 then x else if x == -2 then 9 else held
state ring = 0 then if p then 2 else (ring + 3) mod 5
state leak = 0 then (if p then 0.5 else abs(r)) * leak + v[0]
state most = -1 then max(most, r)
state least = 3 then min(least, x)
state queue = 0 then min(relu(queue + x), 20)
state tank = 0 then if p and x == 3 then r else clamp(tank + r, -1.5, 1.5)
state odd = false then odd != p
state heating = true then x > 2 or (heating and r < 0.5)
state machine: lamp = off then (
    if p then (if machine == off then dim else if machine == dim then bright else broken)
    else if machine == bright then off else machine)
state a: int in 0..2 = 1 then if p then prev(b) mod 3 else (a + b) mod 3
state b: int in 0..3 = 2 then (if x > 0 then prev(a) + 1 else prev(b))
state chaos: real in 0..1 = 0.5 then 2.5 * chaos * (1 - chaos) + 0.05 * v[1]

output count
output y1 = steps() + cycle(5)
output wheel
output y2 = [level, levels, point, leak, tank]
output pair
output held
output y3 = since(p)
output ring
output most
output y4 = [least, queue]
output y5 = [ever(x == 3), always(x < 3), odd, heating]
output machine
output y6 = [a, b]
output y7 = window(v, 3)
output y8 = delay(p, 4)
output chaos
output y9 = first()
output y10 = [rest, origin]
output y11 = store(first(), v)
output late = [prev(count, 7), prev(queue)]
output picked = [x, 5, count][cycle(3)]
"""


def inputs(batch: int, steps: int, seed: int = 0) -> dict[str, Any]:
    """Inputs of `SOURCE`."""
    rng = np.random.default_rng(seed)
    return {
        "x": rng.integers(-2, 4, (batch, steps)).astype(float),
        "p": rng.random((batch, steps)) < 0.3,
        "r": rng.uniform(-1, 1, (batch, steps)),
        "v": rng.uniform(0, 1, (batch, steps, 2)),
    }


def difference(program: lsrl.Program, want: Any, got: dict[str, Any]) -> str | None:
    """The first output that is not the interpreter's: integers exactly, reals to 1e-9."""
    for name, a in want.outputs.items():
        b = got[name]
        if a.shape != b.shape or a.dtype != b.dtype:
            return f"{name} is {b.dtype}{b.shape}, not {a.dtype}{a.shape}"
        allowed = 1e-9 * np.maximum(1, abs(a)) if a.dtype == np.float64 else 0
        settled = ~want.mattered
        wrong = ~(abs(a.astype(float) - b.astype(float)) <= allowed)[settled]
        if wrong.any():
            where = tuple(int(k) for k in np.argwhere(wrong)[0])
            return f"{name}{list(where)} is {b[settled][where]}, not {a[settled][where]}"
    return None
