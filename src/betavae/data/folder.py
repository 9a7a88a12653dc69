"""A user's own images: a .npy or .npz array, or a folder of PNG and JPEG files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError, did_you_mean
from betavae._system.threads import on_all_cores
from betavae.data import cache
from betavae.data.array_files import load_npy, load_npz
from betavae.data.dataset import Dataset
from betavae.data.images import ImageStore
from betavae.data.readers.arrays import check_side, check_size
from betavae.data.readers.csv_tables import read_csv, with_factors
from betavae.data.readers.pictures import decode, quiet_decoders, read_head
from betavae.data.sets import SETS

SUFFIXES = (".png", ".jpg", ".jpeg")
FACTORS = "factors.csv"


def load(path: str | Path, *, size: int | None = None) -> Dataset:
    """Load a user's own images.

    Args:
        path: one of
            a .npy file: (N, H, W), (N, H, W, C) or (N, C, H, W) with C 1 or 3 (the last axis wins
            where both could be channels); uint8 or other whole numbers in 0..255, bool, or floats
            in [0, 1];
            a .npz file: the same as `images`, `imgs` or its only such array; optionally `factors`
            (or dSprites' `latents_classes`), (N, K) integers, and `factor_names`, K strings;
            a folder: its PNG and JPEG files at any depth, sorted by relative path, grey when all
            are, else RGB; optionally factors.csv in the folder or beside it (see
            `betavae.data.readers.csv_tables.read_csv`). Other files and hidden ones are left alone.
        size: crop to the centre square and resize to this side, 32, 64 or 128; without it images
            must be square with one of these sides already.

    Returns:
        The images, bit-packed when an array is binary (0 and 1, or 0 and 255), else uint8; large
        sets are memory-mapped, a folder's and whatever had to be converted from the cache folder,
        so that a second load is quick.

    Raises:
        InputError: one line that names what is wrong, what was expected and what came.
    """
    chosen = Path(path).expanduser()
    check_size(size)
    try:
        chosen.stat()
        is_folder = chosen.is_dir()
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"no data set or path '{path}'{_meant(str(path), chosen)}") from None
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read '{path}': {error}") from None
    if is_folder:
        return load_folder(chosen, name=str(path), size=size)
    suffix = chosen.suffix.lower()
    if suffix == ".npy":
        return load_npy(chosen, name=str(path), size=size)
    if suffix == ".npz":
        return load_npz(chosen, name=str(path), size=size)
    raise InputError(
        f"data must be a .npy or .npz file or a folder of PNG and JPEG images, got '{path}'"
    )


def _meant(word: str, path: Path) -> str:
    """Suggest a set's name, or what lies beside the path."""
    try:
        beside = [str(entry) for entry in islice(path.parent.iterdir(), 200)]
    except OSError:
        beside = []
    return did_you_mean(word, ["shapes2d", *SETS, *beside])


@dataclass(frozen=True)
class Picture:
    """A file of a folder: relative path with ``/``, bytes, and time of its last change."""

    name: str
    nbytes: int
    changed: int


def load_folder(folder: Path, *, name: str, size: int | None) -> Dataset:
    """Load a folder of PNG and JPEG files; see `load`."""
    pictures = find_pictures(folder)
    key = [(picture.name, picture.nbytes, picture.changed) for picture in pictures]
    path = cache.prepared_path(folder.resolve().name, "folder", size, key)
    data = cache.find(path)
    if data is None or data.ndim != 4 or len(data) != len(pictures):
        data = _prepare(folder, pictures, size, path)
    _, channels, height, width = data.shape
    store = ImageStore(data, (channels, height, width), packed=False)
    tables = [folder / FACTORS, folder.resolve().parent / FACTORS]
    table = next((table for table in tables if table.is_file()), None)
    if table is None:
        return Dataset(name, store)
    factors, names = read_csv(table, [picture.name for picture in pictures])
    return with_factors(name, store, factors, names, what=str(table))


def find_pictures(folder: Path) -> list[Picture]:
    """Return the PNG and JPEG files under a folder, sorted by relative path.

    Raises:
        InputError: when there is none, or a folder cannot be read.
    """
    others: list[str] = []
    found: list[Picture] = []
    try:
        for entry, relative in _walk(folder, ""):
            if not entry.name.lower().endswith(SUFFIXES):
                others.append(relative)
                continue
            stat = entry.stat()
            found.append(Picture(relative, stat.st_size, stat.st_mtime_ns))
    except OSError as error:
        raise InputError(f"cannot read {error.filename}: {error.strerror}") from None
    if not found:
        got = f"{len(others)} other files, such as {min(others)}" if others else "no files"
        raise InputError(f"{folder} must hold .png, .jpg or .jpeg images, got {got}")
    return sorted(found, key=lambda picture: picture.name)


def _walk(folder: Path | str, prefix: str) -> Iterator[tuple[os.DirEntry[str], str]]:
    """Yield the files under a folder that are not hidden; linked folders are not entered."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path, f"{prefix}{entry.name}/")
            else:
                yield entry, prefix + entry.name


def _prepare(
    folder: Path, pictures: list[Picture], size: int | None, path: Path
) -> NDArray[np.uint8]:
    """Check every header, then decode everything into one file of the cache."""
    files = [folder / picture.name for picture in pictures]
    with quiet_decoders():
        heads = on_all_cores(lambda k: read_head(files[k]), len(files), "checking images")
    first = heads[0]
    for file, head in zip(files, heads, strict=True):
        check_side(head.height, head.width, size, str(file))
        if size is None and (head.height, head.width) != (first.height, first.width):
            raise InputError(
                f"images must all have the same size, got {first.height}x{first.width} in "
                f"{files[0]} and {head.height}x{head.width} in {file}; size 64 (--size 64) crops "
                "to the centre square and resizes"
            )
    channels = 1 if all(head.grey for head in heads) else 3
    height, width = (size, size) if size else (first.height, first.width)

    def fill(out: NDArray[np.uint8]) -> None:
        def one(k: int) -> tuple[int, int]:
            pixels = decode(files[k], channels, size)
            if pixels.shape != out.shape[1:]:
                raise InputError(f"{files[k]} changed while it was read")
            out[k] = pixels
            return int(pixels.min()), int(pixels.max())

        with quiet_decoders():
            ranges = np.array(on_all_cores(one, len(files), "decoding images"))
        if ranges.min() == ranges.max():
            raise InputError(
                f"images in {folder} must differ somewhere, got the value {ranges.min()} "
                "in every pixel"
            )

    return cache.keep(path, (len(files), channels, height, width), fill)
