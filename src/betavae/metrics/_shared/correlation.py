"""Correlation of each latent with each factor, from sums over blocks of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from betavae._system.errors import InputError
from betavae.metrics._shared.arrays import Array, Floats, Ints, read_codes
from betavae.metrics._shared.checks import Seed
from betavae.metrics._shared.factors import (
    check_columns,
    check_rows,
    factor_table,
    refuse_below_unknown,
)
from betavae.metrics._shared.labelled import Labelled
from betavae.metrics._shared.results import About


def check_numbered(
    codes: Any, factors: Any, factor_columns: Sequence[int] | None, rng: Seed
) -> tuple[Labelled, Array]:
    """Check codes with factors that may be any numbers; and which values are known, (N, K).

    Whole-numbered columns know -1 as "not known"; other columns have no unknown values. A column
    with one value is left out unless `factor_columns` names it.

    Raises:
        InputError: naming the argument, what was expected and what came.
    """
    array, reduction = read_codes(codes)
    table = factor_table(factors)
    columns = check_columns(factor_columns, len(table.names))
    check_rows(len(array), table)
    keep, known = [], []
    for k in columns:
        column = table.values[:, k]
        whole = bool((column == np.floor(column)).all())
        if whole:
            refuse_below_unknown(column, f"factors column {k}")
        mask = column >= 0 if whole else np.ones(len(column), bool)
        if mask.any() and column[mask].min() < column[mask].max():
            keep.append(k)
            known.append(mask)
        elif factor_columns is not None:
            raise InputError(f"factors column {k} must take at least 2 values, got 1")
    if not keep:
        raise InputError(f"factors column {columns[0]} must take at least 2 values, got 1")
    about = About.of(
        array.shape,
        rng,
        factors=tuple(table.names[k] for k in keep),
        left_out=tuple(
            f"{table.names[k]} ({'takes one value' if k in columns else 'not asked for'})"
            for k in range(len(table.names))
            if k not in keep
        ),
        reduction=reduction,
    )
    given = Labelled(array, table.values[:, keep].astype(np.float64), tuple(keep), about)
    return given, np.stack(known, axis=1)


def pair_sums(codes: Array, numbers: Floats, known: Array, blocks: Ints) -> Floats:
    """Sum 1, z, z^2, y, y^2 and z y over each block's rows with a known y: (B, M, K, 6)."""
    order = np.argsort(blocks, kind="stable")
    bounds = np.cumsum(np.bincount(blocks))
    # Centring first keeps the sums of squares from cancelling; R^2 does not change.
    centre = codes.mean(axis=0, dtype=np.float64)
    y_centre = (numbers * known).sum(axis=0) / known.sum(axis=0)
    out = np.empty((len(bounds), codes.shape[1], numbers.shape[1], 6))
    for b, rows in enumerate(np.split(order, bounds[:-1])):
        z, k = codes[rows] - centre, known[rows].astype(np.float64)
        y = (numbers[rows] - y_centre) * k
        sums = (k.sum(0), z.T @ k, (z**2).T @ k, y.sum(0), (y**2).sum(0), z.T @ y)
        for i, part in enumerate(sums):
            out[b, :, :, i] = part
    return out


def squared_correlation(sums: Array) -> Floats:
    """Squared correlation (M, K) from `pair_sums` added up; 0 for a constant latent."""
    n, z, zz, y, yy, zy = np.moveaxis(sums, -1, 0)
    covariance, var_z, var_y = zy / n - z * y / n**2, zz / n - (z / n) ** 2, yy / n - (y / n) ** 2
    # 1e-12 is the floor of the public code, below which a latent counts as constant.
    return np.asarray(np.where(var_z > 1e-12, covariance**2 / np.maximum(var_z * var_y, 1e-300), 0))
