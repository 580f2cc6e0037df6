"""What a study is, and which ones there are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .settings import Setting

if TYPE_CHECKING:
    from .sections import Section
    from .sweep import Cell

STUDIES = ("vector", "dictionary", "noise", "precision", "length", "finetune")

Arrays = Callable[[str], Mapping[str, Any]]  # what a cell kept, by its id


@dataclass(frozen=True)
class Outcome:
    """What came of a cell: rows of measured numbers by name, and arrays for pictures."""

    rows: Sequence[Mapping[str, Any]]
    arrays: Mapping[str, Any] = field(default_factory=dict)


class Study(ABC):
    """One question, its settings, what a cell measures, and what the report shows."""

    name: str
    title: str
    question: str
    settings: tuple[Setting, ...]

    def settle(self, settings: dict[str, Any]) -> dict[str, Any]:
        """The settings that such a cell depends on; cells that are then the same are one."""
        return settings

    def files(self, settings: Mapping[str, Any]) -> list[str]:
        """Files that the settings name."""
        return []

    def check(self, cell: Cell) -> None:  # noqa: B027 most have nothing to refuse
        """Raises `OptionError` for a cell that is better not begun."""

    @abstractmethod
    def run(self, cell: Cell) -> Outcome:
        """Measure. The same cell gives the same rows. Raises `LsrlError` for what cannot be."""

    @abstractmethod
    def sections(self, rows: Any, arrays: Arrays) -> list[Section]:
        """Tables and figures of the rows, a pandas `DataFrame` without those of errors."""


def study(name: str) -> Study:
    """The study of that name. Raises `KeyError`."""
    if name not in STUDIES:
        raise KeyError(name)
    found: Study = import_module(f".studies.{name}", __package__).STUDY
    return found
