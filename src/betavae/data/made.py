"""MadeImages: a store whose images are computed when they are drawn, so that nothing is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae.data.images import ImageStore

if TYPE_CHECKING:
    import torch
    from torch import Tensor

LOOKED_AT = 64  # images that tell whether all are black and white
Make = Callable[[NDArray[np.int64]], NDArray[np.uint8]]
"""Rows (n,) -> their images (n, C, H, W); the same images for the same rows, always."""


class MadeImages(ImageStore):
    """Images that a function of the row makes; handed out as floats in [0, 1] like any others.

    Args:
        count: N.
        image_shape: (C, H, W).
        make: makes the images of rows; a function of a module, so that other processes find it.

    >>> store = MadeImages(3, (1, 8, 8), lambda rows: np.zeros((len(rows), 1, 8, 8), np.uint8))
    >>> len(store), store.nbytes, store[[0, 2]].shape
    (3, 0, torch.Size([2, 1, 8, 8]))
    """

    def __init__(self, count: int, image_shape: tuple[int, int, int], make: Make) -> None:
        super().__init__(np.empty((0, *image_shape), np.uint8), image_shape, packed=False)
        if count < 1:
            raise InputError(f"a store of made images needs at least 1, got {count}")
        self._count, self._make = count, make

    def __len__(self) -> int:
        return self._count

    def stored(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the images of rows (n,) as uint8, (n, C, H, W)."""
        return self._make(rows)

    @property
    def binary(self) -> bool:
        """Whether pixels are black or white in some images, evenly over the set."""
        rows = np.unique(np.linspace(0, self._count - 1, LOOKED_AT).astype(np.int64))
        some = self._make(rows)
        return bool(((some == 0) | (some == 255)).all())

    def ever_set(self) -> NDArray[np.bool_]:
        """Return that any pixel may differ from 0: looking at all images would take too long."""
        return np.ones(int(np.prod(self.image_shape)), bool)

    def batch(self, rows: Tensor, device: torch.device | str = "cpu") -> Tensor:
        """Make images `rows` as floats in [0, 1], (n, C, H, W), on `device`."""
        import torch

        made = self._make(rows.cpu().numpy())
        floats = np.divide(made, np.float32(255), dtype=np.float32)
        return torch.from_numpy(floats).to(device)


def draws(rows: NDArray[np.int64], count: int, seed: int) -> NDArray[np.uint64]:
    """Return `count` random 64-bit numbers a row, (n, count): a function of row and seed alone.

    Source: Steele et al. 2014 (SplitMix64), whose counter here is the number's place.

    >>> bool((draws(np.array([5, 7]), 3, 0)[1] == draws(np.array([7]), 3, 0)[0]).all())
    True
    """
    begin = np.uint64((seed * 0xD1342543DE82EF95 + 1) % (1 << 64))
    place = rows.astype(np.uint64)[:, None] * np.uint64(count) + np.arange(count, dtype=np.uint64)
    x = (place + begin) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = x ^ (x >> np.uint64(31))
    return mixed


def fractions(rows: NDArray[np.int64], count: int, seed: int) -> NDArray[np.float64]:
    """Return `draws` as numbers in [0, 1), (n, count)."""
    top = (draws(rows, count, seed) >> np.uint64(11)).astype(np.float64)
    uniform: NDArray[np.float64] = top / (1 << 53)
    return uniform
