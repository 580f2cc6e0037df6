"""Number formats of weights: digits, range, rounding, and arithmetic in them with NumPy.

NumPy has no bfloat16. Arrays of it are float32 arrays whose numbers are all bfloat16 ones, and its
arithmetic (float16's too, for speed) is that of float32, rounded after every operation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

Array = Any


@dataclass(frozen=True)
class DType:
    """A binary format: numbers of up to `digits` binary digits, in magnitude up to `largest`.

    `smallest_normal` and `smallest` are the least normal and subnormal magnitudes; `stored` its
    name in safetensors; `numpy` the NumPy dtype whose arrays hold its numbers. `flushes`: hardware
    has dot products (VDPBF16PS) that take subnormals for 0.
    """

    name: str
    digits: int
    largest: float
    smallest_normal: float
    smallest: float
    stored: str
    numpy: str
    flushes: bool = False

    @property
    def in_numpy(self) -> bool:
        """Whether NumPy has it."""
        return self.name == self.numpy

    @property
    def unit_roundoff(self) -> float:
        """The largest relative error of rounding to nearest, in the normal range."""
        return 2.0**-self.digits

    @property
    def finest(self) -> float:
        """Multiples of it, with few enough digits, are exact."""
        return self.smallest_normal if self.flushes else self.smallest

    @property
    def underflow(self) -> float:
        """The largest absolute error of an operation whose result is below the normal range."""
        return self.smallest_normal if self.flushes else self.smallest / 2

    def round(self, a: Array) -> Array:
        """An array of numbers, rounded once to nearest, ties to even; beyond `largest` infinite."""
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            if self.in_numpy:
                return np.asarray(a).astype(self.numpy)
            return _round_to_bfloat16(_round_to_odd(np.asarray(a)))

    def working(self, a: Array) -> Array:
        """An array of this format's numbers whose arithmetic is rounded to it."""
        if self.name not in NARROW:
            return a
        return np.asarray(a).astype(np.float32).view(NARROW[self.name])

    def plain(self, a: Array) -> Array:
        """The array without that arithmetic, in the NumPy dtype `numpy`."""
        return np.asarray(a).astype(self.numpy, copy=False)

    def to_bytes(self, a: Array) -> bytes:
        """Numbers of this format as they are stored, little-endian."""
        if self.in_numpy:
            return bytes(np.ascontiguousarray(a, dtype=np.dtype(self.numpy).newbyteorder("<")))
        bits = np.ascontiguousarray(a, dtype=np.float32).view(np.uint32) >> 16
        return bytes(bits.astype("<u2"))

    def from_bytes(self, data: bytes) -> Array:
        """The numbers of `to_bytes`, in one axis."""
        if self.in_numpy:
            stored = np.frombuffer(data, np.dtype(self.numpy).newbyteorder("<"))
            return stored.astype(self.numpy)
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)


def _round_to_odd(a: Array) -> Array:
    """float64 to float32, inexact ones to the odd neighbour, so that rounding again rounds as once
    (Boldo and Melquiond 2008)."""
    if a.dtype == np.float32:
        return a
    near = a.astype(np.float32)
    bits = near.view(np.uint32).copy()
    inexact = np.isfinite(near) & (near != a)
    away = inexact & (np.abs(near.astype(np.float64)) > np.abs(a))
    bits = bits - away.astype(np.uint32)  # towards 0
    return (bits | inexact.astype(np.uint32)).view(np.float32)


def _round_to_bfloat16(a: Array) -> Array:
    """float32 to the nearest number with 16 zero bits at its end, ties to even."""
    bits = np.ascontiguousarray(a).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    return np.where(np.isnan(a), np.float32(np.nan), rounded.view(np.float32)).reshape(np.shape(a))


class Narrow(np.ndarray[Any, Any]):
    """float32 arrays of a narrower format's numbers; each format has a class of its own.

    Every operation, matrix products among them, is computed in float32 and then rounded, so that
    equations written for NumPy run in the format as they are. Where one operand is narrow, so is
    the result.
    """

    format: ClassVar[str]
    __array_priority__ = 1  # what is joined to one is narrow

    def __array_ufunc__(
        self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **options: Any
    ) -> Any:
        wide = [np.asarray(a) if isinstance(a, Narrow) else a for a in inputs]
        result = getattr(ufunc, method)(*wide, **options)
        if getattr(result, "dtype", None) in (np.float16, np.float32, np.float64):
            result = DTYPES[self.format].round(np.asarray(result)).astype(np.float32)
            result = result.view(type(self))
        if out is not None:
            out[0][...] = result
            return out[0]
        return result


class NarrowBFloat16(Narrow):
    """bfloat16's."""

    format = "bfloat16"


class NarrowFloat16(Narrow):
    """float16's."""

    format = "float16"


NARROW: dict[str, type[Narrow]] = {c.format: c for c in (NarrowBFloat16, NarrowFloat16)}

FLOAT64 = DType(
    "float64", 53, float(np.finfo(np.float64).max), 2.0**-1022, 2.0**-1074, "F64", "float64"
)
FLOAT32 = DType("float32", 24, (2 - 2.0**-23) * 2.0**127, 2.0**-126, 2.0**-149, "F32", "float32")
BFLOAT16 = DType(
    "bfloat16", 8, (2 - 2.0**-7) * 2.0**127, 2.0**-126, 2.0**-133, "BF16", "float32", flushes=True
)
FLOAT16 = DType("float16", 11, 65504.0, 2.0**-14, 2.0**-24, "F16", "float16")
DTYPES = {d.name: d for d in (FLOAT64, FLOAT32, BFLOAT16, FLOAT16)}
NAMES = tuple(DTYPES)


def dtype(name: str) -> DType:
    """The format of that name. Raises `KeyError`."""
    return DTYPES[name]


def of_digits(digits: int) -> DType:
    """The format with so many binary digits."""
    return next(d for d in DTYPES.values() if d.digits == digits)
