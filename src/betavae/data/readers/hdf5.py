"""Reading arrays from HDF5 files: values that stand in the file itself, nothing else."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae._system.threads import threads
from betavae.data.readers.arrays import Source, check_dtype
from betavae.data.readers.numpy_files import reading

MEMORY = 1 << 28  # bytes of one piece at most; the next is read while one is still in use


@contextmanager
def _dataset(path: Path, key: str) -> Iterator[Any]:
    """Open one array of a file.

    Raises:
        InputError: when the file or the array is missing, damaged, or refers to other files.
    """
    try:
        import h5py
    except ImportError:
        raise InputError(f"{path} needs h5py to be read: pip install 'betavae[hdf5]'") from None
    try:
        with reading(path), path.open("rb") as there:
            there.read(1)  # h5py's own words for a missing file are many
        with h5py.File(path, "r") as file:
            place: Any = file
            for part in key.split("/"):
                link = place.get(part, getlink=True) if isinstance(place, h5py.Group) else None
                if not isinstance(link, h5py.HardLink):
                    held = ", ".join(map(str, file)) or "nothing"
                    raise InputError(f"{path} must hold an array '{key}', got {held}")
                place = place[part]
            if not isinstance(place, h5py.Dataset) or place.external or place.is_virtual:
                raise InputError(f"{path}: '{key}' must be an array in the file itself")
            yield place
    except InputError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, zlib.error) as error:
        why = " ".join(str(error).split())
        raise InputError(f"{path} is damaged or not an HDF5 file: {why}") from None


def hdf5_array(path: Path, key: str) -> NDArray[Any]:
    """Read one whole array of numbers; see `_dataset` for what is raised."""
    with _dataset(path, key) as data:
        check_dtype(data.dtype, f"{path}: array '{key}'")
        return np.asarray(data[()])


def hdf5_source(path: Path, key: str) -> Source:
    """Return an array as a Source: read piece by piece, every compressed chunk only once."""
    with _dataset(path, key) as data:
        shape, dtype = tuple(map(int, data.shape)), data.dtype
        a_row = max(1, int(np.prod(shape[1:])) * dtype.itemsize)
        depth = data.chunks[0] if data.chunks else 1

    def pieces(rows: int) -> Iterator[NDArray[Any]]:
        # Whole chunks along the first axis, so that none is unpacked twice, if memory allows.
        span = -(-rows // depth) * depth
        span = span if span * a_row <= MEMORY else max(1, min(rows, MEMORY // a_row))
        with _dataset(path, key) as data:
            gzipped = _only_gzipped(data) and span % depth == 0
            for start in range(0, shape[0], span):
                stop = min(start + span, shape[0])
                block = _unzipped(data, start, stop) if gzipped else data[start:stop]
                for first in range(0, len(block), rows):
                    yield block[first : first + rows]

    return Source(f"{path}: array '{key}'", shape, dtype, pieces)


def _only_gzipped(data: Any) -> bool:
    """Say whether every chunk is there, and is bytes packed by gzip and nothing else."""
    from h5py import h5z

    if not data.chunks:
        return False
    filters = data.id.get_create_plist()
    chunks = math.prod(-(-side // part) for side, part in zip(data.shape, data.chunks, strict=True))
    return bool(
        data.dtype == np.uint8
        and filters.get_nfilters() == 1
        and filters.get_filter(0)[0] == h5z.FILTER_DEFLATE
        and data.id.get_num_chunks() == chunks
    )


def _unzipped(data: Any, start: int, stop: int) -> NDArray[np.uint8]:
    """Return ``data[start:stop]``, its chunks unpacked on all cores: HDF5 itself takes one.

    Args:
        data: an array that is `_only_gzipped`.
        start: a multiple of the chunks' depth.
        stop: the same, or the end of the array.

    Raises:
        OSError: when a chunk cannot be read.
        ValueError, zlib.error: when one is damaged.
    """
    out = np.empty((stop - start, *data.shape[1:]), np.uint8)
    sides = [range(start, stop, data.chunks[0])]
    sides += [
        range(0, side, part) for side, part in zip(data.shape[1:], data.chunks[1:], strict=True)
    ]
    size = math.prod(data.chunks)

    def one(corner: tuple[int, ...]) -> None:
        skipped, packed = data.id.read_direct_chunk(corner)
        # A chunk that gzip would have made longer is stored as it is.
        content = packed if skipped else zlib.decompressobj().decompress(packed, size + 1)
        if len(content) != size:
            raise ValueError(f"a chunk unpacks to {len(content):,} bytes, expected {size:,}")
        place = (corner[0] - start, *corner[1:])
        there = out[
            tuple(slice(at, at + part) for at, part in zip(place, data.chunks, strict=True))
        ]
        chunk = np.frombuffer(content, np.uint8).reshape(data.chunks)
        there[...] = chunk[tuple(map(slice, there.shape))]

    with threads() as (pool, _):
        list(pool.map(one, product(*sides)))
    return out
