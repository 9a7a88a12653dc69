"""Gradient boosted trees for classification, with the rows sorted once instead of in every node.

The same trees as ``sklearn.ensemble.GradientBoostingClassifier()`` grows: 100 stages, one
regression tree of depth 3 a class and stage, every split considered. Each feature's order of rows
is found once and then shared out as nodes split, so that a node's best split is a running sum along
that order; scikit-learn sorts the rows of every node of every tree anew.
"""

from __future__ import annotations

import numpy as np

from betavae.metrics._shared.arrays import Array, Floats, Ints

DEPTH = 3


def boosted_trees(
    x: Array,
    labels: Ints,
    n_classes: int,
    x_test: Array,
    *,
    stages: int = 100,
    rate: float = 0.1,
    bins: int | None = None,
) -> tuple[Floats, Ints, Ints]:
    """Boost trees on `x`; returns importances and the predicted classes of `x` and `x_test`.

    Args:
        x: (n, M) features.
        labels: (n,) classes below `n_classes`, each of which occurs.
        n_classes: number of classes, at least 2.
        x_test: (m, M) features of other rows.
        stages: trees a class.
        rate: share of each tree's answer that is added.
        bins: split between this many quantile bins of a feature only; None: anywhere.

    Returns:
        (M,) impurity decrease by feature, summing to 1 (all 0 if nothing was split), (n,) classes
        and (m,) classes.
    """
    n = len(x)
    both = np.ascontiguousarray(np.concatenate([x, x_test]).astype(np.float32).T)
    if bins is None:
        order = np.argsort(both[:, :n], axis=1, kind="stable")
    else:
        quantiles = np.quantile(both[:, :n], np.linspace(0, 1, bins + 1)[1:-1], axis=1).T
        binned = np.stack([np.searchsorted(q, b) for q, b in zip(quantiles, both, strict=True)])
    # One tree tells two classes apart; more classes take one tree each.
    trees = 1 if n_classes == 2 else n_classes
    onehot = (labels == np.arange(n_classes)[:, None]).astype(np.float64)[-trees:]
    prior = np.bincount(labels, minlength=n_classes) / n
    base = np.log(prior[1] / prior[0]) if trees == 1 else np.log(prior)[:, None]
    scores = np.zeros((trees, both.shape[1])) + base
    importance = np.zeros(len(both))
    for _ in range(stages):
        p = _probabilities(scores[:, :n])
        for k in range(trees):
            residual = onehot[k] - p[k]
            if bins is None:
                leaf, gains = _grow(both, order, residual)
            else:
                leaf, gains = _grow_binned(binned, bins, residual)
            importance += gains
            total = np.bincount(leaf[:n], residual, minlength=1 << DEPTH)
            curvature = np.bincount(leaf[:n], p[k] * (1 - p[k]), minlength=1 << DEPTH)
            # One Newton step in each leaf (Friedman 2001).
            value = np.where(curvature > 1e-150, total / np.maximum(curvature, 1e-150), 0.0)
            if trees > 1:
                value *= (n_classes - 1) / n_classes
            scores[k] += rate * value[leaf]
    answers = (scores[0] > 0).astype(np.int64) if trees == 1 else scores.argmax(axis=0)
    return importance / max(importance.sum(), 1e-300), answers[:n], answers[n:]


def _probabilities(scores: Floats) -> Floats:
    if len(scores) == 1:
        return np.asarray(1 / (1 + np.exp(-scores)))
    exp = np.exp(scores - scores.max(axis=0))
    return np.asarray(exp / exp.sum(axis=0))


def _grow(both: Array, order: Array, residual: Floats) -> tuple[Ints, Floats]:
    """Grow one regression tree on the first rows; the leaf of every row, and gains by feature.

    `both` is (M, n + m) features, `order` (M, n) the first n rows in order of each feature.
    """
    n, n_features = len(residual), len(both)
    everyone = np.arange(both.shape[1])
    start = np.arange(n_features) * both.shape[1]  # flat indices: take() beats pairs of indices
    leaf = np.zeros(both.shape[1], np.int64)
    gains = np.zeros(n_features)
    nodes = [order]  # the rows of each node, in order of each feature
    for depth in range(DEPTH):
        feature, cut = np.zeros(len(nodes), np.int64), np.full(len(nodes), np.inf)
        for v, rows in enumerate(nodes):
            # A node without a split keeps all its rows on the left.
            if found := _best_split(both, rows, residual):
                feature[v], cut[v], gain = found
                gains[feature[v]] += gain
        leaf = 2 * leaf + (both.take(start.take(feature.take(leaf)) + everyone) > cut.take(leaf))
        if depth + 1 < DEPTH:
            goes_right = (leaf[:n] & 1).astype(bool)
            children = []
            for rows in nodes:
                # Every feature sends as many rows to either side, so each keeps a rectangle.
                right = goes_right.take(rows)
                children += [rows[~right], rows[right]]
            nodes = [rows.reshape(n_features, -1) for rows in children]
    return leaf, gains / n


def _best_split(both: Array, rows: Array, residual: Floats) -> tuple[int, float, float] | None:
    """Find feature, threshold and gain of the best split of a node; None if nothing is gained.

    The gain is the decrease of the sum of squares, ``n_l n_r / n (mean_l - mean_r)^2``, which is
    ``sum_l^2 n / (n_l n_r)`` once the residuals are centred.
    """
    size = rows.shape[1]
    if size < 2:
        return None
    sums = residual.take(rows)
    sums -= sums[0].mean()
    np.cumsum(sums, axis=1, out=sums)
    np.multiply(sums, sums, out=sums)
    left = np.arange(1, size)
    gain = sums[:, :-1]
    gain *= size / (left * (size - left))
    j, i = divmod(int(gain.argmax()), size - 1)
    low, high = both[j, rows[j, i]], both[j, rows[j, i + 1]]
    if low == high:  # equal values cannot be parted: look again among the others
        values = np.take_along_axis(both, rows, axis=1)
        gain *= values[:, 1:] > values[:, :-1]
        j, i = divmod(int(gain.argmax()), size - 1)
        low, high = values[j, i], values[j, i + 1]
    if gain[j, i] <= 1e-12:
        return None
    return j, (float(low) + float(high)) / 2, float(gain[j, i])


def _grow_binned(binned: Ints, bins: int, residual: Floats) -> tuple[Ints, Floats]:
    """As `_grow`, on features (M, n + m) in bins: sums over bins in place of running sums."""
    n, n_features = len(residual), len(binned)
    everyone = np.arange(binned.shape[1])
    start = np.arange(n_features) * binned.shape[1]
    leaf = np.zeros(binned.shape[1], np.int64)
    gains = np.zeros(n_features)
    place = binned[:, :n] + bins * np.arange(n_features)[:, None]
    weights = np.tile(residual, n_features)
    for depth in range(DEPTH):
        shape = (1 << depth, n_features, bins)
        cell = (place + leaf[:n] * (n_features * bins)).ravel()
        size = int(np.prod(shape))
        sums = np.bincount(cell, weights, minlength=size).reshape(shape).cumsum(axis=2)
        counts = np.bincount(cell, minlength=size).reshape(shape).cumsum(axis=2)
        total, of_node = sums[:, :, -1:], counts[:, :, -1:]
        right = of_node - counts
        # (sum_l - n_l mean)^2 n / (n_l n_r); 0 where one side is empty.
        gain = (sums - counts * total / np.maximum(of_node, 1)) ** 2
        gain *= np.where(right > 0, of_node / np.maximum(counts * right, 1), 0.0)
        feature, cut = np.divmod(gain.reshape(len(gain), -1).argmax(axis=1), bins)
        best = gain[np.arange(len(gain)), feature, cut]
        cut = np.where(best > 1e-12, cut, bins)  # without a split all rows stay on the left
        np.add.at(gains, feature, np.where(best > 1e-12, best, 0.0))
        leaf = 2 * leaf + (binned.take(start.take(feature.take(leaf)) + everyone) > cut.take(leaf))
    return leaf, gains / n
