"""Prepared data sets: one file each in the cache's format, with where it came from.

A prepared file holds, besides ``images``, and unless the rows are a full factor grid in order, a
tensor ``factors``, int32 (N, K), -1 where not known. Everything else stands in its `Header`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae.data import cache
from betavae.data.dataset import Dataset
from betavae.data.factors import Factors
from betavae.data.images import ImageStore
from betavae.data.labelled import with_factors
from betavae.data.recipe import Reading

VERSION = 1  # of the format and of what the readers make of a source; another is not read


@dataclass(frozen=True)
class Header:
    """What a prepared file says of itself.

    Attributes:
        version: of the format.
        name: of the data set.
        image_shape: (C, H, W).
        packed: whether images are stored 8 pixels a byte.
        factor_names: one a factor.
        grid: the factors' sizes when the rows are a full grid in order, else None.
        source: `path`, `bytes`, `fingerprint` (of names, sizes and times) and `sha256` (of the
            content; of a folder, of its files' names and digests) of what it was read from.
        preprocessing: the options it was read with.
        remark: what reading found out, in one line, or None.
    """

    version: int
    name: str
    image_shape: tuple[int, int, int]
    packed: bool
    factor_names: tuple[str, ...]
    grid: tuple[int, ...] | None
    source: dict[str, Any]
    preprocessing: dict[str, Any]
    remark: str | None = None


def path_of(name: str, size: int) -> Path:
    """Return where the set `name` of side `size` is kept."""
    return cache.cache_folder() / "sets" / f"{name}-{size}{cache.SUFFIX}"


def find(name: str) -> dict[int, Path]:
    """Return the prepared files of a set by the side of their images."""
    found = {}
    for path in (cache.cache_folder() / "sets").glob(f"{name}-*{cache.SUFFIX}"):
        side = path.stem.removeprefix(f"{name}-")
        if side.isdigit():
            found[int(side)] = path
    return dict(sorted(found.items()))


def write(path: Path, reading: Reading, header: Header, sha256: Callable[[], str]) -> None:
    """Read a set into the file `path`, beside and renamed.

    Args:
        path: from `path_of`.
        reading: the images and factors.
        header: what is known before reading; its factors and remark are filled in.
        sha256: returns the source's digest, once the images are written.

    Raises:
        InputError: when the source turns out bad, or there is no room; nothing is left behind.
    """
    row = (math.prod(reading.shape) // 8,) if reading.packed else reading.shape
    names, grid, labels = _factors(reading)

    def describe(remark: str | None) -> dict[str, Any]:
        source = {**header.source, "sha256": sha256()}
        return asdict(replace(header, factor_names=names, grid=grid, source=source, remark=remark))

    others = {} if labels is None else {"factors": labels.astype(np.int32)}
    cache.keep(path, (reading.count, *row), reading.fill, others=others, describe=describe)


def _factors(
    reading: Reading,
) -> tuple[tuple[str, ...], tuple[int, ...] | None, NDArray[np.int64] | None]:
    """Return names, the grid's sizes or None, and labels or None."""
    if reading.grid is not None:
        if len(reading.grid) != reading.count:
            raise InputError(
                f"a grid of {reading.grid.sizes} has {len(reading.grid):,} images, "
                f"got {reading.count:,}"
            )
        return reading.grid.names, reading.grid.sizes, None
    stand_in = np.broadcast_to(np.uint8(0), (reading.count, *reading.shape))
    store = ImageStore(stand_in, reading.shape, packed=False)
    found = with_factors("", store, reading.labels, reading.names)
    if found.grid is not None:
        return found.grid.names, found.grid.sizes, None
    return found.factor_names, None, found.labels


def read_header(path: Path) -> Header:
    """Return the header of a prepared file.

    Raises:
        InputError: when the file cannot be read, is damaged, or of another version.
    """
    return _read(path)[0]


def _read(path: Path) -> tuple[Header, cache.Stored]:
    """Open a file and check that its tensors fit its header."""
    stored = cache.open_stored(path)
    said, shape = dict(stored.said), stored.images.shape
    try:
        if said["version"] != VERSION:
            raise ValueError(f"it has version {said['version']}, expected {VERSION}")
        for key in ("image_shape", "factor_names", "grid"):
            said[key] = None if said[key] is None else tuple(said[key])
        header = Header(**said)
        pixels = math.prod(header.image_shape)
        if shape[1:] != ((pixels // 8,) if header.packed else header.image_shape):
            raise ValueError("its size does not fit its header")
        rows = (shape[0], len(header.factor_names))
        if "factors" in stored.arrays and stored.arrays["factors"].shape != rows:
            raise ValueError("its factors do not fit its header")
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise InputError(f"{path} is damaged ({error}); remove it and prepare again") from None
    return header, stored


def load(path: Path, name: str) -> Dataset:
    """Open a prepared file: images are mapped, not read.

    Raises:
        InputError: see `read_header`.
    """
    header, stored = _read(path)
    store = ImageStore(stored.images, header.image_shape, packed=header.packed)
    if header.grid is not None:
        grid = Factors(header.factor_names, header.grid)
        return Dataset(name, store, grid, None, grid.names)
    if "factors" not in stored.arrays:
        return Dataset(name, store)
    labels = stored.arrays["factors"].astype(np.int64)
    return Dataset(name, store, None, labels, header.factor_names)
