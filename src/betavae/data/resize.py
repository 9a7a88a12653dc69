"""Arrays of images resized as Pillow resizes one, bit for bit, by threads at the same time.

Pillow takes one image a call and keeps Python locked meanwhile: one core, however many threads.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from betavae.data.readers.pictures import REDUCING_GAP, Crop, fit, kept

LOBES = 3  # of Lanczos' kernel
FRACTION = 1 << 22  # Pillow's weights are whole multiples of 1 / FRACTION
TOGETHER = 1 << 17  # pixels resized at a time: they stay in the processor's cache


def fit_pixels(images: NDArray[np.uint8], size: int, crop: Crop = None) -> NDArray[np.uint8]:
    """Crop and resize (n, C, H, W) bytes to (n, C, size, size), each plane as `fit` does.

    >>> fit_pixels(np.full((2, 3, 100, 80), 7, np.uint8), 64).shape
    (2, 3, 64, 64)
    """
    left, top, right, bottom = kept(images.shape[3], images.shape[2], crop)
    images = images[:, :, top:bottom, left:right]
    count, channels, height, width = images.shape
    if (height, width) == (size, size):
        return images
    planes = images.reshape(-1, height, width)
    # Pillow averages boxes of pixels first, and chooses which axis of a rectangle is first.
    if height != width or height >= 2 * REDUCING_GAP * size:
        each = [np.asarray(fit(Image.fromarray(one), size, "whole")) for one in planes]
        return np.stack(each).reshape(count, channels, size, size)
    out = np.empty((len(planes), size, size), np.uint8)
    together = max(1, TOGETHER // (height * width))
    table = weights(height, size)
    for first in range(0, len(planes), together):
        lines = planes[first : first + together].reshape(-1, width).astype(np.float64)
        resized = np.floor(_rounded(lines @ table)).reshape(-1, height, size)
        out[first : first + together] = _rounded(table.T @ resized)
    return out.reshape(count, channels, size, size)


def _rounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 0..255, whose whole part is the value rounded; changes what it is given."""
    values += 0.5
    return np.clip(values, 0, 255, out=values)


@lru_cache(maxsize=16)
def weights(side: int, size: int) -> NDArray[np.float64]:
    """Return Lanczos' weights, (side, size): a line of pixels times them is the line resized.

    They are multiples of 2**-22, as Pillow has them, so that products and sums of bytes are exact.

    Source: Pillow's Resample.c (precompute_coeffs, normalize_coeffs_8bpc).
    """
    scale = side / size
    stretch = max(scale, 1.0)
    pixel, centre = np.arange(side)[:, None], (np.arange(size) + 0.5) * scale
    first = np.trunc(centre - LOBES * stretch + 0.5)
    last = np.trunc(centre + LOBES * stretch + 0.5)
    distance = (pixel - centre + 0.5) / stretch
    kernel = np.sinc(distance) * np.sinc(distance / LOBES) * (np.abs(distance) < LOBES)
    kernel *= (pixel >= first) & (pixel < last)
    kernel /= kernel.sum(axis=0)
    whole = np.trunc(kernel * FRACTION + np.copysign(0.5, kernel))
    table: NDArray[np.float64] = whole / FRACTION
    return table
