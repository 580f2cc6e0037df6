"""Functions to approximate: smooth random ones, named ones, and a user's own.

All take points `[k, d_in]` in the unit cube and return values `[k, d_out]` in [-3, 3].
"""

from __future__ import annotations

import csv
import runpy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, OptionError, suggest

Array = Any
LIMIT = 3.0  # vector.lsrl admits values of at most that magnitude
RANGE = f"[-{LIMIT:g}, {LIMIT:g}]"


@dataclass(frozen=True)
class Target:
    """A function, and the Lipschitz constant by which its approximation is judged: of Euclidean
    distances, `derived` for all points or else estimated from differences on a grid."""

    call: Callable[[Array], Array]
    lipschitz: float
    derived: bool


def smooth(d_in: int, d_out: int, random: np.random.Generator) -> Target:
    """The paper's: five control points in [-0.1, 1.1]^d_in with values v in [-3, 3]^d_out, weights
    w = exp(-distance) / sum (Petrov et al. 2024, section 6).

    The gradient of an output is -sum w (v - f) u with unit vectors u, so of magnitude at most
    sum w |v - f|: the mean deviation of numbers within max v - min v is at most half of that.
    """
    points = random.uniform(-0.1, 1.1, (5, d_in))
    values = random.uniform(-LIMIT, LIMIT, (5, d_out))

    def call(x: Array) -> Array:
        weights = np.exp(-np.linalg.norm(x[:, None] - points, axis=-1))
        return weights @ values / weights.sum(axis=1, keepdims=True)

    return Target(call, float(np.linalg.norm(np.ptp(values, axis=0) / 2)), True)


def franke(x: Array) -> Array:
    """Franke's test surface (1979) on [0, 1]^2, `[k, 2]` to `[k, 1]`."""
    a, b = 9 * x[:, 0], 9 * x[:, 1]
    z = 0.75 * np.exp(-((a - 2) ** 2 + (b - 2) ** 2) / 4)
    z += 0.75 * np.exp(-((a + 1) ** 2) / 49 - (b + 1) / 10)
    z += 0.5 * np.exp(-((a - 7) ** 2 + (b - 3) ** 2) / 4)
    z -= 0.2 * np.exp(-((a - 4) ** 2) - (b - 7) ** 2)
    return z[:, None]


def ackley(x: Array) -> Array:
    """Ackley's function (1987) of points in [-2, 2]^d, scaled to [-3, 3]; `[k, d]` to `[k, 1]`."""
    p = 4 * x - 2
    z = -20 * np.exp(-0.2 * np.sqrt((p**2).mean(axis=1))) - np.exp(
        np.cos(2 * np.pi * p).mean(axis=1)
    )
    return ((z + 20 + np.e) / 7.2 * 2 * LIMIT - LIMIT).clip(-LIMIT, LIMIT)[:, None]


FUNCTIONS = "smooth (random, as the paper's), franke, ackley, file.py:name or file.csv."
NAMED: dict[str, Callable[[Array], Array]] = {"franke": franke, "ackley": ackley}


def file_of(name: str) -> str | None:
    """The file of a user's function, `file.py:name` or `file.csv`."""
    path = name.rpartition(":")[0] or name
    return path if path.endswith((".py", ".csv")) else None


def target(name: str, d_in: int, d_out: int, random: np.random.Generator) -> Target:
    """A function by its name: `smooth`, `franke`, `ackley`, `file.py:name` or `file.csv`.

    Raises `OptionError` E051 for an unknown one, `InputError` E054 for a user's that does not work.
    """
    if name == "smooth":
        return smooth(d_in, d_out, random)
    if name in NAMED:
        if d_out != 1 or (name == "franke" and d_in != 2):
            message = f"`{name}` does not map {d_in} to {d_out} dimensions"
            raise OptionError.at("E051", None, message, "take `smooth`, or other dimensions")
        call = NAMED[name]
    elif name.endswith(".csv"):
        call = table(Path(name), d_in, d_out)
    elif file_of(name):
        call = checked(name, python_function(name), d_out)
    else:
        help = suggest(name, ["smooth", *NAMED]) or "write file.py:name for one of your own"
        raise OptionError.at("E051", None, f"there is no function `{name}`", help)
    return Target(call, estimated(call, d_in), False)


def estimated(call: Callable[[Array], Array], d_in: int, points: int = 20_000) -> float:
    """The steepest slope along short segments from the points of a grid, or from random ones where
    its corners are more than `points`."""
    side = int(points ** (1 / d_in))
    if side >= 2:
        grid = np.linspace(0, 1 - 1e-3, side)
        x = np.stack(np.meshgrid(*[grid] * d_in), axis=-1).reshape(-1, d_in)
    else:
        x = np.random.default_rng(0).uniform(0, 1 - 1e-3, (points, d_in))
    slopes = [(call(x + 1e-3 * e) - call(x)) / 1e-3 for e in np.eye(d_in)]
    return float(np.sqrt((np.stack(slopes) ** 2).sum(axis=(0, 2)).max()))


def python_function(name: str) -> Callable[[Array], Any]:
    """A function of a Python file, which is run. Raises `InputError` E054."""
    path, _, function = name.rpartition(":")
    try:
        found = runpy.run_path(path)
    except (Exception, SystemExit) as e:
        raise _failed(name, f"running `{path}` raised {type(e).__name__}: {e}") from None
    if not callable(found.get(function)):
        raise _failed(name, f"`{path}` has no function `{function}`")
    call: Callable[[Array], Any] = found[function]
    return call


def checked(name: str, call: Callable[[Array], Any], d_out: int) -> Callable[[Array], Array]:
    """A user's function, that raises `InputError` E054 where it raises or returns what it should
    not."""

    def safe(x: Array) -> Array:
        try:
            y = np.asarray(call(x.copy()), dtype=np.float64)
        except (Exception, SystemExit) as e:
            raise _failed(name, f"it raised {type(e).__name__}: {e}") from None
        y = y[:, None] if d_out == 1 and y.shape == (len(x),) else y
        if y.shape != (len(x), d_out):
            wanted = f"[{len(x)}, {d_out}] (--d-out {d_out})"
            raise _failed(name, f"for {len(x)} points it returned {list(y.shape)}, not {wanted}")
        wrong = y[~(np.abs(y) <= LIMIT)]
        if wrong.size:
            raise _failed(name, f"it returned {wrong[0]:g}, which is not in {RANGE}")
        return y

    return safe


def table(path: Path, d_in: int, d_out: int) -> Callable[[Array], Array]:
    """The value of the nearest row of a CSV file: columns x1 .. and y1 .., after a header.

    Raises `InputError` E054.
    """
    data = np.array(list(_rows(path, d_in, d_out)))
    if not data.size:
        raise _failed(str(path), "it has no rows of numbers under a header")
    points, values = data[:, :d_in], data[:, d_in:]

    def call(x: Array) -> Array:
        nearest = [((p - points) ** 2).sum(axis=1).argmin() for p in x]
        return values[nearest]

    return checked(str(path), call, d_out)


def _rows(path: Path, d_in: int, d_out: int) -> Iterator[list[float]]:
    """The rows of a table under its header, checked. Raises `InputError` E054."""
    fail = partial(_failed, str(path))
    sizes = f"{d_in} + {d_out} numbers (--d-in {d_in}, --d-out {d_out})"
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = next(reader, [])
            if header and all(map(_is_number, header)):
                raise fail("line 1 must name the columns, as in x1,y1")
            for row in filter(None, reader):
                line = f"line {reader.line_num}"
                if len(row) != d_in + d_out:
                    raise fail(f"{line} has {len(row)} cells, where rows are of {sizes}")
                values = [float(cell) for cell in row]
                if not np.isfinite(values).all():
                    raise fail(f"{line} has a value that is not finite")
                if max(map(abs, values[d_in:])) > LIMIT:
                    raise fail(f"{line} has a value that is not in {RANGE}")
                yield values
    except (OSError, ValueError, csv.Error) as e:
        raise fail(f"it is no table of numbers: {e}") from None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _failed(name: str, words: str) -> InputError:
    error = InputError.at(
        "E054", None, f"the function `{name}` cannot be used: {words}", "change it"
    )
    assert isinstance(error, InputError)
    return error
