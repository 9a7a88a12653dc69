"""Factors that come with a user's images: integer arrays, and CSV tables of any values."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae.data.dataset import Dataset
from betavae.data.factors import Factors
from betavae.data.images import ImageStore

UNKNOWN = -1  # the class of a value that is not known


def with_factors(
    name: str,
    images: ImageStore,
    values: NDArray[Any] | None,
    names: Sequence[str] | None = None,
    *,
    what: str = "factors",
) -> Dataset:
    """Put images and their factors together.

    A factor that takes one value only varies nothing and is left out. When the rest are all
    combinations in order, the last factor fastest, the set gets its `grid` instead of labels.

    Args:
        name: of the set.
        images: N of them.
        values: (N, K) whole numbers, -1 where not known; (N,) is one factor; None is none.
        names: K names; factor1, factor2, ... if None.
        what: what messages call the values.

    Raises:
        InputError: when shape, dtype or range do not fit, or names and columns differ in number.
    """
    if values is None:
        return Dataset(name, images)
    table = values[:, None] if values.ndim == 1 else values
    if table.ndim != 2 or table.dtype.kind not in "biu":
        raise InputError(
            f"{what} must be (N, K) integers, got shape {values.shape} of dtype {values.dtype}"
        )
    if len(table) != len(images):
        raise InputError(
            f"{what} must have one row an image, expected {len(images)} rows, got {len(table)}"
        )
    columns = table.shape[1]
    given = [f"factor{k + 1}" for k in range(columns)] if names is None else list(names)
    if len(given) != columns or len(set(given)) != columns:
        raise InputError(
            f"{what} must have one name a column, expected {columns} different names, got {given}"
        )
    if table.size and (table.min() < UNKNOWN or table.max() > np.iinfo(np.int64).max):
        bad = table.min() if table.min() < UNKNOWN else table.max()
        raise InputError(f"{what} must be >= 0, or -1 where not known, got {bad}")
    labels = table.astype(np.int64)
    varying = [k for k, column in enumerate(labels.T) if len(np.unique(column[column >= 0])) > 1]
    labels = np.ascontiguousarray(labels[:, varying])
    kept = tuple(given[k] for k in varying)
    if not kept:
        return Dataset(name, images)
    grid = full_grid(labels, kept)
    return Dataset(name, images, grid, None if grid else labels, kept)


def full_grid(labels: NDArray[np.int64], names: tuple[str, ...]) -> Factors | None:
    """Return the grid whose rows, in order, are exactly `labels`, or None.

    >>> full_grid(np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), ("x", "y")).sizes
    (2, 2)
    """
    sizes = tuple(int(top) + 1 for top in labels.max(axis=0))
    if labels.min() < 0 or math.prod(sizes) != len(labels):
        return None
    grid = Factors(names, sizes)
    return grid if np.array_equal(grid.index(labels), np.arange(len(labels))) else None


def read_csv(path: Path, files: Sequence[str]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Read the factors of `files` from a CSV table with a header.

    With a column ``file`` (paths relative to the folder, ``/`` between parts) rows come in any
    order; without it, row i belongs to the i-th file in sorted order. Every other column is a
    factor. Its classes are its different values in sorted order, 0 the smallest: as numbers when
    all are numbers, else as text. An empty cell is a value that is not known, class -1.

    Args:
        path: the table.
        files: the N images' relative paths, in the order of the rows wanted.

    Returns:
        (N, K) classes and the K column names.

    Raises:
        InputError: when the table cannot be read or does not fit the files, in one line.
    """
    header, rows = _read_rows(path)
    if "file" in header:
        column = header.index("file")
        rows = _in_order([row[column] for row in rows], rows, path, files)
    elif len(rows) != len(files):
        raise InputError(
            f"{path} must have one row an image, expected {len(files)} rows, got {len(rows)} "
            "(a column 'file' would say which is which)"
        )
    factors = [k for k, name in enumerate(header) if name != "file"]
    if not factors:
        raise InputError(f"{path} has no factor columns, got only {', '.join(header)}")
    classes = [classes_of([row[k].strip() for row in rows]) for k in factors]
    return np.stack(classes, axis=1), tuple(header[k] for k in factors)


def _read_rows(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return header and rows, all of one length; empty lines are skipped."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            rows = []
            for row in reader:
                if row and len(row) != len(header):
                    raise InputError(
                        f"{path} line {reader.line_num} must have {len(header)} cells as the "
                        f"header, got {len(row)}"
                    )
                if row:
                    rows.append(row)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} must be text in UTF-8, got other bytes") from None
    except csv.Error as error:
        raise InputError(f"{path} is no CSV table: {error}") from None
    if not header or "" in header or len(set(header)) != len(header):
        raise InputError(f"{path} must start with different column names, got {header}")
    return header, rows


def _in_order(
    names: list[str], rows: list[list[str]], path: Path, files: Sequence[str]
) -> list[list[str]]:
    """Sort rows by the files they name, every file exactly once."""
    by_name: dict[str, list[str]] = {}
    wanted = set(files)
    for given, row in zip(names, rows, strict=True):
        name = given.strip().replace("\\", "/").removeprefix("./")
        if name in by_name:
            raise InputError(f"{path} names '{given}' twice")
        if name not in wanted:
            raise InputError(f"{path} names '{given}', but there is no such image in the folder")
        by_name[name] = row
    missing = [name for name in files if name not in by_name]
    if missing:
        raise InputError(
            f"{path} must have one row an image, expected {len(files)} rows, got {len(rows)}: "
            f"'{missing[0]}' is missing"
        )
    return [by_name[name] for name in files]


def classes_of(cells: Sequence[str]) -> NDArray[np.int64]:
    """Give every different value of a column its number in sorted order; an empty cell is -1.

    >>> classes_of(["10", "9", "", "10"]), classes_of(["red", "blue", "red", "9"])
    (array([ 1,  0, -1,  1]), array([2, 1, 2, 0]))
    """
    known = sorted({cell for cell in cells if cell})
    numbers = {cell: _number(cell) for cell in known}
    keys: dict[str, Any] = dict(numbers) if None not in numbers.values() else {c: c for c in known}
    ranks = {key: rank for rank, key in enumerate(sorted(set(keys.values())))}
    return np.array([ranks[keys[cell]] if cell else UNKNOWN for cell in cells], np.int64)


def _number(cell: str) -> int | float | None:
    """Return the finite number that `cell` writes, or None."""
    for kind in (int, float):
        try:
            value = kind(cell)
        except ValueError:
            continue
        return value if math.isfinite(value) else None
    return None
