"""A piece of an emitted function: statements, and the values of the nodes they compute."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from ..ir.nodes import Graph
from .operations import render
from .values import BOOL, Value, constant, identifier, kind_of

_WORDS = re.compile(r"\w+")
LONG = 48  # characters of an expression that is still written inside of another


class Scope:
    """Statements at one depth. `names` are the program's names of nodes, `uses` how often each node
    is read, `pool` the constants of the module by their text, `functions` its functions of one
    step."""

    def __init__(
        self,
        graph: Graph,
        names: Mapping[int, str],
        uses: Mapping[int, int],
        pool: dict[str, str],
        taken: set[str],
        functions: list[str],
    ) -> None:
        self.graph, self.names, self.uses, self.pool = graph, names, uses, pool
        self.taken, self.functions = taken, functions
        self.lines: list[str] = []
        self.meaning: dict[str, str] = {}  # the expression of each variable
        self.values: dict[int, Value] = {}
        # Variables that are false at a sequence's first step only: the text of whether it began.
        self.later: dict[str, str] = {}
        # By node: the sum of its values so far, and what that sum began from.
        self.totals: dict[int, tuple[str, str]] = {}

    def inner(self) -> Scope:
        """A scope with the same surroundings, and no values or statements of its own."""
        return Scope(self.graph, self.names, self.uses, self.pool, set(self.taken), self.functions)

    def assign(self, value: Value, name: str) -> Value:
        """A statement that gives the value a name."""
        variable = identifier(name, self.taken)
        self.lines.append(f"{variable} = {value.text}")
        self.meaning[variable] = value.text
        return Value(variable, value.kind, value.wide, value.constant)

    def live(self, result: str) -> list[str]:
        """The statements that `result` needs."""
        lines, used = list[str](), set(_WORDS.findall(result))
        for line in reversed(self.lines):
            name, _, text = line.partition(" = ")
            if name in self.meaning and name not in used:
                continue
            used.update(_WORDS.findall(text if name in self.meaning else line))
            lines.append(line)
        return lines[::-1]

    def pooled(self, text: str) -> str:
        """The module's name for a constant."""
        return self.pool.setdefault(text, f"C{len(self.pool) + 1}")

    def compute(self, n: int) -> Value:
        """The value of a node whose operands are known, in a statement of its own if it has a name,
        is read more than once, or is long."""
        if n not in self.values:
            self.values[n] = self.bound(self._value(n), n)
        return self.values[n]

    def bound(self, value: Value, n: int) -> Value:
        """The value of node n, as a variable unless it is written where it is read."""
        if value.constant is not None:
            text = value.text if len(value.text) <= LONG else self.pooled(value.text)
            return Value(text, value.kind, value.wide, value.constant, value.simple)
        trivial = value.text.isidentifier()
        short = len(value.text) <= LONG and self.uses.get(n, 0) <= 1
        if trivial or (short and n not in self.names):
            return value
        return self.assign(value, self.names.get(n, f"v{n}"))

    def _value(self, n: int) -> Value:
        node = self.graph.nodes[n]
        if node.op == "const":
            return constant(node.values, kind_of(node.type))
        args = [self.values[a] for a in node.args]
        started = self._begun(args) if node.op == "select" else None
        return started or render(self.graph, node, args, self.pooled)

    def _begun(self, args: Sequence[Value]) -> Value | None:
        """A choice that takes another value at the first step only; none of booleans, which are
        cheap to choose between, nor of constants."""
        condition, a, b = args
        text = condition.text
        if text not in self.later:
            text = self.meaning.get(text, text)
        if text[0] == "~":
            text, a, b = text[1:], b, a
        fixed = a.constant is not None or b.constant is not None
        if text not in self.later or fixed or a.kind != b.kind or a.kind == BOOL:
            return None
        call = f"begun({a.text}, {b.text}, {self.later[text]}, steps)"
        return Value(call, a.kind, a.wide or b.wide)

    def under(
        self, replaced: Mapping[int, Value], nodes: Sequence[int], wanted: Iterable[int]
    ) -> list[Value]:
        """The values of the wanted ones of a group's nodes, with some of them replaced."""
        known, own = self.values, set(nodes)
        self.values = {n: v for n, v in known.items() if n not in own} | dict(replaced)
        names, self.names = self.names, {}
        for n in sorted(self._needed(wanted)):
            self.compute(n)
        found = [self.values[n] for n in wanted]
        self.values, self.names = known, names
        return found

    def _needed(self, wanted: Iterable[int]) -> set[int]:
        """What has to be computed for these nodes."""
        needed, todo = set[int](), list(wanted)
        while todo:
            n = todo.pop()
            if n not in self.values and n not in needed:
                needed.add(n)
                todo += self.graph.nodes[n].args
        return needed
