"""Which of the schedules of a program is laid out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import lsrl
from lsrl.lower import layout
from lsrl.lower.legalise import Legaliser, Options
from lsrl.lower.schedule import schedule

EXAMPLES = Path(__file__).parents[2] / "examples"


def atoms_of(name: str) -> Any:
    program = lsrl.load(EXAMPLES / f"{name}.lsrl", length=64)
    return Legaliser(program.graph, program.facts, Options()).run()


@pytest.mark.parametrize(
    "name", ["dictionary", "even_pairs", "n_back", "pattern_match", "scattered_copy"]
)
def test_the_smallest_machine_is_estimated(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a large graph one schedule is laid out: here, that of which the machine is smallest."""
    graph = atoms_of(name)
    plans = schedule(graph)
    sizes = {layout.lay_out(graph, [plan], 24).parameters for plan in plans}
    assert len(sizes) == len(plans) > 1
    assert layout.lay_out(graph, plans, 24).parameters == min(sizes)
    monkeypatch.setattr(layout, "LARGE", 0)
    tried: list[Sequence[Any]] = []
    run = layout._Layout.run
    monkeypatch.setattr(layout._Layout, "run", lambda self: tried.append(self.plan) or run(self))
    for given in (plans, plans[::-1]):
        assert layout.lay_out(graph, given, 24).parameters == min(sizes)
    assert len(tried) == 2
