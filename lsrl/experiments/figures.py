"""Figures with matplotlib."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .sections import Figure, quantiles

Draw = Callable[[Any], None]
COLUMNS = 4  # panels side by side
HIGHEST = 1e20  # infinite values are drawn there


def encoded(figure: Figure) -> str:
    """A figure as the address of an SVG image that is in the address itself. The same figure gives
    the same text."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure as Canvas

    with matplotlib.rc_context({"svg.hashsalt": "lsrl", "font.size": 8, "savefig.dpi": 100}):
        canvas = Canvas(figsize=figure.size, layout="constrained")
        figure.draw(canvas)
        out = io.BytesIO()
        canvas.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return "data:image/svg+xml;base64," + base64.b64encode(out.getvalue()).decode()


def strips(
    panels: Mapping[str, Any], x: str, y: str, x_label: str, y_label: str, *, log: bool
) -> Draw:
    """A panel each with a dot for every row and a line through the medians; x as categories,
    numbers in their order and words as they come."""

    def draw(canvas: Any) -> None:
        from pandas.api.types import is_numeric_dtype

        columns = min(COLUMNS, len(panels))
        axes = canvas.subplots(
            -(-len(panels) // columns), columns, sharex=True, sharey=True, squeeze=False
        )
        random = np.random.default_rng(0)
        for ax, (title, rows) in zip(axes.flat, panels.items(), strict=False):
            by_value = rows.groupby(x, sort=is_numeric_dtype(rows[x]))
            groups = [(v, g[y].dropna().clip(upper=HIGHEST)) for v, g in by_value]
            for k, (_, values) in enumerate(groups):
                at = k + random.uniform(-0.2, 0.2, len(values))
                ax.plot(at, values, ".", ms=2.5, alpha=0.5, color="C0")
            medians = [quantiles(v, [0.5])[0] if len(v) else np.nan for _, v in groups]
            ax.plot(range(len(groups)), medians, "_-", lw=0.8, ms=9, color="C3")
            ax.set_title(title, fontsize=7)
            ax.set_xticks(
                range(len(groups)),
                [v if isinstance(v, str) else f"{v:g}" for v, _ in groups],
                rotation=45,
            )
            if log:
                ax.set_yscale("log")
        for ax in list(axes.flat)[len(panels) :]:
            ax.remove()
        for ax in list(axes.flat)[max(0, len(panels) - columns) : len(panels)]:
            ax.tick_params(labelbottom=True)  # the lowest of each column
        canvas.supxlabel(x_label)
        canvas.supylabel(y_label)

    return draw


def lines(
    curves: Mapping[str, Any], x: str, y: str, x_label: str, y_label: str, *,
    log: str = "", dashed: str | None = None,
) -> Draw:  # fmt: skip
    """A line for each group of rows through the medians of y, from quartile to quartile shaded;
    `dashed` is a column whose largest values are drawn beside it. `log`: "x", "y" or both."""

    def draw(canvas: Any) -> None:
        ax = canvas.subplots()
        for k, (label, rows) in enumerate(curves.items()):
            groups = [(v, g[y].dropna()) for v, g in rows.groupby(x)]
            groups = [(v, g) for v, g in groups if len(g)]
            if not groups:
                continue
            at = [v for v, _ in groups]
            low, middle, high = zip(*(quantiles(g) for _, g in groups), strict=True)
            ax.plot(at, np.minimum(middle, HIGHEST), ".-", color=f"C{k % 10}", label=label)
            ax.fill_between(
                at, np.minimum(low, HIGHEST), np.minimum(high, HIGHEST), alpha=0.15, lw=0,
                color=f"C{k % 10}",
            )  # fmt: skip
            if dashed is not None:
                ax.plot(at, [rows[rows[x] == v][dashed].max() for v in at], "--", lw=0.8,
                        color=f"C{k % 10}")  # fmt: skip
        ax.set(xlabel=x_label, ylabel=y_label)
        if "x" in log:
            ax.set_xscale("log")
        if "y" in log:
            ax.set_yscale("symlog" if _has_zero(curves, y) else "log")
        ax.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))

    return draw


def _has_zero(curves: Mapping[str, Any], y: str) -> bool:
    return any((rows[y] == 0).any() for rows in curves.values())


def surfaces(pictures: Mapping[str, Any]) -> Draw:
    """Values on a square grid `[k, k]` by title, side by side in one scale; on a line `[k]`,
    drawn over each other."""

    def draw(canvas: Any) -> None:
        first = next(iter(pictures.values()))
        if first.ndim == 1:
            ax = canvas.subplots()
            at = (np.arange(len(first)) + 0.5) / len(first)
            for title, z in pictures.items():
                ax.plot(at, z, label=title)
            ax.set(xlabel="$x_1$", ylabel="$y_1$")
            ax.legend()
            return
        axes = canvas.subplots(1, len(pictures), squeeze=False)[0]
        low, high = min(z.min() for z in pictures.values()), max(z.max() for z in pictures.values())
        for ax, (title, z) in zip(axes, pictures.items(), strict=True):
            image = ax.imshow(
                z.T, origin="lower", extent=(0, 1, 0, 1), vmin=low, vmax=high, cmap="RdBu_r"
            )
            ax.set(xlabel="$x_1$", ylabel="$x_2$")
            ax.set_title(title, fontsize=7)
        canvas.colorbar(image, ax=list(axes), shrink=0.85)

    return draw
