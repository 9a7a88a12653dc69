"""Metrics against the recipe of their authors' code, by scikit-learn's and scipy's functions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.multiclass import OneVsRestClassifier
from tables import Floats, Ints, grid, identity_codes, noisy_codes, rotation

from betavae.data import shapes2d
from betavae.metrics import (
    Draws,
    dci_es_scores,
    dci_scores,
    downstream_score,
    explicitness_score,
    infomec_scores,
    mcc_score,
    modularity_score,
)
from betavae.metrics._shared.forest import forest_by_depth
from betavae.metrics.dci_es import DEPTHS, explicitness

RNG = np.random.default_rng(0)
FACTORS: Ints = np.random.default_rng(0).integers(0, shapes2d.FACTORS.sizes, size=(3000, 5))
CODES: dict[str, Floats] = {
    "identity": identity_codes(FACTORS),
    "rotated": identity_codes(FACTORS) @ rotation(5, 1),
    "noise beside": np.concatenate([identity_codes(FACTORS), RNG.normal(size=(3000, 4))], axis=1),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["identity", "noise beside"])
def test_explicitness_is_ridgeway_and_mozers(name: str) -> None:
    """One against the rest, C = 1e10, probabilities divided by their sum, area on the same rows."""
    rows = slice(0, 600)
    z, f = CODES[name][rows], FACTORS[rows, :3]
    areas = []
    for y in f.T:
        model = OneVsRestClassifier(LogisticRegression(C=1e10, solver="liblinear")).fit(z, y)
        p = model.predict_proba(z)
        areas.append([roc_auc_score(y == v, p[:, i]) for i, v in enumerate(model.classes_)])
    result = explicitness_score(z, f)
    np.testing.assert_allclose(result.per_factor, [np.mean(a) for a in areas], atol=2e-4)
    assert np.isnan(result.test_score)


@pytest.mark.slow
def test_explicitness_of_the_2d_shapes_own_factors() -> None:
    """Value against rest without the shares gave .785; the authors' code gives .929 here."""
    identity, rotated = (
        explicitness_score(CODES[n], FACTORS).score for n in ("identity", "rotated")
    )
    assert identity == pytest.approx(0.9295, abs=5e-4)
    assert rotated == pytest.approx(identity, abs=1e-6)


@pytest.mark.slow
def test_explicitness_falls_with_the_number_of_values() -> None:
    """A line through one code tells few values apart: .96 of six, .945 near eight, .88 of forty."""
    factors = np.random.default_rng(0).integers(0, (6, 8, 16, 32, 40), size=(1000, 5))
    result = explicitness_score(identity_codes(factors), factors)
    np.testing.assert_allclose(result.per_factor, [0.956, 0.943, 0.903, 0.886, 0.880], atol=2e-3)


def test_modularity_counts_dead_latents_as_the_authors_do() -> None:
    """Five good latents beside four of noise: the authors' code gives .844 on these rows."""
    codes = np.concatenate([CODES["identity"], 1e-3 * CODES["noise beside"][:, 5:]], axis=1)
    assert modularity_score(codes, FACTORS).score == pytest.approx(0.844, abs=0.01)
    live = modularity_score(codes, FACTORS, protocol="ridgeway2018-live")
    assert live.score == pytest.approx(1, abs=2e-3)
    assert live.live.sum() == 5
    information = []
    for y in FACTORS.T:  # the first latent by hand, with the authors' least cell
        joint = np.histogram2d(codes[:, 0], y, bins=(20, int(y.max()) + 1))[0] / len(y)
        product = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
        kept = joint > 1e-4
        information.append((joint[kept] * np.log(joint[kept] / product[kept])).sum())
    np.testing.assert_allclose(
        modularity_score(codes, FACTORS).mutual_information[0], information, atol=1e-12
    )


def test_dci_of_eastwood_and_williams_is_qedrs() -> None:
    from scipy.stats import entropy
    from sklearn.linear_model import Lasso

    factors = grid(5, 4, 6, repeat=20)
    codes, _ = noisy_codes(factors)
    result = dci_scores(codes, factors, protocol="eastwood2018")
    x = (codes - codes.mean(axis=0)) / codes.std(axis=0)
    y = (factors - factors.mean(axis=0)) / factors.std(axis=0)
    weights = np.stack([np.abs(Lasso(alpha=0.02).fit(x, t).coef_) for t in y.T], axis=1)
    each = np.array([1 - entropy(w, base=len(w)) if w.sum() else 0 for w in weights])
    assert result.disentanglement == pytest.approx(
        each @ weights.sum(axis=1) / weights.sum(), abs=0.02
    )
    complete = np.mean([1 - entropy(w, base=len(w)) for w in weights.T])
    assert result.completeness == pytest.approx(complete, abs=0.01)
    assert result.completeness == pytest.approx(result.per_factor.mean())  # the plain mean


def test_infomec_stopped_after_100_iterations_is_the_authors() -> None:
    factors = FACTORS[:800, :2]
    codes = CODES["rotated"][:800]
    stopped = infomec_scores(codes, factors, protocol="hsu2023-100", repeats=1)
    x = (codes - codes.mean(axis=0)) / codes.std(axis=0)
    expected = []
    for y in factors.T:
        model = LogisticRegression(C=np.inf, class_weight="balanced", max_iter=100).fit(x, y)
        p = model.predict_proba(x)[np.arange(len(y)), y]
        expected.append(1 + np.log(p).mean() / np.log(len(np.unique(y))))
    assert stopped.infoe == pytest.approx(np.mean(expected), abs=1e-6)
    best = infomec_scores(codes, factors, repeats=1)
    assert best.infom == pytest.approx(stopped.infom, abs=1e-9)


def test_infomec_of_discrete_latents() -> None:
    """Counts in place of neighbours: known for a relabelled factor and for nothing."""
    factors = grid(4, 5, repeat=20)
    codes = np.stack([factors[:, 0] * 3 % 5, factors[:, 1] + 7, np.full(len(factors), 2)], axis=1)
    result = infomec_scores(codes, factors, protocol="hsu2023-discrete", repeats=1)
    assert result.infom == pytest.approx(1)
    assert result.infoc == pytest.approx(1)
    assert result.infoe == pytest.approx(1, abs=1e-2)
    np.testing.assert_array_equal(result.live, [True, True, False])
    np.testing.assert_allclose(result.normalised_information[:2], np.eye(2), atol=1e-12)


def test_infomec_of_few_rows_has_an_interval() -> None:
    result = infomec_scores(CODES["noise beside"][:400, 5:], FACTORS[:400, :2])
    assert result.interval is not None
    assert result.interval[1] - result.interval[0] > 0.05  # repeats on the same rows gave 0


def test_mcc_matches_and_correlates() -> None:
    codes = np.concatenate([-CODES["identity"][:, ::-1], RNG.normal(size=(3000, 2))], axis=1)
    result = mcc_score(codes, FACTORS)
    assert result.score == pytest.approx(1)
    np.testing.assert_array_equal(result.matched, [4, 3, 2, 1, 0])
    curved = np.concatenate([np.exp(2 * CODES["identity"][:, :3]), codes[:, 5:]], axis=1)
    rank = mcc_score(curved, FACTORS[:, :3], protocol="spearman")
    assert rank.score == pytest.approx(1)
    assert mcc_score(curved, FACTORS[:, :3]).score < 0.95
    expected = np.abs(spearmanr(np.concatenate([curved, FACTORS[:, :3]], axis=1)).statistic)
    np.testing.assert_allclose(rank.correlation, expected[:5, 5:], atol=1e-12)


@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_mcc_does_not_hang_on_the_unit_of_the_codes(unit: float) -> None:
    """A floor under the variance took all latents of a small unit for constant ones."""
    codes = np.concatenate([CODES["rotated"], np.full((3000, 1), 0.1)], axis=1)
    first, other = mcc_score(codes, FACTORS), mcc_score(unit * codes, FACTORS)
    np.testing.assert_allclose(other.correlation, first.correlation, atol=1e-9)
    assert (first.correlation[-1] == 0).all()  # a constant latent tells nothing


def test_mcc_gives_each_factor_a_latent_of_its_own() -> None:
    """One latent cannot serve two factors, and factors left over count nothing."""
    both = (FACTORS[:, 3] + FACTORS[:, 4])[:, None].astype(np.float64)
    result = mcc_score(both, FACTORS[:, 3:])
    assert sorted(result.matched.tolist()) == [-1, 0]
    assert result.score == pytest.approx(np.sqrt(0.5) / 2, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("ordered", [True, False])
def test_a_forest_cut_at_a_depth_is_a_forest_of_that_depth(ordered: bool) -> None:
    x, y = CODES["rotated"][:, :4], FACTORS[:, 1]
    answers, importance = forest_by_depth(
        x[:2000], y[:2000], x[2000:], DEPTHS, ordered=ordered, seed=0
    )
    kind = RandomForestRegressor if ordered else RandomForestClassifier
    for place in (2, len(DEPTHS) - 1):
        model = kind(max_depth=DEPTHS[place], random_state=1).fit(x[:2000], y[:2000])
        np.testing.assert_allclose(importance[place], model.feature_importances_, atol=0.06)
        own = answers[place, :, 0] if ordered else answers[place].argmax(axis=1)
        other = model.predict(x[2000:])
        told = np.corrcoef(own, other)[0, 1] if ordered else (own == other).mean()
        assert told > (0.98 if ordered else 0.75)


def test_explicitness_over_capacity_by_hand() -> None:
    """Authors' values of the area for a falling curve, and its ends."""
    losses = np.array([0.9, 0.7, 0.75, 0.5, 0.2, 0.21, 0.1, 0.1, 0.1, 0.1, 0.1, 0.09])
    assert explicitness(losses, 0.8) == pytest.approx(0.7298387096774195)
    assert explicitness(np.full(12, 0.4), 1.0) == 1  # no depth helps: nothing is hidden
    assert explicitness(np.linspace(1, 0, 2), 1.0, (1, 2)) == 0


@pytest.mark.slow
def test_dci_es_of_plain_and_of_hidden_codes() -> None:
    factors = grid(6, 6, repeat=40)
    options = {"draws": Draws(800, 400)}
    plain = dci_es_scores(identity_codes(factors), factors, **options)
    turned = dci_es_scores(identity_codes(factors) @ rotation(2, 3), factors, **options)
    assert plain.disentanglement == pytest.approx(1, abs=0.01)
    assert plain.informativeness > 0.99
    assert turned.disentanglement < 0.8
    assert turned.explicitness < plain.explicitness
    padded = np.concatenate([identity_codes(factors), np.zeros((len(factors), 2))], axis=1)
    assert dci_es_scores(padded, factors, **options).size == 0.5
    assert plain.classes == (False, False)
    assert dci_es_scores(padded, factors, classes=[1], **options).classes == (False, True)


def test_downstream_accuracy_grows_with_labels() -> None:
    codes, few = CODES["identity"], FACTORS[:, [0, 1]]
    for protocol in ("logistic", "trees"):
        result = downstream_score(codes, few, protocol=protocol, draws=Draws(repeats=2))
        assert result.labels == (10, 100, 1000)
        assert (np.diff(result.accuracy) >= 0).all()
        assert result.efficiency == pytest.approx(result.accuracy[1] / result.accuracy[2])
        assert result.per_factor[-1, 0] > 0.99
    noise = downstream_score(CODES["noise beside"][:, 5:], few)
    assert noise.score == pytest.approx(np.mean([1 / 3, 1 / 6]), abs=0.05)
    assert noise.chance == pytest.approx([1 / 3, 1 / 6], abs=0.03)
    fewer = downstream_score(codes[:150], few[:150])
    assert fewer.labels == (10,)
