"""The command line of experiments, from sweeps to the page."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from matplotlib.figure import Figure

from lsrl.cli import main
from lsrl.experiments import STUDIES, study
from lsrl.experiments.figures import strips
from lsrl.experiments.report import anchors
from lsrl.experiments.results import newest, read_rows
from lsrl.experiments.sections import number, quantiles, quartiles


def lsrl(*args: Any) -> Result:
    result = CliRunner().invoke(main, ["experiment", *map(str, args)])
    assert isinstance(result.exception, SystemExit | None), result.exception
    assert "Traceback" not in result.output
    return result


TINY = {
    "vector": ["--cells", "2", "--queries", "3", "--model", "linear-rnn,rnn"],
    "dictionary": ["--n", "2", "--pairs", "2", "--model", "rnn", "--dtype", "float32,float64"],
    "noise": ["--n", "2", "--pairs", "2", "--cells", "2", "--sigma", "0,1e-3", "--model", "rnn",
              "--protocol", "reset"],
    "precision": ["--program", "majority", "--steps", "8", "--model", "rnn,lstm"],
    "length": ["--program", "parity", "--steps", "10,20", "--model", "lstm"],
    "finetune": ["--program", "parity", "--model", "rnn+onehot", "--updates", "0,2"],
}  # fmt: skip


class Page(HTMLParser):
    """Headings, cells of tables and addresses of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.cells: list[str] = []
        self.tag = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tag = tag
        self.addresses += [v or "" for k, v in attrs if k in ("src", "href")]
        self.ids += [v or "" for k, v in attrs if k == "id"]

    def handle_data(self, data: str) -> None:
        if self.tag in ("td", "h2", "caption"):
            self.cells.append(data.strip())


def test_from_sweeps_to_a_page(tmp_path: Path) -> None:
    for name, flags in TINY.items():
        result = lsrl(name, "-o", tmp_path / name, "-j", 1, "--repeats", 1, *flags, "--json")
        assert result.exit_code == 0, result.output
        reply = json.loads(result.stdout)
        frame = pd.read_parquet(tmp_path / name / "results.parquet")
        assert len(frame) == reply["rows"] > 0
        assert {"cell", "seed", "repeat", "versions", "model"} <= set(frame.columns)
    result = lsrl("report", tmp_path)
    assert result.exit_code == 0, result.output
    text = (tmp_path / "report.html").read_text()
    page = Page(text)
    assert {study(name).title for name in STUDIES} <= set(page.cells)
    assert len(page.addresses) >= 8
    assert all(a.startswith("data:image/svg+xml;base64,") for a in page.addresses)
    assert "<script" not in text
    frame = pd.read_parquet(tmp_path / "vector/results.parquet")
    for error in frame["error"]:
        assert quartiles([error]) in page.cells
    again = lsrl("report", tmp_path, "-o", tmp_path / "again.html")
    assert again.exit_code == 0 and (tmp_path / "again.html").read_text() == text


def test_folders_with_spaces_have_anchors(tmp_path: Path) -> None:
    for name in ("a b", "a-b"):
        lsrl("precision", "-o", tmp_path / name, "-j", 1, "--repeats", 1, *TINY["precision"])
    assert lsrl("report", tmp_path).exit_code == 0
    assert Page((tmp_path / "report.html").read_text()).ids == ["a-b", "a-b-2"]
    assert anchors(['"<x>" & y', "ä.1"]) == ["-x-y", "ä.1"]


def test_a_report_is_in_the_order_of_the_sweep(tmp_path: Path) -> None:
    """Not in that of the rows; what the sweep names no longer comes last."""
    order = ["rnn", "lstm", "linear-rnn", "gru"]
    flags = ["dictionary", "-o", tmp_path, "-j", 1, "--data", "random", "--n", 2, "--pairs", 2]
    lsrl(*flags, "--repeats", 2, "--model", "rnn-tanh")
    lsrl(*flags, "--repeats", 1, "--model", ",".join(order))
    assert lsrl("report", tmp_path).exit_code == 0
    page = Page((tmp_path / "report.html").read_text())
    assert [c for c in page.cells if c in (*order, "rnn-tanh")] == [*order, "rnn-tanh"]


@pytest.mark.parametrize("name", ["noise", "precision", "length"])
def test_a_report_on_real_outputs_alone(tmp_path: Path, name: str) -> None:
    """There is no share of wrong ones then."""
    flags = ["--program", "exponential_smoothing", "--model", "rnn", "--steps", 12]
    lsrl(name, "-o", tmp_path, "-j", 1, "--repeats", 1, *flags)
    result = lsrl("report", tmp_path)
    assert result.exit_code == 0, result.output
    assert "rnn" in Page((tmp_path / "report.html").read_text()).cells


def test_going_on(tmp_path: Path) -> None:
    flags = ["vector", "-o", tmp_path / "v", "-j", 1, *TINY["vector"]]
    assert "2 rows of 2 cells\n" in lsrl(*flags, "--repeats", 1).output
    assert "4 rows of 4 cells, 2 of them were there already" in lsrl(*flags, "--repeats", 2).output


def test_flags_go_before_the_file(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text('cells = 2\nqueries = 3\nmodel = "rnn"\nrepeats = 2\n')
    lsrl("vector", "-o", tmp_path / "v", "-j", 1, "--sweep", path, "--repeats", 1)
    described = json.loads((tmp_path / "v/sweep.json").read_text())
    assert (described["repeats"], described["model"], described["cells"]) == (1, ["rnn"], [2])


@pytest.mark.parametrize(
    ("args", "status", "words"),
    [
        (["vectr"], 2, "did you mean `vector`?"),
        (["vector"], 2, "Missing option '--output'"),
        (["vector", "-o", "x", "--cells", "two"], 2, "is no list of integers"),
        (["vector", "-o", "x", "--cells", "0"], 2, "at least 1"),
        (["vector", "-o", "x", "--model", "lstn"], 2, "did you mean `lstm`?"),
        (["vector", "-o", "x", "--cells", "999999"], 2, "E053"),
        (["vector", "-o", "x", "--sweep", "none.toml"], 2, "E050"),
        (["vector", "-o", "x", "-j", "2", "--scheduler", "tcp://a:1"], 2, "leave it out"),
        (["noise", "-o", "x", "--trace", "maybe"], 2, "is no list of truth values"),
        (["finetune", "-o", "x", "--model", "mamba"], 2, "is not trained here"),
        (["report", "nowhere"], 2, "there is no folder"),
        (["report", "."], 2, "holds no results"),
    ],
)
def test_mistakes(
    args: list[str], status: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = lsrl(*args)
    assert (result.exit_code, words in result.output) == (status, True), result.output
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_in_which_nothing_can_be_measured(tmp_path: Path) -> None:
    """It is an error; one measured cell makes the refusals results."""
    flags = ["precision", "-o", tmp_path, "-j", 1, "--repeats", 1, "--steps", 8]
    flags += ["--model", "linear-rnn", "--program"]
    refused = lsrl(*flags, "automaton", "--dtype", "float32,float64")
    assert refused.exit_code == 1
    assert "error[E060]: nothing was measured: all cells (2) were refused" in refused.output
    mixed = lsrl(*flags, "automaton,majority", "--dtype", "float64")
    assert mixed.exit_code == 0 and "not measured, 2 times" in mixed.output
    assert lsrl(*flags, "automaton", "--dtype", "float64").exit_code == 1


@pytest.mark.parametrize("name", STUDIES)
def test_help_lists_the_values(name: str) -> None:
    text = " ".join(lsrl(name, "--help").output.split())
    for setting in study(name).settings:
        assert all(choice in text for choice in setting.choices), setting.name
        if setting.name == "function":
            assert "franke, ackley, file.py:name or file.csv" in text
        if setting.name == "model":
            assert "optimized, step_optimized" in text and "rescaled" in text
    assert name != "noise" or "Any of nonzero, all, relative." in text


def test_quantiles_of_wild_values() -> None:
    assert quantiles([0.0, 1.0, float("inf")]) == [0.0, 1.0, float("inf")]
    assert [number(v) for v in (None, float("nan"), 3, 1234567, 0.012345, "a", True)] == [
        "-", "-", "3", "1,234,567", "0.0123", "a", "True",
    ]  # fmt: skip


def test_the_lowest_panel_of_each_column_has_labels() -> None:
    rows = pd.DataFrame({"sigma": [0.0, 1e-3], "wrong": [0.0, 5.0]})
    canvas = Figure()
    strips({str(i): rows for i in range(6)}, "sigma", "wrong", "x", "y", log=False)(canvas)
    shown = [ax.xaxis.get_tick_params()["labelbottom"] for ax in canvas.axes]
    assert shown == [False, False, True, True, True, True]


def test_a_wider_sweep_keeps_what_it_does_not_measure_again(tmp_path: Path) -> None:
    flags = ["--program", "parity", "--model", "lstm", "--steps", "10", "-j", 1, "--repeats", 1]
    for sigma in ("0,1e-6", "0,1e-3"):
        result = lsrl("noise", *flags, "--sigma", sigma, "--protocol", "free", "-o", tmp_path)
        assert result.exit_code == 0, result.output
    kept = newest(read_rows(tmp_path), [s.name for s in study("noise").settings])
    assert [row["sigma"] for row in kept] == [1e-6, 0, 1e-3]
    assert lsrl("report", tmp_path).exit_code == 0
    assert "1 rows are left out" in (tmp_path / "report.html").read_text()


def test_rows_of_a_file_that_has_changed_are_left_out(tmp_path: Path) -> None:
    function, out = tmp_path / "mine.py", tmp_path / "out"
    flags = ["--function", f"{function}:f", "--cells", "3", "--queries", "3", "--d-in", "1"]
    for value in ("0.5", "2.5"):
        function.write_text(f"def f(x):\n    return 0 * x[:, :1] + {value}\n")
        result = lsrl("vector", *flags, "--model", "rnn", "-o", out, "-j", 1, "--repeats", 2)
        assert result.exit_code == 0, result.output
    rows = read_rows(out)
    kept = newest(rows, [s.name for s in study("vector").settings])
    assert (len(rows), len(kept)) == (4, 2)
    assert kept == rows[2:]
    assert lsrl("report", out).exit_code == 0
    text = (out / "report.html").read_text()
    assert "2 rows are left out: later ones measured the same settings again" in text
