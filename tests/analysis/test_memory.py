"""Witnesses of memory without end: found where they should be, and true when run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lsrl
from lsrl.analysis.memory import Memory, find_memory

EXAMPLES = Path(__file__).parents[2] / "examples"
BIT = "input bit: int in 0..1\n"

REMEMBERS = {
    "ever": BIT + "output ever(bit == 1)",
    "always": BIT + "output always(bit == 1)",
    "latch": "input c: bool\ninput x: int in 0..9\noutput latch(c, x)",
    "latch of a real": "input c: bool\ninput x: real in 0..1\noutput latch(c, x)",
    "parity": BIT + "state odd = false then odd != (bit == 1)\noutput odd",
    "permutation": BIT + "state q: int in 0..2 = 0 then (q + bit) mod 3\noutput q == 1",
    "maximum": "input x: int in -3..3\noutput running_max(x)",
    "a sum": "input x: int in -1..1\noutput accumulate(x) > 0",
    "with a clock": BIT + "output cycle(3) == 2 and ever(bit == 1)",
    "from a step on": BIT + "output steps() >= 4 and ever(bit == 1 and steps() >= 2)",
    "within an assume": "input a: bool\ninput b: bool\nassume not (a and b)\n"
    "output latch(a or b, a)",
}
FORGETS = {
    "no state": BIT + "output 1 - bit",
    "delay": BIT + "output delay(bit, 3)",
    "first": BIT + "output store(first(), bit)",
    "first and last": BIT + "output store(first(), bit) == bit",
    "resets": BIT + "state n: int in 0..3 = 0 then if bit == 1 then 0 else min(n + 1, 3)\noutput n",
    "decay": "input x: real in 0..1\nstate s = 0 then 0.5 * s + x\noutput s",
    "unused": BIT + "state odd = 0 then (odd + bit) mod 2\noutput bit + 0 * odd",
    "once only": BIT + "assume accumulate(bit) <= 1\noutput ever(bit == 1)",
    "a clock alone": BIT + "output cycle(4) + 0 * bit",
}


@pytest.mark.parametrize("name", REMEMBERS)
def test_what_remembers_has_a_witness_that_is_true(name: str) -> None:
    program = lsrl.parse(REMEMBERS[name])
    witness = find_memory(program)
    assert witness is not None
    check(program, witness)


@pytest.mark.parametrize("name", FORGETS)
def test_what_forgets_or_happens_once_has_none(name: str) -> None:
    assert find_memory(lsrl.parse(FORGETS[name])) is None


def test_the_examples() -> None:
    known = {
        "associative_recall", "automaton", "binary_addition", "debounce", "delayed_match",
        "dyck1_valid", "fibonacci_mod", "flip_flop", "induction", "modular_addition", "parity",
        "recall_after_last_k", "running_maximum", "selective_copy", "thermostat", "traffic_light",
    }  # fmt: skip
    found = set()
    for path in sorted(EXAMPLES.glob("*.lsrl")):
        program = lsrl.load(path)
        witness = find_memory(program)
        if witness is not None:
            found.add(path.stem)
            check(program, witness)
    assert found == known


def check(program: lsrl.Program, witness: Memory) -> None:
    """The outputs differ at the end, p as early and w as late as one likes; the runs may be of any
    order of p and q."""
    for waits, more in ((0, 0), (0, 7), (5, 0), (11, 23)):
        base, other = padded(witness, waits, more)
        assert last(program, base, witness.output) == witness.outputs[0]
        assert last(program, other, witness.output) == witness.outputs[1]
    rng = np.random.default_rng(0)
    for _ in range(4):
        middle: dict[str, list[Any]] = {k: [] for k in witness.rest}
        for chosen in rng.integers(2, size=12):
            word = witness.event if chosen else witness.rest
            middle = {k: middle[k] + word[k] for k in middle}
        program.run(one({k: witness.before[k] + middle[k] for k in middle}))  # meets all promises


def padded(witness: Memory, waits: int, more: int) -> Any:
    """Both inputs with p later, and w later."""
    early = {k: waits * word for k, word in witness.rest.items()}
    return [
        {k: x[k][: witness.step] + early[k] + x[k][witness.step :] for k in x}
        for x in witness.inputs(more)
    ]


def one(fields: dict[str, list[Any]]) -> Any:
    return next(iter(fields.values())) if len(fields) == 1 else fields


def last(program: lsrl.Program, fields: dict[str, list[Any]], output: str) -> Any:
    y = program.run(one(fields), exact=True)
    value = (y[output] if isinstance(y, dict) else y)[-1]
    return [int(v) for v in value] if np.ndim(value) else float(value)


def test_a_witness_as_data() -> None:
    words = [{"bit": word} for word in ([0], [1], [0], [0])]
    witness = Memory(*words, settle=1, output="odd", outputs=(0, 1))
    assert witness.as_json() == {
        "before": {"bit": [0]}, "event": {"bit": [1]}, "rest": {"bit": [0]}, "after": {"bit": [0]},
        "settle": 1, "step": 1, "period": 1, "output": "odd", "outputs": [0, 1],
        "inputs": [{"bit": [0, 0, 0, 0]}, {"bit": [0, 1, 0, 0]}],
    }  # fmt: skip
    assert witness.inputs(2)[1] == {"bit": [0, 1, 0, 0, 0, 0]}


def test_the_same_witness_each_time() -> None:
    program = lsrl.load(EXAMPLES / "induction.lsrl")
    assert find_memory(program) == find_memory(program)


def test_inputs_that_meet_no_assume_have_no_witness() -> None:
    text = BIT + "assume bit > 1\noutput ever(bit == 1)"
    assert find_memory(lsrl.parse(text)) is None


def test_an_irrational_constant_has_no_exact_run() -> None:
    text = BIT + "state s: real[2] in -2..2 = [1, 0] then rotation(1) @ s\n"
    text += "output latch(bit == 1, s[0] > 0)"
    assert find_memory(lsrl.parse(text)) is None


def test_rounding_alone_can_remember() -> None:
    """Precondition (2) is needed: s = fl(0.6 s + x) never gets back to 0 after a pulse."""
    s, a = np.float32(0), np.float32(0.6)
    for t in range(400):
        s = np.float32(a * s) + np.float32(t == 3)
    assert s == np.finfo(np.float32).smallest_subnormal
    assert np.float32(s * np.float32(2.0**100)) * np.float32(2.0**49) == 1
