"""A value that is switched off by two units saturating in opposite directions.

    high = tanh(eps a + 64 [shut]),   low = tanh(eps a - 64 [shut]),   a = (high + low) / (2 eps)

Open, both are eps a, exactly; shut, 1 and -1, whose sum is 0. In units of the value a shut unit
stands for +-S, S = 1/eps. Integers stay exact in any row in which S fits the digits beside them;
a real value is read by a unit of its own first, which adds nothing to the pair.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

from ...analysis.lattice import gcd
from ...source import Span
from ..atoms import Form, tighten
from .layout import LayerUnit
from .patterns import select_ends
from .scale import FLAT, Regime

if TYPE_CHECKING:
    from .certify import Reach
    from .legalise import UnitLegaliser

HALF = Fraction(1, 2)


def pair(lg: UnitLegaliser, a: Form, switch: Mapping[str, Form], span: Span | None) -> Form:
    """a where the switch is open, else 0. `switch` has the role that shuts the pair."""
    g = lg.graph_of_units
    shut = 1 / lg.regime.scale(a)
    step = gcd([a.step, int(shut)]) if a.step is not None else None
    args = {"a": a, **switch}
    fuzzy = any(form.step is None for form in switch.values())
    high = g.unit("high", args, (a.lo, shut), step, fuzzy=fuzzy, span=span)
    low = g.unit("low", args, (-shut, a.hi), step, fuzzy=fuzzy, span=span)
    lo, hi = select_ends(a)
    if "s" in switch:
        lo = 0.0
    made = g.note(tighten(g.combine([(HALF, high), (HALF, low)]), lo, hi, a.step))
    g.twins[frozenset(made.terms)] = True
    return made if a.step is not None else lg.hold_alone(made)


def shut_scale(unit: LayerUnit) -> float | None:
    """The scale of one of a pair: a saturated unit stands for the end of its range."""
    if unit.op == "high":
        return 1 / unit.form.hi
    return -1 / unit.form.lo if unit.op == "low" else None


def pair_error(regime: Regime, reach: Reach, scale: float, leak: float) -> float:
    """What (high + low) / 2 is off by: open, both are shifted by d = shut leak, which leaves a d^2;
    shut, a times 1 - tanh^2, at most 4 exp(-2 shut)."""
    shift = regime.shut * leak
    most = reach.most("a")
    closed = 4 * math.exp(-2 * regime.shut * (1 - leak)) if regime.shut < FLAT else 0.0
    off = regime.curve(most, scale) + most * (shift * shift + closed)
    return off + regime.rounding(1 / scale, off)


def relu_error(regime: Regime, scale: float, slope: float) -> float:
    """How far a pair that m = S sigma(-slope a) shuts is below max(a, 0), S = `regime.shut`: by
    a tanh(m)^2. That is at most a, and from m = 1 on at most a m^2, which falls there; m is 1 at
    a = log(S - 1) / slope. And a hides behind m in the argument of a tanh until a rounding of
    m is below 1 / slope, at a = log(4 S u slope / scale) / slope."""
    hidden = 4 * regime.shut * regime.unit_roundoff * slope / scale
    return math.log(max(regime.shut - 1, hidden)) / slope
