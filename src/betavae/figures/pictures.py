"""Figures made of images: traversals of latents, and reconstructions beside their inputs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae.figures.arrays import Bytes, mosaic, pictures, traversal_parts
from betavae.figures.style import LIGHT, PAGE_WIDTH, Theme, drawing, new_figure

_EDGE = 0.03  # inches around the figure
_LABEL = 0.42  # inches left of a block, for the latent's name and rate
_AXIS = 0.17  # inches under a block, for the range
_BETWEEN = 0.06  # inches between blocks


def traversal(
    images: Any,
    values: Any,
    labels: Sequence[str],
    *,
    rates: Any = None,
    unit: str = "nats",
    inputs: Any = None,
    theme: Theme = LIGHT,
) -> Figure:
    """Draw what each latent does: a block a latent, a row a seed image, values rising rightwards.

    Blocks stand in one column, in two where there are more than three.

    Args:
        images: (M, S, T, C, H, W) in [0, 1]; the latent that moves, the seed image, its value.
        values: (T,) the values, rising.
        labels: (M,) a name a latent.
        rates: (M,) what each says, written beside each block; blocks are then ordered by it.
        unit: what rates are counted in.
        inputs: (S, C, H, W) the seed images, shown left of their rows.
        theme: colours.

    Raises:
        InputError: when shapes do not fit, or pixels are not finite.

    Source: Higgins et al. 2017, Figs. 1-4.

    >>> figure = traversal(np.zeros((4, 2, 5, 1, 8, 8)), np.linspace(-3, 3, 5), list("abcd"))
    >>> len(figure.axes)
    4
    """
    blocks, steps, order, seeds = traversal_parts(images, values, labels, rates, inputs)
    across = 2 if len(blocks) > 3 else 1
    down = math.ceil(len(blocks) / across)
    sheets = [traversal_sheet(blocks[k], seeds, fill=theme.paper) for k in order]
    tall, long = sheets[0].shape[:2]
    width = (PAGE_WIDTH - 2 * _EDGE - _BETWEEN * (across - 1)) / across - _LABEL
    height = width * tall / long
    pitch = height + _AXIS + _BETWEEN
    page = 2 * _EDGE + down * pitch - _BETWEEN
    with drawing(theme):
        figure = new_figure(PAGE_WIDTH, page, layout=None)
        for place, (k, sheet) in enumerate(zip(order, sheets, strict=True)):
            column, row = divmod(place, down)
            left = _EDGE + column * (_LABEL + width + _BETWEEN) + _LABEL
            bottom = page - _EDGE - row * pitch - height
            axes = figure.add_axes(
                (left / PAGE_WIDTH, bottom / page, width / PAGE_WIDTH, height / page)
            )
            axes.imshow(sheet, extent=(0, 1, 0, 1), aspect="auto")
            axes.spines[:].set_visible(False)
            axes.set_yticks([])
            input_centre, *centres = step_centres(blocks.shape[-1], len(steps), seeds is not None)
            shown = (0, len(steps) // 2, -1) if len(steps) % 2 else (0, -1)
            axes.set_xticks([centres[i] for i in shown], [signed(steps[i]) for i in shown])
            axes.tick_params(axis="x", length=2, pad=1, labelsize=6)
            if seeds is not None:
                _note(axes, "input", (input_centre, 0), (0, -3), theme, ha="center", va="top")
            rate = None if rates is None else f"{float(rates[k]):.2f}\n{unit}"
            rise = 0 if rate is None else 1
            axes.annotate(
                labels[int(k)],
                (0, 0.5),
                xycoords="axes fraction",
                xytext=(-6, rise),
                textcoords="offset points",
                ha="right",
                va="bottom" if rate else "center",
                fontsize=9,
            )
            if rate:
                _note(axes, rate, (0, 0.5), (-6, -1), theme, ha="right", va="top")
        return figure


def _note(
    axes: Axes,
    text: str,
    place: tuple[float, float],
    shift: tuple[float, float],
    theme: Theme,
    **align: Any,
) -> None:
    """Write small secondary text at a place given in fractions of the axes."""
    axes.annotate(
        text,
        place,
        xycoords="axes fraction",
        xytext=shift,
        textcoords="offset points",
        fontsize=6,
        color=theme.muted,
        linespacing=1.1,
        **align,
    )


def sheet_gaps(side: int) -> tuple[int, int]:
    """Return the pixels between images, and between a seed image and its traversal."""
    return max(1, side // 32), max(2, side // 6)


def traversal_sheet(
    images: NDArray[np.float32], inputs: NDArray[np.float32] | None, *, fill: str | None = None
) -> Bytes:
    """Lay one latent's traversal out: a row a seed image, which comes first where given.

    Args:
        images: (S, T, C, H, W) in [0, 1].
        inputs: (S, C, H, W) in [0, 1], or None.
        fill: colour between the images; transparent if None.

    Returns:
        (height, width, 4) RGBA bytes.
    """
    gap, wide = sheet_gaps(images.shape[-1])
    gaps = [gap] * images.shape[1]
    if inputs is not None:
        images = np.concatenate((inputs[:, None], images), axis=1)
        gaps = [0, wide, *gaps[1:]]
    return mosaic(images, gap=gap, gaps=gaps, fill=fill)


def step_centres(side: int, steps: int, inputs: bool) -> list[float]:
    """Return where a sheet's columns are centred, in fractions of its width.

    The seed image's comes first (a half image's width where there is none), then one a step.

    >>> [round(centre, 2) for centre in step_centres(30, 3, inputs=False)]
    [0.16, 0.16, 0.5, 0.84]
    """
    gap, wide = sheet_gaps(side)
    start = side + wide if inputs else 0
    width = start + steps * (side + gap) - gap
    return [
        side / 2 / width,
        *((start + side / 2 + k * (side + gap)) / width for k in range(steps)),
    ]


def signed(value: float) -> str:
    """Write a latent's value with its sign.

    >>> signed(-3.0), signed(0.0), signed(2.5)
    ('−3', '0', '+2.5')
    """
    rounded = round(value, 2)
    return f"{rounded:+g}".replace("-", "−") if rounded else "0"


def reconstructions(
    inputs: Any, outputs: Any, *, columns: int | None = None, theme: Theme = LIGHT
) -> Figure:
    """Draw images with their reconstructions right of them, pair by pair.

    Args:
        inputs: (n, C, H, W) in [0, 1].
        outputs: (n, C, H, W) in [0, 1], row for row.
        columns: pairs side by side; 6 at most if None.
        theme: colours.

    Raises:
        InputError: when shapes differ or pixels are not finite.
    """
    left, right = pictures("inputs", inputs, 4), pictures("outputs", outputs, 4)
    if left.shape != right.shape:
        raise InputError(
            f"inputs and outputs must have the same shape, got {left.shape} and {right.shape}"
        )
    across = columns or min(len(left), 6)
    down = math.ceil(len(left) / across)
    pairs = np.stack((left, right), axis=1)[:, None]
    sheets = [mosaic(pair, gap=sheet_gaps(pair.shape[-1])[0], fill=theme.paper) for pair in pairs]
    ratio = sheets[0].shape[0] / sheets[0].shape[1]
    width = min(PAGE_WIDTH, 1.3 * across)
    between, head = 0.12, 0.18
    pair_width = (width - 2 * _EDGE - between * (across - 1)) / across
    height = head + down * (pair_width * ratio + between) - between + _EDGE
    with drawing(theme):
        figure = new_figure(width, height, layout=None)
        for place, sheet in enumerate(sheets):
            row, column = divmod(place, across)
            x = _EDGE + column * (pair_width + between)
            y = height - head - row * (pair_width * ratio + between) - pair_width * ratio
            axes = figure.add_axes(
                (x / width, y / height, pair_width / width, pair_width * ratio / height)
            )
            axes.imshow(sheet, aspect="auto")
            axes.set_axis_off()
            if row == 0:
                for text, middle in (("input", 0.25), ("output", 0.75)):
                    _note(axes, text, (middle, 1), (0, 3), theme, ha="center", va="bottom")
        return figure
