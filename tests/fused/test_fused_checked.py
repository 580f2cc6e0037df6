"""`lsrl run` on long input: the fused executor with the interpreter's checks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from fused_cases import difference

import lsrl
from lsrl.errors import PromiseError
from lsrl.fused import checked
from lsrl.fused.checked import checked_run
from lsrl.testing import generate

BROKEN = """\
input x: int in -3..3
input r: real in -1..1
state s: int in 0..9 = 0 then s + x
assume r < 0.9
output s
output ratio = r / max(x + 3, 0 * x + 1)
output stored = store(x == 2, r)
output element = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10][s]
"""


def test_it_says_what_the_interpreter_says() -> None:
    agreed = 0
    for seed in range(30):
        generated = generate(seed)
        program = lsrl.parse(generated.source)
        want = program.interpreter.run(generated.inputs)
        got = checked_run(program, generated.inputs, 1e-3)
        if got is None:
            continue
        agreed += 1
        assert difference(program, want, got.outputs) is None, generated
        smallest = {m.node: m.smallest for m in want.margins}
        assert {m.node: m.smallest for m in got.margins} == pytest.approx(smallest, abs=1e-9)
        assert not any(m.undetermined for m in want.margins)
    assert agreed >= 25


@pytest.mark.parametrize(
    ("x", "r", "broken"),
    [
        ([3, 3, 3, -2], [0, 0, 0, 0], False),
        ([3, 3, 3, 1], [0, 0, 0, 0], True),  # the bound
        ([-1, 0, 0, 0], [0, 0, 0, 0], True),
        ([0, 0, 0, 0], [0, 0, 0.95, 0], True),  # the assumption
        ([2, 2, 0, 0], [0.8, 0.8, 0, 0], True),  # the register
        ([0, 0, 0, 0], [0.8995, 0, 0, 0], None),  # within the guard band
    ],
)
def test_a_broken_promise_is_left_to_the_interpreter(
    x: list[int], r: list[float], broken: bool | None
) -> None:
    program = lsrl.parse(BROKEN)
    data = program.batch({"x": x, "r": r}, batched=False)
    assert (checked_run(program, data, 1e-3) is None) == (broken is not False)
    if broken:
        with pytest.raises(PromiseError):
            program.interpreter.run(data)


def test_the_command_line_uses_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from lsrl.cli import main

    monkeypatch.setattr(checked, "LONG", 8)
    (tmp_path / "p.lsrl").write_text(BROKEN)
    calls = []
    run = checked.checked_run
    monkeypatch.setattr(checked, "checked_run", lambda *a: calls.append(run(*a)) or calls[-1])
    data = {"x": [3, 3, 3, -2], "r": [0, 0.5, 0, 0]}
    command = ["run", str(tmp_path / "p.lsrl"), "--json", "--input"]
    done = CliRunner().invoke(main, [*command, json.dumps(data)])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["outputs"]["s"] == [3, 6, 9, 7]
    assert calls[0] is not None
    assert np.isclose(json.loads(done.stdout)["margins"][0]["smallest"], 0.4)
    done = CliRunner().invoke(main, [*command, json.dumps(data | {"x": [3, 3, 3, 3]})])
    assert done.exit_code == 1
    assert calls[1] is None
    assert "E702" in done.output
