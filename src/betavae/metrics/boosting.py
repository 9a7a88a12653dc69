"""Gradient boosted trees for classification, the trees of all classes grown together.

The same trees as ``sklearn.ensemble.GradientBoostingClassifier()``: 100 stages, one regression
tree of depth 3 a class and stage, every split considered. Values are ranked once, so that the best
split of a node is a histogram of residuals over ranks and a running sum; scikit-learn sorts the
rows of every node of every tree anew, which takes several times as long.
"""

from __future__ import annotations

import numpy as np

from betavae.metrics.arrays import Array, Floats, Ints

STAGES = 100
RATE = 0.1
DEPTH = 3


def boosted_trees(
    x: Array, labels: Ints, n_classes: int, x_test: Array, bins: int | None = None
) -> tuple[Floats, Ints, Ints]:
    """Boost trees on `x`; returns importances and the predicted classes of `x` and `x_test`.

    Args:
        x: (n, M) features.
        labels: (n,) classes below `n_classes`, each of which occurs.
        n_classes: number of classes, at least 2.
        x_test: (m, M) features of other rows.
        bins: consider splits at this many quantiles of each feature only; None: at every value.

    Returns:
        (M,) impurity decrease by feature, summing to 1 (all 0 if nothing was split), (n,) classes
        and (m,) classes.
    """
    n, width = x.shape
    ranks, sizes = _rank(np.concatenate([x, x_test]).astype(np.float32), n, bins)
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    cells = ranks[:, :n] + starts[:-1, None]  # (M, n): a cell for each feature and rank
    feature = np.repeat(np.arange(width), sizes)
    # One tree tells two classes apart; more classes take one tree each.
    trees = 1 if n_classes == 2 else n_classes
    onehot = (labels == np.arange(n_classes)[:, None]).astype(np.float64)[-trees:]
    prior = np.bincount(labels, minlength=n_classes) / n
    base = np.log(prior[1] / prior[0]) if trees == 1 else np.log(prior)[:, None]
    scores = np.zeros((trees, ranks.shape[1])) + base
    importance = np.zeros(width)
    for _ in range(STAGES):
        p = _probabilities(scores[:, :n])
        for k in range(trees):
            residual = onehot[k] - p[k]
            leaf, gains = _grow(cells, starts, feature, ranks, residual)
            importance += gains
            of_row = leaf[:n]
            total = np.bincount(of_row, residual, minlength=1 << DEPTH)
            curvature = np.bincount(of_row, p[k] * (1 - p[k]), minlength=1 << DEPTH)
            # One Newton step in each leaf (Friedman 2001, Eq. 32 for several classes).
            value = np.where(curvature > 1e-150, total / np.maximum(curvature, 1e-150), 0.0)
            if trees > 1:
                value *= (n_classes - 1) / n_classes
            scores[k] += RATE * value[leaf]
    answers = (scores[0] > 0).astype(np.int64) if trees == 1 else scores.argmax(axis=0)
    return importance / max(importance.sum(), 1e-300), answers[:n], answers[n:]


def _rank(x: Array, n: int, bins: int | None) -> tuple[Ints, Ints]:
    """Rank rows (M, rows) among the values of the first n; and count the ranks (M,).

    A split after rank r sends left what is at most halfway from value r to value r + 1.
    """
    ranks = np.empty(x.shape[::-1], np.int64)
    sizes = np.empty(x.shape[1], np.int64)
    for j, column in enumerate(x.T):
        values = np.unique(column[:n]).astype(np.float64)
        cuts = (values[:-1] + values[1:]) / 2
        if bins is not None and len(cuts) >= bins:
            quantiles = np.quantile(
                column[:n].astype(np.float64), np.linspace(0, 1, bins + 1)[1:-1]
            )
            cuts = cuts[np.unique(np.searchsorted(cuts, quantiles).clip(0, len(cuts) - 1))]
        ranks[j] = np.searchsorted(cuts, column, side="left")
        sizes[j] = len(cuts) + 1
    return ranks, sizes


def _probabilities(scores: Floats) -> Floats:
    if len(scores) == 1:
        return np.asarray(1 / (1 + np.exp(-scores)))
    exp = np.exp(scores - scores.max(axis=0))
    return np.asarray(exp / exp.sum(axis=0))


def _grow(
    cells: Ints, starts: Ints, feature: Ints, ranks: Ints, residual: Floats
) -> tuple[Ints, Floats]:
    """Grow one regression tree; the leaf of every row, and the impurity decrease by feature."""
    n_cells = int(starts[-1])
    width, n = cells.shape
    node = np.zeros(ranks.shape[1], np.int64)
    centred = residual
    gains = np.zeros(width)
    for depth in range(DEPTH):
        nodes = 1 << depth
        of_row = node[:n]
        size = np.bincount(of_row, minlength=nodes)
        # Residuals less their node's mean: they sum to 0 over a node, so the running sum below
        # starts each feature at 0.
        mean = np.bincount(of_row, centred, minlength=nodes) / np.maximum(size, 1)
        centred = centred - mean[of_row]
        index = (cells + of_row * n_cells).ravel()
        weights = np.broadcast_to(centred, cells.shape).ravel()
        left = np.bincount(index, weights, minlength=nodes * n_cells).reshape(nodes, n_cells)
        count = np.bincount(index, minlength=nodes * n_cells).reshape(nodes, n_cells)
        np.cumsum(left, axis=1, out=left)
        np.cumsum(count, axis=1, out=count)
        count -= feature * size[:, None]
        # Decrease of the sum of squares, n_l n_r / n (mean_l - mean_r)^2, less the factor n here.
        np.multiply(left, left, out=left)
        count *= size[:, None] - count
        gain = np.divide(left, count, out=np.zeros_like(left), where=count > 0)
        best = gain.argmax(axis=1)
        decrease = gain[np.arange(nodes), best] * size
        # A node without a split keeps all its rows on the left.
        split = decrease > 1e-12
        of = feature[best]
        np.add.at(gains, of[split], decrease[split])
        cut = np.where(split, best - starts[of], n_cells)
        node = 2 * node + (ranks[of[node], np.arange(len(node))] > cut[node])
    return node, gains / n
