"""Rows grouped by the value of a factor, so that drawing rows is index arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from betavae.metrics._shared.arrays import Ints


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

    def draw_rows(
        self, values: Ints, rng: np.random.Generator, shape: tuple[int, ...] | None = None
    ) -> Ints:
        """Draw, for each group number in `values`, a row uniformly among that group's rows.

        With `shape`, to which `values` must broadcast, as many rows as that.
        """
        place = rng.random(values.shape if shape is None else shape)
        place *= self.counts.take(values)
        place += self.starts.take(values)  # exact below 2^53 rows
        return np.asarray(self.rows.take(place.astype(np.int64)), np.int64)

    def draw_pairs(self, values: Ints, rng: np.random.Generator) -> Ints:
        """Draw, for each group number in `values`, two different rows of the group, (2, ...).

        Every group must have two rows; see `pairs_only`.
        """
        counts, starts = self.counts.take(values), self.starts.take(values)
        first = (rng.random(values.shape) * counts).astype(np.int64)
        second = (rng.random(values.shape) * (counts - 1)).astype(np.int64)
        second += second >= first  # every row but the first, each as likely
        first += starts
        second += starts
        return np.stack([self.rows.take(first), self.rows.take(second)]).astype(
            np.int64, copy=False
        )

    def pairs_only(self) -> Groups:
        """Return the groups that have two rows or more."""
        some = self.counts > 1
        return self if some.all() else Groups(self.rows, self.starts[some], self.counts[some])


def group_rows(column: Ints) -> Groups:
    """Group rows by the value in `column` (N,); negative values are unknown and left out.

    >>> groups = group_rows(np.array([1, 0, 1, -1]))
    >>> groups.rows, groups.starts, groups.counts
    (array([1, 0, 2]), array([0, 1]), array([1, 2]))
    """
    if len(column) and column.min() < 0:
        known = np.flatnonzero(column >= 0)
        groups = group_rows(column[known])
        return Groups(known.take(groups.rows), groups.starts, groups.counts)
    regular = _grid_rows(column)
    if regular is not None:
        n_values = int(column[-1]) + 1
        each = len(column) // n_values
        starts = np.arange(n_values, dtype=np.int64) * each
        return Groups(regular, starts, np.full(n_values, each, np.int64))
    top = int(column.max(initial=0))
    if top >= 4 * len(column) + 1024:  # too sparse to count over
        column, _ = relabel(column)
        top = int(column.max(initial=0))
    rows, ends = _counting_sort(column, top + 1)
    counts = np.diff(ends)
    some = counts > 0
    return Groups(rows, ends[:-1][some].astype(np.int64), counts[some].astype(np.int64))


def _grid_rows(column: Ints) -> Ints | None:
    """Row numbers sorted by value, if `column` is a factor of a whole grid in order, else None.

    Such a column is 0, ..., V - 1, each repeated, and all of that repeated: rows are then known
    without a sort.
    """
    n, n_values = len(column), int(column[-1]) + 1 if len(column) else 0
    inner = int(np.argmax(column != column[0])) if n else 0
    if not inner or n % (inner * n_values):
        return None
    table = column.reshape(-1, n_values, inner)
    if not (table == np.arange(n_values)[:, None]).all():
        return None
    rows: Ints = np.arange(n).reshape(table.shape).transpose(1, 0, 2).ravel()
    return rows


def _counting_sort(column: Ints, n_values: int) -> tuple[Ints, Ints]:
    """Row numbers sorted by value (N,), and where each value begins (n_values + 1,).

    A matrix with a one in each row, at the column of its value, turned from rows to columns:
    scipy does that by counting, in half the time of numpy's radix sort.
    """
    from scipy.sparse import csr_array

    n = len(column)
    index = np.int32 if n < 2**31 - 1 else np.int64  # scipy's own choice, so that it copies nothing
    ends = np.arange(n + 1, dtype=index)
    marks = csr_array((np.ones(n, np.int8), column.astype(index), ends), shape=(n, n_values))
    turned = marks.tocsc()
    return turned.indices, turned.indptr


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
