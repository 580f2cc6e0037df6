"""What a report shows of a study: tables of rows, and figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

QUARTILES = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Sheet:
    """A table: a title, names of columns, cells as text."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Figure:
    """A picture, drawn when it is needed on a matplotlib figure."""

    title: str
    draw: Callable[[Any], None]
    size: tuple[float, float] = (8.0, 3.6)


@dataclass(frozen=True)
class Section:
    """A heading, a sentence, and what belongs to it."""

    title: str
    text: str
    sheets: Sequence[Sheet] = field(default=())
    figures: Sequence[Figure] = field(default=())


def number(value: Any) -> str:
    """A number of a table, with three digits; `-` for one that is missing."""
    if value is None or value != value:
        return "-"
    if isinstance(value, str | bool | np.bool_):
        return str(value)
    return f"{value:,}" if isinstance(value, int | np.integer) else f"{value:.3g}"


def has(rows: Any, value: str) -> bool:
    """Whether any row of a frame has that value; where none has, the column may be missing."""
    return value in rows and bool(rows[value].notna().any())


def quartiles(values: Any) -> str:
    """First quartile, median and third quartile: as in the paper's figures, tails may be wild."""
    return " / ".join(number(v) for v in quantiles(values))


def quantiles(values: Any, at: Sequence[float] = QUARTILES) -> list[float]:
    """Quantiles that are values of the sample, so that infinite ones do no harm."""
    found = np.quantile(np.asarray(values, dtype=np.float64), at, method="inverted_cdf")
    return [float(v) for v in found]


def pivot(rows: Any, index: Sequence[str], column: str, value: str, title: str) -> Sheet:
    """Quartiles of a value by the index and, across, by a column."""
    across = sorted(rows[column].unique())
    body = []
    for key, group in rows.groupby(list(index), sort=False):
        cells = [group[group[column] == c][value].dropna() for c in across]
        body.append([*map(number, key), *(quartiles(c) if len(c) else "-" for c in cells)])
    return Sheet(title, [*index, *(f"{column} {number(c)}" for c in across)], body)
