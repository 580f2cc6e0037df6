"""The tables of docs/experiments.md and docs/noise.md, from the sweeps of the noise study.

`python benchmarks/noise_tables.py [--write] FOLDER ...`: the folders are those that the commands of
docs/noise.md fill. Prints all tables in Markdown; `--write` puts them into the two pages instead,
between their marks.
"""

from __future__ import annotations

import argparse
import re
import tomllib
from pathlib import Path
from typing import Any

import pandas as pd

from lsrl.experiments.sections import quantiles

ROOT = Path(__file__).parents[1]
DOCS, SWEEP = ROOT / "docs", ROOT / "experiments/paper/noise.toml"
KINDS = {"nonzero": "Noise on non-zeros", "all": "Noise on all", "relative": "Relative noise"}
PROGRAMS = {"dictionary": "wrong", "vector": "error"}  # and what is measured of each
TITLES = {
    "dictionary": "## Dictionary, % of output tokens wrong",
    "vector": "## Vector, mean distance to the target",
}
FLOAT32_ONLY = ("mamba", "hawk")
RISE = 1.2  # of the error without noise, from which the vector program counts as broken


def shown(value: float, program: str) -> str:
    """Per cent, or a distance with three digits at most."""
    if value == float("inf"):
        return "∞"
    if program == "dictionary" or value == 0:
        return f"{value:.0f}"
    if value >= 1000:
        digits, exponent = f"{value:.1e}".split("e")
        return f"{digits}e{int(exponent)}"
    if value >= 1:
        return f"{value:.0f}" if value >= 10 else f"{value:.3g}"
    return f"{value:.3f}".rstrip("0").lstrip("0")


def power(sigma: float | None) -> str:
    """A noise as the pages write it; None: no noise that was tried."""
    return "-" if sigma is None else "0" if sigma == 0 else f"{sigma:.0e}".replace("e-0", "e-")


def selected(rows: Any, model: str, program: str, protocol: str, kind: str) -> Any:
    """The rows of a table's line by sigma."""
    match = rows.program.eq(program) & rows.model.eq(model)
    return rows[match & rows.protocol.eq(protocol) & rows.noise.eq(kind)].groupby("sigma")


def breaks(rows: Any, model: str, program: str, protocol: str, kind: str) -> float | None:
    """The least noise at which the median passes 1 % wrong, or 1.2 times the error without."""
    cells = selected(rows, model, program, protocol, kind)[PROGRAMS[program]]
    medians = {float(sigma): quantiles(cell, [0.5])[0] for sigma, cell in cells}
    most = 1.0 if program == "dictionary" else RISE * medians[0.0]
    return min((sigma for sigma, median in medians.items() if not median <= most), default=None)


def models_of(rows: Any) -> list[str]:
    """Models in the order of the paper's sweep, its own variants last."""
    listed = [*tomllib.loads(SWEEP.read_text())["model"], *FLOAT32_ONLY]
    found = [m for m in listed if m in set(rows.model)]
    return sorted(found, key=lambda m: "+paper" in m)


def headline(rows: Any, kind: str) -> str:
    """The least noise that breaks each model, for each program and protocol."""
    columns = [(program, protocol) for program in PROGRAMS for protocol in ("reset", "free")]
    lines = [f"| model | {' | '.join(', '.join(c) for c in columns)} |", "| --- " * 5 + "|"]
    for model in models_of(rows):
        cells = [power(breaks(rows, model, *column, kind)) for column in columns]
        lines.append(f"| `{model}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def table(rows: Any, program: str, protocol: str, kind: str) -> str:
    """First quartile / median / third quartile of each model by sigma."""
    sigmas = sorted(rows.sigma.unique())
    lines = [f"| model | {' | '.join(map(power, sigmas))} |", "| --- " * (len(sigmas) + 1) + "|"]
    for model in models_of(rows):
        cells = [
            "/".join(shown(v, program) for v in quantiles(cell[PROGRAMS[program]]))
            for _, cell in selected(rows, model, program, protocol, kind)
        ]
        lines.append(f"| `{model}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def everything(rows: Any) -> str:
    """All tables, with their headings."""
    parts = []
    for program, title in TITLES.items():
        parts.append(title)
        for kind, name in KINDS.items():
            for protocol in ("reset", "free"):
                parts += [f"### {name}, {protocol}", table(rows, program, protocol, kind)]
    return "\n\n".join(parts)


def in_float32(rows: Any) -> str:
    """Those that run freely, of models that are elsewhere in float64."""
    parts = []
    for program in PROGRAMS:
        for kind in ("nonzero", "relative"):
            name = KINDS[kind][0].lower() + KINDS[kind][1:]
            parts += [f"{program.title()}, free, {name}:", table(rows, program, "free", kind)]
    return "\n\n".join(parts)


def put(page: Path, mark: str, text: str) -> None:
    """Replace what stands in a page between `<!-- MARK -->` and `<!-- end -->`."""
    start = f"<!-- {mark} -->"
    pattern = re.compile(f"{re.escape(start)}\n.*?\n<!-- end -->", re.DOTALL)
    before = page.read_text()
    if not pattern.search(before):
        raise SystemExit(f"{page} has no marks {start} ... <!-- end -->")
    page.write_text(pattern.sub(lambda _: f"{start}\n{text}\n<!-- end -->", before))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the tables into the pages")
    parser.add_argument("folders", nargs="+", type=Path)
    options = parser.parse_args()
    found = [pd.read_parquet(folder / "results.parquet") for folder in options.folders]
    rows = pd.concat(found, ignore_index=True)
    rows = rows[rows.sigma.notna()]  # without what was refused
    usual = rows.dtype.eq("float32") == rows.model.isin(FLOAT32_ONLY)
    rows, others = rows[usual], rows[~usual]
    texts = {
        **{("experiments", f"{kind} headline"): headline(rows, kind) for kind in KINDS},
        **{
            ("experiments", f"{program} {protocol}"): table(rows, program, protocol, "nonzero")
            for program in PROGRAMS
            for protocol in ("reset", "free")
        },
        ("noise", "tables"): everything(rows),
        ("noise", "float32"): in_float32(others),
    }
    for (page, mark), text in texts.items():
        if options.write:
            put(DOCS / f"{page}.md", mark, text)
        else:
            print(f"{mark}\n\n{text}\n")


if __name__ == "__main__":
    main()
