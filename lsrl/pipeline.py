"""The compiler, from text to a model: each arrow of docs/how-it-works.md is one call."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

from .analysis.ranges import Fact
from .errors import Diagnostic, OptionError, UnsupportedError
from .ir.types import Kind
from .lower.circuit import circuit
from .lower.symbols import symbols
from .model import CompiledModel
from .program import GUARD, Program
from .targets import TARGETS
from .targets import target as target_named
from .targets.base import Compiled, CompileOptions, Support

INTEGER_TOLERANCE = 0.25
REAL_TOLERANCE = 1e-3


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
    undetermined; `tolerance` the error allowed in real outputs (default: 1e-3 of their range).
    Raises `UnsupportedError` for what the target cannot hold or not precisely enough, `OptionError`
    for options that it does not have, `VerificationError` should the model be wrong.
    """
    _check_program(program)
    chosen = target_named(target)
    options = CompileOptions(
        dtype, _guard(guard), _tolerance(tolerance), encoding, profile, conditional, constants,
        hidden_size, layers, max_parameters,
    )  # fmt: skip
    graph, facts = program.graph, program.facts
    compiled = chosen.compile(graph, facts, options)
    check_precision(program, compiled, options)
    model = CompiledModel(
        program,
        chosen.name,
        options,
        compiled.weights,
        certificate(program, compiled, options),
        compiled.shape,
        symbols(compiled, graph, program.elaborated.graph),
        circuit(compiled, graph),
    )
    if verify:
        from .patched import settled
        from .verify import quick

        quick(model)
        model = replace(model, symbols=settled(model))
    return model


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


def support(program: Program) -> dict[str, Support]:
    """For each target whether it can hold the program, and why not."""
    options = CompileOptions()
    return {n: t.support(program.graph, program.facts, options) for n, t in TARGETS.items()}


def tolerances(program: Program, tolerance: float | None) -> list[float]:
    """The error allowed in each element of the outputs: 0.25 for what is rounded, else
    `tolerance`, by default 1e-3 of the output's range."""
    result = []
    for output in program.graph.outputs:
        fact = program.facts[output.node]
        type = program.graph.nodes[output.node].type
        allowed = INTEGER_TOLERANCE
        if type.kind is Kind.REAL:
            allowed = tolerance if tolerance is not None else REAL_TOLERANCE * _extent(fact)
        result += [allowed] * type.size
    return result


def _extent(fact: Fact) -> float:
    """The width of a range; of a constant's, its magnitude."""
    return fact.high - fact.low or abs(fact.high)


def check_precision(program: Program, compiled: Compiled, options: CompileOptions) -> None:
    """Raises `UnsupportedError` where the certificate does not reach the tolerance."""
    problems = []
    allowed = tolerances(program, options.tolerance)
    for bound, most, name in zip(compiled.bounds, allowed, compiled.machine.outputs, strict=True):
        if not bound.error <= max(most, 0.0):
            message = (
                f"in {options.dtype} the error of `{name}` can reach {bound.error:.2g}, more than "
            )
            message += f"the tolerance {most:.2g}; most of it arises here"
            wider = "" if options.dtype == "float64" else "--dtype float64, "
            help = f"use {wider}a larger --tolerance, a shorter --length or narrower bounds"
            problems.append(Diagnostic("E804", message, bound.span, help))
    if problems:
        raise UnsupportedError(problems[:1])


def certificate(program: Program, compiled: Compiled, options: CompileOptions) -> dict[str, Any]:
    """The promise that goes with the weights."""
    names = list(dict.fromkeys(compiled.machine.outputs))
    errors = dict.fromkeys(names, 0.0)
    allowed = tolerances(program, options.tolerance)
    for bound, name in zip(compiled.bounds, compiled.machine.outputs, strict=True):
        errors[name] = max(errors[name], bound.error)
    return {
        "bound": errors,
        "dtype": options.dtype,
        "length": program.length,
        "guard": float(options.guard),
        "tolerance": dict(zip(compiled.machine.outputs, allowed, strict=True)),
        "assumptions": [
            "inputs of the declared types that meet every assume and break no declared bound",
            f"at most {program.length} steps",
            "no undetermined comparison that matters",
            "any order of summation, fused multiply-add allowed, no TF32",
        ],
    }
