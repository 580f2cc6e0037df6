"""Models as words: a target with what else is chosen, `lstm+robust`; and programs by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from ..errors import OptionError, suggest
from ..lower.conditional import CONSTANTS, VARIANTS
from ..model import CompiledModel
from ..pipeline import compile
from ..program import Program, load
from ..targets import TARGETS
from .functions import file_of
from .settings import Setting

RESCALED = "rescaled"
WORDS: dict[str, tuple[str, Any]] = {
    **{v: ("conditional", v) for v in VARIANTS},
    **{c: ("constants", c) for c in CONSTANTS},
    **{p: ("profile", p) for p in ("exact", "robust", "trainable")},
    **{e: ("encoding", e) for e in ("number", "onehot", "tokens")},
}
MODELS = (
    "Targets, each with words for its options, as in `linear-rnn+optimized+paper`: "
    f"{', '.join([*WORDS, RESCALED])}."
)
DTYPES = Setting(
    "dtype", str, ("float32",), "Of the weights.",
    choices=("float64", "float32", "bfloat16", "float16"),
)  # fmt: skip

BACKEND = Setting(
    "backend", str, ("numpy",), "What runs the models; numpy: the target's equations.",
    choices=("numpy", "torch"),
)  # fmt: skip


def models(*default: str) -> Setting:
    """The setting `model`."""
    return Setting("model", str, default, MODELS)


@dataclass(frozen=True)
class Spec:
    """A target, options of `compile`, and whether lanes are rescaled afterwards."""

    target: str
    options: Mapping[str, Any]
    rescaled: bool

    @classmethod
    def parse(cls, text: str) -> Spec:
        """`target+word+word`. Raises `OptionError` E020 or E051 for what is unknown."""
        target, *words = text.split("+")
        if target not in TARGETS:
            help = suggest(target, TARGETS) or f"there are: {', '.join(TARGETS)}"
            raise OptionError.at("E020", None, f"there is no target `{target}`", help)
        known = [*WORDS, RESCALED]
        for word in words:
            if word not in known:
                message = f"`{text}`: `{word}` is no option of a model"
                help = suggest(word, known) or f"there are: {', '.join(known)}"
                raise OptionError.at("E051", None, message, help)
        options = dict(WORDS[w] for w in words if w != RESCALED)
        return cls(target, options, RESCALED in words)

    def compile(
        self, program: Program, dtype: str, *, tolerance: float | None = None, verify: bool = False
    ) -> CompiledModel:
        """The model. With the paper's constants nothing is certified, and nothing refused."""
        if self.options.get("constants") == "paper":
            tolerance = math.inf
        chosen = {"dtype": dtype, "tolerance": tolerance, "verify": verify, **self.options}
        return compile(program, self.target, **chosen)


def files_of(settings: Mapping[str, Any]) -> list[str]:
    """The files that the settings `program` and `function` name."""
    found = [name for name in [settings.get("program", "")] if name.endswith(".lsrl")]
    function = file_of(settings.get("function", ""))
    return found + [function] * (function is not None)


def program_path(name: str) -> Path:
    """The file of an example by its name, or of a program by its path. Raises `OptionError`."""
    if name.endswith(".lsrl"):
        return Path(name)
    found = files(f"{__package__}.programs").joinpath(f"{name}.lsrl")
    if not found.is_file():
        message = f"there is no example `{name}`"
        raise OptionError.at("E051", None, message, "or give the path of a program, file.lsrl")
    with as_file(found) as path:
        return path


@cache
def _program(name: str, params: tuple[tuple[str, Any], ...], length: int) -> Program:
    return load(program_path(name), dict(params), length)


def program(name: str, params: Mapping[str, Any], length: int) -> Program:
    """An example or a program file, with its parameters and length set. Raises `LsrlError`."""
    return _program(name, tuple(params.items()), length)


@cache
def compiled(program: Program, model: str, dtype: str) -> CompiledModel:
    """A program as the model that the words describe; kept for the next cell of this process.

    Raises `UnsupportedError`, `OptionError`.
    """
    return Spec.parse(model).compile(program, dtype)
