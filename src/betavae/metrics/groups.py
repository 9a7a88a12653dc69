"""Rows grouped by the value of a factor, so that drawing rows is index arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from betavae.metrics.checks import Ints


@dataclass(frozen=True)
class Groups:
    """The rows of each value of one factor.

    Attributes:
        rows: row indices, sorted by value; rows with an unknown value are left out.
        starts: where each value's rows begin in `rows`.
        counts: how many rows each value has.
    """

    rows: Ints
    starts: Ints
    counts: Ints

    def draw_values(self, shape: tuple[int, ...], rng: np.random.Generator) -> Ints:
        """Draw values (as group numbers) uniformly over the values that occur."""
        return rng.integers(len(self.starts), size=shape)

    def draw_rows(self, values: Ints, rng: np.random.Generator) -> Ints:
        """Draw, for each group number in `values`, one row uniformly among that group's rows."""
        place = rng.random(values.shape)
        place *= self.counts.take(values)
        place += self.starts.take(values)  # exact below 2^53 rows
        return np.asarray(self.rows.take(place.astype(np.int64)), np.int64)


def group_rows(column: Ints) -> Groups:
    """Group rows by the value in `column` (N,); negative values are unknown and left out.

    >>> groups = group_rows(np.array([1, 0, 1, -1]))
    >>> groups.rows, groups.starts, groups.counts
    (array([1, 0, 2]), array([0, 1]), array([1, 2]))
    """
    top = int(column.max(initial=0))
    # numpy sorts 16-bit integers by radix: ten times faster than int64.
    keys = column.astype(np.int16) if top < 2**15 else column
    order = np.asarray(np.argsort(keys, kind="stable"), np.int64)
    ordered = keys.take(order)
    first = int(np.searchsorted(ordered, 0))
    rows, ordered = order[first:], ordered[first:]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]).astype(np.int64)
    counts = np.diff(np.r_[starts, len(rows)]).astype(np.int64)
    return Groups(rows, starts, counts)


def relabel(column: Ints) -> tuple[Ints, int]:
    """Return `column` (N,) renumbered from 0 without gaps (unknown stays -1), and the count.

    >>> relabel(np.array([7, 3, -1, 7]))
    (array([ 1,  0, -1,  1]), 2)
    """
    known = column >= 0
    values, index = np.unique(column[known], return_inverse=True)
    labels = np.full(len(column), -1, np.int64)
    labels[known] = index
    return labels, len(values)


def split_rows(
    rows: Ints, n_train: int, n_test: int, rng: np.random.Generator
) -> tuple[Ints, Ints]:
    """Draw disjoint training and test rows out of `rows`: two thirds and a third if too few.

    >>> train, test = split_rows(np.arange(9), 10_000, 5_000, np.random.default_rng(0))
    >>> len(train), len(test)
    (6, 3)
    """
    if n_train + n_test > len(rows):
        n_test = max(1, min(n_test, len(rows) // 3))
        n_train = min(n_train, len(rows) - n_test)
    drawn = rng.permutation(len(rows))[: n_train + n_test]
    return rows[drawn[:n_train]], rows[drawn[n_train:]]
