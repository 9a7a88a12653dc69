"""Figures of one number against another, a line a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from betavae._system.errors import InputError
from betavae.figures.arrays import numbers, same_length
from betavae.figures.rates import label_ends
from betavae.figures.style import COLUMN_WIDTH, LIGHT, Theme, drawing, new_figure, plain

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


def score_against_pairs(
    pairs: Any,
    scores: Mapping[str, Any],
    *,
    chance: float | None = None,
    marked: int | None = 20,
    theme: Theme = LIGHT,
) -> Figure:
    """Draw the Higgins score against L, the pairs averaged into one point; a line a run.

    The paper does not state its L, and the score depends on it: a score says little without it.

    Args:
        pairs: (T,) values of L, rising, >= 1.
        scores: a name and (T,) scores in [0, 1] a run.
        chance: the score of guessing, drawn as a line; or None.
        marked: the L of the project's default protocol, marked; or None.
        theme: colours.

    Raises:
        InputError: when there is no run, lengths differ or numbers are out of range.

    >>> len(score_against_pairs([1, 20], {"beta 4": [0.7, 0.99]}).axes[0].lines)
    2
    """
    steps = numbers("pairs", pairs, 1)
    if not scores:
        raise InputError("scores must name at least one run, got none")
    if steps.min() < 1 or (np.diff(steps) <= 0).any():
        raise InputError(f"pairs must rise from 1 or more, got {steps.tolist()}")
    lines = {name: numbers(name, values, 1) for name, values in scores.items()}
    for name, values in lines.items():
        same_length(**{"pairs": steps, f"scores of {name}": values})
        if values.min() < 0 or values.max() > 1:
            raise InputError(f"scores of {name} must be in [0, 1], got {values.tolist()}")
    lowest = min(float(values.min()) for values in lines.values())
    with drawing(theme):
        figure = new_figure(COLUMN_WIDTH + 0.6, 2.3)
        axes = figure.add_subplot()
        if marked is not None:
            axes.axvline(marked, color=theme.rule, linewidth=1)
        if chance is not None:
            axes.axhline(chance, color=theme.muted, linewidth=0.7, linestyle=":")
            axes.annotate(
                "chance", (1, chance), xycoords=("axes fraction", "data"), xytext=(-2, 2),
                textcoords="offset points", ha="right", fontsize=6, color=theme.muted,
            )  # fmt: skip
        ends = []
        for place, (name, values) in enumerate(lines.items()):
            shade = theme.shades(len(lines))[place]
            marker = MARKERS[place % len(MARKERS)]
            axes.plot(steps, values, color=shade, marker=marker, markersize=3.5)
            ends.append((float(values[-1]), plain(name), shade))
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(steps.tolist()))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        floor = min(lowest, 1.0 if chance is None else chance)
        axes.set_ylim(max(0.0, floor - 0.06), 1.02)
        axes.set_xlabel("L, pairs averaged into one point")
        axes.set_ylabel("score")
        axes.set_title("Score against L")
        axes.grid(axis="y")
        label_ends(axes, ends)
        return figure
