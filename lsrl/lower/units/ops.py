"""What each operation of a unit computes, and how errors pass through it.

`values` are the roles whose forms enter the value one to one; `gates` those that are read as
conditions (margins: their errors do not show as long as they stay below a quarter). `keeps` is the
gate that keeps the unit's own previous value. Which of them a target has, and with which weights,
is the target's business.

    pass     v = a
    cell     c = [f] c' + [i] g,  v = [o] c      (f closed, i and o open, if they are not given)
    update   v = [z] v' + [not z] (n + [r] l)    (z closed, r open, if they are not given)
    relu     v = max(a, 0)
    ramp     v = max(a, 0), read where it is 0 or at least 1 only
    truth    v = max(a, 0), 0 or 1
    sign     v = 1 where m > 0, else -1
    high     v = a where open, else S           (S: what a saturated unit stands for)
    low      v = a where open, else -S
    soft     v = sigma(s) g
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Op:
    """See above."""

    values: tuple[str, ...]
    gates: tuple[str, ...] = ()
    keeps: str = ""
    saturates: bool = False


OPS: dict[str, Op] = {
    "pass": Op(("a",)),
    "cell": Op(("g",), ("f", "i", "o"), keeps="f"),
    "update": Op(("n", "l"), ("z", "r"), keeps="z"),
    "relu": Op(("a",)),
    "ramp": Op(("a",), saturates=True),
    "truth": Op(("a",), saturates=True),
    "sign": Op((), ("m",)),
    "high": Op(("a",), ("m", "closed")),
    "low": Op(("a",), ("m", "closed")),
    "soft": Op(("g",)),
}
