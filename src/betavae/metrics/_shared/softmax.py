"""The linear softmax classifier of the Higgins score, trained with Adagrad."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from betavae.metrics._shared.checks import Array, Ints

BATCH = 64
STEPS = 30_000
"""Where baselines that anybody can compute again land near the paper's: docs/metrics.md."""


@dataclass(frozen=True)
class Classifier:
    """A trained linear classifier: argmax over classes of ``weights @ x + bias``.

    Attributes:
        weights: (classes, M), for features as they were given.
        bias: (classes,).
        steps: Adagrad steps taken.
    """

    weights: Array
    bias: Array
    steps: int

    def predict(self, features: Array) -> Ints:
        """Return the class (n,) of each row of `features` (n, M)."""
        scores = features @ self.weights.T.astype(features.dtype) + self.bias
        return np.asarray(scores.argmax(axis=1), np.int64)


def train_softmax(
    features: Array,
    labels: Ints,
    n_classes: int,
    *,
    rng: np.random.Generator,
    unit: float = 1.0,
    learning_rate: float = 1e-2,
    accumulator: float = 0.1,
    batch: int = BATCH,
    steps: int = STEPS,
) -> Classifier:
    """Train softmax regression with Adagrad on minibatches, for a fixed number of steps.

    One step is ``a += g*g; w -= learning_rate * g / sqrt(a)`` with weights starting at 0 and `a`
    at `accumulator` (0.1, as in TensorFlow). Features are divided by `unit`, one number for all:
    standardising each would be another classifier, which goes further in as many steps.

    The loss itself has its optimum far beyond: Adagrad's rate falls as 1/sqrt(t), and scores creep
    up for 10^6 steps and more. Hence steps are counted, not a fall of the loss awaited.

    Args:
        features: (n, M) floats.
        labels: (n,) class of each point, below `n_classes`.
        n_classes: number of classes.
        rng: draws the batches, without replacement until the points run out.
        unit: what the features are counted in, > 0.
        learning_rate: Adagrad's rate.
        accumulator: Adagrad's initial sum of squared gradients.
        batch: points a step, at most n.
        steps: steps.
    """
    n, width = features.shape
    features = features / features.dtype.type(unit)
    batch = min(batch, n)
    onehot = np.eye(n_classes, dtype=features.dtype)[labels]
    # One array for weights and bias, so that one update serves both.
    both = np.zeros((width + 1, n_classes), features.dtype)
    sums = np.full_like(both, accumulator)
    gradient = np.empty_like(both)
    order, at = rng.permutation(n), 0
    for _ in range(steps):
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
        gradient *= learning_rate
        both -= gradient
    return Classifier(both[:-1].T / unit, both[-1], steps)
