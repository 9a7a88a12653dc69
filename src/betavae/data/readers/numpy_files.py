"""Reading .npy and .npz files: headers first, then values piece by piece, never a pickle."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae.data.readers.arrays import Source, check_dtype
from betavae.data.readers.files import check_bytes, check_plain, read_exactly, reading
from betavae.data.readers.members import Member


@dataclass(frozen=True)
class Header:
    """What a stored array says of itself, before its values."""

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype[Any]
    length: int

    @property
    def nbytes(self) -> int:
        """Bytes of the values. Python integers: a damaged header can ask for any number."""
        count = self.dtype.itemsize
        for side in self.shape:
            count *= side
        return count


def read_header(file: IO[bytes]) -> Header:
    """Read the header of an array in numpy's format; ValueError when there is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy warns of files written by Python 2
            version = np.lib.format.read_magic(file)
            if version == (1, 0):
                shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
            elif version == (2, 0):
                shape, fortran, dtype = np.lib.format.read_array_header_2_0(file)
            else:
                raise ValueError("its format is for named fields, not images")
    except OSError:
        raise
    except Exception as error:  # numpy's parser lets SyntaxError, TokenError and more through
        why = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(f"no array header ({why})") from None
    if any(side < 0 for side in shape):
        raise ValueError(f"its header gives the shape {shape}")
    return Header(tuple(map(int, shape)), bool(fortran), dtype, file.tell())


def _check_length(header: Header, stored: int, what: str) -> None:
    if not header.dtype.hasobject and stored < header.length + header.nbytes:
        raise InputError(
            f"{what} is truncated: {header.shape} {header.dtype} takes "
            f"{header.length + header.nbytes:,} bytes, got {stored:,}"
        )


def open_npy(path: Path) -> NDArray[Any]:
    """Map a .npy file, read-only.

    Raises:
        InputError: when the file is missing, truncated, no array, or holds pickled objects.
    """
    check_plain(path)
    with reading(path):
        with path.open("rb") as file:
            header = read_header(file)
        check_dtype(header.dtype, f"{path}: array")
        _check_length(header, path.stat().st_size, str(path))
        if 0 in header.shape:
            raise InputError(f"{path} must hold at least one image, got shape {header.shape}")
        order: Literal["F", "C"] = "F" if header.fortran_order else "C"
        return np.memmap(
            path, header.dtype, mode="r", offset=header.length, shape=header.shape, order=order
        )


class Archive:
    """A .npz file: the arrays' headers at once, their values when asked.

    Raises:
        InputError: when the file cannot be read or is no archive of arrays.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.headers: dict[str, Header] = {}
        self._packed: dict[str, int] = {}
        check_plain(path)
        with reading(path), zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if not member.filename.endswith(".npy"):
                    continue
                name = member.filename.removesuffix(".npy")
                with archive.open(member) as file:
                    try:
                        header = read_header(file)
                    except ValueError as error:
                        raise InputError(f"{path}: array '{name}' is damaged: {error}") from None
                _check_length(header, member.file_size, f"{path}: array '{name}'")
                self.headers[name] = header
                self._packed[name] = member.compress_size

    def read(self, name: str) -> NDArray[Any]:
        """Read one whole array; pickled objects are refused."""
        dtype = self.headers[name].dtype
        if dtype.kind not in "US":  # names are text, everything else is numbers
            check_dtype(dtype, f"{self.path}: array '{name}'")
        header = self.headers[name]
        check_bytes(header.nbytes, f"{self.path}: array '{name}'")
        with reading(self.path), zipfile.ZipFile(self.path) as archive:  # noqa: SIM117
            with archive.open(f"{name}.npy") as file:
                file.read(header.length)
                values = np.frombuffer(read_exactly(file, header.nbytes), header.dtype)
                return values.reshape(header.shape, order="F" if header.fortran_order else "C")

    def source(self, name: str) -> Source:
        """Return one array as a Source that is read and unpacked piece by piece."""
        header = self.headers[name]
        what = f"{self.path}: array '{name}'"
        check_bytes(header.nbytes, what, self._packed[name])

        def pieces(rows: int) -> Iterator[NDArray[Any]]:
            if header.fortran_order:  # its first axis is scattered over the file
                yield from Source.from_array(self.read(name)).pieces(rows)
                return
            a_row = header.nbytes // header.shape[0]
            with reading(self.path), zipfile.ZipFile(self.path) as archive:  # noqa: SIM117
                with archive.open(f"{name}.npy") as file:
                    file.read(header.length)
                    for start in range(0, header.shape[0], rows):
                        n = min(rows, header.shape[0] - start)
                        piece = np.frombuffer(read_exactly(file, n * a_row), header.dtype)
                        yield piece.reshape(n, *header.shape[1:])

        return Source(what, header.shape, header.dtype, pieces)

    def members(self) -> dict[str, Member]:
        """Return the arrays to choose from; pickled objects are among them, and never read."""
        return {
            name: Member(
                header.shape, header.dtype, partial(self.read, name), partial(self.source, name)
            )
            for name, header in self.headers.items()
        }
