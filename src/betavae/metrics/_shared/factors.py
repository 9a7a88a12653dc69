"""Factors as metrics take them: whole numbers, -1 for "not known", names where there are any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from betavae._system.errors import InputError
from betavae.metrics._shared.arrays import (
    Array,
    Ints,
    check_numbers,
    check_shape,
    frame_columns,
    to_array,
)
from betavae.metrics._shared.parallel import halves, thread_map

TURN_ROWS = 1 << 12
UNKNOWN = -1
"""The factor value that means "not known for this row"."""
SHAPES_2D = ("shape", "scale", "orientation", "posX", "posY")
"""The factors of the 2D shapes; the paper's score resamples the shape freely (A.4)."""


@dataclass(frozen=True)
class FactorTable:
    """Numbers (N, K) and the names of the columns, checked and kept for several metrics.

    Attributes:
        values: (N, K) numbers; -1 where not known.
        names: one name a column.
        named: whether the names were given; else they are ``factor0``, ``factor1``, ...
        known: (N, K) which values are known; None: all but -1.
    """

    values: Array
    names: tuple[str, ...]
    named: bool
    known: Array | None = None

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        return np.asarray(self.values, dtype)


def factor_table(
    factors: Any, names: Sequence[str] | None = None, known: Any = None
) -> FactorTable:
    """Factors with names and with what is known of them, as every metric takes them.

    Text becomes numbers in alphabetical order; an empty cell of a text column is not known.

    Args:
        factors: an array (N, K) or (N,), a tensor, a data frame or lists.
        names: names of the columns; None: those of the data frame, or ``factor0``, ``factor1``,
            ... The protocols that leave out the shape of the 2D shapes go by the names.
        known: booleans (N,) or (N, K): where values are known; elsewhere NaN is allowed. None:
            all but -1.

    Raises:
        InputError: for factors, names or a mask that cannot be used, naming which.

    >>> factor_table([["heart", "small"], ["square", "large"]], names=["shape", "size"])
    FactorTable(values=array([[0, 1],
           [1, 0]]), names=('shape', 'size'), named=True, known=None)
    """
    if isinstance(factors, FactorTable) and names is None and known is None:
        return factors
    if isinstance(factors, FactorTable):
        own = factors.names if factors.named and names is None else names
        known = factors.known if known is None else known
        return factor_table(factors.values, own, known)
    framed = frame_columns(factors)
    if framed is None:
        array = to_array(factors, "factors")
        if array.ndim == 1 and array.dtype.kind in "biufOSU":
            own = getattr(factors, "name", None)  # of a series
            framed_names: tuple[str, ...] = () if own is None else (str(own),)
            array = array[:, None]
        else:
            framed_names = ()
        check_shape(array, "factors", "K")
        columns = [array[:, k] for k in range(array.shape[1])]
    else:
        framed_names = framed[0]
        columns = [to_array(c, f"factors column {n}") for n, c in zip(*framed, strict=True)]
        array = np.empty((len(columns[0]) if columns else 0, len(columns)))
        check_shape(array, "factors", "K")
    if array.dtype.kind in "OSU" or framed is not None:
        columns = [_labels(c, f"factors column {k}") for k, c in enumerate(columns)]
        array = np.stack(columns, axis=1)
    chosen = tuple(str(name) for name in names or framed_names)
    if names and len(chosen) != array.shape[1]:
        raise InputError(
            f"names must be one for each of {array.shape[1]} factors, got {len(chosen)}"
        )
    mask = None if known is None else _mask(known, array.shape)
    if mask is not None and array.dtype.kind == "f":
        array = np.where(mask, array, 0.0)
    array = check_numbers(array, "factors", whole=True)
    numbered = tuple(f"factor{k}" for k in range(array.shape[1]))
    return FactorTable(array, chosen or numbered, bool(chosen), mask)


def _labels(column: Array, name: str) -> Array:
    """Return a column of numbers as it is, one of text as whole numbers in alphabetical order."""
    if column.dtype.kind in "biuf":
        return column
    if column.dtype.kind == "O" and not any(isinstance(v, (str, bytes)) for v in column):
        try:
            return column.astype(np.float64)  # a column of Python numbers
        except (ValueError, TypeError):
            pass
    if column.dtype.kind not in "OSU":
        check_numbers(column, name)
    text = [isinstance(v, (str, bytes)) for v in column]
    missing = [v is None or v == "" or (isinstance(v, float) and np.isnan(v)) for v in column]
    for value, is_text, gone in zip(column, text, missing, strict=True):
        if not (is_text or gone or isinstance(value, (bool, int, float, np.number))):
            raise InputError(
                f"factors must be numeric or text, got a {type(value).__name__} in {name[8:]}"
            )
    keep = ~np.array(missing)
    result = np.full(len(column), UNKNOWN, np.int64)
    result[keep] = np.unique([str(v) for v in column[keep]], return_inverse=True)[1]
    return result


def _mask(known: Any, shape: tuple[int, ...]) -> Array:
    mask = np.asarray(known)
    if mask.ndim == 1 and len(shape) == 2:
        mask = np.repeat(mask[:, None], shape[1], axis=1)
    if mask.dtype != bool or mask.shape != shape:
        raise InputError(
            f"known must be booleans of shape (N,) or (N, K) for factors of shape {shape}, "
            f"got dtype {np.asarray(known).dtype} and shape {np.shape(known)}"
        )
    return mask


def refuse_below_unknown(column: Array, name: str) -> None:
    """Raise `InputError` for whole numbers below -1, and for a column of -1 and 1 alone.

    -1 means "not known" everywhere: a class below it would be dropped in silence, and attributes
    of -1 and 1 would all be 1.
    """
    lowest = column.min()
    if lowest < UNKNOWN:
        raise InputError(
            f"{name} must be >= -1 (-1: not known), got {lowest:g}; "
            "number the classes from 0, such as factors - factors.min(axis=0)"
        )
    if lowest == UNKNOWN and column.max() == 1 and not (column == 0).any():
        raise InputError(
            f"{name} looks like attributes of -1 and 1, but -1 means not known; "
            "map them to 0 and 1: (factors + 1) // 2"
        )


def check_factors(
    factors: Any,
    n_rows: int | None = None,
    *,
    columns: tuple[int, ...] | None = None,
) -> tuple[Ints, FactorTable, tuple[int, ...]]:
    """Return discrete factors (N, K) int64, the table they come from, and which columns they are.

    Refuses a factor with fractions, with values below -1, or with (almost) a value per row: a
    metric for discrete factors says nothing about those; see `bin_factors`. A factor with one
    value only is left out, unless `columns` names it.

    >>> check_factors([[0, 1], [1, 1]])[2]
    (0,)
    """
    table = factor_table(factors)
    array = table.values if table.known is None else np.where(table.known, table.values, UNKNOWN)
    if n_rows is not None:
        check_rows(n_rows, table)
    chosen = check_columns(columns, array.shape[1])
    if chosen != tuple(range(array.shape[1])):
        array = array[:, list(chosen)]
    if array.dtype.kind == "f":
        whole = (array == np.floor(array)).all(axis=0)
        if not whole.all():
            raise InputError(
                f"factors column {chosen[int(np.argmin(whole))]} must hold whole numbers for a "
                "metric of discrete factors, got fractions; "
                "bin it first: bin_factors(factors, bins=20)"
            )
    # Column by column in memory: every metric walks along one factor at a time.
    result: Ints = array
    if not array.flags.f_contiguous or array.dtype != np.int64:
        result = _by_column(array)
    several = thread_map(
        lambda k: _check_column(result[:, k], f"factors column {chosen[k]}"), range(len(chosen))
    )
    if not all(several) and (columns is not None or not any(several)):
        k = chosen[several.index(False)]
        raise InputError(f"factors column {k} must take at least 2 values, got 1")
    keep = [k for k, some in enumerate(several) if some]
    if len(keep) < len(chosen):
        result = np.asfortranarray(result[:, keep])
    return result, table, tuple(chosen[k] for k in keep)


def check_rows(n_codes: int, factors: FactorTable) -> None:
    """Raise `InputError` unless there are factors for as many rows as there are codes."""
    if len(factors.values) != n_codes:
        raise InputError(
            f"codes and factors must have the same number of rows, "
            f"got {n_codes} codes and {len(factors.values)} factors"
        )


def _by_column(array: Array) -> Ints:
    result = np.empty(array.shape, np.int64, order="F")

    def turn(lows: range) -> None:
        for low in lows:
            result[low : low + TURN_ROWS] = array[low : low + TURN_ROWS]

    thread_map(turn, halves(len(array), TURN_ROWS))
    return result


def _check_column(column: Ints, name: str) -> bool:
    """Check one factor; False when it takes fewer than two values."""
    lowest, highest = int(column.min()), int(column.max())
    if 0 <= lowest < highest < len(column) // 2:
        return True  # two values at least, and no more than there may be
    if lowest < 0:
        refuse_below_unknown(column, name)
    known = column if lowest >= 0 else column[column >= 0]
    values = _count_values(known)
    if values > max(2, len(known) // 2):
        raise InputError(
            f"{name} must have at least two rows a value on average, got {values} values in "
            f"{len(known)} rows; bin it first: bin_factors(factors, bins=20)"
        )
    return values > 1


def _count_values(known: Ints) -> int:
    """Count the different values: a bincount when the values are small, else a sort."""
    if len(known) and known.max() < 4 * len(known) + 1024:
        return int(np.count_nonzero(np.bincount(known)))
    return len(np.unique(known))


def check_columns(columns: Any, width: int) -> tuple[int, ...]:
    """Return the chosen columns as a tuple of indices below `width`; None means all of them.

    >>> check_columns(None, 3), check_columns([1, 2], 3)
    ((0, 1, 2), (1, 2))
    """
    if columns is None:
        return tuple(range(width))
    try:
        chosen = tuple(int(c) for c in columns)
    except (TypeError, ValueError) as error:
        raise InputError(f"factor_columns must be column indices, got {columns!r}") from error
    if not chosen or len(set(chosen)) != len(chosen) or not all(0 <= c < width for c in chosen):
        raise InputError(
            f"factor_columns must be different column indices from 0 to {width - 1}, got {chosen}"
        )
    return chosen
