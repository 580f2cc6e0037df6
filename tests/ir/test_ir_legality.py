"""What makes a graph illegal: one small graph per rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from lsrl.ir.legality import IllegalGraph, check
from lsrl.ir.nodes import Graph
from lsrl.ir.text import from_text

LEGAL = """\
length 8
input x: int in 0..3
state s: int = 0 then %3
%0: int = input x
%1: int = prev s
%2: int = add %0 %1
%3: int = bound %2 s 0..9
%4: bool = lt %0 %3
%5: bool[2] = const [true, false]
assume a = %4
output y = %3
name s = %3
"""


def test_the_legal_graph_is_legal() -> None:
    check(from_text(LEGAL))


def test_examples_are_legal(example: Graph) -> None:
    check(example)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("length 8", "length 0", "the length is 0"),
        ("0..3", "3..0", "input x: an empty range"),
        ("%2: int = add", "%2: real = add", "%2 add: its type is int, not real"),
        ("%2: int = add", "%2: zero = add", "%2 add: only a constant is a literal zero"),
        ("add %0 %1", "and %0 %1", "%2 and: not booleans"),
        ("[true, false]", "[true]", "%5 const: 1 elements for bool[2]"),
        ("[true, false]", "[true, 1]", "%5 const: 1 is no bool"),
        ("bool[2] = const", "int[2] = const", "%5 const: True is no int"),
        ("[true, false]", "[1/2, 0]", "%5 const: Fraction(1, 2) is no bool"),
        ("%5: bool[2] = const [true, false]", "%5: {a, b} = const 2", "%5 const: 2 is no {a, b}"),
        ("input x\n", "input z\n", "%0 input: no input is called 'z'"),
        ("state s: int = 0", "state s: int[2] = [0, 0]", "%1 prev: its type is int[2], not int"),
        ("state s: int = 0", "state s: int = 1/2", "state s: init: Fraction(1, 2) is no int"),
        ("then %3", "then %4", "state s: %4 lt: bool is no next value of int"),
        ("a = %4", "a = %3", "a: %3 bound is int, not a boolean"),
        ("name s = %3", "name s = %3\nname s = %2", "two are called 's': names have names"),
        ("output y = %3", "output y = %3\noutput y = %2", "two are called 'y': outputs have"),
        ("add %0 %1", "mod %0 0", "%2 mod: not an integer division"),
        ("add %0 %1", "take %0 1", "%2 take: not a vector"),
        ("add %0 %1", "broadcast %0 2", "%2 broadcast: its type is int[2], not int"),
        ("add %0 %1", "matvec %0 [[1, 2]]", "%2 matvec: not a vector"),
    ],
)
def test_illegal(old: str, new: str, message: str) -> None:
    with pytest.raises(IllegalGraph) as raised:
        check(from_text(LEGAL.replace(old, new, 1)))
    assert str(raised.value).startswith(message)


def test_operands_come_first() -> None:
    graph = from_text(LEGAL)
    for bad in (2, 3, -1):
        nodes = list(graph.nodes)
        nodes[2] = replace(nodes[2], args=(0, bad))
        with pytest.raises(IllegalGraph, match=f"%2 add: the operand %{bad} is not an earlier"):
            check(graph.replace(nodes=tuple(nodes)))


def test_unknown_operations_and_references() -> None:
    graph = from_text(LEGAL)
    nodes = list(graph.nodes)
    nodes[0] = replace(nodes[0], op="unknown")
    with pytest.raises(IllegalGraph, match="%0 unknown: no operation is called 'unknown'"):
        check(graph.replace(nodes=tuple(nodes)))
    nodes[0] = replace(graph.nodes[0], type=graph.nodes[0].type.with_shape(None))
    with pytest.raises(IllegalGraph, match="%0 input: no shape"):
        check(graph.replace(nodes=tuple(nodes)))
    nodes[0], nodes[1] = graph.nodes[0], replace(graph.nodes[1], attrs=(1,))
    with pytest.raises(IllegalGraph, match="%1 prev: there is no state 1"):
        check(graph.replace(nodes=tuple(nodes)))
    with pytest.raises(IllegalGraph, match="state s: its next value %-1 is no node"):
        check(graph.replace(states=(replace(graph.states[0], next=-1),)))
    with pytest.raises(IllegalGraph, match="output y: %9 is no node"):
        check(graph.replace(outputs=(replace(graph.outputs[0], node=9),)))
    with pytest.raises(IllegalGraph, match="name s: %9 is no node"):
        check(graph.replace(names=(("s", 9),)))


def test_an_integer_is_a_next_value_of_a_real_state() -> None:
    text = LEGAL.replace("state s: int", "state s: real")
    text = text.replace("%1: int", "%1: real").replace("%2: int", "%2: real")
    check(from_text(text.replace("%3: int", "%3: real")))
    check(from_text(text.replace("%3: int = bound %2", "%3: int = bound %0")))


def test_a_choice_between_zeros_is_a_zero(graph_of: Callable[[str], Graph]) -> None:
    program = "input c: bool\noutput max(if c then 0 else 0, zeros(2)[number])\n"
    graph = graph_of("input number: int in 0..1\n" + program)
    check(graph)


def test_a_rational_matrix_times_integers_is_real(graph_of: Callable[[str], Graph]) -> None:
    graph = graph_of("input v: int[2] in 0..9\noutput [[1/2, 0], [0, 1]] @ v\n")
    check(graph)
    assert str(graph.nodes[graph.outputs[0].node].type) == "real[2]"
