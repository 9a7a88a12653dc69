"""Codes and factors from files, for metrics: tables of text, .npy, .npz and .pt."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae._system.notes import note_once
from betavae.data.factors_table import UNKNOWN
from betavae.data.label_arrays import DSPRITES_NAMES
from betavae.data.readers.columns import Column
from betavae.data.readers.file_names import NAME_WORDS, natural
from betavae.data.readers.numbers import is_number
from betavae.data.readers.numpy_files import Archive, open_npy
from betavae.data.readers.tables import SUFFIXES, Table, read_table
from betavae.data.readers.torch_files import torch_members
from betavae.data.readers.units import without_units
from betavae.metrics.codes import Codes

ARRAYS = (".npy", ".npz", ".pt", ".pth")
CODES_KEYS = ("codes", "mean")


@dataclass(frozen=True)
class _Read:
    """What a file holds: arrays by name, the columns' names, and what the rows are called."""

    arrays: dict[str, NDArray[Any]]
    names: tuple[str, ...] = ()
    value_names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    files: tuple[str, ...] = ()


def load_codes(path: str | Path) -> NDArray[Any]:
    """Read codes (N, M) from a .npy, .npz, .pt, .csv, .tsv or .txt file.

    A .npz must hold one array, or one named ``codes`` or ``mean``. A table has one row an image; a
    column of words, all different, names the rows. Pickled data is never read.

    Raises:
        InputError: missing, truncated or unreadable file, text in place of numbers, NaN, wrong
            shape; the message names the file.

    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "codes.npy"
    >>> np.save(file, np.eye(3))
    >>> load_codes(file).shape
    (3, 3)
    """
    return _codes(Path(path))[0]


def load_factors(
    path: str | Path, *, rows: int | None = None
) -> tuple[NDArray[Any], tuple[str, ...]]:
    r"""Read factors (N, K), and their names, from a file as `load_codes` takes it.

    A .npz must hold one array, or one named ``factors``, or be the published dSprites file, of
    which only ``latents_classes`` is read. Without a header line the names are
    ``factor0``, ``factor1``, ... Words become classes in sorted order. An empty cell, NA, NaN and
    null mean "not known" and become -1; a column with such cells must be whole numbers, where -1
    cannot be a value.

    Args:
        path: the file.
        rows: how many are expected, which tells a header from a row where nothing else does.

    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "factors.csv"
    >>> _ = file.write_text("shape,scale\n0,1\n2,\n")
    >>> load_factors(file)
    (array([[ 0.,  1.],
           [ 2., -1.]]), ('shape', 'scale'))
    """
    found = _factors(Path(path), rows)
    return found.arrays["factors"], found.names


def load_representation(
    codes: str | Path, factors: str | Path | None = None, log_var: str | Path | None = None
) -> Codes:
    """Read everything `evaluate` can use: codes, and factors and log variances where given.

    Where both tables name their rows, rows are put together by name.

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
    mean, read = _codes(path)
    spread = read.arrays.get("log_var")
    if log_var is not None:
        spread, beside = _codes(Path(log_var))
        order = _order(read.files, beside.files, str(log_var), len(mean))
        spread = spread[order] if beside.files and read.files else spread
    if factors is None:
        values = _factors_beside(path, read.arrays, len(mean))
        names = () if values is None else _factor_names(read.arrays, values.shape[1])
        return Codes(mean, values, spread, names, files=read.files)
    found = _factors(Path(factors), len(mean))
    order = _order(read.files, found.files, str(factors), len(mean))
    values = found.arrays["factors"]
    values = values[order] if found.files and read.files else values
    return Codes(mean, values, spread, found.names, found.value_names, read.files)


def _order(
    wanted: tuple[str, ...], given: tuple[str, ...], what: str, count: int
) -> NDArray[np.int64]:
    """Return which row of a file goes with which code."""
    if not given or not wanted:
        if given and list(given) != sorted(given, key=natural):
            raise InputError(
                f"{what} names its rows, in an order of its own, and the codes have no names to "
                "go by: give codes with a column of names"
            )
        return np.arange(count)
    place = {name: row for row, name in enumerate(given)}
    missing = [name for name in wanted if name not in place]
    if missing:
        raise InputError(
            f"{what} must name every row of the codes, {len(missing):,} are missing, the first is "
            f"'{missing[0][:80]}'"
        )
    return np.array([place[name] for name in wanted], np.int64)


def _codes(path: Path) -> tuple[NDArray[Any], _Read]:
    what = f"codes in {path}"
    if path.suffix.lower() in SUFFIXES:
        table, files = _table(path, None)
        values = np.stack([_numbers(column, table) for column in table.columns], axis=1)
        return _matrix(values, what, "M"), _Read({}, table.names, files=files)
    read = _arrays(path)
    return _matrix(_pick(path, read.arrays, CODES_KEYS), what, "M"), read


def _factors(path: Path, rows: int | None) -> _Read:
    what = f"factors in {path}"
    if path.suffix.lower() not in SUFFIXES:
        read = _published_dsprites(path) or _arrays(path)
        values = _matrix(_pick(path, read.arrays, ("factors",)), what, "K")
        names = _factor_names(read.arrays, values.shape[1])
        return _Read({"factors": values}, names, files=read.files)
    table, files = _table(path, rows)
    table = without_units(table)
    note_once(table.notes)
    names = table.names if table.header else _factor_names({}, len(table.columns))
    columns, words = [], {}
    for name, column in zip(names, table.columns, strict=True):
        if column.numeric:
            columns.append(_with_holes(column, table, name))
        else:
            classes, words[name] = column.classes(table.style)
            columns.append(classes.astype(np.float64))
    return _Read({"factors": _matrix(np.stack(columns, axis=1), what, "K")}, names, words, files)


def _published_dsprites(path: Path) -> _Read | None:
    """Return the classes of the published dSprites file, without reading its images."""
    if path.suffix.lower() != ".npz":
        return None
    archive = Archive(path)
    if "latents_classes" not in archive.headers or "factors" in archive.headers:
        return None
    classes = archive.read("latents_classes")
    if classes.shape[1:] != (len(DSPRITES_NAMES),):
        return _Read({"factors": classes})
    names = np.array(DSPRITES_NAMES[1:])  # there is one colour
    return _Read({"factors": classes[:, 1:], "factor_names": names})


def _table(path: Path, rows: int | None) -> tuple[Table, tuple[str, ...]]:
    """Read a table; return it without the column that names its rows, and those names."""
    table = read_table(path, rows=rows)
    note_once(table.notes)
    words = [k for k, column in enumerate(table.columns) if _names_rows(column)]
    files: tuple[str, ...] = ()
    if words and len(table.columns) > 1:
        files = tuple(table.columns[words[0]].cells)
        table = table.without(words[0])
    bare = [k for k, column in enumerate(table.columns) if not column.name]
    if table.header and bare:
        raise InputError(f"{path} must name every column, column {bare[0] + 1} has no name")
    return table, files


def _names_rows(column: Column) -> bool:
    """Say whether different words name the rows; beside numbers, the header must say so."""
    if column.numeric or not len(column.known) == len(column.cells) > 1:
        return False
    return bool(NAME_WORDS.fullmatch(column.name)) or not any(map(is_number, column.cells))


def _numbers(column: Column, table: Table) -> NDArray[np.float64]:
    """Return a column of codes, which must be numbers all."""
    values = column.values(table.style) if column.numeric else None
    if values is not None and np.isfinite(values).all():
        return values
    row = next(k for k, cell in enumerate(column.cells) if not is_number(cell))
    raise InputError(
        f"{table.what} must hold numbers, got {column.cells[row][:40]!r} in row "
        f"{row + 1 + table.header}, column {column.name or table.columns.index(column)}"
    )


def _with_holes(column: Column, table: Table, name: str) -> NDArray[np.float64]:
    """Return a factor's numbers, -1 where not known."""
    values = column.values(table.style)
    holes = np.isnan(values)
    known = values[~holes]
    if holes.any() and (known != np.floor(known)).any():
        raise InputError(
            f"{table.what} column {name} must be whole numbers to have empty cells (not known), "
            "got fractions; leave those rows out"
        )
    if len(known) == len(values) and set(np.unique(values)[:3]) == {-1.0, 1.0}:
        note_once([f"{table.what} column {name}: -1 and 1 are read as no and yes"])
        return (values > 0).astype(np.float64)
    return np.where(holes, UNKNOWN, values)


def _matrix(values: NDArray[Any], what: str, columns: str) -> NDArray[Any]:
    """Check what every metric needs: numbers, two rows, a column, nothing infinite."""
    if values.dtype.kind not in "biuf":
        raise InputError(f"{what} must be numeric, got dtype {values.dtype}")
    if values.ndim == 1 and columns == "K":
        values = values[:, None]
    if values.ndim != 2 or values.shape[1] == 0:
        raise InputError(
            f"{what} must have shape (N, {columns}), got {values.ndim} dimension(s): "
            f"shape {values.shape}"
        )
    if len(values) < 2:
        raise InputError(f"{what} must have at least 2 rows, got {len(values)}")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        bad = int(values.size - np.count_nonzero(np.isfinite(values)))
        raise InputError(f"{what} must be finite, got {bad} NaN or infinite value(s)")
    return values


def _factors_beside(
    path: Path, arrays: dict[str, NDArray[Any]], n_rows: int
) -> NDArray[Any] | None:
    """Return the factors (N, K) that a .npz of codes holds or implies; None without."""
    if "factors" in arrays:
        return _matrix(arrays["factors"], f"factors in {path}", "K")
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


def _factor_names(arrays: dict[str, NDArray[Any]], width: int) -> tuple[str, ...]:
    names = tuple(map(str, np.ravel(arrays.get("factor_names", ()))))
    return names if len(names) == width else tuple(f"factor{k}" for k in range(width))


def _pick(path: Path, arrays: dict[str, NDArray[Any]], keys: tuple[str, ...]) -> NDArray[Any]:
    """Choose the one array, or the one that has the right name."""
    for key in [*keys, *arrays] if len(arrays) == 1 else keys:
        if key in arrays:
            return arrays[key]
    raise InputError(
        f"{path} must hold one array, or one named {' or '.join(keys)}, "
        f"got {', '.join(arrays)[:120] or 'none'}"
    )


def _arrays(path: Path) -> _Read:
    """Read the arrays of a file, by name."""
    suffix = path.suffix.lower()
    if suffix not in ARRAYS:
        raise InputError(f"{path} must be a file ending in {', '.join(ARRAYS + SUFFIXES)}")
    if suffix == ".npy":
        return _Read({"npy": np.asarray(open_npy(path))})
    if suffix == ".npz":
        archive = Archive(path)
        arrays = {name: archive.read(name) for name in archive.headers}
    else:
        arrays = {name: member.read() for name, member in torch_members(path).items()}
    files = tuple(map(str, np.ravel(arrays.pop("files", ()))))
    return _Read(arrays, files=files)
