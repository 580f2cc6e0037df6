"""The file model.safetensors: named arrays of one dtype, bfloat16 too, which NumPy has not.

Its layout is eight bytes with the length of a JSON header, the header, padded with spaces to a
multiple of eight bytes, and the numbers (https://github.com/huggingface/safetensors).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from .dtypes import DTYPES, DType
from .lower.sparse import blocks, shape_of


def dump(
    weights: Mapping[str, Any], dtype: DType, metadata: Mapping[str, str] | None = None
) -> bytes:
    """The file's bytes."""
    return b"".join(parts(weights, dtype, metadata))


def write(
    path: Path,
    weights: Mapping[str, Any],
    dtype: DType,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write the file, with a part of an array at a time in memory."""
    with path.open("wb") as file:
        for part in parts(weights, dtype, metadata):
            file.write(part)


def stored_size(weights: Mapping[str, Any], dtype: DType) -> int:
    """Bytes of the numbers in the file; no array is made for that."""
    return sum(_width(dtype) * prod(shape_of(weights, name)) for name in weights)


def _width(dtype: DType) -> int:
    return len(dtype.to_bytes(np.zeros(1)))


def parts(
    weights: Mapping[str, Any], dtype: DType, metadata: Mapping[str, str] | None = None
) -> Iterator[bytes]:
    """The header and the numbers of each array, in parts. Arrays are in order of their names, so
    that equal weights give equal bytes."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    width = _width(dtype)
    at = 0
    for name in sorted(weights):
        shape = shape_of(weights, name)
        ends = [at, at + width * prod(shape)]
        header[name] = {"dtype": dtype.stored, "shape": list(shape), "data_offsets": ends}
        at = ends[1]
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little") + text
    for name in sorted(weights):
        yield from map(dtype.to_bytes, blocks(weights, name))


def read(path: Path) -> dict[str, tuple[str, Any]]:
    """By name: the name of its dtype, and the array (None of a dtype that is not one of LSRL's).

    Raises `SafetensorError`, `OSError` or `ValueError` for a file that is damaged.
    """
    from safetensors import deserialize

    stored = {d.stored: d for d in DTYPES.values()}
    found: dict[str, tuple[str, Any]] = {}
    entries: list[tuple[str, dict[str, Any]]] = deserialize(path.read_bytes())  # type: ignore[no-untyped-call]
    for name, entry in entries:
        dtype = stored.get(entry["dtype"])
        if dtype is None:
            found[name] = entry["dtype"], None
        else:
            array = dtype.from_bytes(bytes(entry["data"])).reshape(entry["shape"])
            found[name] = dtype.name, array
    return found
