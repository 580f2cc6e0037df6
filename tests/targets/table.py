"""The table of programs that drives the tests of every target: a line a construct."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """A program and the input that it is run on; `linear_rnn` tells whether that target has it."""

    name: str
    text: str
    linear_rnn: bool = True


X = "input x: int in 0..9\n"
SIGNED = "input x: int in -7..8\n"
B = "input b: bool\n"
R = "input r: real in -2..3\n"

CASES = [
    Case("identity", X + "output x"),
    Case("constant output", X + "output y = 3 + 0 * x"),
    Case("affine", X + "output 3 * x - 4"),
    Case("lattice", X + "output x / 2 + x / 4"),
    Case("relu", SIGNED + "output relu(x)"),
    Case("abs", SIGNED + "output abs(x)"),
    Case("max and min", SIGNED + "output hi = max(x, 3)\noutput lo = min(x, -2)"),
    Case("clamp", SIGNED + "output clamp(x, -2, 4)"),
    Case("step", SIGNED + "output step(x)"),
    Case("compare", SIGNED + "output a = x > 3\noutput b = x >= 3\noutput c = x == 3\noutput d = x != 3"),
    Case("chain", SIGNED + "output -2 <= x < 5"),
    Case("bump", SIGNED + "output bump(x, -3, 2)"),
    Case("and, or, not", B + X + "output p = b and x > 4\noutput q = b or x > 4\noutput r = not (b and x < 2)"),
    Case("equal booleans", B + X + "output p = b == (x > 4)\noutput q = b != (x > 4)"),
    Case("if of integers", B + SIGNED + "output if b then x else 2 * x - 3"),
    Case("if of booleans", B + X + "output if x > 5 then b else not b"),
    Case("if under and", B + SIGNED + "output if b and x != 0 then x else 0"),
    Case("boolean times integer", B + SIGNED + "output b * x"),
    Case("product of integers", X + "input y: int in -3..4\noutput x * y"),
    Case("product of integer and real", "input k: int in -2..3\n" + R + "output k * r"),
    Case("square", SIGNED + "output x * x"),
    Case("division by an integer", "input k: int in 1..5\n" + R + "output p = r / k\noutput q = 6 / k"),
    Case("mod and div", "input x: int in -40..90\noutput p = x mod 7\noutput q = x div 7"),
    Case("mod of many", "input x: int in 0..4000\noutput x mod 3"),
    Case("table", X + "output [3, 1, 4, 1, 5, 9, 2, 6, 5, 3][x]"),
    Case("long table", "input x: int in 0..400\noutput [(7 * i * i) mod 401 for i in range(401)][x]"),
    Case("table of rows", X + "output lookup(x mod 2, [[1, 2, 3], [4, 5, 7]])"),
    Case("table of booleans", X + "output [x == 1, x > 3][b > 0]\ninput b: int in 0..1"),
    Case("vectors", "input v: int[4] in -3..3\noutput [sum(v), dot(v, [1, 2, 3, 4]), max(v), min(v)]"),
    Case("argmax", "input v: int[4] in -3..3\noutput argmax(v)"),
    Case("run-time index", "input v: int[4] in -3..3\ninput k: int in 0..3\noutput v[k]"),
    Case("matrix", "input v: int[2] in -3..3\noutput [[1, 2], [0, -1], [3, 3]] @ v"),
    Case("all and any", "input v: bool[3]\noutput p = all(v)\noutput q = any(v)"),
    Case("one_hot", X + "output one_hot(x, 4)"),
    Case("enumeration", "type c = {red, green, blue}\ninput c: c\noutput if c == red then blue else c"),
    Case("enumeration as index", "input c: {red, green, blue}\noutput [5, 7, 6][c]"),
    Case("accumulate", SIGNED + "output accumulate(x)"),
    Case("two accumulators", SIGNED + "output accumulate(accumulate(x))"),
    Case("delay", SIGNED + "output p = delay(x, 1)\noutput q = delay(x, 3)"),
    Case("window", SIGNED + "output window(x, 3)"),
    Case("prev with init", SIGNED + "output prev(x, 5)"),
    Case("prev of a count", X + "output prev(accumulate(x), 7)"),
    Case("prev of prev", X + "output prev(prev(x, 1), 2)"),
    Case("steps and first", X + "output p = steps()\noutput q = first()"),
    Case("cycle", X + "output cycle(3)"),
    Case("two cycles", X + "output cycle(3) * cycle(2) + x"),
    Case("cycle as condition", X + "output if cycle(4) == 2 then x else 0"),
    Case("late event", X + "output steps() >= 5"),
    Case("store", X + "output store(steps() == 2, x)"),
    Case("store by input", "length <= 40\n" + X + "input c: bool\nassume accumulate(c) <= 1\noutput store(c, x)"),
    Case("ever and always", X + "output p = ever(x == 9)\noutput q = always(x < 9)"),
    Case("rising and falling", B + "output p = rising(b)\noutput q = falling(b)"),
    Case("parity", B + "state odd = false then odd != b\noutput odd"),
    Case("agreement", B + "state even = true then even == b\noutput even"),
    Case("sum modulo", X + "state s = 2 then (s + 3 * x) mod 7\noutput s"),
    Case("start at one", X + "state w = 1 then w + x\noutput w"),
    Case("alternation", X + "state w = 1 then -w\noutput w * x"),
    Case("mutual recursion", "length <= 12\ninput f: int in -1..1\nstate v = 0 then v + f - prev(p)\nstate p = 0 then p + v\noutput p"),
    Case("doubling", "length <= 12\n" + X + "state w = 1 then 2 * w\noutput w + x"),
    Case("decay", R + "state s = 0 then 0.75 * s + r\noutput s"),
    Case("vector state", "input v: int[2] in 0..3\nstate s = 0 then s + v\noutput s"),
    Case("sum of reals", "length <= 64\n" + R + "output accumulate(r)"),
    Case("real comparison", R + "output r > 0.5"),
    Case("real conjunction", R + "output -1 <= r and r < 2 and not (0 < r < 1)"),
    Case("real choice", R + "output if r > 1 then r else 2 - r"),
    Case("real extremes", R + "output p = max(r, 0.25)\noutput q = min(r, prev(r))"),
    Case("real window", R + "output max(window(r, 4)) - min(window(r, 4))"),
    Case("switched real", B + R + "output if b then r else 0"),
    Case("latch", X + "output latch(x > 4, x)", linear_rnn=False),
    Case("since", X + "output since(x > 4)", linear_rnn=False),
    Case("running maximum", X + "output running_max(x)", linear_rnn=False),
    Case("table automaton", X + "state q = 0 then [0, 2, 1, 1, 0, 2][3 * (x mod 2) + q]\noutput q", linear_rnn=False),
    Case("general", X + "state s = 0 then relu(s - x + 3)\noutput s", linear_rnn=False),
]  # fmt: skip
