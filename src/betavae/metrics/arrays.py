"""Codes and factors from files: .npy, .npz and .csv."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from betavae.errors import InputError
from betavae.metrics.checks import Array, check_codes, check_matrix

SUFFIXES = (".npy", ".npz", ".csv")


def load_codes(path: str | Path) -> Array:
    """Read codes (N, M) from a .npy, .npz or .csv file.

    A .npz must hold one array, or one named ``codes`` or ``mean``. A .csv has one row an image; a
    first line that is not numbers is taken as names. Pickled data is never read.

    Raises:
        InputError: missing, truncated or unreadable file, text in place of numbers, NaN, wrong
            shape; the message names the file.

    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "codes.npy"
    >>> np.save(file, np.eye(3))
    >>> load_codes(file).shape
    (3, 3)
    """
    values, _ = _read(Path(path), ("codes", "mean"))
    return check_codes(values, f"codes in {path}")


def load_factors(path: str | Path) -> tuple[Array, tuple[str, ...]]:
    r"""Read factors (N, K), and their names, from a .npy, .npz or .csv file.

    As `load_codes`; a .npz must hold one array, or one named ``factors``. Without a header line
    the names are ``factor0``, ``factor1``, ... An empty cell of a .csv means "not known" and
    becomes -1, so such a column must be whole numbers.

    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "factors.csv"
    >>> _ = file.write_text("shape,scale\n0,1\n2,\n")
    >>> load_factors(file)
    (array([[ 0.,  1.],
           [ 2., -1.]]), ('shape', 'scale'))
    """
    values, names = _read(Path(path), ("factors",), empty=-1.0)
    array = check_matrix(values, f"factors in {path}", columns="K")
    return array, names or tuple(f"factor{k}" for k in range(array.shape[1]))


def _read(
    path: Path, keys: tuple[str, ...], empty: float | None = None
) -> tuple[Any, tuple[str, ...]]:
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path} must be a file ending in {', '.join(SUFFIXES)}")
    if path.is_dir():
        raise InputError(f"{path} must be a file, got a folder")
    if not path.exists():
        raise InputError(f"{path} must be a file, there is none of that name")
    try:
        if path.suffix.lower() == ".csv":
            return _read_csv(path, empty)
        if path.suffix.lower() == ".npy":
            with path.open("rb") as file:
                # read_array alone: np.load would also open archives and pickles by their bytes.
                return np.lib.format.read_array(file, allow_pickle=False), ()
        if not zipfile.is_zipfile(path):
            raise InputError(f"{path} cannot be read as npz: it is no zip archive, or cut short")
        # Opened here, since numpy leaves a damaged archive open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            names = list(archive.files)
            chosen = names if len(names) == 1 else [key for key in keys if key in names]
            if not chosen:
                raise InputError(
                    f"{path} must hold one array, or one named {' or '.join(keys)}, "
                    f"got {', '.join(names) or 'none'}"
                )
            return archive[chosen[0]], ()
    except InputError:
        raise
    except Exception as error:  # whatever a damaged file makes numpy or zipfile raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path} cannot be read as {path.suffix[1:]}: {reason}") from error


def _read_csv(path: Path, empty: float | None) -> tuple[Array, tuple[str, ...]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        lines = [[cell.strip() for cell in line] for line in csv.reader(file)]
    lines = [line for line in lines if any(line)]
    if not lines:
        raise InputError(f"{path} must hold rows of numbers, got an empty file")
    names: tuple[str, ...] = ()
    if not any(_is_number(cell) for cell in lines[0]):
        names, lines = tuple(lines[0]), lines[1:]
    width = len(names) or (len(lines[0]) if lines else 0)
    # Rows are numbered as an editor shows them, the header being line 1.
    first = 2 if names else 1
    for i, line in enumerate(lines):
        if len(line) != width:
            raise InputError(
                f"{path} must have {width} columns in every row, got {len(line)} in row {i + first}"
            )
    if empty is not None:
        lines = [[cell or str(empty) for cell in line] for line in lines]
    try:
        values = np.array(lines, dtype=np.float64).reshape(len(lines), width)
    except ValueError:
        for i, line in enumerate(lines):
            for k, cell in enumerate(line):
                if not _is_number(cell):
                    raise InputError(
                        f"{path} must hold numbers, got {cell!r} in row {i + first}, "
                        f"column {names[k] if names else k}"
                    ) from None
        raise
    return values, names


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
