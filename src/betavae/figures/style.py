"""The one style of every figure: type, line widths and colours that also read in grey."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, cast

import matplotlib
import matplotlib.colors
import numpy as np
from matplotlib import colormaps, style
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ticker import FuncFormatter, MaxNLocator

from betavae._system.text import MARK, printable

PAGE_WIDTH = 6.75  # inches: the text width of a two-column paper
COLUMN_WIDTH = 3.25  # inches: one of its columns
PNG_DPI = 300


@dataclass(frozen=True)
class Theme:
    """Colours of a figure: text and lines, secondary text, rules, paper, and one accent."""

    ink: str
    muted: str
    rule: str
    paper: str
    accent: str
    ramp: tuple[float, float]  # the part of cividis that stands out against the paper

    def shades(self, n: int) -> list[str]:
        """Return `n` colours for ranked series, the first standing out most.

        Taken from cividis: the same order to every kind of colour vision and in grey.
        """
        stops = np.linspace(*self.ramp, max(n, 1))
        return [matplotlib.colors.to_hex(colormaps["cividis"](stop)) for stop in stops[:n]]


LIGHT = Theme("#1b1f24", "#636c76", "#d5dae0", "#ffffff", "#0b5394", (0.0, 0.68))
DARK = Theme("#e6e9ee", "#9aa4b0", "#39414b", "#14171b", "#7cb8f2", (1.0, 0.5))

_TYPE = {
    # DejaVu, the first of the family, comes with matplotlib: the same picture on every machine.
    "font.family": "sans-serif",
    "mathtext.fontset": "dejavusans",
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 6,
    "axes.labelsize": 7.5,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.3,
    "lines.solid_capstyle": "round",
    "figure.dpi": 100,
    "savefig.dpi": PNG_DPI,
    "svg.fonttype": "none",  # text stays text, which can be searched, read aloud and edited
    "svg.hashsalt": "betavae",
    "pdf.fonttype": 42,
}


@contextmanager
def drawing(theme: Theme) -> Iterator[None]:
    """Draw in the betavae style within the block; matplotlib's own settings come back after."""
    colours = {
        "text.color": theme.ink,
        "axes.edgecolor": theme.muted,
        "axes.labelcolor": theme.muted,
        "axes.titlecolor": theme.ink,
        "axes.facecolor": "none",
        "figure.facecolor": theme.paper,
        "savefig.facecolor": theme.paper,
        "xtick.color": theme.muted,
        "ytick.color": theme.muted,
        "grid.color": theme.rule,
    }
    with matplotlib.rc_context():
        style.use(["default", {**_TYPE, **colours}])
        yield


_PART: ContextVar[SubFigure | None] = ContextVar("part", default=None)


@contextmanager
def drawn_on(part: SubFigure) -> Iterator[None]:
    """Let what is drawn within the block be a part of a page, in place of a figure of its own."""
    token = _PART.set(part)
    try:
        yield
    finally:
        _PART.reset(token)


def new_figure(
    width: float, height: float, *, layout: Literal["constrained"] | None = "constrained"
) -> Figure:
    """Return an empty figure of `width` by `height` inches, or the part of a page; see `drawn_on`.

    Args:
        width: inches.
        height: inches.
        layout: constrained places the axes by itself; None leaves that to the caller.
    """
    part = _PART.get()
    return Figure(figsize=(width, height), layout=layout) if part is None else cast(Figure, part)


def count(value: float) -> str:
    """Write a count of images shortly.

    >>> count(0), count(2500), count(120_000), count(1_500_000)
    ('0', '2.5k', '120k', '1.5M')
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def images_axis(axes: Axes, last: float) -> None:
    """Make the horizontal axis count images, from 0 to `last`."""
    axes.set_xlim(0, last)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: count(value)))
    axes.set_xlabel("images seen")


@lru_cache(maxsize=1)
def _drawn() -> frozenset[int]:
    """Return the characters that the figures' type has, upright and bold."""
    faces = [FontProperties(family="DejaVu Sans", weight=w) for w in ("normal", "bold")]
    return frozenset.intersection(*(frozenset(get_font(findfont(f)).get_charmap()) for f in faces))


def plain(name: str) -> str:
    r"""Return a name that is not ours as text that is drawn as it stands.

    Dollars begin no formula, line breaks are blanks, and what the type has no letter for is a mark.

    >>> plain("US$ or $x$"), plain("a\x00b\nc ")
    ('US\\$ or \\$x\\$', 'a�b c ')
    """
    letters = (c if ord(c) in _drawn() else MARK for c in printable(name))
    return "".join(letters).replace("$", r"\$")


def one_line(label: str) -> str:
    r"""Return a latent's label, whose second line is the name somebody gave it, on one line.

    >>> one_line("z3\nsize")
    'z3  size'
    """
    return label.replace("\n", "  ")


def latent_name(index: int) -> str:
    """Return a latent's name as mathematical text, ``$z_3$``; latents count from 0."""
    return f"$z_{{{index}}}$"
