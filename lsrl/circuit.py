"""The ground-truth circuit of a model: units and weights that implement each named value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .collect import collector_paused
from .errors import CheckpointError
from .lower.sparse import row_of, shape_of
from .targets import target
from .trace import FOLDED, check_name, missing_names

if TYPE_CHECKING:
    from .model import CompiledModel

KINDS = {"s": "state", "h": "hidden unit", "y": "unit"}
INPUT = "it is an input"
NO_UNITS = "it is a combination of others, without units of its own"


@dataclass(frozen=True)
class Weight:
    """An entry that is not 0 of a weight: `column` is None in a vector."""

    name: str
    row: int
    column: int | None
    value: float


@dataclass(frozen=True)
class Unit:
    """A number that a layer (from 0) computes: `kind` "s" or "h" a lane of its state, "y" an output
    of it, and the weights that compute it."""

    layer: int
    kind: str
    index: int
    weights: tuple[Weight, ...]

    def __str__(self) -> str:
        return f"layer {self.layer} {KINDS.get(self.kind, self.kind)} {self.index}"


@dataclass(frozen=True)
class Carrier:
    """A unit that passes values on to the layers above, and the names of these."""

    unit: Unit
    names: tuple[str, ...]


class Circuit:
    """`circuit["query"]` are the units that were made for that definition: those that the text of
    it, up to the names that it uses, was lowered to. A unit that several need is in each.

    `missing` says for the names without units why; what a unit *holds* is in the model's symbols.
    """

    @collector_paused()
    def __init__(self, model: CompiledModel) -> None:
        self._model, self._target = model, target(model.target)
        try:
            units = {name: list(map(self._unit, v)) for name, v in model.units["units"].items()}
            carriers = [Carrier(self._unit(c), tuple(c[3])) for c in model.units["carriers"]]
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            message = "circuit.json is damaged: it does not fit the weights"
            raise CheckpointError.at("E040", None, message, "compile the program again") from None
        self.units: dict[str, list[Unit]] = units
        self.carriers: list[Carrier] = carriers
        held = missing_names(model.program, units)
        inputs = {f.name for f in model.program.inputs}
        self.missing = {
            n: INPUT if n in inputs else why if why == FOLDED else NO_UNITS
            for n, why in held.items()
        }

    def _unit(self, place: list[Any]) -> Unit:
        layer, kind, index = int(place[0]), str(place[1]), int(place[2])
        return Unit(layer, kind, index, tuple(self._weights(layer, kind, index)))

    def _weights(self, layer: int, kind: str, index: int) -> Iterator[Weight]:
        for name, row in self._target.rows(self._model.shape, layer, kind, index):
            if name not in self._model.weights:
                continue
            is_vector = len(shape_of(self._model.weights, name)) == 1
            for column, value in row_of(self._model.weights, name, row):
                yield Weight(name, row, None if is_vector else column, value)

    @property
    def names(self) -> list[str]:
        """Names that have units, in the program's order."""
        return list(self.units)

    def __getitem__(self, name: str) -> list[Unit]:
        """Raises `OptionError` E014 for an unknown name, E015 for one that has no units."""
        check_name(name, self.units, self.missing)
        return self.units[name]

    def __contains__(self, name: object) -> bool:
        return name in self.units

    def __iter__(self) -> Iterator[str]:
        return iter(self.units)

    def __len__(self) -> int:
        return len(self.units)

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "units": {name: [_plain(u) for u in units] for name, units in self.units.items()},
            "carriers": [{**_plain(c.unit), "names": list(c.names)} for c in self.carriers],
            "missing": self.missing,
        }


def _plain(unit: Unit) -> dict[str, Any]:
    weights = [[w.name, w.row, w.column, w.value] for w in unit.weights]
    return {"layer": unit.layer, "kind": unit.kind, "index": unit.index, "weights": weights}
