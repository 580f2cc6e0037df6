"""The group of commands, and what becomes of every error: a status and words, never a traceback."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

import click

from ..errors import Diagnostic, LsrlError, OptionError, suggest
from .output import Reply, Screen

DONE, WRONG, USAGE, INTERNAL, INTERRUPTED, PIPE = 0, 1, 2, 70, 130, 141

COMMANDS = {  # name: the module that has it
    "run": "run",
    "check": "check",
    "test": "check",
    "fmt": "fmt",
    "compile": "models",
    "verify": "models",
    "trace": "trace",
    "sample": "sample",
    "targets": "models",
    "show": "show",
    "experiment": "experiment",
    "new": "new",
}


class Commands(click.Group):
    """Commands by name, each imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = import_module(f".{COMMANDS[name]}", __package__)
        command: click.Command = getattr(module, f"{name}_command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            help = suggest(name, COMMANDS) or f"the commands are: {', '.join(COMMANDS)}"
            raise click.UsageError(f"there is no command `{name}`; {help}", ctx)
        return super().resolve_command(ctx, args)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Run and exit. Exit status: 0 done, 1 something is wrong, 2 the command line is."""
        given = list(sys.argv[1:] if args is None else args)
        screen = Screen.of(given)
        try:
            status = self._run(screen, given, prog_name or "lsrl", complete_var, extra)
            sys.stdout.flush()
        except BrokenPipeError:
            _silence()
            status = PIPE
        except KeyboardInterrupt:
            status = INTERRUPTED
        sys.exit(status)

    def _run(
        self, screen: Screen, args: list[str], name: str, complete: str | None, extra: Any
    ) -> int:
        try:
            extra = {**extra, "obj": screen}
            reply = super().main(args, name, complete, standalone_mode=False, **extra)
            if isinstance(reply, Reply):
                screen.show(reply)
                return reply.status
            return reply if isinstance(reply, int) else DONE  # a status where --help was asked for
        except click.Abort:
            return INTERRUPTED
        except click.UsageError as e:
            screen.usage(e)
            return USAGE
        except LsrlError as e:
            screen.problems(e.diagnostics)
            return USAGE if isinstance(e, OptionError) else WRONG
        except OSError as e:
            if e.errno == errno.EPIPE:
                raise
            screen.problems([_explain(e)])
            return WRONG
        except Exception as e:
            if os.environ.get("LSRL_DEBUG"):
                raise
            screen.internal(e)
            return INTERNAL


def _explain(e: OSError) -> Diagnostic:
    """What the operating system refused."""
    reason = e.strerror or str(e)
    name = str(e.filename)
    shown = name if len(name) <= 80 else name[:77] + "..."
    subject = f"`{shown}`: " if e.filename else ""
    return Diagnostic("E033", f"{subject}{reason}", None, "check the path")


def _silence() -> None:
    """Nobody reads standard output any more: write the rest of it nowhere."""
    with suppress(OSError):  # standard output is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="lsrl", prog_name="lsrl", message="%(prog)s %(version)s")
def main() -> None:
    """LSRL: programs over sequences, compiled to the weights of recurrent models.

    Exit status: 0 done, 1 the program, the input or the check is wrong, 2 the command line is.
    """
