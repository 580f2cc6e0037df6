"""How fast the LSRL reference implementation runs its own dictionary model.

It is github.com/AleksandarPetrov/LSRL, of Petrov et al., Universal In-Context Approximation By
Prompting Fully Recurrent Models, NeurIPS 2024; `requirements.txt` there says what it needs. Both
packages are called `lsrl`, so it runs in a process of its own, in its checkout.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

MODEL = Path("tests/test_ua_tok2tok.py")  # builds the model, keys of 3 tokens, 20 pairs
NEEDED = (MODEL, Path("lsrl/__init__.py"), Path("lsrl/matrix_tools.py"))
SECONDS = 600  # to wait
MARK = "steps and seconds: "

# The model is built as the implementation's own test builds it, in one of its two fastest modes:
# numbers, the `optimized` conditional, not simplified to a path.
SCRIPT = """
import json, os, sys, time, warnings
sys.path.insert(0, os.getcwd())
warnings.simplefilter("ignore")
os.environ.setdefault("MPLBACKEND", "Agg")
import numpy
import lsrl
assert os.path.dirname(os.path.realpath(lsrl.__file__)).startswith(os.path.realpath(os.getcwd()))
from lsrl.matrix_tools import MatrixMode
from tests.test_ua_tok2tok import TestUATok2TokBuldingSteps as Model
model = Model()
model.mode, model.conditional_mode = MatrixMode.NUMERIC, "optimized"
numpy.random.seed(0)
model.setUp()
_, value, given = model.prep_random_input()
loop = lsrl.ForEach(model.output)
start = time.perf_counter()
found = loop(given[None, :])
seconds = time.perf_counter() - start
assert tuple(found.numpy()[:, -model.seq_len:].flatten()) == tuple(value), "a wrong answer"
model.tearDown()
print("steps and seconds: " + json.dumps([len(given), seconds]))
"""


class NotMeasured(Exception):
    """Why the reference implementation could not be run, and what to do."""


def measured(checkout: Path, python: str) -> float:
    """Steps a second of the model in a checkout, run by that interpreter.

    Raises `NotMeasured` for a folder that is no checkout, and for a run that fails or takes longer
    than `SECONDS`.
    """
    missing = [str(path) for path in NEEDED if not (checkout / path).is_file()]
    if missing:
        message = f"{checkout} is no checkout of the reference implementation: it has no "
        raise NotMeasured(message + ", ".join(missing))
    command = [python, "-c", SCRIPT]
    try:
        run = subprocess.run(
            command, cwd=checkout, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except OSError as e:
        raise NotMeasured(f"{python} cannot be run: {e.strerror}") from None
    except subprocess.TimeoutExpired:
        raise NotMeasured(f"it took more than {SECONDS} s") from None
    lines = [line for line in run.stdout.splitlines() if line.startswith(MARK)]
    if run.returncode or not lines:
        last = (run.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        help = "give an interpreter that has its requirements.txt as --reference-python"
        raise NotMeasured(f"it does not run with {python} ({last}): {help}")
    steps, seconds = json.loads(lines[-1].removeprefix(MARK))
    return float(steps) / float(seconds)
