"""Reading arrays from HDF5 files: values that stand in the file itself, nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from betavae.data.arrays import Source, check_dtype
from betavae.data.numpy_files import reading
from betavae.errors import InputError

MEMORY = 1 << 29  # bytes of one piece at most


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
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
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
            for start in range(0, shape[0], span):
                block = data[start : start + span]
                for first in range(0, len(block), rows):
                    yield block[first : first + rows]

    return Source(f"{path}: array '{key}'", shape, dtype, pieces)
