"""`lsrl experiment`: sweeps of a study, and their report."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import Diagnostic, OptionError, suggest
from . import options
from .app import INTERRUPTED
from .output import Reply, progress

if TYPE_CHECKING:
    from ..experiments.engine import Ran
    from ..experiments.settings import Setting
    from ..experiments.study import Study

NAMES = ("vector", "dictionary", "noise", "precision", "length", "finetune", "report")


class Studies(click.Group):
    """The studies, each with its settings as options; imported when one is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(NAMES)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in NAMES:
            return None
        if name == "report":
            return report_command
        from ..experiments.study import study

        return _command(study(name))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in NAMES and not args[0].startswith("-") and not ctx.resilient_parsing:
            help = suggest(args[0], NAMES) or f"there are: {', '.join(NAMES)}"
            raise click.UsageError(f"there is no experiment `{args[0]}`; {help}", ctx)
        return super().resolve_command(ctx, args)


@click.group("experiment", cls=Studies)
def experiment_command() -> None:
    """Measure compiled models: sweeps of small cells, kept as they finish.

    The same command goes on with a sweep that was stopped.
    """


class Values(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """Values of a setting, separated by commas."""

    name = "values"

    def __init__(self, kind: type) -> None:
        self.kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, list):
            return value
        try:
            return [self._one(part.strip()) for part in value.split(",")]
        except ValueError:
            kinds = {int: "integers, as in 1,2", float: "numbers, as in 1,2"}
            kind = kinds.get(self.kind, "truth values, as in true,false")
            self.fail(f"{value!r} is no list of {kind}", param, ctx)

    def _one(self, text: str) -> Any:
        if self.kind is bool:
            if text.lower() not in ("true", "false"):
                raise ValueError
            return text.lower() == "true"
        return self.kind(text)


def _command(study: Study) -> click.Command:
    """The command of a study."""
    from ..experiments.sweep import REPEATS, SEED

    def callback(
        folder: str, sweep: str | None, jobs: int | None, scheduler: str | None, **flags: Any
    ) -> Reply | int:
        return _run(study, folder, sweep, jobs, scheduler, flags)

    callback.__doc__ = f"{study.title}.\n\n{study.question}"
    decorated: Callable[..., Any] = callback
    for setting in reversed([*study.settings, REPEATS, SEED]):
        decorated = _option(setting)(decorated)
    decorated = click.option(
        "--scheduler", metavar="ADDRESS", help="Run on the Dask cluster of that scheduler."
    )(decorated)
    decorated = click.option(
        "--jobs", "-j", type=click.IntRange(1, 1024), metavar="N",
        help="Local processes (default: one a processor; 1: in this process).",
    )(decorated)  # fmt: skip
    decorated = click.option(
        "--sweep", metavar="FILE", help="A TOML file with settings; options override it."
    )(decorated)
    decorated = click.option(
        "--output", "-o", "folder", required=True, metavar="DIR",
        help="The folder of the results, new or to go on with.",
    )(decorated)  # fmt: skip
    return options.command(study.name)(decorated)


def _option(setting: Setting) -> Callable[..., Any]:
    shown = ",".join(map(str, setting.default))
    shown = shown.lower() if setting.kind is bool else shown
    return click.option(
        setting.flag, setting.name, type=Values(setting.kind), metavar="V,...",
        help=f"{setting.described} [default: {shown}]",
    )  # fmt: skip


def _run(
    study: Study, folder: str, sweep: str | None, jobs: int | None, scheduler: str | None,
    flags: dict[str, Any],
) -> Reply | int:  # fmt: skip
    from ..experiments import Sweep, read_sweep, run

    if jobs is not None and scheduler is not None:
        raise click.UsageError("--jobs is of local processes: leave it out with --scheduler")
    given = read_sweep(sweep, study.name) if sweep is not None else {}
    given |= {name: value for name, value in flags.items() if value is not None}
    ran = run(Sweep.of(study, given), folder, jobs=jobs, scheduler=scheduler, progress=progress)
    if ran.interrupted:
        done = ran.resumed + ran.done
        click.echo(
            f"stopped: {done} of {ran.cells} cells are done; run it again to go on", err=True
        )
        sys.exit(INTERRUPTED)
    return _reply(ran)


def _reply(ran: Ran) -> Reply:
    failed = [
        Diagnostic("E059", f"the cell {cell} failed: {words}", None, "run it again to try again")
        for cell, words in ran.failures.items()
    ]
    if not ran.measured and not failed:
        message = f"nothing was measured: all cells ({ran.cells}) were refused"
        failed.append(Diagnostic("E060", message, None, "the reasons say what to change"))
    data = {
        "folder": str(ran.folder), "cells": ran.cells, "resumed": ran.resumed, "done": ran.done,
        "measured": ran.measured, "rows": len(ran.rows), "refused": dict(ran.refused),
    }  # fmt: skip
    there = f", {ran.resumed} of them were there already" if ran.resumed else ""
    lines = [f"{ran.folder}: {len(ran.rows)} rows of {ran.cells} cells{there}"]
    lines += [f"  not measured, {n} times: {reason}" for reason, n in ran.refused.items()]
    return Reply(data, ["\n".join(lines)], warnings=ran.warnings, problems=failed)


@options.command("report")
@click.argument("folder", metavar="DIR")
@click.option("--output", "-o", "path", metavar="FILE", help="The page (default: DIR/report.html).")
def report_command(folder: str, path: str | None) -> Reply:
    """Write one HTML page on the results of a sweep, or of all in a folder.

    All figures and tables are in it.
    """
    from ..experiments.report import write_report

    if not Path(folder).is_dir():
        raise OptionError.at("E052", None, f"there is no folder `{folder}`", "give one of results")
    page = Path(path) if path is not None else Path(folder) / "report.html"
    with progress(f"reporting on {folder}"):
        names = write_report(Path(folder), page)
    return Reply({"file": str(page), "studies": names}, [f"{page}: {', '.join(names)}"])
