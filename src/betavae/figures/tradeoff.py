"""Figures of distortion against rate, and of the price between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from betavae.figures.arrays import numbers, same_length
from betavae.figures.curves import NATS
from betavae.figures.style import LIGHT, PAGE_WIDTH, Theme, drawing, images_axis, new_figure, plain


def term_curves(
    models: Mapping[str, Mapping[str, Any]],
    *,
    size: tuple[float, float] = (PAGE_WIDTH, 2.4),
    theme: Theme = LIGHT,
) -> Figure:
    """Draw distortion and rate of several models against the images seen, a line a model.

    Args:
        models: by name, ``images``, ``distortion`` and ``rate``, each (T,).
        size: width and height in inches.
        theme: colours.

    Raises:
        InputError: when an array is empty, not finite, or the lengths differ.

    >>> curves = {"a": {"images": [1, 2], "distortion": [9, 8], "rate": [1, 2]}}
    >>> len(term_curves(curves).axes)
    2
    """
    with drawing(theme):
        figure = new_figure(*size)
        left, right = figure.subplots(1, 2)
        last = 0.0
        dashes = ("-", "--", "-.", ":")  # told apart without colour, too
        for place, (name, series) in enumerate(models.items()):
            seen = numbers("images", series["images"], 1)
            last = max(last, float(seen.max()))
            for axes, term in ((left, "distortion"), (right, "rate")):
                values = numbers(term, series[term], 1)
                same_length(images=seen, **{term: values})
                colour = theme.shades(len(models))[place]
                style = dashes[place % len(dashes)]
                axes.plot(seen, values, style, color=colour, linewidth=1.1, label=plain(name))
        left.set_yscale("log")
        left.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        left.yaxis.set_minor_locator(NullLocator())
        left.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        left.set_ylabel(NATS)
        for axes, title in ((left, "Distortion"), (right, "Rate")):
            axes.set_title(title)
            axes.grid(axis="y")
            images_axis(axes, last)
        right.set_ylim(bottom=0)
        figure.legend(
            *right.get_legend_handles_labels(),
            loc="outside right center", frameon=False, fontsize=7,
        )  # fmt: skip
        return figure


def rate_distortion(
    curves: Mapping[str, Sequence[Any]],
    *,
    size: tuple[float, float] | None = None,
    theme: Theme = LIGHT,
) -> Figure:
    """Draw distortion against rate, a panel a decoder, every point marked with its beta.

    Args:
        curves: by title, (rate, distortion, beta), each (K,).
        size: width and height in inches; as wide as the page if None.
        theme: colours.

    Raises:
        InputError: when an array is empty, not finite, or the lengths differ.

    >>> figure = rate_distortion({"Bernoulli": ([9, 5, 2], [20, 30, 60], [1, 4, 16])})
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['1', '4', '16']
    """
    with drawing(theme):
        figure = new_figure(*(size or (PAGE_WIDTH, 2.7)))
        panels = np.atleast_1d(figure.subplots(1, len(curves)))
        for axes, (title, (rate, distortion, beta)) in zip(panels, curves.items(), strict=True):
            x, y = numbers("rate", rate, 1), numbers("distortion", distortion, 1)
            weights = numbers("beta", beta, 1)
            same_length(rate=x, distortion=y, beta=weights)
            axes.plot(x, y, "-o", color=theme.accent, markersize=3, linewidth=1.0)
            for place, weight in enumerate(weights):
                axes.annotate(
                    f"{weight:.3g}",
                    (x[place], y[place]),
                    xytext=(4, 3),
                    textcoords="offset points",
                    fontsize=6.5,
                    color=theme.muted,
                )
            axes.set_title(plain(title))
            axes.set_xlabel(f"rate, {NATS}")
            axes.set_xlim(left=0, right=float(x.max()) * 1.12 + 1e-9)
            axes.grid()
            axes.yaxis.set_major_locator(MaxNLocator(5))
        panels[0].set_ylabel(f"distortion, {NATS}")
        return figure


def duality(
    runs: Mapping[str, Any],
    secants: Sequence[Mapping[str, Any]],
    *,
    size: tuple[float, float] = (PAGE_WIDTH, 2.5),
    theme: Theme = LIGHT,
) -> Figure:
    """Draw G(epsilon) as runs found it, and the slopes of its secants with their multipliers.

    Args:
        runs: ``rate``, ``gain`` and ``multiplier`` of each run, (K,): nats per image at which it
            ended, G (minus the distortion), and the multiplier that it found.
        secants: of each pair of neighbours its two ``rates``, its ``slope`` and the slope's
            standard ``error``.
        size: width and height in inches.
        theme: colours.

    Raises:
        InputError: when an array is empty, not finite, or the lengths differ.

    >>> runs = {"rate": [1, 2], "gain": [-9, -7], "multiplier": [3, 1]}
    >>> len(duality(runs, [{"rates": [1, 2], "slope": 2, "error": 0.1}]).axes)
    2
    """
    x = numbers("rate", runs["rate"], 1)
    points = {name: numbers(name, runs[name], 1) for name in ("gain", "multiplier")}
    same_length(rate=x, **points)
    order = x.argsort()
    with drawing(theme):
        figure = new_figure(*size)
        left, right = figure.subplots(1, 2)
        left.plot(x[order], points["gain"][order], color=theme.accent, label="secants")
        left.plot(x, points["gain"], "o", color=theme.ink, markersize=4, label="runs")
        left.set_title("G(ε), as the runs found it")
        left.set_ylabel(f"−distortion, {NATS}")
        for index, line in enumerate(secants):
            ends = numbers("rates of a secant", line["rates"], 1)
            slope, error = float(line["slope"]), float(line["error"])
            label = "slope of a secant, ± 2 errors" if index == 0 else None
            right.plot(ends, [slope, slope], color=theme.accent, label=label)
            right.errorbar(ends.mean(), slope, 2 * error, color=theme.accent, capsize=2)
        right.plot(
            x, points["multiplier"], "o", color=theme.ink, markersize=4, label="multiplier β"
        )
        right.set_title("Slopes, and the multipliers")
        right.set_ylabel("nats per nat")
        for axes in (left, right):
            axes.set_xlabel(f"rate ε, {NATS}")
            axes.grid()
            axes.legend(frameon=False, fontsize=7)
        return figure
