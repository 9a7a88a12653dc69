"""Factors and codes with known answers, shared by the tests of the metrics."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def grid(*sizes: int, repeat: int = 1) -> Ints:
    """Every combination of factor values, the last factor running fastest, each `repeat` times."""
    rows = np.arange(int(np.prod(sizes)))
    return np.stack(np.unravel_index(rows, sizes), axis=1).repeat(repeat, axis=0)


def rotation(width: int, seed: int = 0) -> Floats:
    """A random orthogonal matrix."""
    rng = np.random.default_rng(seed)
    return np.asarray(np.linalg.qr(rng.normal(size=(width, width)))[0])


def identity_codes(factors: Ints) -> Floats:
    """One latent a factor, standardised."""
    return np.asarray((factors - factors.mean(axis=0)) / factors.std(axis=0))


def noisy_codes(factors: Ints, seed: int = 0, spare: int = 2) -> tuple[Floats, Floats]:
    """Codes as a trained model has them, half entangled: means and log variances (N, K + spare)."""
    rng = np.random.default_rng(seed)
    clean = identity_codes(factors)
    n, k = clean.shape
    turned = clean.copy()
    turned[:, :2] = clean[:, :2] @ np.array([[0.9, 0.436], [-0.436, 0.9]])
    mean = np.concatenate([turned, np.zeros((n, spare))], axis=1)
    deviation = np.concatenate([np.linspace(0.1, 0.4, k), np.full(spare, 0.98)])
    mean += rng.normal(size=mean.shape) * np.concatenate([np.full(k, 0.1), np.full(spare, 0.01)])
    log_var = 2 * np.log(deviation) + 0.1 * rng.normal(size=mean.shape)
    return mean, np.minimum(log_var, 0.0)


Options = dict[str, Any]
