"""A random forest read at every depth at once: one fit gives a probe of every capacity.

A tree grown to a limit of depth d and a fully grown one cut at depth d are draws of the same kind:
the splits above d do not know of those below. Each inner node holds the answer it would have given
as a leaf.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from betavae.metrics._shared.arrays import Array, Floats, Ints


def forest_by_depth(
    x: Array, y: Ints, x_test: Array, depths: tuple[int, ...], *, ordered: bool, seed: int
) -> tuple[Floats, Floats]:
    """Fit a forest of 100 trees and read it at several depths.

    Args:
        x: (n, M) features.
        y: (n,) whole numbers.
        x_test: (m, M) features of other rows.
        depths: depths to read at, rising.
        ordered: whether `y` is predicted as a number (answers (depths, m, 1)) or as a class
            (shares of the values 0 to max(y)).
        seed: of the forest.

    Returns:
        (depths, m, values) mean answers of the trees, and (depths, M) importances that sum to 1
        (to 0 without a split).
    """
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    kind = RandomForestRegressor if ordered else RandomForestClassifier
    forest = kind(n_estimators=100, max_depth=depths[-1], random_state=seed, n_jobs=1).fit(x, y)
    wide = x_test.astype(np.float32)
    answers: Any = 0.0
    importance = np.zeros((len(depths), x.shape[1]))
    for estimator in forest.estimators_:
        told, gained = _read(estimator.tree_, wide, depths)
        answers = answers + told
        importance += gained
    total = importance.sum(axis=1, keepdims=True)
    if not ordered:  # columns for the classes that the training rows lack, too
        whole = np.zeros((*answers.shape[:2], int(y.max()) + 1))
        whole[:, :, forest.classes_.astype(np.int64)] = answers
        answers = whole
    return np.asarray(answers / len(forest.estimators_)), importance / np.maximum(total, 1e-300)


def _read(tree: Any, x: Array, depths: tuple[int, ...]) -> tuple[Floats, Floats]:
    """Answers (depths, m, values) and importances (depths, M) of one tree cut at each depth."""
    left, right, feature = tree.children_left, tree.children_right, tree.feature
    node, everyone = np.zeros(len(x), np.int64), np.arange(len(x))
    level = np.zeros(1, np.int64)  # the nodes of one depth
    told, gained = [], []
    gain = np.zeros(x.shape[1])
    weight = tree.weighted_n_node_samples
    for depth in range(depths[-1] + 1):
        if depth in depths:
            told.append(tree.value[node, 0])
            gained.append(gain / max(gain.sum(), 1e-300))
        inner = level[left[level] >= 0]
        decrease = weight[inner] * tree.impurity[inner]
        for child in (left[inner], right[inner]):
            decrease = decrease - weight[child] * tree.impurity[child]
        gain = gain + np.bincount(feature[inner], decrease, minlength=x.shape[1])
        level = np.concatenate([left[inner], right[inner]])
        goes = left[node] >= 0
        lower = x[everyone, np.maximum(feature[node], 0)] <= tree.threshold[node]
        node = np.where(goes, np.where(lower, left[node], right[node]), node)
    return np.stack(told), np.stack(gained)
