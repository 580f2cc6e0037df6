"""What the certificate knows of parts that exclude each other: see `exclusive.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..atoms import Form
from ..bounds import Bound
from ..layers import Row, Source
from .graph import UnitGraph
from .layout import LayerUnit


class Parts:
    """`sharp` are the parts that are exactly 0 while another one is not."""

    def __init__(self, graph: UnitGraph, unit_roundoff: float) -> None:
        self.families: list[dict[int, float]] = list(graph.parts.values())
        self.shut = {a: below for family in self.families for a, below in family.items()}
        self.unit_roundoff = unit_roundoff
        self.sharp: set[int] = set()

    def of(self, group: Mapping[int, LayerUnit]) -> set[int]:
        """The atoms of a group that are parts."""
        return self.shut.keys() & {unit.atom for unit in group.values()}

    def read(self, row: Row, forms: Mapping[Source, Form]) -> list[list[Source]]:
        """The sources of a row that exclude each other and enter it with one factor."""
        found = []
        for family in self.families:
            chosen = family.keys() & self.sharp
            for kind in ("x", "h"):
                members = [s for s in row if s[0] == kind and chosen & forms[s].terms.keys()]
                alone = all(len(forms[s].terms) == 1 and not forms[s].const for s in members)
                if len(members) > 1 and alone and len({abs(row[s]) for s in members}) == 1:
                    found.append(members)
        found.sort(key=len, reverse=True)
        return [m for i, m in enumerate(found) if not any(set(m) & set(o) for o in found[:i])]

    def merge(self, row: Row, errors: dict[Source, Bound], forms: dict[Source, Form]) -> None:
        """Put one source for the members of each family into a row.

        Near 0 the positive and the negative side of one part can both differ from 0, by as much as
        their errors. That sum is rounded once: afterwards one of them is 0.
        """
        for members in self.read(row, forms):
            whole = members[0][0] + "parts", members[0][1]
            worst = max((errors[s] for s in members), key=lambda b: b.error)
            once = 4 * self.unit_roundoff * worst.error
            errors[whole] = worst.plus(once, worst.span, worst.label)
            ends = [0.0]
            for s in members:
                sign = 1 if row[s] > 0 else -1
                ends += [sign * forms[s].lo, sign * forms[s].hi]
            forms[whole] = Form({}, 0, min(ends), max(ends), None)
            factor = row[members[0]]
            row[whole] = factor if factor > 0 else -factor
            for s in members:
                del row[s]

    def leaders(self, group: Mapping[int, LayerUnit]) -> dict[int, int]:
        """The parts of a group but the first of each family, with that one."""
        found: dict[int, int] = {}
        for family in self.families:
            parts = [k for k in group if group[k].atom in family.keys() & self.sharp]
            if parts and not any(k in found or k in found.values() for k in parts):
                found |= dict.fromkeys(parts[1:], parts[0])
        return found

    def is_kept(
        self, rows: Sequence[Row], own: set[int], group: Mapping[int, LayerUnit],
        forms: Mapping[Source, Form],
    ) -> bool:  # fmt: skip
        """Whether the units `own` of a group keep what they are: each reads one family, itself of
        it, and nothing else."""
        for row in rows:
            families = self.read(row, forms)
            read = {i for kind, i in row if kind == "h" and i in group}
            if len(families) != 1 or len(families[0]) != len(row) or not read <= own:
                return False
        return all(abs(c) == 1 for row in rows for c in row.values())
