"""The wheel, installed into a clean environment without a framework, runs an example."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*command: object, cwd: Path) -> str:
    done = subprocess.run(
        [str(c) for c in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    files = run("git", "ls-files", "-co", "--exclude-standard", cwd=ROOT).splitlines()
    for name in files:
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, source, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


def test_installed_names(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {n.split("/")[0] for n in names}
    assert {t for t in tops if not t.endswith(".dist-info")} == {"lsrl", "lsrl_backends"}
    assert {"lsrl/grammar/lsrl.lark", "lsrl/std/std.lsrl", "lsrl/py.typed"} <= set(names)
    assert "lsrl_backends/torch/__init__.py" in names
    assert "lsrl_backends/jax/__init__.py" in names
    assert "lsrl/experiments/report.html.jinja" in names
    assert "lsrl/experiments/programs/vector.lsrl" in names


def test_the_wheel_runs_an_example_without_a_framework(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "env"
    venv.create(environment, with_pip=True)
    binaries = environment / ("Scripts" if os.name == "nt" else "bin")
    run(binaries / "python", "-m", "pip", "install", "-q", wheel, cwd=tmp_path)
    example = ROOT / "examples" / "majority.lsrl"
    lsrl = binaries / "lsrl"
    out = run(lsrl, "run", example, "--input", "[1, 0, 1, 1, 0]", "--json", cwd=tmp_path)
    assert "[1, 0, 1, 1, 1]" in out.replace("true", "1").replace("false", "0")
    run(lsrl, "compile", example, "--target", "linear-rnn", "-o", "model", cwd=tmp_path)
    again = run(lsrl, "run", "model", "--input", "[1, 0, 1, 1, 0]", "--json", cwd=tmp_path)
    assert json.loads(again)["outputs"] == json.loads(out)["outputs"]
    code = "import lsrl, sys; print([n for n in ('torch', 'jax') if n in sys.modules])"
    loaded = run(binaries / "python", "-c", code, cwd=tmp_path)
    assert loaded.strip() == "[]"
