"""Interventional robustness: how far can the other factors move a latent tied to one factor?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from betavae.metrics._shared.arrays import Floats, Ints
from betavae.metrics._shared.checks import Seed, as_generator, check_choice
from betavae.metrics._shared.groups import group_rows
from betavae.metrics._shared.labelled import check_labelled
from betavae.metrics._shared.moments import live_latents
from betavae.metrics._shared.parallel import thread_map
from betavae.metrics._shared.results import Scored, normal_interval

PROTOCOLS = ("locatello2019", "suter2019")
QUANTILES = {"locatello2019": 0.99, "suter2019": 1.0}
BATCHES = 10
"""Random tenths of the rows whose spread gives the interval."""


@dataclass(frozen=True)
class IrsResult(Scored):
    """An interventional robustness score and its parts.

    Attributes:
        score: mean of `per_latent`, weighted by how far each latent ranges, in [0, 1].
        interval: 95 % interval over rows, from the spread over tenths of the rows.
        protocol: which published variant.
        about: rows, factors, seed and version behind the number.
        per_latent: (M,) robustness of each latent tied to its parent factor; 0 if constant.
        parents: (M,) the factor each latent is most robust under; -1 if constant.
        robustness: (M, K) robustness of each latent tied to each factor.
        quantile: the quantile of deviations that stands for the largest.
        factor_columns: the factors used.
    """

    per_latent: Floats
    parents: Ints
    robustness: Floats
    quantile: float
    factor_columns: tuple[int, ...]


def irs_score(
    codes: Any,
    factors: Any,
    *,
    protocol: str = "locatello2019",
    factor_columns: Sequence[int] | None = None,
    rng: Seed = 0,
) -> IrsResult:
    """Interventional robustness score: stability of latents while other factors change.

    With a factor k held at v, latent j's largest deviation from its mean given v is
    ``d_jk(v) = max |z_j - E[z_j | v_k = v]|``. ``IRS_jk = 1 - mean_v d_jk(v) / max |z_j - E z_j|``;
    a latent's score is its best ``IRS_jk`` over k, and the score their mean weighted by
    ``max |z_j - E z_j|``. Constant latents take no part.

    Args:
        codes: (N, M) numbers; posterior means for a VAE.
        factors: (N, K) whole numbers, -1 where not known; crossed (every combination as likely).
        protocol: ``"suter2019"``: the largest deviation, as published. ``"locatello2019"``: its
            99 % quantile in place of the largest, since the largest is one outlier.
        factor_columns: the columns of `factors` to use; None: all.
        rng: seed or Generator; only draws the tenths of rows behind the interval.

    Returns:
        `IrsResult`; ``float(result)`` is the score, in [0, 1]; 0 if all latents are constant.

    Raises:
        InputError: for codes, factors or options that cannot be used, naming which.

    Source: Suter et al. 2019 (EMPIDA for crossed factors); the quantile:
    public code of the same group (Locatello et al. 2019).

    Misses: whether factors are coded at all and whether one factor takes many latents. The
    weights follow the units of the latents, so rescaling one latent changes the score. Noise and
    outliers raise the normaliser: heavy-tailed random codes look robust. More rows find larger
    extremes, so ``"suter2019"`` drifts with N.

    >>> import numpy as np
    >>> factors = np.stack(np.meshgrid(range(8), range(8)), -1).reshape(-1, 2)
    >>> float(irs_score(factors, factors))
    1.0
    """
    check_choice(protocol, "protocol", PROTOCOLS)
    given = check_labelled(codes, factors, factor_columns, rng)
    codes, values, columns = given.codes, given.values, given.columns
    quantile = QUANTILES[protocol]
    live = live_latents(codes, 0.0)
    n_latents, n_factors = codes.shape[1], len(columns)
    robustness, parents = np.zeros((n_latents, n_factors)), np.full(n_latents, -1)
    score, interval = 0.0, (0.0, 0.0)
    if live.any():
        z = codes[:, live].astype(np.float64)
        score, matrix = _score(z, values, quantile)
        robustness[live], parents[live] = matrix, matrix.argmax(axis=1)
        # Deviations need some rows for each value; tenths of a small set have too few.
        batches = min(BATCHES, len(z) // (4 * (int(values.max()) + 1)))
        interval = (0.0, 1.0)
        if batches > 1:
            of = as_generator(rng).permutation(len(z)) % batches
            parts = [_score(z[of == b], values[of == b], quantile)[0] for b in range(batches)]
            interval = normal_interval(score, float(np.std(parts, ddof=1) / batches**0.5))
    return IrsResult(
        score=score,
        interval=interval,
        protocol=protocol,
        about=given.about,
        per_latent=robustness.max(axis=1),
        parents=parents.astype(np.int64),
        robustness=robustness,
        quantile=quantile,
        factor_columns=columns,
    )


def _score(z: Floats, values: Ints, quantile: float) -> tuple[float, Floats]:
    """Score and robustness (M, K) of codes none of which is constant."""
    reach = np.abs(z - z.mean(axis=0)).max(axis=0)

    def one_factor(k: int) -> Floats:
        groups = group_rows(values[:, k])
        ordered = z[groups.rows]
        largest = np.zeros(z.shape[1])
        for start, count in zip(groups.starts, groups.counts, strict=True):
            part = ordered[start : start + count]
            deviation = np.abs(part - part.mean(axis=0))
            largest += np.quantile(deviation, quantile, axis=0)
        return np.asarray(largest / len(groups.starts))

    deviations = np.stack(thread_map(one_factor, range(values.shape[1])), axis=1)
    # A batch of rows may lack a latent's variation altogether: reach 0, deviation 0, no weight.
    robustness = np.clip(1 - deviations / np.maximum(reach, 1e-300)[:, None], 0, 1)
    total = max(float(reach.sum()), 1e-300)
    return float(robustness.max(axis=1) @ reach / total), robustness
