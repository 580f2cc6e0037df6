"""The benchmark's run of the reference implementation, on a stand-in of its interface."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

PLACE = Path(__file__).parents[2] / "benchmarks/reference.py"
MODEL = """
import numpy
class Output:
    def __init__(self, values): self.values = values
    def numpy(self): return self.values
class TestUATok2TokBuldingSteps:
    seq_len = 3
    def setUp(self): self.output = self.mode, self.conditional_mode
    def tearDown(self): pass
    def prep_random_input(self): return (1, 2, 3), (4, 5, 6), numpy.arange(12)
"""
LOOP = """
from tests.test_ua_tok2tok import Output
import numpy
def ForEach(model):
    assert model == ("numbers", "optimized")
    return lambda x: Output(numpy.array([[0] * (x.shape[1] - 3) + [4, 5, ANSWER]]))
"""


@pytest.fixture(scope="module")
def reference() -> Any:
    spec = importlib.util.spec_from_file_location("reference", PLACE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def checkout(place: Path, answer: int) -> Path:
    (place / "lsrl").mkdir()
    (place / "tests").mkdir()
    (place / "tests/__init__.py").touch()
    (place / "tests/test_ua_tok2tok.py").write_text(MODEL)
    (place / "lsrl/__init__.py").write_text(LOOP.replace("ANSWER", str(answer)))
    (place / "lsrl/matrix_tools.py").write_text("class MatrixMode: NUMERIC = 'numbers'\n")
    return place


def test_a_checkout_is_run(reference: Any, tmp_path: Path) -> None:
    assert reference.measured(checkout(tmp_path, 6), sys.executable) > 0


def test_a_wrong_answer_is_no_rate(reference: Any, tmp_path: Path) -> None:
    with pytest.raises(reference.NotMeasured, match="a wrong answer"):
        reference.measured(checkout(tmp_path, 7), sys.executable)


def test_a_folder_that_is_no_checkout(reference: Any, tmp_path: Path) -> None:
    with pytest.raises(reference.NotMeasured, match=r"it has no tests/test_ua_tok2tok\.py"):
        reference.measured(tmp_path, sys.executable)
