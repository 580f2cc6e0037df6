"""What a program uses: operators, types, functions, kinds of states."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from ..analysis.facts import Fact
from ..analysis.kinds import StateKind, classify
from ..analysis.ranges import analyse
from ..elaborate.calls import BUILTINS
from ..elaborate.modules import library
from ..ir.components import components
from ..ir.nodes import Graph
from ..ir.types import Kind
from ..syntax import ast

OPERATORS = (
    "+ - * / @ mod div ** and or < <= > >= == != not negate if index slice bracket comprehension"
).split()
TYPES = "bool int real named inline bool[] int[] real[] enum[] typed-state matrix".split()
DECLARATIONS = "Param Length TypeDef Input Definition State Function Assume Output Doc".split()
SHAPES = (
    "long-function short-function keyword default chain prev-init run-time-index table bounded"
).split()
CONSTANTS = frozenset({"range"})


def library_functions() -> set[str]:
    """The public names of the standard library."""
    return {
        d.name for d in library().declarations
        if isinstance(d, ast.Function) and not d.name.startswith("_")
    }  # fmt: skip


def builtin_functions() -> set[str]:
    """The functions that are built in."""
    return {b for b in BUILTINS if not b.startswith("_")} - CONSTANTS


EVERYTHING: frozenset[str] = frozenset(
    [f"operator {o}" for o in OPERATORS]
    + [f"type {t}" for t in TYPES]
    + [f"declaration {d}" for d in DECLARATIONS]
    + [f"shape {s}" for s in SHAPES]
    + [f"function {f}" for f in library_functions() | builtin_functions()]
    + [f"state {k.value}" for k in StateKind]
)
"""Everything that a sample of programs should have."""


def features(tree: ast.Tree, graph: Graph) -> set[str]:
    """What of `EVERYTHING` a program has."""
    found = {f"declaration {type(d).__name__}" for d in tree.declarations}
    found |= {f"shape {s}" for s in _shapes(tree)}
    for x in _walk(tree.declarations):
        found |= set(_of_syntax(x))
    found |= set(_of_graph(graph, analyse(graph)))
    return found & EVERYTHING


def _walk(x: Any) -> Iterator[ast.Syntax]:
    if isinstance(x, tuple):
        for item in x:
            yield from _walk(item)
    elif isinstance(x, ast.Syntax):
        yield x
        for f in fields(x):
            if f.name != "span":
                yield from _walk(getattr(x, f.name))


def _of_syntax(x: ast.Syntax) -> Iterator[str]:
    if isinstance(x, ast.Unary):
        yield f"operator {'negate' if x.op == '-' else x.op}"
    elif isinstance(x, ast.Binary):
        yield f"operator {x.op}"
    elif isinstance(x, ast.Compare):
        yield from (f"operator {op}" for op in x.ops)
    elif isinstance(x, ast.Call):
        yield f"function {x.name}"
    elif isinstance(x, ast.If | ast.Index | ast.Slice | ast.Bracket | ast.Comprehension):
        yield f"operator {type(x).__name__.lower()}"
    elif isinstance(x, ast.TypeExpr):
        yield f"type {x.base}{'[]' if x.size else ''}"
        if x.base is None:
            yield "type inline"
        elif x.base not in ("bool", "int", "real"):
            yield "type named"
        if len(x.size) == 2:
            yield "type matrix"
    elif isinstance(x, ast.State) and x.type is not None:
        yield "type typed-state"


def _shapes(tree: ast.Tree) -> Iterator[str]:
    for x in _walk(tree.declarations):
        if isinstance(x, ast.Function):
            yield "long-function" if x.braces else "short-function"
            if any(f.default is not None for f in x.formals):
                yield "default"
        elif isinstance(x, ast.Call):
            if x.keywords:
                yield "keyword"
            if x.name == "prev" and len(x.args) == 2:
                yield "prev-init"
        elif isinstance(x, ast.Compare) and len(x.ops) > 1:
            yield "chain"
        elif isinstance(x, ast.Definition) and x.type is not None:
            yield "bounded"


def _of_graph(graph: Graph, facts: tuple[Fact, ...]) -> Iterator[str]:
    for node in graph.nodes:
        if node.op == "index":
            yield "shape run-time-index"
        elif node.op == "table":
            yield "shape table"
        elif node.op == "input" and node.type.kind is Kind.ENUM and node.type.shape:
            yield "type enum[]"
    for component in components(graph):
        if component.cyclic:
            group = classify(graph, facts, component)
            yield from (f"state {kind.value}" for kind in group.kinds)
