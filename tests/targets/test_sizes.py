"""Sizes of whole programs on the stock modules, and that every pattern earns its place."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from table import CASES

import lsrl
from lsrl.targets.base import CompileOptions
from lsrl.targets.gru import GRU
from lsrl.targets.lstm import LSTM
from lsrl.targets.rnn import RNN

EXAMPLES = Path(__file__).parents[2] / "examples"
TARGETS: dict[str, Callable[[], Any]] = {
    "lstm": LSTM,
    "gru": GRU,
    "rnn": lambda: RNN("relu"),
    "rnn-tanh": lambda: RNN("tanh"),
}
AFTER_K = "input token: int in 0..7\noutput latch(prev(token == 3), token, -1)"
PREVIOUS = "input b: bool\ninput x: int in 0..9\noutput if b then prev(x) else 0"
TEXTS = {c.name: c.text for c in CASES} | {"after k": AFTER_K, "switched previous": PREVIOUS}
TEXTS["hysteresis"] = (
    "input t: int in 0..40\n"
    "state on = false then if t < 19 then true else (if t > 21 then false else on)\noutput on"
)
TEXTS["leak"] = (
    "input c: bool\ninput r: real in -2..3\n"
    "state s = 0 then if c then r else 0.9 * s + 0.1 * r\noutput s"
)
TEXTS["fading or kept"] = (
    "input c: bool\ninput r: real in -2..3\nstate s = 0 then if c then 0.5 * s + r else s\noutput s"
)
TEXTS["latch of a real"] = "input c: bool\ninput r: real in -2..3\noutput latch(c, r)"


@lru_cache
def program_of(name: str, **params: int) -> lsrl.Program:
    """An example, or else a construct."""
    path = EXAMPLES / f"{name}.lsrl"
    return lsrl.load(path, params=params) if path.exists() else lsrl.parse(TEXTS[name])


def size(target: Any, program: lsrl.Program, encoding: str) -> float:
    """Parameters, infinite if the program is refused or nothing bounds its error."""
    options = CompileOptions(encoding=encoding, tolerance=math.inf, max_parameters=200_000)
    try:
        compiled = target.compile(program.graph, program.facts, options)
    except lsrl.UnsupportedError:
        return math.inf
    if not all(math.isfinite(b.error) for b in compiled.bounds):
        return math.inf
    return int(target.parameters(compiled.machine))


CEILINGS = [  # program, its parameters, encoding, most parameters by target
    ("majority", {}, "onehot", {"lstm": 24, "gru": 19, "rnn": 18, "rnn-tanh": 9}),
    ("parity", {}, "onehot", {"lstm": 24, "gru": 19, "rnn": 18, "rnn-tanh": 18}),
    ("after k", {}, "onehot", {"lstm": 123, "gru": 99, "rnn": 101, "rnn-tanh": 75}),
    ("associative_recall", {"vocab": 8}, "onehot", {"lstm": 1817, "gru": 3033}),
    ("majority", {}, "number", {"lstm": 43, "gru": 33}),
    ("dictionary", {"n": 3}, "number", {"lstm": 60_000, "gru": 60_000}),
]


@pytest.mark.parametrize(
    ("name", "params", "encoding", "target", "most"),
    [(n, p, e, t, most) for n, p, e, sizes in CEILINGS for t, most in sizes.items()],
)
def test_models_stay_small(
    name: str, params: dict[str, int], encoding: str, target: str, most: int
) -> None:
    program = program_of(name, **params)
    model = lsrl.compile(program, target, encoding=encoding, verify=False)
    assert model.report.parameters <= most


# By target and pattern a program, and its encoding, that is larger or refused without it.
NEEDED: dict[str, dict[str, tuple[str, str]]] = {
    "lstm": {
        "hold": ("decay", "number"),
        "indicator": ("step", "number"),
        "select": ("relu", "number"),
        "integer relu": ("relu", "number"),
        "real relu": ("real extremes", "number"),
        "soft product": ("square of a real", "number"),
        "cells": ("latch", "number"),
        "counter": ("parity", "onehot"),
        "fading cases": ("fading or kept", "number"),
        "automaton": ("automaton", "onehot"),
        "closing": ("mutual recursion", "number"),
    },
    "gru": {
        "hold": ("accumulate", "number"),
        "indicator": ("step", "number"),
        "band": ("chain", "number"),
        "select before": ("switched previous", "number"),
        "select pair": ("relu", "number"),
        "integer relu": ("relu", "number"),
        "real relu": ("real extremes", "number"),
        "soft product": ("square of a real", "number"),
        "update gate": ("latch", "number"),
        "reset gate": ("latch of a real", "number"),
        "counter": ("parity", "number"),
        "fading cases": ("leak", "number"),
        "cut at zero": ("general", "number"),
        "automaton": ("automaton", "onehot"),
        "closing": ("accumulate", "number"),
    },
    "rnn": {
        "hold": ("start at one", "number"),
        "extremum": ("running maximum", "number"),
        "cases": ("latch of a real", "number"),
        "closing": ("general", "number"),
        "automaton": ("automaton", "onehot"),
    },
    "rnn-tanh": {
        "hold": ("latch", "number"),
        "indicator": ("latch", "number"),
        "band": ("chain", "number"),
        "select": ("switched real", "number"),
        "integer relu": ("relu", "number"),
        "real relu": ("real extremes", "number"),
        "handover": ("after k", "onehot"),
        "cases": ("hysteresis", "number"),
        "closing": ("modular_addition", "number"),
        "automaton": ("traffic_light", "number"),
    },
}


@pytest.mark.parametrize(
    ("target", "pattern"),
    [(t, p.name) for t, make in TARGETS.items() for p in make().machine.patterns],
)
def test_every_pattern_earns_its_place(target: str, pattern: str) -> None:
    assert pattern in NEEDED[target], "add a program that is larger without it"
    name, encoding = NEEDED[target][pattern]
    program, less = program_of(name), TARGETS[target]()
    less.machine = less.machine.without(pattern)
    assert len(less.machine.patterns) == len(TARGETS[target]().machine.patterns) - 1
    assert size(less, program, encoding) > size(TARGETS[target](), program, encoding)
