"""Where the named values of a program can be read, and overwritten, in a residual model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from ..atoms import Form
from ..coefficients import Coefficient, primitive
from ..layers import Affine, Row
from .graph import LANE, STATES
from .schedule import START

if TYPE_CHECKING:
    from .layout import ResidualLayout, Unit

Scale = Callable[["Unit"], "float | None"]
States = Callable[["ResidualLayout", int, int], Mapping[int, float]]
Found = dict[str, tuple[int, list[Affine]]]


@dataclass(frozen=True)
class Names:
    """The names of a layout. `lane_of` has the lane of each atom that has one of its own; `scale`
    and `states` say how the target's channels and states hold units (see `layout.lay_out`)."""

    layout: ResidualLayout
    lane_of: Mapping[int, int]
    scale: Scale
    states: States

    def find(self) -> None:
        """Notes in the layout where each name can be read, and where its state is."""
        self.layout.symbols = self._found(self._home)
        self.layout.patches = self._found(self._state)

    def _found(self, home: Callable[[Form], Affine | None]) -> Found:
        """The names whose elements all have a home."""
        found: Found = {}
        for name, forms in self.layout.graph.names.items():
            elements = [home(form) for form in forms]
            kept = [e for e in elements if e is not None]
            if kept and len(kept) == len(elements):
                found[name] = max(e.layer for e in kept), kept
        return found

    def _home(self, form: Form) -> Affine | None:
        """A form over lanes that are complete after some layer, or over units of one block."""
        if not form.terms:
            return None
        return self._in_lanes(form) or self._in_units(form)

    def _in_lanes(self, form: Form) -> Affine | None:
        layout = self.layout
        lanes = self._lanes(form)
        if lanes is None:
            return None
        done = max(layout.lanes[i].done for i in lanes)
        kind, layer = ("x", 0) if done == START else (LANE, layout.place_of(done)[0])
        end = START if done == START else layout.last_block(layer)
        if any(layout.cleared(i) <= end for i in lanes):
            return None
        return Affine({(kind, layout.slots[i]): c for i, c in lanes.items()}, form.const, layer + 1)

    def _lanes(self, form: Form) -> dict[int, Coefficient] | None:
        """The lanes of which a form is a combination."""
        if form.terms.keys() <= self.lane_of.keys():
            return {self.lane_of[a]: c for a, c in form.terms.items()}
        key, factor = primitive(form.terms)
        for i, lane in enumerate(self.layout.lanes):
            own, own_factor = primitive(lane.terms)
            if own == key:
                return {i: factor / own_factor}
        return None

    def _block(self, form: Form) -> int | None:
        """The block that computes all atoms of a form, if one does."""
        blocks = {self.layout.plan.at.get(a, START) for a in form.terms}
        return blocks.pop() if len(blocks) == 1 and START not in blocks else None

    def _in_units(self, form: Form) -> Affine | None:
        number = self._block(form)
        if number is None:
            return None
        layer, kind = self.layout.place_of(number)
        units = self.layout.blocks[number].units
        index = {u.atom: i for i, u in enumerate(units)}
        row: Row = {}
        for a, c in form.terms.items():
            scale = self.scale(units[index[a]])
            if scale is None:
                return None
            row[kind, index[a]] = Fraction(c) / Fraction(scale)
        return Affine(row, form.const, layer + 1)

    def _state(self, form: Form) -> Affine | None:
        """A form over the states of one block."""
        number = self._block(form)
        graph, layout = self.layout.graph, self.layout
        if number is None or not all(graph.op(a) in STATES for a in form.terms):
            return None
        block, (layer, _) = layout.blocks[number], layout.place_of(number)
        index = {u.atom: i for i, u in enumerate(block.units)}
        row: Row = {}
        for a, c in form.terms.items():
            unit = block.units[index[a]]
            for state, factor in self.states(layout, number, index[a]).items():
                row["s", state] = Fraction(c) * Fraction(factor)
                ends = sorted((unit.form.lo / factor, unit.form.hi / factor))
                layout.held[layer, state] = ends[0], ends[1]
        return Affine(row, form.const, layer + 1)
