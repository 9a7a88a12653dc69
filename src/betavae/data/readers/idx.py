"""Binary arrays with a header of sizes: idx (MNIST) and SmallNORB's matrices, also gzipped."""

from __future__ import annotations

import gzip
import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae.data.readers.files import check_plain, read_exactly, reading

NORB_DTYPES = {0x1E3D4C55: "u1", 0x1E3D4C54: "<i4"}
IDX_DTYPES = {0x08: "u1", 0x0C: ">i4"}


@dataclass(frozen=True)
class Matrix:
    """A binary array: its file, and what its header says."""

    path: Path
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int

    def blocks(self, rows: int) -> Iterator[NDArray[Any]]:
        """Yield consecutive blocks of at most `rows` along the first axis."""
        a_row = math.prod(self.shape[1:]) * self.dtype.itemsize
        with _opened(self.path) as file:
            read_exactly(file, self.start)
            for first in range(0, self.shape[0], rows):
                count = min(rows, self.shape[0] - first)
                block = np.frombuffer(read_exactly(file, count * a_row), self.dtype)
                yield block.reshape(count, *self.shape[1:])
            if file.read(1):
                raise ValueError(f"it goes on after {self.shape} values")

    def read(self) -> NDArray[Any]:
        """Return the whole array."""
        return np.concatenate(list(self.blocks(1 << 12)))


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file, unpacking it when it is gzipped, whatever its name says."""
    check_plain(path)
    with reading(path):
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        if packed:
            with gzip.open(path) as unpacked:
                yield unpacked  # type: ignore[misc]
        else:
            with path.open("rb") as plain:
                yield plain


def open_idx(path: Path) -> Matrix:
    """Read the header of an idx file: two zeros, a type, the number of sizes, big-endian sizes.

    Raises:
        InputError: when the file cannot be read or is no idx file of bytes or integers.

    Source: Y. LeCun's page of MNIST.
    """
    with _opened(path) as file:
        zeros, kind, count = struct.unpack(">HBB", read_exactly(file, 4))
        if zeros or kind not in IDX_DTYPES or not 1 <= count <= 4:
            raise InputError(f"{path} must be an idx file of bytes or integers, got another start")
        shape = struct.unpack(f">{count}i", read_exactly(file, 4 * count))
    return _checked(Matrix(path, np.dtype(IDX_DTYPES[kind]), shape, 4 + 4 * count))


def open_norb(path: Path) -> Matrix:
    """Read the header of a SmallNORB matrix: a magic number, the number of sizes, the sizes.

    All are little-endian int32; at least three sizes are stored, however few count.

    Raises:
        InputError: when the file cannot be read or is no such matrix.

    Source: https://cs.nyu.edu/~ylclab/data/norb-v1.0-small
    """
    with _opened(path) as file:
        magic, count = struct.unpack("<Ii", read_exactly(file, 8))
        if magic not in NORB_DTYPES or not 1 <= count <= 4:
            raise InputError(f"{path} must be a SmallNORB matrix, got another start")
        stored = max(3, count)
        shape = struct.unpack(f"<{stored}i", read_exactly(file, 4 * stored))[:count]
    return _checked(Matrix(path, np.dtype(NORB_DTYPES[magic]), shape, 8 + 4 * stored))


def _checked(matrix: Matrix) -> Matrix:
    if min(matrix.shape) < 1 or math.prod(matrix.shape) > 1 << 30:
        raise InputError(f"{matrix.path} must hold a set of images, its header says {matrix.shape}")
    return matrix
