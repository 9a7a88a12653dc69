"""A user's .npy and .npz files as data sets."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae.data import cache
from betavae.data.dataset import Dataset
from betavae.data.images import ImageStore
from betavae.data.readers.arrays import (
    SHAPES,
    Source,
    arranged,
    channel_axis,
    check_dtype,
    check_side,
    fill,
    packed_bits,
    survey,
)
from betavae.data.readers.csv_tables import with_factors
from betavae.data.readers.numpy_files import Archive, Header, open_npy
from betavae.data.resize import fit_pixels

IMAGE_KEYS = ("images", "imgs")  # dSprites calls them imgs
FACTOR_KEYS = ("factors", "latents_classes")
DSPRITES_NAMES = ("color", "shape", "scale", "orientation", "posX", "posY")
IN_MEMORY = 1 << 28  # bytes; larger sets are memory-mapped


def load_npy(path: Path, *, name: str, size: int | None) -> Dataset:
    """Load a .npy file of images; see `betavae.data.folder.load`."""
    values = open_npy(path)
    store = _stored(Source.from_array(values, str(path)), path, size, values)
    return Dataset(name, store)


def load_npz(path: Path, *, name: str, size: int | None) -> Dataset:
    """Load a .npz file: images and, where it has them, factors; see `betavae.data.folder.load`."""
    archive = Archive(path)
    member = _images_member(archive)
    store = _stored(archive.source(member), path, size, None)
    key = next((key for key in FACTOR_KEYS if key in archive.headers and key != member), None)
    if key is None:
        return Dataset(name, store)
    factors = archive.read(key)
    names: tuple[str, ...] | None = None
    if "factor_names" in archive.headers:
        names = tuple(_text(value) for value in archive.read("factor_names").ravel())
    elif key == "latents_classes" and factors.shape[1:] == (len(DSPRITES_NAMES),):
        names = DSPRITES_NAMES
    return with_factors(name, store, factors, names, what=f"{path}: '{key}'")


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _images_member(archive: Archive) -> str:
    """Return the name of the archive's images."""
    for name in IMAGE_KEYS:
        if name in archive.headers:
            return name
    alike = [name for name, header in archive.headers.items() if _image_like(header)]
    if len(alike) == 1:
        return alike[0]
    arrays = ", ".join(f"'{name}' {header.shape}" for name, header in archive.headers.items())
    raise InputError(
        f"{archive.path} must hold an array 'images' of shape {SHAPES}, got {arrays or 'no arrays'}"
    )


def _image_like(header: Header) -> bool:
    try:
        check_dtype(header.dtype, "")
        channel_axis(header.shape)
    except InputError:
        return False
    return True


def _stored(
    source: Source, path: Path, size: int | None, mapped: NDArray[Any] | None
) -> ImageStore:
    """Return a source's images: as mapped where that serves, else converted, a large set cached."""
    channels, height, width = source.check()
    check_side(height, width, size, source.what)
    resized = size is not None and (height, width) != (size, size)
    shape = (channels, size or height, size or width)
    stat = path.stat()
    key = (source.what, str(path.resolve()), stat.st_size, stat.st_mtime_ns, size)
    kept = cache.prepared_path(path.stem, "array", *key)
    pixels, count = math.prod(shape), source.shape[0]
    if count * pixels > IN_MEMORY:
        data = cache.find(kept)
        if data is not None and data.shape in ((count, pixels // 8), (count, *shape)):
            return ImageStore(data, shape, packed=data.ndim == 2)
    found = survey(source)
    if found.constant:
        raise InputError(f"{source.what} must differ somewhere, got the same value in every pixel")
    packed = found.top is not None and not resized
    if mapped is not None and mapped.dtype == np.uint8 and not packed and not resized:
        whole = mapped if mapped.nbytes > IN_MEMORY else np.array(mapped)
        return ImageStore(arranged(whole), shape, packed=False)

    def write(out: NDArray[np.uint8]) -> None:
        if packed:
            fill(source, out, packed_bits)
        elif size is not None and resized:
            scale = np.uint8(255 if found.top == 1 else 1)
            fill(source, out, lambda images: fit_pixels(images * scale, size))
        else:
            fill(source, out)

    out_shape = (count, pixels // 8) if packed else (count, *shape)
    if math.prod(out_shape) > IN_MEMORY:
        return ImageStore(cache.keep(kept, out_shape, write), shape, packed=packed)
    data = np.empty(out_shape, np.uint8)
    write(data)
    return ImageStore(data, shape, packed=packed)
