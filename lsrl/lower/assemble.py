"""From layers with exact coefficients to named weight arrays."""

from __future__ import annotations

from ..dtypes import dtype as dtype_named
from .layers import Affine, Layer, Layered
from .sparse import Sparse, SparseWeights

Entries = dict[str, dict[tuple[int, ...], float]]  # by name: by index, what is not 0


def assemble(machine: Layered, dtype: str) -> SparseWeights:
    """Weights by name, `layers.<i>.<name>`: A `[p, p]`, B `[p, n]`, b `[p]`, s0 `[p]`, C `[m, p]`,
    D `[m, n]`, d `[m]`, for a layer of p state lanes, n inputs and m units that are no products; E,
    F, e and G, H, g likewise for the two factors of its q products. Empty ones are left out.
    """
    found: dict[str, Sparse] = {}
    for i, layer in enumerate(machine.layers):
        p, n, q = len(layer.lanes), len(layer.inputs), layer.products
        entries = _layer(layer)
        for name, shape in shapes(n, p, len(layer.units) - q, q).items():
            if 0 not in shape:
                found[f"layers.{i}.{name}"] = Sparse.of(shape, entries.get(name, {}))
    return SparseWeights(found, dtype_named(dtype))


def _layer(layer: Layer) -> Entries:
    entries: Entries = {"A": {}, "s0": {}}
    for i, lane in enumerate(layer.lanes):
        for j, c in lane.row.items():
            entries["A"][i, j] = float(c)
        _fill(lane.added, entries, i, ("", "B", "b"))
        entries["s0"][(i,)] = float(lane.init)
    m = len(layer.units) - layer.products
    for i, unit in enumerate(layer.units):
        if unit.factor is None:
            _fill(unit.affine, entries, i, ("C", "D", "d"))
        else:
            _fill(unit.affine, entries, i - m, ("E", "F", "e"))
            _fill(unit.factor, entries, i - m, ("G", "H", "g"))
    return entries


def shapes(n: int, p: int, m: int, q: int = 0) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights of a layer, empty ones included."""
    found: dict[str, tuple[int, ...]] = {"A": (p, p), "B": (p, n), "b": (p,), "s0": (p,)}
    for names, rows in (("CDd", m), ("EFe", q), ("GHg", q)):
        found |= {names[0]: (rows, p), names[1]: (rows, n), names[2]: (rows,)}
    return found


def _fill(affine: Affine, entries: Entries, i: int, names: tuple[str, str, str]) -> None:
    """Row i of the matrices that read s and x, and of the bias."""
    for (kind, j), c in affine.row.items():
        entries.setdefault(names[1] if kind == "x" else names[0], {})[i, j] = float(c)
    entries.setdefault(names[2], {})[(i,)] = float(affine.const)
