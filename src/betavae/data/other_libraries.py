"""Data sets of other libraries: Hugging Face `datasets`, torch Datasets, any sequence of images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from betavae._system.errors import InputError
from betavae._system.progress import progress
from betavae.data.dataset import Dataset
from betavae.data.readers.arrays import check_dtype, check_size, to_bytes, to_store
from betavae.data.readers.csv_tables import UNKNOWN, with_factors
from betavae.data.readers.pictures import flat, to_channels
from betavae.data.resize import fit_pixels

IMAGE_KEYS = ("image", "img", "images", "imgs", "pixel_values")


def from_dataset(items: Any, *, image: str | None = None, size: int | None = None) -> Dataset:
    """Take images and factors from a data set of another library, into memory.

    Args:
        items: has a length and gives item i as ``items[i]``: an image, a tuple that begins with
            one, or a mapping that holds one. Images are Pillow's, or arrays or tensors (H, W),
            (H, W, C) or (C, H, W) with C 1 or 3: uint8, bool, or floats in [0, 1].
        image: the image's key in mappings; image, img, images, imgs or pixel_values if None.
        size: crop to the centre square and resize to this side.

    Returns:
        The images, bit-packed when binary; whole numbers that stand beside them are the factors
        (None is not known), named by their keys, or factor1, factor2, ...

    Raises:
        InputError: when there are no images, or they are of different sizes or colours.

    >>> squares = [(np.eye(32), 0), (1 - np.eye(32), 1)]
    >>> dataset = from_dataset(squares)
    >>> len(dataset.images), dataset.images.packed, dataset.factor_names
    (2, True, ('factor1',))
    """
    check_size(size)
    if not (hasattr(items, "__len__") and hasattr(items, "__getitem__")):
        raise InputError(
            f"a data set must have a length and items, got {type(items).__name__}; "
            "collect a stream into a list first"
        )
    count = len(items)
    if count == 0:
        raise InputError("a data set must hold at least one image, got none")
    pixels: NDArray[np.uint8] | None = None
    rows: list[dict[str, int]] = []
    with progress("reading images", count) as advance:
        for index in range(count):
            picture, labels = _parted(items[index], image, index)
            one = _bytes(picture, index)
            if size is not None:
                one = fit_pixels(one[None], size)[0]
            if pixels is None:
                pixels = np.empty((count, *one.shape), np.uint8)
            if one.shape[0] == 1 < pixels.shape[1]:
                one = to_channels(one[None], pixels.shape[1])[0]
            if one.shape != pixels.shape[1:]:
                raise InputError(
                    f"image {index} must have (channels, height, width) {pixels.shape[1:]} as the "
                    f"first, got {one.shape}; size=64 crops and resizes"
                )
            pixels[index] = one
            rows.append(labels)
            advance(index + 1)
    assert pixels is not None
    # A column counts where every image has it.
    names = [name for name in rows[0] if all(name in row for row in rows)]
    table = np.array([[row[name] for name in names] for row in rows], np.int64)
    store = to_store(pixels, "images")
    return with_factors("dataset", store, table if names else None, names or None)


def _parted(item: Any, key: str | None, index: int) -> tuple[Any, dict[str, int]]:
    """Return an item's image, and the whole numbers beside it by name."""
    if isinstance(item, Mapping):
        keys = IMAGE_KEYS if key is None else (key,)
        found = next((name for name in keys if name in item), None)
        if found is None:
            raise InputError(
                f"item {index} must hold {' or '.join(keys)}, got {', '.join(map(str, item))}; "
                "say which is the image with image=KEY"
            )
        beside = {str(name): value for name, value in item.items() if name != found}
        return item[found], _whole(beside)
    if isinstance(item, (tuple, list)) and item:
        beside = {f"factor{k}": value for k, value in enumerate(item[1:], start=1)}
        return item[0], _whole(beside)
    return item, {}


def _whole(values: dict[str, Any]) -> dict[str, int]:
    """Keep what is a whole number, a vector of them spread out; None becomes -1, not known."""
    kept: dict[str, int] = {}
    for name, value in values.items():
        if value is None:
            kept[name] = UNKNOWN
            continue
        array = np.asarray(value)
        if array.dtype.kind in "biu" and array.ndim == 0:
            kept[name] = int(array)
        elif array.dtype.kind in "biu" and array.ndim == 1:
            kept |= {f"{name}{k}": int(one) for k, one in enumerate(array, start=1)}
    return kept


def _bytes(picture: Any, index: int) -> NDArray[np.uint8]:
    """Return one image as (C, H, W) bytes."""
    if isinstance(picture, Image.Image):
        grey = picture.mode in ("1", "L", "LA", "La") or picture.mode.startswith("I")
        values = np.asarray(flat(picture, "L" if grey else "RGB"))
    else:
        values = np.asarray(picture)
    what = f"image {index}"
    check_dtype(values.dtype, what)
    if values.ndim == 3 and values.shape[2] in (1, 3):
        values = np.moveaxis(values, 2, 0)
    elif values.ndim == 2:
        values = values[None]
    if values.ndim != 3 or values.shape[0] not in (1, 3) or 0 in values.shape:
        raise InputError(
            f"{what} must be (H, W), (H, W, C) or (C, H, W) with C 1 or 3, got {values.shape}"
        )
    whole: NDArray[np.uint8] = to_bytes(values[None], what, index)[0]
    return whole
