"""Every stage of the compiler as people and programs read it.

    show(program, "atoms")                  # text
    show(program, "optimised", "dot")       # Graphviz
    show(program, "weights", "json")        # plain data

Nothing is read back from these views but the text of the program IR (`ir/text.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..dtypes import dtype
from ..errors import OptionError, suggest
from ..lower.residual.layout import ResidualLayout
from ..lower.units.layout import UnitMachine
from ..program import Program
from ..targets import target as find_target
from ..targets.base import Compiled, CompileOptions
from . import atoms, graphs, layers, residual, trees, units, weights

FORMATS = ("text", "dot", "json")
STAGES = ("ast", "ir", "optimised", "atoms", "layers", "weights")

View = Callable[[Any], Any]

_VIEWS: dict[str, dict[str, View]] = {
    "ast": {"text": trees.text, "dot": trees.dot, "json": trees.data},
    "ir": {"text": graphs.text, "dot": graphs.dot, "json": graphs.data},
    "optimised": {"text": graphs.text, "dot": graphs.dot, "json": graphs.data},
    "atoms": {"text": atoms.text, "dot": atoms.dot, "json": atoms.data},
    "layers": {"text": layers.text, "dot": layers.dot, "json": layers.data},
    "weights": {"text": weights.text, "json": weights.data},
}

_LAYERS: dict[type, dict[str, View]] = {
    UnitMachine: {"text": units.text, "dot": units.dot, "json": units.data},
    ResidualLayout: {"text": residual.text, "dot": residual.dot, "json": residual.data},
}


def show(
    program: Program,
    stage: str,
    format: str = "text",
    *,
    target: str = "linear-rnn",
    options: CompileOptions | None = None,
) -> Any:
    """A stage as text, in Graphviz's DOT (both `str`), or as plain data for JSON.

    `target` and `options` matter for atoms, layers and weights only. Raises `OptionError` for a
    stage or a form that there is not, `UnsupportedError` where the target cannot hold the program.
    """
    if stage not in _VIEWS:
        help = suggest(stage, STAGES) or f"the stages are: {', '.join(STAGES)}"
        raise OptionError.at("E027", None, f"there is no stage `{stage}`", help)
    views = _VIEWS[stage]
    if format not in views:
        message = f"the stage `{stage}` has no {format} form"
        raise OptionError.at("E027", None, message, f"it has {' and '.join(views)}")
    value = _value(program, stage, target, options or CompileOptions())
    if isinstance(value, Compiled):
        views = _LAYERS.get(type(value.machine), views)
    return views[format](value)


def _value(program: Program, stage: str, target: str, options: CompileOptions) -> Any:
    if stage == "ast":
        return program.tree
    if stage == "ir":
        return program.elaborated.graph
    if stage == "optimised":
        return program.graph
    chosen = find_target(target)
    options = chosen.settled(program.graph, program.facts, options)
    compiled: Compiled = chosen.compile(program.graph, program.facts, options)
    if stage == "weights":
        return dtype(options.dtype), compiled.weights
    return compiled if stage == "layers" else getattr(compiled, stage)
