"""The stages of compiling a program to `linear-rnn`, one after the other, each timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import lsrl
from lsrl.collect import collector_paused
from lsrl.encoding import output_columns
from lsrl.lower.assemble import assemble
from lsrl.lower.atoms import AtomGraph
from lsrl.lower.bounds import Bound
from lsrl.lower.circuit import circuit
from lsrl.lower.layers import Layered
from lsrl.lower.layout import lay_out
from lsrl.lower.legalise import Legaliser, Options
from lsrl.lower.rounding import certify
from lsrl.lower.schedule import schedule
from lsrl.lower.sparse import SparseWeights
from lsrl.lower.symbols import symbols
from lsrl.program import Program
from lsrl.targets.base import Compiled

DIGITS = 24  # of float32
Result = TypeVar("Result")


@dataclass
class Stages:
    """What came out of the stages, and the seconds of CPU that each took."""

    program: Program
    atoms: AtomGraph
    machine: Layered
    weights: SparseWeights
    bounds: list[Bound]
    seconds: dict[str, float] = field(default_factory=dict)

    def described(self) -> dict[str, float]:
        """The seconds of CPU that the names and the circuit take, which a model makes when they
        are asked for."""
        seconds: dict[str, float] = {}
        graph, written = self.program.graph, self.program.elaborated.graph
        columns = output_columns(graph, self.program.facts, "number")
        made = Compiled(self.atoms, self.machine, self.weights, self.bounds, {})
        timed(seconds, "names", lambda: symbols(made, graph, written, columns))
        timed(seconds, "circuit", lambda: circuit(made, graph))
        return seconds


def timed(seconds: dict[str, float], name: str, run: Callable[[], Result]) -> Result:
    """Runs a stage and notes its seconds of CPU."""
    start = time.process_time()
    found = run()
    seconds[name] = time.process_time() - start
    return found


@collector_paused()
def compiled(source: Path, params: Mapping[str, Any], length: int) -> Stages:
    """From a file to sparse weights, as `lsrl.compile`; no names, no verification."""
    seconds: dict[str, float] = {}
    program = timed(seconds, "read", lambda: lsrl.load(source, params=params, length=length))
    graph, facts = timed(seconds, "optimise", lambda: (program.graph, program.facts))
    atoms = timed(seconds, "legalise", lambda: Legaliser(graph, facts, Options()).run())
    plans = timed(seconds, "schedule", lambda: schedule(atoms))
    machine = timed(seconds, "lay out", lambda: lay_out(atoms, plans, DIGITS))
    bounds = timed(seconds, "certify", lambda: certify(atoms, machine, DIGITS, length))
    weights = timed(seconds, "weights", lambda: assemble(machine, "float32"))
    return Stages(program, atoms, machine, weights, bounds, seconds)
