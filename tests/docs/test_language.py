"""The language reference: every program on the page runs, every mistake says what it prints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lsrl.analysis.check import check_ranges
from lsrl.analysis.ranges import analyse
from lsrl.elaborate.program import elaborate
from lsrl.errors import LsrlError
from lsrl.examples import check_examples
from lsrl.interpret.run import Interpreter
from lsrl.ir.nodes import Graph
from lsrl.source import Source
from lsrl.syntax import ast
from lsrl.syntax.parse import parse_source

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/language.md").read_text()
BLOCKS = re.findall(r"^```(\S*)\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)
PROGRAMS = [text for kind, text in BLOCKS if kind == "lsrl"]
MISTAKES = [
    (text, BLOCKS[i + 1][1])
    for i, (kind, text) in enumerate(BLOCKS)
    if kind == "lsrl-error"
]  # fmt: skip


def source(text: str) -> Source:
    """A block as a file beside the example programs, whose parts it may import."""
    return Source("program.lsrl", text, ROOT / "examples" / "program.lsrl")


def interpreter(graph: Graph) -> Interpreter:
    return Interpreter(graph, ranges={n: (f.lo, f.hi) for n, f in enumerate(analyse(graph))})


def run(text: str) -> int:
    """Compile a block and run its examples; how many there are."""
    tree = parse_source(source(text))
    graph = elaborate(tree).graph
    check_ranges(graph, analyse(graph))
    outcomes = list(check_examples(tree, interpreter))
    for outcome in outcomes:
        if outcome.error is not None:
            raise outcome.error
        assert not [str(m) for m in outcome.mismatches], outcome.example.name
    return len(outcomes)


def test_every_block_is_tested() -> None:
    kinds = [kind for kind, _ in BLOCKS]
    assert set(kinds) == {"lsrl", "lsrl-error", "text"}
    assert kinds.count("text") == len(MISTAKES)
    after = [kinds[i + 1] for i, kind in enumerate(kinds) if kind == "lsrl-error"]
    assert set(after) == {"text"}


@pytest.mark.parametrize("text", PROGRAMS, ids=range(len(PROGRAMS)))
def test_programs(text: str) -> None:
    assert run(text) > 0


@pytest.mark.parametrize(("text", "printed"), MISTAKES, ids=range(len(MISTAKES)))
def test_mistakes(text: str, printed: str) -> None:
    with pytest.raises(LsrlError) as caught:
        run(text)
    assert str(caught.value) + "\n" == printed


def test_every_name_of_the_library_is_described() -> None:
    from lsrl.elaborate.calls import BUILTINS
    from lsrl.elaborate.modules import library

    std = [d.name for d in library().declarations if isinstance(d, ast.Function)]
    rows = "\n".join(line for line in PAGE.splitlines() if line.startswith("|"))
    words = set(re.findall(r"\w+", rows))
    named = {name for name in [*BUILTINS, *std] if not name.startswith("_")}
    assert named <= words


def test_the_table_of_errors_is_complete() -> None:
    table = (ROOT / "docs/errors.md").read_text()
    listed = re.findall(r"^\| ([EW]\d{3}) \|", table, flags=re.MULTILINE)
    files = [*(ROOT / "lsrl").rglob("*.py"), *(ROOT / "backends").rglob("*.py")]
    codes = {c for f in files for c in re.findall(r'"([EW]\d{3})"', f.read_text())}
    assert sorted(listed) == sorted(codes)
    errors = [c for c in listed if c.startswith("E")]
    assert errors == sorted(errors)
