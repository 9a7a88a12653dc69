"""Histograms: bins for codes and for continuous factors, counts, entropies, information."""

from __future__ import annotations

from typing import Any

import numpy as np

from betavae.metrics._shared.arrays import Array, Floats, Ints, check_codes
from betavae.metrics._shared.checks import check_count
from betavae.metrics._shared.factors import (
    UNKNOWN,
    FactorTable,
    factor_table,
    refuse_below_unknown,
)
from betavae.metrics._shared.parallel import thread_map


def bin_codes(codes: Any, bins: int = 20) -> Ints:
    """Replace each latent's values by the number (0 to bins - 1) of its equal-width bin.

    The bins of a latent span its smallest to its largest value, as ``numpy.histogram`` has them;
    this is the discretiser of Locatello et al. 2019. A constant latent falls in one bin.

    >>> bin_codes([[0.0], [0.2], [0.9], [1.0]], bins=2).ravel()
    array([0, 0, 1, 1])
    """
    codes = check_codes(codes)
    check_count(bins, "bins", 2)
    binned = np.empty(codes.shape[::-1], np.int64)

    def one_latent(j: int) -> None:
        column = np.ascontiguousarray(codes[:, j])
        edges = np.histogram_bin_edges(column, bins)
        # The bin by arithmetic, then by comparison where rounding put it on the wrong side.
        width = (edges[-1] - edges[0]) / bins
        guess = ((column - edges[0]) / width).astype(np.int64)
        np.clip(guess, 0, bins - 1, out=guess)
        guess -= (column < edges.take(guess)) & (guess > 0)
        guess += (column >= edges.take(guess + 1)) & (guess < bins - 1)
        binned[j] = guess

    thread_map(one_latent, range(codes.shape[1]))
    return np.asarray(binned.T)


def bin_factors(factors: Any, *, bins: int = 20, known: Any = None) -> Ints:
    """Make any factors fit for the metrics of discrete factors.

    A column of whole numbers with at most as many values as rows / 2 is kept as it is; any other
    column is cut into `bins` bins that hold equally many rows (equal-frequency binning: it does
    not change under monotonic rescaling of the factor). Say which `bins` was used with a result.

    Args:
        factors: (N, K) or (N,) numbers or text, or a data frame.
        bins: bins of a continuous column.
        known: None, or booleans of shape (N,) or (N, K), False where a value is not known: there
            the result is -1, which every metric takes as "not known", and NaN is allowed. With
            it, -1 is a value as any other.

    Returns:
        (N, K) int64.

    Raises:
        InputError: for whole numbers below -1, or of -1 and 1 alone, unless `known` is given.

    >>> bin_factors([[0.1, 1], [0.4, 0], [0.5, 1], [0.7, 0]], bins=2).tolist()
    [[0, 1], [0, 0], [1, 1], [1, 0]]
    >>> bin_factors([[2], [0], [2], [0]], known=[True, True, True, False]).ravel()
    array([ 2,  0,  2, -1])
    """
    return cut_factors(factor_table(factors, known=known), bins)[0]


def cut_factors(table: FactorTable, bins: int) -> tuple[Ints, list[int]]:
    """`bin_factors` of a table that was read, and which columns were cut into bins."""
    check_count(bins, "bins", 2)
    array, known = table.values, table.known
    result = np.full(array.shape, UNKNOWN, np.int64, order="F")
    cut = []
    for k in range(array.shape[1]):
        rows = np.arange(len(array)) if known is None else np.flatnonzero(known[:, k])
        column = array[rows, k]
        if not len(rows):
            continue
        whole = bool((column == np.floor(column)).all())
        if whole and known is None:
            refuse_below_unknown(column, f"factors column {k}")
        values = np.unique(column)
        if whole and len(values) <= max(2, len(rows) // 2):
            # With a mask a negative number is a class, which needs a number from 0 up.
            result[rows, k] = column if known is None else column - min(values[0], 0)
        else:
            cut.append(k)
            edges = np.quantile(column, np.linspace(0, 1, bins + 1)[1:-1])
            result[rows, k] = np.searchsorted(edges, column, side="right")
    return result, cut


def count_tables(binned: Ints, bins: int, factors: Ints, blocks: Ints) -> list[Array]:
    """Count rows by block, code bin and factor value: for each factor (B, M, bins, V) floats."""
    n_blocks = int(blocks.max()) + 1
    jobs: list[tuple[Ints, Ints | None, int, Array]] = []

    def one(job: tuple[Ints, Ints | None, int, Array]) -> None:
        base, rows, j, table = job
        n_values = table.shape[-1]
        cell = (binned[:, j] if rows is None else binned[rows, j]) * n_values
        cell += base
        counts = np.bincount(cell, minlength=n_blocks * bins * n_values)
        table[:, j] = counts.reshape(n_blocks, bins, n_values)

    tables = []
    for k in range(factors.shape[1]):
        rows = np.flatnonzero(factors[:, k] >= 0)
        whole = len(rows) == len(factors)
        column = np.ascontiguousarray(factors[:, k] if whole else factors[rows, k])
        # Values may have gaps (only some models of a set): number the ones that occur.
        occurs = np.bincount(column) > 0 if column.max() < 4 * len(column) + 1024 else None
        if occurs is None:
            values, column = np.unique(column, return_inverse=True)
            n_values = len(values)
        else:
            n_values = int(occurs.sum())
            column = (np.cumsum(occurs) - 1)[column] if not occurs.all() else column
        base = (blocks if whole else blocks[rows]) * (bins * n_values) + column
        table = np.empty((n_blocks, binned.shape[1], bins, n_values))
        tables.append(table)
        jobs += [(base, rows if not whole else None, j, table) for j in range(binned.shape[1])]
    thread_map(one, jobs)
    return tables


def entropy(counts: Array, axis: int | tuple[int, ...] = -1) -> Array:
    """Entropy, in nats, of the distribution that `counts` along `axis` are proportional to.

    >>> float(entropy(np.array([5.0, 5.0])) / np.log(2))
    1.0
    """
    total = counts.sum(axis=axis, keepdims=True)
    p = counts / np.where(total > 0, total, 1)
    return np.asarray(-(p * np.log(np.where(p > 0, p, 1))).sum(axis=axis))[()]


def table_information(table: Array) -> tuple[Floats, Floats]:
    """Mutual information (..., M) of each latent with a factor, and the factor's entropy (...).

    `table` (..., M, bins, V) counts rows by latent, bin and value. Plug-in estimate in nats:
    ``I = H(bin) + H(value) - H(bin, value)``, never below 0.
    """
    of_factor = np.asarray(entropy(table[..., 0, :, :].sum(axis=-2)))
    of_latent, of_both = entropy(table.sum(axis=-1)), entropy(table, axis=(-2, -1))
    return np.maximum(of_latent + of_factor[..., None] - of_both, 0.0), of_factor


def gap(scores: Array) -> tuple[int, float, float]:
    """Index of the best score, its value and the runner-up (0 when there is one score only)."""
    order = np.argsort(scores, kind="stable")
    second = float(scores[order[-2]]) if len(scores) > 1 else 0.0
    return int(order[-1]), float(scores[order[-1]]), second


def information_matrix(tables: list[Array]) -> tuple[Floats, Floats]:
    """Mutual information (..., M, K) and factor entropies (..., K), nats, of a table a factor."""
    pairs = [table_information(table) for table in tables]
    return np.stack([p[0] for p in pairs], axis=-1), np.stack([p[1] for p in pairs], axis=-1)


def normalised_gaps(information: Floats, entropies: Floats) -> Floats:
    """Gap (..., K) between the best and the second best latent of each factor, over its entropy.

    `information` is (..., M, K), `entropies` (..., K); with one latent the second best holds 0.
    """
    ordered = np.sort(information, axis=-2)
    second = ordered[..., -2, :] if ordered.shape[-2] > 1 else 0.0
    # A value in one block of rows alone leaves its factor without entropy when that is left out.
    some = entropies > 0
    return np.asarray((ordered[..., -1, :] - second) * some / np.where(some, entropies, 1.0))
