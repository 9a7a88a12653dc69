"""Rows to learn from and rows to test on, and how far a score hangs on the rows there are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from betavae.metrics._shared.arrays import Ints
from betavae.metrics._shared.checks import NotComputable
from betavae.metrics._shared.groups import Groups, group_rows
from betavae.metrics._shared.parallel import thread_map
from betavae.metrics._shared.results import accuracy_interval, jackknife_error, normal_interval

SPLIT_BELOW = 50_000
"""Rows below which points to test on are drawn from rows of their own. Points drawn from the same
few rows are no new points: noise on 100 rows would be recognised again. Above it the difference
is below a hundredth."""
BLOCKS = 5
TRIES = 20


def group_factors(values: Ints, rows: Ints | None = None) -> list[Groups]:
    """Group rows (all, or those given) by the values of each factor, values with two rows only."""

    def one(k: int) -> Groups:
        if rows is None:
            return group_rows(values[:, k]).pairs_only()
        groups = group_rows(values[rows, k]).pairs_only()
        return Groups(rows.take(groups.rows), groups.starts, groups.counts)

    return thread_map(one, range(values.shape[1]))


def draw_halves(
    values: Ints, rng: np.random.Generator, without: Ints | None = None
) -> tuple[list[Groups], list[Groups]]:
    """Group the rows to learn from and the rows to test on: halves, or twice all of many rows.

    Args:
        values: (N, K) factors.
        rng: draws the halves.
        without: rows to leave out.

    Raises:
        NotComputable: when a factor has no value with two rows in each half.
    """
    if len(values) >= SPLIT_BELOW:
        both = group_factors(values)
        _refuse_empty(both)
        return both, both
    rows = np.arange(len(values))
    rows = rows if without is None else np.delete(rows, without)
    for attempt in range(TRIES):
        drawn = rng.permutation(rows)
        parts = [group_factors(values, half) for half in np.array_split(drawn, 2)]
        if all(len(g.counts) for part in parts for g in part) or attempt == TRIES - 1:
            break
    for part in parts:
        _refuse_empty(part)
    return parts[0], parts[1]


def _refuse_empty(groups: list[Groups]) -> None:
    for k, group in enumerate(groups):
        if not len(group.counts):
            raise NotComputable(
                f"factor {k} has no value that two rows of each half of the rows share; "
                "more rows are needed"
            )


def resampled_interval(
    score: float,
    points: tuple[int, int],
    values: Ints,
    rng: np.random.Generator,
    score_without: Callable[[Ints, np.random.Generator], float],
) -> tuple[float, float]:
    """95 % interval of an accuracy: over test points, and for few rows over rows too.

    Below `SPLIT_BELOW` rows the score is computed again with each of `BLOCKS` random blocks of
    rows left out, halves and all; what the draw of test points adds to that spread is taken off.

    Args:
        score: the accuracy.
        points: test points behind it, and behind one call of `score_without`.
        values: (N, K) factors.
        rng: draws the blocks.
        score_without: computes the score without some rows.
    """
    low, high = accuracy_interval(score, points[0])
    if len(values) >= SPLIT_BELOW:
        return low, high
    blocks = np.array_split(rng.permutation(len(values)), min(BLOCKS, len(values)))
    try:
        jobs = list(zip(blocks, rng.spawn(len(blocks)), strict=True))
        left = thread_map(lambda job: score_without(*job), jobs)
    except NotComputable:
        return 0.0, 1.0
    of_point = score * (1 - score)
    rows = jackknife_error(left) ** 2 - (len(blocks) - 1) * of_point / points[1]
    error = np.sqrt(max(rows, 0.0) + of_point / points[0])
    wide = normal_interval(score, float(error))
    return min(low, wide[0]), max(high, wide[1])
