"""Figures of the rate of each latent: now, and through training."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from betavae._system.errors import InputError
from betavae.figures.arrays import by_rate, numbers, same_length
from betavae.figures.curves import DASHES, NATS, after_start
from betavae.figures.style import (
    COLUMN_WIDTH,
    LIGHT,
    PAGE_WIDTH,
    Theme,
    drawing,
    images_axis,
    latent_name,
    new_figure,
    one_line,
)

_LABELS = 10  # lines that are named; more names than that would touch


def rate_through_training(
    images: Any,
    rates: Any,
    *,
    threshold: float | None = None,
    labels: Sequence[str] | None = None,
    size: tuple[float, float] = (PAGE_WIDTH, 2.4),
    theme: Theme = LIGHT,
) -> Figure:
    """Draw the rate of each latent against the images seen, one line a latent.

    Lines are shaded, dashed and labelled in the order of their last rate; latents that end below
    `threshold` are drawn thin and share one label. The axis shows what comes after the first
    twentieth of the training.

    Args:
        images: (T,) images seen at each record.
        rates: (T, M) nats per image.
        threshold: rate below which a latent counts as inactive, or None.
        labels: M names of latents; z_0, z_1, ... if None.
        size: width and height in inches.
        theme: colours.

    Raises:
        InputError: when an array is empty, not finite, or the lengths differ.
    """
    seen, lines = numbers("images", images, 1), numbers("rates", rates, 2)
    same_length(images=seen, rates=lines)
    called = _called(labels, lines.shape[1])
    last = lines[-1]
    order = by_rate(last)
    limit = -np.inf if threshold is None else threshold
    active = [int(k) for k in order if last[k] >= limit]
    idle = [int(k) for k in order if last[k] < limit]
    with drawing(theme):
        figure = new_figure(*size)
        axes = figure.add_subplot()
        for k in idle:
            axes.plot(seen, lines[:, k], color=theme.muted, linewidth=0.6)
        ends: list[tuple[float, str, str]] = []
        shades = theme.shades(len(active))
        most = len(active) if len(active) <= _LABELS else _LABELS - 1
        for k, shade in reversed(list(zip(active, shades, strict=True))):
            dash = DASHES[active.index(k) % len(DASHES)]
            axes.plot(seen, lines[:, k], dash, color=shade, linewidth=1.5)
            if active.index(k) < most:
                ends.append((last[k], one_line(called[k]), shade))
        if len(active) > most:
            ends.append(
                (float(last[active[most:]].mean()), f"{len(active) - most} more", shades[-1])
            )
        if idle:
            names = one_line(called[idle[0]]) if len(idle) == 1 else f"{len(idle)} inactive"
            ends.append((float(last[idle].mean()), names, theme.muted))
        images_axis(axes, seen.max())
        axes.set_ylim(0, max(max(after_start(seen, line).max() for line in lines.T) * 1.06, 1e-3))
        axes.set_ylabel(NATS)
        axes.set_title("Rate of each latent through training")
        axes.grid(axis="y")
        label_ends(axes, ends)
        return figure


def label_ends(axes: Axes, labels: list[tuple[float, str, str]]) -> None:
    """Write each line's name beside its end, moved apart where names would overlap."""
    bottom, top = axes.get_ylim()
    ordered = sorted(labels, key=lambda label: label[0])
    height = top - bottom
    places = apart([value - bottom for value, _, _ in ordered], 0.068 * height, height)
    for place, (_, name, colour) in zip(places, ordered, strict=True):
        axes.annotate(
            name,
            (1.0, bottom + place),
            xycoords=("axes fraction", "data"),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            fontsize=7.5,
            annotation_clip=False,
        )


def apart(places: Sequence[float], pitch: float, top: float) -> list[float]:
    """Move rising places at least `pitch` apart, each group about its middle, within 0..top.

    >>> apart([1.0, 1.0, 5.0], pitch=1.0, top=10.0)
    [0.5, 1.5, 5.0]
    """
    pitch = min(pitch, top / max(len(places) - 1, 1))
    groups: list[list[float]] = []  # places less their own pitches: each group shares its mean
    for number, place in enumerate(places):
        groups.append([place - number * pitch])
        while len(groups) > 1 and fmean(groups[-2]) > fmean(groups[-1]):
            last = groups.pop()
            groups[-1] += last
    level = [fmean(group) for group in groups for _ in group]
    room = max(top - pitch * (len(places) - 1), 0.0)
    return [min(max(value, 0.0), room) + number * pitch for number, value in enumerate(level)]


def rate_per_latent(
    rates: Any,
    *,
    threshold: float | None = None,
    labels: Sequence[str] | None = None,
    size: tuple[float, float] = (COLUMN_WIDTH, 1.95),
    theme: Theme = LIGHT,
) -> Figure:
    """Draw the rate of each latent as bars, the largest first.

    Args:
        rates: (M,) nats per image, by latent.
        threshold: rate below which a latent counts as inactive, drawn as a line; or None.
        labels: M names of latents; z_0, z_1, ... if None.
        size: width and height in inches.
        theme: colours.

    Raises:
        InputError: when the rates are empty, not finite, or negative.

    >>> figure = rate_per_latent([0.0, 3.1, 2.0])
    >>> [tick.get_text() for tick in figure.axes[0].get_xticklabels()]
    ['$z_{1}$', '$z_{2}$', '$z_{0}$']
    """
    values = numbers("rates", rates, 1)
    if values.min() < 0:
        raise InputError(f"rates must be >= 0, got {values.min():g}")
    order, called = by_rate(values), _called(labels, len(values))
    heights = values[order]
    many = len(values) > 16
    with drawing(theme):
        figure = new_figure(*size)
        axes = figure.add_subplot()
        limit = 0.0 if threshold is None else threshold
        colours = [theme.accent if height >= limit else theme.muted for height in heights]
        axes.bar(range(len(values)), heights, width=0.72, color=colours)
        axes.set_ylim(0, max(heights[0] * 1.15, 2 * limit, 1e-3))
        if not many:
            for place, height in enumerate(heights):
                text = f"{height:.1f}" if height >= 0.05 else f"{height:.2f}"
                axes.annotate(
                    text,
                    (place, height),
                    xytext=(0, 2),
                    textcoords="offset points",
                    ha="center",
                    fontsize=6.5,
                    color=theme.ink if height >= limit else theme.muted,
                )
        if many:
            axes.set_xticks([])
            axes.set_xlabel(f"{len(values)} latents")
        else:
            room = int(18 * size[0] / len(values))  # letters below a bar
            shown = [_shortened(called[int(k)], room) for k in order]
            axes.set_xticks(range(len(values)), shown, fontsize=6 if labels else 7.5)
        axes.tick_params(axis="x", length=0)
        axes.set_xlim(-0.6, len(values) - 0.4)
        axes.set_ylabel(NATS)
        axes.set_title("Rate of each latent")
        if many:
            axes.grid(axis="y")
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        return figure


def _called(labels: Sequence[str] | None, count: int) -> list[str]:
    names = [latent_name(k) for k in range(count)] if labels is None else list(labels)
    same_length(labels=names, latents=range(count))
    return names


def _shortened(name: str, room: int) -> str:
    """Cut the second line of a latent's name to so many letters."""
    symbol, _, given = name.partition("\n")
    return name if len(given) <= room else f"{symbol}\n{given[: max(room - 1, 1)]}…"
