"""Linear classifiers from many features at once: logistic and softmax regression by L-BFGS."""

from __future__ import annotations

from typing import Literal

import numpy as np

from betavae.metrics._shared.checks import Array, Floats, Ints


def fit_linear(
    features: Array,
    labels: Ints,
    n_classes: int,
    *,
    link: Literal["softmax", "one_vs_rest"],
    ridge: float,
    weights: Array | None = None,
) -> tuple[Floats, Floats]:
    """Fit ``features @ coef + offset`` for all classes; returns coef (M, classes), offset.

    Minimises ``sum_i w_i loss_i + ridge / 2 |coef|^2``: for ``"softmax"`` the cross-entropy of one
    multinomial model (scikit-learn's LogisticRegression with C = 1 / ridge), for
    ``"one_vs_rest"`` the sum of the binary cross-entropies of one model a class.
    """
    from scipy.optimize import minimize

    n, width = features.shape
    x = np.ascontiguousarray(features, np.float64)
    onehot = (labels[:, None] == np.arange(n_classes)).astype(np.float64)
    w = np.ones((n, 1)) if weights is None else np.asarray(weights, np.float64)[:, None]

    def objective(flat: Floats) -> tuple[float, Floats]:
        both = flat.reshape(width + 1, n_classes)
        scores = x @ both[:-1] + both[-1]
        if link == "softmax":
            scores -= scores.max(axis=1, keepdims=True)
            exp = np.exp(scores)
            total = exp.sum(axis=1, keepdims=True)
            loss = float((w * (np.log(total) - (onehot * scores).sum(1, keepdims=True))).sum())
            residual = w * (exp / total - onehot)
        else:
            # exp of minus the absolute value never overflows, and serves loss and probability.
            small = np.exp(-np.abs(scores))
            loss = float((w * (np.log1p(small) + np.maximum(scores, 0) - onehot * scores)).sum())
            residual = w * (np.where(scores > 0, 1.0, small) / (1 + small) - onehot)
        gradient = np.concatenate([x.T @ residual + ridge * both[:-1], residual.sum(0)[None]])
        # Divided by n, so that the optimiser's tolerances do not depend on the number of rows.
        return (loss + ridge / 2 * float((both[:-1] ** 2).sum())) / n, gradient.ravel() / n

    start = np.zeros((width + 1) * n_classes)
    options = {"maxiter": 300, "gtol": 1e-4, "ftol": 1e-9}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options=options).x
    both = found.reshape(width + 1, n_classes)
    return both[:-1], both[-1]


def standardise(train: Array, other: Array) -> tuple[Floats, Floats]:
    """Scale both to the training rows' zero mean and unit variance; constant latents become 0.

    >>> standardise(np.array([[0.0, 5.0], [2.0, 5.0]]), np.array([[1.0, 6.0]]))[1]
    array([[0., 0.]])
    """
    mean = train.mean(axis=0, dtype=np.float64)
    deviation = train.std(axis=0, dtype=np.float64)
    scale = np.where(deviation > 1e-9 * np.abs(train).max(axis=0), deviation, np.inf)
    return (train - mean) / scale, (other - mean) / scale
