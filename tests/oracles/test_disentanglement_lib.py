"""The locatello2019 protocols against disentanglement_lib, on the same codes.

Where both can be given the same rows they must agree to rounding; where each draws its own, within
four standard errors of what they draw.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "metrics"))
from tables import grid, identity_codes, noisy_codes, rotation

from betavae.metrics import (
    Draws,
    dci_scores,
    explicitness_score,
    factor_vae_score,
    gaussian_total_correlation,
    higgins_score,
    irs_score,
    mig_score,
    modularity_score,
    sap_score,
)
from betavae.metrics.dci import weighted_purity

# Its code is of 2018 and warns about much of today's numpy and scikit-learn.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.slow]

SIZES = (3, 4, 6, 5)
FACTORS = grid(*SIZES, repeat=3)
Floats = NDArray[np.float64]


def codes_by_name() -> dict[str, Floats]:
    entangled, _ = noisy_codes(FACTORS)
    turned = identity_codes(FACTORS) @ rotation(4, 1)
    noise = np.random.default_rng(0).normal(size=entangled.shape)
    return {
        "entangled": entangled,
        "rotated": turned + 0.05 * noise[:, :4],
        "noisy": entangled + 0.4 * noise,
    }


CODES = codes_by_name()


class Grid:
    """The rows as its "ground-truth data": observations are row numbers."""

    num_factors = len(SIZES)
    factors_num_values = SIZES

    def sample_factors(self, n: int, random: np.random.RandomState) -> Any:
        return np.stack([random.randint(size, size=n) for size in SIZES], axis=1)

    def sample_observations_from_factors(self, factors: Any, random: Any) -> Any:
        row = np.ravel_multi_index(factors.T, SIZES)
        return row * 3 + random.randint(3, size=len(row))  # one of the three repeats

    def sample(self, n: int, random: Any) -> tuple[Any, Any]:
        factors = self.sample_factors(n, random)
        return factors, self.sample_observations_from_factors(factors, random)

    def sample_observations(self, n: int, random: Any) -> Any:
        return self.sample(n, random)[1]


def ask(function: Any, codes: Floats, **options: Any) -> dict[str, float]:
    answer: dict[str, float] = function(
        Grid(), lambda rows: codes[rows], np.random.RandomState(0), **options
    )
    return answer


def within(one: float, other: float, n: int, m: int) -> bool:
    """Do two accuracies on n and m points differ by at most four standard errors?"""
    p = (one * n + other * m) / (n + m)
    return abs(one - other) <= 4 * np.sqrt(p * (1 - p) * (1 / n + 1 / m)) + 1e-9


each_code = pytest.mark.parametrize("name", CODES)


@each_code
def test_beta_vae(oracle: Any, name: str) -> None:
    options = {"batch_size": 16, "num_train": 2000, "num_eval": 2000}
    theirs = ask(oracle.beta_vae.compute_beta_vae_sklearn, CODES[name], **options)
    ours = higgins_score(
        CODES[name], FACTORS, protocol="locatello2019", draws=Draws(2000, 2000, n_pairs=16)
    )
    # The classifier was trained on other points too: the spread over seeds is part of the error.
    slack = 4 * ours.deviation
    assert ours.score == pytest.approx(theirs["eval_accuracy"], abs=0.03 + slack)


@each_code
def test_factor_vae(oracle: Any, name: str) -> None:
    options = {"batch_size": 64, "num_train": 2000, "num_eval": 2000}
    theirs = ask(
        oracle.factor_vae.compute_factor_vae, CODES[name], num_variance_estimate=5000, **options
    )
    ours = factor_vae_score(CODES[name], FACTORS, draws=Draws(2000, 2000))
    assert within(ours.score, theirs["eval_accuracy"], 2000, 2000)


@each_code
def test_mig(oracle: Any, name: str) -> None:
    theirs = oracle.mig._compute_mig(CODES[name].T, FACTORS.T)["discrete_mig"]
    assert float(mig_score(CODES[name], FACTORS)) == pytest.approx(theirs, abs=1e-10)
    sampled = ask(oracle.mig.compute_mig, CODES[name], num_train=10_000)["discrete_mig"]
    assert float(mig_score(CODES[name], FACTORS)) == pytest.approx(sampled, abs=0.03)


@each_code
def test_sap(oracle: Any, name: str) -> None:
    order = np.random.default_rng(0).permutation(len(FACTORS))
    z, v = CODES[name][order].T, FACTORS[order].T
    r_squared = oracle.sap_score._compute_sap(z, v, z, v, True)["SAP_score"]
    own = float(sap_score(CODES[name], FACTORS, protocol="kumar2018"))
    assert own == pytest.approx(r_squared, abs=1e-9)
    scores = [
        oracle.sap_score._compute_sap(z[:, a], v[:, a], z[:, b], v[:, b], False)["SAP_score"]
        for a, b in ((slice(0, 720), slice(720, None)), (slice(360, None), slice(0, 360)))
    ]
    ours = sap_score(CODES[name], FACTORS)
    assert ours.n_train == 720
    assert ours.n_test == 360
    error = (ours.interval[1] - ours.interval[0]) / (2 * 1.96)
    assert ours.score == pytest.approx(np.mean(scores), abs=4 * error + 0.02)


def test_dci_from_one_importance_matrix(oracle: Any) -> None:
    matrix = np.random.default_rng(0).dirichlet(np.ones(6), size=4).T
    assert weighted_purity(matrix)[0] == pytest.approx(oracle.dci.disentanglement(matrix))
    assert weighted_purity(matrix.T)[0] == pytest.approx(oracle.dci.completeness(matrix))


@each_code
def test_dci(oracle: Any, name: str) -> None:
    order = np.random.default_rng(0).permutation(len(FACTORS))
    z, v = CODES[name][order].T, FACTORS[order].T
    theirs = oracle.dci._compute_dci(z[:, :600], v[:, :600], z[:, 600:], v[:, 600:])
    ours = dci_scores(CODES[name], FACTORS, draws=Draws(600, 480))
    assert ours.disentanglement == pytest.approx(theirs["disentanglement"], abs=0.05)
    assert ours.completeness == pytest.approx(theirs["completeness"], abs=0.05)
    assert ours.informativeness == pytest.approx(theirs["informativeness_test"], abs=0.05)
    assert ours.informativeness_train == pytest.approx(theirs["informativeness_train"], abs=0.03)


@each_code
def test_modularity(oracle: Any, name: str) -> None:
    module = oracle.modularity_explicitness
    binned = oracle.utils.make_discretizer(CODES[name].T)
    theirs = module.modularity(oracle.utils.discrete_mutual_info(binned, FACTORS.T))
    ours = modularity_score(CODES[name], FACTORS, protocol="locatello2019")
    assert float(ours) == pytest.approx(theirs, abs=1e-9)


@each_code
def test_explicitness(oracle: Any, name: str) -> None:
    theirs = ask(
        oracle.modularity_explicitness.compute_modularity_explicitness,
        CODES[name],
        num_train=3000,
        num_test=2000,
    )
    ours = explicitness_score(CODES[name], FACTORS, protocol="locatello2019")
    assert float(ours) == pytest.approx(theirs["explicitness_score_test"], abs=0.03)
    assert ours.train_score == pytest.approx(theirs["explicitness_score_train"], abs=0.03)


@each_code
def test_irs(oracle: Any, name: str) -> None:
    theirs = oracle.irs.scalable_disentanglement_score(FACTORS, CODES[name], 0.99)
    ours = irs_score(CODES[name], FACTORS)
    assert float(ours) == pytest.approx(theirs["avg_score"], abs=1e-9)
    np.testing.assert_array_equal(ours.parents, theirs["parents"])
    largest = oracle.irs.scalable_disentanglement_score(FACTORS, CODES[name], 1.0)["avg_score"]
    assert float(irs_score(CODES[name], FACTORS, protocol="suter2019")) == pytest.approx(largest)


@each_code
def test_gaussian_total_correlation(oracle: Any, name: str) -> None:
    module = oracle.unsupervised_metrics
    covariance = np.cov(CODES[name].T)
    ours = gaussian_total_correlation(CODES[name])
    assert ours.score == pytest.approx(module.gaussian_total_correlation(covariance))
    distance = module.gaussian_wasserstein_correlation(covariance)
    assert ours.wasserstein == pytest.approx(float(np.real(distance)), abs=1e-6)
