"""The linear softmax classifiers of the Higgins score: at the optimum, or by counted steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from betavae.metrics._shared.arrays import Array, Floats, Ints
from betavae.metrics._shared.linear import fit_linear

RIDGE = 1.0
"""Weight of half the squared weights beside the summed cross-entropy of all points: the least
that keeps the optimum of separable classes finite, and what makes codes far below the unit of
their prior unreadable."""
NEWTON_WIDTH = 256
"""Weights up to which the Newton step is solved; beyond it, L-BFGS."""


@dataclass(frozen=True)
class Adagrad:
    """How the counted steps go.

    Attributes:
        steps: steps.
        batch: points a step.
        learning_rate: the paper's rate.
        accumulator: initial sum of squared gradients, 0.1 as in TensorFlow.
    """

    steps: int = 30_000
    batch: int = 64
    learning_rate: float = 1e-2
    accumulator: float = 0.1


@dataclass(frozen=True)
class Classifier:
    """A trained linear classifier: argmax over classes of ``weights @ x + bias``.

    Attributes:
        weights: (classes, M).
        bias: (classes,).
        steps: steps taken.
    """

    weights: Array
    bias: Array
    steps: int

    def predict(self, features: Array) -> Ints:
        """Return the class (n,) of each row of `features` (n, M)."""
        scores = features @ self.weights.T.astype(features.dtype) + self.bias
        return np.asarray(scores.argmax(axis=1), np.int64)


def fit_softmax(features: Array, labels: Ints, n_classes: int) -> Classifier:
    """Fit softmax regression to the optimum of its loss, with a ridge of `RIDGE`.

    Newton's method for few weights, L-BFGS for many; either stops at the optimum, which does not
    depend on which it was.

    >>> x = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> fit_softmax(x, np.array([0, 0, 1, 1]), 2).predict(x)
    array([0, 0, 1, 1])
    """
    if (features.shape[1] + 1) * n_classes > NEWTON_WIDTH:
        coef, offset = fit_linear(features, labels, n_classes, ridge=RIDGE, iterations=400)
        return Classifier(coef.T, offset, 0)
    x = np.concatenate([features, np.ones((len(features), 1))], axis=1)
    both, steps = _newton(x, labels, n_classes)
    return Classifier(both[:, :-1], both[:, -1], steps)


def _newton(x: Floats, labels: Ints, n_classes: int) -> tuple[Floats, int]:
    """Weights (classes, M + 1) at the optimum, the bias last and without a ridge; steps taken."""
    width = x.shape[1]
    onehot = (labels[:, None] == np.arange(n_classes)).astype(np.float64)
    ridge = np.full((n_classes, width), RIDGE)
    ridge[:, -1] = 1e-6  # biases may all be shifted together: this picks one of the optima

    def evaluate(w: Floats) -> tuple[float, Floats]:
        scores = x @ w.T
        scores -= scores.max(axis=1, keepdims=True)
        p = np.exp(scores)
        total = p.sum(axis=1, keepdims=True)
        p /= total
        loss = float(np.log(total).sum() - (onehot * scores).sum())
        return loss + 0.5 * float((ridge * w * w).sum()), p

    w = np.zeros((n_classes, width))
    loss, p = evaluate(w)
    for step in range(100):
        gradient = (p - onehot).T @ x + ridge * w
        hessian = np.diag(ridge.ravel())
        for a in range(n_classes):
            for b in range(a, n_classes):
                weight = p[:, a] * ((a == b) - p[:, b])
                block = (x * weight[:, None]).T @ x
                rows, columns = slice(a * width, (a + 1) * width), slice(b * width, (b + 1) * width)
                hessian[rows, columns] += block
                if a != b:
                    hessian[columns, rows] += block
        move = np.linalg.solve(hessian, gradient.ravel()).reshape(w.shape)
        slope, length = float((move * gradient).sum()), 1.0
        if slope < 1e-9 * len(x):
            return w, step
        new_loss, new_p = evaluate(w - move)
        while new_loss > loss - 1e-4 * length * slope and length > 1e-6:
            length /= 2
            new_loss, new_p = evaluate(w - length * move)
        w, loss, p = w - length * move, new_loss, new_p
    return w, 100


def train_softmax(
    features: Array,
    labels: Ints,
    n_classes: int,
    *,
    rng: np.random.Generator,
    rule: Adagrad | None = None,
) -> Classifier:
    """Train softmax regression with Adagrad on minibatches, for a fixed number of steps.

    One step is ``a += g*g; w -= learning_rate * g / sqrt(a)`` with weights starting at 0. This
    stops far from the optimum: Adagrad's rate falls as 1/sqrt(t), and the loss falls for 10^6
    steps and more.

    Args:
        features: (n, M) floats.
        labels: (n,) class of each point, below `n_classes`.
        n_classes: number of classes.
        rng: draws the batches, without replacement until the points run out.
        rule: steps, batch and rate; None: the defaults of `Adagrad`.
    """
    rule = rule or Adagrad()
    n, width = features.shape
    batch = min(rule.batch, n)
    onehot = np.eye(n_classes, dtype=features.dtype)[labels]
    # One array for weights and bias, so that one update serves both.
    both = np.zeros((width + 1, n_classes), features.dtype)
    sums = np.full_like(both, rule.accumulator)
    gradient = np.empty_like(both)
    order, at = rng.permutation(n), 0
    for _ in range(rule.steps):
        if at + batch > n:
            order, at = rng.permutation(n), 0
        drawn = order[at : at + batch]
        at += batch
        x = features.take(drawn, axis=0)
        p = x @ both[:-1]
        p += both[-1]
        p -= p.max(axis=1, keepdims=True)
        np.exp(p, out=p)
        p /= p.sum(axis=1, keepdims=True)
        p -= onehot.take(drawn, axis=0)
        p /= batch
        np.matmul(x.T, p, out=gradient[:-1])
        p.sum(axis=0, out=gradient[-1])
        sums += gradient * gradient
        gradient /= np.sqrt(sums)
        gradient *= rule.learning_rate
        both -= gradient
    return Classifier(both[:-1].T, both[-1], rule.steps)
