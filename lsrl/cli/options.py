"""Options that several commands share."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])
Decorator = Callable[[Function], Function]

_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|(?<![\w.])[A-Za-z_]\w*')
_FRACTION = re.compile(r"-?\d+\s*/\s*0*[1-9]\d*")
_CONSTANTS = {"true", "false", "null", "True", "False"}


class Tolerance(click.FloatRange):
    """A number, which may be infinite but not NaN."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number


class Finite(Tolerance):
    """A number that is neither infinite nor NaN."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


def setting(text: str) -> tuple[str, Any]:
    """`name=value`, the value as a number, a truth value, a list or else a word."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip().isidentifier() or not value.strip():
        raise click.BadParameter(f"`{text}` is not of the form name=value, as in -D n=3")
    return name.strip(), parse_value(value.strip())


def parse_value(text: str) -> Any:
    """A value as JSON, where words, the members of enumerations, need no quotation marks; or a
    fraction, as in 1/3, which is exact."""

    def quoted(match: re.Match[str]) -> str:
        word = match[0]
        if word.startswith('"') or word in _CONSTANTS:
            return word.lower() if word in ("True", "False") else word
        return json.dumps(word)

    try:
        return json.loads(_WORD.sub(quoted, text))
    except (ValueError, RecursionError):
        return Fraction(text) if _FRACTION.fullmatch(text) else text


def _settings(ctx: click.Context, param: click.Parameter, given: Sequence[str]) -> dict[str, Any]:
    pairs = [setting(text) for text in given]
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise click.BadParameter(f"`{name}` is given twice")
    return dict(pairs)


def command(name: str) -> Callable[[Callable[..., Any]], click.Command]:
    """A command with `--json`; it returns a `Reply`."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        with_json = click.option(
            "--json", is_flag=True, expose_value=False, help="Print one JSON object, nothing else."
        )
        return click.command(name)(with_json(function))

    return decorate


def program_file(function: Function) -> Function:
    """The argument FILE."""
    return click.argument("file", metavar="FILE")(function)


def program_files(function: Function) -> Function:
    """The arguments FILE..."""
    return click.argument("files", metavar="FILE...", nargs=-1, required=True)(function)


def params(function: Function) -> Function:
    """`-D name=value`, as `params`."""
    return click.option(
        "-D", "params", metavar="NAME=VALUE", multiple=True, callback=_settings,
        help="Set a parameter of the program; may be repeated.",
    )(function)  # fmt: skip


def length(function: Function) -> Function:
    """`--length`, the longest sequence."""
    return click.option(
        "--length", type=click.IntRange(1, 2**40), metavar="N",
        help="The longest sequence, in steps, in place of the program's own.",
    )(function)  # fmt: skip


def guard(function: Function) -> Function:
    """`--guard`, the guard band of comparisons of reals."""
    return click.option(
        "--guard", type=Finite(1e-6, 1), metavar="G",
        help="Reals closer than this compare as undetermined (default: 1e-3).",
    )(function)  # fmt: skip


def seed(function: Function) -> Function:
    """`--seed`."""
    return click.option(
        "--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True,
        help="Of the random numbers.",
    )(function)  # fmt: skip


def force(what: str) -> Decorator[Any]:
    """`--force`."""
    return click.option("--force", is_flag=True, help=f"Replace {what} that exists already.")


TARGETS = (  # not imported
    "linear-rnn", "gated-linear-rnn", "lstm", "gru", "rnn", "rnn-tanh", "mamba", "hawk",
)  # fmt: skip
NARROW = ("linear-rnn", "gated-linear-rnn", "rnn")  # those with narrow dtypes
ENCODED = ("lstm", "gru", "rnn", "rnn-tanh")  # those with one-hot columns


def target(what: str = "", *, default: str | None = None) -> Decorator[Any]:
    """`--target`, required unless it has a default."""
    attrs: dict[str, Any] = {"required": True}
    if default is not None:
        attrs = {"default": default, "show_default": True}
    help = f"{what}{', '.join(TARGETS[:-1])} or {TARGETS[-1]}."
    return click.option("--target", "-t", metavar="T", help=help, **attrs)


def encoding(function: Function) -> Function:
    """`--encoding`."""
    return click.option(
        "--encoding", default="number", show_default=True, metavar="NAME",
        help="Of inputs and outputs: number, or onehot: a column a value, outputs as logits "
        f"({', '.join(ENCODED)}), or tokens (mamba, hawk: by themselves where nothing is real).",
    )(function)  # fmt: skip


def dtype(function: Function) -> Function:
    """`--dtype`."""
    return click.option(
        "--dtype", default="float32", show_default=True, metavar="TYPE",
        help="Of the weights: float64 or float32; bfloat16 and float16 where values are held as "
        f"they are ({', '.join(NARROW)}).",
    )(function)  # fmt: skip


def conditional(function: Function) -> Function:
    """`--conditional` and `--constants`, how choices are made."""
    variant = click.option(
        "--conditional", metavar="NAME",
        help="Make choices as the paper does: direct, optimized, step_optimized, multiplicative, "
        "multiplicative_optimized (default: the smallest that the target has).",
    )  # fmt: skip
    constants = click.option(
        "--constants", default="range", show_default=True, metavar="NAME",
        help="Of choices and comparisons: range, or the paper's: paper.",
    )  # fmt: skip
    return variant(constants(function))


def read_data(given: str | None) -> Any:
    """What `--input` names, or standard input where nothing is named and it is no terminal.

    Raises `InputError` E719 and a usage error where there is no input at all.
    """
    from ..interpret.files import read_inputs

    if given is not None and given.strip() != "-":
        return read_inputs(given)
    if given is None and sys.stdin.isatty():
        raise click.UsageError("there is no input: give --input, or pipe it in")
    return _standard_input()


def _standard_input() -> Any:
    from ..errors import InputError
    from ..interpret.files import parse_text

    raw = sys.stdin.buffer.read()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        help = "pipe in JSON, JSON Lines or CSV; name .npy and .npz files with --input"
        raise InputError.at("E719", None, "standard input: this is not UTF-8 text", help) from None
    if not text.strip():
        help = "give --input, or pipe in JSON, JSON Lines or CSV"
        raise InputError.at("E719", None, "standard input: it is empty", help)
    return parse_text(text, "standard input")
