"""Programs to optimise, and what they look like before and after."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lsrl.elaborate.program import elaborate
from lsrl.ir.legality import check
from lsrl.ir.nodes import Graph
from lsrl.ir.text import to_text
from lsrl.passes import Pass, run
from lsrl.source import Source
from lsrl.syntax.parse import parse_source


def graph_of_text(text: str) -> Graph:
    graph = elaborate(parse_source(Source("test.lsrl", text))).graph
    check(graph)
    return graph


@pytest.fixture
def graph_of() -> Callable[[str], Graph]:
    """The graph of a program given as text."""
    return graph_of_text


@pytest.fixture
def after() -> Callable[..., str]:
    """A program after some passes, as text without its length, inputs and names."""

    def apply(text: str, *passes: Pass) -> str:
        lines = to_text(run(graph_of_text(text), passes)).splitlines()
        return "\n".join(s for s in lines if s.split()[0] not in ("length", "input", "name"))

    return apply
