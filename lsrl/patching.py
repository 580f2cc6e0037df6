"""Changing the numbers of a running model, so that named values read as others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import OptionError
from .ir.semantics import Array
from .symbols import Element, Symbol, Term

if TYPE_CHECKING:
    from .model import CompiledModel

# In which order a layer's kinds come; its states (s, h) are between.
ORDER = {"x": 0, "p": 0, "c": 1, "u": 3, "m": 4, "r": 5, "y": 6}
STATE = 2


def rank(term: Term) -> int:
    return ORDER.get(term.kind, STATE)


class Patcher:
    """A probe that overwrites named values. `values` are arrays `[B, T]` or `[B, T, d]`, or
    functions of the step and the current value `[B]` or `[B, d]`; `active [T]` tells when.

    `written` has what was written, by name, `[B, T]` or `[B, T, d]`.
    """

    def __init__(
        self,
        symbols: Sequence[Symbol],
        values: Mapping[str, Any],
        active: Array,
        shape: tuple[int, ...],
        recorder: Callable[..., None] | None = None,
    ) -> None:
        self.symbols, self.values, self.active = symbols, values, active
        self.recorder = recorder
        self.written = {s.name: np.zeros((*shape, *(s.type.shape or ()))) for s in symbols}
        self.seen: dict[tuple[int, str], Array] = {}
        self.plan: dict[tuple[int, int], list[tuple[Symbol, list[int]]]] = {}
        for s in symbols:
            self._place(s)

    def _place(self, symbol: Symbol) -> None:
        """When each element is written: once the last kind of its terms is there."""
        places: dict[tuple[int, int], list[int]] = {}
        for i, e in enumerate(symbol.patch):
            places.setdefault((e.layer, max(map(rank, e.terms))), []).append(i)
        if len(places) > 1 and callable(self.values[symbol.name]):
            message = f"the elements of `{symbol.name}` live in several layers"
            help = "a function needs the whole value at once: give numbers"
            raise OptionError.at("E017", None, message, help)
        for place, elements in places.items():
            self.plan.setdefault(place, []).append((symbol, elements))

    def run(self, model: CompiledModel, x: Array) -> Array:
        """The target's equations with the values overwritten: x `[B, T, n]` to y `[B, T, m]`."""
        from .targets import target

        return np.asarray(target(model.target).run(model.weights, x, probe=self)[0])

    def __call__(self, layer: int, t: int, values: dict[str, Array]) -> None:
        for kind, array in values.items():
            self.seen[layer, kind] = array
        if self.active[t]:
            for kind in values:
                for symbol, elements in self.plan.get((layer, ORDER.get(kind, STATE)), ()):
                    self._write(symbol, elements, t)
        if self.recorder is not None:
            self.recorder(layer, t, values)

    def _write(self, symbol: Symbol, elements: list[int], t: int) -> None:
        numbers = [self._number(symbol.patch[i]) for i in elements]
        columns = [symbol.patch[i].decoded(n) for i, n in zip(elements, numbers, strict=True)]
        current = np.stack(columns, axis=-1) if symbol.type.shape else columns[0]
        given = self.values[symbol.name]
        if callable(given):
            wanted = np.asarray(given(t, current), dtype=np.float64)
        else:
            wanted = given[:, t][:, elements] if symbol.type.shape else given[:, t]
        written = self.written[symbol.name][:, t]
        for k, i in enumerate(elements):
            value = wanted[:, k] if symbol.type.shape else wanted
            self._set(symbol.patch[i], numbers[k], value)
            if symbol.type.shape:
                written[:, i] = value
            else:
                written[:] = value

    def _number(self, element: Element) -> Array:
        """What the element's const and terms add up to now, `[B]`."""
        total = element.const + np.zeros(len(self._source(element, element.terms[0])))
        for term in element.terms:
            total = total + term.coefficient * self._source(element, term)
        return total

    def _source(self, element: Element, term: Term) -> Array:
        return self.seen[element.layer, term.kind][:, term.index].astype(np.float64)

    def _set(self, element: Element, number: Array, value: Array) -> None:
        wanted = element.encoded(value, number)
        last = max(map(rank, element.terms))
        terms = [t for t in element.terms if rank(t) == last]
        before = np.stack([self._source(element, t) for t in terms], axis=-1)
        if len(element.terms) == 1:
            after = ((wanted - element.const) / terms[0].coefficient)[:, None]
        else:
            after = spread(wanted - number, before, terms)
        for k, t in enumerate(terms):
            self.seen[element.layer, t.kind][:, t.index] = after[:, k]


def spread(change: Array, before: Array, terms: Sequence[Term]) -> Array:
    """Sources `[B, k]` whose weighted sum is larger by `change [B]`, as close to `before` as may be
    with each in its range: least squares on those that can still move."""
    c = np.array([t.coefficient for t in terms])
    low, high = np.array([t.low for t in terms]), np.array([t.high for t in terms])
    after, free = before.copy(), np.ones(before.shape, dtype=bool)
    for _ in terms:
        rest = change - ((after - before) * c).sum(axis=-1)
        norm = np.maximum((free * c * c).sum(axis=-1), 1e-300)
        moved = after + free * c * (rest / norm)[:, None]
        after = np.clip(moved, np.minimum(low, before), np.maximum(high, before))
        free &= moved == after
    return np.asarray(after)
