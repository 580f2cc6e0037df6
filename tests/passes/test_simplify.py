"""Simplification: for each rule two expressions that become one graph."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lsrl.ir.nodes import Graph, Node
from lsrl.ir.text import from_text, to_text
from lsrl.passes import Cse, Dce, Fold, Simplify, Stuck, run, simplify
from lsrl.passes.rules import Rule, Simplifier, table

INPUTS = """
input x: int in -9..9
input y: int in -9..9
input r: real in -1..1
input b: bool
input c: bool
input v: int[3] in -9..9
input w: int[3] in -9..9
input p: bool[2]
output result = """

CASES = [
    ("x + 0", "x"),
    ("0 + x", "x"),
    ("v + 0", "v"),
    ("x + -y", "x - y"),
    ("-x + y", "y - x"),
    ("x - 0", "x"),
    ("x * y - x * y", "0 + (x - x)"),
    ("0 - x", "-x"),
    ("x - -y", "x + y"),
    ("--x", "x"),
    ("-(x - y)", "y - x"),
    ("1 * x", "x"),
    ("x * 0", "x - x"),
    ("r * 0", "r - r"),
    ("-1 * r", "-r"),
    ("(if b then 1 else 0) * (if c then 1 else 0)", "if b and c then 1 else 0"),
    ("r / 1", "r"),
    ("x mod 1", "x * 0"),
    ("(x mod 6) mod 3", "x mod 3"),
    ("(x mod 3) mod 6", "(x mod 3) mod 6"),
    ("x div 1", "x"),
    ("(x div 2) div 3", "x div 6"),
    ("relu(relu(x))", "relu(x)"),
    ("relu(abs(x))", "abs(x)"),
    ("abs(relu(x))", "relu(x)"),
    ("abs(-x)", "abs(x)"),
    ("abs(abs(-x))", "abs(x)"),
    ("max(x, x)", "x"),
    ("max(x, 0)", "relu(x)"),
    ("min(v, v)", "v"),
    ("x < x", "b and not b"),
    ("x <= x", "b or not b"),
    ("x == x", "b or not b"),
    ("x != x", "b and not b"),
    ("r <= r", "b or not b"),
    ("b == true", "b"),
    ("b == false", "not b"),
    ("b != true", "not b"),
    ("b != false", "b"),
    ("p == true", "p"),
    ("b == 1", "b"),
    ("b == 0", "not b"),
    ("b == 2", "b and not b"),
    ("b < 1", "not b"),
    ("b >= 0", "b or not b"),
    ("(if b then 3 else 5) > 4", "not b"),
    ("2 <= (if b then 3 else 1/2)", "b"),
    ("(if b then 3 else 1/2) != 1/2", "b"),
    ("not not b", "b"),
    ("not x < y", "y <= x"),
    ("not x <= y", "y < x"),
    ("not x == y", "x != y"),
    ("not x != y", "x == y"),
    ("b and true", "b"),
    ("b and false", "b and not b"),
    ("b or false", "b"),
    ("b or true", "b or not b"),
    ("b and b", "b"),
    ("b or c or b", "b or c"),
    ("c and not b and b", "c and false"),
    ("(b and c) and x < y", "all([b, c, x < y])"),
    ("b or (c or x < y)", "any([b, c, x < y])"),
    ("b and (c or x < y)", "b and (c or x < y)"),
    ("if [true, true, true] then v else w", "v"),
    ("if b then x else x", "x"),
    ("if not b then x else y", "if b then y else x"),
    ("if b then (if b then x else y) else x + 1", "if b then x else x + 1"),
    ("if b then x else if b then y else x + 1", "if b then x else x + 1"),
    ("if b then 1 else 0", "(if b then 1 else 0) + 0"),
    ("if b then 0 else 1", "if not b then 1 else 0"),
    ("if b then true else c", "b or c"),
    ("if b then false else c", "not b and c"),
    ("if b then c else true", "not b or c"),
    ("if b then c else false", "b and c"),
    ("v[0:3]", "v"),
    ("v[1:][0]", "v[1]"),
    ("v[1:][1:]", "v[2:]"),
    ("(zeros(4) + x)[1]", "x"),
    ("([x, x, x] + 0)[1:]", "[x, x]"),
    ("[x, y][1]", "y"),
    ("[x, v, y][1:4]", "v"),
    ("[x, v, y][2:4]", "v[1:]"),
    ("[x, v, y, x][:4]", "[x, v]"),
    ("[x, v, y][3]", "v[2]"),
    ("[x, v][:1]", "[x]"),
    ("[v]", "v"),
    ("[x, [y, v]]", "[x, y, v]"),
    ("[v[0], v[1:]]", "v"),
    ("[x, v[0], v[0], w[1]]", "[x, [v[0], v[0]], w[1]]"),
    ("[x, 1, 2, [3, 4]]", "[x, [1, 2, 3, 4]]"),
    ("all([b, b, b])", "b"),
    ("any([b, b])", "b"),
    ("max([x, x])", "x"),
    ("min([x, x])", "x"),
    ("sum([x])", "x"),
    ("sum(v[:1])", "v[0]"),
    ("max(v[1:2])", "v[1]"),
    ("min(v[1:2])", "v[1]"),
    ("all(p[:1])", "p[0]"),
    ("any(p[1:])", "p[1]"),
    ("all([b, c])", "b and c"),
    ("any([b, c])", "b or c"),
    ("argmax([x, x])", "x - x"),
    ("argmax(v[:1])", "x - x"),
    ("v[x - x + 2]", "v[2]"),
    ("[x, x, x][if b then 1 else 0]", "x"),
]

TIDY = [Fold(), Simplify(), Cse(), Dce()]


def simplified(graph: Graph) -> Graph:
    return run(graph, TIDY * 3)


def shape_of(graph: Graph) -> str:
    """Its text without names."""
    return "\n".join(s for s in to_text(graph).splitlines() if not s.startswith("name"))


@pytest.mark.parametrize(("left", "right"), CASES)
def test_identity(graph_of: Callable[[str], Graph], left: str, right: str) -> None:
    one, other = (simplified(graph_of(INPUTS + e + "\n")) for e in (left, right))
    assert shape_of(_in_order(one)) == shape_of(_in_order(other))


def _in_order(graph: Graph) -> Graph:
    """Renumbered in the order in which the outputs reach the nodes."""
    order: list[int] = []

    def reach(i: int) -> None:
        for a in graph.nodes[i].args:
            reach(a)
        if i not in order:
            order.append(i)

    for o in graph.outputs:
        reach(o.node)
    to = {i: k for k, i in enumerate(order)}
    nodes = [graph.nodes[i] for i in order]
    moved = tuple(Node(n.op, tuple(to[a] for a in n.args), n.type, n.attrs) for n in nodes)
    outputs = tuple(type(o)(o.name, to[o.node]) for o in graph.outputs)
    return Graph(moved, (), graph.inputs, outputs)


def test_every_rule_is_exercised(graph_of: Callable[[str], Graph]) -> None:
    used: set[str] = set()

    def watched(rule: Rule) -> Rule:
        def apply(s: Simplifier, n: Node) -> int | None:
            found = rule.apply(s, n)
            if found is not None:
                used.add(rule.op + ": " + rule.algebra)
            return found

        return Rule(rule.algebra, rule.op, apply)

    every = [rule for rules in simplify.RULES.values() for rule in rules]
    rules = table([watched(rule) for rule in every])
    for expression in [e for case in CASES for e in case]:
        graph = run(graph_of(INPUTS + expression + "\n"), [Fold()])
        new = Simplifier(graph, rules)
        for node in graph.nodes:
            new.to.append(new.simplify(new.moved(node)))
    assert {rule.op + ": " + rule.algebra for rule in every} == used


def test_the_type_stays(graph_of: Callable[[str], Graph]) -> None:
    """`x + 0.0` is real though x is an integer."""
    graph = simplified(graph_of(INPUTS + "x + cos(0) * 0\n"))
    assert str(graph.nodes[graph.outputs[0].node].type) == "real"


def test_promises_stay(graph_of: Callable[[str], Graph]) -> None:
    text = INPUTS + "x * 2\nz: int in 0..9 = x + 0\nu: int in -99..99 = z\n"
    assert to_text(simplified(graph_of(text))).count("= bound") == 2


def test_a_rule_that_does_not_shrink_is_named() -> None:
    graph = from_text("%0: int = const 1\n%1: int = neg %0\noutput y = %1\n")
    swap = Rule("-x = 0 - x", "neg", lambda s, n: s.make("sub", s.constant(0, n.type), n.args[0]))
    new = Simplifier(graph, table([swap]))
    new.to.append(new.simplify(graph.nodes[0]))
    with pytest.raises(Stuck, match="-x = 0 - x"):
        new.simplify(graph.nodes[1])
