"""`lsrl trace`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from ..errors import Diagnostic, listing
from . import options
from .models import check_is_folder
from .output import Reply, Table

if TYPE_CHECKING:
    from ..circuit import Unit
    from ..model import CompiledModel
    from ..symbols import Symbol
    from ..trace import Trace


def _listed(ctx: click.Context, param: click.Parameter, given: str | None) -> list[str] | None:
    return None if given is None else [n.strip() for n in given.split(",") if n.strip()]


@options.command("trace")
@click.argument("folder", metavar="DIR")
@click.option(
    "--input", "given", metavar="DATA",
    help="As of `lsrl run`; standard input is read when this is left out.",
)  # fmt: skip
@click.option("--names", callback=_listed, metavar="A,B", help="Only these values.")
@click.option(
    "--noise", type=options.Finite(0), metavar="SIGMA",
    help="Add Gaussian noise of this standard deviation to every weight that is not 0.",
)  # fmt: skip
@options.seed
@click.option("--backend", metavar="NAME", help="The running model: numpy, torch, jax or triton.")
@click.option("--symbols", is_flag=True, help="Print where each value lives; needs no input.")
@click.option(
    "--circuit", is_flag=True,
    help="Print which units and weights implement each value; needs no input.",
)  # fmt: skip
@click.pass_context
def trace_command(
    ctx: click.Context, /, folder: str, given: str | None, names: list[str] | None,
    symbols: bool, circuit: bool, **chosen: Any,
) -> Reply:  # fmt: skip
    """Print every named value of a program, read from the running checkpoint.

    Where the model's value is not the interpreter's both are shown, and the exit status is 1.

    \b
    lsrl trace out/ --input '[1, 0, 1]'
    lsrl trace out/ --input '[1, 0, 1]' --names ones,zeros --noise 0.05
    lsrl trace out/ --symbols
    """
    from .. import load_model

    if (circuit or symbols) and (given is not None or chosen["noise"] is not None):
        flag = "--circuit" if circuit else "--symbols"
        raise click.UsageError(f"{flag} takes neither --input nor --noise", ctx)
    check_is_folder(folder)
    model = load_model(folder)
    if circuit:
        return _circuit(model, names)
    if symbols:
        return _symbols(model, names)
    if chosen["noise"] is not None:
        model = model.with_noise(chosen["noise"], chosen["seed"])
    return _trace(model, options.read_data(given), names, chosen["backend"])


# Values


def _trace(model: CompiledModel, data: Any, names: list[str] | None, backend: str | None) -> Reply:
    trace = model.trace(data, backend=backend)
    if names is not None:
        trace = trace.only(names)
    found = trace.first_divergence()
    record = {
        "steps": trace.steps,
        "values": {n: trace.spelled(n, trace[n]) for n in trace},
        "expected": {n: trace.spelled(n, trace.expected[n]) for n in trace},
        "missing": trace.missing,
        "doubtful": {n: np.flatnonzero(trace.doubtful[n]).tolist() for n in trace},
        "divergence": None if found is None else dict(found.__dict__),
    }
    lines = _missing("not in the model", trace.missing)
    if found is not None:
        lines.append(f"first divergence: {found}")
    else:
        lines.append(f"every value is the interpreter's at every step ({len(trace)} names)")
    warnings = _warnings([n for n in trace if trace.doubtful[n].any()])
    return Reply(record, [_table(trace), "\n".join(lines)], found is not None, warnings)


def _table(trace: Trace) -> Table:
    columns = [[str(t) for t in range(trace.steps)], *(_column(trace, name) for name in trace)]
    right = [trace.symbols[n].type.is_number and not trace.symbols[n].type.shape for n in trace]
    return Table([["step"], trace.names], list(zip(*columns, strict=True)), [True, *right])


def _column(trace: Trace, name: str) -> list[str]:
    """The model's values; where they differ the interpreter's beside them."""
    from .values import spell

    type = trace.symbols[name].type
    got = trace.spelled(name, trace[name])
    wanted = trace.spelled(name, trace.expected[name])
    rows = zip(trace.differs(name), got, wanted, strict=True)
    return [f"{spell(g, type)} not {spell(w, type)}" if d else spell(g, type) for d, g, w in rows]


def _warnings(names: list[str]) -> list[Diagnostic]:
    if not names:
        return []
    message = "reals are compared that come closer than the guard band, so some values of "
    message += f"{listing(names)} are not determined, and not compared"
    return [Diagnostic("W701", message, None, "use other inputs, or a smaller --guard to compile")]


def _missing(what: str, reasons: Mapping[str, str]) -> list[str]:
    return [f"{what}: `{name}` ({why})" for name, why in reasons.items()]


# Places


def _symbols(model: CompiledModel, names: list[str] | None) -> Reply:
    from ..symbols import symbols_of
    from ..trace import check_name, missing_names

    symbols = symbols_of(model)
    missing = missing_names(model.program, symbols)
    for name in names or ():
        check_name(name, symbols, missing)
    shown = {n: s for n, s in symbols.items() if names is None or n in names}
    record = {n: [e.place() for e in s.elements] for n, s in shown.items()}
    overwritable = {n: s.overwritable for n, s in shown.items()}
    rows = [row for s in shown.values() for row in _places(s)]
    header = ["name", "layer", "value", "encoding", "can be overwritten"]
    lines = _missing("not in the model", missing if names is None else {})
    parts: list[str | Table] = [Table([header], rows, [False, True, False, False, False]), *lines]
    return Reply({"symbols": record, "overwritable": overwritable, "missing": missing}, parts)


def _places(symbol: Symbol) -> list[list[str]]:
    """One row an element."""
    rows = []
    for i, e in enumerate(symbol.elements):
        name = f"{symbol.name}[{i}]" if symbol.type.shape else symbol.name
        rows.append([name, str(e.layer), e.formula(), e.encoding, "" if i else symbol.overwritable])
    return rows


# Circuit


def _circuit(model: CompiledModel, names: list[str] | None) -> Reply:
    circuit = model.circuit()
    shown: dict[tuple[Unit, ...], list[str]] = {}
    for name in names if names is not None else circuit:
        shown.setdefault(tuple(circuit[name]), []).append(name)
    rows = [[", ".join(n), str(u), _weights(u)] for units, n in shown.items() for u in units]
    if names is None:
        rows += [[f"carries {', '.join(c.names)}", str(c.unit), ""] for c in circuit.carriers]
    lines = _missing("no units", circuit.missing if names is None else {})
    table = Table([["name", "unit", "weights"]], rows, [False] * 3)
    return Reply({"circuit": circuit.as_json()}, [table, *lines])


def _weights(unit: Unit) -> str:
    """Entries that are not 0, as `A[0, 1]`."""
    places = [f"{w.row}" if w.column is None else f"{w.row}, {w.column}" for w in unit.weights]
    short = [w.name.rsplit(".", 1)[-1] for w in unit.weights]
    return " ".join(
        f"{n}[{p}]={w.value:g}" for n, p, w in zip(short, places, unit.weights, strict=True)
    )
