"""The generator as a Hypothesis strategy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .choices import Drawn
from .program import Generated, generate

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


def programs(*, linear_rnn: bool = False, most: int = 9) -> SearchStrategy[Generated]:
    """Well-typed programs with inputs, as `generate` makes them. Needs `hypothesis`."""
    from hypothesis import strategies as st

    @st.composite
    def drawn(draw: st.DrawFn) -> Generated:
        choices = Drawn(lambda lo, hi: draw(st.integers(lo, hi)))
        return generate(choices, linear_rnn=linear_rnn, most=most)

    return drawn()
