"""The data sets that are made here, without files."""

from __future__ import annotations

from collections.abc import Callable

from betavae.data import shapes2d
from betavae.data.dataset import Dataset
from betavae.data.sets import scenes3d, shapes2d_variants, xysquares

MADE: dict[str, tuple[str, Callable[[], Dataset]]] = {
    "shapes2d": ("737,280 binary 64x64", shapes2d.dataset),
    "shapes2d-color": (
        "737,280 RGB 64x64, each shape in a colour of its own",
        lambda: shapes2d_variants.dataset("shapes2d-color"),
    ),
    "shapes2d-noisy": (
        "737,280 RGB 64x64, before noise",
        lambda: shapes2d_variants.dataset("shapes2d-noisy"),
    ),
    "shapes2d-textured": (
        "737,280 RGB 64x64, before a texture; shapes2d-textured:PICTURE takes yours",
        lambda: shapes2d_variants.dataset("shapes2d-textured"),
    ),
    "scenes3d": ("480,000 RGB 64x64, a 3D scene of our own", scenes3d.dataset),
    "xysquares": ("262,144 RGB 64x64", lambda: xysquares.dataset("xysquares")),
    "xcolumns": ("512 RGB 64x64", lambda: xysquares.dataset("xcolumns")),
}
"""By name: what it holds, and what makes it."""


def is_made(name: str) -> bool:
    """Say whether a name is of a set that is made here.

    >>> is_made("shapes2d-textured:wall.jpg"), is_made("chairs")
    (True, False)
    """
    return name in MADE or name.startswith(shapes2d_variants.PREFIX)


def make(name: str) -> Dataset:
    """Return a set that is made here.

    Raises:
        InputError: when the cache folder cannot be written, or a texture cannot be read.
    """
    return MADE[name][1]() if name in MADE else shapes2d_variants.dataset(name)
