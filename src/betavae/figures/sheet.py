"""Fig. 6 of the paper: a column a latent, with what it answers to and what it draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae.figures.arrays import Floats, mosaic, pictures, same_length, shrunk
from betavae.figures.mean_codes import Responses
from betavae.figures.pictures import signed
from betavae.figures.style import (
    LIGHT,
    PAGE_WIDTH,
    Theme,
    drawing,
    latent_name,
    new_figure,
    plain,
)

MAP = "cividis"  # rises in lightness: the same order to every eye and in grey
LINES: tuple[Any, ...] = ("-", "--", ":", "-.")

_LEFT, _RIGHT, _TOP, _GAP = 0.72, 0.42, 0.26, 0.06  # inches
_CURVE, _TICKS, _BAR, _LEGEND = 0.5, 0.13, 0.34, 0.26
_LETTER = 0.062  # inches of a letter of a latent's name


@dataclass(frozen=True)
class _Row:
    """One line of the sheet: its caption, its height and the room below it in inches."""

    kind: str
    caption: str
    height: float
    below: float = 0.0


def response_sheet(
    found: Responses,
    *,
    labels: Sequence[str] | None = None,
    images: Any = None,
    values: Any = None,
    most: int = 16,
    theme: Theme = LIGHT,
) -> Figure:
    """Draw each latent as a column, the one that says the most first.

    From the top: the mean code at every place of the image, averaged over the rest; the mean
    code against scale and against rotation, a line a shape; the latent's traversal; and the
    learnt variance, the posterior's, averaged over images: near 0 for a latent that says much,
    1 for one that says nothing. What the data cannot give (no positions, no posterior, no
    decoder) is left out.

    Args:
        found: what `responses` returned.
        labels: M names of latents, a second line in them small; z_0, z_1, ... if None.
        images: (M, T, C, H, W) in [0, 1], each latent's traversal, or None.
        values: (T,) the traversal's values, rising; needed with `images`.
        most: columns drawn at most.
        theme: colours.

    Raises:
        InputError: when shapes do not fit.

    Source: Higgins et al. 2017, Fig. 6.
    """
    names = [latent_name(k) for k in range(len(found.order))] if labels is None else labels
    same_length(labels=names, latents=found.order)
    order = [int(k) for k in found.order[:most]]
    width = (PAGE_WIDTH - _LEFT - _RIGHT) / max(len(order), 6) - _GAP
    strips = None if images is None else _strips(images, values, found, theme)
    rows = _rows(found, strips, width)
    wide = _LEFT + len(order) * (width + _GAP) + _RIGHT
    named = any("\n" in names[k] for k in order)
    top = _TOP + 0.1 * named
    page = top + sum(row.height + row.below + _GAP for row in rows) + _LEGEND
    limit = _limit(found)
    with drawing(theme):
        figure = new_figure(wide, page, layout=None)
        bottom = page - top
        for row in rows:
            bottom -= row.height
            for place, k in enumerate(order):
                left = _LEFT + place * (width + _GAP)
                axes = figure.add_axes(
                    (left / wide, bottom / page, width / wide, row.height / page)
                )
                _draw(axes, row, found, strips, k, limit, theme)
                axes.tick_params(labelleft=place == 0)
                if row is rows[0]:
                    _title(axes, names[k], 11 if named else 4, width, theme)
            figure.text(
                (_LEFT - 0.26) / wide,
                (bottom + row.height / 2) / page,
                row.caption,
                rotation=90,
                ha="center",
                va="center",
                fontsize=6.5,
                color=theme.muted,
                linespacing=1.15,
            )
            if row.kind == "position":
                bar = (_LEFT + len(order) * (width + _GAP) + 0.02, bottom, row.height)
                _colour_bar(figure, bar, (wide, page), limit, theme)
            if row.kind == "traversal":
                _scale(figure, (bottom, row.height), (wide, page), values, theme)
            bottom -= row.below + _GAP
        if len(found.groups) > 1 and found.curves:
            _legend(figure, found.groups, wide, theme)
        return figure


def _strips(images: Any, values: Any, found: Responses, theme: Theme) -> list[NDArray[np.uint8]]:
    """Lay each latent's traversal out as a column of images."""
    blocks = shrunk(pictures("images", images, 5))
    if len(blocks) != len(found.order) or values is None or len(values) != blocks.shape[1]:
        raise InputError(
            f"images must be ({len(found.order)}, T, C, H, W) with T values, "
            f"got shape {blocks.shape}"
        )
    gap = max(1, blocks.shape[-1] // 20)
    return [mosaic(block[:, None], gap=gap, fill=theme.paper) for block in blocks]


def _rows(found: Responses, strips: list[NDArray[np.uint8]] | None, width: float) -> list[_Row]:
    rows = []
    if found.position is not None:
        # A square, as the image is, however many places there are along each side.
        rows.append(_Row("position", "position", width))
    rows += [_Row(name, plain(name), _CURVE, _TICKS) for name in found.curves]
    if strips is not None:
        rows.append(_Row("traversal", "traversal", width * strips[0].shape[0] / strips[0].shape[1]))
    if found.learnt_variance is None and found.shares is not None:
        return [*rows, _Row("bar", "share of\npicture, %", _BAR)]
    if found.learnt_variance is None:
        return [*rows, _Row("bar", "variance\nof codes", _BAR)]
    return [*rows, _Row("bar", "learnt\nvariance", _BAR)]


def _limit(found: Responses) -> float:
    """Return the largest mean code, on which all colours and curves are scaled."""
    parts = [*found.curves.values()]
    if found.position is not None:
        parts.append(found.position)
    return max([float(np.nanmax(np.abs(part))) for part in parts], default=1.0) or 1.0


def _draw(
    axes: Axes,
    row: _Row,
    found: Responses,
    strips: list[NDArray[np.uint8]] | None,
    latent: int,
    limit: float,
    theme: Theme,
) -> None:
    axes.set_xticks([])
    if row.kind in found.curves:
        _curve(axes, found.curves[row.kind][latent], limit, theme)
        _ends(axes, found.ends[row.kind], found.curves[row.kind].shape[-1])
        return
    axes.set_yticks([])
    if row.kind == "bar":
        _bar(axes, found, latent, theme)
        return
    axes.spines[:].set_visible(False)
    if row.kind == "position" and found.position is not None:
        axes.imshow(found.position[latent], cmap=MAP, vmin=-limit, vmax=limit, aspect="auto")
    elif strips is not None:
        axes.imshow(strips[latent], aspect="auto")


def _curve(axes: Axes, lines: Floats, limit: float, theme: Theme) -> None:
    axes.axhline(0, color=theme.rule, linewidth=0.5)
    for place, (line, shade) in enumerate(zip(lines, theme.shades(len(lines)), strict=True)):
        axes.plot(line, color=shade, linestyle=LINES[place % len(LINES)], linewidth=0.9)
    axes.set_ylim(-1.08 * limit, 1.08 * limit)
    axes.margins(x=0.06)
    axes.spines["bottom"].set_visible(False)
    ends = [-float(f"{limit:.1g}"), 0, float(f"{limit:.1g}")]
    axes.set_yticks(ends, [signed(end) for end in ends])
    axes.tick_params(axis="y", labelsize=5.5, length=1.5, pad=1)


def _ends(axes: Axes, words: tuple[str, str], count: int) -> None:
    """Write a factor's first and last value below its curve."""
    if count < 2:
        return
    axes.set_xticks([0, count - 1], [plain(word) for word in words])
    axes.tick_params(axis="x", labelsize=5, length=1.5, pad=1)
    first, last = axes.get_xticklabels()
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")


def _title(axes: Axes, name: str, pad: float, width: float, theme: Theme) -> None:
    """Write a latent's symbol above its column, and the name that somebody gave it."""
    symbol, _, given = name.partition("\n")
    axes.set_title(symbol, fontsize=9, loc="center", pad=pad, weight="normal")
    room = int((width + _GAP) / _LETTER)
    if given:
        axes.annotate(
            given if len(given) <= room else f"{given[: max(room - 1, 1)]}…",
            (0.5, 1), xycoords="axes fraction", xytext=(0, 2.5), textcoords="offset points",
            ha="center", va="bottom", fontsize=6, color=theme.muted,
        )  # fmt: skip


def _bar(axes: Axes, found: Responses, latent: int, theme: Theme) -> None:
    learnt = found.learnt_variance
    other = found.code_variance if found.shares is None else found.shares
    all_values = other if learnt is None else learnt
    value = float(all_values[latent])
    top = max(1.0, float(all_values.max()))
    axes.bar([0], [value], width=0.5, color=theme.accent)
    axes.set_xlim(-0.6, 0.6)
    axes.set_ylim(0, top * 1.6)
    axes.spines["left"].set_visible(False)
    text = f"{value:.2f}" if value >= 0.005 else f"{value:.3f}"
    axes.annotate(
        text,
        (0, value),
        xytext=(0, 1.5),
        textcoords="offset points",
        ha="center",
        fontsize=5.5,
        color=theme.ink,
    )


def _colour_bar(
    figure: Figure,
    place: tuple[float, float, float],
    size: tuple[float, float],
    limit: float,
    theme: Theme,
) -> None:
    """Draw the bar at (left, bottom, height) inches of a page of `size`."""
    (left, bottom, height), (wide, page) = place, size
    axes = figure.add_axes((left / wide, bottom / page, 0.07 / wide, height / page))
    axes.imshow(np.linspace(1, -1, 64)[:, None], cmap=MAP, aspect="auto", extent=(0, 1, -1, 1))
    axes.spines[:].set_visible(False)
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.set_yticks([-1, 0, 1], [signed(-limit), "0", signed(limit)])
    axes.tick_params(axis="y", length=0, pad=1.5, labelsize=5.5, labelcolor=theme.muted)


def _scale(
    figure: Figure, row: tuple[float, float], size: tuple[float, float], values: Any, theme: Theme
) -> None:
    """Write the traversal's first, middle and last value left of its rows."""
    (bottom, height), (wide, page) = row, size
    steps = len(values)
    shown = (0, steps // 2, steps - 1) if steps % 2 else (0, steps - 1)
    for step in shown:
        figure.text(
            (_LEFT - 0.04) / wide,
            (bottom + height * (1 - (step + 0.5) / steps)) / page,
            signed(float(values[step])),
            ha="right",
            va="center",
            fontsize=5.5,
            color=theme.muted,
        )


def _legend(figure: Figure, groups: Sequence[str], wide: float, theme: Theme) -> None:
    handles = [
        Line2D([], [], color=shade, linestyle=LINES[place % len(LINES)], linewidth=1)
        for place, shade in enumerate(theme.shades(len(groups)))
    ]
    figure.legend(
        handles,
        [plain(group) for group in groups],
        loc="lower left",
        bbox_to_anchor=((_LEFT - 0.05) / wide, 0.0),
        ncols=len(groups),
        frameon=False,
        fontsize=6.5,
        handlelength=2.4,
        borderpad=0.1,
        borderaxespad=0.2,
    )
