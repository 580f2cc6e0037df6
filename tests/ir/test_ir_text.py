"""The IR as text: what it looks like, that nothing is lost, what is said of malformed text."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsrl.errors import LsrlError
from lsrl.ir.legality import check
from lsrl.ir.nodes import Graph, Node, Output
from lsrl.ir.text import from_text, to_text
from lsrl.ir.types import REAL, Kind, Type

PROGRAM = """
type colour = {red, green}
length <= 9
input x: int in 0..3
input k: colour
state s: real[2] in 0..8 = [1/2, 0] then [[1, 1/3], [0, 0.5]] @ s + x
assume x < 3
output s
output y = [1, 0, 4, 9][x] + store(k == green, x)
"""

TEXT = """\
length 9
input x: int in 0..3
input k: {red, green} in 0..1
state s: real[2] = [1/2, 0] then %5
state "a state": int = 0 then %9
%0: int = input x
%1: {red, green} = input k
%2: real[2] = prev s
%3: real[2] = matvec %2 [[1, 1/3], [0, 0.1]]
%4: real[2] = broadcast %0 2
%5: real[2] = bound %3 s 0..17/2
%6: int = table %0 [1, 0, 4, 9] width 0 of int
%7: {red, green} = const 1
%8: bool = eq %1 %7
%9: int = promise %6 %0 store
%10: int[3] = const [1, -2, 3]
%11: int[4] = concat %10 %0
%12: int[4] = take %11 [0..2, 1]
%13: int = take %11 3
%14: bool[2] = const [true, false]
%15: real = const 1e-05
%16: int = mod %13 3
assume "assume in line 7" = %8
output s = %5
name s = %5
name f#2.x = %16
"""


def test_reads_and_prints_the_same() -> None:
    graph = from_text(TEXT)
    assert to_text(graph) == TEXT
    assert graph.nodes[3].attrs == (((1, Fraction(1, 3)), (0, 0.1)),)
    assert graph.nodes[12].attrs == ((0, 1, 2, 1),)
    assert graph.nodes[14].attrs == ((True, False),)
    assert graph.states[1].name == "a state"
    assert graph.nodes[5].span is not None
    assert graph.nodes[5].span.text == "%5: real[2] = bound %3 s 0..17/2"


def test_of_a_program(graph_of: Callable[[str], Graph]) -> None:
    graph = graph_of(PROGRAM)
    check(graph)
    again = from_text(to_text(graph))
    assert again == graph
    check(again)


def test_round_trip_of_examples(example: Graph) -> None:
    text = to_text(example)
    again = from_text(text)
    assert again == example
    assert to_text(again) == text


exact = st.one_of(
    st.integers(-(10**30), 10**30),
    st.fractions().map(lambda f: int(f) if f.denominator == 1 else f),
    st.floats(allow_nan=False, allow_infinity=False),
)


@given(st.lists(exact, min_size=1, max_size=5), st.text(max_size=8))
def test_constants_and_names_survive(values: list[int | float | Fraction], name: str) -> None:
    node = Node("const", (), Type(Kind.REAL, (len(values),)), (tuple(values),))
    graph = Graph((node,), (), (), (Output(name, 0),))
    again = from_text(to_text(graph))
    assert again == graph
    for old, new in zip(values, again.nodes[0].attrs[0], strict=True):
        assert type(old) is type(new)
        assert repr(old) == repr(new)


@given(st.lists(st.integers(0, 6), min_size=1))
def test_positions_survive(indices: list[int]) -> None:
    vector = Node("const", (), Type(Kind.REAL, (7,)), ((0,) * 7,))
    take = Node("take", (0,), REAL.with_shape((len(indices),)), (tuple(indices),))
    graph = Graph((vector, take), (), (), (Output("y", 1),))
    assert from_text(to_text(graph)) == graph


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("%0: int = const ?", 1, 17, "unexpected character '?'"),
        ("length 3\n%1: int = const 1", 2, 1, "this should be node %0"),
        ("%0: int = frobnicate", 1, 11, "no operation is called 'frobnicate'"),
        ("%0: integer = const 1", 1, 5, "'integer' is no type"),
        ("%0: int = neg %0", 1, 15, "%0 is not defined yet"),
        ("%0: int = const 1\n%1: int = add %0", 2, 11, "add takes 2 operands, not 1"),
        ("%0: int = const", 1, 16, "expected a number, found the end of the line"),
        ("%0: int = const 1 2", 1, 19, "expected the end of the line, found '2'"),
        ("%0: int = const 1/0", 1, 17, "expected a number, found '1/0'"),
        ("%0: int[2] = const [1, 2", 1, 25, "expected ',', found the end of the line"),
        ("output y = %3", 1, 12, "there is no node %3"),
        ("state s: int = 0 then 3", 1, 23, "expected a node, found '3'"),
        ("%0: int = prev s", 1, 16, "no state is called 's'"),
        ("nodes 3", 1, 1, "'nodes' starts no line"),
        ("length 1/2", 1, 8, "expected an integer"),
        ("state s: int = 0 then %0\nstate s: int = 0 then %0", 2, 7, "two states are called 's'"),
        ('output "\\x" = %0', 1, 8, "this string is malformed"),
        ("output 3 = %0", 1, 8, "expected a name, found '3'"),
    ],
)
def test_malformed(text: str, line: int, column: int, message: str) -> None:
    with pytest.raises(LsrlError) as raised:
        from_text(text)
    assert raised.value.code == "E601"
    assert raised.value.diagnostics[0].message == message
    assert raised.value.span is not None
    assert (raised.value.span.line, raised.value.span.column) == (line, column)
