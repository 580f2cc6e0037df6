"""Views: networkx and DOT."""

from __future__ import annotations

import re

from lsrl.ir.nodes import Graph, Node, Output, State
from lsrl.ir.text import from_text
from lsrl.ir.types import INT
from lsrl.ir.view import label_of, to_dot, to_networkx

TEXT = """\
state s: int = 0 then %2
%0: int = prev s
%1: int = const 2
%2: int = mul %0 %0
%3: int = add %2 %1
assume "assume in line 3" = %3
output y = %3
name s = %2
name t = %2
"""

STRING = r'"(?:[^"\\\n]|\\.)*"'
ATTRIBUTE = rf"\w+=(?:{STRING}|\w+)"
LIST = rf"\[{ATTRIBUTE}(?:, {ATTRIBUTE})*\]"
LINE = re.compile(rf"  (?:rankdir=TB|\w+(?: -> \w+)?(?: {LIST})?);")


def test_operands_keep_their_positions() -> None:
    view = to_networkx(from_text(TEXT))
    assert sorted(view.edges(data="position")) == [
        (0, 2, 0), (0, 2, 1), (1, 3, 1), (2, 0, None), (2, 3, 0),
    ]  # fmt: skip
    back = [(a, b, d["state"]) for a, b, d in view.edges(data=True) if d["back"]]
    assert back == [(2, 0, "s")]
    assert view.nodes[2] == {"op": "mul", "type": "int", "label": "mul", "names": ("s", "t")}


def test_without_back_edges_it_has_no_cycles(example: Graph) -> None:
    import networkx as nx

    view = to_networkx(example)
    forward = [(a, b) for a, b, back in view.edges(data="back") if not back]
    assert all(a < b for a, b in forward)
    assert nx.is_directed_acyclic_graph(nx.DiGraph(forward))
    assert len(forward) == sum(len(n.args) for n in example.nodes)


def parses(dot: str) -> None:
    lines = dot.splitlines()
    assert lines[0] == "digraph lsrl {"
    assert lines[-1] == "}"
    known = {"node"}
    for line in lines[1:-1]:
        assert LINE.fullmatch(line), line
        declared = re.match(r"  (\w+) \[", line)
        if declared:
            known.add(declared[1])
    for a, b in re.findall(r"^  (\w+) -> (\w+)", dot, re.MULTILINE):
        assert {a, b} <= known


def test_dot_of_examples(example: Graph) -> None:
    parses(to_dot(example))


def test_dot() -> None:
    dot = to_dot(from_text(TEXT))
    parses(dot)
    assert '  n2 [label="s, t\\nmul\\nint", shape=box];' in dot
    assert '  n2 -> n0 [label="s", style=dashed, constraint=false];' in dot
    assert '  n0 -> n2 [label="1"];' in dot
    assert '[label="output y", shape=invhouse]' in dot
    assert '[label="assume in line 3", shape=invhouse]' in dot


def test_dot_escapes_names() -> None:
    name = 'a "quoted\\ name\nof two lines'
    node = Node("prev", (), INT, (0,))
    dot = to_dot(Graph((node,), (State(name, INT, (0,), 0),), (), (Output(name, 0),)))
    parses(dot)
    assert 'output a \\"quoted\\\\ name\\nof two lines' in dot


def test_labels_are_short() -> None:
    graph = from_text(
        f"%0: int[99] = const [{', '.join(['7'] * 99)}]\n"
        "%1: int[1] = matvec %0 [[" + ", ".join(["1"] * 99) + "]]\n"
        "%2: int = const 1\n%3: int[2] = table %2 [1, 2, 3, 4] width 2 of int\n"
    )
    labels = [label_of(graph, n) for n in graph.nodes]
    assert labels[0] == "[7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, ..."
    assert labels[1:] == ["matvec 1 x 99", "1", "table 2 x 2"]
