"""Tables of numbers as heat maps: which latent holds which factor, and scores over a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from betavae._system.errors import InputError
from betavae.figures.arrays import Floats, numbers, same_length
from betavae.figures.sheet import MAP
from betavae.figures.style import (
    COLUMN_WIDTH,
    LIGHT,
    Theme,
    drawing,
    latent_name,
    new_figure,
    one_line,
    plain,
)

MOST_WRITTEN = 24  # rows whose cells still have room for their numbers


def factor_table(
    table: Any,
    factor_names: Sequence[str],
    *,
    title: str,
    unit: str,
    labels: Sequence[str] | None = None,
    most: float | None = None,
    theme: Theme = LIGHT,
) -> Figure:
    """Draw a number for each latent and factor: mutual information, or DCI importances.

    Args:
        table: (M, K) numbers >= 0, a row a latent, a column a factor.
        factor_names: K names.
        title: what the numbers are.
        unit: what they are counted in, beside the colour bar.
        labels: M names of latents; z_0, z_1, ... if None.
        most: the value of the last colour; the largest number if None.
        theme: colours.

    Raises:
        InputError: when shapes do not fit, or a number is negative or not finite.

    >>> figure = factor_table(np.eye(2), ["scale", "posX"], title="Information", unit="nats")
    >>> [tick.get_text() for tick in figure.axes[0].get_xticklabels()]
    ['scale', 'posX']
    """
    values = numbers("table", table, 2)
    names = [latent_name(k) for k in range(len(values))] if labels is None else list(labels)
    same_length(labels=names, table=values)
    names = [one_line(name) for name in names]
    same_length(factor_names=factor_names, columns=values.T)
    if values.min() < 0:
        raise InputError(f"table must hold numbers >= 0, got {values.min():g}")
    written = len(values) <= MOST_WRITTEN
    height = 0.62 + max(len(values), 4) * (0.2 if written else 0.08)
    with drawing(theme):
        figure = new_figure(max(COLUMN_WIDTH, 1.1 + 0.56 * values.shape[1]), height)
        axes = figure.add_subplot()
        scale = Normalize(0, float(values.max() if most is None else most) or 1.0)
        picture = axes.imshow(values, cmap=MAP, norm=scale, aspect="auto")
        axes.set_xticks(range(len(factor_names)), [plain(name) for name in factor_names])
        axes.set_yticks(range(len(values)) if written else [], names if written else [])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_title(title)
        if written:
            _write_cells(axes, values, scale)
        bar = figure.colorbar(picture, ax=axes, aspect=24, pad=0.02)
        bar.outline.set_visible(False)
        bar.ax.tick_params(length=0, labelsize=6)
        bar.set_label(unit)
        return figure


def _write_cells(axes: Axes, values: Floats, scale: Normalize) -> None:
    """Write each number into its cell, in the ink that its colour leaves legible."""
    for (row, column), value in np.ndenumerate(values):
        _write(axes, (column, row), value, scale)


def _write(
    axes: Axes, place: tuple[float, float], value: float, scale: Normalize, *, bold: bool = False
) -> None:
    red, green, blue, _ = colormaps[MAP](scale(value))
    light = 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.45
    axes.text(
        *place, f"{value:.2f}", ha="center", va="center", fontsize=6,
        weight="bold" if bold else "normal", color="#1b1f24" if light else "#ffffff",
    )  # fmt: skip


def size_and_beta(
    beta_norm: Any,
    latents: Any,
    scores: Any,
    *,
    pixels: int | None = None,
    title: str = "Disentanglement score",
    theme: Theme = LIGHT,
) -> Figure:
    """Draw the score over beta_norm and the number of latents (Fig. 5, right).

    Each size is a row of cells that reach half way, in the logarithm, to the next beta_norm
    tried at that size: the sweep need not be a grid. A dot marks the best of each row, a dashed
    line where beta itself is 1. Runs of the same size and beta_norm are averaged.

    Args:
        beta_norm: (n,) beta * M / N of each run, > 0.
        latents: (n,) its number of latents, M.
        scores: (n,) its score, in [0, 1].
        pixels: numbers in an image, N; needed for the line of beta = 1.
        title: what the score is.
        theme: colours.

    Raises:
        InputError: when lengths differ, or a number is out of range.

    Source: Higgins et al. 2017, Fig. 5 (right), Section 4.2.

    >>> figure = size_and_beta([0.001, 0.01, 0.001], [10, 10, 32], [0.8, 0.99, 0.7])
    >>> [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    ['10', '32']
    """
    betas, sizes = numbers("beta_norm", beta_norm, 1), numbers("latents", latents, 1)
    values = numbers("scores", scores, 1)
    same_length(beta_norm=betas, latents=sizes, scores=values)
    cells = len(set(zip(betas, sizes, strict=True)))
    if betas.min() <= 0 or sizes.min() < 1:
        raise InputError(
            "beta_norm must be > 0 and latents >= 1, "
            f"got {betas.min():g} and {sizes.min():g} at least"
        )
    if values.min() < 0 or values.max() > 1:
        raise InputError(f"scores must be in [0, 1], got {values.min():g} to {values.max():g}")
    rows = np.unique(sizes)
    low = min(0.9, float(values.min()))
    scale = Normalize(np.floor(low * 20) / 20, 1.0)
    with drawing(theme):
        figure = new_figure(COLUMN_WIDTH + 0.5, 1.05 + 0.26 * max(len(rows), 4))
        axes = figure.add_subplot()
        for row, size in enumerate(rows):
            here = sizes == size
            steps, place = np.unique(betas[here], return_inverse=True)
            means = np.bincount(place, weights=values[here]) / np.bincount(place)
            picture = axes.pcolormesh(
                _edges(steps, betas), [row - 0.5, row + 0.5], means[None], cmap=MAP, norm=scale
            )
            best = int(means.argmax())
            if cells <= MOST_WRITTEN:
                for step, mean in zip(steps, means, strict=True):
                    _write(axes, (step, row), mean, scale, bold=step == steps[best])
            else:
                axes.plot(steps[best], row, "o", ms=3.5, mfc=theme.paper, mec=theme.ink, mew=0.6)
        if pixels is not None:
            _unit_beta(axes, rows / pixels, theme)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(numticks=6))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_yticks(range(len(rows)), [f"{size:g}" for size in rows])
        axes.tick_params(axis="y", length=0)
        axes.spines[:].set_visible(False)
        mark = "in bold" if cells <= MOST_WRITTEN else r"$\circ$"
        axes.set_xlabel(rf"normalised $\beta$, $\beta M / N$ ({mark} the best of each row)")
        axes.set_ylabel("latents, M")
        axes.set_title(title, pad=6 if pixels is None else 15)  # room for the line's name
        bar = figure.colorbar(picture, ax=axes, aspect=24, pad=0.02)
        bar.outline.set_visible(False)
        bar.ax.tick_params(length=0, labelsize=6)
        return figure


def _edges(steps: Floats, betas: Floats) -> Floats:
    """Return where cells begin and end: half way, in the logarithm, between the steps."""
    logs = np.log(steps)
    if len(logs) == 1:
        spread = np.unique(np.log(betas))
        half = float(np.diff(spread).min()) / 2 if len(spread) > 1 else 0.5
        return np.exp([logs[0] - half, logs[0] + half])
    middles = (logs[1:] + logs[:-1]) / 2
    ends = [2 * logs[0] - middles[0], *middles, 2 * logs[-1] - middles[-1]]
    return np.asarray(np.exp(ends), np.float64)


def _unit_beta(axes: Axes, places: Floats, theme: Theme) -> None:
    """Draw where beta = 1: beta_norm = M / N, another place in every row."""
    rows = np.arange(len(places))
    line = np.stack([rows - 0.5, rows + 0.5], axis=1).ravel()
    axes.plot(np.repeat(places, 2), line, color=theme.paper, linewidth=2.2)
    axes.plot(np.repeat(places, 2), line, color=theme.ink, linewidth=1, linestyle=(0, (3, 2)))
    axes.annotate(
        r"$\beta = 1$",
        (places[-1], len(places) - 0.5),
        xytext=(0, 2),
        textcoords="offset points",
        ha="center",
        fontsize=6.5,
        color=theme.ink,
        annotation_clip=False,
    )
