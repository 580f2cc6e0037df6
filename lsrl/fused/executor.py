"""Runs emitted modules: long input in parts, with the states carried from one to the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..analysis.facts import Fact
from ..errors import OptionError
from ..ir.nodes import Graph
from ..ir.semantics import Array
from .emit import Fusion, fuse
from .library import FRAMEWORKS

if TYPE_CHECKING:
    from ..program import Program

Arrays = dict[str, Array]
Run = Callable[[Mapping[str, Array], Any], tuple[Arrays, Any]]
# Numbers of one value that are computed at a time: few enough to stay in the cache, and enough to
# make up for what a call costs.
PART = {"numpy": 2**17, "torch": 2**17, "jax": 2**18}


class Fused:
    """A program vectorised over batch and time, in NumPy, PyTorch or JAX, all in float64.

    Its outputs are the interpreter's: integers, booleans and enumerations exactly, reals up to
    rounding in float64 (sums over time may be taken in another order), as long as no promise of the
    program is broken and no comparison of reals is as close as rounding. It checks neither.
    Raises `OptionError` E025 for a framework without a fused executor, E026 if it is not installed.
    """

    def __init__(
        self, graph: Graph, facts: Sequence[Fact], doc: str = "", source: str = "a program",
        framework: str = "numpy",
    ) -> None:  # fmt: skip
        if framework not in FRAMEWORKS:
            message = f"there is no fused executor for the backend `{framework}`"
            raise OptionError.at("E025", None, message, f"there are: {', '.join(FRAMEWORKS)}")
        _keep_memory()
        self.framework = framework
        self.fusion: Fusion = fuse(graph, facts, doc, source)
        self.text = self.fusion.text(framework)
        self._run = _loaded(framework, self.text)
        self._shapes = {f.name: f.type.shape or () for f in graph.inputs}
        sizes = [n.type.size for n in graph.nodes] or [1]
        self._width = sum(sizes) / len(sizes)

    def run(self, inputs: Mapping[str, Array]) -> Arrays:
        """Outputs by name, `[B, T]` or `[B, T, d]`, of input arrays likewise, by field. They are
        taken as they are; `Program.run` and `CompiledModel.run` check theirs."""
        if not isinstance(inputs, Mapping) or not all(hasattr(x, "shape") for x in inputs.values()):
            message = "`Fused.run` takes an array of all sequences by field"
            help = '`{"x": array}` with an array `[B, T]` or `[B, T, d]` for each input'
            raise OptionError.at("E013", None, message, help)
        self._check(inputs)
        return self.reduced(inputs, lambda name, y: y)

    def _check(self, inputs: Mapping[str, Array]) -> None:
        """Raises `OptionError` E013 for other fields than the program's, and for other shapes."""
        if inputs.keys() != self._shapes.keys():
            given, wanted = (", ".join(f"`{n}`" for n in names) for names in (inputs, self._shapes))
            message = f"`Fused.run` was given {given or 'nothing'}, and the program reads {wanted}"
            raise OptionError.at("E013", None, message, "give an array for each input, no others")
        sizes = next(iter(inputs.values())).shape[:2]
        for name, shape in self._shapes.items():
            found = tuple(inputs[name].shape)
            if len(sizes) < 2 or found != (*sizes, *shape):
                meant = ", ".join(["B", "T", *map(str, shape)])
                message = f"`{name}` has the shape {list(found)}, not [{meant}]"
                help = "B sequences of T steps, the same numbers for each input"
                raise OptionError.at("E013", None, message, help)
        if 0 in sizes:
            message = "`Fused.run` was given sequences without an element, or none"
            raise OptionError.at("E013", None, message, "give one of one step at least")

    def reduced(
        self, inputs: Mapping[str, Array], keep: Callable[[str, Array], Array | None]
    ) -> Arrays:
        """The same, but only what `keep` returns of each part; None leaves an output out."""
        with np.errstate(all="ignore"):
            return self._reduced(inputs, keep)

    def _reduced(
        self, inputs: Mapping[str, Array], keep: Callable[[str, Array], Array | None]
    ) -> Arrays:
        batch, length = next(iter(inputs.values())).shape[:2]
        if batch * length <= self._most and length <= self._longest(length):
            outputs, _ = self._run(inputs, None)
            found = {name: keep(name, y) for name, y in outputs.items()}
            return {name: _own(y, inputs) for name, y in found.items() if y is not None}
        results: Arrays = {}
        for rows, parts in self._parts(batch, length):
            state = None
            for steps in parts:
                part = {name: x[rows, steps] for name, x in inputs.items()}
                outputs, state = self._padded(part, state, parts[0].stop)
                for name, whole in outputs.items():
                    y = keep(name, whole)
                    if y is None:
                        continue
                    if name not in results:
                        results[name] = np.empty((batch, length, *y.shape[2:]), y.dtype)
                    results[name][rows, steps] = y
        return results

    @property
    def _most(self) -> int:
        """Steps of all sequences that are run at a time."""
        return max(1, int(PART[self.framework] / self._width))

    def _longest(self, length: int) -> int:
        """Steps of a sequence of this length that a state does not grow too large in."""
        return self.fusion.graph.length if self.fusion.grows else length

    def _parts(self, batch: int, length: int) -> list[tuple[slice, list[slice]]]:
        """Sequences and steps that are run at a time: as many steps as possible, unless a loop over
        the steps makes many sequences cheaper."""
        most = self._most
        steps = min(length, most, self._longest(length))
        if self.fusion.loops:
            steps = min(steps, max(1, most // batch))
        rows = max(1, most // steps)
        times = [slice(t, min(t + steps, length)) for t in range(0, length, steps)]
        return [(slice(b, min(b + rows, batch)), times) for b in range(0, batch, rows)]

    def _padded(self, part: Mapping[str, Array], state: Any, steps: int) -> tuple[Arrays, Any]:
        """Run a part; for JAX, which compiles for each shape, the last one is made as long as the
        others (and the state after it is of no use)."""
        length = next(iter(part.values())).shape[1]
        if self.framework != "jax" or length == steps:
            return self._run(part, state)
        more = {k: np.repeat(x[:, -1:], steps - length, axis=1) for k, x in part.items()}
        joined = {k: np.concatenate([x, more[k]], axis=1) for k, x in part.items()}
        outputs, state = self._run(joined, state)
        return {name: y[:, :length] for name, y in outputs.items()}, state


def _own(y: Array, inputs: Mapping[str, Array]) -> Array:
    """An array that is nobody else's: as it is, or a copy of a view or of an input."""
    fresh = y.flags.owndata and not any(y is x for x in inputs.values())
    return y if fresh else y.copy()


def _loaded(framework: str, text: str) -> Run:
    """The function `run` of a module, on NumPy arrays."""
    if framework != "numpy":
        from ..backends import backend

        chosen: Any = backend(framework)
        run: Run = chosen.fused(text)
        return run
    functions: dict[str, Any] = {"__name__": "lsrl_emitted"}
    exec(compile(text, "<emitted>", "exec"), functions)
    return cast("Run", functions["run"])


@cache
def _keep_memory() -> None:
    """Have the C library keep the memory that arrays free, instead of asking the system for the
    same pages in every run: up to 20 ns a number. Once glibc has freed a block of some 32 MB, which
    need not be touched, smaller ones come from memory that it keeps 64 MB of (mallopt(3),
    M_MMAP_THRESHOLD). Other C libraries do as they did."""
    np.empty(2**25 - 2**16, np.uint8)


def fused(program: Program, framework: str = "numpy") -> Fused:
    """The fused executor of a program; made once for each framework."""
    cache: dict[str, Fused] = program.__dict__.setdefault("_fused", {})
    if framework not in cache:
        name = Path(program.source.name).name
        cache[framework] = Fused(program.graph, program.facts, program.doc, name, framework)
    return cache[framework]
