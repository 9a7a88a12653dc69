"""Images and their factors put together: grids are recognised, constant factors left out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from betavae._system.errors import InputError
from betavae.data.dataset import Dataset
from betavae.data.factors import Factors
from betavae.data.factors_table import UNKNOWN, Labels
from betavae.data.images import ImageStore


def with_factors(
    name: str,
    images: ImageStore,
    values: NDArray[Any] | None,
    names: Sequence[str] | None = None,
    *,
    what: str = "factors",
    value_names: Mapping[str, tuple[str, ...]] | None = None,
) -> Dataset:
    """Put images and their factors together.

    A factor that takes one value only varies nothing and is left out, with a note. When the rest
    are all combinations in order, the last factor fastest, the set gets its `grid` instead of
    labels.

    Args:
        name: of the set.
        images: N of them.
        values: (N, K) whole numbers, -1 where not known; (N,) is one factor; None is none.
        names: K names; factor1, factor2, ... if None.
        what: what messages call the values.
        value_names: by factor, the names of its classes, for factors of words.

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
    same = [given[k] for k in range(columns) if k not in varying]
    notes = (f"{what}: one value only, left out: {', '.join(same)[:120]}",) if same else ()
    if not kept:
        return Dataset(name, images, notes=notes)
    words = {key: names for key, names in (value_names or {}).items() if key in kept}
    grid = full_grid(labels, kept)
    return Dataset(name, images, grid, None if grid else labels, kept, words, notes=notes)


def labelled(
    name: str, images: ImageStore, labels: Labels | None, *, what: str = "factors"
) -> Dataset:
    """Put images and the factors that a table or an array gave together; see `with_factors`."""
    if labels is None:
        return Dataset(name, images)
    dataset = with_factors(
        name, images, labels.values, labels.names, what=what, value_names=labels.value_names
    )
    return dataset.noted(labels.notes)


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
