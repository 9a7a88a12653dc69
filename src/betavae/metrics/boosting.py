"""Gradient boosted trees for classification, with the rows sorted once instead of in every node.

The same trees as ``sklearn.ensemble.GradientBoostingClassifier()`` grows: 100 stages, one
regression tree of depth 3 a class and stage, every split considered. Each feature's order of rows
is found once and then partitioned stably as nodes split, so that a node's best split is a running
sum along that order; scikit-learn sorts the rows of every node of every tree anew.
"""

from __future__ import annotations

import numpy as np

from betavae.metrics.checks import Array, Floats, Ints

DEPTH = 3


def boosted_trees(
    x: Array,
    labels: Ints,
    n_classes: int,
    x_test: Array,
    *,
    stages: int = 100,
    rate: float = 0.1,
) -> tuple[Floats, Ints, Ints]:
    """Boost trees on `x`; returns importances and the predicted classes of `x` and `x_test`.

    Args:
        x: (n, M) features.
        labels: (n,) classes below `n_classes`, each of which occurs.
        n_classes: number of classes, at least 2.
        x_test: (m, M) features of other rows.
        stages: trees a class.
        rate: share of each tree's answer that is added.

    Returns:
        (M,) impurity decrease by feature, summing to 1 (all 0 if nothing was split), (n,) classes
        and (m,) classes.
    """
    n = len(x)
    both = np.ascontiguousarray(np.concatenate([x, x_test]).astype(np.float32).T)
    order = np.argsort(both[:, :n], axis=1, kind="stable")
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
            leaf, gains = _grow(both, order, residual)
            importance += gains
            total = np.bincount(leaf[:n], residual, minlength=1 << DEPTH)
            curvature = np.bincount(leaf[:n], p[k] * (1 - p[k]), minlength=1 << DEPTH)
            # One Newton step in each leaf (Friedman 2001, Eq. 32 for several classes).
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
    n = len(residual)
    # Flat indices: take() on them is several times faster than take_along_axis.
    places_start = np.arange(len(both))[:, None] * n
    values_start = np.arange(len(both))[:, None] * both.shape[1]
    node = np.zeros(both.shape[1], np.int64)
    centred = residual
    gains = np.zeros(len(both))
    for depth in range(DEPTH):
        nodes = 1 << depth
        of_row = node[:n]
        size = np.bincount(of_row, minlength=nodes)
        start = np.cumsum(size) - size
        if depth:
            # Rows by node, and by value within a node: for every feature in the same places.
            places = np.argsort(of_row.astype(np.uint8).take(order), axis=1, kind="stable")
            order = order.take(places + places_start)
        # Residuals less their node's mean sum to 0 over a node, so that one running sum along
        # all nodes is also each node's own.
        mean = np.bincount(of_row, centred, minlength=nodes) / np.maximum(size, 1)
        centred = centred - mean[of_row]
        gain = centred.take(order)
        np.cumsum(gain, axis=1, out=gain)
        np.multiply(gain, gain, out=gain)
        # Decrease of the sum of squares: n_l n_r / n (mean_l - mean_r)^2 = sum_l^2 n / (n_l n_r).
        sizes = np.repeat(size, size)
        left = np.arange(1, n + 1) - np.repeat(start, size)
        right = sizes - left
        gain *= np.divide(sizes, left * right, out=np.zeros(n), where=right > 0)
        values = both.take(order + values_start)
        gain[:, :-1] *= values[:, 1:] > values[:, :-1]  # equal values cannot be parted
        feature, cut = np.zeros(nodes, np.int64), np.full(nodes, np.inf)
        for v in range(nodes):
            part = gain[:, start[v] : start[v] + size[v]]
            if not part.size:
                continue
            j, i = divmod(int(part.argmax()), int(size[v]))
            if part[j, i] > 1e-12:
                gains[j] += part[j, i]
                at = start[v] + i
                feature[v], cut[v] = j, (float(values[j, at]) + float(values[j, at + 1])) / 2
        # A node without a split keeps all its rows on the left.
        node = 2 * node + (both[feature[node], np.arange(len(node))] > cut[node])
    return node, gains / n
