"""Files of arrays as data sets: .npy, .npz, HDF5, .pt and .mat, with whatever keys they have."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae.data import cache
from betavae.data.dataset import Dataset
from betavae.data.factors_table import Labels
from betavae.data.images import ImageStore
from betavae.data.label_arrays import DSPRITES_NAMES, labels_from_array
from betavae.data.labelled import labelled
from betavae.data.load_options import LoadOptions
from betavae.data.readers.arrays import (
    SHAPES,
    Source,
    arranged,
    axes_of,
    check_dtype,
    fill,
    packed_bits,
    survey,
)
from betavae.data.readers.hdf5 import hdf5_members
from betavae.data.readers.matlab import mat_members
from betavae.data.readers.members import Member
from betavae.data.readers.numpy_files import Archive, open_npy
from betavae.data.readers.pictures import read_pages
from betavae.data.readers.torch_files import torch_members

# dSprites calls images imgs; the keys before come first where several could be the images.
IMAGE_KEYS = (
    "images", "imgs", "image", "img", "x", "data", "x_train", "train_images", "train_x", "pixels",
    "frames", "arr_0",
)  # fmt: skip
LABEL_KEYS = (
    "factors", "latents_classes", "latents/classes", "labels", "label", "y", "targets", "target",
    "classes", "class", "y_train", "train_labels", "train_y", "arr_1", "latents_values",
    "latents/values", "latents", "attributes",
)  # fmt: skip
NAME_KEYS = ("factor_names", "label_names", "attribute_names", "names")
IN_MEMORY = 1 << 28  # bytes; larger sets are memory-mapped


def page_members(path: Path) -> dict[str, Member]:
    """Return the pages of a TIFF as one array."""
    pages = read_pages(path)
    return {"pages": Member.of(lambda: pages, pages.shape, pages.dtype, str(path))}


READERS = {
    ".npz": lambda path: Archive(path).members(),
    ".h5": hdf5_members,
    ".hdf5": hdf5_members,
    ".pt": torch_members,
    ".pth": torch_members,
    ".mat": mat_members,
    ".tif": page_members,
    ".tiff": page_members,
}
SUFFIXES = (".npy", *READERS)


def load_arrays(path: Path, *, name: str, options: LoadOptions) -> Dataset:
    """Load a file of arrays; see `betavae.data.load`.

    Raises:
        InputError: one line that names what is wrong, what was expected and what came.
    """
    if path.suffix.lower() == ".npy":
        values = open_npy(path)
        source = Source.from_array(values, str(path))
        store, notes = _stored(source, path, options, values)
        return Dataset(name, store, notes=notes + _last_note(values.shape, str(path), None))
    return load_members(path, READERS[path.suffix.lower()](path), name=name, options=options)


def load_members(
    path: Path, members: dict[str, Member], *, name: str, options: LoadOptions
) -> Dataset:
    """Load images and labels out of several arrays, whatever they are called.

    Images are the array `images`, `imgs`, `x`, ..., or the only one of their shape; labels are
    `factors`, `labels`, `y` and the like. What is not used is named in the notes.
    """
    lengths = {m.shape[0] for key, m in members.items() if _last(key) in LABEL_KEYS and m.shape}
    told = lengths.pop() if len(lengths) == 1 else None
    chosen = _images_member(path, members, told)
    member, what = members[chosen], f"{path}: array '{chosen}'"
    check_dtype(member.dtype, what)
    try:
        first = axes_of(member.shape, told)[0]
    except InputError as error:
        raise InputError(f"{what}: {error}") from None
    count = member.shape[first]
    source = member.source() if first == 0 else Source.from_array(member.read(), what, count)
    labels, used = _labels(path, members, chosen, count)
    store, notes = _stored(source, path, options, None)
    notes += _last_note(member.shape, what, count)
    left = [f"'{key}' {m.shape}" for key, m in members.items() if key not in used]
    if left:
        notes += (f"{path}: left out {', '.join(left)[:160]}",)
    called = " and ".join(f"'{key}'" for key in sorted(used - {chosen}))
    return labelled(name, store, labels, what=f"{path}: {called}").noted(notes)


def _last_note(shape: tuple[int, ...], what: str, count: int | None) -> tuple[str, ...]:
    if axes_of(shape, count)[0] == 0:
        return ()
    return (f"{what}: {shape} is read as {shape[-1]:,} images, which come last",)


def _last(key: str) -> str:
    """Return a key as it is looked for: the last part of its path, in lower case."""
    return key.lower() if "latents/" in key.lower() else key.lower().rsplit("/", 1)[-1]


def _images_member(path: Path, members: dict[str, Member], count: int | None) -> str:
    """Return the key of the images."""
    alike = {key: member for key, member in members.items() if _image_like(member, count)}
    for wanted in IMAGE_KEYS:
        named = [key for key in members if _last(key) == wanted]
        fitting = [key for key in named if key in alike]
        if len(fitting) == 1:
            return fitting[0]
        if len(fitting) > 1 and len({key.rpartition("/")[0] for key in fitting}) > 1:
            raise InputError(
                f"{path} holds several sets of images, {' and '.join(sorted(fitting))[:120]}; save "
                "the one to learn from in a file of its own"
            )
        if len(named) == 1 and wanted in ("images", "imgs"):
            return named[0]  # its own line will say what is wrong
    if len(alike) == 1:
        return next(iter(alike))
    arrays = ", ".join(f"'{key}' {member.shape}" for key, member in members.items())
    raise InputError(
        f"{path} must hold an array 'images' of shape {SHAPES}, got {arrays[:160] or 'no arrays'}"
    )


def _image_like(member: Member, count: int | None) -> bool:
    try:
        check_dtype(member.dtype, "")
        axes_of(member.shape, count)
    except InputError:
        return False
    return True


def _labels(
    path: Path, members: dict[str, Member], images: str, count: int
) -> tuple[Labels | None, set[str]]:
    """Read the labels beside the images; return them and the keys that were used."""
    used = {images}
    found: Labels | None = None
    for wanted in LABEL_KEYS:
        for key, member in members.items():
            if key in used or _last(key) != wanted or not member.shape:
                continue
            what = f"{path}: '{key}'"
            if member.dtype.hasobject:
                check_dtype(member.dtype, what)
            if member.shape[0] != count or len(member.shape) > 2:
                expected = f"one row an image, expected {count} rows, got {member.shape[0]}"
                if len(member.shape) > 2:
                    expected = f"(N, K) integers, got shape {member.shape}"
                raise InputError(f"{what} must have {expected}")
            if found is not None and wanted.endswith(("values", "latents")):
                continue  # the same as the classes, in other numbers
            names = _names(members, key, member, used)
            labels = labels_from_array(member.read(), names, what, one_hot=wanted != "factors")
            found = labels.beside(found)
            used.add(key)
    return found, used


def _names(members: dict[str, Member], key: str, member: Member, used: set[str]) -> tuple[str, ...]:
    """Return a name a column: the file's own, else made from the key."""
    columns = member.shape[1] if len(member.shape) == 2 else 1
    own = next((name for name in NAME_KEYS if name in members), None)
    if own is not None and (columns == math.prod(members[own].shape) or _last(key) == "factors"):
        used.add(own)
        return tuple(
            value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
            for value in members[own].read().ravel()
        )
    if "latents" in key and columns == len(DSPRITES_NAMES):
        return DSPRITES_NAMES
    last = key.rsplit("/", 1)[-1]
    stem = "factor" if last == "factors" else last
    if columns == 1 and stem != "factor":
        return (stem,)
    return tuple(f"{stem}{k + 1}" for k in range(columns))


def _stored(
    source: Source, path: Path, options: LoadOptions, mapped: NDArray[Any] | None
) -> tuple[ImageStore, tuple[str, ...]]:
    """Return a source's images, as mapped where that serves, else converted, a large set cached."""
    channels, height, width = source.check()
    side = options.shape(height, width, source.what)
    refitted = side != (height, width)
    shape = (channels, *side)
    stat = path.stat()
    key = (source.what, str(path.resolve()), stat.st_size, stat.st_mtime_ns, options.pixels)
    kept = cache.prepared_path(path.stem, "array", *key)
    pixels, count = math.prod(shape), source.shape[0]
    if count * pixels > IN_MEMORY:
        stored = cache.find(kept)
        if stored is not None and stored.images.shape in ((count, pixels // 8), (count, *shape)):
            data = stored.images
            return ImageStore(data, shape, packed=data.ndim == 2), tuple(stored.said["notes"])
    found = survey(source)
    notes = found.notes(source.what)
    if found.constant:
        raise InputError(f"{source.what} must differ somewhere, got the same value in every pixel")
    packed = found.binary and not refitted and pixels % 8 == 0
    plain = mapped is not None and mapped.dtype == np.uint8 and 4 not in source.shape[1:]
    if mapped is not None and plain and found.white == 255 and not packed and not refitted:
        whole = mapped if mapped.nbytes > IN_MEMORY else np.array(mapped)
        return ImageStore(arranged(whole, count), shape, packed=False), notes

    def write(out: NDArray[np.uint8]) -> None:
        fill(source, out, packed_bits if packed else options.fitted, found.white)

    out_shape = (count, pixels // 8) if packed else (count, *shape)
    if math.prod(out_shape) > IN_MEMORY:
        data = cache.keep(kept, out_shape, write, describe=lambda made: {"notes": notes}).images
        return ImageStore(data, shape, packed=packed), notes
    data = np.empty(out_shape, np.uint8)
    write(data)
    return ImageStore(data, shape, packed=packed), notes
