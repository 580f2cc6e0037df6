"""A change of basis that makes a matrix triangular: its real Schur form, with exact numbers."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

Matrix = list[list[Fraction]]
MOST_CONDITION = 1e8  # of eigenvectors that are used as a basis
CLOSE = Fraction(1, 10**12)


@dataclass(frozen=True)
class Basis:
    """A = vectors @ lower @ inverse, exactly; `lower` has nothing above its diagonal: a lane needs
    itself and earlier ones only. Of a basis that is approximated, `rest` is inverse @ (A - vectors
    @ lower @ inverse)."""

    vectors: Matrix
    lower: Matrix
    inverse: Matrix
    rest: Matrix | None = None


def triangular(matrix: Matrix) -> Basis | None:
    """A basis in which a matrix is triangular: exact where its eigenvalues are rational, else
    approximated where they are real and apart; None where there is neither."""
    rational = [Fraction(float(v.real)).limit_denominator(1 << 12) for v in _eigenvalues(matrix)]
    return _flag(matrix, sorted(rational), len(matrix)) or _approximated(matrix)


def _approximated(matrix: Matrix) -> Basis | None:
    """Eigenvectors as float64 has them, as exact numbers, and what they leave of the matrix."""
    values, vectors = np.linalg.eig(np.array([[float(c) for c in row] for row in matrix]))
    if np.iscomplexobj(values) or np.linalg.cond(vectors) > MOST_CONDITION:
        return None
    columns = [[Fraction(float(c)) for c in row] for row in vectors]
    inverse = inverted(columns)
    if inverse is None:
        return None
    size = len(matrix)
    lower = [
        [_near(values[i]) if i == j else Fraction(0) for j in range(size)] for i in range(size)
    ]
    made = multiply(multiply(columns, lower), inverse)
    left = [[a - b for a, b in zip(*rows, strict=True)] for rows in zip(matrix, made, strict=True)]
    return Basis(columns, lower, inverse, multiply(inverse, left))


def _near(value: Any) -> Fraction:
    """An eigenvalue; the rational one that it is as good as."""
    exact = Fraction(float(value))
    simple = exact.limit_denominator(1 << 12)
    return simple if abs(simple - exact) < CLOSE else exact


def obstacle(matrix: Matrix) -> str:
    """Why there is no such basis. (Where eigenvalues coincide, they are only found roughly.)"""
    values = _eigenvalues(matrix)
    if np.abs(values.imag).max() > 1e-4 * max(1.0, np.abs(values).max()):
        return "eigenvalues that are not real: a positive diagonal recurrence does not rotate"
    return "eigenvalues that are not rational and too near each other to be told apart"


def _eigenvalues(matrix: Matrix) -> Any:
    return np.linalg.eigvals(np.array([[float(c) for c in row] for row in matrix]))


def _flag(matrix: Matrix, eigenvalues: list[Fraction], size: int) -> Basis | None:
    """Vectors v_1.. with A v_i in the span of v_i and those after it: chains of kernels."""
    vectors: list[list[Fraction]] = []
    for value in dict.fromkeys(eigenvalues):
        power: Matrix = [[Fraction(int(i == j)) for j in range(size)] for i in range(size)]
        shifted = [
            [c - value * (i == j) for j, c in enumerate(row)] for i, row in enumerate(matrix)
        ]
        own: list[list[Fraction]] = []
        for _ in range(eigenvalues.count(value)):
            power = multiply(shifted, power)
            for v in kernel(power):
                if rank([*own, v]) > len(own):
                    own.append(v)
        vectors += reversed(own)
    if len(vectors) != size or rank(vectors) != size:
        return None
    columns = [[vectors[j][i] for j in range(size)] for i in range(size)]
    inverse = inverted(columns)
    if inverse is None:
        return None
    lower = multiply(multiply(inverse, matrix), columns)
    if any(lower[i][j] for i in range(size) for j in range(i + 1, size)):
        return None
    return Basis(columns, lower, inverse)


def multiply(a: Matrix, b: Matrix) -> Matrix:
    """a @ b."""
    return [
        [sum((x * b[k][j] for k, x in enumerate(row)), Fraction(0)) for j in range(len(b[0]))]
        for row in a
    ]


def reduced(matrix: Matrix) -> tuple[Matrix, list[int]]:
    """The reduced row echelon form, and the columns of its pivots."""
    rows = [list(row) for row in matrix]
    pivots: list[int] = []
    for column in range(len(rows[0]) if rows else 0):
        at = len(pivots)
        found = next((r for r in range(at, len(rows)) if rows[r][column]), None)
        if found is None:
            continue
        rows[at], rows[found] = rows[found], rows[at]
        factor = rows[at][column]
        rows[at] = [c / factor for c in rows[at]]
        for r, row in enumerate(rows):
            if r != at and row[column]:
                rows[r] = [c - row[column] * p for c, p in zip(row, rows[at], strict=True)]
        pivots.append(column)
    return rows, pivots


def rank(vectors: Matrix) -> int:
    """The dimension of what the vectors span."""
    return len(reduced(vectors)[1])


def kernel(matrix: Matrix) -> Matrix:
    """A basis of the vectors that a matrix takes to 0."""
    rows, pivots = reduced(matrix)
    size = len(matrix[0])
    result = []
    for free in (j for j in range(size) if j not in pivots):
        v = [Fraction(0)] * size
        v[free] = Fraction(1)
        for row, pivot in zip(rows, pivots, strict=False):
            v[pivot] = -row[free]
        result.append(v)
    return result


def inverted(matrix: Matrix) -> Matrix | None:
    """The inverse, None of a singular matrix."""
    size = len(matrix)
    joined = [[*row, *(Fraction(int(i == j)) for j in range(size))] for i, row in enumerate(matrix)]
    rows, pivots = reduced(joined)
    if pivots[:size] != list(range(size)):
        return None
    return [row[size:] for row in rows]
