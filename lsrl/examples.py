"""The worked examples of a program: run them, compare, and say where they differ."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from .elaborate.program import Elaborated, elaborate
from .errors import Diagnostic, LsrlError, OptionError, suggest
from .interpret.checks import show
from .interpret.inputs import batch_of
from .interpret.run import Interpreter
from .ir.nodes import Graph
from .ir.semantics import Array
from .ir.types import Kind, Type
from .syntax import ast

TOLERANCE = 1e-9  # of reals, relative and absolute

Interpret = Callable[[Graph], Interpreter]


@dataclass(frozen=True)
class Mismatch:
    """Where an example and the program differ; `step` is None where it is not about one step."""

    output: str
    step: int | None
    expected: str
    found: str

    def __str__(self) -> str:
        where = f" at step {self.step}" if self.step is not None else ""
        return f"`{self.output}`{where}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True)
class Outcome:
    """What came of an example: differences, or the error that stopped it."""

    example: ast.Example
    mismatches: list[Mismatch]
    error: LsrlError | None = None

    @property
    def passed(self) -> bool:
        return not self.mismatches and self.error is None


def check_examples(tree: ast.Tree, interpret: Interpret = Interpreter) -> Iterator[Outcome]:
    """The outcome of each example of a program."""
    for example in tree.declarations:
        if isinstance(example, ast.Example):
            try:
                yield Outcome(example, run_example(tree, example, interpret))
            except LsrlError as error:
                yield Outcome(example, [], error)


def run_example(
    tree: ast.Tree, example: ast.Example, interpret: Interpret = Interpreter
) -> list[Mismatch]:
    """Run one example; an empty list if it holds.

    Raises `LsrlError` if its settings, its inputs or the run are not admitted.
    """
    program = elaborate(_with_settings(tree, example))
    graph = program.graph
    inputs = batch_of(
        graph.inputs, program.members, plain(example.inputs), batched=False, length=graph.length
    )
    outputs = interpret(graph).run(inputs, undetermined=False).outputs
    return list(_compare_all(program, example, {k: v[0] for k, v in outputs.items()}))


def _with_settings(tree: ast.Tree, example: ast.Example) -> ast.Tree:
    """The program with the example's values in place of its parameters' defaults."""
    settings = dict(example.settings)
    known = [d.name for d in tree.declarations if isinstance(d, ast.Param)]
    for name, value in settings.items():
        if name not in known:
            message = f"the program has no parameter `{name}`"
            raise OptionError(Diagnostic("E010", message, value.span, suggest(name, known)))
    declarations = tuple(
        dataclasses.replace(d, value=settings[d.name])
        if isinstance(d, ast.Param) and d.name in settings
        else d
        for d in tree.declarations
    )
    return dataclasses.replace(tree, declarations=declarations)


def plain(datum: ast.Datum) -> Any:
    """A datum as lists and dicts."""
    if isinstance(datum, tuple):
        return [plain(d) for d in datum]
    if isinstance(datum, dict):
        return {k: plain(d) for k, d in datum.items()}
    return datum


def _compare_all(
    program: Elaborated, example: ast.Example, outputs: Mapping[str, Array]
) -> Iterator[Mismatch]:
    graph, expected = program.graph, example.outputs
    types = {o.name: graph.nodes[o.node].type for o in graph.outputs}
    if not isinstance(expected, dict):
        if len(types) != 1:
            names = ", ".join(types)
            message = f"the program has several outputs: {names}"
            help = "write `-> {name: [...]}`"
            raise OptionError(Diagnostic("E720", message, example.span, help))
        expected = {next(iter(types)): expected}
    for name, values in expected.items():
        if name not in types:
            message = f"the program has no output `{name}`"
            help = suggest(name, types) or f"it has {', '.join(types)}"
            raise OptionError(Diagnostic("E720", message, example.span, help))
        yield from _compare(name, types[name], values, outputs[name])


def _compare(name: str, type: Type, expected: ast.Datum, found: Array) -> Iterator[Mismatch]:
    """Compare an output `[T]` or `[T, d]`, step by step."""
    if not isinstance(expected, tuple):
        if expected != "_":
            yield Mismatch(name, None, "a list, one value per step", spell(expected))
        return
    if len(expected) != len(found):
        yield Mismatch(name, None, f"{len(expected)} steps", f"{len(found)} steps")
    for t, (want, value) in enumerate(zip(expected, found, strict=False)):
        have = tuple(value) if type.shape else value
        if not matches(want, have, type):
            yield Mismatch(name, t, spell(want), _spell_value(have, type))


def matches(expected: ast.Datum, found: Any, type: Type) -> bool:
    """True if a value is what an example says; `_` matches anything."""
    if expected == "_":
        return True
    if isinstance(found, tuple):
        if not isinstance(expected, tuple) or len(expected) != len(found):
            return False
        return all(matches(e, f, type) for e, f in zip(expected, found, strict=True))
    if isinstance(expected, str):
        known = type.kind is Kind.ENUM and expected in type.members
        return known and type.members.index(expected) == int(found)
    if isinstance(expected, tuple | dict):
        return False
    if type.kind is not Kind.REAL:
        return Fraction(expected) == int(found)
    want, have = float(expected), float(found)
    return abs(want - have) <= TOLERANCE * max(1.0, abs(want))


def spell(datum: ast.Datum) -> str:
    """A datum as it is written."""
    if isinstance(datum, tuple):
        return "[" + ", ".join(map(spell, datum)) + "]"
    if isinstance(datum, dict):
        return "{" + ", ".join(f"{k}: {spell(v)}" for k, v in datum.items()) + "}"
    if isinstance(datum, bool):
        return "true" if datum else "false"
    return datum if isinstance(datum, str) else show(datum)


def _spell_value(value: Any, type: Type) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_spell_value(v, type) for v in value) + "]"
    if type.kind is Kind.ENUM:
        return type.members[int(value)]
    return ("true" if value else "false") if type.kind is Kind.BOOL else show(value)
