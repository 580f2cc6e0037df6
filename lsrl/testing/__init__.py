"""Help for tests: random well-typed programs with inputs for them.

`generate(seed)` makes one quickly; `programs()` is the same as a Hypothesis strategy, which
shrinks.
"""

from __future__ import annotations

from .coverage import EVERYTHING, features
from .program import Generated, generate
from .strategy import programs

__all__ = ["EVERYTHING", "Generated", "features", "generate", "programs"]
