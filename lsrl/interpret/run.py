"""The interpreter: runs a program on a batch of sequences, or one element at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError
from ..ir.nodes import Graph
from ..ir.semantics import Array
from ..ir.types import Type
from .checks import Ranges, checked_nodes, checks, raise_first
from .kernels import hold, rational, result_dtype, storage
from .machine import Machine
from .margins import Follower, Margin, real_comparisons, watch
from .stepper import Stepper

ELEMENTS = 2**16  # values per node and stretch of time, about


@dataclass(frozen=True)
class Result:
    """What a run gave. B sequences, T steps, d elements of a vector.

    `outputs` and `watched` are `[B, T]` or `[B, T, d]`: bool, int64 (enumerations as codes) or
    float64; in exact mode numbers are ints and Fractions in object arrays. `margins` has one record
    per comparison of reals; `mattered [B]` tells in which sequences an undetermined one can change
    an output or a state by more than the tolerance, where a compiled model promises nothing.
    """

    outputs: dict[str, Array]
    watched: dict[int, Array]
    margins: list[Margin]
    mattered: Array


class Interpreter:
    """The ideal meaning of a graph.

    `guard` is the distance below which a comparison of reals is undetermined, except for the nodes
    in `exact_comparisons`; `tolerance` what an undetermined comparison may change in a real output
    or state, times max(1, |value|). `ranges` has the static ranges of nodes, for `promise`.
    """

    def __init__(
        self,
        graph: Graph,
        guard: float = 1e-3,
        *,
        ranges: Ranges | None = None,
        exact_comparisons: Collection[int] = (),
        tolerance: float = 1e-3,
    ) -> None:
        self.graph, self.guard, self.tolerance = graph, guard, tolerance
        self.ranges = dict(ranges or {})
        self.comparisons = real_comparisons(graph, frozenset(exact_comparisons))
        self._machines: dict[Any, Machine] = {}

    def run(
        self,
        inputs: Mapping[str, Array],
        *,
        exact: bool = False,
        watch: Sequence[int] = (),
        overrides: Mapping[int, Array] | None = None,
        undetermined: bool = True,
        check: bool = True,
    ) -> Result:
        """Run a batch: `inputs` has an array `[B, T]` or `[B, T, d]` per field.

        `watch` asks for the values of nodes; `overrides` replaces a node's values by an array
        `[B, T, ...]`. Without `check` broken promises pass (but not E705). Raises `PromiseError`
        for what the run breaks first (E702 to E706), `ProgramError` E701, and `InputError` E711 or
        E718 for fields that are missing and arrays of the wrong shape.
        """
        given = dict(overrides or {})
        machine = self._machine(exact, tuple(watch), frozenset(given), check)
        batch = _Batch(self.graph, machine, inputs, given)
        frame = machine.frame(batch.size)
        margins = {n: Margin(n, self.graph.nodes[n].span) for n in self.comparisons}
        frame.notes.update(margins)
        outputs = {o.node: batch.room(self.graph.nodes[o.node].type) for o in self.graph.outputs}
        watched = {n: batch.room(self.graph.nodes[n].type) for n in watch}
        for start, steps in batch.stretches:
            machine.run(frame, batch.given(start, steps), start, steps)
            raise_first(self.graph, frame)
            for room in (outputs, watched):
                for n, array in room.items():
                    array[:, start : start + steps] = np.moveaxis(frame.over_time(n), 0, 1)
        met = [m for m in margins.values() if m.node in machine.nodes - machine.leaves]
        mattered = np.zeros(batch.size, dtype=bool)
        if undetermined:
            mattered[sorted(self._consequences(met, batch, exact))] = True
        by_name = {o.name: outputs[o.node] for o in self.graph.outputs}
        return Result(by_name, watched, met, mattered)

    def stepper(self, batch: int = 1, *, exact: bool = False, check: bool = True) -> Stepper:
        """The same run one element at a time, in constant memory."""
        machine = self._machine(exact, check=check, margins=False)
        return Stepper(self.graph, machine, batch)

    def _machine(
        self,
        exact: bool,
        extra: tuple[int, ...] = (),
        leaves: frozenset[int] = frozenset(),
        check: bool = True,
        margins: bool = True,
    ) -> Machine:
        key = (exact, extra, leaves, check, margins)
        if key not in self._machines:
            watchers = [*watch(self.graph, self.comparisons if margins else (), self.guard)]
            roots = [o.node for o in self.graph.outputs] + list(extra)
            if check:
                watchers += checks(self.graph, self.ranges, exact)
                roots += [o.node for o in self.graph.assumes] + checked_nodes(self.graph)
            watchers = [w for w in watchers if w.node not in leaves]
            self._machines[key] = Machine(
                self.graph, roots, leaves=leaves, exact=exact, watchers=watchers
            )
        return self._machines[key]

    def _consequences(self, margins: Sequence[Margin], batch: _Batch, exact: bool) -> set[int]:
        """Set `mattered` of each margin; the sequences in which any does, alone or jointly."""
        close = [m for m in margins if m.undetermined]
        if not close:
            return set()
        machine = Machine(
            self.graph, batch.machine.roots, leaves=batch.machine.leaves, exact=exact, keep=True
        )
        follower = Follower(self.graph, machine, self.guard, self.tolerance)
        found: set[int] = set()
        for margin in close:
            hit = _follow(follower, [margin.node], batch, margin.sequences)
            margin.mattered = bool(hit)
            found |= hit
        if len(close) > 1:
            found |= self._jointly(follower, close, batch, found)
        return found

    def _jointly(
        self, follower: Follower, close: Sequence[Margin], batch: _Batch, found: set[int]
    ) -> set[int]:
        """Sequences in which several comparisons matter only together; each is then to blame."""
        times: dict[int, int] = {}
        for margin in close:
            for k in margin.sequences - found:
                times[k] = times.get(k, 0) + 1
        several = {k for k, n in times.items() if n > 1}
        hit = _follow(follower, self.comparisons, batch, several)
        for margin in close:
            margin.mattered |= bool(margin.sequences & hit)
        return hit


def _follow(
    follower: Follower, nodes: Sequence[int], batch: _Batch, sequences: Collection[int]
) -> set[int]:
    """`Follower.matters`, some sequences at a time."""
    chosen, found = sorted(sequences), set[int]()
    active = [n for n in nodes if n in follower.machine.nodes - follower.machine.leaves]
    for k in range(0, len(chosen), 256):
        part = chosen[k : k + 256]
        stretches = batch.split(len(part))
        found |= follower.matters(active, batch.given, part, list(stretches))
    return found


class _Batch:
    """The arrays that a run starts from, time first, cut into stretches of time."""

    def __init__(
        self,
        graph: Graph,
        machine: Machine,
        inputs: Mapping[str, Array],
        overrides: Mapping[int, Array],
    ) -> None:
        self.machine = machine
        self.size, self.length = _extent(graph, inputs)
        sizes = [graph.nodes[n].type.size for n in machine.nodes]
        self.width = max(1.0, sum(sizes) / max(1, len(sizes)))
        named = {n: np.asarray(inputs[name]) for n, name in machine.inputs.items()}
        self.arrays = {}
        for n, array in {**named, **overrides}.items():
            if n in machine.nodes:
                array = self._fitted(np.asarray(array), graph.nodes[n].type)
                self.arrays[n] = np.ascontiguousarray(np.moveaxis(array, 0, 1))
        self.stretches = list(self.split(self.size))

    def _fitted(self, array: Array, type: Type) -> Array:
        shape = (self.size, self.length, *(type.shape or ()))
        if array.shape != shape:
            message = f"an array has shape {array.shape}, but {shape} is needed"
            raise InputError.at("E718", None, message, "axes are: sequence, step, element")
        dtype = storage(type, self.machine.exact)
        return rational(array) if dtype.kind == "O" else hold(array, dtype)

    def split(self, batch: int) -> Iterator[tuple[int, int]]:
        """Start and length of each stretch of time, for so many sequences at once."""
        steps = max(1, int(ELEMENTS / (self.width * max(1, batch))))
        for start in range(0, self.length, steps):
            yield start, min(steps, self.length - start)

    def given(
        self, start: int, steps: int, sequences: Sequence[int] | None = None
    ) -> dict[int, Array]:
        """The given arrays over a stretch of time, `[T, B, ...]`."""
        cut = {n: a[start : start + steps] for n, a in self.arrays.items()}
        return cut if sequences is None else {n: a[:, list(sequences)] for n, a in cut.items()}

    def room(self, type: Type) -> Array:
        """An empty array for the values of a node."""
        shape = (self.size, self.length, *(type.shape or ()))
        return np.empty(shape, result_dtype(type, self.machine.exact))


def _extent(graph: Graph, inputs: Mapping[str, Array]) -> tuple[int, int]:
    """B and T. Raises `InputError` where a field is missing or arrays differ."""
    missing = [f.name for f in graph.inputs if f.name not in inputs]
    if missing:
        raise InputError.at("E711", None, f"the input `{missing[0]}` is missing")
    shapes = {np.shape(inputs[f.name])[:2] for f in graph.inputs}
    if len(shapes) != 1 or len(next(iter(shapes))) != 2:
        message = "inputs must be arrays [B, T] or [B, T, d] with the same B and T"
        raise InputError.at("E718", None, message, "axes are: sequence, step, element")
    batch, length = shapes.pop()
    return batch, length
