"""Sweeps, and the cells that they consist of."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import OptionError
from .memory import check_cells
from .settings import Setting, chosen

if TYPE_CHECKING:
    from .study import Study

REPEATS = Setting(
    "repeats", int, (3,), "How often each cell is repeated with other numbers.", low=1
)
SEED = Setting("seed", int, (0,), "Of all random numbers.", low=0)


@dataclass(frozen=True)
class Cell:
    """The unit of work: one value of each setting, all values of the inner ones.

    `files` has what a setting's file held when the sweep was made, as a digest by path.
    """

    study: str
    seed: int
    repeat: int
    settings: Mapping[str, Any]
    files: Mapping[str, str]

    def __getitem__(self, name: str) -> Any:
        return self.settings[name]

    @cached_property
    def id(self) -> str:
        """The same for the same study, seed, settings and files: 16 hexadecimal digits."""
        what = [self.study, self.seed, self.repeat, dict(self.settings), dict(self.files)]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]

    def random(self, *purpose: Any) -> np.random.Generator:
        """Random numbers that depend on the seed, the repetition and the purpose alone: cells that
        differ in another setting see the same tasks."""
        what = json.dumps([self.seed, self.repeat, *purpose]).encode()
        return np.random.default_rng(int.from_bytes(hashlib.sha256(what).digest()[:16], "big"))


@dataclass(frozen=True)
class Sweep:
    """A study with the values of its settings, `[setting]` to a tuple."""

    study: str
    values: Mapping[str, tuple[Any, ...]]
    seed: int
    repeats: int

    @classmethod
    def of(cls, study: Study, given: Mapping[str, Any]) -> Sweep:
        """From what was asked for. Raises `OptionError` E051."""
        values = chosen((*study.settings, SEED, REPEATS), given)
        (seed, *more), (repeats, *others) = values.pop("seed"), values.pop("repeats")
        if more or others:
            message = "`seed` and `repeats` are single numbers"
            raise OptionError.at("E051", None, message, "`repeats = 25` makes 25 of each cell")
        return cls(study.name, values, seed, repeats)

    def cells(self, study: Study) -> list[Cell]:
        """All cells, in order; a repetition of all before the next one. Raises `OptionError`
        E050, and E053 for more than fit into memory."""
        inner = {s.name for s in study.settings if s.inner}
        axes = {k: v for k, v in self.values.items() if k not in inner}
        check_cells(self.repeats * math.prod(map(len, axes.values())))
        fixed = {k: list(v) for k, v in self.values.items() if k in inner}
        digests = cache(digest)
        found: dict[str, Cell] = {}
        for repeat in range(self.repeats):
            for combination in itertools.product(*axes.values()):
                settings = study.settle(dict(zip(axes, combination, strict=True)) | fixed)
                files = {p: digests(p) for p in study.files(settings)}
                cell = Cell(self.study, self.seed, repeat, settings, files)
                found.setdefault(cell.id, cell)
        return list(found.values())

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        values = {k: list(v) for k, v in self.values.items()}
        return {"study": self.study, "seed": self.seed, "repeats": self.repeats, **values}


def digest(path: str) -> str:
    """Of a file's content. Raises `OptionError` E050."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as e:
        message = f"cannot read `{path}`: {e.strerror or e}"
        raise OptionError.at("E050", None, message, "check the path") from None


def read_sweep(path: str | Path, study: str) -> dict[str, Any]:
    """The settings in a TOML file for that study. Raises `OptionError` E050."""
    try:
        text = Path(path).read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except OSError as e:
        message = f"cannot read `{path}`: {e.strerror or e}"
        raise OptionError.at("E050", None, message, "check the path") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        message = f"`{path}` is not TOML: {e}"
        raise OptionError.at("E050", None, message, "write lines such as `repeats = 5`") from None
    named = data.pop("study", study)
    if named != study:
        message = f"`{path}` describes a sweep of `{named}`, not of `{study}`"
        raise OptionError.at("E050", None, message, f"run `lsrl experiment {named}`")
    return data
