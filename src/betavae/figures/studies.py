"""Figures of the studies: the paper's table, scores against L, and the beta x latents sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from betavae._system.errors import InputError
from betavae.figures.arrays import mosaic, numbers, pictures, same_length
from betavae.figures.style import COLUMN_WIDTH, LIGHT, PAGE_WIDTH, Theme, drawing, new_figure, plain

PERCENT = "disentanglement score, %"


def table_of_scores(
    names: Sequence[str],
    scores: Sequence[Sequence[float]],
    ours: Any,
    paper: Any,
    *,
    note: str = "",
    theme: Theme = LIGHT,
) -> Figure:
    """Draw each method's scores as dots, our figure as a bar, and the paper's as a line.

    Args:
        names: (R,) the methods, the first on top.
        scores: (R,) every score in percent.
        ours: (R,) our figure in percent.
        paper: (R, 2) the paper's figure and deviation in percent.
        note: a line below, for what was scaled down.
        theme: colours.

    Raises:
        InputError: when lengths differ.

    Source: Higgins et al. 2017, Fig. 5 (left).

    >>> figure = table_of_scores(["PCA"], [[84.0, 85.0]], [84.5], [[84.9, 0.4]])
    >>> len(figure.axes)
    1
    """
    found, stated = numbers("ours", ours, 1), numbers("paper", paper, 2)
    same_length(names=names, scores=scores, ours=found, paper=stated)
    with drawing(theme):
        figure = new_figure(PAGE_WIDTH, 0.27 * len(names) + 0.75)
        axes = figure.add_subplot()
        places = np.arange(len(names))
        axes.barh(places, found, height=0.62, color=theme.accent, alpha=0.28, label="ours")
        for place, values in enumerate(scores):
            spread = place + np.linspace(-0.2, 0.2, len(values)) if len(values) > 1 else [place]
            label = "every score" if place == 0 else None
            axes.plot(values, spread, ".", color=theme.accent, markersize=2.5, label=label)
        axes.errorbar(
            stated[:, 0],
            places,
            xerr=stated[:, 1],
            fmt="|",
            markersize=15,
            markeredgewidth=1.6,
            color=theme.ink,
            elinewidth=0.8,
            label="paper",
        )
        axes.set_yticks(places, [plain(name) for name in names])
        axes.tick_params(axis="y", length=0)
        axes.invert_yaxis()
        axes.set_xlim(0, 101.5)
        axes.set_xlabel(PERCENT + (f"\n{note}" if note else ""))
        axes.grid(axis="x")
        figure.legend(loc="outside upper left", ncols=3, frameon=False)
        return figure


def pairs_panels(
    curves: Mapping[str, Mapping[int, Sequence[float]]],
    paper: Mapping[str, float],
    *,
    stated: int = 20,
    theme: Theme = LIGHT,
) -> Figure:
    """Draw each method's score against L, the pairs averaged into one point, and the paper's.

    Args:
        curves: for each method, L -> scores in percent; lines go through their means.
        paper: the paper's figure in percent, a dashed line in each panel.
        stated: the L of the table, marked.
        theme: colours.

    Raises:
        InputError: when there is nothing to draw.

    >>> len(pairs_panels({"PCA": {1: [40.0], 20: [85.0]}}, {"PCA": 84.9}).axes)
    1
    """
    if not curves:
        raise InputError("curves must hold at least one method, got none")
    across = min(3, len(curves))
    down = -(-len(curves) // across)
    with drawing(theme):
        figure = new_figure(PAGE_WIDTH, 1.25 * down + 0.3)
        for index, (name, curve) in enumerate(curves.items()):
            axes = figure.add_subplot(down, across, index + 1)
            pairs = sorted(curve)
            axes.axhline(paper[name], color=theme.muted, linewidth=0.8, linestyle=(0, (4, 3)))
            axes.axvline(stated, color=theme.rule, linewidth=0.8)
            axes.plot(pairs, [np.mean(curve[k]) for k in pairs], color=theme.accent)
            for k in pairs:
                axes.plot([k] * len(curve[k]), curve[k], ".", color=theme.accent, markersize=3)
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(FixedLocator(pairs))
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.set_ylim(20, 102)
            axes.set_yticks([25, 50, 75, 100])
            axes.grid(axis="y")
            axes.set_title(plain(name))
            if index >= len(curves) - across:
                axes.set_xlabel("pairs a point, L")
            if index % across == 0:
                axes.set_ylabel("score, %")
        return figure


def sweep_curves(betas: Any, latents: Any, scores: Any, *, theme: Theme = LIGHT) -> Figure:
    """Draw score against normalised beta, a line for each number of latents.

    Args:
        betas: (B,) beta_norm, rising.
        latents: (M,) numbers of latents.
        scores: (M, B) in percent; NaN where there is none.
        theme: colours.

    Source: Higgins et al. 2017, Fig. 5 (right), the inverted U.
    """
    columns, lines = numbers("betas", betas, 1), numbers("latents", latents, 1)
    with drawing(theme):
        figure = new_figure(COLUMN_WIDTH, 2.1)
        axes = figure.add_subplot()
        for value, row, colour in zip(
            lines, np.asarray(scores, np.float64), theme.shades(len(lines)), strict=True
        ):
            axes.plot(columns, row, color=colour, marker=".", label=f"M = {value:g}")
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticks(columns, [f"{value:g}" for value in columns])
        axes.set_xlabel("normalised beta, βM/N")
        axes.set_ylabel(PERCENT)
        axes.grid(axis="y")
        figure.legend(loc="outside upper left", ncols=3, frameon=False, fontsize=6)
        return figure


def labelled_rows(images: Any, labels: Sequence[str], *, theme: Theme = LIGHT) -> Figure:
    """Draw rows of images, each with a label on its left.

    Args:
        images: (R, n, C, H, W) in [0, 1].
        labels: (R,) a few words a row; lines are kept.
        theme: colours.

    Raises:
        InputError: when shapes do not fit.
    """
    shown = pictures("images", images, 5)
    same_length(images=shown, labels=labels)
    with drawing(theme):
        side = (PAGE_WIDTH - 1.3) / shown.shape[1]
        figure = new_figure(PAGE_WIDTH, side * shown.shape[0] + 0.1)
        axes = figure.add_subplot()
        sheet = mosaic(shown, fill=theme.paper)
        axes.imshow(sheet)
        height = sheet.shape[0] / len(labels)
        axes.set_yticks([(k + 0.5) * height for k in range(len(labels))], labels)
        axes.set_xticks([])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        return figure


def sheets_side_by_side(
    sheets: Sequence[Any], titles: Sequence[str], *, theme: Theme = LIGHT
) -> Figure:
    """Draw traversals of several models beside each other, up to three across.

    Args:
        sheets: for each model (L, T, C, H, W) in [0, 1]: its latents, their values.
        titles: what stands above each.
        theme: colours.

    Raises:
        InputError: when lengths differ or there are none.
    """
    same_length(sheets=sheets, titles=titles)
    if not sheets:
        raise InputError("sheets must hold at least one model, got none")
    across = min(3, len(sheets))
    down = -(-len(sheets) // across)
    laid = [mosaic(pictures("sheets", sheet, 5), fill=theme.paper) for sheet in sheets]
    ratio = max(sheet.shape[0] / sheet.shape[1] for sheet in laid)
    with drawing(theme):
        figure = new_figure(PAGE_WIDTH, down * (PAGE_WIDTH / across * ratio + 0.4))
        for index, (sheet, title) in enumerate(zip(laid, titles, strict=True)):
            axes = figure.add_subplot(down, across, index + 1)
            axes.imshow(sheet)
            axes.set_axis_off()
            axes.set_anchor("N")
            axes.set_title("\n".join(map(plain, title.splitlines())), fontsize=6.5)
        return figure
