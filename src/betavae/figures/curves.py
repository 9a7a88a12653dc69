"""Figures of a training: its terms against the images seen."""

from __future__ import annotations

from collections.abc import Mapping
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
            _value_axis(axes, array)
        return figure


def moves(values: Any) -> bool:
    """Say whether a series changes at all, apart from rounding."""
    array = numbers("beta", values, 1)
    return bool(np.ptp(array) > 1e-9 * max(1.0, np.abs(array).max()))


def _value_axis(axes: Axes, values: Floats) -> None:
    """Choose a logarithmic axis where a series falls or grows much, else one that starts at 0."""
    low, high = float(values.min()), float(values.max())
    if low > 0 and high > 4 * low and values[0] > 3 * values[-1]:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: count(value)))
        axes.set_ylim(low / 1.15, high * 1.15)
        return
    if low >= 0:
        axes.set_ylim(0, high * 1.08 or 1)
    if max(abs(low), abs(high)) >= 10_000:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: count(value)))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
