"""Squares and columns on a grid without overlap, on which pixel losses say nothing of distance.

Any two values of a factor are equally far apart in pixels, so that a reconstruction loss cannot
order them: the sets are adversarial to autoencoders.

Source: Michlo, Klein & James 2023 (Overlooked Implications of the Reconstruction Loss for VAE
Disentanglement); disent's ``XYSquaresData`` and ``XColumnsData`` with their default values.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from betavae.data.dataset import Dataset
from betavae.data.factors import Factors
from betavae.data.made import MadeImages

SIDE, SQUARE = 64, 8
PLACES = SIDE // SQUARE
SQUARES = Factors(("x_R", "y_R", "x_G", "y_G", "x_B", "y_B"), (PLACES,) * 6)
COLUMNS = Factors(("x_R", "x_G", "x_B"), (PLACES,) * 3)


def squares(rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return a red, a green and a blue square of 8 pixels, (n, 3, 64, 64).

    >>> int(squares(np.array([0])).sum()) == 255 * 3 * 64
    True
    """
    x, y = SQUARES.classes(rows).reshape(-1, 3, 2).transpose(2, 0, 1)
    lit: NDArray[np.uint8] = _lit(y)[:, :, :, None] * _lit(x)[:, :, None] * np.uint8(255)
    return lit


def columns(rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return a red, a green and a blue column, 8 pixels wide, (n, 3, 64, 64)."""
    lit = _lit(COLUMNS.classes(rows))[:, :, None] * np.uint8(255)
    whole: NDArray[np.uint8] = np.broadcast_to(lit, (len(rows), 3, SIDE, SIDE)).copy()
    return whole


def _lit(places: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return which pixels of a line belong to the place of each channel, (n, 3, 64), 0 or 1."""
    lit: NDArray[np.uint8] = (np.arange(SIDE) // SQUARE == places[:, :, None]).astype(np.uint8)
    return lit


def dataset(name: str) -> Dataset:
    """Return ``xysquares``, 262,144 images, or ``xcolumns``, 512."""
    grid, make = (SQUARES, squares) if name == "xysquares" else (COLUMNS, columns)
    return Dataset(name, MadeImages(len(grid), (3, SIDE, SIDE), make), grid, None, grid.names)
