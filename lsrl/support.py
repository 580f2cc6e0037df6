"""Which targets can hold a program: exactly, exactly up to a length, within a bound, or not at all.

The program is compiled. What the compiler refuses is unsupported; a refusal for want of a state is
impossible where a theorem speaks of the target and the program has its witness (`theorems.py`).
What it accepts holds at every length if, with no end to the length, it gives the same weights and
the certificate still reaches the tolerance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from .analysis.facts import Fact
from .analysis.kinds import classify
from .analysis.ranges import analyse
from .analysis.runner import Runner, endless
from .dtypes import DTYPES
from .errors import Diagnostic, LsrlError, OptionError, UnsupportedError, listing, suggest
from .ir.components import components
from .ir.nodes import Graph
from .lower.atoms import AtomGraph
from .lower.clock import Clocks
from .program import Program
from .source import Span
from .targets import TARGETS
from .targets import target as target_named
from .targets.base import Compiled, CompileOptions, Support, Target, tolerances
from .theorems import Theorem, Witness, about

GROWING = 64  # on constant transitions, values this near to the length, as a factor, may count


class Judge:
    """What is said of one program, for one target after the other."""

    def __init__(self, program: Program, options: CompileOptions) -> None:
        self.program, self.options = program, options
        self._witnesses: dict[Theorem, Witness | None] = {}

    def _proof(self, target: Target) -> tuple[Theorem, Witness] | None:
        """The theorem on a target, where it applies to the program."""
        theorem = about(target.transition)
        if theorem is None:
            return None
        if theorem not in self._witnesses:
            self._witnesses[theorem] = theorem.find(self.program)
        witness = self._witnesses[theorem]
        return None if witness is None else (theorem, witness)

    def __call__(self, target: Target) -> Support:
        """The verdict for a target."""
        from .pipeline import check_precision

        graph, facts = self.program.graph, self.program.facts
        options = target.settled(graph, facts, self.options)
        try:
            compiled = target.compile(graph, facts, options)
            check_precision(self.program, compiled, options)
        except (UnsupportedError, OptionError) as e:
            return self._refused(target, e)
        return self._held(target, compiled)

    def _refused(self, target: Target, e: LsrlError) -> Support:
        first = next((d for d in e.diagnostics if d.code == "E803"), e.diagnostics[0])
        stateless = first.code == "E803"
        reason = first.message
        if stateless:
            reason = f"{_subject(first)}, and there is no construction for it here"
        proof = self._proof(target) if isinstance(e, UnsupportedError) else None
        if proof is None:
            return Support("unsupported", reason, first.span, e)
        theorem, witness = proof
        if stateless and witness.concerns(self.program.graph, first.span):
            reason = f"{_subject(first)}, and {theorem.says} ({theorem.name})"
        else:
            reason += _for_every_length(theorem)
        verdict = "impossible" if stateless else "unsupported"
        return Support(verdict, reason, first.span, self._proved(e, *proof), theorem, witness)

    def _proved(self, e: LsrlError, theorem: Theorem, witness: Witness) -> LsrlError:
        """A refusal, saying that a theorem stands behind it."""
        graph = self.program.graph
        known = [d.code == "E803" and witness.concerns(graph, d.span) for d in e.diagnostics]
        if not any(known):
            return e
        added = f"{theorem.adds} ({theorem.place})"
        return UnsupportedError([
            replace(d, message=d.message + added) if k else d
            for d, k in zip(e.diagnostics, known, strict=True)
        ])  # fmt: skip

    def explained(self, target: Target, e: LsrlError) -> LsrlError:
        """A refusal, saying where a theorem stands behind it."""
        if not any(d.code == "E803" for d in e.diagnostics):
            return e
        proof = self._proof(target)
        return e if proof is None else self._proved(e, *proof)

    def _held(self, target: Target, compiled: Compiled) -> Support:
        error = max((b.error for b in compiled.bounds), default=0.0)
        real = error > 0 or any(atom.step is None for atom in _live(compiled.atoms))
        ever = self._holds_for_ever(target, compiled, real)
        steps = f"up to {self.program.length:,} steps"
        if real:
            what = f"within {error:.2g} in {self.options.dtype}"
            if not error:
                what = f"exact where compared reals are {float(self.options.guard):g} apart"
            reason = f"{what}, {'at every length' if ever else steps}"
            proof = None if ever else self._proof(target)
            if proof is None:
                return Support("approximate", reason, bound=error)
            reason += _for_every_length(proof[0])
            return Support("approximate", reason, None, None, *proof, bound=error)
        if ever:
            return Support("exact", "all values are integers that stay bounded", bound=0.0)
        span, reason = self._counter(), f"counts and sums are exact {steps}"
        if (proof := self._proof(target)) is not None:
            reason += _for_every_length(proof[0])
            span = span or self._concerned(proof[1])
            return Support("up_to_length", reason, span, None, *proof, bound=0.0)
        reason += "; finite precision cannot count for ever"
        return Support("up_to_length", reason, span, bound=0.0)

    def _concerned(self, witness: Witness) -> Span | None:
        graph = self.program.graph
        return next((s.span for s in graph.states if witness.concerns(graph, s.span)), None)

    def _counter(self) -> Span | None:
        """A state whose range comes from the length; else one that is rewritten to a sum."""
        graph, facts = self.program.graph, self.program.facts
        if self._growing:
            return graph.states[self._growing[0]].span
        for component in components(graph):
            if component.cyclic and not (group := classify(graph, facts, component)).is_linear:
                return graph.states[group.states[0]].span
        return None

    # At every length

    @cached_property
    def _for_ever(self) -> tuple[Graph, Sequence[Fact]] | None:
        """The program without an end to the length, if that is the same program."""
        graph = endless(self.program)
        return None if graph is None else (graph, analyse(graph))

    @cached_property
    def _growing(self) -> list[int]:
        """The states, of those that the outputs need, whose range comes from the length."""
        if self._for_ever is None:
            return []
        graph, (_, ever) = self.program.graph, self._for_ever
        needed = [(s, graph.states[s].next) for s in Runner(self.program).machine.states]
        return [s for s, n in needed if not _is_alike(self.program.facts[n], ever[n])]

    @cached_property
    def _has_own_clocks(self) -> bool:
        """Whether some clock is one only as far as the length goes."""
        if self._for_ever is None:
            return True
        graphs = self.program.graph, self._for_ever[0]
        here, ever = (Clocks(graph, AtomGraph()).lassos for graph in graphs)
        return here != ever

    def _holds_for_ever(self, target: Target, compiled: Compiled, real: bool) -> bool:
        """Whether the same weights are certified for sequences without end."""
        if self._for_ever is None or self._growing:
            return False
        if target.transition == "non-linear" and not real and not self._has_own_clocks:
            return True  # the length enters by ranges and clocks alone: nothing is counted
        near = GROWING if target.transition == "constant" else 1
        if _may_grow(compiled.atoms, self.program.length, near):
            longer = self.program.graph.replace(length=2 * self.program.length)
            if not self._is_same(target, compiled, longer, analyse(longer)):
                return False  # quicker to see than without end
        graph, facts = self._for_ever
        if not all(math.isfinite(f.low) and math.isfinite(f.high) for f in facts):
            return False
        return self._is_same(target, compiled, graph, facts)

    def _is_same(self, target: Target, compiled: Compiled, graph: Any, facts: Any) -> bool:
        own = self.program
        options = target.settled(own.graph, own.facts, self.options)
        allowed = tolerances(own.graph, own.facts, options.tolerance, options.encoding)
        try:
            longer = target.compile(graph, facts, options)
        except UnsupportedError:
            return False
        close = all(b.error <= most for b, most in zip(longer.bounds, allowed, strict=True))
        a, b = compiled.weights, longer.weights
        return close and a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


def support(program: Program, *, dtype: str = "float32") -> dict[str, Support]:
    """For each target whether it can hold the program in that dtype, and why not.

    Raises `OptionError` E021 for a dtype that there is not.
    """
    judge = _judge(program, dtype)
    return {name: judge(target) for name, target in TARGETS.items()}


def verdict(program: Program, target: str, *, dtype: str = "float32") -> Support:
    """Whether one target can hold a program. Raises `OptionError` E020 for an unknown one, E021."""
    return _judge(program, dtype)(target_named(target))


def _judge(program: Program, dtype: str) -> Judge:
    if dtype not in DTYPES:
        message = f"there is no dtype `{dtype}`"
        raise OptionError.at("E021", None, message, suggest(dtype, DTYPES) or listing([*DTYPES]))
    return Judge(program, CompileOptions(dtype=dtype))


def explain(program: Program, target: Target, e: LsrlError) -> LsrlError:
    """A refusal, saying where a theorem stands behind it."""
    return Judge(program, CompileOptions()).explained(target, e)


def _for_every_length(theorem: Theorem) -> str:
    return f"; for every length it is impossible ({theorem.name})"


def _subject(d: Diagnostic) -> str:
    """'the state `x` is gated'."""
    return d.message.partition(":")[0]


# Values of a model


def _live(atoms: AtomGraph) -> Iterator[Any]:
    """The atoms that the outputs need."""
    todo = [a for forms in atoms.outputs.values() for f in forms for a in f.terms]
    seen: set[int] = set()
    while todo:
        a = todo.pop()
        if a in seen:
            continue
        seen.add(a)
        atom = atoms.atoms[a]
        yield atom
        forms = [*atom.operands, *(f for _, f in atom.args)]
        if atom.of >= 0:
            todo.append(atom.of)
        if atom.group >= 0:
            lanes = atoms.groups[atom.group].lanes
            forms.append(lanes[atom.lane].added)
            todo += [lanes[i].atom for i in lanes[atom.lane].row if lanes[i].atom >= 0]
        todo += [b for f in forms for b in f.terms]


def _is_alike(a: Fact, b: Fact) -> bool:
    """Whether two ranges are the same and finite."""
    return np.array_equal(a.lo, b.lo) and np.array_equal(a.hi, b.hi) and math.isfinite(b.high)


def _may_grow(atoms: AtomGraph, length: int, near: int) -> bool:
    """Whether some value, as many times as `near`, comes to the length."""
    return any(max(-atom.lo, atom.hi) * near >= length for atom in _live(atoms))
