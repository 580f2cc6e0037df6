"""Each planted miscompile is found within 500 programs, and the compiler as it is passes them."""

from __future__ import annotations

import pytest
from mutants import MUTANTS, PROGRAMS, Mutant, found_after


def test_there_are_enough() -> None:
    assert len(MUTANTS) >= 20
    assert len({m.name for m in MUTANTS}) == len(MUTANTS)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name.replace(" ", "-"))
def test_found(mutant: Mutant) -> None:
    assert found_after(mutant) is not None, f"not found within {PROGRAMS} programs"


def test_nothing_is_found_without_a_mutant() -> None:
    assert found_after(None, 200) is None
