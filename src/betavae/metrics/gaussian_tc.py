"""Total correlation of codes, had they been Gaussian: dependence without labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from betavae.metrics._shared.arrays import Array, Floats, read_codes
from betavae.metrics._shared.checks import Seed, as_generator, check_choice
from betavae.metrics._shared.moments import live_latents
from betavae.metrics._shared.results import About, Scored, draw_blocks, jackknife_interval

PROTOCOLS = ("locatello2019",)


@dataclass(frozen=True)
class GaussianResult(Scored):
    """Total correlation under a Gaussian fit, and its relatives.

    Attributes:
        score: total correlation in nats, from 0 up; less is better; infinite for duplicates.
        interval: 95 % interval over rows (delete-a-block jackknife).
        protocol: which published variant.
        about: rows, factors, seed and version behind the number.
        wasserstein: squared 2-Wasserstein distance of the fit to the product of its marginals.
        wasserstein_normalised: the same over the total variance, in [0, 2).
        covariance: (M, M) covariance of the codes.
        live: (M,) latents that are not constant; the others take no part.
    """

    wasserstein: float
    wasserstein_normalised: float
    covariance: Floats
    live: Array


def gaussian_total_correlation(
    codes: Any, *, protocol: str = "locatello2019", rng: Seed = 0
) -> GaussianResult:
    """Total correlation of a Gaussian with the codes' covariance.

    ``TC = 1/2 (sum_j log S_jj - log det S)``, S the covariance of the codes: the divergence of the
    Gaussian from the product of its marginals, 0 for uncorrelated codes.

    Args:
        codes: (N, M) numbers; posterior means for a VAE.
        protocol: ``"locatello2019"``.
        rng: seed or Generator; only draws the blocks of rows behind the interval.

    Returns:
        `GaussianResult`; ``float(result)`` is the total correlation in nats, 0 or more;
        less is better.

    Raises:
        InputError: for codes that cannot be used.

    Source: Locatello et al. 2019 (unsupervised metrics, public code).

    Misses: any dependence but correlation; PCA codes score 0 however entangled. It is of the
    means: Locatello et al. found sampled codes to have little total correlation where the means
    have much, so say which was used. For q(z) itself see `elbo_terms`.

    >>> import numpy as np
    >>> z = np.random.default_rng(0).normal(size=(1000, 2)) @ [[1.0, 0.8], [0.0, 0.6]]
    >>> exact = -0.5 * np.log(1 - np.corrcoef(z.T)[0, 1] ** 2)
    >>> bool(np.isclose(float(gaussian_total_correlation(z)), exact))
    True
    """
    check_choice(protocol, "protocol", PROTOCOLS)
    codes, reduction = read_codes(codes)
    live = live_latents(codes, 0.0)
    covariance = np.zeros((codes.shape[1], codes.shape[1]))
    score, interval, distance, variance = 0.0, (0.0, 0.0), 0.0, 0.0
    if live.any():
        z = codes[:, live].astype(np.float64)
        z -= z.mean(axis=0)
        blocks = draw_blocks(len(z), as_generator(rng))
        n_blocks = int(blocks.max()) + 1
        order = np.argsort(blocks, kind="stable")
        parts = np.split(z[order], np.cumsum(np.bincount(blocks))[:-1])
        # Sums of 1, z and z z' over each block; a column of ones makes them one product.
        sums = np.empty((n_blocks, z.shape[1] + 1, z.shape[1] + 1))
        for b, part in enumerate(parts):
            extended = np.concatenate([part, np.ones((len(part), 1))], axis=1)
            sums[b] = extended.T @ extended
        fitted = _covariance(sums.sum(axis=0))
        score = _total_correlation(fitted)
        interval = (score, score)
        if np.isfinite(score):
            interval = jackknife_interval(
                [sums], lambda t: _total_correlation(_covariance(t[0])), (0.0, np.inf)
            )
        covariance[np.ix_(live, live)] = fitted
        distance, variance = _wasserstein(fitted), float(np.trace(fitted))
    return GaussianResult(
        score=score,
        interval=interval,
        protocol=protocol,
        about=About.of(codes.shape, reduction=reduction),
        wasserstein=distance,
        wasserstein_normalised=distance / variance if variance else 0.0,
        covariance=covariance,
        live=live,
    )


def _covariance(sums: Array) -> Floats:
    n, mean = sums[-1, -1], sums[-1, :-1] / sums[-1, -1]
    return np.asarray((sums[:-1, :-1] - n * np.outer(mean, mean)) / max(n - 1, 1))


def _total_correlation(covariance: Array) -> float:
    """TC from the correlation matrix, whose determinant does not depend on units."""
    deviation = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(deviation, deviation)
    values = np.linalg.eigvalsh(correlation)
    # Rounding keeps the smallest eigenvalue of duplicated latents near 1e-16, of either sign.
    if values[0] < 1e-12:
        return float("inf")
    correlation_nats = float(-0.5 * np.log(values).sum())
    return correlation_nats if correlation_nats > 1e-15 else 0.0


def _wasserstein(covariance: Array) -> float:
    """``2 tr S - 2 tr (D^1/2 S D^1/2)^1/2`` with D the diagonal of S."""
    root = np.sqrt(np.diag(covariance))
    values = np.linalg.eigvalsh(covariance * np.outer(root, root))
    cross = float(np.sqrt(np.maximum(values, 0)).sum())
    return max(0.0, 2 * float(np.trace(covariance)) - 2 * cross)
