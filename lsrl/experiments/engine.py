"""Running a sweep: what is not done yet, on workers, each cell written when it is finished."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..errors import Diagnostic, OptionError
from ..version import __version__
from .results import Results, Row
from .study import study
from .sweep import Sweep
from .workers import Failure, Workers, workers

Progress = Callable[[str, int], AbstractContextManager[Callable[[], None]]]
NEEDED = ("pandas", "pyarrow", "matplotlib", "jinja2")


@dataclass
class Ran:
    """What came of a sweep: cells in all, those that were there already, those done now, those of
    all that could be measured; the rows of the folder; what failed, by cell; whether it was
    interrupted."""

    folder: Path
    cells: int
    resumed: int
    done: int = 0
    measured: int = 0
    rows: list[Row] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False
    warnings: list[Diagnostic] = field(default_factory=list)

    @property
    def refused(self) -> Counter[str]:
        """How many cells could not be measured, by the reason."""
        return Counter(row["refused"] for row in self.rows if "refused" in row)


def run(
    sweep: Sweep,
    folder: str | Path,
    *,
    jobs: int | None = None,
    scheduler: str | None = None,
    progress: Progress | None = None,
) -> Ran:
    """Run the cells of a sweep that its folder does not have yet, on `jobs` local processes (1: in
    this one) or on the Dask cluster of a scheduler.

    A finished cell is on the disk. On Ctrl-C it returns what it has, `interrupted`. Raises
    `OptionError` E026, E052, E053, E055.
    """
    check_installed()
    chosen = study(sweep.study)
    cells = sweep.cells(chosen)
    for cell in cells:
        chosen.check(cell)
    with Results(Path(folder), sweep, versions()) as results:
        pending = results.pending(cells)
        ran = Ran(results.folder, len(cells), len(cells) - len(pending), warnings=results.warnings)
        bar = progress(sweep.study, len(pending)) if progress else nullcontext(lambda: None)
        try:
            with bar as advance:
                _run(workers(jobs, scheduler), pending, results, ran, advance)
        except KeyboardInterrupt:
            ran.interrupted = True
        ran.rows = results.rows
        ran.measured = len(
            {c.id for c in cells} & {row["cell"] for row in ran.rows if "refused" not in row}
        )
        if ran.rows:
            results.export()
    return ran


def _run(
    chosen: Workers, pending: list[Any], results: Results, ran: Ran, advance: Callable[[], None]
) -> None:
    if not pending:
        return
    for cell, outcome in chosen.run(pending):
        if isinstance(outcome, Failure):
            ran.failures[cell.id] = outcome.words
        else:
            results.append(cell, outcome)
            ran.done += 1
        advance()


def check_installed() -> None:
    """Raises `OptionError` E026 where a package is missing that rows or reports need."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        message = f"experiments need {', '.join(missing)}"
        raise OptionError.at("E026", None, message, "pip install 'lsrl[experiments]'")


def versions() -> str:
    """Of what the numbers depend on."""
    found = [f"lsrl {__version__}"]
    for name in ("numpy", "torch"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"no {name}")
    return ", ".join(found)
