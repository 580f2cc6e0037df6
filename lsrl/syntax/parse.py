"""From source text to the syntax tree. Every mistake of a file is reported, not only the first."""

from __future__ import annotations

import sys
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from lark import Token, Transformer, Tree, v_args
from lark.exceptions import UnexpectedToken, VisitError

from ..errors import Diagnostic, SyntaxProblem, suggest
from ..source import Source, Span
from . import ast, hints
from .lexer import STARTERS, Tokens, grammar, keywords, tokenize

MAX_NESTING = 200  # brackets
MAX_DEPTH = 150  # expressions; later passes recurse over them
MIN_FLOAT = Fraction(sys.float_info.min)
MAX_FLOAT = Fraction(sys.float_info.max)
LENGTH_FORM = "write `length <= number`"


def parse_source(source: Source) -> ast.Tree:
    """Parse a whole file. Raises `SyntaxProblem` with a diagnostic for each bad declaration."""
    if not source.text.strip():
        span = Span(source, 0, 0)
        help = "write at least an `input` and an `output`"
        raise SyntaxProblem(Diagnostic("E100", "the file is empty", span, help))
    tokens = tokenize(source)
    problems = list(tokens.problems)
    declarations = []
    for group in tokens.declarations:
        try:
            declarations.append(_parse_declaration(tokens, group))
        except SyntaxProblem as e:
            problems += e.diagnostics
    if problems:
        raise SyntaxProblem(sorted(problems, key=lambda d: d.span.start if d.span else 0))
    return ast.Tree(tuple(declarations), source, tuple(tokens.comments))


def _parse_declaration(tokens: Tokens, group: list[Token]) -> ast.Declaration:
    _check_nesting(tokens, group)
    parser = grammar().parse_interactive()
    try:
        for token in group:
            parser.feed_token(token)
        tree = parser.feed_eof(group[-1])  # type: ignore[no-untyped-call]
    except UnexpectedToken as e:
        accepted = parser.accepts()  # type: ignore[no-untyped-call]
        raise SyntaxProblem(_explain(tokens, group, e.token, accepted)) from None
    if _depth(tree) > MAX_DEPTH:
        message = f"this expression has parts within parts more than {MAX_DEPTH} deep"
        help = "give its parts names of their own"
        raise SyntaxProblem(Diagnostic("E105", message, tokens.span(group[0]), help))
    try:
        result: ast.Declaration = _Build(tokens.source).transform(tree)
    except VisitError as e:
        if isinstance(e.orig_exc, SyntaxProblem):
            raise e.orig_exc from None
        raise
    return result


def _depth(tree: Tree[Token]) -> int:
    """How deep expressions stand in each other, parentheses (the formatter sets them) aside."""
    deepest = 0
    todo = [(tree, 0)]
    while todo:
        node, depth = todo.pop()
        depth += node.data not in {"paren", "arguments", "items"}
        deepest = max(deepest, depth)
        todo += [(part, depth) for part in node.children if isinstance(part, Tree)]
    return deepest


def _check_nesting(tokens: Tokens, group: list[Token]) -> None:
    depth = 0
    for token in group:
        depth += (str(token) in "([{") - (str(token) in ")]}")
        if depth > MAX_NESTING:
            message = f"brackets are nested more than {MAX_NESTING} deep"
            help = "give the inner parts names of their own"
            raise SyntaxProblem(Diagnostic("E105", message, tokens.span(token), help))


def _explain(tokens: Tokens, group: list[Token], token: Token, expected: set[str]) -> Diagnostic:
    """What to say about the first token that does not fit."""
    hint = hints.of_token(group, token, expected)
    if token.type == "$END" or token.type == "NEWLINE":
        last = group[-1] if token.type == "$END" else token
        end = last.end_pos or 0
        if token.type == "NEWLINE":
            end = token.start_pos or 0
        span = Span(tokens.source, end, end + 1)
        return Diagnostic("E104", "the line ends too early", span, hint or _wanted(expected))
    span = tokens.span(token)
    text = str(token)
    if token is group[0]:
        help = hints.of_first(text, group) or suggest(text, STARTERS)
        help = help or "a declaration starts with a name or a keyword"
        return Diagnostic("E104", f"`{text}` cannot start a declaration", span, help)
    if token is group[1] and group[0].type == "NAME":
        near = hint or suggest(str(group[0]), STARTERS | {"length"})
        if near and expected:
            first = tokens.span(group[0])
            message = f"`{group[0]}` starts no declaration that is known"
            return Diagnostic("E104", message, first, near)
    if text in keywords() and "NAME" in expected and not hint:
        help = "choose another name"
        return Diagnostic("E104", f"`{text}` is a keyword and cannot be a name", span, help)
    if text == "=" and group[0] == "length" and token is group[1]:
        return Diagnostic("E104", "`length =` is not a declaration", span, LENGTH_FORM)
    if text == "=" and "COMPARE" in expected:
        return Diagnostic("E104", "`=` inside an expression", span, "equality is written `==`")
    return Diagnostic("E104", f"`{text}` is not expected here", span, hint or _wanted(expected))


def _wanted(expected: set[str]) -> str:
    spelling = {
        "NAME": "a name", "NUMBER": "a number", "STRING": "a string", "EQUAL": "`=`",
        "RPAR": "`)`", "RSQB": "`]`", "RBRACE": "`}`", "COLON": "`:`", "THEN": "`then`",
        "ELSE": "`else`", "IN": "`in`", "LPAR": "`(`", "LBRACE": "`{`", "COMMA": "`,`",
        "COMPARE": "a comparison", "PLUS": "an operator", "$END": "the end of the line",
    }  # fmt: skip
    if {"NUMBER", "NAME", "LPAR"} <= expected:
        return "an expression is expected"
    words = [spelling[e] for e in spelling if e in expected]
    return "expected " + " or ".join(words[:4]) if words else "look at the declaration's form"


def _binary(self: _Build, meta: Any, left: Any, op: Token, right: Any) -> ast.Binary:
    return ast.Binary(str(op), left, right, span=self.span(meta))


@v_args(meta=True, inline=True)
class _Build(Transformer[Token, Any]):
    """Turns Lark's tree into ours, one method a rule of the grammar."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self.source = source

    def span(self, meta: Any) -> Span:
        return Span(self.source, meta.start_pos, meta.end_pos)

    # Declarations

    def doc(self, meta: Any, text: Token) -> ast.Doc:
        return ast.Doc(str(text)[3:-3], span=self.span(meta))

    def param(self, meta: Any, name: Token, type: Any, value: Any) -> ast.Param:
        return ast.Param(str(name), type, value, span=self.span(meta))

    def length(self, meta: Any, op: Token, value: Any) -> ast.Length:
        if op != "<=":
            span = _token_span(self.source, op)
            message = f"`length {op}` is not a declaration"
            raise SyntaxProblem(Diagnostic("E104", message, span, LENGTH_FORM))
        return ast.Length(value, span=self.span(meta))

    def typedef(self, meta: Any, name: Token, type: Any) -> ast.TypeDef:
        return ast.TypeDef(str(name), type, span=self.span(meta))

    def input(self, meta: Any, name: Token, type: Any) -> ast.Input:
        return ast.Input(str(name), type, span=self.span(meta))

    def definition(self, meta: Any, name: Token, type: Any, value: Any) -> ast.Definition:
        return ast.Definition(str(name), type, value, span=self.span(meta))

    def state(self, meta: Any, name: Token, type: Any, init: Any, next: Any) -> ast.State:
        return ast.State(str(name), type, init, next, span=self.span(meta))

    def short_function(self, meta: Any, name: Token, formals: Any, value: Any) -> ast.Function:
        return ast.Function(str(name), formals or (), (), value, False, span=self.span(meta))

    def long_function(self, meta: Any, name: Token, formals: Any, body: Any) -> ast.Function:
        results: list[Any] = [line for line in body if isinstance(line, Tree)]
        span = self.span(meta)
        if len(results) != 1 or not isinstance(body[-1], Tree):
            help = "end the body with `return expression`"
            message = f"the body of `{name}` must end with its one `return`"
            raise SyntaxProblem(Diagnostic("E106", message, _token_span(self.source, name), help))
        lines, result = tuple(body[:-1]), results[0].children[0]
        return ast.Function(str(name), formals or (), lines, result, True, span=span)

    def assume(self, meta: Any, condition: Any) -> ast.Assume:
        return ast.Assume(condition, span=self.span(meta))

    def output(self, meta: Any, name: Any, type: Any, value: Any) -> ast.Output:
        return ast.Output(str(name) if name else None, type, value, span=self.span(meta))

    def example(self, meta: Any, name: Token, settings: Any, given: Any, out: Any) -> ast.Example:
        return ast.Example(_string(name), settings or (), given, out, span=self.span(meta))

    def import_(self, meta: Any, path: Token) -> ast.Import:
        return ast.Import(_string(path), span=self.span(meta))

    def formal(self, meta: Any, name: Token, default: Any) -> ast.Formal:
        return ast.Formal(str(name), default, span=self.span(meta))

    def setting(self, meta: Any, name: Token, value: Any) -> tuple[str, Any]:
        return str(name), value

    def body(self, meta: Any, *lines: Any) -> tuple[Any, ...]:
        return tuple(line for line in lines if not isinstance(line, Token))

    # Types

    def bounded_type(self, meta: Any, base: str, size: Any, bounds: Any) -> ast.TypeExpr:
        return ast.TypeExpr(base, (), size or (), bounds, span=self.span(meta))

    def unbounded_type(self, meta: Any, base: str, size: Any) -> ast.TypeExpr:
        return ast.TypeExpr(base, (), size or (), None, span=self.span(meta))

    def enum_type(self, meta: Any, *parts: Any) -> ast.TypeExpr:
        members = tuple(str(p) for p in parts if isinstance(p, Token))
        size = parts[-1] if parts and isinstance(parts[-1], tuple) else ()
        return ast.TypeExpr(None, members, size, span=self.span(meta))

    def named_type(self, meta: Any, name: Token, size: Any) -> ast.TypeExpr:
        return ast.TypeExpr(str(name), (), size or (), span=self.span(meta))

    def scalar_type(self, meta: Any, name: Token) -> str:
        return str(name)

    def bounds(self, meta: Any, low: Any, high: Any) -> tuple[Any, Any]:
        return low, high

    # Expressions

    def if_(self, meta: Any, condition: Any, then: Any, other: Any) -> ast.If:
        return ast.If(condition, then, other, span=self.span(meta))

    def or_(self, meta: Any, left: Any, right: Any) -> ast.Binary:
        return ast.Binary("or", left, right, span=self.span(meta))

    def and_(self, meta: Any, left: Any, right: Any) -> ast.Binary:
        return ast.Binary("and", left, right, span=self.span(meta))

    def not_(self, meta: Any, operand: Any) -> ast.Unary:
        return ast.Unary("not", operand, span=self.span(meta))

    def compare(self, meta: Any, *parts: Any) -> ast.Compare:
        ops = tuple(str(p) for p in parts[1::2])
        return ast.Compare(ops, tuple(parts[0::2]), span=self.span(meta))

    binary = _binary

    def negate(self, meta: Any, sign: Token, operand: Any) -> ast.Unary:
        return ast.Unary("-", operand, span=self.span(meta))

    def power(self, meta: Any, base: Any, exponent: Any) -> ast.Binary:
        return ast.Binary("**", base, exponent, span=self.span(meta))

    def index(self, meta: Any, vector: Any, index: Any) -> ast.Index:
        return ast.Index(vector, index, span=self.span(meta))

    def slice(self, meta: Any, vector: Any, start: Any, stop: Any) -> ast.Slice:
        return ast.Slice(vector, start, stop, span=self.span(meta))

    def number(self, meta: Any, token: Token) -> ast.Number:
        return ast.Number(_fraction(self.source, token), str(token), span=self.span(meta))

    def true(self, meta: Any) -> ast.Boolean:
        return ast.Boolean(True, span=self.span(meta))

    def false(self, meta: Any) -> ast.Boolean:
        return ast.Boolean(False, span=self.span(meta))

    def name(self, meta: Any, token: Token) -> ast.Name:
        return ast.Name(str(token), span=self.span(meta))

    def length_name(self, meta: Any) -> ast.Name:
        return ast.Name("length", span=self.span(meta))

    def call(self, meta: Any, name: Token, arguments: Any) -> ast.Call:
        parts = arguments or ()
        args = tuple(p for p in parts if not isinstance(p, tuple))
        keywords = tuple(p for p in parts if isinstance(p, tuple))
        return ast.Call(str(name), args, keywords, span=self.span(meta))

    def keyword(self, meta: Any, name: Token, value: Any) -> tuple[str, Any]:
        return str(name), value

    def paren(self, meta: Any, inner: Any) -> Any:
        return inner

    def bracket(self, meta: Any, items: Any) -> ast.Bracket:
        return ast.Bracket(items or (), span=self.span(meta))

    def comprehension(self, meta: Any, body: Any, name: Token, over: Any) -> ast.Comprehension:
        return ast.Comprehension(body, str(name), over, span=self.span(meta))

    # The data of examples

    def number_value(self, meta: Any, sign: Any, number: Token, *rest: Any) -> Fraction:
        value = _fraction(self.source, number) * (-1 if sign else 1)
        divisor = [p for p in rest if p is not None]
        if not divisor:
            return value
        below = _fraction(self.source, divisor[-1]) * (-1 if len(divisor) == 3 else 1)
        if not below:
            problem = Diagnostic("E107", "division by zero", self.span(meta), "write a number")
            raise SyntaxProblem(problem)
        return _float64(value / below, self.span(meta))

    def true_value(self, meta: Any) -> bool:
        return True

    def false_value(self, meta: Any) -> bool:
        return False

    def name_value(self, meta: Any, name: Token) -> str:
        return str(name)

    def list_value(self, meta: Any, *items: Any) -> tuple[Any, ...]:
        return tuple(i for i in items if i is not None)

    def field(self, meta: Any, name: Token, value: Any) -> tuple[str, Any]:
        return str(name), value

    def record_value(self, meta: Any, *fields: Any) -> dict[str, Any]:
        given = [f for f in fields if f is not None]
        names = [name for name, _ in given]
        for twice in (name for name in names if names.count(name) > 1):
            message = f"the field `{twice}` is given twice"
            raise SyntaxProblem(Diagnostic("E104", message, self.span(meta), "remove one of them"))
        return dict(given)


def _collect(self: _Build, meta: Any, *parts: Any) -> tuple[Any, ...]:
    return tuple(p for p in parts if p is not None)


for _rule in ("formals", "settings", "size", "arguments", "items"):
    setattr(_Build, _rule, v_args(meta=True, inline=True)(_collect))


def _token_span(source: Source, token: Token) -> Span:
    return Span(source, token.start_pos or 0, token.end_pos or 0)


def _string(token: Token) -> str:
    unescape: Callable[[str], str] = lambda s: s.replace('\\"', '"').replace("\\\\", "\\")
    return unescape(str(token)[1:-1])


def _fraction(source: Source, token: Token) -> Fraction:
    """The exact value of a literal."""
    text = str(token).lower()
    exponent = text.partition("e")[2].lstrip("+-")
    value = Fraction(text) if len(exponent) <= 3 and len(text) <= 400 else None
    return _float64(value, _token_span(source, token))


def _float64(value: Fraction | None, span: Span) -> Fraction:
    """A number, unless float64 would make it infinite or round it to zero."""
    if value is None or (value and not MIN_FLOAT <= abs(value) <= MAX_FLOAT):
        message = "this number is outside of what float64 can hold"
        help = "write one between 1e-307 and 1e308"
        raise SyntaxProblem(Diagnostic("E108", message, span, help))
    return value
