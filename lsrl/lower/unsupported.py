"""What lowering raises where a target has no construction."""

from __future__ import annotations

from ..errors import Diagnostic
from ..source import Span


class Unsupported(Exception):
    """A construct that the target has no construction for."""

    def __init__(self, message: str, help: str, span: Span | None, code: str = "E801") -> None:
        super().__init__(message)
        self.diagnostic = Diagnostic(code, message, span, help)
