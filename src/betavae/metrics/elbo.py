"""The rate taken apart on the whole data set: index-code information, total correlation, KL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from betavae.metrics._shared.arrays import Array, Floats, check_codes, check_log_var
from betavae.metrics._shared.checks import Seed, as_generator, check_count
from betavae.metrics._shared.gridded import densities, differential_entropy, make_grid
from betavae.metrics._shared.parallel import thread_map
from betavae.metrics._shared.results import Z95, About, Scored

PROTOCOLS = ("full_data",)
CHUNK_FLOATS = 1 << 21
"""Floats of a block of log densities: both factors of the product stay in cache."""


@dataclass(frozen=True)
class ElboTerms(Scored):
    """The three parts of the rate, in nats an image; they sum to it.

    Attributes:
        score: the total correlation.
        interval: 95 % interval of `score` over the sampled rows.
        protocol: ``"full_data"``.
        about: rows, factors, seed and version behind the number.
        rate: mean KL(q(z | x) || p(z)), exact.
        index_code_mi: I(x; z), between the image and its code, at most log N.
        total_correlation: KL(q(z) || prod_j q(z_j)), between the latents.
        dimension_wise_kl: sum_j KL(q(z_j) || p(z_j)), on a grid, without sampling error.
        standard_error: sampling error of `index_code_mi` and of `total_correlation`; their sum
            has none.
        index_code_mi_interval: 95 % interval of `index_code_mi`.
        kl_per_latent: (M,) KL(q(z_j) || p(z_j)).
        n_rows: rows that make up q(z).
        n_samples: rows at which q(z) was evaluated.
    """

    rate: float
    index_code_mi: float
    total_correlation: float
    dimension_wise_kl: float
    standard_error: float
    index_code_mi_interval: tuple[float, float]
    kl_per_latent: Floats
    n_rows: int
    n_samples: int


def elbo_terms(mean: Any, log_var: Any, *, n_samples: int = 1000, rng: Seed = 0) -> ElboTerms:
    """Split the rate into index-code information, total correlation and dimension-wise KL.

    With ``q(z) = 1/N sum_n q(z | x_n)`` over all rows,
    ``rate = E log q(z|x)/q(z) + E log q(z)/prod_j q(z_j) + sum_j KL(q(z_j) || p(z_j))``.
    The rate is in closed form and the last term comes from densities on a grid. The first is the
    mean of ``log q(z|x) - log q(z)`` over `n_samples` draws of a row and of z from its posterior,
    q(z) being summed over all N rows; the total correlation is what is left, with the same error.

    Args:
        mean: (N, M) posterior means.
        log_var: (N, M) posterior log variances.
        n_samples: draws; the error falls with their square root, the time grows with them.
        rng: seed or Generator.

    Returns:
        `ElboTerms`, in nats; ``float(result)`` is the total correlation, 0 or more up to its
        sampling error.

    Raises:
        InputError: for arrays or options that cannot be used, naming which.

    Source: Hoffman & Johnson 2016; Chen et al. 2018; Kim & Mnih 2018.

    Misses: the data set is taken as it is: I(x; z) cannot exceed log N, so a code that tells all
    N images apart reads log N however sharp it is. Estimates from a minibatch, which training
    logs (MWS, MSS), are biased by the batch size and can be negative; these are not.

    >>> import numpy as np
    >>> mean = np.random.default_rng(0).normal(size=(400, 2))
    >>> terms = elbo_terms(mean, np.full((400, 2), -2.0), n_samples=100)
    >>> parts = terms.index_code_mi + terms.total_correlation + terms.dimension_wise_kl
    >>> bool(np.isclose(parts, terms.rate))
    True
    """
    mean = check_codes(mean, "mean")
    log_var = check_log_var(log_var, mean, "to take the rate apart")
    n_samples = check_count(n_samples, "n_samples", 2)
    generator = as_generator(rng)
    n, width = mean.shape
    kl = [
        0.5 * float((m.astype(np.float64) ** 2 + np.exp(v.astype(np.float64)) - v - 1).mean())
        for m, v in zip(mean.T, log_var.T, strict=True)
    ]
    rate = float(np.sum(kl))
    marginal = np.array(thread_map(lambda j: _marginal_kl(mean[:, j], log_var[:, j]), range(width)))
    rows = generator.integers(n, size=n_samples)
    noise = generator.standard_normal((n_samples, width))
    ratios = _log_ratios(mean, log_var, rows, noise)
    information = float(ratios.mean())
    error = float(ratios.std(ddof=1)) / n_samples**0.5
    dimension_wise = float(marginal.sum())
    correlation = rate - information - dimension_wise
    half = Z95 * error
    return ElboTerms(
        score=correlation,
        interval=(correlation - half, correlation + half),
        protocol=PROTOCOLS[0],
        about=About.of(mean.shape, rng),
        rate=rate,
        index_code_mi=information,
        total_correlation=correlation,
        dimension_wise_kl=dimension_wise,
        standard_error=error,
        index_code_mi_interval=(information - half, information + half),
        kl_per_latent=marginal,
        n_rows=n,
        n_samples=n_samples,
    )


def _marginal_kl(mean: Array, log_var: Array) -> float:
    """KL(q(z_j) || N(0, 1)): minus the entropy on the grid, and the cross-entropy exactly."""
    grid = make_grid(mean, log_var)
    density, _ = densities(grid, np.zeros(len(mean), np.int64), 1)
    second = float((mean.astype(np.float64) ** 2 + np.exp(log_var.astype(np.float64))).mean())
    cross = 0.5 * (second + np.log(2 * np.pi))
    return max(float(cross - differential_entropy(density, grid.width)[0]), 0.0)


def _log_ratios(mean: Array, log_var: Array, rows: Array, noise: Array) -> Floats:
    """``log q(z | x) - log q(z)`` at z drawn from the posterior of each of `rows`, (S,).

    ``log q(z | x_n) = -1/2 (z^2 . 1/s_n^2 - 2 z . m_n/s_n^2 + const_n)`` is a matrix product of
    (z^2, z, 1) with N columns. Each sum over n is taken relative to the row's own term, which
    keeps it at 1 or above: no pass for the maximum.
    """
    n = len(mean)
    # Centred, or the squares of a latent far from 0 would cancel in float32.
    centre = mean.mean(axis=0, dtype=np.float64)
    own_mean = mean[rows].astype(np.float64) - centre
    z = own_mean + noise * np.exp(0.5 * log_var[rows].astype(np.float64))
    own = -0.5 * (noise**2 + log_var[rows]).sum(axis=1)
    left = np.concatenate([z**2, z, np.ones((len(z), 1)), own[:, None]], axis=1)
    size = max(64, CHUNK_FLOATS // len(rows))

    def one_chunk(start: int) -> Floats:
        m = mean[start : start + size].astype(np.float64) - centre
        v = log_var[start : start + size].astype(np.float64)
        precision = np.exp(-v)
        constant = -0.5 * (m**2 * precision + v).sum(axis=1)
        right = np.concatenate(
            [-0.5 * precision, m * precision, constant[:, None], -np.ones((len(m), 1))], axis=1
        )
        # The product in float64, since terms of 10^4 cancel; the exponential in float32.
        log = (left @ right.T).astype(np.float32)
        np.minimum(log, 80.0, out=log)
        return np.asarray(np.exp(log, out=log).sum(axis=1, dtype=np.float64))

    total = np.sum(thread_map(one_chunk, range(0, n, size)), axis=0)
    return np.asarray(np.log(n) - np.log(np.maximum(total, 1e-300)))
