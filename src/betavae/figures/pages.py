"""Several drawings on one page, each under its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from matplotlib.figure import Figure

from betavae._system.errors import InputError
from betavae.figures.style import LIGHT, Theme, drawing, drawn_on, plain

_HEAD = 0.3  # inches above a drawing, for its name


def one_above_another(
    drawings: Mapping[str, Callable[[], Figure]], *, theme: Theme = LIGHT
) -> Figure:
    """Draw each on a part of one page, with its name above; text and lines stay such in SVG.

    Args:
        drawings: by name, what draws one; called twice, first to see how large it is.
        theme: colours of the names and the paper.

    Raises:
        InputError: when there is nothing to draw.

    >>> from betavae.figures.rates import rate_per_latent
    >>> page = one_above_another({
    ...     "beta 1": lambda: rate_per_latent([3.0, 2.0]),
    ...     "beta 4": lambda: rate_per_latent([2.5, 0.0]),
    ... })
    >>> len(page.axes)
    2
    """
    if not drawings:
        raise InputError("a page needs at least one drawing, got none")
    sizes = [tuple(map(float, draw().get_size_inches())) for draw in drawings.values()]
    wide = max(width for width, _ in sizes)
    heights = [inches for _, height in sizes for inches in (_HEAD, height)]
    with drawing(theme):
        page = Figure(figsize=(wide, sum(heights)), layout="constrained")
        rows = page.add_gridspec(len(heights), 1, height_ratios=heights, hspace=0)
        for place, (name, draw) in enumerate(drawings.items()):
            head = page.add_subfigure(rows[2 * place])
            head.text(0.05 / wide, 0.4, plain(name), fontsize=9, weight="bold", va="center")
            width = sizes[place][0]
            across = rows[2 * place + 1].subgridspec(
                1, 2, width_ratios=(width, max(wide - width, 1e-3)), wspace=0
            )
            with drawn_on(page.add_subfigure(across[0])):
                draw()
        return page
