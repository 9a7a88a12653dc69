"""One quantity of several runs on shared axes: a line a setting, its seeds as a band."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from betavae._system.errors import InputError
from betavae.figures.arrays import Floats, numbers, same_length
from betavae.figures.curves import DASHES, NATS, after_start, value_axis
from betavae.figures.lines import MARKERS
from betavae.figures.style import (
    COLUMN_WIDTH,
    LIGHT,
    PAGE_WIDTH,
    Theme,
    drawing,
    images_axis,
    new_figure,
    plain,
)

POINTS = 200  # at which lines of several lengths are read


def runs_on_shared_axes(
    title: str,
    runs: Mapping[str, Sequence[tuple[Any, Any]]],
    *,
    unit: str = NATS,
    size: tuple[float, float] = (COLUMN_WIDTH + 0.55, 2.2),
    theme: Theme = LIGHT,
) -> Figure:
    """Draw a quantity against the images seen, a line a setting.

    Several seeds of one setting are their mean and a band from the lowest to the highest. The
    axis shows what comes after the first twentieth of the training, so that its start does not
    flatten the rest.

    Args:
        title: what is drawn.
        runs: by setting, (images, values) of each seed, (T,) both.
        unit: beside the axis.
        size: width and height in inches.
        theme: colours.

    Raises:
        InputError: when there is no run, or an array is empty, not finite or of another length.

    >>> seeds = [([1, 2, 3], [9, 5, 4]), ([1, 2, 3], [8, 6, 4])]
    >>> figure = runs_on_shared_axes("Distortion", {"beta 4": seeds, "beta 1": seeds[:1]})
    >>> len(figure.axes[0].lines), len(figure.axes[0].collections)
    (2, 1)
    """
    with drawing(theme):
        figure = new_figure(*size)
        _panel(figure.add_subplot(), title, runs, unit, theme)
        return figure


def panels_on_shared_axes(
    panels: Mapping[str, Mapping[str, Sequence[tuple[Any, Any]]]], *, theme: Theme = LIGHT
) -> Figure:
    """Draw several quantities side by side, each as `runs_on_shared_axes` does.

    Args:
        panels: by title, what that takes.
        theme: colours.

    Raises:
        InputError: when there is no panel, and as `runs_on_shared_axes`.

    >>> lines = {"beta 4": [([1, 2], [9, 5])], "beta 1": [([1, 2], [8, 6])]}
    >>> len(panels_on_shared_axes({"Distortion": lines, "Rate": lines}).axes)
    2
    """
    if not panels:
        raise InputError("panels must name at least one quantity, got none")
    with drawing(theme):
        figure = new_figure(PAGE_WIDTH, 2.2)
        for place, (title, runs) in enumerate(panels.items()):
            axes = figure.add_subplot(1, len(panels), place + 1)
            _panel(axes, title, runs, NATS if place == 0 else "", theme, legend=place == 0)
        return figure


def _panel(
    axes: Axes,
    title: str,
    runs: Mapping[str, Sequence[tuple[Any, Any]]],
    unit: str,
    theme: Theme,
    *,
    legend: bool = True,
) -> None:
    if not runs:
        raise InputError("runs must name at least one setting, got none")
    last, settled = 0.0, []
    for place, (name, seeds) in enumerate(runs.items()):
        images, values = _together(seeds)
        middle = values.mean(axis=0)
        colour = theme.shades(len(runs))[place]
        axes.plot(
            images, middle, DASHES[place % len(DASHES)], color=colour, linewidth=1.2,
            marker=MARKERS[place % len(MARKERS)], markersize=3.2,
            markevery=(place * 7 % 20, max(1, len(images) // 6)),
            label=plain(name) + ("" if len(seeds) == 1 else f" ({len(seeds)} seeds)"),
        )  # fmt: skip
        if len(seeds) > 1:
            axes.fill_between(
                images, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.2,
                linewidth=0,
            )  # fmt: skip
        last = max(last, float(images[-1]))
        settled += [after_start(images, line) for line in values]
    images_axis(axes, last)
    value_axis(axes, settled)
    axes.set_title(plain(title))
    if unit:
        axes.set_ylabel(unit)
    axes.grid(axis="y")
    if legend and (len(runs) > 1 or any(len(seeds) > 1 for seeds in runs.values())):
        axes.legend(frameon=False, fontsize=6, handlelength=3)


def _together(seeds: Sequence[tuple[Any, Any]]) -> tuple[Floats, Floats]:
    """Return the images (T,) and the values (S, T) of seeds, read at the same places."""
    lines = [(numbers("images", seen, 1), numbers("values", line, 1)) for seen, line in seeds]
    for seen, line in lines:
        same_length(images=seen, values=line)
    if len(lines) == 1:
        return lines[0][0], lines[0][1][None]
    first, last = max(seen[0] for seen, _ in lines), min(seen[-1] for seen, _ in lines)
    images = np.linspace(first, last, POINTS) if last > first else np.array([first])
    return images, np.stack([np.interp(images, seen, line) for seen, line in lines])
