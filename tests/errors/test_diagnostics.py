"""Each diagnostic of the elaborator, of the range checks and of a run: code, place and message."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from lsrl.analysis.check import check_ranges
from lsrl.analysis.ranges import analyse
from lsrl.elaborate.modules import read_source
from lsrl.elaborate.program import elaborate
from lsrl.errors import LsrlError, OptionError, ProgramError, SyntaxProblem
from lsrl.examples import check_examples
from lsrl.interpret.run import Interpreter
from lsrl.source import Source
from lsrl.syntax.parse import parse_source

ROOT = Path(__file__).parents[2]

HEAD = """\
input x: int in 0..9
input r: real in 0..1
input b: bool
input e: {red, green}
input v: int[3] in 0..2
output x
"""
LINES = HEAD.count("\n")

Found = tuple[str, int, int, str]  # code, line, column, message


def diagnose(source: Source) -> list[Found]:
    """What the front end says about a program; every diagnostic is complete."""
    with pytest.raises(LsrlError) as caught:
        graph = elaborate(parse_source(source)).graph
        check_ranges(graph, analyse(graph))
    found = []
    for d in caught.value.diagnostics:
        assert d.span is not None
        assert d.span.source.name != "<std>"
        assert d.help
        assert d.render().startswith(f"error[{d.code}]: {d.message}\n")
        found.append((d.code, d.span.line, d.span.column, d.message))
    return found


def after_head(text: str) -> list[Found]:
    """The diagnostics of lines that follow `HEAD`, counted from 1."""
    found = diagnose(Source("test.lsrl", HEAD + text + "\n"))
    return [(code, line - LINES, column, message) for code, line, column, message in found]


CASES = [
    case
    for case in (Path(__file__).parent / "cases.txt").read_text().strip().split("\n\n")
    if not case.startswith("#")
]
EXPECTED = re.compile(r"    (E\d+) (\d+):(\d+) (.+)")


def read(case: str) -> tuple[str, list[Found]]:
    """A program, and the diagnostics that it should have."""
    matches = [(line, EXPECTED.fullmatch(line)) for line in case.split("\n")]
    text = "\n".join(line for line, match in matches if not match)
    found = [m.groups() for _, m in matches if m]
    return text, [(code, int(line), int(column), words) for code, line, column, words in found]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.split("\n")[0])
def test_one_mistake(case: str) -> None:
    text, expected = read(case)
    assert after_head(text) == expected


def test_every_code_is_in_the_table() -> None:
    files = [*(ROOT / "lsrl/elaborate").glob("*.py"), ROOT / "lsrl/analysis/check.py"]
    codes = {c for f in files for c in re.findall(r'"(E[234]\d\d)"', f.read_text())}
    elsewhere = {"E204", "E206", "E208", "E209", "E320"}
    assert codes - elsewhere == {code for case in CASES for code, *_ in read(case)[1]}


HELPS = [
    ("output bta", "define it, or declare it as an `input`"),
    ("longer = 1\noutput loger", "did you mean `longer`?"),
    ("output b == True", "did you mean `true`?"),
    ("y: float = x", "did you mean `real`?"),
    ("y: boolean = b", "did you mean `bool`?"),
    ("output accumulat(x)", "did you mean `accumulate`?"),
    ("output y = one_ht(x, 3)", "did you mean `one_hot`?"),
    ("output prev(total)", "write `state total = init then expression`"),
    ("type colour = bool\ninput y: color", "did you mean `colour`?"),
    ("output y = max()", "write `max(a)` or `max(a, b)`"),
    ("def f(p, q = 2) = p\noutput y = f()", "write `f(p, q)`"),
    ("output y = v[7]", "the indices are 0..2"),
    ("input y: real[3]", "write its range, as in `y: real in 0..9`"),
    ("output y = r == 0.5", "write `abs(x - y) < tolerance`"),
]


@pytest.mark.parametrize(("text", "help"), HELPS)
def test_help(text: str, help: str) -> None:
    with pytest.raises(LsrlError) as caught:
        graph = elaborate(parse_source(Source("test.lsrl", HEAD + text + "\n"))).graph
        check_ranges(graph, analyse(graph))
    assert caught.value.diagnostics[0].help == help


def test_ranges_that_grow_without_end() -> None:
    [(code, line, column, message)] = after_head("state s = 1 then 2 * s")
    assert (code, line, column) == ("E316", 1, 1)
    assert "2^53" in message
    assert ("E308", 1, 12, "the divisor is in 0..9, which includes 0") in after_head(
        "output y = 1 / x"
    )
    found = after_head("state s = 0 then s * s + r")
    assert found == [("E320", 1, 1, "no range could be found for the state `s`")]


def test_several_mistakes_are_reported_in_order() -> None:
    text = """\
output zz
a = x + e
state s = x then 0
b = b
def f(p) = f(pp)
y: int in 0..3 = x / 2
output v[3]
"""
    assert [(code, line) for code, line, _, _ in after_head(text)] == [
        ("E201", 1), ("E304", 2), ("E302", 3), ("E202", 4), ("E402", 5), ("E201", 5), ("E317", 6),
        ("E313", 7),
    ]  # fmt: skip


def test_a_mistake_is_reported_once() -> None:
    text = "a = nothing + 1\nc = a + a\noutput y = c\noutput z = [a, c]"
    assert [message for *_, message in after_head(text)] == ["the name `nothing` is not defined"]


@pytest.mark.parametrize("calls", range(50, 60))
def test_too_large_in_the_library(calls: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the limit is passed: some of these pass it where a call is only tried."""
    monkeypatch.setattr("lsrl.elaborate.core.MAX_NODES", 300)
    text = f"input x: int in 0..3\noutput x\noutput y = [cycle(i + 2) for i in range({calls})]"
    with pytest.raises(ProgramError, match="more than 300 operations") as e:
        elaborate(parse_source(Source("t.lsrl", text)))
    assert [d.code for d in e.value.diagnostics] == ["E310"]


def test_rendering() -> None:
    with pytest.raises(ProgramError) as caught:
        elaborate(parse_source(Source("majority.lsrl", "input bit: bool\noutput bti or true\n")))
    assert (
        str(caught.value)
        == """\
error[E201]: the name `bti` is not defined
 --> majority.lsrl:2:8
  |
2 | output bti or true
  |        ^^^
  help: did you mean `bit`?"""
    )


WHOLE = [
    ("", [("E100", 1, 1, "the file is empty")]),
    ("input x: bool\n", [("E208", 1, 13, "the program has no output")]),
    ('input x: bool\noutput x\n"""late"""', [("E206", 3, 1, "a docstring stands first")]),
    ("output 3\n", [("E209", 1, 1, "the program has no input")]),
    ("x = (1\ninput y: bool\noutput y\n", [("E103", 1, 5, "this `(` is never closed")]),
    ("output x]\n", [("E103", 1, 9, "`]` closes nothing")]),
    (
        "x = 1 +\nfoo bar\noutput [1\n",
        [
            ("E104", 1, 8, "the line ends too early"),
            ("E104", 2, 5, "`bar` is not expected here"),
            ("E103", 3, 8, "this `[` is never closed"),
        ],
    ),
]


@pytest.mark.parametrize(("text", "expected"), WHOLE)
def test_whole_files(text: str, expected: list[Found]) -> None:
    assert diagnose(Source("test.lsrl", text)) == expected


# Files


def write(folder: Path, **files: str) -> Source:
    """Write files (`_` stands for `/`); the source of `main`."""
    for name, text in files.items():
        path = folder / (name.replace("_", "/") + ".lsrl")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return read_source(folder / "main.lsrl")


PROGRAM = "input x: int in 0..9\noutput x\n"


def test_imports_outside_of_the_folder(tmp_path: Path) -> None:
    main = write(tmp_path, main='import "../other.lsrl"\nimport "/etc/hosts"\n' + PROGRAM)
    assert [found[:3] for found in diagnose(main)] == [("E501", 1, 1), ("E501", 2, 1)]
    message = '"../other.lsrl" is outside of the folder of this file'
    assert diagnose(main)[0][3] == message


def test_text_cannot_import() -> None:
    found = diagnose(Source("<text>", 'import "a.lsrl"\n' + PROGRAM))
    assert found == [("E501", 1, 1, "a program that is not in a file cannot import")]


def test_import_cycles(tmp_path: Path) -> None:
    main = write(
        tmp_path, main='import "a.lsrl"\n' + PROGRAM, a='import "main.lsrl"\n', b="c = 1\n"
    )
    message = "these files import each other: main.lsrl -> a.lsrl -> main.lsrl"
    assert diagnose(main) == [("E502", 1, 1, message)]


def test_imports_that_cannot_be_read(tmp_path: Path) -> None:
    main = write(tmp_path, main='import "no.lsrl"\nimport "bad.lsrl"\n' + PROGRAM, bad="a = (\n")
    found = diagnose(main)
    assert [f[0] for f in found] == ["E503", "E103"]
    assert 'cannot import "no.lsrl"' in found[0][3]


def test_what_cannot_be_imported(tmp_path: Path) -> None:
    other = "input z: bool\nstate s = 0 then s + z\nd = prev(z)\nc = 2\nparam p: int = 3\n"
    main = write(tmp_path, main='import "a.lsrl"\n' + PROGRAM, a=other)
    assert elaborate(parse_source(main)).params == {}
    use = 'import "a.lsrl"\n' + PROGRAM + "output y = c + p + z\noutput w = s\nu = d\n"
    found = diagnose(write(tmp_path, main=use, a=other))
    assert [f[:3] for f in found] == [("E204", 4, 20), ("E204", 5, 12), ("E204", 6, 5)]
    assert found[0][3] == "`z` belongs to an imported file and is no constant there"


def test_names_of_two_files(tmp_path: Path) -> None:
    main = write(tmp_path, main='import "a.lsrl"\n' + PROGRAM + "c = 1\n", a="c = 2\n")
    [(code, line, column, message)] = diagnose(main)
    assert (code, line, column) == ("E202", 4, 1)
    assert message.startswith("`c` is defined twice (first in ")
    assert message.endswith("a.lsrl, line 1)")


def test_the_same_file_twice_is_no_mistake(tmp_path: Path) -> None:
    main = 'import "a.lsrl"\nimport "b.lsrl"\n' + PROGRAM + "output y = c + d\n"
    source = write(tmp_path, main=main, a="c = 1\n", b='import "a.lsrl"\nd = c\n')
    assert len(elaborate(parse_source(source)).graph.outputs) == 2


def test_files_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "main.lsrl"
    path.write_bytes(b"# fine\n# caf\xe9\n")
    with pytest.raises(ProgramError) as caught:
        read_source(path)
    [d] = caught.value.diagnostics
    assert d.span is not None
    assert (d.code, d.span.line, d.span.column) == ("E002", 2, 6)
    assert d.message == "the file is not UTF-8: byte 0xe9"
    path.write_bytes(b"x = \0")
    for bad in (path, tmp_path, tmp_path / "no.lsrl"):
        with pytest.raises(OptionError) as unreadable:
            read_source(bad)
        assert unreadable.value.code == "E001"


# Runs (lines count from the one after HEAD; more in tests/interpret/test_promises.py)

RUNS = [
    ("y: int in 0..5 = x", "E702", 1, 4, "`y` is 7 at step 1, outside of 0..5"),
    ("y = store(x > 0, x)", "E703", 1, 5, "`store` holds 14 at step 2, outside of 0..9"),
    ("assume x < 5", "E704", 1, 1, "the inputs break this assumption at step 1"),
    (
        "def f(p) {\n  assume p < 5\n  return p\n}\ny = f(x)",
        "E704", 2, 3, "the inputs break this assumption at step 1",
    ),
]  # fmt: skip
DATA = """{x: [0, 7, 7], r: [0, 0, 0], b: [0, 0, 0], e: [red, red, red],
    v: [[0, 0, 0], [0, 0, 0], [0, 0, 0]]}"""


@pytest.mark.parametrize(("text", "code", "line", "column", "message"), RUNS)
def test_runs(text: str, code: str, line: int, column: int, message: str) -> None:
    example = f'\nexample "it": {DATA} -> {{x: _}}\n'
    tree = parse_source(Source("test.lsrl", HEAD + text + example))
    graph = elaborate(tree).graph
    ranges = {n: (f.lo, f.hi) for n, f in enumerate(analyse(graph))}
    [outcome] = check_examples(tree, lambda g: Interpreter(g, ranges=ranges))
    assert outcome.error is not None
    [d] = outcome.error.diagnostics
    assert d.span is not None
    assert d.help
    assert (d.code, d.span.line - LINES, d.span.column, d.message) == (code, line, column, message)


# Nothing but diagnostics comes out, whatever goes in

TOKEN = re.compile(r'"[^"]*"|\w+|\.\.|->|[<>=!]=|\*\*|\n|[^\s\w]|[ \t]+')
WORDS = """prev max sum all argmax size clamp step lookup range zeros eye sqrt steps cycle store
latch window delay ever running_max one_hot @ ** mod div [ ] ( ) { } if then else not and or == <
true 0 1 2 -1 0.5 length state def return input output : , .. in int bool real = 1e300
1000000000""".split()


def mutated(choose: random.Random, tokens: list[str]) -> str:
    """A few tokens deleted, inserted, replaced or swapped, or the text cut off."""
    result = list(tokens)
    for _ in range(choose.choice([1, 1, 1, 2, 4])):
        i, j = choose.randrange(len(result)), choose.randrange(len(result))
        word = " " + choose.choice([*WORDS, result[j]]) + " "
        match choose.randrange(6):
            case 0:
                result[i] = ""
            case 1:
                result.insert(i, word)
            case 2 | 3:
                result[i] = word
            case 4:
                result[i], result[j] = result[j], result[i]
            case _ if choose.random() < 0.2:
                result = result[: i + 1]
    return "".join(result)


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.lsrl")), ids=lambda p: p.stem)
def test_mutated_programs(path: Path) -> None:
    text = path.read_text().partition('\nexample "')[0]
    tokens = TOKEN.findall(re.sub(r'""".*?"""', "", text, flags=re.DOTALL))
    choose = random.Random(path.stem)
    for _ in range(40):
        source = Source(path.name, mutated(choose, tokens), path)
        try:
            elaborate(parse_source(source))
        except LsrlError as error:
            assert isinstance(error, SyntaxProblem | ProgramError)
            for d in error.diagnostics:
                assert d.span is not None
                assert d.help
                assert d.render()
