"""A rendered 3D scene with exact factors, 480,000 colour images of 64x64 that need no download.

Hue of floor, wall and body, scale, shape and orientation (of the camera around the body) span the
same grid as the published 3D Shapes, but the scene is our own (`betavae.data.scene_rays`): numbers
on one say nothing of the other. The geometry is that of 480 views, kept in 16 MB; images are
coloured as they are drawn, in whole numbers, so that the same row is the same bytes each time.
"""

from __future__ import annotations

import colorsys
import hashlib
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from betavae._system.threads import threads
from betavae.data import cache, scene_rays
from betavae.data.dataset import Dataset
from betavae.data.factors import Factors
from betavae.data.made import MadeImages

NAMES = ("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation")
FACTORS = Factors(NAMES, (10, 10, 10, 8, 4, 15))
SIDE = scene_rays.SIDE
ONE = 1 << 15  # a layer's 1.0 in the whole numbers that are kept
VIEWS = 8 * 4 * 15
VERSION = 1  # of the scene: raise it when an image changes

COLOURS = np.array(
    [[round(255 * part) for part in colorsys.hsv_to_rgb(k / 10, 0.85, 1.0)] for k in range(10)],
    np.uint32,
)
"""Red, green and blue of each hue, (10, 3)."""


@dataclass(frozen=True)
class Scenes:
    """Colours views as they are drawn.

    Attributes:
        layers: (480, 4, 64 x 64) uint16, see `scene_rays.view`; 2^15 is 1.
    """

    layers: NDArray[np.uint16]

    def __call__(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the images of rows (n,), (n, 3, 64, 64)."""
        floor, wall, body, *_ = FACTORS.classes(rows).T
        white = np.full((len(rows), 3), 255, np.uint32)
        colours = np.stack([COLOURS[floor], COLOURS[wall], COLOURS[body], white], axis=2)
        layers = self.layers[rows % VIEWS].astype(np.uint32)
        summed = np.einsum("ncl,nlp->ncp", colours, layers)
        bytes_ = np.minimum((summed + ONE // 2) >> 15, 255).astype(np.uint8)
        pixels: NDArray[np.uint8] = bytes_.reshape(-1, 3, SIDE, SIDE)
        return pixels


def render_views(out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
    """Render every view on every core, (480, 4 x 64 x 64 x 2) bytes of little-endian uint16.

    Args:
        out: where to, for example a memory map; made if None.
    """
    views = np.empty((VIEWS, 8 * SIDE * SIDE), np.uint8) if out is None else out

    def render(place: int, scale: int, shape: int, angle: int) -> None:
        layers = np.rint(scene_rays.view(shape, scale, angle) * ONE).astype("<u2")
        views[place] = layers.reshape(-1).view(np.uint8)

    with threads() as (pool, check):
        grid = product(range(8), range(4), range(15))
        jobs = [pool.submit(render, place, *view) for place, view in enumerate(grid)]
        for job in jobs:
            job.result()
            check()
    return views


def dataset() -> Dataset:
    """Return the set; its views are rendered on first use, and kept.

    Raises:
        InputError: when the cache folder cannot be written.
    """
    path = cache.prepared_path("scenes3d", VERSION)
    stored = cache.find(path)
    if stored is None or stored.said.get("digest") != digest(stored.images):
        stored = cache.keep(
            path,
            (VIEWS, 8 * SIDE * SIDE),
            lambda out: digest(render_views(out)),
            describe=lambda made: {"digest": made},
        )
    layers = np.asarray(stored.images).view("<u2").reshape(VIEWS, 4, SIDE * SIDE)
    images = MadeImages(len(FACTORS), (3, SIDE, SIDE), Scenes(layers))
    return Dataset("scenes3d", images, FACTORS, None, NAMES, {"shape": scene_rays.SHAPES})


def digest(views: NDArray[np.uint8]) -> str:
    """Return the SHA-256 of the rendered views."""
    return hashlib.sha256(np.ascontiguousarray(views).data).hexdigest()
