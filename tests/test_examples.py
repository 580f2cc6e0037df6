"""The worked examples of all programs, and how a wrong one is reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from lsrl.examples import check_examples
from lsrl.source import Source
from lsrl.syntax.parse import parse_source

PROGRAMS = sorted((Path(__file__).parents[1] / "examples").glob("*.lsrl"))


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: p.stem)
def test_examples_hold(path: Path) -> None:
    outcomes = list(check_examples(parse_source(Source(path.name, path.read_text(), path))))
    assert outcomes
    for o in outcomes:
        assert o.passed, (o.example.name, [str(m) for m in o.mismatches], o.error)


HEAD = """type colour = {red, green}
param n: int = 2
input x: int in 0..9
output y = n * x
output c = if x > 3 then red else green
output v = [x / 2, 1]
output b = x > 3
"""

WRONG = [
    ("{y: [2, 5]}", ["`y` at step 1: expected 5, found 4"]),
    ("{y: [2, _], c: [_, green]}", []),
    ("{y: _}", []),
    ("{y: [2]}", ["`y`: expected 1 steps, found 2 steps"]),
    ("{y: 3}", ["`y`: expected a list, one value per step, found 3"]),
    ("{c: [red, 1]}", ["`c` at step 0: expected red, found green"]),
    ("{c: [blue, green]}", ["`c` at step 0: expected blue, found green"]),
    ("{v: [[0.5, 1], [1, _]]}", []),
    ("{v: [[0.5, 1], [1, 2]]}", ["`v` at step 1: expected [1, 2], found [1, 1]"]),
    ("{v: [[0.5], 1]}", ["`v` at step 0: expected [0.5], found [0.5, 1]",
                         "`v` at step 1: expected 1, found [1, 1]"]),
    ("{b: [false, 1]}", ["`b` at step 1: expected 1, found false"]),
    ("{y: [2, 4.5]}", ["`y` at step 1: expected 4.5, found 4"]),
]  # fmt: skip


@pytest.mark.parametrize(("expected", "mismatches"), WRONG)
def test_mismatches(expected: str, mismatches: list[str]) -> None:
    text = HEAD + f'example "e": [1, 2] -> {expected}\n'
    (outcome,) = check_examples(parse_source(Source("t.lsrl", text)))
    assert outcome.error is None
    assert [str(m) for m in outcome.mismatches] == mismatches


ERRORS = [
    ('example "e" with m = 3: [1] -> {y: [3]}', "no parameter `m`"),
    ('example "e": [1] -> [3]', "several outputs"),
    ('example "e": [1] -> {z: [3]}', "no output `z`"),
    ('example "e": [11] -> {y: [3]}', "11 is outside of 0..9 at step 0"),
    ('example "e": {z: [1]} -> {y: [3]}', "no input `z`"),
]


@pytest.mark.parametrize(("line", "message"), ERRORS)
def test_errors(line: str, message: str) -> None:
    (outcome,) = check_examples(parse_source(Source("t.lsrl", HEAD + line + "\n")))
    assert not outcome.passed
    assert message in str(outcome.error)


def test_settings_are_constant_expressions() -> None:
    text = HEAD + 'example "e" with n = 2 * 3: [1] -> {y: [6]}\n'
    (outcome,) = check_examples(parse_source(Source("t.lsrl", text)))
    assert outcome.passed, (outcome.mismatches, outcome.error)
