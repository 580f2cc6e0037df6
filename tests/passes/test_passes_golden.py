"""Each pass on one short program: what is left of it."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent

import pytest

from lsrl.passes import STANDARD, Cse, Dce, Fold, MergeStates, Ranges, Simplify

X = "input x: int in 0..9\n"


def golden(text: str) -> str:
    return dedent(text).strip()


def test_fold(after: Callable[..., str]) -> None:
    assert after(X + "output (2 + 3) * x + 4 / 6\n", Fold(), Dce()) == golden("""
        %0: int = input x
        %1: int = const 5
        %2: int = mul %1 %0
        %3: real = const 2/3
        %4: real = add %2 %3
        output output = %4
    """)


def test_fold_what_simplification_made_constant(after: Callable[..., str]) -> None:
    assert after(X + "output [4, 2, 3][x - x]\n", Simplify(), Fold(), Dce()) == golden("""
        %0: int = const 4
        output output = %0
    """)


@pytest.mark.parametrize("value", ["[1, 2, 3][x - x + 3]", "[1, 2, 3][x - x - 1]"])
def test_fold_leaves_errors_to_others(after: Callable[..., str], value: str) -> None:
    assert "= table" in after(X + f"output {value}\n", *[Simplify(), Fold()] * 3)


def test_cse(after: Callable[..., str]) -> None:
    assert after(X + "output (x + 1) * (1 + x)\n", Cse(), Dce()) == golden("""
        %0: int = input x
        %1: int = const 1
        %2: int = add %0 %1
        %3: int = mul %2 %2
        output output = %3
    """)


def test_cse_keeps_the_order_where_it_matters(after: Callable[..., str]) -> None:
    text = after(X + "output (x - 1) * (1 - x)\n", Cse(), Dce())
    assert text.count("= sub") == 2


def test_cse_tells_exact_from_inexact(after: Callable[..., str]) -> None:
    text = after(X + "output [x * cos(0), x * (2 / 2)]\n", Cse(), Dce())
    assert "const 1.0" in text
    assert "const 1\n" in text


def test_dce_keeps_what_promises_check(after: Callable[..., str]) -> None:
    program = """
        unused = accumulate(x)
        checked: int in 0..5 = x + prev(x)
        output x
    """
    assert after(X + program, Cse(), Dce()) == golden("""
        state "prev()": int = 0 then %0
        %0: int = input x
        %1: int = prev "prev()"
        %2: int = add %0 %1
        %3: int = bound %2 checked 0..5
        output x = %0
    """)


def test_dce_keeps_what_assumes_ask(after: Callable[..., str]) -> None:
    assert after(X + "assume x != prev(x)\noutput 1\n", Cse(), Dce()) == golden("""
        state "prev()": int = 0 then %0
        %0: int = input x
        %1: int = prev "prev()"
        %2: bool = ne %0 %1
        %3: int = const 1
        assume "assume in line 2" = %2
        output output = %3
    """)


def test_dce_drops_states_that_only_feed_themselves(after: Callable[..., str]) -> None:
    assert "state" not in after(X + "state s = 0 then s + x\noutput x\n", Dce())


def test_dce_keeps_inputs_and_drops_names(graph_of: Callable[[str], object]) -> None:
    graph = Dce().apply(graph_of(X + "input y: bool\nunused = x + 1\noutput x\n"))  # type: ignore[arg-type]
    assert [f.name for f in graph.inputs] == ["x", "y"]
    assert [name for name, _ in graph.names] == ["x"]


def test_states_of_two_calls(after: Callable[..., str]) -> None:
    program = "output steps() + steps()\n"
    assert after(X + program, MergeStates(), Cse(), Dce()) == golden("""
        state steps.n: int = -1 then %2
        %0: int = const 1
        %1: int = prev steps.n
        %2: int = add %1 %0
        %3: int = add %2 %2
        output output = %3
    """)


def test_states_that_need_each_other(after: Callable[..., str]) -> None:
    program = """
        state a = 0 then 2 * prev(b) + x
        state b = 0 then 2 * prev(a) + x
        output a == b
    """
    assert after(X + program, MergeStates(), Cse(), Dce()) == golden("""
        state a: int = 0 then %4
        %0: int = input x
        %1: int = prev a
        %2: int = const 2
        %3: int = mul %2 %1
        %4: int = add %3 %0
        %5: bool = eq %4 %4
        output output = %5
    """)


@pytest.mark.parametrize(
    "second",
    [
        "state b = 1 then b + x",
        "state b = 0 then b - x",
        "state b = 0 then b + prev(x)",
        "state b: real = 0 then b + x",
    ],
)
def test_states_that_differ(after: Callable[..., str], second: str) -> None:
    program = f"state a = 0 then a + x\n{second}\noutput a - b\n"
    text = after(X + program, MergeStates(), Cse(), Dce())
    assert "state a" in text
    assert "state b" in text


def test_states_of_a_chain_differ(after: Callable[..., str]) -> None:
    program = "a = prev(x)\nb = prev(a)\nc = prev(b)\nd = prev(prev(prev(x)))\noutput c + d\n"
    text = after(X + program, MergeStates(), Cse(), Dce())
    assert text.count("state") == 3
    assert text.count("= prev") == 3


def test_ranges_decide(after: Callable[..., str]) -> None:
    program = "output if x >= 0 then x mod 10 else 7\n"
    assert after(X + program, Ranges(), Simplify(), Dce()) == golden("""
        %0: int = input x
        output output = %0
    """)


def test_ranges_know_the_length(after: Callable[..., str]) -> None:
    assert after(X + "output steps() < length\n", Ranges(), Dce()) == golden("""
        %0: bool = const true
        output output = %0
    """)


def test_ranges_prove_promises(after: Callable[..., str]) -> None:
    """The first is proven, the second is not, the third only by the promise itself."""
    program = """
        y: int in 0..10 = x + 1
        z: int in 0..9 = x + 1
        state s: int in 0..9 = 0 then min(s + 1, 9)
        output y + z + s
    """
    text = after(X + program, Ranges(), Cse(), Dce())
    assert "bound %3 z 0..9" in text
    assert "s 0..9" in text
    assert " y 0..10" not in text


@pytest.mark.parametrize(
    ("before", "result"),
    [
        ("relu(x)", "x"),
        ("abs(x)", "x"),
        ("max(x, 20)", "20"),
        ("max(-3, x)", "x"),
        ("min(x, 20)", "x"),
        ("min(-3, x)", "-3"),
        ("relu(-x)", "0"),
        ("x div 10", "0"),
        ("x mod 12", "x"),
        ("x == 11", "false"),
        ("x <= 9 and x != -1", "true"),
        ("window(x, 3) >= zeros(3)", "[true, true, true]"),
        ("prev(5, 5) + x", "5 + x"),
        ("lookup(x, [7, 7, 7, 7, 7, 7, 7, 7, 7, 7])", "7"),
    ],
)
def test_ranges_of_one_operation(after: Callable[..., str], before: str, result: str) -> None:
    one, other = (
        after(X + f"output y: {_kind(result)} = {e}\n", *STANDARD * 2) for e in (before, result)
    )
    assert one == other


def _kind(result: str) -> str:
    if "[" in result:
        return "bool[3]"
    return "bool" if result in ("true", "false") else "int"
