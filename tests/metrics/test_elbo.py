"""The parts of the rate against closed forms and against sums over every row."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm
from tables import grid, noisy_codes

from betavae.metrics import elbo_terms, rate_per_latent


def test_an_exact_gaussian() -> None:
    """Means N(0, S), posterior variance s^2: q(z) is N(0, S + s^2) but for the finite set."""
    n, deviation = 40_000, 0.5
    prior = np.array([[0.9, 0.5, 0.0], [0.5, 0.7, 0.2], [0.0, 0.2, 0.4]])
    mean = np.random.default_rng(0).multivariate_normal(np.zeros(3), prior, size=n)
    log_var = np.full((n, 3), 2 * np.log(deviation))
    terms = elbo_terms(mean, log_var, n_samples=3000)
    total = prior + deviation**2 * np.eye(3)
    variances = np.diag(total)
    correlation = 0.5 * (np.log(variances).sum() - np.linalg.slogdet(total)[1])
    information = 0.5 * (np.linalg.slogdet(total)[1] - 3 * np.log(deviation**2))
    kl = 0.5 * (variances - np.log(variances) - 1)
    # 4 standard errors of the draws, and what 40,000 rows themselves scatter.
    slack = 4 * terms.standard_error + 0.01
    assert terms.total_correlation == pytest.approx(correlation, abs=slack)
    assert terms.index_code_mi == pytest.approx(information, abs=slack)
    np.testing.assert_allclose(terms.kl_per_latent, kl, atol=0.01)
    assert terms.dimension_wise_kl == pytest.approx(kl.sum(), abs=0.02)
    assert terms.standard_error < 0.05


@pytest.mark.slow
def test_a_tiny_set_by_sums_over_every_row() -> None:
    mean, log_var = noisy_codes(grid(3, 4), spare=1)
    deviation = np.exp(log_var / 2)
    rng = np.random.default_rng(0)
    rows = rng.integers(len(mean), size=200_000)
    z = mean[rows] + deviation[rows] * rng.normal(size=(len(rows), 3))
    log_joint = norm.logpdf(z[:, None], mean[None], deviation[None])  # (S, N, M)
    log_q = logsumexp(log_joint.sum(2), axis=1) - np.log(len(mean))
    log_marginals = (logsumexp(log_joint, axis=1) - np.log(len(mean))).sum(1)
    own = log_joint[np.arange(len(rows)), rows].sum(1)
    terms = elbo_terms(mean, log_var, n_samples=50_000)
    assert terms.index_code_mi == pytest.approx((own - log_q).mean(), abs=0.02)
    assert terms.total_correlation == pytest.approx((log_q - log_marginals).mean(), abs=0.03)
    assert terms.dimension_wise_kl == pytest.approx(
        (log_marginals - norm.logpdf(z).sum(1)).mean(), abs=0.02
    )


def test_the_parts_sum_to_the_rate() -> None:
    mean, log_var = noisy_codes(grid(4, 5, 3))
    terms = elbo_terms(mean, log_var, n_samples=100)
    parts = terms.index_code_mi + terms.total_correlation + terms.dimension_wise_kl
    assert parts == pytest.approx(terms.rate)
    assert terms.rate == pytest.approx(float(rate_per_latent(mean, log_var)))


def test_information_is_at_most_log_n() -> None:
    mean = 100.0 * np.arange(64.0)[:, None] * np.ones(2)
    terms = elbo_terms(mean, np.full((64, 2), -6.0), n_samples=200)
    assert terms.index_code_mi == pytest.approx(np.log(64), abs=1e-6)


def test_the_error_shrinks_with_samples_and_the_interval_covers() -> None:
    mean, log_var = noisy_codes(grid(4, 5, 3))
    exact = elbo_terms(mean, log_var, n_samples=40_000, rng=1).total_correlation
    inside = 0
    for seed in range(40):
        low, high = elbo_terms(mean, log_var, n_samples=300, rng=seed).interval
        inside += low <= exact <= high
    assert inside >= 33  # 95 % of 40 is 38; fewer than 33 has probability below 1 in 1000


def test_codes_far_from_zero_do_not_cancel() -> None:
    mean, log_var = noisy_codes(grid(4, 5, 3))
    near = elbo_terms(mean, log_var, n_samples=300)
    far = elbo_terms((mean + 3000).astype(np.float32), log_var.astype(np.float32), n_samples=300)
    assert far.index_code_mi == pytest.approx(near.index_code_mi, abs=0.02)


def test_independent_latents_have_no_total_correlation() -> None:
    factors = grid(9, 9)
    codes = norm.ppf((factors + 0.5) / 9)
    terms = elbo_terms(codes, np.full(codes.shape, -4.0), n_samples=2000)
    assert terms.total_correlation == pytest.approx(0, abs=4 * terms.standard_error + 1e-3)
