"""Figures of a comparison of methods: their ranks by metric, and one metric against another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from betavae._system.errors import InputError
from betavae.figures.arrays import numbers, same_length
from betavae.figures.lines import MARKERS
from betavae.figures.style import COLUMN_WIDTH, LIGHT, PAGE_WIDTH, Theme, drawing, new_figure, plain


def method_ranks(
    methods: Sequence[str], ranks: Mapping[str, Any], *, theme: Theme = LIGHT
) -> Figure:
    """Draw the rank of each method by each metric, 1 the best, a panel a metric.

    Args:
        methods: M names.
        ranks: by metric (M,) ranks >= 1, means over data sets.
        theme: colours.

    Raises:
        InputError: when there is nothing to draw, or lengths differ.

    >>> len(method_ranks(["a", "b"], {"MIG": [1, 2], "DCI": [2, 1]}).axes)
    2
    """
    if not methods or not ranks:
        raise InputError("ranks need at least one method and one metric, got none")
    values = {name: numbers(name, given, 1) for name, given in ranks.items()}
    for given in values.values():
        same_length(methods=np.arange(len(methods)), ranks=given)
    columns = min(4, len(values))
    lines = -(-len(values) // columns)
    with drawing(theme):
        figure = new_figure(PAGE_WIDTH, lines * (0.7 + 0.22 * len(methods)))
        grid = figure.subplots(lines, columns, squeeze=False, sharey=True)
        for axes, (name, given) in zip(grid.flat, values.items(), strict=False):
            places = np.arange(len(methods))
            axes.hlines(places, 1, given, color=theme.rule, linewidth=1)
            axes.plot(given, places, "o", color=theme.accent, markersize=5)
            axes.set_title(plain(name), fontsize="medium")
            axes.set_xlim(0.7, len(methods) + 0.3)
            axes.set_ylim(len(methods) - 0.5, -0.5)
            axes.set_yticks(places, [plain(method) for method in methods])
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        for axes in grid.flat[len(values) :]:
            axes.remove()
        figure.supxlabel("mean rank over data sets, 1 is best", fontsize="medium")
    return figure


def metric_against_metric(
    points: Mapping[str, tuple[Any, Any]], names: tuple[str, str], *, theme: Theme = LIGHT
) -> Figure:
    """Draw one metric against another, a mark a run, a shape a method.

    Args:
        points: by method (R,) values of the first and of the second metric.
        names: of the metrics.
        theme: colours.

    Raises:
        InputError: when there is nothing to draw, or lengths differ.

    >>> len(metric_against_metric({"a": ([0.1, 0.2], [0.3, 0.4])}, ("MIG", "DCI")).axes)
    1
    """
    if not points:
        raise InputError("points must name at least one method, got none")
    with drawing(theme):
        figure = new_figure(COLUMN_WIDTH + 0.6, 2.6)
        axes = figure.add_subplot()
        shades = theme.shades(len(points))
        for place, (method, (first, second)) in enumerate(points.items()):
            x, y = numbers(names[0], first, 1), numbers(names[1], second, 1)
            same_length(**{"first": x, "second": y})
            axes.plot(
                x,
                y,
                MARKERS[place % len(MARKERS)],
                color=shades[place],
                label=plain(method),
                markersize=5,
            )
        axes.set_xlabel(plain(names[0]))
        axes.set_ylabel(plain(names[1]))
        figure.legend(loc="outside right upper", frameon=False, fontsize="small")
    return figure
