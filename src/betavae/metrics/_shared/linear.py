"""Linear classifiers: softmax regression by L-BFGS, logistic regressions by Newton's method."""

from __future__ import annotations

import numpy as np

from betavae.metrics._shared.arrays import Array, Floats, Ints

WIDE = 256
"""Features above which single precision will do."""


def fit_linear(
    features: Array,
    labels: Ints,
    n_classes: int,
    *,
    ridge: float,
    weights: Array | None = None,
    iterations: int = 300,
) -> tuple[Floats, Floats]:
    """Fit ``features @ coef + offset`` for all classes; returns coef (M, classes), offset.

    Minimises ``sum_i w_i loss_i + ridge / 2 |coef|^2`` with the cross-entropy of one multinomial
    model: scikit-learn's LogisticRegression with C = 1 / ridge.
    """
    from scipy.optimize import minimize

    n, width = features.shape
    # Pixels: half the memory and twice the speed, for a gradient good to 1e-6.
    single = width > WIDE and features.dtype == np.float32
    x = np.ascontiguousarray(features, np.float32 if single else np.float64)
    onehot = (labels[:, None] == np.arange(n_classes)).astype(np.float64)
    w = np.ones((n, 1)) if weights is None else np.asarray(weights, np.float64)[:, None]

    def objective(flat: Floats) -> tuple[float, Floats]:
        both = flat.reshape(width + 1, n_classes)
        scores = (x @ both[:-1].astype(x.dtype)).astype(np.float64) + both[-1]
        scores -= scores.max(axis=1, keepdims=True)
        exp = np.exp(scores)
        total = exp.sum(axis=1, keepdims=True)
        loss = float((w * (np.log(total) - (onehot * scores).sum(1, keepdims=True))).sum())
        residual = w * (exp / total - onehot)
        slopes = x.T @ residual.astype(x.dtype)
        gradient = np.concatenate([slopes + ridge * both[:-1], residual.sum(0)[None]])
        # Divided by n, so that the optimiser's tolerances do not depend on the number of rows.
        return (loss + ridge / 2 * float((both[:-1] ** 2).sum())) / n, gradient.ravel() / n

    start = np.zeros((width + 1) * n_classes)
    options = {"maxiter": iterations, "gtol": 1e-4, "ftol": 1e-7 if single else 1e-9}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options=options).x
    both = found.reshape(width + 1, n_classes)
    return both[:-1], both[-1]


def fit_one_vs_rest(
    features: Array, labels: Ints, n_classes: int, *, ridge: float
) -> tuple[Floats, Floats]:
    """Fit a logistic regression of each class against the rest; coef (M, classes), offset.

    Newton's method on ``sum_i loss_i + ridge / 2 |coef|^2``, as scikit-learn's
    LogisticRegression(C=1 / ridge) for each class. A class that a plane separates has its optimum
    at infinity: its fit stops when the loss is nothing.
    """
    x = np.concatenate([features, np.ones((len(features), 1))], axis=1).astype(np.float64)
    weights = [_logistic(x, (labels == c).astype(np.float64), ridge) for c in range(n_classes)]
    both = np.stack(weights, axis=1)
    return both[:-1], both[-1]


def _logistic(x: Floats, y: Floats, ridge: float) -> Floats:
    """Weights (M + 1,) of one logistic regression, the bias last and without a ridge."""
    penalty = np.full(x.shape[1], ridge)
    penalty[-1] = 0.0

    def evaluate(w: Floats) -> tuple[float, Floats]:
        scores = x @ w
        loss = float((np.logaddexp(0.0, scores) - y * scores).sum())
        p = 1 / (1 + np.exp(-np.clip(scores, -500, 500)))
        return loss + 0.5 * float((penalty * w * w).sum()), p

    w = np.zeros(x.shape[1])
    loss, p = evaluate(w)
    for _ in range(60):
        gradient = x.T @ (p - y) + penalty * w
        hessian = (x * (p * (1 - p))[:, None]).T @ x + np.diag(penalty)
        # Constant latents leave the matrix singular: the trace's 1e-12 th picks no movement there.
        hessian += np.eye(len(w)) * (1e-12 * np.trace(hessian) + 1e-12)
        move = np.linalg.solve(hessian, gradient)
        slope, length = float(move @ gradient), 1.0
        if slope < 1e-8 or loss < 1e-6 * len(x):
            break
        new_loss, new_p = evaluate(w - move)
        while new_loss > loss - 1e-4 * length * slope and length > 1e-6:
            length /= 2
            new_loss, new_p = evaluate(w - length * move)
        w, loss, p = w - length * move, new_loss, new_p
    return w


def standardise(train: Array, other: Array) -> tuple[Floats, Floats]:
    """Scale both to the training rows' zero mean and unit variance; constant latents become 0.

    >>> standardise(np.array([[0.0, 5.0], [2.0, 5.0]]), np.array([[1.0, 6.0]]))[1]
    array([[0., 0.]])
    """
    mean = train.mean(axis=0, dtype=np.float64)
    deviation = train.std(axis=0, dtype=np.float64)
    scale = np.where(deviation > 1e-9 * np.abs(train).max(axis=0), deviation, np.inf)
    return (train - mean) / scale, (other - mean) / scale
