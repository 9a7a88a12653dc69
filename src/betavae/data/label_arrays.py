"""Factors out of arrays of labels: whole numbers, fractions, words, one-hot rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae.data.factors_table import UNKNOWN, Labels
from betavae.data.readers.numbers import NO_WORD, ranks

# What the columns of the published dSprites file's `latents_classes` are; the colour is white.
DSPRITES_NAMES = ("color", "shape", "scale", "orientation", "posX", "posY")


def labels_from_array(
    values: NDArray[Any], names: tuple[str, ...], what: str, *, one_hot: bool = False
) -> Labels:
    """Turn an array of labels into classes.

    Whole numbers are kept, -1 being not known; fractions get the rank of their value, NaN being
    not known; words their place in sorted order.

    Args:
        values: (N,) or (N, K).
        names: one a column.
        what: what messages call it.
        one_hot: read rows of one 1 and zeros as one factor.

    Raises:
        InputError: for another shape or dtype, or names that do not fit.

    >>> labels_from_array(np.array(["b", "a", "b"]), ("kind",), "y").value_names
    {'kind': ('a', 'b')}
    """
    table = values[:, None] if values.ndim == 1 else values
    if table.ndim != 2 or table.dtype.kind not in "biufUSO":
        raise InputError(
            f"{what} must be (N, K) integers, got shape {values.shape} of dtype {values.dtype}"
        )
    if len(names) != table.shape[1] or len(set(names)) != len(names):
        raise InputError(
            f"{what} must have one name a column, expected {table.shape[1]} different names, "
            f"got {list(names)}"
        )
    notes: list[str] = []
    if one_hot and table.shape[1] > 1 and _one_hot(table):
        notes.append(f"{what}: rows with a single 1 are read as one factor")
        return Labels(table.argmax(axis=1)[:, None], (what_name(names),), {}, tuple(notes))
    columns, words = [], {}
    for name, column in zip(names, table.T, strict=True):
        if column.dtype.kind in "biu":
            columns.append(_whole(column, name, what, notes))
        elif column.dtype.kind == "f":
            columns.append(_ranked(column, name, what))
        else:
            cells = [_text(cell) for cell in column]
            known = [None if cell in NO_WORD else cell for cell in cells]
            columns.append(ranks(known))
            words[name] = tuple(sorted({cell for cell in known if cell is not None}))
    return Labels(np.stack(columns, axis=1), names, words, tuple(notes))


def what_name(names: tuple[str, ...]) -> str:
    """Return the name that names numbered 1, 2, ... have in common."""
    return names[0].rstrip("0123456789") or "class"


def _one_hot(table: NDArray[Any]) -> bool:
    if table.dtype.kind not in "biuf":
        return False
    return bool(((table == 0) | (table == 1)).all() and (table.sum(axis=1) == 1).all())


def _whole(column: NDArray[Any], name: str, what: str, notes: list[str]) -> NDArray[np.int64]:
    if column.size and set(np.unique(column)[:3].tolist()) == {-1, 1}:
        notes.append(f"{what} '{name}': -1 and 1 are read as no and yes")
        return (column > 0).astype(np.int64)
    if column.size and (column.min() < UNKNOWN or column.max() > np.iinfo(np.int64).max):
        bad = column.min() if column.min() < UNKNOWN else column.max()
        raise InputError(f"{what} must be >= 0, or -1 where not known, got {bad}")
    return column.astype(np.int64)


def _ranked(column: NDArray[Any], name: str, what: str) -> NDArray[np.int64]:
    known = ~np.isnan(column)
    if np.isinf(column).any():
        raise InputError(f"{what} '{name}' must be finite, got infinite values")
    found = np.full(len(column), UNKNOWN, np.int64)
    found[known] = np.unique(column[known], return_inverse=True)[1]
    return found


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
