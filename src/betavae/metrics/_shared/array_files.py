"""Codes and factors from files: .npy, .npz and .csv."""

from __future__ import annotations

import csv
import warnings
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from betavae._system.errors import InputError
from betavae.metrics._shared.arrays import Array, check_codes, check_matrix

SUFFIXES = (".npy", ".npz", ".csv")
CODES_KEYS = ("codes", "mean")


@dataclass(frozen=True)
class Codes:
    """Plain arrays for `evaluate`: codes, and what is known about them.

    Attributes:
        mean: (N, M) codes.
        factors: (N, K) factors, or None.
        log_var: (N, M) log variances of the codes' posteriors, or None.
        factor_names: one name a factor, or empty.
    """

    mean: Any
    factors: Any = None
    log_var: Any = None
    factor_names: Sequence[str] = ()


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
    arrays, _ = _read(Path(path))
    return check_codes(_pick(Path(path), arrays, CODES_KEYS), f"codes in {path}")


def load_factors(path: str | Path) -> tuple[Array, tuple[str, ...]]:
    r"""Read factors (N, K), and their names, from a .npy, .npz or .csv file.

    As `load_codes`; a .npz must hold one array, or one named ``factors``. Without a header line
    the names are ``factor0``, ``factor1``, ... An empty cell of a .csv means "not known" and
    becomes -1; a column with empty cells must be whole numbers, where -1 cannot be a value.

    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "factors.csv"
    >>> _ = file.write_text("shape,scale\n0,1\n2,\n")
    >>> load_factors(file)
    (array([[ 0.,  1.],
           [ 2., -1.]]), ('shape', 'scale'))
    """
    arrays, names = _read(Path(path), empty=-1.0)
    values = _pick(Path(path), arrays, ("factors",))
    array = check_matrix(values, f"factors in {path}", columns="K")
    return array, names or _factor_names(arrays, array.shape[1])


def load_representation(
    codes: str | Path, factors: str | Path | None = None, log_var: str | Path | None = None
) -> Codes:
    """Read everything `evaluate` can use: codes, and factors and log variances where given.

    Args:
        codes: as `load_codes`. A .npz may also hold ``log_var``, ``factors`` and
            ``factor_names``; what `betavae encode` writes does, or says with ``factor_sizes``
            that the rows are a whole grid of factors in order.
        factors: a file as `load_factors` reads it, in place of the factors beside the codes.
        log_var: a file as `load_codes` reads it, in place of the log variances beside the codes.

    Raises:
        InputError: as `load_codes`.

    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "representation.npz"
    >>> np.savez(file, mean=np.eye(6), factor_sizes=[2, 3], factor_names=["shape", "scale"])
    >>> load_representation(file).factors[4], load_representation(file).factor_names
    (array([1, 1]), ('shape', 'scale'))
    """
    path = Path(codes)
    arrays, _ = _read(path)
    mean = check_codes(_pick(path, arrays, CODES_KEYS), f"codes in {path}")
    values = _factors_beside(path, arrays, len(mean)) if factors is None else None
    names = () if values is None else _factor_names(arrays, values.shape[1])
    if factors is not None:
        values, names = load_factors(factors)
    spread = arrays.get("log_var") if log_var is None else load_codes(log_var)
    return Codes(mean, values, spread, names)


def _factors_beside(path: Path, arrays: dict[str, Array], n_rows: int) -> Array | None:
    """Return the factors (N, K) that a .npz of codes holds or implies; None without."""
    if "factors" in arrays:
        return check_matrix(arrays["factors"], f"factors in {path}", columns="K")
    if "factor_sizes" not in arrays:
        return None
    sizes = arrays["factor_sizes"]
    if sizes.ndim != 1 or sizes.dtype.kind not in "iu" or sizes.min(initial=1) < 1:
        raise InputError(f"factor_sizes in {path} must be (K,) whole numbers >= 1, got {sizes}")
    if np.prod(sizes, dtype=np.float64) != n_rows:
        raise InputError(
            f"factor_sizes in {path} must be those of a grid of {n_rows} rows, got {sizes.tolist()}"
        )
    return np.stack(np.unravel_index(np.arange(n_rows), tuple(sizes.tolist())), axis=1)


def _factor_names(arrays: dict[str, Array], width: int) -> tuple[str, ...]:
    names = tuple(map(str, np.ravel(arrays.get("factor_names", ()))))
    return names if len(names) == width else tuple(f"factor{k}" for k in range(width))


def _pick(path: Path, arrays: dict[str, Array], keys: tuple[str, ...]) -> Array:
    """Choose the one array, or the one that has the right name."""
    for key in [*keys, *arrays] if len(arrays) == 1 else keys:
        if key in arrays:
            return arrays[key]
    raise InputError(
        f"{path} must hold one array, or one named {' or '.join(keys)}, "
        f"got {', '.join(arrays) or 'none'}"
    )


def _read(path: Path, empty: float | None = None) -> tuple[dict[str, Array], tuple[str, ...]]:
    """Read the arrays of a file, by name, and the names that head the columns of a .csv."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path} must be a file ending in {', '.join(SUFFIXES)}")
    if path.is_dir():
        raise InputError(f"{path} must be a file, got a folder")
    if not path.exists():
        raise InputError(f"{path} must be a file, there is none of that name")
    try:
        if path.suffix.lower() == ".csv":
            values, names = _read_csv(path, empty)
            return {"csv": values}, names
        if path.suffix.lower() == ".npy":
            with path.open("rb") as file:
                # read_array alone: np.load would also open archives and pickles by their bytes.
                return {"npy": np.lib.format.read_array(file, allow_pickle=False)}, ()
        if not zipfile.is_zipfile(path):
            raise InputError(f"{path} cannot be read as npz: it is no zip archive, or cut short")
        # Opened here, since numpy leaves a damaged archive open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}, ()
    except InputError:
        raise
    except Exception as error:  # whatever a damaged file makes numpy or zipfile raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path} cannot be read as {path.suffix[1:]}: {reason}") from error


def _read_csv(path: Path, empty: float | None) -> tuple[Array, tuple[str, ...]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        head = next(csv.reader(file), [])
        cells = [cell.strip() for cell in head]
        names = tuple(cells) if any(cells) and not any(map(_is_number, cells)) else ()
        if not names:
            file.seek(0)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # an empty file warns: leave it to the slow way
                values = np.loadtxt(file, delimiter=",", quotechar='"', comments=None, ndmin=2)
            if not names or values.shape[1] == len(names):
                return values, names
        except (ValueError, UserWarning):
            pass  # empty cells, text, ragged rows: read again cell by cell, to say which
    return _read_cells(path, empty)


def _read_cells(path: Path, empty: float | None) -> tuple[Array, tuple[str, ...]]:
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
    holes = np.array([[not cell for cell in line] for line in lines]).reshape(len(lines), width)
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
    for k in np.flatnonzero(holes.any(axis=0)).tolist():
        known = values[~holes[:, k], k]
        if (known != np.floor(known)).any():
            raise InputError(
                f"{path} column {names[k] if names else k} must be whole numbers to have empty "
                "cells (not known), got fractions; leave those rows out"
            )
    return values, names


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
