"""The first round of elaboration knows the states of library functions, each tried by itself."""

from __future__ import annotations

from typing import Any

import pytest

import lsrl
from lsrl.elaborate import program as elaboration
from lsrl.errors import ProgramError
from lsrl.ir.text import to_text

HEAD = "input x: int in 0..3\ninput c: bool\n"
PROGRAMS = {
    "integers": "output y1 = store(c, x)\noutput y2 = accumulate(x)\n",
    "vectors": "output y1 = window([x, 2 * x], 3)\noutput y2 = store(c, [x, 1])\n",
    "reals": "output y1 = store(c, x / 4) + store(c, x)\n",
    "nested": "output y1 = latch(ever(c), store(c, x), 1)\n",
    "constants": "output [store(c, 1), store(c, 0.5), latch(c, 2, 0.5)]\n",
    "delays": "output y1 = delay(x, 3)\noutput y2 = first()\noutput y3 = running_max(x)\n",
    "of its own": "state s = 0 then if c then [x, 1] else s\noutput s\noutput y1 = store(c, s)\n",
}


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every round that is run."""
    found: list[Any] = []
    run = elaboration._Round.run

    def noted(self: Any) -> Any:
        found.append(self)
        return run(self)

    monkeypatch.setattr(elaboration._Round, "run", noted)
    return found


def without_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lsrl.elaborate.calls._expect", lambda *_: None)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_graph_is_the_one_of_many_rounds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = HEAD + PROGRAMS[name]
    tried = to_text(lsrl.parse(text).elaborated.graph)
    without_trials(monkeypatch)
    assert tried == to_text(lsrl.parse(text).elaborated.graph)


def test_one_round_is_enough(rounds: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    text = HEAD + "output [store(c and x == i, x) for i in range(3)]\n"
    lsrl.parse(text)
    assert len(rounds) == 1
    without_trials(monkeypatch)
    lsrl.parse(text)
    assert len(rounds) == 3


def test_a_mistake_in_a_trial_is_reported_once() -> None:
    with pytest.raises(ProgramError) as caught:
        lsrl.parse(HEAD + "output store(x, c)\n")
    assert len(caught.value.diagnostics) == 1
    assert caught.value.diagnostics[0].span.line == 3
