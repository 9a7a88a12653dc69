"""Reading arrays from HDF5 files: values that stand in the file itself, nothing else."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError, not_installed
from betavae.data.readers.arrays import Source, check_dtype
from betavae.data.readers.files import check_bytes, check_plain, reading
from betavae.data.readers.members import Member

DEEPEST = 8  # groups in groups
MEMORY = 1 << 28  # bytes of one piece at most; the next is read while one is still in use


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a file; whatever h5py complains about becomes one line.

    Raises:
        InputError: when the file or the array is missing, damaged, or refers to other files.
    """
    try:
        import h5py
    except ImportError:
        raise not_installed(f"reading {path}", "h5py", "hdf5") from None
    try:
        check_plain(path)
        with reading(path), path.open("rb") as there:
            there.read(1)  # h5py's own words for a file that cannot be read are many
        with h5py.File(path, "r") as file:
            yield file
    except InputError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, zlib.error) as error:
        why = " ".join(str(error).split())
        raise InputError(f"{path} is damaged or not an HDF5 file: {why}") from None


@contextmanager
def _dataset(path: Path, key: str) -> Iterator[Any]:
    """Open one array of a file; links to other files are not followed."""
    with _opened(path) as file:
        import h5py

        place: Any = file
        for part in key.split("/"):
            link = place.get(part, getlink=True) if isinstance(place, h5py.Group) else None
            if not isinstance(link, h5py.HardLink):
                held = ", ".join(map(str, file))[:120] or "nothing"
                raise InputError(f"{path} must hold an array '{key}', got {held}")
            place = place[part]
        if not isinstance(place, h5py.Dataset) or place.external or place.is_virtual:
            raise InputError(f"{path}: '{key}' must be an array in the file itself")
        if place.shape in (None, ()):
            raise InputError(f"{path}: '{key}' must be an array, got a single value")
        yield place


def hdf5_members(path: Path) -> dict[str, Member]:
    """Return the arrays of a file by their paths in it."""
    found: dict[str, Member] = {}

    def walk(group: Any, prefix: str) -> None:
        import h5py

        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                continue
            place, key = group[name], f"{prefix}{name}"
            if isinstance(place, h5py.Group) and key.count("/") < DEEPEST:
                walk(place, f"{key}/")
            elif isinstance(place, h5py.Dataset) and place.shape:
                dtype = np.dtype("U1") if h5_text(place.dtype) else place.dtype
                found[key] = Member(
                    tuple(map(int, place.shape)), dtype,
                    partial(hdf5_array, path, key), partial(hdf5_source, path, key),
                )  # fmt: skip

    with _opened(path) as file:
        walk(file, "")
    return found


def h5_text(dtype: np.dtype[Any]) -> str | None:
    """Return the encoding of strings, None for numbers."""
    import h5py

    kind = h5py.check_string_dtype(dtype)
    return None if kind is None else str(kind.encoding)


def _stored(data: Any) -> int:
    """Return an array's bytes in the file."""
    return int(data.id.get_storage_size())


def hdf5_array(path: Path, key: str) -> NDArray[Any]:
    """Read one whole array of numbers; see `_dataset` for what is raised."""
    with _dataset(path, key) as data:
        check_bytes(math.prod(data.shape) * data.dtype.itemsize, f"{path}: array '{key}'")
        if h5_text(data.dtype) is None:
            check_dtype(data.dtype, f"{path}: array '{key}'")
        elif data.dtype.kind == "O":
            return np.asarray(data.asstr()[()])
        return np.asarray(data[()])


def hdf5_source(path: Path, key: str) -> Source:
    """Return an array as a Source: read piece by piece, every compressed chunk only once."""
    with _dataset(path, key) as data:
        shape, dtype = tuple(map(int, data.shape)), data.dtype
        a_row = max(1, int(np.prod(shape[1:])) * dtype.itemsize)
        depth = data.chunks[0] if data.chunks else 1
        check_bytes(math.prod(shape) * dtype.itemsize, f"{path}: array '{key}'", _stored(data))

    def pieces(rows: int) -> Iterator[NDArray[Any]]:
        # Whole chunks along the first axis, so that none is unpacked twice, if memory allows.
        span = -(-rows // depth) * depth
        span = span if span * a_row <= MEMORY else max(1, min(rows, MEMORY // a_row))
        with _dataset(path, key) as data:
            for start in range(0, shape[0], span):
                block = data[start : start + span]
                for first in range(0, len(block), rows):
                    yield block[first : first + rows]

    return Source(f"{path}: array '{key}'", shape, dtype, pieces)
