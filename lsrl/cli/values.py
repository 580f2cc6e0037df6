"""Values of a program as people and programs read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ..ir.types import REAL, Kind, Type
from .output import Table

if TYPE_CHECKING:
    from ..program import Program

_NUMPY = {Kind.BOOL: bool, Kind.INT: int, Kind.REAL: float}


def input_types(program: Program) -> dict[str, Type]:
    """Types of the input fields, in order."""
    return {f.name: f.type for f in program.inputs}


def output_types(program: Program, *, raw: bool = False) -> dict[str, Type]:
    """Types of the outputs, in order; `raw` ones are all real numbers."""
    nodes = program.graph.nodes
    types = {o.name: nodes[o.node].type for o in program.graph.outputs}
    return {n: REAL.with_shape(t.shape) for n, t in types.items()} if raw else types


def as_data(values: Mapping[str, Any], types: Mapping[str, Type]) -> dict[str, Any]:
    """Arrays `[..., T]` or `[..., T, d]` by name as lists, members of enumerations by name."""
    return {name: _listed(values[name], type) for name, type in types.items()}


def _listed(array: Any, type: Type) -> Any:
    """All at once where numbers are NumPy's; exact ones are not."""
    if array.dtype != object and type.kind in _NUMPY:
        return array.astype(_NUMPY[type.kind]).tolist()
    return _data(array.tolist(), type)


def _data(value: Any, type: Type) -> Any:
    if isinstance(value, list):
        return [_data(v, type) for v in value]
    if type.kind is Kind.ENUM:
        return type.members[int(value)]
    if type.kind is Kind.BOOL:
        return bool(value)
    return value if type.kind is Kind.REAL or isinstance(value, Fraction) else int(value)


def spell(value: Any, type: Type) -> str:
    """One step's value: a word, a number, or `[...]` for a vector."""
    if isinstance(value, list):
        return "[" + ", ".join(spell(v, type) for v in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.7g}" if isinstance(value, float) else str(value)


def steps_table(
    inputs: Mapping[str, Any],
    input_types: Mapping[str, Type],
    outputs: Mapping[str, Any],
    output_types: Mapping[str, Type],
) -> Table:
    """One row a step: its number, what came in, what came out. Arrays are `[T]` or `[T, d]`."""
    types = [*input_types.values(), *output_types.values()]
    columns = [
        *as_data(inputs, input_types).values(),
        *as_data(outputs, output_types).values(),
    ]
    steps = len(columns[-1])
    cells = [[spell(v, type) for v in c] for c, type in zip(columns, types, strict=True)]
    rows = list(zip(map(str, range(steps)), *cells, strict=True))
    right = [True, *(t.kind in (Kind.INT, Kind.REAL) and not t.shape for t in types)]
    groups: Sequence[Sequence[str]] = [["step"], list(input_types), list(output_types)]
    return Table([g for g in groups if g], rows, right)
