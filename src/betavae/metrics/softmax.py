"""The linear softmax classifier of the Higgins score, trained with Adagrad until it converges."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from betavae.metrics.checks import Array, Ints

BLOCK_FLOATS = 1 << 18
"""Floats of a block of training points: 1 MiB, so that the second product finds it in cache."""
WORK = 4e10
"""Most products (points x features x classes) a gradient search may spend, whatever the width."""


@dataclass(frozen=True)
class Classifier:
    """A trained linear classifier: argmax over classes of ``weights @ x + bias``.

    Attributes:
        weights: (classes, M), for features as they were given.
        bias: (classes,).
        loss: mean cross-entropy on the training points, in nats.
        steps: Adagrad steps taken.
        evaluations: gradients computed; fewer than `steps`, see `train_softmax`.
        converged: False when it ran out of evaluations first.
    """

    weights: Array
    bias: Array
    loss: float
    steps: int
    evaluations: int
    converged: bool

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
    learning_rate: float = 1e-2,
    accumulator: float = 0.1,
    tolerance: float = 1e-4,
    max_evaluations: int | None = None,
) -> Classifier:
    """Train softmax regression with full-batch Adagrad until the loss stops falling.

    One step is ``a += g*g; w -= learning_rate * g / sqrt(a)`` with `a` starting at
    `accumulator` (0.1, as in TensorFlow). Features are standardised first: that moves neither
    the optimum nor the set of classifiers, and gets there in far fewer steps.

    Plain Adagrad needs 10^5 to 10^6 steps here: its rate falls as 1/sqrt(t). Late in training
    the gradient hardly changes from one step to the next, so k steps are taken with one gradient,
    in closed form: ``sum_{j=1..k} g / sqrt(a + j g*g) ~ 2 k g / (sqrt(a + k g*g) + sqrt(a))``.
    k grows while the gradient, after the k steps, has turned by less than 30 % (in Adagrad's own
    norm); if it turned more, or if the loss rose, the k steps are undone and k is halved.

    It has converged when the loss falls by less than `tolerance` of itself per 1,000 Adagrad
    steps, over the last 50 gradients.

    Args:
        features: (n, M) floats.
        labels: (n,) class of each point, below `n_classes`.
        n_classes: number of classes.
        rng: draws the initial weights (Glorot uniform).
        learning_rate: Adagrad's rate.
        accumulator: Adagrad's initial sum of squared gradients.
        tolerance: relative fall of the loss, per 1,000 steps, that counts as converged.
        max_evaluations: give up after this many gradients; `converged` is then False. None:
            5,000, fewer for wide features (about 250 for 10,000 x 4,096 pixels).
    """
    n, width = features.shape
    if max_evaluations is None:
        max_evaluations = int(np.clip(WORK / (n * (width + 1) * n_classes), 100, 5000))
    mean = features.mean(axis=0, dtype=np.float64)
    scale = features.std(axis=0, dtype=np.float64)
    # A constant feature carries nothing: leave it at 0 instead of dividing by 0.
    scale = np.where(scale > 1e-7 * (np.abs(mean) + 1e-30), scale, np.inf)
    blocks = _blocks(features, mean, scale)
    bounds = np.cumsum([0] + [len(block) for block in blocks])
    onehot = (labels[:, None] == np.arange(n_classes)).astype(np.float32)
    targets = [onehot[a:b].T for a, b in itertools.pairwise(bounds)]

    def loss_and_gradient(weights: Array) -> tuple[float, Array]:
        small = weights.astype(np.float32)
        loss, gradient = 0.0, np.zeros(small.shape, np.float32)
        for block, target in zip(blocks, targets, strict=True):
            scores = np.ascontiguousarray((block @ small.T).T)
            scores -= scores.max(axis=0)
            loss -= float(np.einsum("kn,kn->", scores, target))
            np.exp(scores, out=scores)
            total = scores.sum(axis=0)
            loss += float(np.log(total).sum(dtype=np.float64))
            scores /= total
            scores -= target
            gradient += scores @ block
        return loss / n, gradient.astype(np.float64) / n

    limit = np.sqrt(6.0 / (width + n_classes))
    weights = rng.uniform(-limit, limit, size=(n_classes, width + 1))
    weights[:, -1] = 0.0
    sums = np.full_like(weights, accumulator)
    loss, gradient = loss_and_gradient(weights)
    steps, evaluations, k = 0, 1, 1
    mark_steps, mark_loss, converged = 0, loss, False
    while evaluations < max_evaluations and not converged:
        new_sums = sums + k * gradient**2
        root = np.sqrt(new_sums)
        move = gradient / root if k == 1 else 2 * k * gradient / (root + np.sqrt(sums))
        new_weights = weights - learning_rate * move
        new_loss, new_gradient = loss_and_gradient(new_weights)
        evaluations += 1
        before = float((gradient**2 / root).sum())
        turn = np.sqrt(float(((new_gradient - gradient) ** 2 / root).sum()) / max(before, 1e-300))
        # 1e-7: the loss is a float32 sum, equal losses may differ in the last digit.
        if k == 1 or (turn < 0.3 and new_loss <= loss + 1e-7):
            weights, sums, loss, gradient = new_weights, new_sums, new_loss, new_gradient
            steps += k
            k = max(1, int(k * np.clip(0.24 / max(turn, 1e-9), 0.7, 1.3)) + (k < 4))
        else:
            k = max(1, k // 2)
        if evaluations % 50 == 0 and steps > mark_steps:
            fall = (mark_loss - loss) / (steps - mark_steps) * 1000
            converged = bool(fall < tolerance * loss)
            mark_steps, mark_loss = steps, loss
    raw = weights[:, :-1] / scale
    bias = weights[:, -1] - raw @ mean
    return Classifier(raw, bias, loss, steps, evaluations, converged)


def _blocks(features: Array, mean: Array, scale: Array) -> list[Array]:
    """Standardise features, append a column of ones and cut the rows into cache-sized blocks."""
    n, width = features.shape
    size = max(64, BLOCK_FLOATS // (width + 1))
    blocks = []
    for start in range(0, n, size):
        part = features[start : start + size]
        block = np.ones((len(part), width + 1), np.float32)
        block[:, :-1] = (part - mean) / scale
        blocks.append(block)
    return blocks
