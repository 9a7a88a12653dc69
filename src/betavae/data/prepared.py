"""Prepared data sets: one file each in the safetensors format, memory-mapped.

A prepared file holds a tensor ``images``, uint8, (N, C, H, W) or bit-packed (N, C*H*W/8), and,
unless the rows are a full factor grid in order, a tensor ``factors``, int32 (N, K), -1 where not
known. Everything else stands in the header, as JSON under the metadata key ``betavae``: see
`Header`. Any safetensors reader opens such a file; nothing in it can run.

Source: https://huggingface.co/docs/safetensors (8 bytes of length, JSON, then the tensors).
"""

from __future__ import annotations

import json
import math
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae._system.files import write_beside
from betavae.data.cache import cache_folder, reserve
from betavae.data.dataset import Dataset
from betavae.data.factors import Factors
from betavae.data.images import ImageStore
from betavae.data.readers.csv_tables import with_factors
from betavae.data.recipe import Reading

VERSION = 1  # of the format and of what the readers make of a source; another is not read
ROOM = 8192  # bytes kept for what is only known once the images are written
ALIGN = 4096  # the images begin on a page
SUFFIX = ".safetensors"


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
    return cache_folder() / "sets" / f"{name}-{size}{SUFFIX}"


def find(name: str) -> dict[int, Path]:
    """Return the prepared files of a set by the side of their images."""
    found = {}
    for path in (cache_folder() / "sets").glob(f"{name}-*{SUFFIX}"):
        side = path.stem.removeprefix(f"{name}-")
        if side.isdigit():
            found[int(side)] = path
    return dict(sorted(found.items()))


def write(path: Path, reading: Reading, header: Header, sha256: Any) -> Header:
    """Read a set into the file `path`, beside and renamed.

    Args:
        path: from `path_of`.
        reading: the images and factors.
        header: what is known before reading; its factors and remark are filled in.
        sha256: returns the source's digest, once the images are written.

    Raises:
        InputError: when the source turns out bad, or there is no room; nothing is left behind.
    """
    _sweep(path)
    row = (math.prod(reading.shape) // 8,) if reading.packed else reading.shape
    shape: tuple[int, ...] = (reading.count, *row)
    names, grid, labels = _factors(reading)
    tensors: dict[str, Any] = {}
    offset = 0
    stored = [("images", "U8", shape, 1)]
    if labels is not None:
        stored.append(("factors", "I32", labels.shape, 4))
    for key, dtype, dims, width in stored:
        end = offset + math.prod(dims) * width
        tensors[key] = {"dtype": dtype, "shape": list(dims), "data_offsets": [offset, end]}
        offset = end
    draft = Header(**{**asdict(header), "factor_names": names, "grid": grid})
    length = len(_encode(draft, tensors)) + ROOM
    length += -(8 + length) % ALIGN
    try:
        with write_beside(path) as beside:
            with beside.open("wb") as file:
                file.truncate(8 + length + offset)
            reserve(beside)
            data = np.memmap(beside, np.uint8, "r+", offset=8 + length, shape=shape)
            remark = reading.fill(data)
            data.flush()
            del data
            source = {**header.source, "sha256": sha256()}
            draft = Header(**{**asdict(draft), "source": source, "remark": remark})
            text = _encode(draft, tensors).ljust(length)
            with beside.open("r+b") as file:
                file.write(length.to_bytes(8, "little") + text)
                if labels is not None:
                    file.seek(8 + length + tensors["factors"]["data_offsets"][0])
                    file.write(labels.astype("<i4").tobytes())
    except InputError as error:
        if isinstance(error.__cause__, OSError):
            raise InputError(f"{error}; BETAVAE_CACHE=FOLDER moves the cache") from None
        raise
    return draft


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


def _encode(header: Header, tensors: dict[str, Any]) -> bytes:
    metadata = {"betavae": json.dumps(asdict(header))}
    return json.dumps({"__metadata__": metadata, **tensors}).encode()


def _sweep(path: Path) -> None:
    """Remove what a killed process left beside `path`."""
    for part in path.parent.glob(f".{path.name}.*.part"):
        process = part.name.removesuffix(".part").rsplit(".", 1)[-1]
        if process.isdigit() and not _runs(int(process)):
            with suppress(OSError):
                part.unlink()


def _runs(process: int) -> bool:
    if process == os.getpid() or os.name == "nt":  # there, signal 0 would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def read_header(path: Path) -> Header:
    """Return the header of a prepared file.

    Raises:
        InputError: when the file cannot be read, is damaged, or of another version.
    """
    return _read(path)[0]


def _read(path: Path) -> tuple[Header, dict[str, Any], int]:
    """Return header, tensors, and the place of the first one, all checked against the file."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            total = path.stat().st_size
            if length > total:
                raise ValueError("its header is cut off")
            tensors = json.loads(file.read(length))
        said = json.loads(tensors.pop("__metadata__")["betavae"])
        if said["version"] != VERSION:
            raise ValueError(f"it has version {said['version']}, expected {VERSION}")
        for key in ("image_shape", "factor_names", "grid"):
            said[key] = None if said[key] is None else tuple(said[key])
        header = Header(**said)
        pixels = math.prod(header.image_shape)
        shape = tuple(tensors["images"]["shape"])
        expected = (shape[0], pixels // 8) if header.packed else (shape[0], *header.image_shape)
        end = max(tensor["data_offsets"][1] for tensor in tensors.values())
        fits = tensors["images"]["data_offsets"] == [0, math.prod(shape)]
        if shape != expected or not fits or 8 + length + end != total:
            raise ValueError("its size does not fit its header")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise InputError(f"{path} is damaged ({error}); remove it and prepare again") from None
    return header, tensors, 8 + length


def load(path: Path, name: str) -> Dataset:
    """Open a prepared file: images are mapped, not read.

    Raises:
        InputError: see `read_header`.
    """
    header, tensors, start = _read(path)
    shape = tuple(tensors["images"]["shape"])
    data = np.memmap(path, np.uint8, "r", offset=start, shape=shape)
    store = ImageStore(data, header.image_shape, packed=header.packed)
    if header.grid is not None:
        grid = Factors(header.factor_names, header.grid)
        return Dataset(name, store, grid, None, grid.names)
    if "factors" not in tensors:
        return Dataset(name, store)
    rows, columns = tensors["factors"]["shape"]
    offset = start + tensors["factors"]["data_offsets"][0]
    labels = np.fromfile(path, "<i4", rows * columns, offset=offset).reshape(rows, columns)
    return Dataset(name, store, None, labels.astype(np.int64), header.factor_names)
