"""Figures of a training: its terms against the images seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from betavae.figures.arrays import Floats, numbers, same_length
from betavae.figures.style import (
    COLUMN_WIDTH,
    LIGHT,
    PAGE_WIDTH,
    Theme,
    count,
    drawing,
    images_axis,
    new_figure,
    plain,
)

NATS = "nats per image"
DASHES = ("-", "--", "-.", ":")
SETTLED = 0.05  # share of the run whose values do not stretch the axis


def training_curves(
    images: Any,
    *,
    distortion: Any,
    rate: Any,
    loss: Any,
    beta: Any = None,
    theme: Theme = LIGHT,
) -> Figure:
    """Draw distortion, rate and loss against the images seen; beta too when it moves.

    Args:
        images: (T,) images seen at each record.
        distortion: (T,) nats per image.
        rate: (T,) nats per image.
        loss: (T,) nats per image.
        beta: (T,) weight of the rate, or None.
        theme: colours.

    Raises:
        InputError: when an array is empty, not finite, or of another length than `images`.

    >>> t = np.arange(1, 50)
    >>> len(training_curves(t, distortion=500 / t, rate=t / 5, loss=500 / t + t).axes)
    3
    """
    panels = {"Distortion": distortion, "Rate": rate, "Loss": loss}
    if beta is not None and moves(beta):
        panels["β"] = beta
    return panel_row(images, panels, theme=theme)


def panel_row(
    images: Any,
    series: Mapping[str, Any],
    *,
    size: tuple[float, float] | None = None,
    theme: Theme = LIGHT,
) -> Figure:
    """Draw each named series (T,) in a panel of its own, side by side.

    Args:
        images: (T,) images seen at each record.
        series: a name and (T,) values a panel.
        size: width and height in inches; the page's width, or a column's for one panel, if None.
        theme: colours.

    Raises:
        InputError: when an array is empty, not finite, or of another length than `images`.
    """
    seen = numbers("images", images, 1)
    values = {name: numbers(name, array, 1) for name, array in series.items()}
    for name, array in values.items():
        same_length(images=seen, **{name: array})
    with drawing(theme):
        column = (COLUMN_WIDTH, 1.95)
        figure = new_figure(*(size or (column if len(values) == 1 else (PAGE_WIDTH, 1.75))))
        for place, (name, array) in enumerate(values.items()):
            axes = figure.add_subplot(1, len(values), place + 1)
            axes.plot(seen, array, color=theme.accent, marker="o" if len(seen) == 1 else None)
            axes.set_title(plain(name))
            if place == 0 and name != "β":
                axes.set_ylabel(NATS)
            axes.grid(axis="y")
            images_axis(axes, seen.max())
            value_axis(axes, [after_start(seen, array)])
        return figure


def moves(values: Any) -> bool:
    """Say whether a series changes at all, apart from rounding."""
    array = numbers("beta", values, 1)
    return bool(np.ptp(array) > 1e-9 * max(1.0, np.abs(array).max()))


def after_start(images: Floats, values: Floats) -> Floats:
    """Return the values after the first twentieth of a run, whose start would flatten the rest.

    >>> after_start(np.array([1.0, 50.0, 100.0]), np.array([900.0, 9.0, 8.0])).tolist()
    [9.0, 8.0]
    """
    kept: Floats = values[images >= SETTLED * images[-1]]
    return kept


def value_axis(axes: Axes, lines: Sequence[Floats]) -> None:
    """Fit the vertical axis to lines; logarithmic where they fall much, else from 0 if near it."""
    low, high = min(float(line.min()) for line in lines), max(map(_top, lines))
    shown = FuncFormatter(lambda value, _: count(round(value, 9)))
    if low > 0 and high > 4 * low and any(line[0] > 3 * line[-1] for line in lines):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(shown)
        axes.set_ylim(low / 1.15, high * 1.15)
        return
    room = 0.08 * (high - low or abs(high) or 1.0)
    axes.set_ylim(0 if 0 <= low < high / 2 else low - room, high + room)
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(shown)


def _top(line: Floats) -> float:
    """Return the largest value, or of a line with a short spike, the largest of its other 98 %."""
    most = float(np.quantile(line, 0.98))
    largest = float(line.max())
    return most if largest > 2 * most > 0 else largest
