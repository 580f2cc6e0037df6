"""Where a generator's choices come from: a seeded generator of numbers, or Hypothesis."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


class Choices(ABC):
    """A source of decisions. Small numbers stand for the simpler decision, so that what Hypothesis
    shrinks gets simpler."""

    @abstractmethod
    def integer(self, lo: int, hi: int) -> int:
        """An integer in lo..hi, both ends included."""

    def pick(self, items: Sequence[T]) -> T:
        """One of the items."""
        return items[self.integer(0, len(items) - 1)]

    def chance(self, percent: int) -> bool:
        """True so many times in a hundred."""
        return self.integer(0, 99) >= 100 - percent

    def subset(self, items: Sequence[T], percent: int) -> list[T]:
        """Each item so many times in a hundred."""
        return [item for item in items if self.chance(percent)]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """The items in any order."""
        rest, result = list(items), []
        while rest:
            result.append(rest.pop(self.integer(0, len(rest) - 1)))
        return result


class Seeded(Choices):
    """Choices of a seeded generator: quick, and the same on every machine."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def integer(self, lo: int, hi: int) -> int:
        return self.random.randint(lo, hi)


class Drawn(Choices):
    """Choices that Hypothesis makes; `integers(lo, hi)` draws one."""

    def __init__(self, integers: Callable[[int, int], int]) -> None:
        self.integers = integers

    def integer(self, lo: int, hi: int) -> int:
        return self.integers(lo, hi) if lo < hi else lo
