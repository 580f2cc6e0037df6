"""Planted miscompiles: each changes one thing in the lowering, and must be found.

python tests/properties/mutants.py      # prints after how many programs each is found
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from cases import case, model_problem

import lsrl
from lsrl.errors import LsrlError
from lsrl.lower import arithmetic, atoms, clock, layout, node_rules, sequences, states
from lsrl.lower.logic import ReluLogic
from lsrl.targets import linear_rnn

PROGRAMS = 500
Mutation = Callable[[Any], Any]  # from what there is to what takes its place


@dataclass(frozen=True)
class Mutant:
    """`holder.attribute` (or `holder[attribute]`) replaced by `change(original)`."""

    name: str
    holder: Any
    attribute: str
    change: Mutation

    @contextmanager
    def planted(self) -> Iterator[None]:
        is_dict = isinstance(self.holder, dict)
        get = self.holder.__getitem__ if is_dict else lambda a: getattr(self.holder, a)
        put = self.holder.__setitem__ if is_dict else lambda a, v: setattr(self.holder, a, v)
        original = get(self.attribute)
        put(self.attribute, self.change(original))
        try:
            yield
        finally:
            put(self.attribute, original)


def found_after(mutant: Mutant | None, programs: int = PROGRAMS) -> int | None:
    """How many programs it takes until a model differs from the interpreter; None if all agree."""
    for seed in range(programs):
        if _differs(seed, mutant):
            return seed + 1
    return None


def _differs(seed: int, mutant: Mutant | None) -> bool:
    c = case(seed, linear_rnn=True)
    c.optimised  # noqa: B018  (with the compiler as it is)
    try:
        if mutant is None:
            model = lsrl.compile(c.program, dtype="float64", verify=False)
        else:
            with mutant.planted():
                model = lsrl.compile(c.program, dtype="float64", verify=False)
    except LsrlError:
        return False
    return model_problem(c, model) is not None


# What is changed


def _at_least(f: Any) -> Any:
    return lambda g, d, k: f(g, d, k + (d.step or 1))


def _equals_zero(f: Any) -> Any:
    return lambda self, d: f(self, self.graph.combine([(1, d)], -(d.step or 1)))


def _above(f: Any) -> Any:
    return lambda self, d: f(self, self.graph.combine([(-1, d)]))


def _gate_sign(f: Any) -> Any:
    def gate(self: Any, c: Any, a: Any, span: Any = None) -> Any:
        if a.hi <= 0 and not a.is_const:
            return f(self, c, self.graph.combine([(-1, a)]), span)
        return f(self, c, a, span)

    return gate


def _switch_too_weak(f: Any) -> Any:
    return lambda self, a, falsity, most, span: f(self, a, falsity, most / 2, span)


def _conjunction(f: Any) -> Any:
    return lambda self, parts: f(self, parts[:-1] if len(parts) > 1 else parts)


def _three_way_disjunction(f: Any) -> Any:
    return lambda self, parts: f(self, parts[:2])


def _late_clock(f: Any) -> Any:
    return lambda course, c: np.roll(f(course, c), 1, axis=0)


def _clock_forgets(f: Any) -> Any:
    def lasso(values: Any) -> Any:
        found = f(values)
        return (0, found[1]) if found else found

    return lasso


def _delay_from_zero(f: Any) -> Any:
    return lambda lg, form, init, name: f(lg, form, 0, name)


def _sum_from_zero(f: Any) -> Any:
    return lambda lg, added, init, name, s: f(lg, added, 0, name, s)


def _modulo_base(f: Any) -> Any:
    return lambda lg, x, m: f(lg, lg.atoms.combine([(1, x)], 1) if x.lo < 0 else x, m)


def _hinges(f: Any) -> Any:
    def tabulate(lg: Any, k: Any, values: Any, first: int, span: Any) -> Any:
        shifted = [*values[:1], *values[:-1]] if len(values) > 2 else values
        return f(lg, k, shifted, first, span)

    return tabulate


def _eager_fold(f: Any) -> Any:
    def relu(self: Any, form: Any, **options: Any) -> Any:
        return form if form.lo >= -1 and not form.is_const else f(self, form, **options)

    return relu


def _carry_without_shift(f: Any) -> Any:
    def carrier(self: Any, layer: Any, row: Any, form: Any) -> Any:
        column, low = f(self, layer, row, form)
        return column, low if column is None else 0

    return carrier


def _signs_lost(f: Any) -> Any:
    return lambda row: tuple((source, abs(c)) for source, c in f(row))


def _minimum(f: Any) -> Any:
    return lambda lg, a, b, sign: f(lg, a, b, 1)


def _last_largest(f: Any) -> Any:
    def argmax(lg: Any, forms: Any) -> Any:
        flipped = f(lg, list(reversed(forms)))
        return lg.atoms.combine([(-1, flipped)], len(forms) - 1)

    return argmax


def _branches(f: Any) -> Any:
    def choose(self: Any, c: Any, a: Any, b: Any, span: Any = None) -> Any:
        return f(self, c, b, a, span) if a.is_const and b.is_const else f(self, c, a, b, span)

    return choose


def _last_case(f: Any) -> Any:
    def by_cases(lg: Any, c: Any, cases: Any, span: Any) -> Any:
        return f(lg, c, dict(list(cases.items())[:-1]), span)

    return by_cases


def _quotient(f: Any) -> Any:
    def floordiv(lg: Any, node: Any) -> Any:
        m = node.attrs[0]
        return [lg.atoms.combine([(Fraction(1, m), x)]) for x in lg.forms(node.args[0])]

    return floordiv


def _lanes(change: Callable[[Any], Any]) -> Mutation:
    """Every lane of the laid out machine changed."""

    def mutation(f: Any) -> Any:
        def lay_out(*args: Any) -> Any:
            machine = f(*args)
            for layer in machine.layers:
                layer.lanes = [change(lane) for lane in layer.lanes]
            return machine

        return lay_out

    return mutation


def _negative_rows(lane: Any) -> Any:
    return replace(lane, row={j: abs(c) for j, c in lane.row.items()})


def _no_constant(lane: Any) -> Any:
    return replace(lane, added=replace(lane.added, const=0))


def _dead_constant(f: Any) -> Any:
    def combine(self: Any, parts: Any, const: Any = 0) -> Any:
        parts = list(parts)
        return f(self, parts, const if len(parts) != 3 else 0)

    return combine


MUTANTS: list[Mutant] = [
    Mutant("comparison off by one", ReluLogic, "at_least", _at_least),
    Mutant("equality off by one", ReluLogic, "equals_zero", _equals_zero),
    Mutant("comparison of reals turned round", ReluLogic, "above", _above),
    Mutant("sign of a gate of negative values", ReluLogic, "gate", _gate_sign),
    Mutant("switching constant half of what it must be", ReluLogic, "_switched", _switch_too_weak),
    Mutant("last part of a conjunction dropped", ReluLogic, "conjunction", _conjunction),
    Mutant("third part of a disjunction dropped", ReluLogic, "disjunction", _three_way_disjunction),
    Mutant("clock one step late", clock, "_unrolled", _late_clock),
    Mutant("clock without its prefix", sequences, "lasso_of", _clock_forgets),
    Mutant("delay starts from zero", states, "delayed", _delay_from_zero),
    Mutant("rewritten sum starts from zero", states, "accumulated", _sum_from_zero),
    Mutant("mod off by one below zero", arithmetic, "modulo", _modulo_base),
    Mutant("hinges of a table shifted", arithmetic, "tabulate", _hinges),
    Mutant("relu folded where it may be negative", atoms.AtomGraph, "relu", _eager_fold),
    Mutant("lower bound of a carry lost", layout._Layout, "_carrier", _carry_without_shift),
    Mutant("signs of a carried combination lost", layout, "_normal", _signs_lost),
    Mutant("min is max", arithmetic, "larger", _minimum),
    Mutant("argmax takes the last", arithmetic, "argmax", _last_largest),
    Mutant("branches of constants swapped", ReluLogic, "choose", _branches),
    Mutant("last case of a product missing", arithmetic, "_by_cases", _last_case),
    Mutant("div does not round", node_rules.RULES, "floordiv", _quotient),
    Mutant("signs of a transition lost", linear_rnn, "lay_out", _lanes(_negative_rows)),
    Mutant("bias of a state lost", linear_rnn, "lay_out", _lanes(_no_constant)),
    Mutant("constant of a combination of three lost", atoms.AtomGraph, "combine", _dead_constant),
    Mutant("initial state is zero", linear_rnn, "lay_out", _lanes(lambda x: replace(x, init=0))),
]


def main() -> int:
    """Print when each mutant is found; 1 if one is not."""
    missed = 0
    for mutant in MUTANTS:
        start = time.perf_counter()
        after = found_after(mutant)
        missed += after is None
        words = "NOT FOUND" if after is None else f"{after:3d} programs"
        print(f"{words}  {time.perf_counter() - start:5.1f} s  {mutant.name}", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
