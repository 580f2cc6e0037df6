"""Prompts: dictionaries of tokens, and functions on a grid."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..program import GUARD

Array = Any

CAPITALS = {
    "aus": "can", "aut": "vie", "bel": "bru", "bra": "bsb", "can": "ott",
    "chl": "san", "chn": "bei", "cub": "hav", "cze": "pra", "deu": "ber",
    "dnk": "cop", "egy": "cai", "esp": "mad", "fin": "hel", "fra": "par",
    "gbr": "lon", "grc": "ath", "hun": "bud", "ind": "del", "ita": "rom",
    "jpn": "tok", "ken": "nai", "nor": "osl", "per": "lim", "swe": "sto",
}  # fmt: skip


def letters(word: str) -> list[int]:
    """Letters as 0..25."""
    return [ord(c) - ord("a") for c in word]


def spelled(codes: Array) -> str:
    """Numbers 0..25 as letters."""
    return "".join(chr(ord("a") + int(c)) for c in codes)


def capitals() -> tuple[Array, Array]:
    """Keys and values `[25, 3]`: countries and their capitals."""
    keys, values = (
        np.array([letters(w) for w in words]) for words in zip(*CAPITALS.items(), strict=True)
    )
    return keys, values


def random_pairs(
    n: int, pairs: int, vocab: int, random: np.random.Generator
) -> tuple[Array, Array]:
    """Keys and values `[pairs, n]`, tokens below `vocab`; no key twice (at most vocab^n)."""
    keys: dict[tuple[int, ...], None] = {}
    while len(keys) < pairs:
        keys.setdefault(tuple(random.integers(0, vocab, n).tolist()))
    return np.array(list(keys)), random.integers(0, vocab, (pairs, n))


def look_ups(keys: Array, values: Array, asked: Array) -> Array:
    """A prompt for each index in `asked`: that key, then all pairs; `[k, n + 2 n pairs]`."""
    body = np.concatenate([keys, values], axis=1).reshape(-1)
    return np.concatenate([keys[asked], np.repeat(body[None], len(asked), axis=0)], axis=1)


def cells(n: int, d: int) -> Array:
    """Lower corners of the n^d cells of the unit cube, `[n^d, d]`."""
    axes = [np.arange(n) / n] * d
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, d)


def grid_prompts(points: Array, table: Array, n: int) -> dict[str, Array]:
    """Prompts of vector.lsrl, one a query: a point `[d]` of `points [k, d]`, then each cell with
    its value in `table [n^d, d_out]`."""
    corners = cells(n, points.shape[1])
    queries, steps = len(points), len(corners) + 1
    body = np.repeat(corners[None], queries, axis=0)
    values = np.concatenate([np.zeros((1, table.shape[1])), table])
    return {
        "side": np.full((queries, steps), 1 / n),
        "corner": np.concatenate([points[:, None], body], axis=1),
        "value": np.repeat(values[None], queries, axis=0),
    }


def points_inside(count: int, n: int, d: int, random: np.random.Generator) -> Array:
    """Uniform points of the unit cube, `[count, d]`, but for those that are so close to the border
    of one of the n^d cells that comparisons are undetermined."""
    found = np.empty((0, d))
    while len(found) < count:
        x = random.uniform(0, 1, (count, d))
        away = np.abs(x * n - np.rint(x * n)) / n > 2 * GUARD
        found = np.concatenate([found, x[away.all(axis=1)]])
    return found[:count]
