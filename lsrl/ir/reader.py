"""Tokens of the IR's text form, read one by one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from fractions import Fraction
from typing import TypeVar

from ..errors import Diagnostic, SyntaxProblem
from ..source import Source, Span
from .nodes import Scalar

T = TypeVar("T")

_TOKEN = re.compile(
    r"""[ \t]*(?P<token>
        -?(?:\d+\.\d+(?:e[+-]?\d+)? | \d+e[+-]?\d+ | \d+(?:/\d+)?)   # 1.5, 1e-05, 7, 1/3
      | %\d+                                                         # a node
      | [A-Za-z_]\w*(?:[.\#]\w+)*                                    # a word or a plain name
      | "(?:[^"\\\n]|\\.)*"                                          # a quoted name
      | \.\. | \n | [][{}:=,]
    )""",
    re.ASCII | re.VERBOSE,
)


class Reader:
    """A place in the tokens of a text. What reads moves on, or raises `SyntaxProblem` (E601)."""

    def __init__(self, text: str) -> None:
        self.source = Source("<ir>", text.rstrip() + "\n")
        self.tokens: list[str] = []
        self.starts: list[int] = []
        self.position = 0
        at = 0
        while at < len(self.source.text):
            found = _TOKEN.match(self.source.text, at)
            if found is None:
                raise self._unreadable(at)
            self.tokens.append(found["token"])
            self.starts.append(found.start("token"))
            at = found.end()

    def _unreadable(self, at: int) -> SyntaxProblem:
        while self.source.text[at] in " \t":
            at += 1
        message = f"unexpected character {self.source.text[at]!r}"
        return SyntaxProblem(Diagnostic("E601", message, Span(self.source, at, at + 1)))

    def problem(self, message: str, token: int | None = None) -> SyntaxProblem:
        """An error at a token (by default at the one that comes next)."""
        token = min(self.position if token is None else token, len(self.tokens) - 1)
        start = self.starts[token]
        span = Span(self.source, start, start + len(self.tokens[token]))
        return SyntaxProblem(Diagnostic("E601", message, span))

    def span(self, first: int) -> Span:
        """From token `first` to the last one read."""
        last = self.position - 1
        return Span(self.source, self.starts[first], self.starts[last] + len(self.tokens[last]))

    def at_end(self) -> bool:
        return self.position >= len(self.tokens)

    def peek(self) -> str:
        """The next token; an empty one at the end."""
        return "" if self.at_end() else self.tokens[self.position]

    def take(self) -> str:
        token = self.peek()
        self.position += 1
        return token

    def expect(self, token: str) -> None:
        if self.peek() != token:
            found, wanted = (_word(t) for t in (self.peek(), token))
            raise self.problem(f"expected {wanted}, found {found}")
        self.position += 1

    def name(self) -> str:
        token = self.peek()
        if token.startswith('"'):
            try:
                return str(json.loads(self.take()))
            except ValueError:
                raise self.problem("this string is malformed", self.position - 1) from None
        if not token[:1].isalpha() and not token.startswith("_"):
            raise self.problem(f"expected a name, found {_word(token)}")
        return self.take()

    def reference(self) -> int:
        """The number of a node, as in `%12`."""
        if not self.peek().startswith("%"):
            raise self.problem(f"expected a node, found {_word(self.peek())}")
        return int(self.take()[1:])

    def scalar(self) -> Scalar:
        """A truth value, an integer, a fraction or a float."""
        token = self.peek()
        if token in ("true", "false"):
            self.take()
            return token == "true"
        if "." in token[1:-1] or ("e" in token and token[-1].isdigit()):
            try:
                value = float(token)
            except ValueError:
                raise self.problem(f"expected a number, found {_word(token)}") from None
            self.take()
            return value
        exact = self.fraction()
        return int(exact) if exact.denominator == 1 else exact

    def fraction(self) -> Fraction:
        try:
            value = Fraction(self.peek())
        except (ValueError, ZeroDivisionError):
            raise self.problem(f"expected a number, found {_word(self.peek())}") from None
        self.take()
        return value

    def integer(self) -> int:
        value = self.fraction()
        if value.denominator != 1:
            raise self.problem("expected an integer", self.position - 1)
        return int(value)

    def range(self) -> tuple[Fraction, Fraction]:
        """`lo..hi`."""
        low = self.fraction()
        self.expect("..")
        return low, self.fraction()

    def items(self, one: Callable[[], T], opening: str = "[", closing: str = "]") -> list[T]:
        """A list in brackets, separated by commas."""
        self.expect(opening)
        found: list[T] = []
        while self.peek() != closing:
            if found:
                self.expect(",")
            found.append(one())
        self.take()
        return found


def _word(token: str) -> str:
    return {"": "the end", "\n": "the end of the line"}.get(token, f"{token!r}")
