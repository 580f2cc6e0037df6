"""The command as a process: modules, signals, pipes, terminals, and mistakes of our own."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

LSRL = [sys.executable, "-m", "lsrl"]
HEAVY = ("torch", "jax", "rich", "networkx", "safetensors", "transformers", "matplotlib", "pandas")


def _run(*args: Any, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [*LSRL, *map(str, args)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, **options
    )


def test_module_and_script(program: Path) -> None:
    result = _run("run", program, input="[1, 0, 1]")
    assert (result.returncode, result.stderr) == (0, "")
    assert "   2 |   1 |    2  true" in result.stdout
    assert _run("--version").stdout.startswith("lsrl ")
    script = Path(sys.executable).with_name("lsrl")
    if script.exists():
        done = subprocess.run([script, "check", program], capture_output=True, check=False)
        assert done.returncode == 0


def test_running_a_program_imports_nothing_heavy(program: Path) -> None:
    code = (
        "import sys\nfrom lsrl.cli import main\n"
        "try: main(sys.argv[1:])\nexcept SystemExit: pass\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    for args in (["run", str(program), "--input", "[1]"], ["--help"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *args], capture_output=True, text=True, check=False
        )
        assert done.stderr == "[]\n"


def test_an_interrupt_is_quiet(program: Path) -> None:
    args, pipe = [*LSRL, "run", str(program)], subprocess.PIPE
    process = subprocess.Popen(args, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    time.sleep(4)  # it waits for its input by now
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err.strip()) == (130, "", "")


def test_a_reader_that_leaves_is_no_error(program: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    args = [*LSRL, "show", str(program), "--stage", "layers", "--format", "dot"]
    done = subprocess.run(args, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def _on_a_terminal(args: list[str], **env: str) -> tuple[int, str]:
    """Status and what a terminal shows, with standard output and error on it."""
    main, side = pty.openpty()
    settings = {**os.environ, "TERM": "xterm", "COLUMNS": "100", **env}
    process = subprocess.Popen(
        [*LSRL, *args], stdin=side, stdout=side, stderr=side, env=settings, close_fds=True
    )
    os.close(side)
    shown = b""
    while select.select([main], [], [], 60)[0]:
        try:
            part = os.read(main, 65536)
        except OSError:  # the process has closed its side
            break
        if not part:
            break
        shown += part
    os.close(main)
    return process.wait(), shown.decode()


def test_a_terminal_gets_a_drawn_table(program: Path) -> None:
    status, shown = _on_a_terminal(["run", str(program), "--input", "[1, 0]"])
    assert status == 0
    assert "─" in shown
    assert "majority" in shown


def test_a_terminal_gets_colours_unless_it_wants_none(program: Path) -> None:
    args = ["run", str(program), "--input", "[7]"]
    status, shown = _on_a_terminal(args)
    assert (status, "\x1b[31m" in shown) == (1, True)
    _, bare = _on_a_terminal(args, NO_COLOR="1")
    assert "\x1b[" not in bare
    assert "error[E715]" in bare


def test_a_terminal_is_not_waited_for(program: Path) -> None:
    status, shown = _on_a_terminal(["run", str(program)])
    assert status == 2
    assert "there is no input" in shown


# Mistakes of our own


def _break(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("boom\nbang")

    monkeypatch.setattr("lsrl.load", broken)


def test_an_internal_error_is_one_line(
    lsrl: Any, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _break(monkeypatch)
    result = lsrl("run", program, "--input", "[1]")
    assert result.exit_code == 70
    assert result.stderr.startswith("internal error: RuntimeError: boom bang (please report")
    assert result.stderr.count("\n") == 1
    result = lsrl("run", program, "--input", "[1]", "--json")
    assert result.exit_code == 70
    assert json.loads(result.stdout)["error"][0]["code"] == "E999"


def test_a_traceback_only_on_request(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from lsrl.cli import main

    _break(monkeypatch)
    monkeypatch.setenv("LSRL_DEBUG", "1")
    result = CliRunner().invoke(main, ["run", str(program), "--input", "[1]"])
    assert isinstance(result.exception, RuntimeError)
