"""Diagnostics and the exceptions that carry them.

Every error that a user can cause is an `LsrlError`: a list of diagnostics, each with a stable
code, a place, one sentence on what is wrong and one on what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .source import Span


@dataclass(frozen=True)
class Diagnostic:
    """One thing that is wrong, where, and what to do about it."""

    code: str
    message: str
    span: Span | None = None
    help: str = ""

    def render(self) -> str:
        """The text that people read: message, place, source line, caret, help."""
        lines = [f"error[{self.code}]: {self.message}"]
        if self.span is not None:
            lines += _excerpt(self.span)
        if self.help:
            lines.append(f"  help: {self.help}")
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """The same as plain data; `line` and `column` count from 1."""
        place: dict[str, Any] = {}
        if self.span is not None:
            place = {"file": self.span.source.name, "line": self.span.line}
            place["column"] = self.span.column
        return {"code": self.code, "message": self.message, "help": self.help, **place}


def _excerpt(span: Span) -> list[str]:
    text = span.source.line(span.line).expandtabs(1)
    width = max(1, min(span.end - span.start, len(text) - span.column + 1))
    gutter = " " * len(str(span.line))
    return [
        f"{gutter}--> {span}",
        f"{gutter} |",
        f"{span.line} | {text}",
        f"{gutter} | {' ' * (span.column - 1)}{'^' * width}",
    ]


class LsrlError(Exception):
    """Something that the user can put right. `diagnostics` holds every problem found."""

    def __init__(self, diagnostics: Diagnostic | Iterable[Diagnostic]) -> None:
        one = isinstance(diagnostics, Diagnostic)
        self.diagnostics: tuple[Diagnostic, ...] = (
            (diagnostics,) if one else tuple(diagnostics)  # type: ignore[arg-type,assignment]
        )
        super().__init__("\n\n".join(d.render() for d in self.diagnostics))

    @property
    def code(self) -> str:
        """The code of the first problem."""
        return self.diagnostics[0].code

    @property
    def span(self) -> Span | None:
        """The place of the first problem."""
        return self.diagnostics[0].span

    @classmethod
    def at(cls, code: str, span: Span | None, message: str, help: str = "") -> LsrlError:
        """An error with one diagnostic."""
        return cls(Diagnostic(code, message, span, help))


class SyntaxProblem(LsrlError):
    """The text does not follow the grammar."""


class ProgramError(LsrlError):
    """The program parses but says something that cannot be: names, types, sizes, ranges."""


class OptionError(LsrlError):
    """An option, a parameter or a path that cannot be used."""


class InputError(LsrlError):
    """Input data that the program does not admit."""


class PromiseError(LsrlError):
    """A declared bound or an `assume` that a run broke."""


class UnsupportedError(LsrlError):
    """The target cannot hold this program."""


class CheckpointError(LsrlError):
    """A checkpoint folder that is damaged, incomplete or of another version."""


class LengthWarning(UserWarning):
    """A model was run past the length that its certificate is about."""


class VerificationError(LsrlError):
    """A compiled model that does not do what its program means."""


def suggest(name: str, known: Iterable[str]) -> str:
    """'did you mean `x`?' for the closest known name, or an empty string."""
    close = difflib.get_close_matches(name, sorted(set(known)), n=1, cutoff=0.6)
    return f"did you mean `{close[0]}`?" if close else ""


def listing(names: Sequence[str], limit: int = 12) -> str:
    """Names for a message: `a`, `b`, `c` ..."""
    shown = ", ".join(f"`{n}`" for n in names[:limit])
    return shown + (", ..." if len(names) > limit else "")
