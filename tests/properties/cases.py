"""Random programs as test cases, and each property as a function that says what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

import lsrl
from lsrl.analysis.check import exact_comparisons
from lsrl.analysis.ranges import analyse
from lsrl.errors import LsrlError
from lsrl.interpret.run import Interpreter, Result
from lsrl.ir.nodes import Graph
from lsrl.ir.text import from_text, to_text
from lsrl.ir.types import Kind
from lsrl.program import Program
from lsrl.source import Source
from lsrl.syntax.format import format_program
from lsrl.syntax.parse import parse_source
from lsrl.testing import Generated, generate

Array = np.ndarray[Any, Any]
REAL_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Case:
    """A generated program, and what the stages make of it."""

    generated: Generated

    @property
    def inputs(self) -> dict[str, Array]:
        return self.generated.inputs

    @cached_property
    def program(self) -> Program:
        return lsrl.parse(self.generated.source)

    @cached_property
    def raw(self) -> Graph:
        """The graph as elaborated."""
        return self.program.elaborated.graph

    @cached_property
    def meaning(self) -> Result:
        """The run of the graph as elaborated."""
        return interpreter(self.raw).run(self.inputs)

    @cached_property
    def optimised(self) -> Result:
        """The run of the optimised graph, which is what is compiled."""
        return self.program.interpreter.run(self.inputs)


def interpreter(graph: Graph) -> Interpreter:
    facts = analyse(graph)
    ranges = {n: (f.lo, f.hi) for n, f in enumerate(facts)}
    return Interpreter(graph, ranges=ranges, exact_comparisons=exact_comparisons(graph, facts))


@lru_cache(maxsize=4096)
def case(seed: int, linear_rnn: bool = False) -> Case:
    return Case(generate(seed, linear_rnn=linear_rnn))


# Comparing outputs


def undetermined(result: Result) -> Array:
    """`[B]`: whether a comparison came close at all."""
    found = np.zeros(len(result.mattered), dtype=bool)
    for margin in result.margins:
        found[sorted(margin.sequences)] = True
    return found


def difference(
    want: Result, got: Mapping[str, Array], tolerances: Mapping[str, float] | float, graph: Graph
) -> str | None:
    """The first output that differs, in a sequence where no undetermined comparison mattered."""
    settled, close = ~want.mattered, undetermined(want)
    for o in graph.outputs:
        type = graph.nodes[o.node].type
        a = np.asarray(want.outputs[o.name]).astype(float)
        b = np.asarray(got[o.name]).astype(float)
        if a.shape != b.shape:
            return f"{o.name} has shape {b.shape}, not {a.shape}"
        allowed: Any = tolerances if isinstance(tolerances, float) else tolerances[o.name]
        # What an undetermined comparison may change without mattering.
        slack = np.where(close, 2e-3 if type.kind is Kind.REAL else 0.25, 0.0)
        allowed = allowed + slack.reshape(-1, *[1] * (a.ndim - 1))
        if type.kind is Kind.REAL:
            allowed = (allowed + 1e-12) * np.maximum(1, abs(a))
        bad = ~(abs(a - b) <= allowed)
        bad &= settled.reshape(-1, *[1] * (a.ndim - 1))
        if bad.any():
            where = tuple(int(k) for k in np.argwhere(bad)[0])
            return f"{o.name}{list(where)} is {b[where]}, not {a[where]}"
    return None


# Properties: each says what is wrong, or nothing


def format_problem(c: Case) -> str | None:
    """Formatting keeps the tree, and is stable."""
    tree = parse_source(Source("a", c.generated.source))
    text = format_program(tree)
    again = parse_source(Source("b", text))
    if again != tree:
        return f"formatting changed the tree:\n{text}"
    return None if format_program(again) == text else f"formatting is not stable:\n{text}"


def optimiser_problem(c: Case) -> str | None:
    """The optimised graph means the same."""
    return difference(c.meaning, c.optimised.outputs, REAL_TOLERANCE, c.raw)


def text_problem(c: Case) -> str | None:
    """Both graphs' texts parse back."""
    for graph in (c.raw, c.program.graph):
        if from_text(to_text(graph)) != graph:
            return f"the text does not parse back:\n{to_text(graph)}"
    return None


def batch_problem(c: Case) -> str | None:
    """The batch, each sequence alone, and step by step."""
    run = interpreter(c.raw)
    batch = len(next(iter(c.inputs.values())))
    alone = [run.run({k: x[b : b + 1] for k, x in c.inputs.items()}) for b in range(batch)]
    joined = {o.name: np.concatenate([r.outputs[o.name] for r in alone]) for o in c.raw.outputs}
    stepper = run.stepper(batch)
    steps = [
        stepper.step({k: x[:, t] for k, x in c.inputs.items()}) for t in range(steps_of(c.inputs))
    ]
    streamed = {o.name: np.stack([s[o.name] for s in steps], axis=1) for o in c.raw.outputs}
    for name, got in (("alone", joined), ("step by step", streamed)):
        for o in c.raw.outputs:
            # A product with a matrix may be summed in another order, by rounding alone.
            if not np.allclose(
                got[o.name].astype(float), c.meaning.outputs[o.name].astype(float), 1e-12, 1e-12
            ):
                return f"{o.name} differs {name}: {got[o.name]} {c.meaning.outputs[o.name]}"
    return None


def steps_of(inputs: Mapping[str, Array]) -> int:
    return int(next(iter(inputs.values())).shape[1])


def range_problem(c: Case) -> str | None:
    """Every value of a run lies in its static range and on its lattice."""
    for graph in (c.raw, c.program.graph):
        facts = analyse(graph)
        nodes = [n for n, node in enumerate(graph.nodes) if len(node.type.shape or ()) < 2]
        values = interpreter(graph).run(c.inputs, watch=nodes).watched
        for n in nodes:
            problem = _outside(values[n].astype(float), facts[n].lo, facts[n].hi)
            problem = problem or _off_lattice(values[n].astype(float), facts[n].step)
            if problem:
                return f"%{n} {graph.nodes[n].op}: {problem}\n{to_text(graph)}"
    return None


def _outside(x: Array, lo: Array, hi: Array) -> str | None:
    slack = 1e-9 * np.maximum(1, abs(x))
    bad = ~((x >= lo - slack) & (x <= hi + slack))
    return f"{x[bad][0]} is outside of {lo}..{hi}" if bad.any() else None


def _off_lattice(x: Array, step: Any) -> str | None:
    if step is None:
        return None
    if step == 0:
        return "not 0, but on lattice 0" if x.any() else None
    units = x / float(step)
    bad = abs(units - np.rint(units)) > 1e-6
    return f"{x[bad][0]} is no multiple of {step}" if bad.any() else None


def is_rational(graph: Graph) -> bool:
    """Whether exact mode is for this program: no constant is irrational."""
    numbers = [v for node in graph.nodes for v in _numbers(node.attrs)]
    numbers += [v for s in graph.states for v in s.init]
    return not any(isinstance(v, float) for v in numbers)


def _numbers(x: Any) -> Iterable[Any]:
    if isinstance(x, tuple):
        for item in x:
            yield from _numbers(item)
    else:
        yield x


def exact_problem(c: Case) -> str | None:
    """Exact rationals and float64 agree."""
    graph = c.program.graph  # without the constants of the library that nothing uses
    if not is_rational(graph):
        return None
    exact = c.program.interpreter.run(c.inputs, exact=True)
    return difference(c.optimised, exact.outputs, REAL_TOLERANCE, graph)


# Compiled models


def compiled(
    c: Case, dtype: str = "float32", target: str = "linear-rnn", **options: Any
) -> lsrl.CompiledModel | LsrlError:
    """The model, or why there is none."""
    try:
        return lsrl.compile(c.program, target=target, dtype=dtype, verify=False, **options)
    except LsrlError as problem:
        return problem


def values(model: lsrl.CompiledModel, y: Any) -> dict[str, Array]:
    """A model's numbers by output; of logits the value that is ahead."""
    raw = model.split(y)
    rounded = model.rounded(raw)
    return {c.name: (raw if c.values is None else rounded)[c.name] for c in model.output_columns}


def model_problem(c: Case, model: lsrl.CompiledModel, backend: str = "numpy") -> str | None:
    """A model equals the interpreter, within its certificate."""
    got = values(model, model.runner(backend).run(model.stacked(c.inputs)))
    bounds = model.certificate["bound"]
    return difference(c.optimised, got, bounds, c.program.graph)


def stream_problem(c: Case, model: lsrl.CompiledModel, backend: str = "numpy") -> str | None:
    """A model fed step by step gives what it gives for a batch."""
    runner = model.runner(backend)
    x = model.stacked(c.inputs)
    state, rows = runner.initial(len(x)), []
    for t in range(x.shape[1]):
        y, state = runner.advance(x[:, t : t + 1], state)
        rows.append(y)
    streamed = values(model, np.concatenate(rows, axis=1))
    return difference(c.optimised, streamed, model.certificate["bound"], c.program.graph)
