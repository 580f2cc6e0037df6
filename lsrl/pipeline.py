"""The compiler, from text to a model: each arrow of docs/how-it-works.md is one call."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from typing import Any

from .collect import collector_paused
from .deferred import Deferred
from .encoding import output_columns
from .errors import Diagnostic, LsrlError, OptionError, UnsupportedError
from .lower.bounds import Bound
from .lower.circuit import circuit
from .lower.symbols import symbols
from .model import CompiledModel
from .program import GUARD, Program
from .source import Span
from .support import explain
from .targets import target as target_named
from .targets.base import Compiled, CompileOptions, Target, tolerances

WIDER = {"float32": "float64", "float16": "float32", "bfloat16": "float32"}


@collector_paused()
def compile(
    program: Program,
    target: str = "linear-rnn",
    *,
    dtype: str = "float32",
    encoding: str = "number",
    profile: str = "exact",
    conditional: str | None = None,
    constants: str = "range",
    hidden_size: int | None = None,
    layers: int | None = None,
    max_parameters: int | None = None,
    guard: float = GUARD,
    tolerance: float | None = None,
    verify: bool = True,
) -> CompiledModel:
    """Compile a program to the weights of a target, and verify it briefly.

    `guard` is the half-width of the band around equality in which a comparison of reals is
    undetermined; `tolerance` the error allowed in real outputs (default: 1e-3 of their range), and
    an infinite one lifts the limit of 0.25 of the others too. `conditional` is one of the paper's
    five ways to make choices (default: the smallest that the target has), `constants` whether
    their constants follow from the ranges ("range") or are the paper's ("paper").
    A model of more than `max_parameters` is refused before it takes up memory.
    Raises `UnsupportedError` for what the target cannot hold or not precisely enough, `OptionError`
    for options that it does not have, `VerificationError` should the model be wrong.
    """
    _check_program(program)
    chosen = target_named(target)
    options = CompileOptions(
        dtype, _guard(guard), _tolerance(tolerance), encoding, profile, conditional, constants,
        _size(hidden_size, "hidden size"), _size(layers, "number of layers"),
        _max_parameters(max_parameters),
    )  # fmt: skip
    graph, facts = program.graph, program.facts
    options = chosen.settled(graph, facts, options)
    try:
        compiled = chosen.compile(graph, facts, options)
    except UnsupportedError as e:
        raise _blamed(program, chosen, options, e) from None
    check_precision(program, compiled, options)
    columns = output_columns(graph, facts, options.encoding)
    model = CompiledModel(
        program,
        chosen.name,
        options,
        compiled.weights,
        certificate(program, compiled, options),
        compiled.shape,
        Deferred(lambda: symbols(compiled, graph, program.elaborated.graph, columns)),
        Deferred(lambda: circuit(compiled, graph)),
    )
    if verify:
        from .patched import settled
        from .verify import quick

        quick(model)
        model = replace(model, symbols=settled(model))
    return model


def _blamed(
    program: Program, target: Target, options: CompileOptions, e: UnsupportedError
) -> LsrlError:
    """A refusal, saying that the paper's constants are the reason where others do, or else where a
    theorem stands behind it."""
    if options.constants == "paper":
        others = replace(options, constants="range")
        with suppress(UnsupportedError):
            target.compile(program.graph, program.facts, others)
            why = "; the reason is the paper's constants: with those of the ranges it compiles"
            help = "use --constants range"
            return UnsupportedError(
                replace(d, message=d.message + why, help=help) for d in e.diagnostics
            )
    return explain(program, target, e)


def _check_program(program: object) -> None:
    if not isinstance(program, Program):
        message = f"`compile` takes a program, not {type(program).__name__}"
        raise OptionError.at("E013", None, message, 'write `lsrl.compile(lsrl.load("file.lsrl"))`')


def _guard(guard: float) -> Fraction:
    if not isinstance(guard, int | float) or not 1e-6 <= guard <= 1:
        message = f"the guard band {guard} is not between 1e-6 and 1"
        raise OptionError.at("E024", None, message, "the default is 1e-3")
    return Fraction(str(guard))


def _tolerance(tolerance: float | None) -> float | None:
    if tolerance is not None and not (isinstance(tolerance, int | float) and tolerance > 0):
        message = f"the tolerance {tolerance!r} is not a positive number"
        raise OptionError.at("E024", None, message, "the default is 1e-3 of the output's range")
    return tolerance


def _size(size: int | None, what: str) -> int | None:
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
        message = f"the {what} {size!r} is not a positive integer"
        raise OptionError.at("E024", None, message, "by default it is as small as possible")
    return size


def _max_parameters(most: int | None) -> int | None:
    if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):
        message = f"the largest number of parameters {most!r} is not a positive integer"
        raise OptionError.at("E024", None, message, "by default there is none")
    return most


def check_precision(program: Program, compiled: Compiled, options: CompileOptions) -> None:
    """Raises `UnsupportedError` where the certificate does not reach the tolerance."""
    problems = []
    allowed = tolerances(program.graph, program.facts, options.tolerance, options.encoding)
    spans = {o.name: o.span for o in program.graph.outputs}
    for bound, most, name in zip(compiled.bounds, allowed, compiled.machine.outputs, strict=True):
        if not bound.error <= max(most, 0.0):
            problems.append(_too_imprecise(name, bound, most, options, spans[name]))
    if problems:
        raise UnsupportedError(problems[:1])


def _too_imprecise(
    name: str, bound: Bound, most: float, options: CompileOptions, output: Span | None
) -> Diagnostic:
    limits = "a larger --tolerance, a shorter --length or narrower bounds"
    message = f"in {options.dtype} the error of `{name}` can reach {bound.error:.2g}, more than "
    message += f"the tolerance {most:.2g}"
    if not math.isfinite(bound.error):  # an error beyond what a comparison or a gate stands
        limits = "a shorter --length, narrower bounds or a larger --guard"
        message = f"in {options.dtype} nothing bounds the error of `{name}`"
    message += "; most of it arises here" if bound.span is not None else ""
    wider = f"--dtype {WIDER[options.dtype]}, " if options.dtype in WIDER else ""
    wider += "--profile exact, " * (options.profile != "exact")
    help = f"use {wider}{limits}"
    if options.constants == "paper":  # far too large, as a rule
        help = "use --constants range; --tolerance inf compiles it all the same, without a bound"
    return Diagnostic("E804", message, bound.span or output, help)


def certificate(program: Program, compiled: Compiled, options: CompileOptions) -> dict[str, Any]:
    """The promise that goes with the weights. "parallel" has the bounds that hold where an
    associative scan computes the states of all steps in one call: each further call adds to the
    sums."""
    allowed = tolerances(program.graph, program.facts, options.tolerance, options.encoding)
    parallel = {"parallel": _by_output(compiled, compiled.parallel)} if compiled.parallel else {}
    return {
        "bound": _by_output(compiled, compiled.bounds),
        **parallel,
        "dtype": options.dtype,
        "length": program.length,
        "guard": float(options.guard),
        "tolerance": dict(zip(compiled.machine.outputs, allowed, strict=True)),
        "assumptions": [
            "inputs of the declared types that meet every assume and break no declared bound",
            f"at most {program.length} steps",
            "no undetermined comparison that matters",
            "any order of summation, fused multiply-add and wider sums allowed, no TF32",
        ],
    }


def _by_output(compiled: Compiled, bounds: Sequence[Bound]) -> dict[str, float]:
    """The largest bound of an element of each output."""
    errors = dict.fromkeys(compiled.machine.outputs, 0.0)
    for bound, name in zip(bounds, compiled.machine.outputs, strict=True):
        errors[name] = max(errors[name], bound.error)
    return errors
