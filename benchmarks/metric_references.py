"""References for metrics: the authors' recipes by scikit-learn and scipy, with nothing of ours.

`Lookup` is the benchmark's grid as disentanglement_lib takes its data.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SIZES = (3, 6, 10, 8, 8)
REPEATS = 5
Array = NDArray[Any]


class Lookup:
    """The grid as disentanglement_lib's data: observations are row numbers."""

    num_factors = len(SIZES)
    factors_num_values = SIZES

    def sample_factors(self, n: int, random: Any) -> Array:
        """Draw factors (n, 5)."""
        return np.stack([random.randint(size, size=n) for size in SIZES], axis=1)

    def sample_observations_from_factors(self, factors: Array, random: Any) -> Array:
        """Return a row for each combination of factors."""
        row = np.ravel_multi_index(tuple(factors.T), SIZES)
        return np.asarray(row * REPEATS + random.randint(REPEATS, size=len(row)))

    def sample(self, n: int, random: Any) -> tuple[Array, Array]:
        """Draw factors and their rows."""
        factors = self.sample_factors(n, random)
        return factors, self.sample_observations_from_factors(factors, random)

    def sample_observations(self, n: int, random: Any) -> Array:
        """Draw rows."""
        return self.sample(n, random)[1]


def higgins(z: Array, f: Array) -> float:
    """Eq. 5 with L = 20 and scikit-learn's softmax regression, codes in the largest deviation."""
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(1)
    z = z / z.std(axis=0).max()
    groups = [[np.flatnonzero(f[:, k] == v) for v in range(SIZES[k])] for k in range(f.shape[1])]

    def points(n: int) -> tuple[Array, Array]:
        labels, features = rng.integers(f.shape[1], size=n), np.empty((n, z.shape[1]))
        for i, k in enumerate(labels):
            values = rng.integers(SIZES[k], size=20)
            pairs = np.array([rng.choice(groups[k][v], 2, replace=False) for v in values])
            features[i] = np.abs(z[pairs[:, 0]] - z[pairs[:, 1]]).mean(axis=0)
        return features, labels

    model = LogisticRegression(max_iter=5000).fit(*points(2000))
    x, y = points(2000)
    return float(model.score(x, y))


def explicitness(z: Array, f: Array) -> float:
    """Ridgeway & Mozer's: one against the rest, C = 1e10, shares of probability, area."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.multiclass import OneVsRestClassifier

    areas = []
    for y in f.T:
        model = OneVsRestClassifier(LogisticRegression(C=1e10, solver="liblinear")).fit(z, y)
        p = model.predict_proba(z)  # divided by their sum
        each = [roc_auc_score(y == v, p[:, i]) for i, v in enumerate(model.classes_)]
        areas.append(np.mean(each))
    return float(np.mean(areas))


def modularity(z: Array, f: Array) -> float:
    """Ridgeway & Mozer's: 20 bins, cells below 1e-4 left out, every latent counts."""
    scores = []
    for column in z.T:
        information = []
        for y in f.T:
            joint = np.histogram2d(column, y, bins=(20, int(y.max()) + 1))[0] / len(y)
            product = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
            kept = joint > 1e-4
            information.append((joint[kept] * np.log2(joint[kept] / product[kept])).sum())
        squares = np.sort(np.square(information))
        scores.append(1 - squares[:-1].sum() / (squares[-1] * (len(squares) - 1)))
    return float(np.mean(scores))


def qedr(z: Array, f: Array) -> tuple[float, float]:
    """Eastwood & Williams' disentanglement and completeness: Lasso with penalty .02."""
    from scipy.stats import entropy
    from sklearn.linear_model import Lasso

    x = (z - z.mean(axis=0)) / z.std(axis=0)
    y = (f - f.mean(axis=0)) / f.std(axis=0)
    weights = np.stack([np.abs(Lasso(alpha=0.02).fit(x, t).coef_) for t in y.T], axis=1)
    each = np.array([1 - entropy(w, base=len(w)) if w.sum() else 0.0 for w in weights])
    disentanglement = float(each @ weights.sum(axis=1) / weights.sum())
    return disentanglement, float(np.mean([1 - entropy(w, base=len(w)) for w in weights.T]))


def infomec(z: Array, f: Array, discrete: bool) -> dict[str, float]:
    """Hsu et al.'s InfoM, InfoC and InfoE."""
    from sklearn.feature_selection import mutual_info_classif
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss, mutual_info_score
    from sklearn.preprocessing import OneHotEncoder

    x = z if discrete else (z - z.mean(axis=0)) / np.maximum(z.std(axis=0), 1e-12)
    span = np.ptp(z, axis=0)
    live = span > (0 if discrete else span.max() / 20)
    rows = []
    for y in f.T:
        if discrete:
            told = np.array([mutual_info_score(y, column) for column in x.T])
        else:
            told = mutual_info_classif(x, y, n_neighbors=10, random_state=0)
        rows.append(told / mutual_info_score(y, y))
    share = np.array(rows)[:, live]
    k, m = share.shape
    features = OneHotEncoder(sparse_output=False).fit_transform(z) if discrete else x
    kept = []
    for y in f.T:
        model = LogisticRegression(C=np.inf, class_weight="balanced", max_iter=100).fit(features, y)
        kept.append(1 - log_loss(y, model.predict_proba(features)) / np.log(len(np.unique(y))))
    return {
        "infom": ((share.max(axis=0) / share.sum(axis=0)).mean() - 1 / k) / (1 - 1 / k),
        "infoc": ((share.max(axis=1) / share.sum(axis=1)).mean() - 1 / m) / (1 - 1 / m),
        "infoe": float(np.mean(kept)),
    }


def matched(z: Array, f: Array, rank: bool) -> float:
    """Mean absolute correlation of factors and latents matched one to one."""
    from scipy.optimize import linear_sum_assignment
    from scipy.stats import spearmanr

    both = np.concatenate([f, z], axis=1)
    table = spearmanr(both).statistic if rank else np.corrcoef(both.T)
    table = np.nan_to_num(np.abs(table[: f.shape[1], f.shape[1] :]))
    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(table[rows, columns].sum() / f.shape[1])


def loss_capacity(z: Array, f: Array) -> float:
    """Eastwood et al.'s explicitness: a random forest fitted at each depth, numbers throughout."""
    from sklearn.ensemble import RandomForestRegressor

    depths = np.array([1, 2, 3, 4, 8, 10, 12, 14, 16, 18, 20, 32])
    scores = []
    for y in f.T:
        losses = [
            1
            - RandomForestRegressor(max_depth=d, random_state=0, n_jobs=1)
            .fit(z[:1000], y[:1000])
            .score(z[1000:2000], y[1000:2000])
            for d in depths
        ]
        least = np.minimum.accumulate(losses)
        area = np.trapezoid(least - least.min(), depths)
        scores.append(1 - 2 * area / (depths[-1] - depths[0]))
    return float(np.mean(scores))
