"""Measures without labels: UDR, ModelCentrality, Gaussian total correlation, units, rates."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.stats import spearmanr
from tables import rotation

from betavae.metrics import (
    active_units,
    gaussian_total_correlation,
    model_centrality,
    rate_per_latent,
    udr_scores,
)

RNG = np.random.default_rng(0)
Z = RNG.normal(size=(3000, 4)) ** 3 / 3  # not Gaussian: a rotation mixes it for good


@pytest.mark.parametrize("protocol", ["lasso", "spearman"])
def test_models_alike_but_for_order_and_sign_score_high(protocol: str) -> None:
    models = [Z, -Z[:, ::-1], Z[:, [2, 0, 3, 1]] * 5, Z @ rotation(4, 1)]
    result = udr_scores(models, protocol=protocol)
    assert (result.scores[:3] > 0.8).all()
    assert result.scores[3] < 0.6
    assert result.best in (0, 1, 2)
    assert result.pairwise.shape == (4, 4)
    assert (np.diag(result.pairwise) == 0).all()


def test_spearman_is_scipys() -> None:
    other = Z @ rotation(4, 2)
    result = udr_scores([Z, other], protocol="spearman")
    relation = np.abs(spearmanr(Z, other).statistic[:4, 4:])
    expected = sum((relation.max(axis=a) ** 2 / relation.sum(axis=a)).sum() for a in (0, 1)) / 8
    np.testing.assert_allclose(result.pairwise[0, 1], expected)


@pytest.mark.parametrize("protocol", ["lasso", "spearman"])
def test_uninformative_latents_take_no_part(protocol: str) -> None:
    dead = 0.01 * RNG.normal(size=(3000, 3))
    padded = [np.concatenate([z, dead], axis=1) for z in (Z, -Z[:, ::-1])]
    plain = udr_scores([Z, -Z[:, ::-1]], protocol=protocol)
    assert float(udr_scores(padded, protocol=protocol)) == pytest.approx(float(plain))
    log_vars = [np.concatenate([np.full(Z.shape, -4.0), 0 * dead], axis=1)] * 2
    by_rate = udr_scores(padded, protocol=protocol, log_vars=log_vars)
    assert float(by_rate) == pytest.approx(float(plain))
    nothing = udr_scores([Z, np.zeros((3000, 2))], protocol=protocol)
    assert (nothing.scores == 0).all()


def test_models_may_have_different_numbers_of_latents() -> None:
    result = udr_scores([Z, Z[:, :2], Z[:, :1]])
    assert result.scores.shape == (3,)
    assert ((result.scores >= 0) & (result.scores <= 1)).all()


def test_the_medoid_is_among_the_models_that_agree() -> None:
    codes, noise = RNG.uniform(size=(3000, 4)), RNG.uniform(size=(3000, 4))
    result = model_centrality([codes, -codes, noise, codes[:, ::-1]])
    assert result.best != 2
    assert result.scores[2] < result.scores[[0, 1, 3]].min() - 0.2
    assert result.pairwise[0, 1] == 1


def test_centrality_of_dead_and_whole_numbered_codes() -> None:
    codes = RNG.uniform(size=(3000, 4))
    whole = np.rint(codes * 50).astype(np.int64)
    result = model_centrality([codes, whole, np.zeros((3000, 2))])
    assert result.pairwise[0, 1] > 0.95
    assert (result.pairwise[2] == 0).all()


def test_gaussian_total_correlation_in_closed_form() -> None:
    covariance = np.array([[2.0, 0.8, 0.0], [0.8, 1.0, 0.3], [0.0, 0.3, 0.5]])
    codes = np.random.default_rng(1).multivariate_normal(np.zeros(3), covariance, size=5000)
    result = gaussian_total_correlation(codes)
    sample = np.cov(codes.T)
    exact = 0.5 * (np.log(np.diag(sample)).sum() - np.linalg.slogdet(sample)[1])
    assert result.score == pytest.approx(exact)
    true = 0.5 * (np.log(np.diag(covariance)).sum() - np.linalg.slogdet(covariance)[1])
    assert result.interval[0] - 0.02 < true < result.interval[1] + 0.02
    cross = sqrtm(sample * np.diag(sample)[:, None]).real
    assert result.wasserstein == pytest.approx(2 * np.trace(sample) - 2 * np.trace(cross))
    assert gaussian_total_correlation(codes * [1e-4, 1, 1e5]).score == pytest.approx(exact)


def test_gaussian_total_correlation_of_odd_codes() -> None:
    constant = np.concatenate([Z, np.full((3000, 1), 2.5)], axis=1)
    assert gaussian_total_correlation(constant).score == pytest.approx(
        gaussian_total_correlation(Z).score
    )
    assert gaussian_total_correlation(np.concatenate([Z, Z], axis=1)).score == np.inf
    assert gaussian_total_correlation(Z[:, :1]).score == 0
    assert gaussian_total_correlation(np.zeros((5, 2))).score == 0
    assert gaussian_total_correlation(Z[:2]).score == np.inf  # two rows lie on a line


def test_active_units_and_rate() -> None:
    mean = np.random.default_rng(0).normal(size=(2000, 3)) * [1.0, 0.2, 0.01]
    units = active_units(mean)
    assert units.score == 2
    np.testing.assert_allclose(units.variances, mean.var(axis=0))
    log_var = np.full(mean.shape, -1.0)
    rate = rate_per_latent(mean, log_var)
    expected = 0.5 * (mean**2 + np.exp(-1.0) + 1.0 - 1.0).mean(axis=0)
    np.testing.assert_allclose(rate.per_latent, expected)
    assert rate.score == pytest.approx(expected.sum())
    assert rate.interval[0] < rate.score < rate.interval[1]
    assert float(rate_per_latent(np.zeros((4, 2)), np.zeros((4, 2)))) == 0
