"""What the tests of the interpreter share."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from oracle import close, oracle

from lsrl.elaborate.program import Elaborated, elaborate
from lsrl.interpret import run as run_module
from lsrl.interpret.inputs import batch_of
from lsrl.interpret.run import Interpreter, Result
from lsrl.ir.nodes import Graph
from lsrl.ir.types import Kind
from lsrl.source import Source
from lsrl.syntax.parse import parse_source

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.lsrl"))


def program(text: str, **params: Any) -> Elaborated:
    return elaborate(parse_source(Source("test.lsrl", text)), params)


def load(path: Path, **params: Any) -> Elaborated:
    return elaborate(parse_source(Source(path.name, path.read_text(), path)), params)


def run(text: str, data: Any, *, length: int | None = None, **options: Any) -> Result:
    """Run a program's text on one sequence."""
    elaborated = program(text)
    graph = elaborated.graph
    arrays = batch_of(
        graph.inputs,
        elaborated.members,
        data,
        batched=False,
        length=length or graph.length,
        exact=options.get("exact", False),
    )
    return Interpreter(graph, options.pop("guard", 1e-3)).run(arrays, **options)


def output(text: str, data: Any, **options: Any) -> list[Any]:
    """The values of a program's only output on one sequence."""
    outputs = run(text, data, **options).outputs
    assert len(outputs) == 1
    values: list[Any] = next(iter(outputs.values()))[0].tolist()
    return values


def draw(graph: Graph, rng: np.random.Generator, batch: int, steps: int) -> dict[str, Any]:
    """Random inputs of the declared types; reals are multiples of 1/8, so that they can tie."""
    arrays = {}
    for f in graph.inputs:
        shape = (batch, steps, *(f.type.shape or ()))
        lo, hi = int(np.ceil(f.lo)), int(np.floor(f.hi))
        if f.type.kind is Kind.REAL:
            arrays[f.name] = rng.integers(8 * lo, 8 * hi + 1, shape) / 8
        else:
            arrays[f.name] = rng.integers(lo, hi + 1, shape)
            if f.type.kind is Kind.BOOL:
                arrays[f.name] = arrays[f.name].astype(bool)
    return arrays


def steps_of(arrays: dict[str, Any], b: int, exact: bool = False) -> dict[str, list[Any]]:
    """Sequence b as Python numbers."""

    def plain(v: Any) -> Any:
        if isinstance(v, list):
            return [plain(x) for x in v]
        return Fraction(v) if exact and isinstance(v, float) else v

    return {k: plain(a[b].tolist()) for k, a in arrays.items()}


def agrees(graph: Graph, arrays: dict[str, Any], exact: bool = False) -> None:
    """Compare every node that the program needs with the oracle, unchecked."""
    interpreter = Interpreter(graph)
    plan = interpreter._machine(exact, (), frozenset(), True)
    watch = tuple(sorted(n for n in plan.nodes if graph.nodes[n].type.shape is not None))
    watch = tuple(n for n in watch if len(graph.nodes[n].type.shape or ()) <= 1)
    result = interpreter.run(arrays, watch=watch, exact=exact, check=False, undetermined=False)
    batch = len(next(iter(arrays.values())))
    for b in range(batch):
        history = oracle(graph, steps_of(arrays, b, exact), exact)
        for n in watch:
            found = result.watched[n][b].tolist()
            for t, now in enumerate(history):
                assert close(now[n], found[t], exact), (graph.nodes[n], b, t, now[n], found[t])


def chunked(monkeypatch: Any, elements: int) -> None:
    """Cut time into short stretches."""
    monkeypatch.setattr(run_module, "ELEMENTS", elements)
