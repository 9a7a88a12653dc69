"""Data sets of other libraries: Hugging Face `datasets`, torch's, any sequence of images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from betavae._system.errors import InputError
from betavae._system.progress import progress
from betavae.data.dataset import Dataset
from betavae.data.factors_table import Labels
from betavae.data.images import ImageStore
from betavae.data.label_arrays import labels_from_array
from betavae.data.labelled import labelled
from betavae.data.load_options import LoadOptions
from betavae.data.readers.arrays import CHANNELS, check_dtype, to_bytes, to_store
from betavae.data.readers.pictures import flat, to_channels

IMAGE_KEYS = ("image", "img", "images", "imgs", "pixel_values")


def from_dataset(
    items: Any,
    *,
    image: str | None = None,
    size: int | None = None,
    options: LoadOptions | None = None,
) -> Dataset:
    """Take images and factors from a data set of another library, into memory.

    Args:
        items: a torch Dataset or DataLoader, a Hugging Face data set, or anything that has a
            length and gives item i as ``items[i]``: an image, a tuple that begins with one, or a
            mapping that holds one. Images are Pillow's, or arrays or tensors (H, W), (H, W, C) or
            (C, H, W) with C 1 or 3: uint8, bool, or floats in [0, 1].
        image: the image's key in mappings; image, img, images, imgs or pixel_values if None.
        size: crop to the centre square and resize to this side.
        options: in place of `size`: how images are cropped, padded and resized.

    Returns:
        The images, bit-packed when binary. What stands beside them is the factors: whole numbers
        (None is not known), fractions by rank, words that occur more than once; named by their
        keys, or factor1, factor2, ...

    Raises:
        InputError: when there are no images, or they are of different sizes or colours.

    >>> squares = [(np.eye(32), 0), (1 - np.eye(32), 1)]
    >>> dataset = from_dataset(squares)
    >>> len(dataset.images), dataset.images.packed, dataset.factor_names
    (2, True, ('factor1',))
    """
    if isinstance(items, (Dataset, ImageStore)):
        return items if isinstance(items, Dataset) else Dataset("array", items)
    chosen = options or LoadOptions(size)
    items = _indexable(items)
    count = len(items)
    if count == 0:
        raise InputError("a data set must hold at least one image, got none")
    pixels: NDArray[np.uint8] | None = None
    rows: list[dict[str, Any]] = []
    with progress("reading images", count) as advance:
        for index in range(count):
            picture, beside = _parted(items[index], image, index)
            one = _bytes(picture, index)
            chosen.shape(one.shape[1], one.shape[2], f"image {index}")
            one = chosen.fitted(one[None])[0]
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
            rows.append(beside)
            advance(index + 1)
    if pixels is None:
        raise InputError("a data set must hold at least one image, got none")
    labels, left = _labels(rows, _class_names(items))
    dataset = labelled("dataset", to_store(pixels, "images"), labels)
    notes = [f"left out beside the images: {', '.join(left)[:160]}"] if left else []
    return dataset.noted(notes)


def _indexable(items: Any) -> Any:
    """Return what can be indexed: of a DataLoader its data set, in the data set's own order."""
    if hasattr(items, "batch_size") and hasattr(items, "dataset"):
        items = items.dataset
    splits = isinstance(items, Mapping)
    if splits or not (hasattr(items, "__len__") and hasattr(items, "__getitem__")):
        held = f" of {', '.join(map(str, items))[:80]}; give one of them" if splits else ""
        raise InputError(
            f"a data set must have a length and items, got {type(items).__name__}"
            + (held or "; collect a stream into a list first")
        )
    return items


def _parted(item: Any, key: str | None, index: int) -> tuple[Any, dict[str, Any]]:
    """Return an item's image, and what stands beside it by name."""
    if isinstance(item, Mapping):
        keys = IMAGE_KEYS if key is None else (key,)
        found = next((name for name in keys if name in item), None)
        if found is None:
            raise InputError(
                f"item {index} must hold {' or '.join(keys)}, got {', '.join(map(str, item))}; "
                "say which is the image with image=KEY"
            )
        return item[found], _spread(
            {str(name): value for name, value in item.items() if name != found}
        )
    if isinstance(item, (tuple, list)) and item:
        beside = {f"factor{k}": value for k, value in enumerate(item[1:], start=1)}
        return item[0], _spread(beside)
    return item, {}


def _plain(value: Any) -> NDArray[Any]:
    """Return a value as an array, tensors of any device and dtype too."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.float() if str(value.dtype) == "torch.bfloat16" else value
    return np.asarray(value)


def _spread(values: dict[str, Any]) -> dict[str, Any]:
    """Return numbers, words and None by name, a vector of numbers spread out."""
    kept: dict[str, Any] = {}
    for name, value in values.items():
        array = np.asarray(None) if value is None else _plain(value)
        if array.ndim == 0:
            kept[name] = array.item()
        elif array.dtype.kind in "biuf" and array.ndim == 1:
            kept |= {f"{name}{k}": one for k, one in enumerate(array.tolist(), start=1)}
        else:
            kept[name] = array  # left out, and named
    return kept


def _labels(
    rows: list[dict[str, Any]], class_names: dict[str, tuple[str, ...]]
) -> tuple[Labels | None, list[str]]:
    """Return the factors, and the names of what is none."""
    labels: Labels | None = None
    left: list[str] = []
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [row.get(name) for row in rows]
        known = [value for value in values if value is not None]
        complete = all(name in row for row in rows)
        words = known and all(isinstance(value, (str, bytes)) for value in known)
        numbers = known and all(isinstance(value, (bool, int, float)) for value in known)
        if not complete or not (numbers or (words and len(set(known)) <= len(known) // 2)):
            left.append(name)
            continue
        if words:
            array = np.array(["" if value is None else str(value) for value in values])
        elif all(isinstance(value, (bool, int)) for value in known):
            array = np.array([-1 if value is None else int(value) for value in values], np.int64)
        else:
            array = np.array([np.nan if value is None else value for value in values], np.float64)
        found = labels_from_array(array, (name,), f"'{name}'")
        own = class_names.get(name, ())
        if own and array.dtype.kind == "i" and array.max() < len(own):
            found = replace(found, value_names={name: own})
        labels = found.beside(labels)
    return labels, left


def _class_names(items: Any) -> dict[str, tuple[str, ...]]:
    """Return what Hugging Face's ClassLabel and torchvision call the classes, by column."""
    features = getattr(items, "features", None)
    if isinstance(features, Mapping):
        return {
            str(key): tuple(map(str, feature.names))
            for key, feature in features.items()
            if isinstance(getattr(feature, "names", None), list)
        }
    classes = getattr(items, "classes", None)
    named = isinstance(classes, (list, tuple)) and all(isinstance(one, str) for one in classes)
    return {"factor1": tuple(classes)} if named and classes is not None else {}


def _bytes(picture: Any, index: int) -> NDArray[np.uint8]:
    """Return one image as (C, H, W) bytes."""
    what = f"image {index}"
    if isinstance(picture, Image.Image):
        grey = picture.mode in ("1", "L", "LA", "La", "F") or picture.mode.startswith("I")
        values = np.asarray(flat(picture, "L" if grey else "RGB"))
    else:
        values = _plain(picture)
    check_dtype(values.dtype, what)
    if values.ndim == 3 and values.shape[2] in CHANNELS[:2]:
        values = np.moveaxis(values, 2, 0)
    elif values.ndim == 2:
        values = values[None]
    if values.ndim != 3 or values.shape[0] not in CHANNELS[:2] or 0 in values.shape:
        raise InputError(
            f"{what} must be (H, W), (H, W, C) or (C, H, W) with C 1 or 3, got {values.shape}"
        )
    whole: NDArray[np.uint8] = to_bytes(values[None], what, index)[0]
    return whole
