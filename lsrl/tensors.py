"""The file model.safetensors: named arrays of one dtype, bfloat16 too, which NumPy has not.

Its layout is eight bytes with the length of a JSON header, the header, padded with spaces to a
multiple of eight bytes, and the numbers (https://github.com/huggingface/safetensors).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .dtypes import DTYPES, DType


def dump(
    weights: Mapping[str, Any], dtype: DType, metadata: Mapping[str, str] | None = None
) -> bytes:
    """The file's bytes. Arrays are in order of their names, so that equal weights give equal
    bytes."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    parts: list[bytes] = []
    at = 0
    for name in sorted(weights):
        data = dtype.to_bytes(weights[name])
        ends = [at, at + len(data)]
        shape = list(weights[name].shape)
        header[name] = {"dtype": dtype.stored, "shape": shape, "data_offsets": ends}
        parts.append(data)
        at = ends[1]
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


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
