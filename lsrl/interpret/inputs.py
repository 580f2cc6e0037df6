"""From what users pass to arrays: one `[B, T]` or `[B, T, d]` per field, checked against its type.

Accepted: lists, tuples, ranges, anything that NumPy reads; members of an enumeration by name or by
code; for several fields a record of lists, or a list with one record per step; a single field may
be passed bare. Steps and sequences are counted from 0 in messages.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from ..errors import InputError, LsrlError, listing, suggest
from ..ir.nodes import Field
from ..ir.semantics import Array
from ..ir.types import Kind
from .checks import show

_TRUTH = {"true": 1, "false": 0}
_WORDS = {Kind.BOOL: "a boolean", Kind.INT: "an integer", Kind.REAL: "a number"}


def batch_of(
    fields: Sequence[Field],
    members: Mapping[str, int],
    data: Any,
    *,
    batched: bool,
    length: int,
    exact: bool = False,
) -> dict[str, Array]:
    """Arrays `[B, T]` or `[B, T, d]` (B is 1 unless `batched`): bool for booleans, else float64, or
    ints and Fractions in object arrays if `exact` (where 0.1 means one tenth).

    `members` has the codes of all the program's enumeration members, for messages.
    Raises `InputError`: E710 unknown field, E711 missing field, E712 empty, E713 not finite, E714
    not of the field's kind, E715 out of range, E716 longer than `length`, E717 fields of different
    lengths, E718 wrong shape.
    """
    columns = _batched_columns(fields, data) if batched else _columns(fields, data, "")
    arrays = {f.name: _Reader(f, members, batched, exact).read(columns[f.name]) for f in fields}
    _check_lengths(fields, arrays, batched, length)
    return arrays


# Fields


def _columns(fields: Sequence[Field], data: Any, where: str) -> dict[str, Any]:
    """The raw values of each field, from a record of lists, a list of records or a bare list."""
    if isinstance(data, Mapping):
        _check_no_data_set(fields, data)
        _check_names(fields, data, where)
        return {f.name: data[f.name] for f in fields}
    items = _items(data)
    if items and isinstance(items[0], Mapping):
        _check_no_data_set(fields, items[0])
        return _from_records(fields, items, where)
    if len(fields) != 1:
        names = listing([f.name for f in fields])
        message = f"the program has {len(fields)} inputs, but a single list was given{where}"
        raise InputError.at("E711", None, message, f"pass a record with the fields {names}")
    return {fields[0].name: data}


def _items(data: Any) -> list[Any] | None:
    """The elements of something like a list, or None; arrays are left alone."""
    if isinstance(data, list | tuple):
        return list(data)
    if isinstance(data, np.ndarray) and data.dtype == np.dtype(object):
        return list(data) if data.ndim else None
    return None


def _from_records(fields: Sequence[Field], records: list[Any], where: str) -> dict[str, Any]:
    for t, record in enumerate(records):
        if not isinstance(record, Mapping):
            message = f"step {t}{where} is {_brief(record)}, not a record like the steps before"
            raise InputError.at("E718", None, message)
        _check_names(fields, record, f" at step {t}{where}")
    return {f.name: [record[f.name] for record in records] for f in fields}


def _check_no_data_set(fields: Sequence[Field], data: Mapping[Any, Any]) -> None:
    """What `lsrl sample` writes has inputs and outputs, and many sequences."""
    known = {f.name for f in fields}
    names = {str(name) for name in data} - known
    if {"inputs", "outputs"} <= names or any(n.startswith("input.") for n in names):
        message = "this is a data set of `lsrl sample`; `run` takes one sequence"
        help = "take one sequence of it; in Python its inputs are a batch for `run_batch`"
        raise InputError.at("E718", None, message, help)


def _check_names(fields: Sequence[Field], record: Mapping[Any, Any], where: str) -> None:
    known = [f.name for f in fields]
    for name in record:
        if name not in known:
            help = suggest(str(name), known) or f"the program has {listing(known)}"
            message = f"the program has no input `{name}`{where and ', given'}{where}"
            raise InputError.at("E710", None, message, help)
    for f in fields:
        if f.name not in record:
            message = f"the input `{f.name}` is missing{where}"
            raise InputError.at("E711", f.span, message, "give it a value at every step")


def _batched_columns(fields: Sequence[Field], data: Any) -> dict[str, Any]:
    """The same for a batch: a record of batches, or a list with one sequence each."""
    items = _items(data)
    if isinstance(data, Mapping) or items is None or not _has_records(items):
        return _columns(fields, data, "")
    sequences = [_columns(fields, item, f" of sequence {b}") for b, item in enumerate(items)]
    return {f.name: [s[f.name] for s in sequences] for f in fields}


def _has_records(items: list[Any]) -> bool:
    for item in items:
        inner = _items(item)
        if isinstance(item, Mapping) or (inner and isinstance(inner[0], Mapping)):
            return True
    return False


def _check_lengths(
    fields: Sequence[Field], arrays: Mapping[str, Array], batched: bool, length: int
) -> None:
    first = arrays[fields[0].name]
    for f in fields[1:]:
        for axis, what in enumerate(("sequences", "steps")):
            a, b = arrays[f.name].shape[axis], first.shape[axis]
            if a != b:
                message = f"`{f.name}` has {a} {what}, but `{fields[0].name}` has {b}"
                raise InputError.at("E717", None, message, "give every field a value at each step")
    steps = first.shape[1]
    if steps > length:
        message = f"the sequence has {steps} steps, but the program promises {length}"
        help = (
            f"declare `length <= {steps}`, or set it: --length {steps}, in Python `length={steps}`"
        )
        raise InputError.at("E716", None, message, help)


def _brief(value: Any) -> str:
    text = show(value) if isinstance(value, Fraction | Decimal) else repr(value)
    if isinstance(value, np.generic):
        text = repr(value.item())
    elif value is None:
        text = "null (None)"
    return text if len(text) <= 40 else text[:37] + "..."


# Values


class _Reader:
    """Reads the values of one field."""

    def __init__(
        self, field: Field, members: Mapping[str, int], batched: bool, exact: bool
    ) -> None:
        self.field, self.members, self.batched, self.exact = field, members, batched, exact
        self.kind = field.type.kind
        self.lo: Fraction | float = field.lo if exact else float(field.lo)
        self.hi: Fraction | float = field.hi if exact else float(field.hi)
        self.size = field.type.size if field.type.shape else None

    def read(self, raw: Any) -> Array:
        """`[B, T]` or `[B, T, d]`."""
        array = None if self.exact and self.kind is not Kind.BOOL else self._as_array(raw)
        if array is None or not self._all_good(array):
            array = self._one_by_one(raw)
        if self.kind is Kind.BOOL:
            return array.astype(bool)
        return array if self.exact else array.astype(np.float64)

    def _as_array(self, raw: Any) -> Array | None:
        """The fast way: numbers of the right shape, or None."""
        if isinstance(raw, str | bytes | Mapping):
            return None
        try:
            array = np.asarray(raw)
        except (ValueError, TypeError, OverflowError):
            return None
        if array.dtype.kind not in "biuf" or not array.size:
            return None
        array = array if self.batched else array[None]
        if self.size == 1 and array.ndim == 2:
            array = array[..., None]
        shape = (self.size,) if self.size is not None else ()
        return array if array.ndim == 2 + len(shape) and array.shape[2:] == shape else None

    def _all_good(self, a: Array) -> bool:
        """True if all values are admitted (NaN fails every comparison)."""
        inside = a.min() >= self.lo and a.max() <= self.hi
        if not inside:
            return False
        return self.kind is Kind.REAL or a.dtype.kind != "f" or bool((a == np.floor(a)).all())

    # The slow way, which finds what is wrong and where

    def _one_by_one(self, raw: Any) -> Array:
        sequences = self._list(raw, "sequences", "") if self.batched else [raw]
        if not sequences:
            raise self._error("E712", "the batch is empty", "give at least one sequence")
        rows = [self._sequence(s, b) for b, s in enumerate(sequences)]
        for b, row in enumerate(rows):
            if len(row) != len(rows[0]):
                message = f"sequence {b} has {len(row)} steps, but sequence 0 has {len(rows[0])}"
                raise self._error("E718", message, "run sequences of different lengths one by one")
        shape = (len(rows), len(rows[0]), *(() if self.size is None else (self.size,)))
        array = np.empty(shape, dtype=object)
        for b, row in enumerate(rows):
            for t, value in enumerate(row):
                array[b, t] = value
        return array

    def _sequence(self, raw: Any, b: int) -> list[Any]:
        of = f" of sequence {b}" if self.batched else ""
        steps = self._list(raw, "steps", of.replace(" of", " for"))
        if not steps:
            raise self._error(
                "E712", f"the sequence{of and f' {b}'} is empty", "give at least one step"
            )
        if self.size is None:
            return [self._value(v, f" at step {t}{of}") for t, v in enumerate(steps)]
        return [self._vector(v, f" at step {t}{of}") for t, v in enumerate(steps)]

    def _vector(self, raw: Any, where: str) -> list[Any]:
        if self.size == 1 and not _is_listlike(raw):
            raw = [raw]
        values = self._list(raw, f"{self.size} values", where)
        if len(values) != self.size:
            there = "is 1 value" if len(values) == 1 else f"are {len(values)} values"
            raise self._error("E718", f"there {there}{where}, not {self.size}", "")
        return [self._value(v, f"[{k}]{where}") for k, v in enumerate(values)]

    def _list(self, raw: Any, what: str, where: str) -> list[Any]:
        if not _is_listlike(raw):
            raise self._error("E718", f"a list of {what} is needed{where}, not {_brief(raw)}", "")
        return list(raw)

    def _value(self, raw: Any, where: str) -> Any:
        """One scalar, admitted, as int or Fraction (`exact`) or as float."""
        number = self._number(raw, where)
        if isinstance(number, float) and not math.isfinite(number):
            raise self._error("E713", f"the value is {number}{where}", "every value must be finite")
        if self.kind is not Kind.REAL and number != int(number):
            raise self._wrong(raw, where)
        if self.exact:
            number = Fraction(repr(number)) if isinstance(number, float) else Fraction(number)
        if not self.lo <= number <= self.hi:
            raise self._error("E715", *self._out_of_range(raw, where))
        if not self.exact:
            return float(number)
        return int(number) if number == int(number) else number

    def _number(self, raw: Any, where: str) -> int | float | Fraction:
        if isinstance(raw, np.ndarray) and raw.ndim == 0:
            raw = raw.item()
        if isinstance(raw, str):
            return self._named(raw, where)
        if isinstance(raw, bool | np.bool_ | int | np.integer):
            return int(raw)
        if isinstance(raw, float | np.floating):
            return float(raw)
        if isinstance(raw, Decimal) and raw.is_finite():
            return Fraction(raw)
        if isinstance(raw, Fraction):
            return raw
        if _is_listlike(raw):
            message = f"a single value is needed{where}, not {_brief(raw)}"
            raise self._error("E718", message, self._flatter(raw))
        raise self._wrong(raw, where)

    def _flatter(self, raw: Any) -> str:
        """What to do about a list in place of a value."""
        if isinstance(raw, np.ndarray) and raw.shape == (1,):
            return f"drop the last axis: shape {'(B, T)' if self.batched else '(T,)'}"
        return "" if self.batched else "`run` takes one sequence; use `run_batch` in Python"

    def _named(self, raw: str, where: str) -> int | Fraction:
        """A value written as text."""
        if self.kind is Kind.ENUM and raw in self.field.type.members:
            return self.field.type.members.index(raw)
        if self.kind is Kind.BOOL and raw.lower() in _TRUTH:
            return _TRUTH[raw.lower()]
        if self.exact and self.kind in (Kind.INT, Kind.REAL):
            try:
                return Fraction(raw)
            except (ValueError, ZeroDivisionError):
                pass
        raise self._wrong(raw, where)

    def _wrong(self, raw: Any, where: str) -> LsrlError:
        if self.kind is Kind.ENUM:
            own = self.field.type.members
            other = isinstance(raw, str) and raw in self.members
            help = f"`{raw}` is a member of another enumeration; " if other else ""
            help += (suggest(raw, own) if isinstance(raw, str) else "") or f"it is {_either(own)}"
            return self._error("E714", f"{_brief(raw)} is no member{where}", help)
        what = _WORDS[self.kind]
        if isinstance(raw, str) and not self.exact and _is_fraction(raw):
            help = f"give {what}; numbers written as text are read only by exact runs (--exact)"
            return self._error("E714", f"{_brief(raw)} is not {what}{where}", help)
        return self._error("E714", f"{_brief(raw)} is not {what}{where}", f"give {what}")

    def _out_of_range(self, raw: Any, where: str) -> tuple[str, str]:
        range = f"{show(self.field.lo)}..{show(self.field.hi)}"
        if self.kind is Kind.ENUM:
            help = f"it is {_either(self.field.type.members)}"
            return f"{_brief(raw)} is no member's code{where}", help
        return f"{_brief(raw)} is outside of {range}{where}", "its type is declared there"

    def _error(self, code: str, message: str, help: str) -> LsrlError:
        return InputError.at(code, self.field.span, f"`{self.field.name}`: {message}", help)


def _is_fraction(text: str) -> bool:
    try:
        Fraction(text)
    except (ValueError, ZeroDivisionError):
        return False
    return True


def _is_listlike(raw: Any) -> bool:
    if isinstance(raw, str | bytes | Mapping):
        return False
    if isinstance(raw, np.ndarray):
        return raw.ndim > 0
    return isinstance(raw, Iterable)


def _either(names: Sequence[str]) -> str:
    return f"one of {listing(list(names))}"
