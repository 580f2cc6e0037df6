"""Tokens, and the cutting of a token stream into declarations.

A declaration ends at a newline, unless a `(`, a `[`, or the `{` of an enumeration or a record is
open. Inside the braces of a function body newlines separate its lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from lark import Lark, Token
from lark.exceptions import UnexpectedCharacters

from ..errors import Diagnostic, SyntaxProblem
from ..source import Source, Span
from . import hints
from .ast import Comment

OPENING = {"(": ")", "[": "]", "{": "}"}
CLOSING = {v: k for k, v in OPENING.items()}
STARTERS = {"param", "type", "input", "state", "def", "assume", "output", "example", "import"}
TOP_ONLY = STARTERS - {"state", "assume"}


@cache
def grammar() -> Lark:
    """The Lark parser for one declaration."""
    text = (resources.files("lsrl.grammar") / "lsrl.lark").read_text(encoding="utf-8")
    return Lark(text, parser="lalr", lexer="basic", propagate_positions=True)


@cache
def keywords() -> frozenset[str]:
    """The words that cannot be names."""
    values = (t.pattern.value for t in grammar().terminals if t.pattern.type == "str")
    return frozenset(v for v in values if v.isalpha())


@dataclass
class Tokens:
    """The tokens of a file: declarations, comments, and what went wrong on the way."""

    source: Source
    declarations: list[list[Token]] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    problems: list[Diagnostic] = field(default_factory=list)

    def span(self, token: Token) -> Span:
        """Where a token stands."""
        return Span(self.source, token.start_pos or 0, token.end_pos or 0)


def tokenize(source: Source) -> Tokens:
    """Cut a source into declarations. Problems are collected, not raised."""
    result = Tokens(source)
    try:
        raw = list(_lex(source, result))
    except UnexpectedCharacters as e:
        raise SyntaxProblem(_unexpected(source, e.pos_in_stream or 0)) from None
    _Cutter(result).cut(raw)
    return result


def _lex(source: Source, result: Tokens) -> Iterator[Token]:
    for token in grammar().lex(source.text, dont_ignore=True):
        if token.type == "COMMENT":
            line, column = source.position(token.start_pos or 0)
            own = not source.line(line)[: column - 1].strip()
            result.comments.append(Comment(str(token).rstrip(), line, own))
        elif not token.isspace() or token.type == "NEWLINE":
            yield token


def _unexpected(source: Source, offset: int) -> Diagnostic:
    char = source.text[offset]
    span = Span(source, offset, offset + 1)
    if source.text.startswith('"""', offset):
        return Diagnostic("E101", "this text is never closed", span, 'end it with `"""`')
    if char == '"':
        return Diagnostic("E101", "this string is never closed", span, 'end it with `"`')
    help = hints.of_character(source.text, offset)
    return Diagnostic("E102", f"unexpected character {char!r}", span, help)


class _Cutter:
    """Walks over the tokens with a stack of open brackets."""

    def __init__(self, result: Tokens) -> None:
        self.result = result
        self.current: list[Token] = []
        self.open: list[tuple[Token, bool]] = []  # a bracket, and whether it is a function body
        self.broken = False  # the current declaration was reported already

    def cut(self, raw: list[Token]) -> None:
        for token in raw:
            text = str(token)
            if token.type == "NEWLINE":
                self._newline(token)
            elif text in TOP_ONLY and self.open and self._starts_line(token):
                self._unclosed()
                self.current = [token]
            elif text in OPENING:
                self.open.append((token, text == "{" and self._after_signature()))
                self.current.append(token)
            elif text in CLOSING:
                self._close(token, text)
            else:
                self.current.append(token)
        if self.open:
            self._unclosed()
        self._finish()

    def _starts_line(self, token: Token) -> bool:
        line, column = self.result.source.position(token.start_pos or 0)
        return not self.result.source.line(line)[: column - 1].strip()

    def _after_signature(self) -> bool:
        is_def = bool(self.current) and self.current[0] == "def"
        return is_def and self.current[-1] == ")" and not self.open

    def _newline(self, token: Token) -> None:
        if not self.open:
            self._finish()
        elif self.open[-1][1] and self.current[-1] != "{" and self.current[-1].type != "NEWLINE":
            self.current.append(token)

    def _close(self, token: Token, text: str) -> None:
        span = self.result.span(token)
        if not self.open:
            message = f"`{text}` closes nothing"
            self.result.problems.append(Diagnostic("E103", message, span, "remove it"))
            self.broken = True
            return
        opener, body = self.open[-1]
        if OPENING[str(opener)] != text:
            place = self.result.span(opener)
            message = f"`{text}` does not close the `{opener}` of line {place.line}"
            help = f"write `{OPENING[str(opener)]}`"
            self.result.problems.append(Diagnostic("E103", message, span, help))
            self.broken = True
            while self._closes_outer(text):
                self.open.pop()
        self.open.pop()
        if body and self.current[-1].type == "NEWLINE":
            self.current.pop()
        self.current.append(token)

    def _closes_outer(self, text: str) -> bool:
        """Whether a wrong closing bracket belongs to one opened before the innermost."""
        openers = [str(opener) for opener, _ in self.open]
        return openers[-1] != CLOSING[text] and CLOSING[text] in openers

    def _unclosed(self) -> None:
        opener = self.open[0][0]
        message = f"this `{opener}` is never closed"
        help = f"add the missing `{OPENING[str(opener)]}`"
        self.result.problems.append(Diagnostic("E103", message, self.result.span(opener), help))
        self.open.clear()
        self.current.clear()
        self.broken = False

    def _finish(self) -> None:
        if self.current and not self.broken:
            self.result.declarations.append(self.current)
        self.current = []
        self.broken = False
