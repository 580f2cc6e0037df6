"""Bounds of errors, with the place of what adds most to them."""

from __future__ import annotations

from ..records import record
from ..source import Span


@record()
class Bound:
    """An error bound and the place of the operation that adds most to it."""

    error: float
    worst: float = 0.0
    span: Span | None = None
    label: str = ""

    def plus(self, own: float, span: Span | None, label: str) -> Bound:
        """A bound with an error more; its place is that of the largest part."""
        if own > self.worst:
            return Bound(self.error + own, own, span, label)
        return Bound(self.error + own, self.worst, self.span, self.label)

    def times(self, factor: float) -> Bound:
        """The bound of a multiple; 0 of nothing, and of an unbounded error, is 0."""
        if not factor or not self.error:
            return ZERO
        return Bound(factor * self.error, factor * self.worst, self.span, self.label)


ZERO = Bound(0.0)
