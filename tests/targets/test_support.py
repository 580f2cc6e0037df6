"""`lsrl.support`: what is said of a program, and that it is so."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import lsrl
from lsrl.analysis.cycles import find_cycle
from lsrl.analysis.memory import find_memory
from lsrl.analysis.periods import FOR_EVER
from lsrl.analysis.ranges import analyse
from lsrl.cli import main
from lsrl.support import verdict
from lsrl.targets import TARGETS
from lsrl.targets.base import CompileOptions

EXAMPLES = Path(__file__).parents[2] / "examples"
CONSTANT = [name for name, t in TARGETS.items() if t.transition == "constant"]
DIAGONAL = [name for name, t in TARGETS.items() if t.transition == "positive diagonal"]
GATED = [name for name, t in TARGETS.items() if t.transition == "non-linear"]
OTHERS = [*GATED, *DIAGONAL]
BIT = "input bit: int in 0..1\n"
LATCH = "input c: bool\ninput x: int in 0..9\noutput latch(c, x)"

BOUNDED = "all values are integers that stay bounded"
COUNTS = "counts and sums are exact up to 1,024 steps; finite precision cannot count for ever"
PROVED = (
    "counts and sums are exact up to 1,024 steps; for every length it is impossible (theorem 1)"
)
ROUND = PROVED.replace("theorem 1", "theorem 2")
NO_CYCLE = "positive diagonal transitions do not go round in a cycle for ever (theorem 2)"
MERGES = "state q: int in 0..2 = 0 then [1, 2, 0, 0, 0, 1][3 * bit + q]\n"  # turns, and no turn
SATURATES = "state n: int in 0..3 = 0 then if bit == 1 then 0 else min(n + 1, 3)\n"

VERDICTS = [  # program, targets, verdict, reason, line
    (BIT + "output delay(bit, 2)", [*TARGETS], "exact", BOUNDED, None),
    (BIT + "output cycle(3) + bit", [*CONSTANT, *GATED], "exact", BOUNDED, None),
    (BIT + "output cycle(3) + bit", DIAGONAL, "up_to_length", ROUND, 2),
    (BIT + "output steps() >= 5 and bit == 1", [*CONSTANT, *GATED], "exact", BOUNDED, None),
    (BIT + "output store(first(), bit)", OTHERS, "exact", BOUNDED, None),
    (LATCH, OTHERS, "exact", BOUNDED, None),
    (BIT + "output ever(bit == 1)", GATED, "exact", BOUNDED, None),
    (BIT + "state odd = 0 then (odd + bit) mod 2\noutput odd", GATED, "exact", BOUNDED, None),
    (BIT + "state odd = 0 then (odd + bit) mod 2\noutput odd", DIAGONAL, "up_to_length", ROUND, 2),
    (BIT + MERGES + "output q", DIAGONAL, "impossible",
     f"the state `q` is finite, and {NO_CYCLE}", 2),
    (BIT + "output n = accumulate(bit)", OTHERS, "up_to_length", COUNTS, 2),
    (BIT + "output steps() + bit", [*TARGETS], "up_to_length", COUNTS, 2),
    (BIT + "output ever(bit == 1)", CONSTANT, "up_to_length", PROVED, 2),
    (BIT + "output accumulate(2 * bit - 1) > 0", OTHERS, "up_to_length", COUNTS, 2),
    (LATCH, CONSTANT, "impossible",
     "the state `latch.held` is gated, and constant transitions do not remember for ever "
     "(theorem 1)", 3),
    (BIT + SATURATES + "output n", CONSTANT, "unsupported",
     "the state `n` is finite, and there is no construction for it here", 2),
    ("input x: real in 0..1\noutput x / 2", ["linear-rnn"], "approximate",
     "within 3e-08 in float32, at every length", None),
    ("length <= 100\ninput x: real in -1..1\noutput accumulate(x / 64) > 0.5", ["lstm"],
     "approximate", "exact where compared reals are 0.001 apart, up to 100 steps", None),
    ("input x: real in 0..9\noutput ever(x > 3)", ["gru"], "approximate",
     "exact where compared reals are 0.001 apart, at every length", None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "targets", "expected", "reason", "line"), VERDICTS, ids=[v[0][-24:] for v in VERDICTS]
)
def test_verdicts(
    text: str, targets: list[str], expected: str, reason: str, line: int | None
) -> None:
    program = lsrl.parse(text)
    for target in targets:
        found = verdict(program, target)
        assert (found.verdict, found.reason) == (expected, reason), target
        assert (found.span and found.span.line) == line
        assert (found.error is None) == (expected not in ("unsupported", "impossible"))
        assert (found.witness is None) == (found.theorem is None) == ("theorem" not in reason)
        assert found.theorem is None or found.theorem.name in reason
        assert bool(found.preconditions) == (found.witness is not None)


def test_what_is_imprecise_is_unsupported_with_the_compilers_words() -> None:
    program = lsrl.parse("input x: real in -1..1\noutput s = accumulate(x)", length=100_000)
    found = verdict(program, "lstm")
    assert found.verdict == "unsupported"
    assert found.error is not None and found.error.code == "E804"
    assert found.reason == found.error.diagnostics[0].message
    assert found.reason.startswith("in float32 the error of `s` can reach ")
    assert verdict(program, "lstm", dtype="float64").verdict == "approximate"


def test_counting_is_bounded_in_float64_too() -> None:
    found = verdict(lsrl.parse(BIT + "output accumulate(bit)"), "rnn", dtype="float64")
    assert (found.verdict, found.reason) == ("up_to_length", COUNTS)


def test_a_dtype_that_the_target_does_not_carry() -> None:
    found = lsrl.support(lsrl.parse(BIT + "output bit"), dtype="bfloat16")
    assert found["rnn"].verdict == "exact"
    assert found["lstm"].verdict == "unsupported"
    assert found["lstm"].error is not None and found["lstm"].error.code == "E021"
    assert found["lstm"].reason.startswith("`lstm` does not carry bfloat16")


def test_a_dtype_that_there_is_not() -> None:
    with pytest.raises(lsrl.OptionError) as caught:
        lsrl.support(lsrl.parse(BIT + "output bit"), dtype="float7")
    assert caught.value.code == "E021"


def test_an_unknown_target() -> None:
    with pytest.raises(lsrl.OptionError, match="no target `lstn`"):
        verdict(lsrl.parse(BIT + "output bit"), "lstn")


@pytest.mark.parametrize("target", CONSTANT)
def test_compiling_names_the_theorem_where_it_speaks(target: str) -> None:
    with pytest.raises(lsrl.UnsupportedError) as caught:
        lsrl.compile(lsrl.parse(LATCH), target)
    assert caught.value.code == "E803"
    said = "sequences of every length (theorem 1 of docs/expressivity.md)"
    assert caught.value.diagnostics[0].message.endswith(said)
    with pytest.raises(lsrl.UnsupportedError) as caught:
        lsrl.compile(lsrl.load(EXAMPLES / "watchdog.lsrl"), target)
    assert "theorem" not in str(caught.value)


@pytest.mark.parametrize("target", DIAGONAL)
def test_compiling_names_theorem_2_where_it_speaks(target: str) -> None:
    with pytest.raises(lsrl.UnsupportedError) as caught:
        lsrl.compile(lsrl.parse(BIT + MERGES + "output q"), target)
    assert caught.value.code == "E803"
    said = "; for sequences of every length there is none (theorem 2 of docs/expressivity.md)"
    assert caught.value.diagnostics[0].message.endswith(said)
    with pytest.raises(lsrl.UnsupportedError) as caught:
        lsrl.compile(lsrl.load(EXAMPLES / "oscillator.lsrl"), target)
    assert "theorem" not in str(caught.value)


@pytest.mark.parametrize("target", DIAGONAL)
def test_a_state_that_does_not_go_round_is_not_blamed(target: str) -> None:
    """Here there is no construction for `n`, which is star-free, and none for `q` for ever."""
    text = BIT + SATURATES + MERGES + "output n\noutput q"
    found = verdict(lsrl.parse(text), target)
    assert found.error is not None
    message = found.error.diagnostics[0].message
    assert "`n`" in message and "theorem" not in message
    assert found.verdict == "impossible"
    assert found.reason == (
        "the state `n` is finite, and there is no construction for it here; for every length it "
        "is impossible (theorem 2)"
    )


@pytest.mark.parametrize("target", DIAGONAL)
def test_a_rotation(target: str) -> None:
    """A quarter turn comes round exactly, and so is beyond these targets; a damped one does not."""
    turn = "input x: real in -1..1\nstate v: real[2] in -9..9 = [1, 0] then {} @ v\noutput v[0] + x"
    found = verdict(lsrl.parse(turn.format("[[0, -1], [1, 0]]")), target)
    assert "theorem 2" in found.reason
    assert found.verdict != "exact" and "at every length" not in found.reason
    found = verdict(lsrl.load(EXAMPLES / "oscillator.lsrl"), target)
    assert (found.verdict, found.theorem) == ("unsupported", None)


def held_at_every_length(target: str) -> list[str]:
    """The examples of which docs/expressivity.md says so; tests/docs check that page."""
    page = (Path(__file__).parents[2] / "docs" / "expressivity.md").read_text(encoding="utf-8")
    found = []
    for section in re.split(r"^### ", page, flags=re.MULTILINE)[1:]:
        name, _, text = section.partition("\n")
        for names, said in re.findall(r"^- (.*?): (\*\*.*)$", text, re.MULTILINE):
            ever = "**exact**" in said or "at every length" in said
            found += [name.strip()] if f"`{target}`" in names and ever else []
    return found


@pytest.mark.parametrize("target", ["linear-rnn", "mamba"])
def test_what_holds_at_every_length_has_no_witness_against_it(target: str) -> None:
    """The theorems and the compiler do not contradict each other, on all examples."""
    find = {"constant": find_memory, "positive diagonal": find_cycle}
    search = find[TARGETS[target].transition]
    names = held_at_every_length(target)
    assert len(names) > 10
    for name in names:
        assert search(lsrl.load(EXAMPLES / f"{name}.lsrl")) is None, name


@pytest.mark.parametrize("name", ["even_pairs", "vigenere", "debounce", "last_k_window"])
def test_what_is_exact_compiles_to_the_same_weights_without_end(name: str) -> None:
    """For non-linear transitions `support` only compares ranges and clocks."""
    program, options = lsrl.load(EXAMPLES / f"{name}.lsrl"), CompileOptions()
    graph = program.graph.replace(length=FOR_EVER)
    for target in GATED:
        assert verdict(program, target).verdict == "exact"
        here = TARGETS[target].compile(program.graph, program.facts, options)
        ever = TARGETS[target].compile(graph, analyse(graph), options)
        assert here.weights.keys() == ever.weights.keys()
        assert all(np.array_equal(here.weights[k], ever.weights[k]) for k in here.weights)
        assert [b.error for b in ever.bounds] == [0.0] * len(ever.bounds)


@pytest.mark.parametrize("name", ["parity", "vigenere", "automaton", "debounce"])
def test_what_is_exact_runs_right_beyond_the_length(name: str) -> None:
    program = lsrl.load(EXAMPLES / f"{name}.lsrl", length=40)
    x, _ = lsrl.load(EXAMPLES / f"{name}.lsrl", length=3000).sample(4, 3000, seed=1)
    expected = lsrl.load(EXAMPLES / f"{name}.lsrl", length=3000).run_batch(x)
    for target, found in lsrl.support(program).items():
        if found.verdict == "exact":
            model = lsrl.compile(program, target, verify=False)
            with pytest.warns(lsrl.LengthWarning):
                assert np.array_equal(model.run_batch(x), expected), target


@pytest.mark.parametrize("target", TARGETS)
def test_what_a_short_length_makes_constant_is_not_exact(target: str) -> None:
    """Of one step the optimiser knows that `odd` is true."""
    text = "input x: bool\nstate odd = false then not odd\noutput odd and x"
    assert verdict(lsrl.parse(text, length=1), target).verdict == "up_to_length"
    longer = "up_to_length" if target in DIAGONAL else "exact"
    assert verdict(lsrl.parse(text), target).verdict == longer


def test_what_cancels_over_many_steps_is_no_constant() -> None:
    """At more than 4,096 steps `odd` was once taken to be false for ever."""
    program = lsrl.parse("input x: bool\nstate odd = false then not odd\noutput odd", length=9999)
    assert program.run([0, 0, 0]).tolist() == [True, False, True]


# The command


def run(*args: str) -> Any:
    return CliRunner().invoke(main, ["targets", *args])


def test_the_table() -> None:
    result = run(str(EXAMPLES / "delayed_match.lsrl"))
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["target", "verdict", "reason", "line"]
    assert [line.split()[0] for line in lines[1:]] == lsrl.targets()
    assert lines[1].split()[1] == "impossible" and lines[1].endswith("delayed_match.lsrl:10")
    assert lines[3].split(maxsplit=2)[1:] == ["exact", BOUNDED]


def test_json_has_the_theorem_and_the_witness() -> None:
    data = json.loads(run(str(EXAMPLES / "parity.lsrl"), "--json").stdout)
    found = data["targets"]["linear-rnn"]
    assert found["verdict"] == "up_to_length" and found["line"] == 6 and found["bound"] == 0
    assert found["theorem"]["name"] == "theorem 1 of docs/expressivity.md"
    assert len(found["theorem"]["preconditions"]) == 5
    base, other = found["witness"]["inputs"]
    program = lsrl.load(EXAMPLES / "parity.lsrl")
    assert [int(program.run(x["bit"])[-1]) for x in (base, other)] == found["witness"]["outputs"]
    assert "theorem" not in data["targets"]["gru"]
    found = data["targets"]["mamba"]
    assert found["theorem"]["name"] == "theorem 2 of docs/expressivity.md"
    assert len(found["theorem"]["preconditions"]) == 6
    few, one = found["witness"]["inputs"]
    assert [int(program.run(x["bit"])[-1]) for x in (few, one)] == found["witness"]["outputs"]


def test_json_has_the_whole_explanation() -> None:
    data = json.loads(run(str(EXAMPLES / "watchdog.lsrl"), "--json").stdout)
    (problem,) = data["targets"]["linear-rnn"]["explanation"]
    assert problem["code"] == "E803"
    assert "the input decides how much of the previous value is kept" in problem["message"]


@pytest.mark.parametrize(
    ("args", "status", "said"),
    [
        (["none.lsrl"], 2, "E001"),
        (["--dtype", "float64"], 2, "none is given"),
        ([str(EXAMPLES / "parity.lsrl"), "--dtype", "float7"], 2, "E021"),
        ([str(EXAMPLES / "parity.lsrl"), "-D", "n=1"], 2, "E010"),
    ],
)
def test_bad_input(args: list[str], status: int, said: str) -> None:
    result = run(*args)
    assert result.exit_code == status
    assert said in result.stderr
