"""Checks on the arrays that figures are given, and images put together into one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

from betavae._system.errors import InputError

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]

LARGEST = 64  # pixels a side where pictures are for the screen


def numbers(name: str, values: Any, ndim: int) -> Floats:
    """Return `values` as a float64 array of `ndim` dimensions, none empty, all finite.

    Raises:
        InputError: naming the array, what was expected and what came.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be an array of numbers ({error})") from None
    if array.ndim != ndim or array.size == 0:
        raise InputError(
            f"{name} must have {ndim} dimension{'s' * (ndim != 1)}, none of them empty, "
            f"got shape {array.shape}"
        )
    if not np.isfinite(array).all():
        raise InputError(f"{name} must be finite, got {array[~np.isfinite(array)][0]}")
    return array


def pictures(name: str, images: Any, ndim: int) -> NDArray[np.float32]:
    """Return grey or RGB images (..., C, H, W), C 1 or 3, as float32 cut to [0, 1].

    Raises:
        InputError: for another shape, or pixels that are not finite numbers.
    """
    array = numbers(name, images, ndim)
    if array.shape[-3] not in (1, 3):
        raise InputError(f"{name} must have shape (..., 1 or 3, height, width), got {array.shape}")
    return np.clip(array, 0.0, 1.0).astype(np.float32)


def same_length(**sequences: Any) -> None:
    """Refuse sequences of different length.

    >>> same_length(rates=[1, 2], labels=["a"])
    Traceback (most recent call last):
    ...
    betavae.InputError: rates and labels must have the same length, got 2 and 1
    """
    lengths = {name: len(values) for name, values in sequences.items()}
    if len(set(lengths.values())) > 1:
        names, sizes = " and ".join(lengths), " and ".join(map(str, lengths.values()))
        raise InputError(f"{names} must have the same length, got {sizes}")


def rgb_bytes(images: NDArray[np.float32]) -> Bytes:
    """Turn images (..., C, H, W) in [0, 1] into RGB bytes (..., H, W, 3)."""
    last = np.moveaxis(np.rint(images * 255).astype(np.uint8), -3, -1)
    return np.broadcast_to(last, (*last.shape[:-1], 3))


def mosaic(
    images: NDArray[np.float32],
    *,
    gap: int = 2,
    fill: str | None = None,
    gaps: Sequence[int] | None = None,
) -> Bytes:
    """Lay images out in a grid with gaps between them.

    Args:
        images: (rows, columns, C, H, W) in [0, 1], C 1 or 3.
        gap: pixels between rows, and between columns unless `gaps` is given.
        fill: colour of the gaps; transparent if None.
        gaps: pixels before each column, the first one's being ignored.

    Returns:
        (height, width, 4) RGBA bytes.

    >>> mosaic(np.ones((2, 3, 1, 8, 8), np.float32), gap=1).shape
    (17, 26, 4)
    """
    rows, columns, _, height, width = images.shape
    before = [0, *([gap] * (columns - 1) if gaps is None else gaps[1:])]
    starts = np.cumsum(before) + width * np.arange(columns)
    background = (255, 255, 255, 0) if fill is None else (*_rgb(fill), 255)
    sheet = np.empty((rows * (height + gap) - gap, int(starts[-1]) + width, 4), np.uint8)
    sheet[:] = background
    tiles = rgb_bytes(images)
    for row in range(rows):
        top = row * (height + gap)
        for column, left in enumerate(starts):
            cell = sheet[top : top + height, left : left + width]
            cell[..., :3], cell[..., 3] = tiles[row, column], 255
    return sheet


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = (round(255 * part) for part in to_rgb(colour))
    return red, green, blue


def by_rate(rates: Any) -> NDArray[np.int64]:
    """Return the order of latents by decreasing rate; equal rates keep their order.

    >>> by_rate([0.1, 3.0, 0.1]).tolist()
    [1, 0, 2]
    """
    return np.argsort(-numbers("rates", rates, 1), kind="stable").astype(np.int64)


def traversal_parts(
    images: Any, values: Any, labels: Sequence[str], rates: Any, inputs: Any
) -> tuple[NDArray[np.float32], Floats, NDArray[np.int64], NDArray[np.float32] | None]:
    """Check what a traversal is drawn from.

    Args:
        images: (M, S, T, C, H, W) in [0, 1].
        values: (T,).
        labels: (M,).
        rates: (M,) or None.
        inputs: (S, C, H, W) in [0, 1], or None.

    Returns:
        Images, values, the order of the blocks (by rate where rates are given), and inputs.

    Raises:
        InputError: when shapes do not fit, or pixels are not finite.
    """
    blocks, steps = pictures("images", images, 6), numbers("values", values, 1)
    same_length(images=blocks, labels=labels)
    if blocks.shape[2] != len(steps):
        raise InputError(f"images show {blocks.shape[2]} values, but values has {len(steps)}")
    order = np.arange(len(blocks))
    if rates is not None:
        same_length(images=blocks, rates=rates)
        order = by_rate(rates)
    if inputs is None:
        return blocks, steps, order, None
    seeds, shape = pictures("inputs", inputs, 4), (blocks.shape[1], *blocks.shape[3:])
    if seeds.shape != shape:
        raise InputError(f"inputs must have shape {shape}, got {seeds.shape}")
    return blocks, steps, order, seeds


def shrunk(images: NDArray[np.float32], largest: int = LARGEST) -> NDArray[np.float32]:
    """Average images (..., C, H, W) down by a whole factor, to a side of at most `largest`.

    >>> shrunk(np.ones((2, 1, 128, 128), np.float32)).shape
    (2, 1, 64, 64)
    """
    *lead, height, width = images.shape
    factor = -(-max(height, width) // largest)
    if factor == 1 or height % factor or width % factor:
        return images
    blocks = images.reshape(*lead, height // factor, factor, width // factor, factor)
    return np.asarray(blocks.mean(axis=(-3, -1)), np.float32)
