"""Codes whose scores are known without computing them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tables import Floats, Options, grid, identity_codes, noisy_codes, rotation

from betavae.metrics import (
    Draws,
    dci_scores,
    downstream_score,
    explicitness_score,
    factor_vae_score,
    higgins_score,
    infomec_scores,
    irs_score,
    jemmig_score,
    mcc_score,
    mig_score,
    modularity_score,
    sap_score,
)

FACTORS = grid(5, 4, 6, repeat=4)
IDENTITY = identity_codes(FACTORS)
TINY: Options = {"draws": Draws(300, 200)}
# Every supervised metric with small samples, and what random codes score at most.
METRICS: dict[str, tuple[Callable[..., Any], Options, float]] = {
    "higgins": (higgins_score, {"draws": Draws(1000, 500, repeats=1)}, 0.5),
    "higgins locatello": (
        higgins_score,
        {"protocol": "locatello2019", "draws": Draws(1000, 500, repeats=1)},
        0.5,
    ),
    "mig": (mig_score, {}, 0.1),
    "jemmig": (jemmig_score, {}, 0.4),
    "factor_vae": (factor_vae_score, {"draws": Draws(500, 500)}, 0.6),
    "factor_vae kim": (factor_vae_score, {"protocol": "kim2018"}, 0.6),
    "factor_vae exact": (factor_vae_score, {"protocol": "exact"}, 0.75),
    "sap": (sap_score, TINY, 0.1),
    "sap kumar": (sap_score, {"protocol": "kumar2018"}, 0.05),
    "dci fast": (dci_scores, {"protocol": "fast", **TINY}, 0.3),
    "dci lasso": (dci_scores, {"protocol": "lasso-cv", "draws": Draws(300, 200, repeats=1)}, 0.9),
    "modularity": (modularity_score, {"protocol": "ridgeway2018-live"}, 0.95),
    "mcc": (mcc_score, {}, 0.2),
    "mcc spearman": (mcc_score, {"protocol": "spearman"}, 0.2),
    "downstream": (downstream_score, {}, 0.6),
    "irs": (irs_score, {}, 0.5),
    "infomec": (infomec_scores, {"n_samples": 480, "repeats": 1}, 0.8),
}
BEST_IS_ONE = [name for name in METRICS if name not in ("sap", "downstream")]


def score(name: str, codes: Floats, **options: Any) -> float:
    function, defaults, _ = METRICS[name]
    return float(function(codes, FACTORS, **{**defaults, **options}))


@pytest.mark.parametrize("name", BEST_IS_ONE)
def test_identity_codes_score_one(name: str) -> None:
    assert score(name, IDENTITY) == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("name", METRICS)
def test_random_codes_score_near_chance(name: str) -> None:
    codes = np.random.default_rng(5).normal(size=IDENTITY.shape)
    assert 0 <= score(name, codes) <= METRICS[name][2]


# Without sampling noise, three rotated latents can still each vary least for a factor of its own.
@pytest.mark.parametrize(
    "name", [n for n in METRICS if n not in ("factor_vae exact", "downstream")]
)
def test_rotated_codes_score_lower(name: str) -> None:
    turned = IDENTITY @ rotation(3, seed=3)
    assert score(name, turned) < score(name, IDENTITY) - 0.02


@pytest.mark.parametrize("name", ["mig", "sap", "sap kumar"])
def test_duplicated_latents_leave_no_gap(name: str) -> None:
    assert score(name, np.concatenate([IDENTITY, IDENTITY], axis=1)) == pytest.approx(0, abs=1e-9)


def test_duplicated_latents_cost_completeness_not_modularity() -> None:
    twice = np.concatenate([IDENTITY, -IDENTITY], axis=1)
    assert score("modularity", twice) == pytest.approx(1)
    assert infomec_scores(twice, FACTORS, repeats=1).infoc < 0.7
    assert infomec_scores(twice, FACTORS, repeats=1).infom == pytest.approx(1, abs=0.03)


# Counts of ties, of votes and of the rows drawn do not move with the order of latents; the
# optimisers stop within their tolerance.
TOLERANCE = {"higgins": 0.01, "infomec": 0.02, "dci lasso": 1e-3, "dci fast": 0.01}


@pytest.mark.parametrize("name", METRICS)
def test_order_and_sign_of_latents_change_nothing(name: str) -> None:
    codes, _ = noisy_codes(FACTORS)
    order = np.array([3, 0, 4, 2, 1])
    signs = np.array([1.0, -1.0, 1.0, -1.0, -1.0])
    # Bins of codes are half-open, so a code exactly on an edge changes bins with its sign; these
    # codes are noisy and none is.
    changed = score(name, codes[:, order] * signs)
    assert changed == pytest.approx(score(name, codes), abs=TOLERANCE.get(name, 1e-6))


# The published SVM and logistic regression are penalised, Adagrad's steps are counted, and dead
# latents are told by a standard deviation or a range: these depend on the scale of the codes.
SCALED = ("sap", "higgins", "higgins locatello", "modularity", "factor_vae kim", "infomec", "irs")


@pytest.mark.parametrize("name", [n for n in METRICS if n not in SCALED])
def test_scale_and_offset_change_nothing(name: str) -> None:
    codes, _ = noisy_codes(FACTORS)
    changed = score(name, codes * 4 + 3)
    assert changed == pytest.approx(score(name, codes), abs=TOLERANCE.get(name, 1e-4))


@pytest.mark.parametrize("name", METRICS)
def test_one_latent(name: str) -> None:
    assert 0 <= score(name, IDENTITY[:, :1]) <= 1


@pytest.mark.parametrize("name", METRICS)
def test_a_constant_latent_among_live_ones(name: str) -> None:
    with_dead = np.concatenate([IDENTITY, np.full((len(IDENTITY), 1), 0.3)], axis=1)
    expected = score(name, IDENTITY)
    assert score(name, with_dead) == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("name", METRICS)
def test_constant_codes_only(name: str) -> None:
    constant = np.zeros((len(FACTORS), 2))
    if name == "jemmig":  # by its formula: 1 - H(v) / (H(v) + log bins)
        expected = np.mean([np.log(10) / (np.log(v) + np.log(10)) for v in (5, 4, 6)])
        assert score(name, constant) == pytest.approx(expected)
    else:
        assert 0 <= score(name, constant) <= (0.5 if name.startswith("higgins") else 0.4)


@pytest.mark.parametrize("name", METRICS)
def test_same_seed_same_score(name: str) -> None:
    codes, _ = noisy_codes(FACTORS)
    assert score(name, codes, rng=7) == score(name, codes, rng=7)


@pytest.mark.parametrize("name", METRICS)
def test_the_interval_holds_the_score(name: str) -> None:
    codes, _ = noisy_codes(FACTORS)
    function, options, _ = METRICS[name]
    result = function(codes, FACTORS, **options)
    if result.interval is not None:
        low, high = result.interval
        assert 0 <= low <= result.score <= high <= 1


@pytest.mark.slow
@pytest.mark.parametrize("name", METRICS)
def test_float32_and_integers_are_fine(name: str) -> None:
    codes, _ = noisy_codes(FACTORS)
    assert score(name, codes.astype(np.float32)) == pytest.approx(score(name, codes), abs=0.02)
    assert 0 <= score(name, FACTORS.astype(np.int32)) <= 1


@pytest.mark.parametrize("name", METRICS)
def test_factors_known_for_part_of_the_rows(name: str) -> None:
    codes, _ = noisy_codes(FACTORS)
    function, options, _ = METRICS[name]
    some = FACTORS.copy()
    hidden = np.random.default_rng(1).random(some.shape) < 0.3
    some[hidden] = -1
    expected = score(name, codes)
    assert float(function(codes, some, **options)) == pytest.approx(expected, abs=0.12)


@pytest.mark.parametrize("name", METRICS)
def test_rows_that_are_no_grid_and_values_with_gaps(name: str) -> None:
    rng = np.random.default_rng(2)
    rows = rng.choice(len(FACTORS), 300, replace=False)
    function, options, _ = METRICS[name]
    result = function(IDENTITY[rows], FACTORS[rows] * 3 + 2, **options)
    assert 0 <= float(result) <= 1.0


def test_explicitness_of_identity_and_random_codes() -> None:
    two = grid(2, 2, 2, repeat=60)
    assert float(explicitness_score(two, two)) == 1.0
    softmax = explicitness_score(identity_codes(two), two, protocol="locatello2019")
    assert float(softmax) == 1.0
    noise = np.random.default_rng(0).normal(size=(len(two), 3))
    for protocol in ("ridgeway2018", "locatello2019"):
        result = explicitness_score(noise, two, protocol=protocol)
        assert result.score == pytest.approx(0.5, abs=0.15)
        assert result.normalised == pytest.approx(2 * result.score - 1)


FAST = ["mig", "jemmig", "sap kumar", "modularity", "irs", "factor_vae exact"]


@pytest.mark.slow
@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**32 - 1),
    latents=st.integers(1, 5),
    sizes=st.lists(st.integers(2, 5), min_size=2, max_size=3),
    kind=st.sampled_from(["normal", "heavy", "discrete", "some constant"]),
)
def test_scores_stay_in_range(seed: int, latents: int, sizes: list[int], kind: str) -> None:
    rng = np.random.default_rng(seed)
    factors = grid(*sizes, repeat=6)
    codes = rng.normal(size=(len(factors), latents))
    if kind == "heavy":
        codes = codes**5 * 1e4
    elif kind == "discrete":
        codes = np.rint(codes)
    elif kind == "some constant":
        codes[:, ::2] = 1e6
    for name in FAST:
        function, options, _ = METRICS[name]
        result = function(codes, factors, **options)
        assert 0 <= result.score <= 1, name
        assert result.interval[0] <= result.interval[1], name


@pytest.mark.slow
@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_invariance_to_order_of_latents_and_factors(seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.normal(size=(len(FACTORS), 4)) + 0.5 * FACTORS[:, [0, 1, 2, 0]]
    latents, columns = rng.permutation(4), rng.permutation(3)
    for name in FAST:
        function, options, _ = METRICS[name]
        one = function(codes, FACTORS, **options)
        other = function(codes[:, latents], FACTORS[:, columns], **options)
        assert other.score == pytest.approx(one.score, abs=1e-9), name
