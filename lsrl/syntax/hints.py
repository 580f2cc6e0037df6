"""What to write in place of what other languages write."""

from __future__ import annotations

from collections.abc import Sequence

from lark import Token

COMMENT = "comments start with `#`"
CONDITION = "write `if c then a else b`"
FLOW = "there is no control flow; write `output if c then a else b`"
RANGE = "a range is written `0..1`"
STATE = "write `state s = INIT then NEXT`, as in `state s = 0 then s + x`"
TYPES = {"float": "real", "double": "real", "number": "real", "integer": "int", "boolean": "bool"}

CHARACTERS = {
    "=": "equality is written `==`", "&": "write `and`", "|": "write `or`", "!": "write `not`",
    "%": "write `mod`", ";": "put each declaration on its own line",
    "'": 'strings are written with `"`', "^": "powers are written `**`", "?": CONDITION,
}  # fmt: skip


def of_character(text: str, offset: int) -> str:
    """For a character that no token starts with."""
    after = text[offset + 1 : offset + 2]
    if text[offset] == "." and (after.isalpha() or after == "_"):
        return "there are no attributes; index with `x[0]`"
    return CHARACTERS.get(text[offset], "remove it")


def of_first(text: str, group: Sequence[Token]) -> str:
    """For a token that starts no declaration, or nothing."""
    if text in ("if", "for"):
        return FLOW
    if group[:2] == ["/", "/"]:
        return COMMENT
    return ""


def of_name(name: str) -> str:
    """For a name that stands for a type or a truth value elsewhere, or nothing."""
    known = TYPES.get(name.lower(), name.lower())
    return f"did you mean `{known}`?" if known in ("bool", "int", "real", "true", "false") else ""


def of_token(group: Sequence[Token], token: Token, expected: set[str]) -> str:
    """For the first token that does not fit (or the end of the line), or nothing."""
    at = next((k for k, t in enumerate(group) if t is token), len(group))
    before, text = list(group[:at]), str(token)
    names = [t.type == "NAME" for t in group]
    if group[0] == "state" and token.type == "$END" and "THEN" in expected:
        return STATE
    if group[0] in ("let", "var", "const") and at == 1 and names[1]:
        return f"write `{' '.join(group[1:4])}`" if group[2:3] == ["="] else "write `name = value`"
    if text == "then" and names[0] and "if" not in before:
        return f"write `state {group[0]} = ...`"
    if text == "in" and before and before[-1].type == "NAME" and ":" in before[-2:]:
        return of_name(str(before[-1]))
    if _in_bounds([str(t) for t in before]):
        return RANGE
    return _in_expression(group, before, token, expected)


def _in_bounds(before: list[str]) -> bool:
    """Whether the bounds of a type have begun, and there is no `..` yet."""
    rest = before[before.index(":") :] if ":" in before else []
    return "in" in rest and "=" not in rest and ".." not in rest


def _in_expression(
    group: Sequence[Token], before: Sequence[Token], token: Token, expected: set[str]
) -> str:
    text = str(token)
    if text == "if" and "NUMBER" in expected:
        return "put the `if` in parentheses"
    if text == "if" and "$END" in expected and "else" in group:
        return CONDITION
    if text == "/" and before and before[-1] == "/" and token.start_pos == before[-1].end_pos:
        return COMMENT + "; a quotient without remainder is `a div b`"
    return ""
