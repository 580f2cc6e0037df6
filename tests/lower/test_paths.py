"""Searches in the graphs of nodes and atoms: right, and linear where names are made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lsrl
from lsrl.lower import paths

DICTIONARY = Path(__file__).parents[2] / "examples/dictionary.lsrl"


def test_paths_are_those_of_the_closure() -> None:
    """Against the transitive closure, on random graphs with and without cycles."""
    random = np.random.default_rng(0)
    for trial in range(60):
        size = 9
        adjacent = random.random((size, size)) < random.choice([0.05, 0.15, 0.3])
        if trial % 2:
            adjacent = np.triu(adjacent, 1)
        closure = adjacent.copy()
        for k in range(size):
            closure |= np.outer(closure[:, k], closure[k])
        edges = paths.Edges()
        for b in range(size):
            edges.add(b, np.flatnonzero(adjacent[:, b]).tolist())
        for _ in range(9):
            start, end = (set(random.choice(size, random.integers(3)).tolist()) for _ in "ab")
            wanted = closure[np.ix_(sorted(start), sorted(end))].any()
            assert edges.lead(start, end) == wanted, (adjacent, start, end)
            if trial % 2:
                found = edges.following(0, end)
                assert found == {n for n in end if closure[0, n]}


def test_names_are_found_in_linear_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four times the names take about four times the steps of all searches; were each as long as
    the program, it would be sixteen times."""
    steps = []
    plain = paths.reached

    def counted(*args: Any) -> Iterator[int]:
        for found in plain(*args):
            steps[-1] += 1
            yield found

    monkeypatch.setattr(paths, "reached", counted)
    for n in (10, 40):
        steps.append(0)
        model = lsrl.compile(lsrl.load(DICTIONARY, {"n": n}, 10 * n), verify=False)
        assert model.symbols["store.register"]["patchable"]
    few, many = steps
    assert 0 < many < 6 * few
