"""docs/expressivity.md: which target can hold which example, and why.

`python benchmarks/expressivity.py` writes the page (`--print` prints it instead). The text comes
from `expressivity_head.md` beside this file, the rest from `lsrl.support`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from functools import singledispatch
from itertools import groupby
from pathlib import Path

import lsrl
from lsrl.analysis.cycles import Cycle
from lsrl.analysis.kinds import StateKind, classify
from lsrl.analysis.memory import Memory
from lsrl.ir.components import components
from lsrl.targets.base import Support
from lsrl.theorems import Witness

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
PAGE = ROOT / "docs" / "expressivity.md"
HEAD = Path(__file__).with_name("expressivity_head.md")


def page() -> str:
    """The whole page."""
    programs = {path.stem: lsrl.load(path) for path in sorted(EXAMPLES.glob("*.lsrl"))}
    found = {name: lsrl.support(program) for name, program in programs.items()}
    rows = [row(name, kinds(program), found[name]) for name, program in programs.items()]
    parts = [section(name, found[name]) for name in programs]
    return HEAD.read_text(encoding="utf-8") + "\n".join([*header(), *rows, "", *parts])


def kinds(program: lsrl.Program) -> str:
    """The kinds of the groups of states, of each the first that it has; else what there is."""
    graph, facts = program.graph, program.facts
    groups = [classify(graph, facts, c) for c in components(graph) if c.cyclic]
    have = {group.kinds[0] for group in groups}
    names = [kind.value for kind in StateKind if kind in have]
    return ", ".join(names) or ("delays" if graph.states else "no state")


def header() -> list[str]:
    names = [f"`{name}`" for name in lsrl.targets()]
    return ["| program | states | " + " | ".join(names) + " |", "| --- " * (len(names) + 2) + "|"]


def row(name: str, states: str, found: Mapping[str, Support]) -> str:
    cells = [f"[{name}](#{name})", states, *(s.words for s in found.values())]
    return f"| {' | '.join(cells)} |"


def section(name: str, found: Mapping[str, Support]) -> str:
    """What is said of a program: its targets, those of one reason together."""
    said = lambda item: (item[1].words, item[1].reason, item[1].span and item[1].span.line)
    lines = [f"### {name}\n"]
    for (words, reason, line), items in groupby(found.items(), said):
        targets = ", ".join(f"`{target}`" for target, _ in items)
        place = f" ([line {line}](../examples/{name}.lsrl#L{line}))" if line else ""
        lines.append(f"- {targets}: **{words}**, {reason}{place}")
    proofs = {s.theorem.name: s.witness for s in found.values() if s.theorem and s.witness}
    lines += [f"- witness for {name}: {shown(witness)}" for name, witness in proofs.items()]
    return "\n".join(lines) + "\n"


@singledispatch
def shown(witness: Witness) -> str:
    """A witness in one sentence."""
    raise TypeError(type(witness))


@shown.register
def _(witness: Memory) -> str:
    before, event, rest, after = (
        f"`{spelled(word)}`"
        for word in (witness.before, witness.event, witness.rest, witness.after)
    )
    base, other = witness.outputs
    return (
        f"after *v* = {before}, whether *p* = {event} or *q* = {rest} comes, then *q* over and "
        f"over and at last *w* = {after}: `{witness.output}` is {base} without *p*, {other} with it"
    )


@shown.register
def _(witness: Cycle) -> str:
    before, word, after = (
        f"`{spelled(word)}`" for word in (witness.before, witness.word, witness.after)
    )
    first, second = (
        f"{value} for *k* = {', '.join(str(k + i * witness.period) for i in range(3))}, ..."
        for k, value in enumerate(witness.outputs)
    )
    return (
        f"after *v* = {before} comes *w* = {word}, *k* times, and at last *z* = {after}: "
        f"`{witness.output}` is {first} and {second}"
    )


def spelled(word: Mapping[str, object]) -> str:
    """One field as a list, several by name."""
    return json.dumps(next(iter(word.values())) if len(word) == 1 else dict(word))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--print", action="store_true", help="print the page, write nothing")
    options = parser.parse_args()
    text = page()
    if options.print:
        print(text, end="")
    else:
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
