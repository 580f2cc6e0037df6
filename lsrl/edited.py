"""Whether a model's weights are those that the compiler gives for its program.

The certificate is about those: of weights that were edited it says nothing, even where no input was
found that shows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import LsrlError

if TYPE_CHECKING:
    from .model import CompiledModel
    from .targets.base import CompileOptions


@dataclass(frozen=True)
class Edit:
    """Entries of one weight array that differ: how many, of how many, and by how much at most.

    `largest` is infinite where an entry is not a number or the array has another shape.
    """

    entries: int
    size: int
    largest: float

    def __str__(self) -> str:
        return f"{self.entries:,} of {self.size:,} entries, by up to {self.largest:.3g}"


@dataclass(frozen=True)
class Comparison:
    """`edits` by the name of the weight; `certificate`: it is not the compiler's, or the program
    has none. Where nothing could be compared `reason` says why."""

    edits: Mapping[str, Edit]
    certificate: bool = False
    reason: str = ""

    @property
    def differs(self) -> bool:
        return bool(self.edits) or self.certificate

    def as_json(self) -> dict[str, Any]:
        """As plain data; an infinite change is null."""
        edits = {name: asdict(e) for name, e in self.edits.items()}
        for e in edits.values():
            e["largest"] = e["largest"] if np.isfinite(e["largest"]) else None
        compared = not self.reason
        return {
            "compared": compared,
            "reason": self.reason,
            "edited": edits,
            "certificate_differs": self.certificate,
        }


def compare(model: CompiledModel, version: str) -> Comparison:
    """Compile a model's program again, with its options, and compare.

    `version` is that of the compiler which made it. Another one may choose other weights, and all
    are right: then nothing is compared.
    """
    from .pipeline import compile
    from .version import __version__

    if version != __version__:
        reason = f"it was compiled by LSRL {version}, and this is {__version__}"
        return Comparison({}, reason=reason)
    try:
        fresh = compile(model.program, model.target, **_keywords(model.options), verify=False)
    except LsrlError as e:
        reason = f"its program does not compile: {e.diagnostics[0].message}"
        return Comparison({}, certificate=True, reason=reason)
    names = dict.fromkeys([*fresh.weights, *model.weights])
    edits = {n: _edit(model.weights.get(n), fresh.weights.get(n)) for n in names}
    certificate = bool(model.certificate != fresh.certificate)
    return Comparison({n: e for n, e in edits.items() if e.entries}, certificate)


def _keywords(options: CompileOptions) -> dict[str, Any]:
    """Options as `compile` takes them."""
    values = {f.name: getattr(options, f.name) for f in fields(options)}
    return values | {"guard": float(options.guard)}


def _edit(found: Any, wanted: Any) -> Edit:
    if found is None or wanted is None or found.shape != wanted.shape:
        size = max(0 if a is None else int(a.size) for a in (found, wanted))
        return Edit(size, size, np.inf)
    with np.errstate(invalid="ignore"):
        change = np.abs(found.astype(np.float64) - wanted.astype(np.float64))
    largest = np.where(np.isnan(change), np.inf, change).max(initial=0.0)
    return Edit(int(np.count_nonzero(found != wanted)), int(found.size), float(largest))
