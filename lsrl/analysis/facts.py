"""What is known of a node's values."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Fact:
    """What is known of a node: `lo <= value <= hi` (arrays of the node's shape, float64), and that
    every element is an integer multiple of `step` (None: not known to be on a lattice)."""

    lo: Array
    hi: Array
    step: Fraction | None

    @cached_property
    def low(self) -> float:
        """The smallest value of any element."""
        return float(self.lo.min())

    @cached_property
    def high(self) -> float:
        """The largest value of any element."""
        return float(self.hi.max())

    @cached_property
    def ends(self) -> list[tuple[float, float]]:
        """The smallest and the largest value of each element, in row-major order."""
        lows, highs = self.lo.reshape(-1).tolist(), self.hi.reshape(-1).tolist()
        return list(zip(lows, highs, strict=True))

    @cached_property
    def is_point(self) -> bool:
        """Whether each element can have one value only."""
        return bool(np.array_equal(self.lo, self.hi))

    @property
    def integral(self) -> bool:
        return self.step is not None and self.step.denominator == 1
