"""Targets by name. Each is a module of its own; adding one is adding it here."""

from __future__ import annotations

from ..errors import OptionError, suggest
from .base import Target
from .gated_linear_rnn import GatedLinearRNN
from .gru import GRU
from .hawk.target import HAWK
from .linear_rnn import LinearRNN
from .lstm import LSTM
from .mamba.target import MAMBA
from .rnn import RNN

TARGETS: dict[str, Target] = {
    t.name: t
    for t in (LinearRNN(), GatedLinearRNN(), LSTM(), GRU(), RNN("relu"), RNN("tanh"), MAMBA, HAWK)
}


def target(name: str) -> Target:
    """The target of that name. Raises `OptionError` for an unknown one."""
    if name not in TARGETS:
        help = suggest(name, TARGETS) or f"the targets are: {', '.join(TARGETS)}"
        raise OptionError.at("E020", None, f"there is no target `{name}`", help)
    return TARGETS[name]


def names() -> list[str]:
    """Names of all targets."""
    return list(TARGETS)
