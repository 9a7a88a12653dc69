"""The mean correlation coefficient: does each factor have a latent of its own that follows it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from betavae.metrics._shared.arrays import Array, Floats, Ints
from betavae.metrics._shared.checks import Seed, as_generator, check_choice
from betavae.metrics._shared.correlation import check_numbered, pair_sums, squared_correlation
from betavae.metrics._shared.linear import standardise
from betavae.metrics._shared.parallel import thread_map
from betavae.metrics._shared.results import Scored, draw_blocks, jackknife_interval

PROTOCOLS = ("linear", "spearman")


@dataclass(frozen=True)
class MccResult(Scored):
    """A mean correlation coefficient and the matching behind it.

    Attributes:
        score: mean over factors of the matched absolute correlation, in [0, 1].
        interval: 95 % interval over rows (delete-a-block jackknife).
        protocol: which correlation.
        about: rows, factors, seed and version behind the number.
        per_factor: (K,) absolute correlation of each factor with its latent; 0 without one.
        matched: (K,) the latent of each factor; -1 where there are fewer latents than factors.
        correlation: (M, K) absolute correlations.
        factor_columns: the factors used.
    """

    per_factor: Floats
    matched: Ints
    correlation: Floats
    factor_columns: tuple[int, ...]


def mcc_score(
    codes: Any,
    factors: Any,
    *,
    protocol: str = "linear",
    factor_columns: Sequence[int] | None = None,
    rng: Seed = 0,
) -> MccResult:
    """Mean correlation coefficient: factors matched with latents one to one, then correlated.

    ``MCC = 1/K max_pi sum_k |corr(z_pi(k), v_k)|`` over all ways to give each factor a latent of
    its own. With fewer latents than factors the factors left over count 0.

    Args:
        codes: (N, M) numbers; posterior means for a VAE.
        factors: (N, K) any numbers, read as ordered; -1 where not known in whole-numbered columns.
        protocol: ``"linear"``: Pearson's correlation. ``"spearman"``: of the ranks.
        factor_columns: the columns of `factors` to use; None: all that take several values.
        rng: seed or Generator; only draws the blocks of rows behind the interval.

    Returns:
        `MccResult`; ``float(result)`` is the score, in [0, 1].

    Raises:
        InputError: for codes, factors or options that cannot be used, naming which.

    Source: Hyvarinen & Morioka 2016; Khemakhem et al. 2020 (ICE-BeeM) and their public code. The
    measure of the literature on identifiability.

    Misses: relations that are not monotonic (an angle coded round a circle scores near 0), classes
    without an order, and what else the matched latent holds: other latents take no part. Noise has
    a positive score: about the largest of M correlations of size 1 / sqrt(N).

    >>> factors = np.stack(np.meshgrid(range(8), range(8)), -1).reshape(-1, 2)
    >>> round(float(mcc_score(-factors[:, ::-1], factors)), 6)
    1.0
    """
    check_choice(protocol, "protocol", PROTOCOLS)
    given, known = check_numbered(codes, factors, factor_columns, rng)
    z, y = given.codes, given.values
    blocks = draw_blocks(len(z), as_generator(rng))
    if protocol == "spearman":
        if known.all():  # the same rows for every factor: rank the latents once
            sums = pair_sums(_ranks(z), _ranks(y), known, blocks)
        else:
            parts = [_rank_sums(z, y[:, k], known[:, k], blocks) for k in range(y.shape[1])]
            sums = np.concatenate(parts, axis=2)
    else:
        unit, _ = standardise(z, z[:0])  # codes of any unit: correlation has none
        sums = pair_sums(unit, y, known, blocks)
    correlation = np.sqrt(np.clip(squared_correlation(sums.sum(axis=0)), 0.0, 1.0))
    matched = _match(correlation)
    per_factor = _matched(correlation, matched)
    return MccResult(
        score=float(per_factor.mean()),
        interval=jackknife_interval([sums], _score),
        protocol=protocol,
        about=given.about,
        per_factor=per_factor,
        matched=matched,
        correlation=correlation,
        factor_columns=given.columns,
    )


def _ranks(values: Array) -> Floats:
    """Rank each column, from 0 to 1; equal values share the mean of their ranks."""
    from scipy.stats import rankdata

    columns = thread_map(lambda j: rankdata(values[:, j]), range(values.shape[1]))
    return np.asarray(np.stack(columns, axis=1) / len(values))


def _rank_sums(z: Array, y: Array, known: Array, blocks: Ints) -> Floats:
    """Sum as `pair_sums` the ranks, among rows with a known value, of all latents and a factor."""
    rows = np.flatnonzero(known)
    every = np.ones((len(rows), 1), bool)
    return pair_sums(_ranks(z[rows]), _ranks(y[rows, None]), every, blocks[rows])


def _match(correlation: Floats) -> Ints:
    """Give each factor (K,) a latent of its own so that the sum is largest; -1 for none."""
    from scipy.optimize import linear_sum_assignment

    latents, factors = linear_sum_assignment(correlation, maximize=True)
    matched = np.full(correlation.shape[1], -1, np.int64)
    matched[factors] = latents
    return matched


def _matched(correlation: Floats, matched: Ints) -> Floats:
    each = correlation[matched, np.arange(len(matched))]
    return np.asarray(np.where(matched >= 0, each, 0.0))


def _score(totals: list[Array]) -> float:
    correlation = np.sqrt(np.clip(squared_correlation(totals[0]), 0.0, 1.0))
    return float(_matched(correlation, _match(correlation)).mean())
