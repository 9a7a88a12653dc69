"""The package's own estimators against scikit-learn's and scipy's on the same rows."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.feature_selection import mutual_info_classif
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import mutual_info_score, roc_auc_score
from tables import Floats, Ints, grid, noisy_codes

from betavae.metrics._shared.binning import bin_codes, count_tables, table_information
from betavae.metrics._shared.boosting import boosted_trees
from betavae.metrics._shared.linear import fit_linear, fit_one_vs_rest, standardise
from betavae.metrics._shared.neighbours import neighbour_information
from betavae.metrics._shared.softmax import Adagrad, fit_softmax, train_softmax
from betavae.metrics.dci import weighted_purity
from betavae.metrics.explicitness import area_under_curve


@pytest.fixture(scope="module")
def rows() -> tuple[Floats, Ints]:
    factors = grid(5, 2, 6, repeat=12)
    order = np.random.default_rng(0).permutation(len(factors))
    return noisy_codes(factors)[0][order], factors[order]


@pytest.mark.slow
@pytest.mark.parametrize("column", [0, 1, 2])
def test_boosted_trees_are_scikit_learns(rows: tuple[Floats, Ints], column: int) -> None:
    codes, y = rows[0], rows[1][:, column]
    importance, train, test = boosted_trees(
        codes[:500], y[:500], int(y.max()) + 1, codes[500:], stages=40
    )
    model = GradientBoostingClassifier(n_estimators=40, random_state=0).fit(codes[:500], y[:500])
    np.testing.assert_allclose(importance, model.feature_importances_, atol=0.02)
    # Splits that gain exactly the same are taken in another order.
    assert (train == model.predict(codes[:500])).mean() > 0.98
    assert (test == model.predict(codes[500:])).mean() > 0.97


def test_boosted_trees_of_constant_features() -> None:
    importance, train, _ = boosted_trees(
        np.zeros((20, 2)), np.arange(20) % 3, 3, np.zeros((4, 2)), stages=3
    )
    assert importance.sum() == 0
    assert (train == 0).all()


@pytest.mark.parametrize("column", [0, 1, 2])
@pytest.mark.parametrize("neighbours", [3, 10])
def test_neighbour_information_is_scikit_learns(
    rows: tuple[Floats, Ints], column: int, neighbours: int
) -> None:
    codes, y = rows[0], rows[1][:, column]
    rng = np.random.default_rng(0)
    own = [neighbour_information(z, y, neighbours, rng) for z in codes.T]
    other = mutual_info_classif(codes, y, n_neighbors=neighbours, random_state=0)
    np.testing.assert_allclose(own, other, atol=2e-3)


def test_neighbour_information_of_ties_rare_labels_and_nothing() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 30)
    assert neighbour_information(labels * 1.0, labels, 5, rng) == pytest.approx(np.log(4), abs=0.1)
    assert neighbour_information(np.zeros(120), labels, 5, rng) < 0.1
    rare = labels.copy()
    rare[0] = 9  # a label with one row is left out
    assert neighbour_information(labels * 1.0, rare, 40, rng) > 1
    assert neighbour_information(np.arange(3.0), np.array([0, 1, 2]), 5, rng) == 0


def test_histogram_information_is_scikit_learns(rows: tuple[Floats, Ints]) -> None:
    codes, factors = rows
    binned = bin_codes(codes)
    tables = count_tables(binned, 20, factors, np.zeros(len(codes), np.int64))
    for k, table in enumerate(tables):
        information, entropy = table_information(table[0])
        expected = [mutual_info_score(factors[:, k], z) for z in binned.T]
        np.testing.assert_allclose(information, expected, atol=1e-12)
        assert entropy == pytest.approx(mutual_info_score(factors[:, k], factors[:, k]))


def test_bins_are_numpys(rows: tuple[Floats, Ints]) -> None:
    codes = rows[0]
    for z, binned in zip(codes.T, bin_codes(codes, 20).T, strict=True):
        expected = np.digitize(z, np.histogram(z, 20)[1][:-1]) - 1
        np.testing.assert_array_equal(binned, np.minimum(expected, 19))


def test_softmax_regression_is_scikit_learns(rows: tuple[Floats, Ints]) -> None:
    x, _ = standardise(rows[0], rows[0])
    y = rows[1][:, 0]
    coef, offset = fit_linear(x, y, 5, ridge=1.0)
    model = LogisticRegression(max_iter=1000, tol=1e-8).fit(x, y)
    own = np.exp(x @ coef + offset)
    np.testing.assert_allclose(
        own / own.sum(axis=1, keepdims=True), model.predict_proba(x), atol=0.01
    )


def test_one_vs_rest_is_one_logistic_regression_a_class(rows: tuple[Floats, Ints]) -> None:
    x, _ = standardise(rows[0], rows[0])
    y = rows[1][:, 0]
    coef, offset = fit_one_vs_rest(x, y, 5, ridge=1.0)
    for c in range(5):
        model = LogisticRegression(max_iter=1000, tol=1e-8).fit(x, y == c)
        own = 1 / (1 + np.exp(-(x @ coef[:, c] + offset[c])))
        np.testing.assert_allclose(own, model.predict_proba(x)[:, 1], atol=1e-4)


@pytest.mark.slow
def test_area_under_curve_is_scikit_learns_with_delongs_variance() -> None:
    rng = np.random.default_rng(0)
    scores, labels = rng.normal(size=(300, 3)).round(1), rng.integers(3, size=300)
    scores[np.arange(300), labels] += 0.7
    area, variance = area_under_curve(scores, labels)
    each = [roc_auc_score(labels == c, scores[:, c]) for c in range(3)]
    assert area == pytest.approx(np.mean(each))
    draws = rng.integers(300, size=(400, 300))
    bootstrap = np.var([area_under_curve(scores[i], labels[i])[0] for i in draws])
    assert variance == pytest.approx(bootstrap, rel=0.25)
    assert area_under_curve(scores, np.zeros(300, np.int64)) == (0.5, 0.0)


def test_purity_known_answers() -> None:
    assert weighted_purity(np.eye(4))[0] == pytest.approx(1)
    assert weighted_purity(np.ones((4, 4)))[0] == pytest.approx(0)
    assert weighted_purity(np.zeros((3, 2))) == (0.0, pytest.approx(np.zeros(3)))


def slow_adagrad(x: Floats, y: Ints, classes: int, steps: int) -> tuple[Floats, Floats]:
    """Weights and bias after plain Adagrad steps on all points, as a textbook has them."""
    x = np.concatenate([x, np.ones((len(x), 1))], axis=1)
    weights, sums = np.zeros((classes, x.shape[1])), np.full((classes, x.shape[1]), 0.1)
    onehot = np.eye(classes)[y]
    for _ in range(steps):
        scores = x @ weights.T
        p = np.exp(scores - scores.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        gradient = (p - onehot).T @ x / len(x)
        sums += gradient**2
        weights -= 1e-2 * gradient / np.sqrt(sums)
    return weights[:, :-1], weights[:, -1]


def test_adagrad_takes_the_steps_it_says(rows: tuple[Floats, Ints]) -> None:
    """Whole-set batches leave nothing to chance: step by step the textbook's."""
    x, y = rows[0] + 0.5 * np.random.default_rng(0).normal(size=rows[0].shape), rows[1][:, 2]
    fit = train_softmax(x, y, 6, rng=np.random.default_rng(0), rule=Adagrad(300, len(x)))
    weights, bias = slow_adagrad(x, y, 6, 300)
    np.testing.assert_allclose(fit.weights, weights, atol=1e-9)
    np.testing.assert_allclose(fit.bias, bias, atol=1e-9)
    assert fit.steps == 300


@pytest.mark.parametrize("column", [0, 2])
def test_the_converged_classifier_is_scikit_learns(rows: tuple[Floats, Ints], column: int) -> None:
    """Newton's optimum of the same loss: softmax cross-entropy with C = 1."""
    x, y = rows[0] + 0.5 * np.random.default_rng(0).normal(size=rows[0].shape), rows[1][:, column]
    fit = fit_softmax(x, y, int(y.max()) + 1)
    model = LogisticRegression(tol=1e-10, max_iter=10_000).fit(x, y)
    np.testing.assert_allclose(
        fit.weights - fit.weights.mean(axis=0), model.coef_ - model.coef_.mean(axis=0), atol=1e-3
    )
    assert 0 < fit.steps < 30
    wide = np.concatenate([x, np.zeros((len(x), 60))], axis=1)  # many weights: L-BFGS
    other = fit_softmax(wide, y, int(y.max()) + 1)
    assert other.steps == 0
    assert (other.predict(wide) == fit.predict(x)).mean() > 0.995


@pytest.mark.slow
def test_minibatches_go_where_whole_batches_go(rows: tuple[Floats, Ints]) -> None:
    x, y = rows[0] + 0.5 * np.random.default_rng(0).normal(size=rows[0].shape), rows[1][:, 2]
    fit = train_softmax(x, y, 6, rng=np.random.default_rng(0))
    scaled = standardise(x, x)[0]
    model = LogisticRegression(C=1e6, max_iter=5000, tol=1e-8).fit(scaled, y)
    own, best = (fit.predict(x) == y).mean(), (model.predict(scaled) == y).mean()
    assert abs(own - best) < 0.1


@pytest.mark.slow
@pytest.mark.parametrize(("column", "steps", "least"), [(1, 10_000, 0.995), (0, 60_000, 0.95)])
def test_separable_classes_are_separated(
    rows: tuple[Floats, Ints], column: int, steps: int, least: float
) -> None:
    x, y = rows[0], rows[1][:, column]
    fit = train_softmax(x, y, int(y.max()) + 1, rng=np.random.default_rng(0), rule=Adagrad(steps))
    assert (fit.predict(x) == y).mean() > least


def test_fewer_points_than_a_batch() -> None:
    x = np.repeat([[0.0], [1.0]], 5, axis=0)
    fit = train_softmax(
        x, np.repeat([0, 1], 5), 2, rng=np.random.default_rng(0), rule=Adagrad(2000)
    )
    assert (fit.predict(x) == np.repeat([0, 1], 5)).all()


@pytest.mark.slow
def test_a_constant_feature_does_no_harm() -> None:
    rng = np.random.default_rng(0)
    x = np.stack([np.repeat([0.0, 1.0], 50), np.full(100, 7.0)], axis=1)
    fit = train_softmax(x, np.repeat([0, 1], 50), 2, rng=rng)
    assert (fit.predict(x) == np.repeat([0, 1], 50)).all()
