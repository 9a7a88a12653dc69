"""Figs. 1-4 of the paper: the same images traversed by several methods, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from betavae._system.errors import InputError
from betavae.figures.arrays import numbers, pictures, shrunk
from betavae.figures.pictures import signed, step_centres, traversal_sheet
from betavae.figures.style import LIGHT, PAGE_WIDTH, Theme, drawing, new_figure, plain

_EDGE, _HEAD, _LABEL, _FOOT, _BETWEEN = 0.03, 0.24, 0.16, 0.2, 0.14  # inches
_WORD = 0.17  # inches from the inputs to the first value, so that a word fits under the inputs


@dataclass(frozen=True)
class Block:
    """One latent of one method: its name, what is written under it, and its images.

    Attributes:
        label: the latent's name.
        note: its rate, or another line; may be empty.
        images: (S, T, C, H, W) in [0, 1]: seed image, value.
    """

    label: str
    note: str
    images: Any


def traversals_compared(
    methods: Mapping[str, Sequence[Block]],
    values: Any,
    *,
    inputs: Any = None,
    unit: str = "",
    theme: Theme = LIGHT,
) -> Figure:
    """Draw methods as columns and their latents as rows of blocks, a row a seed image in each.

    Args:
        methods: a title and its blocks, the most telling latent first; every block shows the
            same seed images and values.
        values: (T,) the values that the latents take, rising; the range is written below.
        inputs: (S, C, H, W) the seed images, shown left of every row, or None.
        unit: what the values are counted in, where it is not the prior's deviation.
        theme: colours.

    Raises:
        InputError: when there is nothing to draw, or shapes do not fit.

    Source: Higgins et al. 2017, Figs. 1-4.

    >>> import numpy as np
    >>> block = Block("z3", "2.1 nats", np.zeros((2, 5, 1, 8, 8)))
    >>> len(traversals_compared({"VAE": [block], "beta-VAE": [block]}, range(5)).axes)
    2
    """
    steps = numbers("values", values, 1)
    blocks = {
        title: [shrunk(pictures(block.label, block.images, 5)) for block in column]
        for title, column in methods.items()
    }
    shapes = {sheet.shape for column in blocks.values() for sheet in column}
    if len(shapes) != 1:
        raise InputError(f"blocks must all have one shape (S, T, C, H, W), got {sorted(shapes)}")
    (shape,) = shapes
    if shape[1] != len(steps):
        raise InputError(f"images show {shape[1]} values, but values has {len(steps)}")
    seeds = None if inputs is None else shrunk(pictures("inputs", inputs, 4))
    sheets = {
        title: [traversal_sheet(images, seeds, fill=theme.paper) for images in column]
        for title, column in blocks.items()
    }
    tall, long = next(iter(sheets.values()))[0].shape[:2]
    down, across = max(len(column) for column in sheets.values()), len(sheets)
    width = (PAGE_WIDTH - 2 * _EDGE - _BETWEEN * (across - 1)) / across
    width = min(width, PAGE_WIDTH / 2)
    height = width * tall / long
    page = _HEAD + down * (_LABEL + height) + _FOOT
    wide = 2 * _EDGE + across * (width + _BETWEEN) - _BETWEEN
    with drawing(theme):
        figure = new_figure(wide, page, layout=None)
        for column, title in enumerate(sheets):
            left = _EDGE + column * (width + _BETWEEN)
            figure.text(
                left / wide, 1 - 0.04 / page, plain(title), va="top", fontsize=8.5, weight="bold"
            )
            for row, (sheet, block) in enumerate(zip(sheets[title], methods[title], strict=True)):
                bottom = page - _HEAD - (row + 1) * (_LABEL + height)
                axes = figure.add_axes((left / wide, bottom / page, width / wide, height / page))
                axes.imshow(sheet, extent=(0, 1, 0, 1), aspect="auto")
                axes.spines[:].set_visible(False)
                axes.set_xticks([])
                axes.set_yticks([])
                _caption(axes, block, theme)
                if row == len(sheets[title]) - 1:
                    _range(axes, steps, unit, shape[-1], width, seeds is not None, theme)
        return figure


def _caption(axes: Axes, block: Block, theme: Theme) -> None:
    note = f"   {block.note}" if block.note else ""
    for text, align, size, colour in (
        (block.label, "left", 7.5, theme.ink),
        (note, "right", 6, theme.muted),
    ):
        axes.annotate(
            text,
            (0 if align == "left" else 1, 1),
            xycoords="axes fraction",
            xytext=(0, 2),
            textcoords="offset points",
            ha=align,
            va="bottom",
            fontsize=size,
            color=colour,
        )


def _range(
    axes: Axes, steps: Any, unit: str, side: int, width: float, inputs: bool, theme: Theme
) -> None:
    """Write under the lowest block, so many inches wide, what its columns are."""
    centre, *centres = step_centres(side, len(steps), inputs)
    marks = [
        (centres[0], signed(steps[0]), "center"),
        (1.0, signed(steps[-1]) + unit, "right"),  # centred, it could reach beyond the page
    ]
    if len(steps) % 2:
        marks.append((centres[len(steps) // 2], signed(steps[len(steps) // 2]), "center"))
    if inputs and (centres[0] - centre) * width >= _WORD:
        marks.append((centre, "input", "center"))
    for place, text, align in marks:
        axes.annotate(
            text,
            (place, 0),
            xycoords="axes fraction",
            xytext=(0, -3),
            textcoords="offset points",
            ha=align,
            va="top",
            fontsize=6,
            color=theme.muted,
        )
