"""Graphs to test with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lsrl.elaborate.program import elaborate
from lsrl.ir.nodes import Graph
from lsrl.source import Source
from lsrl.syntax.parse import parse_source

ROOT = Path(__file__).parents[2]


@pytest.fixture
def graph_of() -> Callable[[str], Graph]:
    """The graph of a program given as text."""
    return lambda text: elaborate(parse_source(Source("test.lsrl", text))).graph


@pytest.fixture(params=sorted(p.stem for p in (ROOT / "examples").glob("*.lsrl")))
def example(request: pytest.FixtureRequest) -> Graph:
    """The graph of each example program."""
    path = ROOT / "examples" / f"{request.param}.lsrl"
    return elaborate(parse_source(Source(path.name, path.read_text("utf-8"), path))).graph
