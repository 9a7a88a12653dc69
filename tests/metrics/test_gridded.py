"""Densities on a grid, and the chen2018 and do2020 protocols, against sums over every row."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm
from tables import Floats, Ints, grid, noisy_codes

from betavae.metrics import factor_table, jemmig_score, mig_score
from betavae.metrics._shared.gridded import densities, differential_entropy, make_grid


def brute_entropy(mean: Floats, deviation: Floats) -> float:
    """Entropy of the mixture of all N(mean, deviation), by adaptive quadrature."""

    def integrand(z: float) -> float:
        p = norm.pdf(z, mean, deviation).mean()
        return float(-p * np.log(p)) if p > 0 else 0.0

    low, high = (mean - 9 * deviation).min(), (mean + 9 * deviation).max()
    breaks = np.unique(np.concatenate([mean, mean - 2 * deviation, mean + 2 * deviation]))
    edges = np.concatenate([[low], breaks[(breaks > low) & (breaks < high)], [high]])
    return float(sum(quad(integrand, a, b)[0] for a, b in pairwise(edges)))


def grid_entropy(mean: Floats, deviation: Floats) -> float:
    g = make_grid(mean, 2 * np.log(deviation))
    density, _ = densities(g, np.zeros(len(mean), np.int64), 1)
    assert density.sum() * g.width == pytest.approx(1)
    return float(differential_entropy(density, g.width)[0])


@pytest.mark.parametrize("deviation", [1e-3, 0.05, 1.0, 30.0])
def test_one_gaussian_has_its_entropy(deviation: float) -> None:
    exact = 0.5 * np.log(2 * np.pi * np.e * deviation**2)
    assert grid_entropy(np.array([0.7, 0.7]), np.full(2, deviation)) == pytest.approx(
        exact, abs=1e-4
    )


def test_mixtures_have_the_entropy_of_quadrature() -> None:
    rng = np.random.default_rng(0)
    for scale in (0.02, 0.3, 1.0):
        mean = rng.normal(size=12)
        deviation = scale * np.exp(0.5 * rng.normal(size=12))
        assert grid_entropy(mean, deviation) == pytest.approx(
            brute_entropy(mean, deviation), abs=2e-3
        )


def test_a_posterior_too_narrow_for_the_grid_is_widened_not_lost() -> None:
    entropy = grid_entropy(np.array([0.0, 1.0]), np.array([1e-9, 1e-9]))
    assert np.isfinite(entropy)
    assert -12 < entropy < -5  # a cell is 1 / 65,536 of the range


def brute_mig(mean: Floats, log_var: Floats, factors: Ints) -> float:
    """MIG of Chen et al. 2018, every entropy an integral over the mixture of all its rows."""
    deviation = np.exp(log_var / 2)
    gaps = []
    for column in factors.T:
        values, counts = np.unique(column, return_counts=True)
        share = counts / counts.sum()
        information = [
            brute_entropy(m, d)
            - sum(
                p * brute_entropy(m[column == v], d[column == v])
                for v, p in zip(values, share, strict=True)
            )
            for m, d in zip(mean.T, deviation.T, strict=True)
        ]
        best = np.sort(information)
        gaps.append((best[-1] - best[-2]) / -(share * np.log(share)).sum())
    return float(np.mean(gaps))


@pytest.mark.slow
def test_chen2018_is_the_brute_force_sum_on_a_tiny_set() -> None:
    factors = grid(3, 4)
    mean, log_var = noisy_codes(factors, spare=1)
    result = mig_score(mean, factors, protocol="chen2018", log_var=log_var)
    assert result.score == pytest.approx(brute_mig(mean, log_var, factors), abs=2e-3)
    assert result.mutual_information.shape == (3, 2)


def test_chen2018_scores_four_factors_of_the_2d_shapes() -> None:
    factors = grid(2, 3, 3, 2, 2)
    mean, log_var = noisy_codes(factors)
    names = ("shape", "scale", "orientation", "posX", "posY")
    options = {"protocol": "chen2018", "log_var": log_var}
    result = mig_score(mean, factor_table(factors, names), **options)
    assert result.factor_columns == (1, 2, 3, 4)
    assert result.about.left_out == ("shape (resampled freely)",)
    five = mig_score(mean, factor_table(factors, names), factor_columns=range(5), **options)
    assert len(five.per_factor) == 5
    assert len(mig_score(mean, factors, **options).per_factor) == 5  # anybody's five factors


def test_chen2018_sees_the_noise_that_means_hide() -> None:
    factors = grid(6, 6, repeat=3)
    clean = (factors - 2.5) / 1.7
    sharp = mig_score(clean, factors, protocol="chen2018", log_var=np.full(clean.shape, -9.0))
    blurred = mig_score(clean, factors, protocol="chen2018", log_var=np.zeros(clean.shape))
    assert sharp.score == pytest.approx(1, abs=1e-3)
    assert blurred.score < 0.4
    assert float(mig_score(clean, factors)) == pytest.approx(1)


@pytest.mark.slow
def test_large_sets_are_summed_in_batches_of_values() -> None:
    """40 values of a factor with all 64 variances do not fit in one batch."""
    rng = np.random.default_rng(0)
    mean, log_var = rng.normal(size=4000), rng.uniform(-12, 0, size=4000)
    groups = rng.integers(-1, 40, size=4000)
    g = make_grid(mean, log_var)
    together, sizes = densities(g, groups, 40)
    assert sizes.sum() == (groups >= 0).sum()
    for v in (0, 17, 39):
        alone, _ = densities(g, np.where(groups == v, 0, -1), 1)
        np.testing.assert_allclose(together[v], alone[0], atol=1e-10)


def test_do2020_masses_are_those_of_the_posteriors() -> None:
    factors = grid(3, 3, repeat=2)
    mean, log_var = noisy_codes(factors, spare=0)
    result = jemmig_score(mean, factors, protocol="do2020", log_var=log_var)
    edges = np.linspace(-4, 4, 101)
    edges[0], edges[-1] = -np.inf, np.inf
    mass = np.diff(norm.cdf(edges[None, None], mean[..., None], np.exp(log_var / 2)[..., None]))
    for k in range(2):
        for j in range(2):
            joint = np.stack([mass[factors[:, k] == v, j].sum(0) for v in range(3)]) / len(mean)
            entropy = -(joint * np.log(np.maximum(joint, 1e-300))).sum()
            assert result.joint_entropies[j, k] == pytest.approx(entropy, abs=2e-3)
    assert result.bins == 100
