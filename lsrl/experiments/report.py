"""The report: one HTML page with all figures and tables in it, and nothing to load."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..errors import OptionError
from ..files import write_text
from ..version import __version__
from .engine import check_installed
from .figures import encoded
from .results import ARRAYS, SWEEP, description, frame, newest, read_rows
from .study import study

TEMPLATE = "report.html.jinja"


def write_report(folder: Path, path: Path) -> list[str]:
    """Write the report on a sweep's folder, or on one that has such folders, and name the studies.

    Raises `OptionError` E026, E031, E052.
    """
    check_installed()
    found = (
        [folder]
        if (folder / SWEEP).exists()
        else sorted(p.parent for p in folder.glob(f"*/{SWEEP}"))
    )
    if not found:
        message = f"`{folder}` holds no results"
        raise OptionError.at("E052", None, message, "give the folder of a sweep, or one above some")
    import jinja2

    text = files(__package__).joinpath(TEMPLATE).read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    parts = [_part(f) for f in found]
    for part, anchor in zip(parts, anchors([f.name for f in found]), strict=True):
        part["anchor"] = anchor
    write_text(path, environment.from_string(text).render(studies=parts, version=__version__))
    return [str(p["name"]) for p in parts]


def _part(folder: Path) -> dict[str, Any]:
    """What the template needs of one study."""
    described = description(folder)
    assert described is not None
    chosen = study(described["study"])
    written = read_rows(folder)
    kept = newest(written, [s.name for s in chosen.settings])
    rows = in_order(frame(kept), described)
    refused = rows[rows["refused"].notna()] if "refused" in rows else rows[:0]
    measured = rows.drop(index=refused.index)
    sections = chosen.sections(measured, partial(arrays_of, folder)) if len(measured) else []
    return {
        "name": chosen.name,
        "title": chosen.title,
        "question": chosen.question,
        "folder": folder.name,
        "sweep": {k: v for k, v in described.items() if k not in ("format", "study", "lsrl")},
        "rows": len(rows),
        "again": len(written) - len(kept),
        "versions": sorted(set(rows["versions"])) if len(rows) else [],
        "refused": _refused(refused),
        "sections": [
            {"section": s, "figures": [(f.title, encoded(f)) for f in s.figures]} for s in sections
        ],
    }


def anchors(names: Sequence[str]) -> list[str]:
    """An `id` for each of the names, which has no spaces and is no other's."""
    found: list[str] = []
    for name in names:
        slug = re.sub(r"[^\w.-]+", "-", name)
        same = itertools.chain([slug], (f"{slug}-{k}" for k in itertools.count(2)))
        found.append(next(s for s in same if s not in found))
    return found


def in_order(rows: Any, sweep: Mapping[str, Any]) -> Any:
    """Rows in the order in which the sweep names the values of its settings; what it does not name
    any more comes last."""
    named = {k: v for k, v in sweep.items() if isinstance(v, list) and k in rows}
    if not named:
        return rows
    places = {k: {value: i for i, value in enumerate(v)} for k, v in named.items()}
    return rows.sort_values(
        [*named, "repeat"],
        key=lambda c: c.map(places[c.name]).fillna(len(places[c.name])) if c.name in places else c,
        kind="stable",
        ignore_index=True,
    )


def _refused(rows: Any) -> list[tuple[str, str, int]]:
    """Models, why they could not be measured, and how often."""
    if not len(rows):
        return []
    counts = rows.groupby(["model", "dtype"] if "dtype" in rows else ["model"], sort=False)
    return [
        (" ".join(key), reason, int(n))
        for key, group in counts
        for reason, n in group["refused"].value_counts().items()
    ]


def arrays_of(folder: Path, cell: str) -> Mapping[str, Any]:
    """What a cell kept; nothing if that is lost."""
    import numpy as np

    path = folder / ARRAYS / f"{cell}.npz"
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as data:
        return dict(data)
